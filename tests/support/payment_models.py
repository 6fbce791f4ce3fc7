"""Payments in memory: the real machine on the ledger's own rules, one event at a time, without a database.

A `Node` is one payment with its book; `step` lets something happen to it and gives the node after it, the one
before is left as it was. `problems` says what is wrong with a node: the laws that no event may break.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from caudal.connectors import (
    Capabilities,
    CaptureMode,
    Direction,
    Drift,
    Method,
    Operation,
    Partner,
    Registry,
    Supported,
)
from caudal.customers import CustomerId, CustomerRow, CustomerStatus, Fee, Product, Review, ReviewDefault
from caudal.ledger import (
    AccountId,
    CreateTransfer,
    HoldState,
    LimitRule,
    OpenAccount,
    Side,
    TransferId,
)
from caudal.ledger import Command as LedgerCommand
from caudal.ledger import carry_out as ledger_carry_out
from caudal.ledger.book import Book
from caudal.payments import (
    AttemptState,
    Case,
    CreatePayment,
    Outcome,
    OutcomeStatus,
    PartState,
    Payment,
    PaymentKind,
    PaymentState,
    Refusal,
    Routed,
    accounts,
)
from caudal.payments.commands import Answered, Command, Heard, Looked, Send, Settle
from caudal.payments.creation import Creation
from caudal.payments.handling import on_payment, send
from caudal.payments.hearing import answered, heard, looked, settled
from caudal.payments.machine import Machine
from caudal.payments.outcomes import Changes
from caudal.payments.partners import Partners
from caudal.payments.routes import Choice, Routes
from caudal.payments.rules import FINAL
from caudal.payments.types import LIVE_ATTEMPTS, DisputeState
from caudal.routing import Cause, Plan, Retry, Standing, Then
from caudal_base.clock import ManualClock
from caudal_base.decide import Decision, Subject, Verdict
from caudal_base.ids import IdSource
from caudal_base.secret import Secret
from caudal_base.settings import PartnerSettings
from support.histories import START
from support.payment_worlds import Matrix

PARTNER, OTHER = "acquirer", "other"
CARD = Supported(
    direction=Direction.PAY_IN, method=Method.CARD, currencies=None, capture_modes=frozenset(CaptureMode),
    multiple_captures=True, increments=True, cancels=True, refunds=True,
)  # fmt: skip
PAYOUT = Supported(direction=Direction.PAYOUT, method=Method.BANK_TRANSFER, currencies=None, cancels=True)
CAPABILITIES = Capabilities(
    supported=(CARD, PAYOUT), key_lifetime=dt.timedelta(hours=24), search_horizon=dt.timedelta(minutes=1)
)

ANA = CustomerId("cus_" + "a" * 32)
BOB = CustomerId("cus_" + "b" * 32)
PAYMENT_ID = "pay_" + "1" * 32
_SOURCE = AccountId("acct_" + "f" * 32)


class Setup(NamedTuple):
    """What kind of payment is looked at, and under which conditions."""

    kind: PaymentKind = PaymentKind.PAY_IN
    capture: CaptureMode = CaptureMode.AUTOMATIC
    verdict: Verdict = Verdict.APPROVE
    default: ReviewDefault = ReviewDefault.DECLINE
    amount: int = 4
    fee: int = 0
    funds: int = 10
    """What Ana has at the beginning."""
    scheduled: bool = False
    elsewhere: bool = False
    """The rules allow another partner beside the first."""


class Node(NamedTuple):
    """One payment, its book, and what time it is."""

    setup: Setup
    book: Book
    case: Case | None
    now: dt.datetime
    posted_fees: frozenset[str] = frozenset()
    posted_settlements: frozenset[str] = frozenset()

    @property
    def payment(self) -> Payment:
        """The payment, which must exist."""
        assert self.case is not None
        return self.case.payment


class Stepped(NamedTuple):
    """What came of a command."""

    node: Node
    outcome: Outcome
    changes: Changes


def _matrix(name: str) -> Matrix:
    matrix = Matrix(CAPABILITIES)
    matrix.name = name
    return matrix


_ROUTE = Routed(version=1, rule="default", partners=(PARTNER, OTHER))
_ROUTES = Routes(
    Partners(
        Registry(
            Partner(_matrix(name), PartnerSettings(connector="bank", book="main", api_key=Secret("key")),
                    Drift(name, ManualClock(START)))
            for name in (PARTNER, OTHER)
        ),
        "main",
    ),
    Standing(version=1, plan=Plan((), (Retry(cause=Cause.NOT_SENT, then=Then.ELSEWHERE),))),
)  # fmt: skip


class _Always:
    """Decides always the same."""

    def __init__(self, verdict: Verdict) -> None:
        self._verdict = verdict

    async def ready(self, now: dt.datetime) -> None:
        """Nothing was asked."""

    def decide(self, subject: Subject) -> Decision:
        return Decision(verdict=self._verdict)

    def recorded(self, subject: Subject, decision: Decision) -> None:
        """Nothing is counted."""

    def writes(self) -> Sequence[Any]:
        return ()


def beginning(setup: Setup) -> Node:
    """Nothing has happened yet: Ana has her funds, and the book's own accounts are open."""
    book = Book(recorded_at=START, for_payments=True)
    limit = LimitRule.DEBITS_MUST_NOT_EXCEED_CREDITS
    commands: list[LedgerCommand] = [
        OpenAccount(id=_SOURCE, currency="EUR", normal_side=Side.DEBIT),
        *(
            OpenAccount(id=accounts.wallet(c, "EUR"), currency="EUR", normal_side=Side.CREDIT, limit=limit)
            for c in (ANA, BOB)
        ),
        *accounts.opening(PARTNER, "EUR"),
        *accounts.opening(OTHER, "EUR"),
    ]
    if setup.funds:
        wallet = accounts.wallet(ANA, "EUR")
        commands.append(
            CreateTransfer(
                id=TransferId("tr_" + "f" * 32), debit_account=_SOURCE, credit_account=wallet,
                amount=setup.funds, currency="EUR",
            )
        )  # fmt: skip
    assert all(o.refusal is None for o in ledger_carry_out(book, commands))
    return Node(setup, book, None, START)


def creation(setup: Setup) -> CreatePayment:
    """The command that begins the payment."""
    internal = setup.kind is PaymentKind.INTERNAL
    return CreatePayment(
        id=PAYMENT_ID, kind=setup.kind, customer=ANA, amount=setup.amount, currency="EUR",
        instrument=None if internal else "pm_card_visa", destination=BOB if internal else None,
        capture=setup.capture, execute_at=START + dt.timedelta(hours=1) if setup.scheduled else None,
    )  # fmt: skip


def step(node: Node, command: Command, *, at: dt.datetime | None = None) -> Stepped:
    """Let a command happen, at `at` or at the node's time."""
    now = node.now if at is None else max(at, node.now)
    book = _fork(node.book, now)
    machine = Machine(
        now=now, cases=() if node.case is None else (node.case,), post=lambda c: _post(book, c),
        new_ids=IdSource(ManualClock(now)), supported=supported, lifetimes={PARTNER: dt.timedelta(days=7)},
        posted_fees=node.posted_fees, posted_settlements=node.posted_settlements,
        retry=lambda case, cause, code, wait: _ROUTES.again(case, cause, code, wait, now),
    )  # fmt: skip
    outcome = _carry_out(machine, _creation(machine, node.setup), command)
    case = machine.cases.get(PAYMENT_ID)
    after = Node(
        node.setup, book, case, now, frozenset(machine.posted_fees), frozenset(machine.posted_settlements)
    )
    return Stepped(after, outcome, machine.changes)


def supported(payment: Payment) -> Supported | None:
    """What the partner can do."""
    return {PaymentKind.PAY_IN: CARD, PaymentKind.PAYOUT: PAYOUT}.get(payment.kind)


def _creation(machine: Machine, setup: Setup) -> Creation:
    fees = (Fee(kind=setup.kind.value, flat=setup.fee),) if setup.fee else ()
    product = Product(
        name="basic", currencies=("EUR",), limits=(), fees=fees, review=Review(default=setup.default),
        version=1, created_at=START,
    )  # fmt: skip
    rows = {c: CustomerRow(c, CustomerStatus.ACTIVE, "DE", "basic", 1) for c in (ANA, BOB)}
    return Creation(
        machine, customers=rows, products={("basic", 1): product},
        choose_partner=lambda *_: Choice(
            PARTNER, PAYOUT if setup.kind is PaymentKind.PAYOUT else CARD, _ROUTE if setup.elsewhere else None
        ),
        decide=_Always(setup.verdict),
    )  # fmt: skip


def _carry_out(machine: Machine, creator: Creation, command: Command) -> Outcome:
    match command:
        case CreatePayment():
            return creator.create(command)
        case Send():
            return send(machine, command)
        case Answered():
            return answered(machine, command)
        case Looked():
            return looked(machine, command, CAPABILITIES)
        case Heard():
            return heard(machine, command)
        case Settle():
            return settled(machine, command)
        case _:
            return on_payment(machine, creator, command)


def _post(book: Book, commands: Sequence[LedgerCommand]) -> Refusal | None:
    refusals = [o.refusal for o in ledger_carry_out(book, commands) if o.refusal is not None]
    reason = next((r for r in refusals if r.code != "linked_failed"), None)
    return None if reason is None else Refusal(reason.code, reason.detail)


def _fork(book: Book, now: dt.datetime) -> Book:
    """The same book, of which changes do not show in the other."""
    replace = msgspec.structs.replace
    forked = Book(
        recorded_at=now, seq=book.seq, next_account_no=book.next_account_no, for_payments=book.for_payments
    )
    forked.accounts = {id_: replace(account) for id_, account in book.accounts.items()}
    forked.holds = {id_: replace(hold) for id_, hold in book.holds.items()}
    forked.transfers = dict(book.transfers)
    forked.references = dict(book.references)
    forked.openings = dict(book.openings)
    return forked


class _Expected(NamedTuple):
    """What the payment's own numbers say about the ledger."""

    ana: int
    bob: int
    clearing: int
    income: int
    holds: Mapping[str, int]


def _expected(node: Node) -> _Expected:
    setup, case = node.setup, node.case
    if case is None:
        return _Expected(setup.funds, 0, 0, 0, {})
    payment = case.payment
    moved = payment.captured_amount - payment.refunded_amount - payment.disputed_amount
    if payment.state is PaymentState.RETURNED:
        moved -= payment.captured_amount
    holds = {r.hold_id: r.amount for r in case.refunds if r.state is PartState.PENDING and r.hold_id}
    if payment.hold_id is not None:
        holds[payment.hold_id] = (payment.authorised_amount or payment.amount) - payment.captured_amount
    if payment.fee_hold_id is not None:
        holds[payment.fee_hold_id] = payment.fee
    fee, funds = payment.fee_amount, setup.funds
    match payment.kind:
        case PaymentKind.PAY_IN:
            return _Expected(funds + moved - fee, 0, moved, fee, holds)
        case PaymentKind.PAYOUT:
            return _Expected(funds - moved - fee, 0, -moved, fee, holds)
        case PaymentKind.INTERNAL:
            return _Expected(funds - moved - fee, moved, 0, fee, holds)


def balances(node: Node) -> tuple[int, int, int, int]:
    """Posted: Ana's and Bob's, the partner's clearing account, our income."""

    def of(account: AccountId) -> int:
        found = node.book.accounts[account]
        net = found.credits_posted - found.debits_posted
        return net if found.normal_side is Side.CREDIT else -net

    return (
        of(accounts.wallet(ANA, "EUR")), of(accounts.wallet(BOB, "EUR")),
        of(accounts.clearing(PARTNER, "EUR")) + of(accounts.clearing(OTHER, "EUR")),
        of(accounts.income("EUR")),
    )  # fmt: skip


def problems(node: Node) -> Iterator[str]:
    """Every law that a node breaks."""
    book, case = node.book, node.case
    everything = book.accounts.values()
    if sum(a.debits_posted for a in everything) != sum(a.credits_posted for a in everything):
        yield "posted debits differ from credits"
    if sum(a.debits_pending for a in everything) != sum(a.credits_pending for a in everything):
        yield "pending debits differ from credits"
    expected = _expected(node)
    if balances(node) != expected[:4]:
        yield f"the ledger has {balances(node)}, the payment says {expected[:4]}"
    held = {str(h.id): h.amount for h in book.holds.values() if h.state is HoldState.OPEN}
    if held != expected.holds:
        yield f"held is {sorted(held.values())}, the payment says {sorted(expected.holds.values())}"
    if case is not None:
        yield from _problems_of_case(case)
        yield from _problems_of_route(node, case.payment)


def _problems_of_route(node: Node, payment: Payment) -> Iterator[str]:
    """Nothing has to do with a partner but that which carries the payment out."""
    if payment.partner is None:
        return
    other = accounts.clearing(OTHER if payment.partner == PARTNER else PARTNER, "EUR")
    strange = node.book.accounts[other]
    if any((strange.debits_posted, strange.credits_posted, strange.debits_pending, strange.credits_pending)):
        yield "money is held or posted with a partner that does not carry the payment out"


_NOTHING_MOVED = frozenset(
    {
        PaymentState.DECLINED, PaymentState.FAILED, PaymentState.CANCELLED, PaymentState.EXPIRED,
        PaymentState.SCHEDULED,
    }
)  # fmt: skip


def _problems_of_case(case: Case) -> Iterator[str]:
    payment = case.payment
    live = [a for a in case.attempts if a.state in LIVE_ATTEMPTS and a.operation is not Operation.REFUND]
    if len(live) > 1:
        yield "two attempts are under way"
    if payment.state in FINAL:
        if payment.hold_id or payment.fee_hold_id:
            yield "a payment that has ended holds funds"
        if live:
            yield "a payment that has ended has an attempt under way"
        if payment.expires_at is not None:
            yield "a payment that has ended waits for a time"
    if payment.state in _NOTHING_MOVED and payment.captured_amount:
        yield f"{payment.state.value}, and yet something was captured"
    if payment.captured_amount > max(payment.authorised_amount, payment.amount):
        yield "more is captured than was authorised"
    pending = [c for c in case.captures if c.state is PartState.PENDING]
    capturing = bool(live and live[0].operation is Operation.CAPTURE)
    in_review = payment.state is PaymentState.REVIEW
    if len(pending) > 1 or (bool(pending) != capturing and not in_review):
        yield "captures under way and attempts differ"
    if (payment.review is not None) != in_review:
        yield "a reason for a review without a review, or the other way round"
    yield from _problems_of_parts(case)
    if payment.state not in FINAL and not moves_on(case):
        yield f"{payment.state.value}, and nothing moves it on"


def _problems_of_parts(case: Case) -> Iterator[str]:
    payment = case.payment
    sums = [
        sum(r.amount for r in case.refunds if r.state is state)
        for state in (PartState.PENDING, PartState.SUCCEEDED)
    ]
    if sums != [payment.refunding_amount, payment.refunded_amount]:
        yield "the refunds' sums differ from the payment's"
    asked = sum(
        r.amount
        for r in case.refunds
        if r.state is not PartState.FAILED and r.reason != "made at the partner"
    )
    reversals = any(r.failure is not None for r in case.refunds)
    if asked > payment.captured_amount and not reversals:
        yield "more is refunded than was captured"
    for refund in case.refunds:
        if (refund.state is PartState.FAILED) and refund.hold_id:
            yield "a failed refund stands on a transfer"
    gone = sum(d.amount for d in case.disputes if d.state in (DisputeState.OPEN, DisputeState.LOST))
    if gone != payment.disputed_amount:
        yield "the disputes' sum differs from the payment's"


def moves_on(case: Case) -> bool:
    """Whether something is under way that will bring news: a job, a timer, a partner asked, or a person."""
    payment = case.payment
    if payment.state is PaymentState.REVIEW or case.live is not None:
        return True
    if payment.state is PaymentState.SCHEDULED:
        return payment.execute_at is not None
    if payment.state is PaymentState.PROCESSING:
        # Asked for by its attempt's job, or by the payment's.
        begun = case.begun
        return payment.partner_id is not None or (begun is not None and begun.state is AttemptState.ACCEPTED)
    return payment.expires_at is not None


def applied(stepped: Stepped) -> bool:
    """Whether the command changed something."""
    return stepped.outcome.status is OutcomeStatus.APPLIED


def some_id(prefix: str, number: int) -> str:
    """An id of a capture or refund."""
    return f"{prefix}_{UUID(int=number).hex}"
