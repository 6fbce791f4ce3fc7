"""What decides in a book, made ready and kept in the process for as long as nothing else is published.

Whether it still holds, each batch learns by a number that it reads with everything else (`Stamp`).
"""

from collections.abc import Mapping, Sequence

from caudal import features, models, rules
from caudal.features import Plan
from caudal.models import Purpose
from caudal.risk.counts import DecisionCounts
from caudal.risk.deciding import FEATURES, Judges
from caudal.risk.decision_types import Fallback, FallbackPolicy, Rules, Served
from caudal.risk.published_rules import PublishedRules
from caudal.risk.serving_models import Serving
from caudal.risk.store_decisions import Stamp
from caudal.rules import RuleSubject
from caudal_base.database import Connection


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
        return Judges(
            rules=self.rules, model=serving.named(served.model), thresholds=serving.thresholds, policy=policy
        )


class Engine(Past):
    """All that decides in a book now. Never changes."""

    def __init__(
        self, stamp: Stamp, plan: Plan, rules: Rules | None = None, serving: Serving | None = None,
        applications: Past | None = None,
    ) -> None:  # fmt: skip
        """As it stood when the stamp was read: rules and models of payments, and those of `applications`."""
        super().__init__(plan.names, rules, serving)
        self.stamp = stamp
        self.applications = applications or Past()
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
        self._models = models.Directory()
        self.counts = DecisionCounts()
        """What this process has decided by them."""

    @property
    def all(self) -> Mapping[int, Engine]:
        """By book, as each was last looked at."""
        return self._known

    def known(self, book_id: int) -> Engine | None:
        """As it stood when it was last looked at."""
        return self._known.get(book_id)

    async def prepare(self, connection: Connection, book_id: int) -> None:
        """Load the models that may come to serve in a book, so that no batch waits for it under the lock."""
        await self._models.prepare(connection, book_id)

    async def load(self, connection: Connection, book_id: int, stamp: Stamp) -> Engine:
        """As it stands: under the book's lock, `stamp` was read under it too."""
        plan = await features.load_plan(connection, book_id)
        rule_set = await rules.load_published(connection, book_id)
        published = PublishedRules(rule_set) if rule_set.version else None
        applied = None
        if rule_set.speaks_of(RuleSubject.APPLICATION):
            applied = PublishedRules(rule_set, RuleSubject.APPLICATION)
        fraud = await self._serving(connection, book_id, Purpose.FRAUD)
        credit = await self._serving(connection, book_id, Purpose.CREDIT)
        applications = Past(rules=applied, serving=credit)
        engine = self._known[book_id] = Engine(stamp, plan, published, fraud, applications)
        return engine

    async def _serving(self, connection: Connection, book_id: int, purpose: Purpose) -> Serving | None:
        serving = Serving(await self._models.load(connection, book_id, purpose))
        return serving if serving.decides else None
