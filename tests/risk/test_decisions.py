"""Lists and limits, as payments ask for them: against the database, batch by batch."""

import datetime as dt
import time
from collections.abc import Sequence
from typing import Any

import pytest
from psycopg.sql import SQL

from caudal.risk import (
    KEEP_DAYS,
    AddEntry,
    ListKind,
    ListsAndLimits,
    SubjectKind,
    add_entries,
    purge_used,
)
from caudal_base.clock import ManualClock
from caudal_base.database import Database
from caudal_base.decide import Context, Decision, Limit, Subject, Verdict
from support.customer_worlds import CALLER, new_customer_id, seconds
from support.histories import START
from support.ledgers import new_book

DECLINE, REVIEW, APPROVE = Verdict.DECLINE, Verdict.REVIEW, Verdict.APPROVE


class Desk:
    """Payments as the room sees them: each call is a batch in a transaction of its own."""

    def __init__(self, database: Database, book_id: int) -> None:
        self.database = database
        self.book_id = book_id
        self.clock = ManualClock(START)

    async def decide(self, *subjects: Subject) -> list[Decision]:
        """Decide on a batch; what is approved goes through."""
        async with self.database.transaction() as connection:
            async with connection.pipeline():
                batch = await ListsAndLimits(self.clock).begin(connection, self.book_id, subjects)
                await batch.ready(self.clock.now())
            decisions = []
            for subject in subjects:
                decision = batch.decide(subject)
                batch.recorded(subject, decision)
                decisions.append(decision)
            written = batch.writes()
            assert len(written) <= 1
            for text, values in written:
                await connection.execute(SQL(text), values)
        return decisions

    async def put(self, list: ListKind, subject: SubjectKind, value: str, **rest: Any) -> None:
        command = AddEntry(list=list, subject=subject, value=value, reason="case 17", **rest)
        async with self.database.transaction() as connection:
            [entry] = await add_entries(
                connection, self.book_id, [command], caller=CALLER, at=self.clock.now()
            )
        assert not isinstance(entry, Exception), entry

    async def used(self) -> list[tuple[Any, ...]]:
        async with self.database.connection() as connection:
            cursor = await connection.execute(
                """
                select day, currency, kind, country, amount, count
                  from risk.usage where book_id = %s order by customer, day, currency, kind, country
                """,
                (self.book_id,),
            )
            return await cursor.fetchall()


@pytest.fixture
async def desk(shared_database: Database) -> Desk:
    return Desk(shared_database, (await new_book(shared_database)).book_id)


def subject(amount: int = 1_000, *, limits: Sequence[Limit] = (), **changes: Any) -> Subject:
    fields: dict[str, Any] = {
        "payment_id": "pay_1",
        "kind": "pay_in",
        "customer_id": new_customer_id(),
        "amount": amount,
        "currency": "EUR",
        "method": "card",
        "partner": "stripe",
        "instrument": "pm_card_visa",
        "context": None,
        "limits": tuple(limits),
    }
    return Subject(**{**fields, **changes})


CONTEXT = Context(device="device-1", ip="2001:db8::1", merchant="m-1", card_token="tok_card_1", country="DE")

NAMED = [
    (SubjectKind.INSTRUMENT, "pm_card_visa", "instrument"),
    (SubjectKind.INSTRUMENT, "tok_card_1", "instrument"),
    (SubjectKind.DEVICE, "device-1", "device"),
    (SubjectKind.IP, "2001:0db8:0::0001", "ip"),
    (SubjectKind.COUNTRY, "DE", "country"),
    (SubjectKind.MERCHANT, "m-1", "merchant"),
]


async def test_a_payment_that_is_on_no_list_and_has_no_limits_is_approved_and_leaves_nothing(
    desk: Desk,
) -> None:
    assert await desk.decide(subject(), subject(context=CONTEXT)) == [
        Decision(verdict=APPROVE),
        Decision(verdict=APPROVE),
    ]
    assert await desk.used() == []


@pytest.mark.parametrize(("kind", "value", "word"), NAMED)
@pytest.mark.parametrize(
    ("list", "verdict", "participle"),
    [(ListKind.BLOCK, DECLINE, "blocked"), (ListKind.WATCH, REVIEW, "watched")],
)
async def test_what_is_blocked_is_declined_and_what_is_watched_is_reviewed(
    desk: Desk, list: ListKind, verdict: Verdict, participle: str, kind: SubjectKind, value: str, word: str
) -> None:
    await desk.put(list, kind, value)

    met, other = await desk.decide(
        subject(context=CONTEXT),
        subject(instrument="pm_card_mastercard", context=Context(country="FR", ip="192.0.2.7")),
    )

    assert met == Decision(verdict=verdict, reasons=(f"{participle}_{word}",))
    assert other == Decision(verdict=APPROVE)


async def test_a_customer_on_a_list_is_met_by_every_payment_of_theirs_and_nobody_elses(desk: Desk) -> None:
    customer = new_customer_id()
    await desk.put(ListKind.BLOCK, SubjectKind.CUSTOMER, customer)

    decisions = await desk.decide(
        subject(customer_id=customer), subject(), subject(customer_id=customer, kind="payout")
    )

    blocked = Decision(verdict=DECLINE, reasons=("blocked_customer",))
    assert decisions == [blocked, Decision(verdict=APPROVE), blocked]


async def test_the_allow_list_spares_the_watch_list_but_no_block_and_no_limit(desk: Desk) -> None:
    customer = new_customer_id()
    await desk.put(ListKind.WATCH, SubjectKind.COUNTRY, "DE")
    await desk.put(ListKind.ALLOW, SubjectKind.CUSTOMER, customer)
    await desk.put(ListKind.BLOCK, SubjectKind.DEVICE, "device-1")
    limit = Limit(currency="EUR", per_payment=1_000)
    germany = Context(country="DE")

    decisions = await desk.decide(
        subject(context=germany),
        subject(customer_id=customer, context=germany),
        subject(customer_id=customer, context=Context(country="DE", device="device-1")),
        subject(1_001, customer_id=customer, context=germany, limits=[limit]),
        subject(customer_id=customer),
    )

    assert decisions == [
        Decision(verdict=REVIEW, reasons=("watched_country",)),
        Decision(verdict=APPROVE, reasons=("allowed_customer",)),
        Decision(verdict=DECLINE, reasons=("blocked_device",)),
        Decision(verdict=DECLINE, reasons=("limit_per_payment",)),
        Decision(verdict=APPROVE),
    ]


async def test_reasons_are_all_told_once_each_and_blocks_before_limits(desk: Desk) -> None:
    customer = new_customer_id()
    await desk.put(ListKind.BLOCK, SubjectKind.CUSTOMER, customer)
    await desk.put(ListKind.BLOCK, SubjectKind.COUNTRY, "DE")
    await desk.put(ListKind.WATCH, SubjectKind.DEVICE, "device-1")
    limits = [
        Limit(currency="EUR", per_payment=100, per_day=500),
        Limit(currency="EUR", kind="pay_in", per_payment=200),
        Limit(currency="EUR", country="DE", per_payment=50, per_day=60),
    ]

    [decision] = await desk.decide(subject(customer_id=customer, context=CONTEXT, limits=limits))

    assert decision == Decision(
        verdict=DECLINE,
        reasons=(
            "blocked_customer",
            "blocked_country",
            "limit_per_payment",
            "limit_per_day",
            "limit_per_payment_country",
            "limit_per_day_country",
        ),
    )


async def test_an_entry_counts_until_the_moment_of_its_expiry(desk: Desk) -> None:
    await desk.put(ListKind.BLOCK, SubjectKind.MERCHANT, "m-1", expires_at=START + seconds(10))
    payment = subject(context=CONTEXT)

    desk.clock.advance(seconds(10) - dt.timedelta(microseconds=1))
    [before] = await desk.decide(payment)
    desk.clock.advance(dt.timedelta(microseconds=1))
    [after] = await desk.decide(payment)

    assert (before.verdict, after.verdict) == (DECLINE, APPROVE)


async def test_lists_of_another_book_do_not_count(desk: Desk, shared_database: Database) -> None:
    other = Desk(shared_database, (await new_book(shared_database)).book_id)
    await other.put(ListKind.BLOCK, SubjectKind.COUNTRY, "DE")

    assert await desk.decide(subject(context=CONTEXT)) == [Decision(verdict=APPROVE)]


@pytest.mark.parametrize(
    ("limit", "amount", "verdict"),
    [
        (Limit(currency="EUR", per_payment=1_000), 1_000, APPROVE),
        (Limit(currency="EUR", per_payment=1_000), 1_001, DECLINE),
        (Limit(currency="USD", per_payment=1_000), 1_001, APPROVE),
        (Limit(currency="EUR", kind="payout", per_payment=1_000), 1_001, APPROVE),
        (Limit(currency="EUR", kind="pay_in", per_payment=1_000), 1_001, DECLINE),
        (Limit(currency="EUR", country="FR", per_payment=1_000), 1_001, APPROVE),
        (Limit(currency="EUR", country="DE", per_payment=1_000), 1_001, DECLINE),
        (Limit(currency="EUR", per_payment=0), 1, DECLINE),
    ],
)
async def test_a_limit_per_payment_holds_for_what_it_names(
    desk: Desk, limit: Limit, amount: int, verdict: Verdict
) -> None:
    [decision] = await desk.decide(subject(amount, context=Context(country="DE"), limits=[limit]))

    assert decision.verdict is verdict
    assert await desk.used() == []


async def test_what_went_through_counts_for_those_behind_it_in_the_batch_and_after_it(desk: Desk) -> None:
    customer = new_customer_id()
    limit = Limit(currency="EUR", per_day=1_000)

    def payment(amount: int) -> Subject:
        return subject(amount, customer_id=customer, limits=[limit])

    batch = await desk.decide(payment(600), payment(401), payment(300))
    later = await desk.decide(payment(101), payment(100), payment(1))

    beyond = Decision(verdict=DECLINE, reasons=("limit_per_day",))
    approved = Decision(verdict=APPROVE)
    assert batch == [approved, beyond, approved]
    assert later == [beyond, approved, beyond]
    assert await desk.used() == [(START.date(), "EUR", "pay_in", "", 1_000, 3)]


async def test_kinds_currencies_and_customers_have_sums_of_their_own(desk: Desk) -> None:
    limits = [Limit(currency="EUR", per_day=1_000), Limit(currency="USD", per_day=1_000)]
    customer = new_customer_id()

    decisions = await desk.decide(
        *(
            subject(1_000, limits=limits, **{"customer_id": customer, **changes})
            for changes in (
                {},
                {"kind": "payout"},
                {"currency": "USD"},
                {"customer_id": new_customer_id()},
                {"currency": "GBP"},
            )
        )
    )

    assert [decision.verdict for decision in decisions] == [APPROVE] * 5
    assert [row[1:] for row in await desk.used()] == [
        ("EUR", "pay_in", "", 1_000, 1),
        ("EUR", "payout", "", 1_000, 1),
        ("USD", "pay_in", "", 1_000, 1),
        ("EUR", "pay_in", "", 1_000, 1),
    ]


async def test_a_limit_of_a_country_sums_up_the_payments_from_there_alone(desk: Desk) -> None:
    customer = new_customer_id()
    limits = [Limit(currency="EUR", per_day=1_000), Limit(currency="EUR", country="FR", per_day=300)]

    def payment(amount: int, country: str | None) -> Subject:
        context = None if country is None else Context(country=country)
        return subject(amount, customer_id=customer, limits=limits, context=context)

    decisions = await desk.decide(
        payment(300, "FR"), payment(1, "FR"), payment(300, "DE"), payment(400, None), payment(1, "DE")
    )

    assert [decision.reasons for decision in decisions] == [
        (),
        ("limit_per_day_country",),
        (),
        (),
        ("limit_per_day",),
    ]
    assert await desk.used() == [
        (START.date(), "EUR", "pay_in", "", 1_000, 3),
        (START.date(), "EUR", "pay_in", "FR", 300, 1),
    ]


async def test_a_day_ends_at_midnight_utc_by_the_batchs_time(desk: Desk) -> None:
    customer = new_customer_id()
    payment = subject(1_000, customer_id=customer, limits=[Limit(currency="EUR", per_day=1_000)])
    midnight = START.replace(hour=0) + dt.timedelta(days=1)
    seen = []
    for moment in (midnight - dt.timedelta(microseconds=1), midnight, midnight + seconds(86_399)):
        desk.clock.set(moment)
        [decision] = await desk.decide(payment)
        seen.append(decision.verdict)

    assert seen == [APPROVE, APPROVE, DECLINE]
    assert [row[0] for row in await desk.used()] == [START.date(), midnight.date()]


async def test_a_batch_whose_time_is_ahead_of_the_clock_finds_its_own_day(desk: Desk) -> None:
    """A book's time does not go back, so that a batch may lie in a day that the clock has not reached."""
    payment = subject(1_000, limits=[Limit(currency="EUR", per_day=1_000)])
    await desk.decide(payment)

    async with desk.database.transaction() as connection:
        behind = ManualClock(START - dt.timedelta(days=1))
        batch = await ListsAndLimits(behind).begin(connection, desk.book_id, [payment])
        await batch.ready(START)

    assert batch.decide(payment).verdict is DECLINE


async def test_sums_are_deleted_when_a_month_has_passed(desk: Desk) -> None:
    limit = Limit(currency="EUR", per_day=1_000)
    for _ in range(3):
        await desk.decide(subject(limits=[limit]), subject(limits=[limit]))
        desk.clock.advance(dt.timedelta(days=1))
    desk.clock.set(START + dt.timedelta(days=KEEP_DAYS + 2))

    async with desk.database.transaction() as connection:
        first = await purge_used(connection, desk.book_id, at=desk.clock.now(), limit=3)
        second = await purge_used(connection, desk.book_id, at=desk.clock.now(), limit=3)

    assert (first, second) == (3, 1)
    assert [row[0] for row in await desk.used()] == [START.date() + dt.timedelta(days=2)] * 2


async def test_a_batch_takes_two_statements_to_read_and_one_to_write_however_long_it_is(desk: Desk) -> None:
    limit = Limit(currency="EUR", per_day=10**9)
    subjects = [subject(context=CONTEXT, limits=[limit]) for _ in range(200)]
    executed = []

    async with desk.database.transaction() as connection:
        execute = connection.execute

        async def counting(*arguments: Any, **options: Any) -> Any:
            executed.append(arguments[0])
            return await execute(*arguments, **options)

        connection.execute = counting  # type: ignore[method-assign]
        try:
            batch = await ListsAndLimits(desk.clock).begin(connection, desk.book_id, subjects)
            await batch.ready(desk.clock.now())
        finally:
            connection.execute = execute  # type: ignore[method-assign]
        for one in subjects:
            batch.recorded(one, Decision(verdict=APPROVE))

    assert len(executed) == 2
    assert len(batch.writes()) == 1


async def test_a_decision_takes_less_than_50_microseconds(desk: Desk) -> None:
    limits = [
        Limit(currency="EUR", kind=kind, per_payment=10**9, per_day=10**9) for kind in ("pay_in", "payout")
    ]
    limits.append(Limit(currency="EUR", country="DE", per_day=10**9))
    await desk.put(ListKind.WATCH, SubjectKind.COUNTRY, "DE")
    subjects = [subject(context=CONTEXT, limits=limits) for _ in range(1_000)]
    async with desk.database.transaction() as connection:
        batch = await ListsAndLimits(desk.clock).begin(connection, desk.book_id, subjects)
        await batch.ready(desk.clock.now())

    def microseconds(one: Subject) -> float:
        """The quickest of five: what the decision takes, not what else the machine does."""
        times = []
        for _ in range(5):
            started = time.perf_counter_ns()
            batch.decide(one)
            times.append(time.perf_counter_ns() - started)
        return min(times) / 1_000

    assert sorted(microseconds(one) for one in subjects)[989] < 50
