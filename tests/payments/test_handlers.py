"""The work in the background: real workers, and a partner that says what each test has it say."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from typing import NamedTuple

import msgspec
import pytest

from caudal.connectors import (
    Answer,
    Call,
    NotFound,
    NotSent,
    Operation,
    Reported,
    Settlement,
    Status,
    Subject,
    Unknown,
)
from caudal.payments import AttemptState, Case, ConfirmPayment, PaymentKind, PaymentState
from caudal.payments.commands import Heard
from caudal_base.database import Database
from support.payment_worlds import PaymentWorld, snapshot_of
from support.programmable import Crew, Programmed, done

S = PaymentState


class Stage(NamedTuple):
    world: PaymentWorld
    partner: Programmed
    crew: Crew

    async def until(self, case: Case, state: PaymentState) -> Case:
        async def there() -> bool:
            return await self.world.state(case) is state

        await self.crew.until(there)
        return await self.world.again(case)

    async def until_attempt(self, case: Case, state: AttemptState) -> Case:
        async def there() -> bool:
            return any(a.state is state for a in (await self.world.again(case)).attempts)

        await self.crew.until(there)
        return await self.world.again(case)

    async def until_quiet(self) -> None:
        """Until no job is left, now or later."""

        async def gone() -> bool:
            rows = await self.world.customers.rows(
                "select 1 from jobs.job where book_id = %(book_id)s and state <> 'dead' limit 1"
            )
            return rows == []

        await self.crew.until(gone)


@pytest.fixture
async def stage(shared_database: Database) -> AsyncIterator[Stage]:
    partner = Programmed()
    world = await PaymentWorld.make(shared_database, matrix=partner)
    crew = Crew(world)
    yield Stage(world, partner, crew)
    await crew.stop()


async def test_a_payment_is_sent_once_and_its_job_ends_with_it(stage: Stage) -> None:
    case = await stage.world.create()
    stage.crew.start()
    case = await stage.until(case, S.SUCCEEDED)
    await stage.until_quiet()
    assert [c.attempt_id for c in stage.partner.calls] == [case.attempts[0].id]
    assert await stage.world.wallet(stage.world.ana) == (1_000, 1_000)


async def test_what_was_not_sent_is_sent_again_a_little_later(stage: Stage) -> None:
    stage.partner.answers.append(NotSent("unreachable"))
    case = await stage.world.create()
    stage.crew.start()

    async def answered() -> bool:
        return len(stage.partner.calls) == 1 and (await stage.world.again(case)).attempts[0].sends == 0

    await stage.crew.until(answered)
    assert (await stage.world.again(case)).attempts[0].note == "unreachable"
    stage.world.clock.advance(dt.timedelta(seconds=1))
    await stage.until(case, S.SUCCEEDED)
    assert len(stage.partner.calls) == 2


async def test_a_worker_killed_after_the_call_leads_to_a_look_and_not_to_another_call(stage: Stage) -> None:
    reached = asyncio.Event()

    async def hang(call: Call) -> Answer:
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError("nobody lets it go on")

    stage.partner.answers.append(hang)
    case = await stage.world.create()
    killed = stage.crew.start()
    await reached.wait()
    case = await stage.world.again(case)
    assert case.live is not None
    # It was committed as submitting before the call.
    assert (case.live.state, case.live.sends) == (AttemptState.SUBMITTING, 1)
    killed.cancel()
    await asyncio.gather(killed, return_exceptions=True)

    stage.partner.finds.append(Reported(done(stage.partner.calls[0])))
    stage.world.clock.advance(dt.timedelta(hours=1))
    stage.crew.start()
    await stage.until(case, S.SUCCEEDED)
    assert (len(stage.partner.calls), len(stage.partner.queries)) == (1, 1)
    assert await stage.world.wallet(stage.world.ana) == (1_000, 1_000)


async def test_a_lost_answer_is_looked_up_and_sent_again_under_the_same_key(stage: Stage) -> None:
    stage.partner.answers.append(Unknown("timeout"))
    case = await stage.world.create()
    stage.crew.start()
    case = await stage.until_attempt(case, AttemptState.UNKNOWN)

    stage.world.clock.advance(dt.timedelta(seconds=5))

    async def looked() -> bool:
        return (await stage.world.again(case)).attempts[0].looks == 1

    await stage.crew.until(looked)
    assert len(stage.partner.calls) == 1
    stage.world.clock.advance(dt.timedelta(minutes=2))
    case = await stage.until(case, S.SUCCEEDED)
    assert [c.attempt_id for c in stage.partner.calls] == [case.attempts[0].id] * 2


async def test_what_nobody_ever_received_fails_after_the_keys_lifetime(stage: Stage) -> None:
    stage.partner.answers.append(Unknown("timeout"))
    case = await stage.world.create()
    stage.crew.start()
    await stage.until_attempt(case, AttemptState.UNKNOWN)
    stage.world.clock.advance(dt.timedelta(hours=23))
    case = await stage.until(case, S.FAILED)
    await stage.until_quiet()
    assert len(stage.partner.calls) == 1
    assert case.payment.failure is not None
    assert case.payment.failure.code == "not_received"


async def test_what_the_partner_accepted_and_says_nothing_of_is_asked_about(stage: Stage) -> None:
    async def accepted(call: Call) -> Answer:
        return Reported(done(call, status=Status.PENDING, captured=None))

    stage.partner.answers.append(accepted)
    await stage.world.fund(stage.world.ana, 5_000)
    case = await stage.world.create(kind=PaymentKind.PAYOUT, instrument="tok_bank_slow")
    stage.crew.start()
    await stage.until_attempt(case, AttemptState.ACCEPTED)
    stage.partner.finds.append(Reported(done(stage.partner.calls[0])))
    stage.world.clock.advance(dt.timedelta(minutes=10))
    await stage.until(case, S.SUCCEEDED)
    await stage.until_quiet()


async def test_a_webhook_that_is_faster_than_the_answer_wins_and_the_job_ends(stage: Stage) -> None:
    world = stage.world

    async def overtaken(call: Call) -> Answer:
        told = done(call)
        await world.one(Heard(partner="acquirer", snapshot=told))
        return Reported(told)

    stage.partner.answers.append(overtaken)
    case = await world.create()
    stage.crew.start()
    await stage.until(case, S.SUCCEEDED)
    await stage.until_quiet()
    assert (await world.wallet(world.ana), await world.clearing()) == ((1_000, 1_000), 1_000)


async def test_confirming_asks_the_partner_at_once(stage: Stage) -> None:
    world = stage.world

    async def redirect(call: Call) -> Answer:
        return Reported(
            done(call, status=Status.ACTION_REQUIRED, captured=None, action_url="https://b.example")
        )

    stage.partner.answers.append(redirect)
    case = await world.create()
    stage.crew.start()
    case = await stage.until(case, S.REQUIRES_ACTION)
    assert case.payment.partner_id is not None
    stage.partner.fetched[case.payment.partner_id] = Reported(snapshot_of(case, Status.SUCCEEDED))
    await world.one(ConfirmPayment(payment_id=case.payment.id))
    await stage.until(case, S.SUCCEEDED)


async def test_timers_run_scheduled_payments_and_void_what_runs_out(stage: Stage) -> None:
    world = stage.world
    case = await world.create(execute_at=world.clock.now() + dt.timedelta(hours=1))
    other = await world.authorised()
    stage.crew.start()
    world.clock.advance(dt.timedelta(hours=1))
    await stage.until(case, S.SUCCEEDED)
    world.clock.advance(dt.timedelta(days=7))
    await stage.until(other, S.EXPIRED)
    assert stage.partner.calls[-1].operation is Operation.CANCEL
    assert await world.findings() == []


async def test_settlements_are_fetched_when_the_partner_announces_one(stage: Stage) -> None:
    world = stage.world
    case = await world.succeeded()
    stage.partner.paid_out = [
        Settlement(
            partner_id="po_1",
            amount=1_000,
            currency="EUR",
            arrived=True,
            arrived_at=world.clock.now(),
            lines=(),
        )
    ]
    told = snapshot_of(case, Status.SUCCEEDED)
    await world.hear(msgspec.structs.replace(told, subject=Subject.SETTLEMENT, partner_id="po_1"))
    stage.crew.start()

    async def settled() -> bool:
        return await world.clearing() == 0

    await stage.crew.until(settled)


async def test_not_found_before_the_horizon_is_asked_again(stage: Stage) -> None:
    stage.partner.answers.append(Unknown("dropped_connection"))
    stage.partner.finds.extend([NotFound(), Unknown("timeout")])
    case = await stage.world.create()
    stage.crew.start()
    await stage.until_attempt(case, AttemptState.UNKNOWN)
    for looks in (1, 2):
        stage.world.clock.advance(dt.timedelta(seconds=2))

        async def looked(looks: int = looks) -> bool:
            return (await stage.world.again(case)).attempts[0].looks == looks

        await stage.crew.until(looked)
    assert len(stage.partner.calls) == 1
    stage.partner.finds.append(Reported(done(stage.partner.calls[0])))
    stage.world.clock.advance(dt.timedelta(seconds=5))
    await stage.until(case, S.SUCCEEDED)
    assert len(stage.partner.calls) == 1
