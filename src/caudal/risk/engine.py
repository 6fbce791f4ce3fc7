"""What decides in a book, made ready and kept in the process for as long as nothing else is published.

Whether it still holds, each batch learns by a number that it reads with everything else (`Stamp`).
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from caudal import features, rules
from caudal.features import Plan
from caudal.risk.deciding import FEATURES, Judges
from caudal.risk.decision_types import Fallback, FallbackPolicy, Model, Rules, Served, Thresholds
from caudal.risk.published_rules import PublishedRules
from caudal.risk.store_decisions import Stamp
from caudal_base.database import Connection

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"


class Chosen(NamedTuple):
    """The model that decides on one subject."""

    role: str
    ref: str
    model: Model | None
    """None: it cannot be asked, and `fallback` says why."""
    fallback: Fallback | None


class Serving:
    """Which models serve, with what thresholds, and who decides where none answers. Never changes."""

    def __init__(
        self, version: int, *, champion: Chosen, challenger: Chosen | None = None, share: int = 0,
        salt: str = "", shadows: Sequence[Model] = (), thresholds: Mapping[str, Thresholds],
        policy: FallbackPolicy | None = None, deadline_us: int = 3_000,
    ) -> None:  # fmt: skip
        """`share` is the challenger's, in per cent; `thresholds` go by model."""
        self.version = version
        self.champion = champion
        self.challenger = challenger
        self.shadows = tuple(shadows)
        self.policy = policy or FallbackPolicy()
        self.deadline_us = deadline_us
        self._share = share
        self._salt = salt.encode()
        self._thresholds = dict(thresholds)

    def pick(self, key: str) -> Chosen:
        """Who decides on a subject: always the same of the same key."""
        if self.challenger is None:
            return self.champion
        digest = hashlib.blake2b(key.encode(), digest_size=8, key=self._salt[:64]).digest()
        return self.challenger if int.from_bytes(digest, "big") % 100 < self._share else self.champion

    def thresholds(self, ref: str) -> Thresholds:
        """Those of a model."""
        return self._thresholds.get(ref, Thresholds())


class Past:
    """Who decided in certain versions: enough to make a decision again. Never changes."""

    def __init__(
        self, names: Sequence[str] = (), rules: Rules | None = None, serving: Serving | None = None
    ) -> None:
        """`names` are those of the features, in their order."""
        self.rules = rules
        self.serving = serving
        self.names = tuple(FEATURES + name for name in names)

    def judges(self, served: Served) -> Judges:
        """Who decides, with what: `served` says which model, or why none."""
        serving = self.serving
        policy = FallbackPolicy() if serving is None else serving.policy
        if served.fallback is Fallback.FAILED:
            return Judges(policy=policy)
        if serving is None or served.model is None or served.fallback is not None:
            return Judges(rules=self.rules, policy=policy)
        for chosen in (serving.champion, serving.challenger):
            if chosen is not None and chosen.ref == served.model:
                return Judges(
                    rules=self.rules, model=chosen.model, thresholds=serving.thresholds(chosen.ref),
                    policy=policy,
                )  # fmt: skip
        return Judges(rules=self.rules, policy=policy)


class Engine(Past):
    """All that decides in a book now. Never changes."""

    def __init__(
        self, stamp: Stamp, plan: Plan, rules: Rules | None = None, serving: Serving | None = None
    ) -> None:
        """As it stood when the stamp was read."""
        super().__init__(plan.names, rules, serving)
        self.stamp = stamp
        self.plan = plan
        self.looks_up = bool(plan.kept)
        """There are features to read, or series to be kept up."""
        self.decides = bool(plan.version or rules or serving)
        """Something is published: every decision is recorded. Else lists and limits alone decide."""


class Engines:
    """The engines of the books that this process serves: one each, replaced when something is published."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._known: dict[int, Engine] = {}

    def known(self, book_id: int) -> Engine | None:
        """As it stood when it was last looked at."""
        return self._known.get(book_id)

    async def load(self, connection: Connection, book_id: int, stamp: Stamp) -> Engine:
        """As it stands: under the book's lock, `stamp` was read under it too."""
        plan = await features.load_plan(connection, book_id)
        rule_set = await rules.load_published(connection, book_id)
        published = PublishedRules(rule_set) if rule_set.version else None
        engine = self._known[book_id] = Engine(stamp, plan, published)
        return engine
