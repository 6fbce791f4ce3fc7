"""Payments that wait for their time; what they cost, and how a partner's account comes to zero."""

import datetime as dt
import json

import pytest

from caudal import events
from caudal.connectors import LineKind, PartnerFee, Settlement, SettlementLine, Status
from caudal.customers import ChangeCustomerStatus, CustomerAction, Fee
from caudal.ledger import AccountAction, AccountId, ChangeStatus
from caudal.payments import CreatePayment, OutcomeStatus, PaymentKind, PaymentState, accounts
from caudal.payments.commands import Settle
from caudal.payments.postings import settlement_transfer_id
from caudal_base import ids
from caudal_base.database import Database
from support.documented import refuse_undocumented
from support.payment_worlds import PaymentWorld, code, dispute_snapshot, new_id, snapshot_of

S = PaymentState
HOUR = dt.timedelta(hours=1)
INCOME = accounts.income("EUR")
COSTS = accounts.partner_fees("acquirer", "EUR")
BANK = accounts.bank("EUR")


async def test_a_scheduled_payment_reserves_nothing_until_its_time_comes(world: PaymentWorld) -> None:
    await world.fund(world.ana, 5_000)
    case = await world.create(
        kind=PaymentKind.PAYOUT, amount=2_000, instrument="tok_bank_ok", execute_at=world.clock.now() + HOUR
    )
    assert (case.payment.state, case.attempts) == (S.SCHEDULED, ())
    assert await world.wallet(world.ana) == (5_000, 5_000)
    assert (await world.time_out(case)).status is OutcomeStatus.UNCHANGED

    world.clock.advance(HOUR)
    await world.time_out(case)
    assert await world.state(case) is S.PROCESSING
    assert await world.wallet(world.ana) == (5_000, 3_000)
    assert (await world.time_out(case)).status is OutcomeStatus.UNCHANGED


async def test_a_scheduled_payment_without_funds_fails_at_its_time(world: PaymentWorld) -> None:
    case = await world.create(kind=PaymentKind.INTERNAL, amount=2_000, execute_at=world.clock.now() + HOUR)
    world.clock.advance(HOUR)
    await world.time_out(case)
    payment = (await world.again(case)).payment
    assert payment.state is S.FAILED
    assert payment.failure is not None
    assert payment.failure.code == "exceeds_debit_limit"


async def test_a_scheduled_payment_of_a_customer_blocked_meanwhile_fails(world: PaymentWorld) -> None:
    case = await world.create(execute_at=world.clock.now() + HOUR)
    await world.customers.apply(ChangeCustomerStatus(customer=world.ana, action=CustomerAction.BLOCK))
    world.clock.advance(HOUR)
    await world.time_out(case)
    payment = (await world.again(case)).payment
    assert payment.failure is not None
    assert (payment.state, payment.failure.code) == (S.FAILED, "customer_not_active")


async def test_a_scheduled_payment_can_be_cancelled(world: PaymentWorld) -> None:
    case = await world.create(execute_at=world.clock.now() + HOUR)
    await world.cancel(case)
    assert await world.state(case) is S.CANCELLED
    world.clock.advance(HOUR)
    assert (await world.time_out(case)).status is OutcomeStatus.UNCHANGED
    assert await world.state(case) is S.CANCELLED


async def test_our_fee_of_a_pay_in_comes_out_of_what_arrives(shared_database: Database) -> None:
    world = await PaymentWorld.make(shared_database, fees=(Fee(kind="pay_in", flat=30),))
    case = await world.succeeded(amount=1_000)
    assert (case.payment.fee, case.payment.fee_amount) == (30, 30)
    assert await world.wallet(world.ana) == (970, 970)
    assert (await world.balance(INCOME))[0] == 30


async def test_our_fee_of_a_payout_is_held_with_the_amount_and_freed_with_it(
    shared_database: Database,
) -> None:
    world = await PaymentWorld.make(shared_database, fees=(Fee(kind="payout", flat=25),))
    await world.fund(world.ana, 2_025)
    case = await world.create(kind=PaymentKind.PAYOUT, amount=2_000, instrument="tok_bank_ok")
    assert await world.wallet(world.ana) == (2_025, 0)
    await world.report(case, Status.FAILED)
    assert await world.wallet(world.ana) == (2_025, 2_025)

    case = await world.create(kind=PaymentKind.PAYOUT, amount=2_000, instrument="tok_bank_ok")
    await world.report(case, Status.SUCCEEDED)
    assert (await world.wallet(world.ana), (await world.balance(INCOME))[0]) == ((0, 0), 25)
    # What does not leave enough for the fee is refused whole.
    await world.fund(world.ana, 1_000)
    refused = await world.one(
        CreatePayment(
            id=new_id(ids.PAYMENT), kind=PaymentKind.PAYOUT, customer=world.ana, amount=1_000, currency="EUR",
            instrument="tok_bank_ok",
        )
    )  # fmt: skip
    assert code(refused) == "exceeds_debit_limit"
    assert await world.wallet(world.ana) == (1_000, 1_000)
    assert await world.findings() == []


async def test_captures_in_parts_charge_the_fee_to_the_minor_unit(shared_database: Database) -> None:
    world = await PaymentWorld.make(shared_database, fees=(Fee(kind="pay_in", flat=10),))
    case = await world.authorised(amount=1_000)
    charged = []
    for captured in (333, 666):
        await world.capture(case, 333, final=False)
        await world.report(await world.again(case), Status.AUTHORISED, captured=captured)
        charged.append((await world.again(case)).payment.fee_amount)
    await world.capture(case)
    await world.report(await world.again(case), Status.SUCCEEDED)
    charged.append((await world.again(case)).payment.fee_amount)
    assert charged == [3, 6, 10]
    assert await world.wallet(world.ana) == (990, 990)


def line(partner_id: str, kind: LineKind, amount: int, fee: int = 0) -> SettlementLine:
    return SettlementLine(
        partner_id=partner_id, kind=kind, source_id=None, payment_partner_id=None, attempt_id=None,
        amount=amount, fee=fee, currency="EUR",
    )  # fmt: skip


async def test_a_settlement_nets_fees_and_the_partners_account_comes_to_zero(world: PaymentWorld) -> None:
    case = await world.create(amount=1_000)
    fee = PartnerFee(partner_id="txn_1", amount=29, currency="EUR")
    await world.report(case, Status.SUCCEEDED, fees=(fee,))
    other = await world.succeeded(amount=500)
    await world.hear(dispute_snapshot(other, Status.OPEN, fees=(
        PartnerFee(partner_id="txn_d", amount=15, currency="EUR"),)))  # fmt: skip
    assert await world.clearing() == 1_000 - 29 + 500 - 500 - 15
    assert (await world.balance(COSTS))[0] == 44

    settlement = Settlement(
        partner_id="po_1", amount=1_000 - 29 + 500 - 14 - 500 - 15 - 7, currency="EUR", arrived=True,
        arrived_at=world.clock.now(),
        lines=(
            line("txn_1", LineKind.PAYMENT, 1_000, 29),
            # A fee that nobody has told us of yet, and one that is a line of its own.
            line("txn_2", LineKind.PAYMENT, 500, 14),
            line("txn_d", LineKind.DISPUTE, -500, 15),
            line("txn_f", LineKind.FEE, -7),
        ),
    )  # fmt: skip
    for _ in range(2):
        await world.one(Settle(partner="acquirer", settlement=settlement))

    assert await world.clearing() == 0
    assert (await world.balance(COSTS))[0] == 29 + 15 + 14 + 7
    assert (await world.balance(BANK))[0] == 935
    assert await world.findings() == []

    (event,) = await settlements_told(world)
    told = json.loads(bytes(event.data))
    assert (told["partner"], told["partner_id"], told["amount"], told["lines"]) == (
        "acquirer",
        "po_1",
        935,
        4,
    )
    assert (told["id"], told["transfer"]) == (event.object_id, settlement_transfer_id("acquirer", "po_1"))


async def test_a_settlement_that_leaves_nothing_to_be_paid_is_told_of_once_too(world: PaymentWorld) -> None:
    nothing = Settlement(
        partner_id="po_0", amount=0, currency="EUR", arrived=True, arrived_at=world.clock.now(), lines=()
    )
    for _ in range(2):
        await world.one(Settle(partner="acquirer", settlement=nothing))
    (event,) = await settlements_told(world)
    assert "transfer" not in json.loads(bytes(event.data))


async def settlements_told(world: PaymentWorld) -> list[events.Event]:
    async with world.database.connection() as connection:
        found = (await events.find(connection, world.book_id, type="settlement.received")).events
    for event in found:
        refuse_undocumented(event)
    return found


async def test_the_fee_of_a_dispute_stays_when_it_is_won(world: PaymentWorld) -> None:
    case = await world.succeeded(amount=1_000)
    fees = (PartnerFee(partner_id="txn_d", amount=15, currency="EUR"),)
    for status in (Status.OPEN, Status.WON):
        await world.hear(dispute_snapshot(case, status, fees=fees))
    assert (await world.wallet(world.ana), await world.clearing()) == ((1_000, 1_000), 985)
    assert (await world.balance(COSTS))[0] == 15


async def test_a_settlement_on_its_way_posts_nothing(world: PaymentWorld) -> None:
    await world.succeeded(amount=1_000)
    settlement = Settlement(
        partner_id="po_1", amount=1_000, currency="EUR", arrived=False, arrived_at=None,
        lines=(line("txn_1", LineKind.PAYMENT, 1_000),),
    )  # fmt: skip
    assert (
        await world.one(Settle(partner="acquirer", settlement=settlement))
    ).status is OutcomeStatus.UNCHANGED
    assert await world.clearing() == 1_000
    assert await settlements_told(world) == []


@pytest.mark.parametrize("answered_first", [True, False])
async def test_a_fee_told_in_the_answer_and_in_the_webhook_is_posted_once(
    world: PaymentWorld, answered_first: bool
) -> None:
    case = await world.create(amount=1_000)
    assert case.live is not None
    fees = (PartnerFee(partner_id="txn_1", amount=29, currency="EUR"),)
    if not answered_first:
        await world.send(case.live)
        await world.hear(snapshot_of(case, Status.SUCCEEDED, fees=fees))
        await world.report(case, Status.SUCCEEDED, fees=fees)
    else:
        await world.report(case, Status.SUCCEEDED, fees=fees)
        await world.hear(snapshot_of(case, Status.SUCCEEDED, fees=fees))
    assert await world.clearing() == 971
    assert (await world.balance(COSTS))[0] == 29


async def test_what_is_forced_on_a_closed_account_goes_to_the_suspense_account(world: PaymentWorld) -> None:
    case = await world.succeeded(amount=1_000)
    wallet = accounts.wallet(world.ana, "EUR")
    await world.create(kind=PaymentKind.INTERNAL, amount=1_000)
    async with world.database.transaction() as connection:
        (outcome,) = await world.ledger.apply(
            connection, world.book_id, [ChangeStatus(account=wallet, action=AccountAction.CLOSE)]
        )
    assert outcome.refusal is None

    await world.hear(dispute_snapshot(case, Status.OPEN))

    assert (await world.balance(wallet))[0] == 0
    assert await world.clearing() == 0
    suspense = await world.customers.rows(
        "select id from ledger.account where book_id = %(book_id)s and reference like '%%suspense:EUR'"
    )
    assert len(suspense) == 1
    found = AccountId(ids.encode(ids.ACCOUNT, suspense[0][0]))
    assert abs((await world.balance(found))[0]) == 1_000
    assert await world.findings() == []


async def test_our_fee_of_a_pay_in_stays_when_it_is_returned_or_disputed(shared_database: Database) -> None:
    world = await PaymentWorld.make(shared_database, fees=(Fee(kind="pay_in", flat=30),))
    returned, disputed = await world.succeeded(amount=1_000), await world.succeeded(amount=1_000)
    assert await world.wallet(world.ana) == (1_940, 1_940)
    await world.hear(snapshot_of(returned, Status.RETURNED))
    await world.hear(dispute_snapshot(disputed, Status.OPEN))
    await world.hear(dispute_snapshot(disputed, Status.LOST))
    for case in (returned, disputed):
        assert (await world.again(case)).payment.fee_amount == 30
    assert await world.wallet(world.ana) == (-60, -60)
    assert (await world.balance(INCOME))[0] == 60
