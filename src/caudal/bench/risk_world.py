"""What decisions are measured in: a book with features, rules, models and a history of any length."""

import datetime as dt
import itertools
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

import msgspec

from caudal import features, rules
from caudal.access import OPERATOR, Caller
from caudal.bench import http_load, risk_model
from caudal.bench.world import World
from caudal.features import Aggregate, Entity, Feature, FeatureSet
from caudal.models import Prepared
from caudal.risk import Decider, Engines
from caudal.rules import ReviewVerdict, RiskRule, RiskRules, RuleStage
from caudal_base import arrays, ids
from caudal_base.check import check
from caudal_base.clock import SystemClock
from caudal_base.decide import Context, Subject
from caudal_base.errors import CaudalError

CARDS: Final = 10_000
HOT_SHARE: Final = 10
"""One event in so many is of one card."""
AMOUNT: Final = 1_000
_SPAN: Final = dt.timedelta(days=180)
_CARD: Final = (Entity.CARD,)
_SAME: Final = ("currency",)
_CLOCK: Final = SystemClock()

FEATURES: Final = FeatureSet(
    features=(
        *(
            Feature(name=f"card_count_{window}", by=_CARD, aggregate=Aggregate.COUNT, window=window)
            for window in ("1m", "1h", "1d", "30d", "180d")
        ),
        *(
            Feature(
                name=f"card_{aggregate.value}_{window}", by=_CARD, aggregate=aggregate, value="amount",
                same=_SAME, window=window,
            )
            for aggregate, window in (
                (Aggregate.SUM, "1h"), (Aggregate.SUM, "30d"), (Aggregate.MEAN, "30d"),
                (Aggregate.STDDEV, "180d"), (Aggregate.RATIO, "30d"), (Aggregate.MAX, "7d"),
            )
        ),
        Feature(name="card_since_last", by=_CARD, aggregate=Aggregate.SINCE_LAST, window="30d"),
        Feature(
            name="card_devices_7d", by=_CARD, aggregate=Aggregate.DISTINCT, value="device", window="7d"
        ),
        Feature(name="device_count_1d", by=(Entity.DEVICE,), aggregate=Aggregate.COUNT, window="1d"),
    )
)  # fmt: skip
"""Fourteen features of five series."""

# One event in ten is of the first card, the rest go round the others.
_HISTORY: Final = """
insert into features.cumulative (book_id, series, key, run, event_at, ordinal, count, total, squares)
select %(book_id)s, s.number, (%(keys)s)[h.place], 0, %(began)s + h.n * %(step)s, h.n, h.count,
       h.count * s.amount, h.count * s.amount * s.amount
  from unnest(%(series)s, %(amounts)s) as s(number, amount)
 cross join (
        select n,
               case when n %% 10 = 0 then 1 else 2 + n %% %(others)s end as place,
               case when n %% 10 = 0 then n / 10 else n / %(others)s end + 1 as count
          from generate_series(1, %(events)s) as n
       ) h
"""

_HEADS: Final = """
insert into features.head (book_id, series, key, run, event_at, count, total, squares)
select %(book_id)s, %(series)s, k.key, newest.run, newest.event_at, newest.count, newest.total, newest.squares
  from unnest(%(keys)s) as k(key)
 cross join lateral (
        select run, event_at, count, total, squares
          from features.cumulative
         where book_id = %(book_id)s and series = %(series)s and key = k.key
         order by run desc, event_at desc
         limit 1
       ) newest
"""

_KEY: Final = """
alter table features.cumulative add constraint cumulative_pkey
    primary key (book_id, series, key, run, event_at, ordinal)
"""

_EVENTS: Final = """
insert into features.event (book_id, ordinal, source, id, event_at, known_at, entities, tags, values)
select %(book_id)s, n, 'history', n::text, %(at)s, %(at)s, '{}', '{}', '{}'
  from generate_series(greatest(1, %(events)s - 9999), %(events)s) as n
"""
"""The newest of the history: decisions ask for no others."""


class RiskWorld:
    """A book in which is decided."""

    def __init__(self, world: World) -> None:
        """On a new book."""
        self.database, self.ledger, self.book_id = world.database, world.ledger, world.book_id
        self.clock = _CLOCK
        self.engines = Engines()
        self.decider = Decider(_CLOCK, world.ids, self.engines)
        self._world = world
        self._numbers = itertools.count()

    async def prepare(self, events: int, models: Sequence[Prepared]) -> None:
        """Publish features and rules, let models serve, and write a history."""
        await publish(self._world, models)
        async with self.database.connection() as connection:
            plan = await features.load_plan(connection, self.book_id)
        kept = {planned.feature.name: planned.kept for planned in plan.features}
        names = ("card_count_1h", "card_sum_1h")
        count, amount = (kept[name] for name in names)
        keys = [
            features.key_of(amount.series, {"card": f"pm_{n}"}, {"currency": "EUR"}) for n in range(CARDS)
        ]
        counted = [features.key_of(count.series, {"card": f"pm_{n}"}, {}) for n in range(CARDS)]
        began = _CLOCK.now() - _SPAN
        # Keys come in no order: an index that is built at the end takes a fifth of the time.
        async with self.database.transaction() as connection:
            await connection.execute("alter table features.cumulative drop constraint cumulative_pkey")
        for series, of, value in ((amount.number, keys, AMOUNT), (count.number, counted, 0)):
            parameters = {
                "book_id": self.book_id, "series": arrays.integers([series]),
                "amounts": arrays.bigints([value]), "keys": arrays.blobs([key or b"" for key in of]),
                "began": began, "step": _SPAN / (events + 1), "others": CARDS - 1, "events": events,
            }  # fmt: skip
            async with self.database.transaction() as connection:
                await connection.execute("set local statement_timeout = 0")
                await connection.execute(_HISTORY, parameters)
        async with self.database.transaction() as connection:
            await connection.execute("set local statement_timeout = 0")
            await connection.execute("set local maintenance_work_mem = '512MB'")
            await connection.execute(_KEY)
            for number, of in ((amount.number, keys), (count.number, counted)):
                blobs = arrays.blobs([key or b"" for key in of])
                await connection.execute(_HEADS, {"book_id": self.book_id, "series": number, "keys": blobs})
            at = _CLOCK.now() - dt.timedelta(seconds=1)
            await connection.execute(_EVENTS, {"book_id": self.book_id, "events": events, "at": at})
        async with self.database.connection() as connection:
            await connection.execute("analyze features.cumulative, features.head, features.event")

    def subjects(self, count: int, *, hot: bool) -> list[Subject]:
        """Payments by cards of the history: all by the hottest, or each by another."""
        found = []
        for number in itertools.islice(self._numbers, count):
            card = 0 if hot else 1 + number * 7_919 % (CARDS - 1)
            found.append(
                Subject(
                    payment_id=ids.encode(ids.PAYMENT, self._world.ids.new()), kind="pay_in",
                    customer_id=ids.encode(ids.CUSTOMER, UUID(int=number % 1_000 + 1)),
                    amount=AMOUNT + number % 97, currency="EUR", method="card", partner="stripe",
                    instrument=f"pm_{card}", limits=(),
                    context=Context(device=f"device-{number % 5_000}", country="DE"),
                )
            )  # fmt: skip
        return found

    def asked(self) -> tuple[int, float]:
        """How often models were asked in this process so far, and how many seconds they took."""
        times = self.engines.counts.scores.values()
        return sum(sum(each.counts) for each in times), sum(each.sum_s for each in times)

    def requests(self, key: str, name: str) -> Callable[[int], bytes]:
        """Makes the request of a number: decide on a payment elsewhere, by a card of the history."""
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

        def make(number: int) -> bytes:
            card = 1 + number * 7_919 % (CARDS - 1)
            body = (
                f'{{"subject":"{name}-{number}","customer":"user-{number % 1_000}",'
                f'"amount":{AMOUNT + number % 97},"currency":"EUR","method":"card","instrument":"pm_{card}",'
                f'"context":{{"device":"device-{number % 5_000}","country":"DE"}}}}'
            )
            return http_load.request("POST", "/v1/decisions/payment", headers, body.encode())

        return make


async def publish(world: World, models: Sequence[Prepared]) -> None:
    """Features and ten rules, reviewed and published, in a book, and the models that serve in it."""
    author = Caller(principal=OPERATOR, request_id=ids.encode(ids.REQUEST, world.ids.new()))
    other = msgspec.structs.replace(OPERATOR, id=UUID(int=1), key_id=UUID(int=1), actor="reviewer")
    approver = msgspec.structs.replace(author, principal=other)
    at = _CLOCK.now()
    made = RiskRules(
        rules=tuple(
            RiskRule(
                name=f"rule_{n}", outcome=rules.Outcome.REVIEW, reason="as a benchmark",
                stage=RuleStage.BEFORE_MODEL,
                when=f"features.card_count_1m > {10**9 + n} || features.card_sum_30d > {10**14 + n}",
            )
            for n in range(10)
        )
    )  # fmt: skip
    async with world.database.transaction() as connection:
        _done(await features.publish(
            connection, world.book_id, FEATURES, caller=author, ledger=world.ledger, at=at
        ))  # fmt: skip
    async with world.database.transaction() as connection:
        draft = await rules.draft(connection, world.book_id, made, caller=author, ledger=world.ledger, at=at)
        check(isinstance(draft, rules.Version), "the rules can be drafted")
        version = draft.version if isinstance(draft, rules.Version) else 0
        _done(await rules.review(
            connection, world.book_id, version, ReviewVerdict.ACCEPT,
            caller=approver, ledger=world.ledger, at=at,
        ))  # fmt: skip
        _done(await rules.publish(
            connection, world.book_id, version, caller=author, ledger=world.ledger, at=at
        ))  # fmt: skip
    await risk_model.serve(world, models, author=author, approver=approver)


def _done(result: object) -> None:
    if isinstance(result, CaudalError):
        raise result
