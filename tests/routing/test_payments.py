"""Payments that go by rules: who gets them, who takes over, and what stays as it was."""

import datetime as dt
from typing import Any

import msgspec
import pytest

from caudal import events, routing
from caudal.connectors import (
    CaptureMode,
    Direction,
    ErrorClass,
    Method,
    NotFound,
    NotSent,
    Operation,
    PartnerError,
    PartnerFee,
    Refused,
    Reported,
    Status,
    Supported,
    Unknown,
)
from caudal.ledger import balance_now
from caudal.payments import (
    Attempt,
    AttemptState,
    Case,
    CreatePayment,
    OutcomeStatus,
    PaymentKind,
    Payments,
    PaymentState,
    TimeOut,
    accounts,
)
from caudal.payments.commands import Answered, Heard, Looked, Send
from caudal.payments.driving import call_of
from caudal.routing import PartnerHealth, Rules, Version
from caudal_base import ids
from caudal_base.database import Database
from caudal_base.decide import ApproveAll
from caudal_base.ids import IdSource
from support.customer_worlds import CALLER
from support.payment_worlds import CAPABILITIES, Matrix, PaymentWorld, code, new_id, snapshot_of
from support.routes import default, rules

S, A = PaymentState, AttemptState
FIRST, SECOND, THIRD = "acquirer", "second", "third"
SOFT = PartnerError(code="insufficient_funds", class_=ErrorClass.SOFT_DECLINE)
HARD = PartnerError(code="stolen_card", class_=ErrorClass.HARD_DECLINE)
CLOSED = NotSent("breaker_open", dt.timedelta(seconds=4))
ALL = rules(default(FIRST, SECOND, THIRD))


def matrix(name: str, **row: Any) -> Matrix:
    """A partner that can do what the first one can, or only cards with other terms."""
    made = Matrix(CAPABILITIES)
    if row:
        fields: dict[str, Any] = {
            "direction": Direction.PAY_IN, "method": Method.CARD, "currencies": None,
            "capture_modes": frozenset(CaptureMode),
        }  # fmt: skip
        made = Matrix(msgspec.structs.replace(CAPABILITIES, supported=(Supported(**{**fields, **row}),)))
    made.name = name
    return made


class Routed:
    """A payment world with three partners, and rules."""

    def __init__(self, world: PaymentWorld) -> None:
        self.world = world

    @classmethod
    async def make(cls, database: Database, written: Rules | None = ALL, **row: Any) -> "Routed":
        world = await PaymentWorld.make(database, others=(matrix(SECOND), matrix(THIRD, **row)))
        made = cls(world)
        if written is not None:
            await made.publish(written)
        return made

    async def publish(self, written: Rules) -> None:
        world = self.world
        partners = {partner.name: partner.capabilities for partner in world.registry}
        async with world.database.transaction() as connection:
            kept = await routing.create(
                connection, world.book_id, written, caller=CALLER, ledger=world.ledger, at=world.clock.now()
            )
            done = await routing.publish(
                connection, world.book_id, kept.version, partners, caller=CALLER, ledger=world.ledger,
                at=world.clock.now(),
            )  # fmt: skip
        assert isinstance(done, Version), done

    async def drain(self, *names: str) -> None:
        world = self.world
        async with world.database.transaction() as connection:
            for name in names:
                await routing.drain(
                    connection, world.book_id, name, "tried here", world.registry.names, caller=CALLER,
                    ledger=world.ledger, at=world.clock.now(),
                )  # fmt: skip

    async def answered(self, case: Case, answer: Any) -> Case:
        """The attempt under way is sent and answered so; the payment after that."""
        live = case.live
        assert live is not None
        await self.world.answer(live, answer)
        return await self.world.again(case)

    async def figures(self) -> dict[tuple[str, str], dict[str, int]]:
        """By rule and partner, how many attempts ended how."""
        today = self.world.clock.now().date()
        async with self.world.database.connection() as connection:
            found = await routing.report(connection, self.world.book_id, today, today)
        return {
            (each.lane.rule, each.lane.partner): {o.value: count for o, count in each.counts.items()}
            for each in found
        }

    async def held_with(self, partner: str) -> int:
        """What is pending on a partner's clearing account."""
        world, account = self.world, accounts.clearing(partner, "EUR")
        async with world.database.connection() as connection:
            found = await balance_now(connection, world.book_id, account, now=world.clock.now())
        return found.debits_pending + found.credits_pending


@pytest.fixture
async def routed(database: Database) -> Routed:
    return await Routed.make(database)


def begun(case: Case) -> list[tuple[str, AttemptState]]:
    return [(attempt.partner, attempt.state) for attempt in case.beginnings]


async def test_without_rules_the_first_partner_that_can_gets_it(database: Database) -> None:
    routed = await Routed.make(database, None)
    case = await routed.world.create()
    assert (case.payment.partner, case.payment.route, case.payment.named) == (FIRST, None, False)
    case = await routed.answered(case, Refused(SOFT))
    assert (case.payment.state, len(case.attempts)) == (S.FAILED, 1)


async def test_rules_say_who_gets_it_and_the_payment_keeps_by_which(routed: Routed) -> None:
    small = {"name": "small", "when": {"currency": ["EUR"], "amount_to": 500}, "to": {"partner": SECOND}}
    await routed.publish(rules(small, default(FIRST, THIRD)))
    for amount, rule, partners in ((500, "small", (SECOND,)), (501, "default", (FIRST, THIRD))):
        payment = (await routed.world.create(amount=amount)).payment
        assert payment.route is not None
        assert (payment.route.version, payment.route.rule, payment.route.partners) == (2, rule, partners)
        assert payment.partner == partners[0]


async def test_who_names_a_partner_gets_it_and_stays_there(routed: Routed) -> None:
    case = await routed.world.create(partner=SECOND)
    assert (case.payment.partner, case.payment.named, case.payment.route) == (SECOND, True, None)
    case = await routed.answered(case, CLOSED)
    assert begun(case) == [(SECOND, A.CREATED)]
    case = await routed.answered(case, Refused(SOFT))
    assert case.payment.state is S.FAILED


@pytest.mark.parametrize("kind", [PaymentKind.PAY_IN, PaymentKind.PAYOUT])
async def test_a_soft_decline_goes_elsewhere_once_under_the_same_hold(
    database: Database, kind: PaymentKind
) -> None:
    routed = await Routed.make(database)
    world = routed.world
    await world.fund(world.ana, 1_000)
    case = await world.create(kind=kind, instrument="tok_1")
    available = await world.wallet(world.ana)

    case = await routed.answered(case, Refused(SOFT))
    assert (case.payment.state, case.payment.partner, case.payment.partner_id) == (S.PROCESSING, SECOND, None)
    assert begun(case) == [(FIRST, A.FAILED), (SECOND, A.CREATED)]
    assert case.begun is not None
    assert case.begun.retried is not None
    assert (case.begun.retried.cause, case.begun.retried.reason) == (
        "soft_decline", "acquirer: insufficient_funds",
    )  # fmt: skip
    assert await world.wallet(world.ana) == available
    assert (await routed.held_with(FIRST), await routed.held_with(SECOND)) == (0, 1_000)

    case = await routed.answered(case, Refused(SOFT))
    assert case.payment.state is S.FAILED
    assert begun(case) == [(FIRST, A.FAILED), (SECOND, A.FAILED)]
    assert await world.wallet(world.ana) == (1_000, 1_000)
    assert await world.findings() == []
    assert await routed.figures() == {
        ("default", FIRST): {"soft_decline": 1},
        ("default", SECOND): {"soft_decline": 1},
    }


async def test_who_takes_it_in_the_end_owes_us_the_money_and_takes_the_fee(routed: Routed) -> None:
    world = routed.world
    case = await routed.answered(await world.create(), Refused(SOFT))
    fee = PartnerFee(partner_id="txn_1", amount=29, currency="EUR")
    case = await routed.answered(case, Reported(snapshot_of(case, Status.SUCCEEDED, fees=(fee,))))
    assert (case.payment.state, case.payment.captured_amount) == (S.SUCCEEDED, 1_000)
    owed = [(await world.balance(accounts.clearing(name, "EUR")))[0] for name in (FIRST, SECOND)]
    assert owed == [0, 1_000 - 29]
    assert await world.wallet(world.ana) == (1_000, 1_000)
    assert await routed.figures() == {
        ("default", FIRST): {"soft_decline": 1},
        ("default", SECOND): {"approved": 1},
    }
    today = world.clock.now().date()
    async with world.database.connection() as connection:
        figures = await routing.report(connection, world.book_id, today, today)
    assert [(each.lane.partner, each.cost, each.approved_amount) for each in figures] == [
        (FIRST, 0, 0), (SECOND, 29, 1_000),
    ]  # fmt: skip
    assert await world.findings() == []


async def test_who_takes_over_from_whom_and_why_is_told(routed: Routed) -> None:
    world = routed.world
    case = await routed.answered(await world.create(), Refused(SOFT))
    async with world.database.connection() as connection:
        page = await events.find(connection, world.book_id, object=case.payment.id)
    assert [event.type for event in page.events] == ["payment.created", "payment.rerouted"]
    told = msgspec.json.decode(page.events[-1].data)
    assert told["rerouted"] == {
        "from": FIRST, "to": SECOND, "cause": "soft_decline", "reason": "acquirer: insufficient_funds",
    }  # fmt: skip
    assert (told["partner"], told["state"]) == (SECOND, "processing")


async def test_a_hard_decline_is_the_end(routed: Routed) -> None:
    case = await routed.answered(await routed.world.create(), Refused(HARD))
    assert (case.payment.state, begun(case)) == (S.FAILED, [(FIRST, A.FAILED)])


async def test_a_decline_that_is_reported_and_not_answered_goes_elsewhere_too(routed: Routed) -> None:
    world = routed.world
    case = await world.create()
    assert case.live is not None
    await world.send(case.live)
    await world.hear(snapshot_of(case, Status.FAILED, error=SOFT))
    assert begun(await world.again(case)) == [(FIRST, A.FAILED), (SECOND, A.CREATED)]


async def test_what_was_not_sent_goes_elsewhere_at_once_and_others_after_it_do_not_try(
    routed: Routed,
) -> None:
    world = routed.world
    case = await routed.answered(await world.create(), CLOSED)
    assert begun(case) == [(FIRST, A.CANCELLED), (SECOND, A.CREATED)]
    (first, _) = case.beginnings
    assert (first.sends, first.submitted_at) == (0, None)
    assert await routed.figures() == {("default", FIRST): {"not_sent": 1}}
    assert (await world.create()).payment.partner == SECOND
    assert (await world.create(partner=FIRST)).payment.partner == FIRST


async def test_a_partner_that_answers_again_gets_new_payments_again(routed: Routed) -> None:
    world = routed.world
    tried = await world.create()
    await routed.answered(await world.create(), CLOSED)
    standing = await loaded(routed)
    assert standing.health(FIRST) is PartnerHealth.DOWN
    world.clock.advance(dt.timedelta(seconds=4))
    assert (await loaded(routed)).health(FIRST) is PartnerHealth.RECOVERING
    await routed.answered(tried, Refused(HARD))
    assert (await loaded(routed)).health(FIRST) is PartnerHealth.UP
    assert (await world.create()).payment.partner == FIRST


async def loaded(routed: Routed) -> routing.Standing:
    async with routed.world.database.connection() as connection:
        return await routed.world.routing.load(connection, routed.world.book_id)


async def test_a_rate_limit_is_waited_for_by_who_is_there_and_avoided_by_those_who_come(
    routed: Routed,
) -> None:
    world = routed.world
    case = await routed.answered(await world.create(), NotSent("rate_limited", dt.timedelta(seconds=9)))
    assert begun(case) == [(FIRST, A.CREATED)]
    assert (await world.create()).payment.partner == SECOND


async def test_what_is_unknown_goes_nowhere_until_it_is_known(routed: Routed) -> None:
    world = routed.world
    case = await routed.answered(await world.create(), Unknown("timeout"))
    live = case.live
    assert live is not None
    assert begun(case) == [(FIRST, A.UNKNOWN)]
    await world.answer(live, CLOSED)  # sent again: the first call may have had its effect
    assert begun(await world.again(case)) == [(FIRST, A.UNKNOWN)]
    await world.one(Looked(attempt_id=live.id, found=Refused(SOFT)))
    assert begun(await world.again(case)) == [(FIRST, A.FAILED), (SECOND, A.CREATED)]


async def test_what_the_partner_did_not_know_of_when_asked_goes_nowhere_either(routed: Routed) -> None:
    world = routed.world
    case = await routed.answered(await world.create(), Unknown("timeout"))
    assert case.live is not None
    world.clock.advance(dt.timedelta(hours=24))
    await world.one(Looked(attempt_id=case.live.id, found=NotFound()))
    case = await world.again(case)
    assert (case.payment.state, begun(case)) == (S.FAILED, [(FIRST, A.FAILED)])


async def test_a_no_that_comes_when_nobody_waits_any_more_is_final(routed: Routed) -> None:
    world = routed.world
    case = await world.create()
    await world.report(case, Status.PENDING)
    world.clock.advance(routing.FRESH_FOR + dt.timedelta(seconds=1))
    await world.hear(snapshot_of(case, Status.FAILED, error=SOFT))
    assert await world.state(case) is S.FAILED


async def test_later_at_the_same_partner_is_another_attempt_after_its_time(routed: Routed) -> None:
    later = {"cause": "soft_decline", "then": "later", "wait_s": 3_600}
    await routed.publish(rules(default(FIRST, SECOND), retries=[later]))
    world = routed.world
    case = await routed.answered(await world.create(), Refused(SOFT))
    assert begun(case) == [(FIRST, A.FAILED), (FIRST, A.CREATED)]
    first, second = case.beginnings
    assert first.id != second.id
    ((runs_at,),) = await world.customers.rows(
        f"select run_at from jobs.job where book_id = %(book_id)s and payload ->> 'attempt' = '{second.id}'"
    )
    assert runs_at == world.clock.now() + dt.timedelta(hours=1)
    assert (await world.cancel(case)).status is OutcomeStatus.APPLIED
    assert await world.state(case) is S.CANCELLED


async def test_news_of_a_superseded_attempt_is_no_news_of_the_payment(routed: Routed) -> None:
    world = routed.world
    before = await world.create()
    case = await routed.answered(before, Refused(SOFT))
    old = snapshot_of(before, Status.FAILED, error=SOFT)
    for command in (
        Heard(partner=FIRST, snapshot=old),
        Answered(attempt_id=case.beginnings[0].id, answer=Reported(old)),
        Answered(attempt_id=case.beginnings[0].id, answer=Unknown("timeout")),
    ):
        assert (await world.one(command)).status is OutcomeStatus.UNCHANGED
        assert await world.again(case) == case


async def test_money_that_a_superseded_attempt_took_after_all_goes_back(routed: Routed) -> None:
    world = routed.world
    before = await world.create()
    case = await routed.answered(before, Refused(SOFT))
    taken = snapshot_of(before, Status.SUCCEEDED)
    for _ in range(2):
        await world.one(Heard(partner=FIRST, snapshot=taken))
    case = await world.again(case)
    back = [a for a in case.attempts if a.target_id is not None]
    assert [(a.partner, a.target_id, a.amount) for a in back] == [(FIRST, taken.partner_id, 1_000)]
    case = await routed.answered(case, Reported(snapshot_of(case, Status.SUCCEEDED)))
    assert (case.payment.state, case.payment.captured_amount) == (S.SUCCEEDED, 1_000)
    assert await world.wallet(world.ana) == (1_000, 1_000)
    held = snapshot_of(before, Status.AUTHORISED, partner_id="pi_other")
    assert code(await world.one(Heard(partner=FIRST, snapshot=held))) == "contradicts_state"
    assert await world.findings() == []


async def test_what_goes_back_in_vain_is_sent_again_to_the_same_partner(routed: Routed) -> None:
    world = routed.world
    before = await world.create()
    case = await routed.answered(before, Refused(SOFT))
    case = await routed.answered(case, Reported(snapshot_of(case, Status.SUCCEEDED)))
    taken = snapshot_of(before, Status.SUCCEEDED, partner_id="pi_late")
    await world.one(Heard(partner=FIRST, snapshot=taken))
    (back,) = [a for a in (await world.again(case)).attempts if a.target_id is not None]
    await world.answer(back, Unknown("timeout"))
    world.clock.advance(dt.timedelta(hours=24))
    await world.one(Looked(attempt_id=back.id, found=NotFound()))
    case = await world.again(case)
    calls = [call_of(case, a) for a in case.attempts if a.operation is Operation.REFUND]
    assert [(a.partner, a.state) for a in case.attempts if a.target_id is not None] == [
        (FIRST, A.FAILED), (FIRST, A.CREATED),
    ]  # fmt: skip
    assert [(call.partner_id, call.currency, call.related) for call in calls] == [("pi_late", "EUR", {})] * 2
    assert (case.payment.state, case.payment.refunded_amount) == (S.SUCCEEDED, 0)


async def test_a_customer_who_was_asked_to_authenticate_is_not_asked_again_elsewhere(
    routed: Routed,
) -> None:
    world = routed.world
    case = await world.create()
    await world.report(case, Status.ACTION_REQUIRED, action_url="https://bank.example/3ds")
    await world.hear(snapshot_of(case, Status.PENDING))
    assert await world.state(case) is S.PROCESSING
    await world.hear(snapshot_of(case, Status.FAILED, error=SOFT))
    assert await world.state(case) is S.FAILED


async def test_a_payment_that_somebody_called_off_is_not_tried_elsewhere(routed: Routed) -> None:
    world = routed.world
    case = await world.create()
    await world.report(case, Status.PENDING)
    await world.cancel(case)
    case = await world.again(case)
    await routed.answered(case, Refused(PartnerError(code="too_late", class_=ErrorClass.CONFLICT)))
    assert await world.state(case) is S.PROCESSING
    await world.hear(snapshot_of(case, Status.FAILED, error=SOFT))
    assert await world.state(case) is S.FAILED


async def test_drained_partners_get_nothing_new_and_keep_what_they_have(routed: Routed) -> None:
    world = routed.world
    there = await world.create()
    await routed.drain(FIRST)
    assert (await world.create()).payment.partner == SECOND
    assert (await world.create(partner=FIRST)).payment.partner == FIRST
    assert await world.state(
        await routed.answered(there, Reported(snapshot_of(there, Status.SUCCEEDED)))
    ) is (S.SUCCEEDED)
    await routed.drain(SECOND, THIRD)
    assert code(await refused(world)) == "partners_drained"


async def test_without_rules_too_a_drained_partner_gets_nothing_new(database: Database) -> None:
    routed = await Routed.make(database, None)
    await routed.drain(FIRST)
    assert (await routed.world.create()).payment.partner == SECOND
    await routed.drain(SECOND, THIRD)
    assert code(await refused(routed.world)) == "partners_drained"


async def refused(world: PaymentWorld, **changes: Any) -> Any:
    fields: dict[str, Any] = {
        "id": new_id(ids.PAYMENT), "kind": PaymentKind.PAY_IN, "customer": world.ana, "amount": 1_000,
        "currency": "EUR", "instrument": "pm_card_visa",
    }  # fmt: skip
    return await world.one(CreatePayment(**{**fields, **changes}))


async def test_what_no_rule_serves_is_refused_and_small_amounts_go_where_they_are_taken(
    database: Database,
) -> None:
    routed = await Routed.make(database, rules(default(FIRST, THIRD)), minimum_amount=10)
    world = routed.world
    assert (await world.create(amount=50)).payment.partner == FIRST
    assert (await world.create(amount=49)).payment.partner == THIRD
    assert code(await refused(world, amount=9)) == "amount_below_minimum"
    await routed.publish(rules(default(THIRD)))
    assert code(await refused(world, method=Method.BANK_DEBIT)) == "no_route"


async def test_a_scheduled_payment_is_routed_as_it_is_created_and_moves_on_like_others(
    routed: Routed,
) -> None:
    world = routed.world
    at = world.clock.now() + dt.timedelta(hours=1)
    case = await world.create(execute_at=at)
    assert (case.payment.state, case.payment.partner) == (S.SCHEDULED, FIRST)
    world.clock.advance(dt.timedelta(hours=1))
    await world.one(TimeOut(payment_id=case.payment.id))
    case = await routed.answered(await world.again(case), CLOSED)
    assert begun(case) == [(FIRST, A.CANCELLED), (SECOND, A.CREATED)]


async def test_the_same_answer_twice_makes_one_attempt(routed: Routed) -> None:
    world = routed.world
    case = await world.create()
    live: Attempt | None = case.live
    assert live is not None
    await world.one(Send(attempt_id=live.id))
    said = Answered(attempt_id=live.id, answer=Refused(SOFT))
    outcomes = await world.apply(said, said)
    assert [outcome.status for outcome in outcomes] == [OutcomeStatus.APPLIED, OutcomeStatus.UNCHANGED]
    assert len((await world.again(case)).attempts) == 2


async def test_rules_are_read_when_they_are_stale_and_not_for_each_batch(routed: Routed) -> None:
    world = routed.world
    read = 0.0
    directory = routing.Directory(world.clock, fresh_s=2.0, monotonic=lambda: read)
    world.payments = Payments(
        world.ledger, ApproveAll(), world.registry, IdSource(world.clock), routing=directory
    )
    assert (await world.create()).payment.partner == FIRST
    await routed.publish(rules(default(SECOND)))
    assert (await world.create()).payment.partner == FIRST
    read = 2.0
    assert (await world.create()).payment.partner == SECOND
