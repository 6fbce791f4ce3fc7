"""Books in which payments can be made: customers, a partner's capabilities, and its words as commands."""

import datetime as dt
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from caudal.connectors import (
    Answer,
    Call,
    Capabilities,
    CaptureMode,
    Direction,
    Drift,
    Found,
    Inbound,
    Method,
    Partner,
    Registry,
    Reported,
    Settlement,
    Snapshot,
    Status,
    Subject,
    Supported,
)
from caudal.customers import CustomerId
from caudal.ledger import (
    AccountId,
    CreateTransfer,
    Finding,
    OpenAccount,
    Side,
    TransferId,
    balance_now,
    check,
)
from caudal.payments import (
    Attempt,
    CancelPayment,
    CapturePayment,
    Case,
    Command,
    CreatePayment,
    Outcome,
    OutcomeStatus,
    PaymentKind,
    Payments,
    PaymentState,
    RefundPayment,
    Refusal,
    TimeOut,
    accounts,
    get_payment,
)
from caudal.payments.commands import Answered, Heard, Send
from caudal.routing import Directory
from caudal_base import ids
from caudal_base.database import Database
from caudal_base.decide import ApproveAll, Decide
from caudal_base.ids import IdSource
from caudal_base.secret import Secret
from caudal_base.settings import PartnerSettings
from support.customer_worlds import CustomerWorld, basic, new_customer_id, person

CAPABILITIES = Capabilities(
    supported=(
        Supported(
            direction=Direction.PAY_IN,
            method=Method.CARD,
            currencies=None,
            capture_modes=frozenset(CaptureMode),
            multiple_captures=True,
            increments=True,
            cancels=True,
            refunds=True,
            minimum_amount=50,
        ),
        Supported(direction=Direction.PAY_IN, method=Method.BANK_DEBIT, currencies=None, refunds=True),
        Supported(
            direction=Direction.PAYOUT,
            method=Method.BANK_TRANSFER,
            currencies=frozenset({"EUR"}),
            cancels=True,
        ),
    ),
    key_lifetime=dt.timedelta(hours=24),
    search_horizon=dt.timedelta(minutes=1),
)

_numbers = itertools.count(1)


def new_id(prefix: str) -> str:
    return ids.encode(prefix, UUID(int=next(_numbers)))


class Matrix:
    """A connector of which only the capabilities are asked: what the partner says, the tests say for it."""

    name = "acquirer"

    def __init__(self, capabilities: Capabilities = CAPABILITIES) -> None:
        self.capabilities = capabilities

    async def call(self, call: Call) -> Answer:
        raise AssertionError("nobody calls the partner here")

    async def query(self, call: Call) -> Found:
        raise AssertionError("nobody asks the partner here")

    async def fetch(self, partner_id: str, direction: Direction) -> Found:
        raise AssertionError("nobody asks the partner here")

    def verify(self, headers: Mapping[str, str], body: bytes, *, now: dt.datetime) -> Sequence[Inbound]:
        raise AssertionError("nobody sends webhooks here")

    def parse(self, inbound: Inbound) -> Sequence[Snapshot]:
        raise AssertionError("nobody sends webhooks here")

    def settlements(self, since: dt.datetime) -> AsyncIterator[Settlement]:
        raise AssertionError("nobody asks for settlements here")

    async def close(self) -> None:
        pass


class PaymentWorld:
    """A book with two customers and a partner called `acquirer`, on a clock that stands still."""

    def __init__(
        self, customers: CustomerWorld, book: str, decide: Decide, matrices: Sequence[Matrix]
    ) -> None:
        self.customers = customers
        self.database = customers.database
        self.book_id = customers.book_id
        self.clock = customers.clock
        self.ledger = customers.ledger
        settings = PartnerSettings(connector="bank", book=book, api_key=Secret("key"))
        self.registry = Registry(
            Partner(matrix, settings, Drift(matrix.name, self.clock)) for matrix in matrices
        )
        self.routing = Directory(self.clock, fresh_s=0.0)
        self.payments = Payments(
            self.ledger, decide, self.registry, IdSource(self.clock), routing=self.routing
        )
        self.ana = CustomerId("")
        self.bob = CustomerId("")

    @classmethod
    async def make(
        cls, database: Database, *, decide: Decide | None = None,
        capabilities: Capabilities = CAPABILITIES, matrix: Matrix | None = None,
        others: Sequence[Matrix] = (), **product: Any,
    ) -> "PaymentWorld":  # fmt: skip
        customers = await CustomerWorld.make(database, basic(**{"limits": (), **product}))
        ((name,),) = await customers.rows("select name from ledger.book where book_id = %(book_id)s")
        world = cls(customers, name, decide or ApproveAll(), (matrix or Matrix(capabilities), *others))
        world.ana, world.bob = new_customer_id(), new_customer_id()
        await customers.apply(person(world.ana), person(world.bob))
        return world

    async def apply(self, *commands: Command) -> list[Outcome]:
        async with self.database.transaction() as connection:
            return await self.payments.carry_out(connection, self.book_id, commands)

    async def create(self, **changes: Any) -> Case:
        """A payment that is accepted: by default a card pay-in of 10.00 EUR by Ana."""
        fields: dict[str, Any] = {
            "id": new_id(ids.PAYMENT), "kind": PaymentKind.PAY_IN, "customer": self.ana, "amount": 1_000,
            "currency": "EUR", "instrument": "pm_card_visa",
        }  # fmt: skip
        if changes.get("kind") is PaymentKind.INTERNAL:
            fields |= {"instrument": None, "destination": self.bob}
        (outcome,) = await self.apply(CreatePayment(**{**fields, **changes}))
        assert outcome.status is OutcomeStatus.APPLIED, outcome.refusal
        assert outcome.payment is not None
        return await self.case(outcome.payment.id)

    async def succeeded(self, **changes: Any) -> Case:
        """A payment that the partner has carried out."""
        case = await self.create(**changes)
        await self.report(case, Status.SUCCEEDED)
        return await self.again(case)

    async def authorised(self, **changes: Any) -> Case:
        """A card payment that waits to be captured."""
        case = await self.create(**{"capture": CaptureMode.MANUAL, **changes})
        await self.report(case, Status.AUTHORISED)
        return await self.again(case)

    async def one(self, command: Command) -> Outcome:
        """Carry out one command."""
        (outcome,) = await self.apply(command)
        return outcome

    async def capture(self, case: Case, amount: int | None = None, *, final: bool = True) -> Outcome:
        capture_id = new_id(ids.CAPTURE)
        return await self.one(
            CapturePayment(payment_id=case.payment.id, id=capture_id, amount=amount, final=final)
        )

    async def refund(self, case: Case, amount: int | None = None) -> Outcome:
        return await self.one(RefundPayment(payment_id=case.payment.id, id=new_id(ids.REFUND), amount=amount))

    async def cancel(self, case: Case) -> Outcome:
        return await self.one(CancelPayment(payment_id=case.payment.id, id=new_id(ids.ATTEMPT)))

    async def time_out(self, case: Case) -> Outcome:
        return await self.one(TimeOut(payment_id=case.payment.id))

    async def again(self, case: Case) -> Case:
        """The same payment as it stands now."""
        return await self.case(case.payment.id)

    async def state(self, case: Case) -> PaymentState:
        return (await self.again(case)).payment.state

    async def case(self, payment_id: str) -> Case:
        async with self.database.connection() as connection:
            return await get_payment(connection, self.book_id, payment_id)

    async def send(self, attempt: Attempt) -> None:
        await self.apply(Send(attempt_id=attempt.id))

    async def answer(self, attempt: Attempt, answer: Answer) -> Outcome:
        """Send an attempt, and have the partner answer."""
        await self.send(attempt)
        (outcome,) = await self.apply(Answered(attempt_id=attempt.id, answer=answer))
        return outcome

    async def report(self, case: Case, status: Status, **changes: Any) -> Outcome:
        """The attempt under way is sent, and answered with the payment in this status."""
        live = case.live
        assert live is not None, "nothing is under way"
        return await self.answer(live, Reported(snapshot_of(case, status, **changes)))

    async def hear(self, snapshot: Snapshot) -> Outcome:
        (outcome,) = await self.apply(Heard(partner="acquirer", snapshot=snapshot))
        return outcome

    async def fund(self, customer: CustomerId, amount: int, currency: str = "EUR") -> None:
        """Money from nowhere, for payouts."""
        source = AccountId("acct_" + "f" * 32)
        async with self.database.transaction() as connection:
            outcomes = await self.ledger.apply(
                connection,
                self.book_id,
                [
                    OpenAccount(id=source, currency=currency, normal_side=Side.DEBIT),
                    CreateTransfer(
                        id=TransferId(new_id(ids.TRANSFER)),
                        debit_account=source,
                        credit_account=accounts.wallet(customer, currency),
                        amount=amount,
                        currency=currency,
                    ),
                ],
            )
        assert all(outcome.refusal is None for outcome in outcomes), outcomes

    async def balance(self, account: AccountId) -> tuple[int, int]:
        """What an account holds on its normal side: posted, and what is available."""
        async with self.database.connection() as connection:
            found = await balance_now(connection, self.book_id, account, now=self.clock.now())
        return found.posted, found.available

    async def findings(self) -> list[Finding]:
        """What the ledger's own check has to say."""
        async with self.database.snapshot() as connection:
            return await check(connection)

    async def wallet(self, customer: CustomerId) -> tuple[int, int]:
        return await self.balance(accounts.wallet(customer, "EUR"))

    async def clearing(self) -> int:
        return (await self.balance(accounts.clearing("acquirer", "EUR")))[0]


def code(outcome: Outcome) -> str:
    """With which code a command was refused."""
    assert outcome.status is OutcomeStatus.REFUSED, outcome
    assert isinstance(outcome.refusal, Refusal)
    return outcome.refusal.code


def refund_snapshot(case: Case, refund_id: str, status: Status, **changes: Any) -> Snapshot:
    """What the partner says of a refund that was asked for here."""
    refund = next(r for r in case.refunds if r.id == refund_id)
    attempt = next(a for a in case.attempts if a.part_id == refund_id)
    fields: dict[str, Any] = {
        "subject": Subject.REFUND, "partner_id": f"re_{refund_id[-8:]}", "status": status,
        "amount": refund.amount, "currency": case.payment.currency, "attempt_id": attempt.id,
        "parent_id": case.payment.partner_id,
    }  # fmt: skip
    return Snapshot(**{**fields, **changes})


def dispute_snapshot(case: Case, status: Status, **changes: Any) -> Snapshot:
    """What the partner says of a dispute of the whole payment."""
    payment = case.payment
    fields: dict[str, Any] = {
        "subject": Subject.DISPUTE, "partner_id": f"dp_{payment.id[-8:]}", "status": status,
        "amount": payment.captured_amount, "currency": payment.currency, "parent_id": payment.partner_id,
    }  # fmt: skip
    return Snapshot(**{**fields, **changes})


def snapshot_of(case: Case, status: Status, **changes: Any) -> Snapshot:
    """What the partner says of a payment: by default what was asked of it."""
    payment = case.payment
    begun = case.begun
    fields: dict[str, Any] = {
        "subject": Subject.PAYMENT, "partner_id": payment.partner_id or f"pi_{payment.id[-8:]}",
        "status": status, "amount": max(payment.amount, payment.authorised_amount),
        "currency": payment.currency, "attempt_id": None if begun is None else begun.id,
    }  # fmt: skip
    if status is Status.SUCCEEDED:
        fields["captured"] = fields["amount"]
    return Snapshot(**{**fields, **changes})
