"""Decisions on payments that somebody else carries out: lists, rules and models say, and no money moves.

    desk = DecisionDesk(database, ledger, Decider(clock, new_ids, elsewhere=True), clock)
    made = await desk.decide(book_id, payment, caller)

As for payments of our own, what is asked at the same time becomes one batch in one transaction, which locks
the book; the payment counts for the features of those behind it. The subject is the caller's own name of the
payment: asked again, it gets the decision that was made.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from caudal import audit
from caudal.access import Caller
from caudal.ledger import Ledger
from caudal.risk import facts, store_decisions
from caudal.risk.decider import Decider
from caudal.risk.decision_types import Record
from caudal.risk.errors import DecisionDiffers, PaymentInvalid
from caudal.risk.showing import FeatureShown, shown
from caudal_base import ids
from caudal_base.clock import Clock
from caudal_base.coalesce import Limits, Stats
from caudal_base.coalescers import Coalescers
from caudal_base.database import Connection, Database
from caudal_base.decide import Context, Subject
from caudal_base.errors import CaudalError
from caudal_base.money import MAX_AMOUNT, currencies
from caudal_base.personal import refuse_personal
from caudal_base.pipelines import queue_commit
from caudal_base.statements import Statement, execute

LIMITS: Final = Limits(max_requests=200, max_weight=200, max_wait_s=0.25)
"""As of payments: whoever would wait for longer than a moment is better told to come back."""

MAX_TEXT: Final = 255
KINDS: Final = ("pay_in", "payout", "internal")


class PaymentElsewhere(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A payment that is not ours."""

    subject: str
    """The caller's own name of it: labels go by it. Not the id of a payment of ours."""
    customer: str
    """The caller's own."""
    amount: int
    currency: str
    kind: str = "pay_in"
    method: str | None = None
    instrument: str | None = None
    context: Context | None = None
    authenticates: bool = False
    """The customer can be made to authenticate; else who should be challenged is to be reviewed."""

    def as_subject(self) -> Subject:
        """As decisions have it: it is of no product, and so within no limits."""
        return Subject(
            payment_id=self.subject, kind=self.kind, customer_id=self.customer, amount=self.amount,
            currency=self.currency, method=self.method, partner=None, instrument=self.instrument,
            context=self.context, limits=(), authenticates=self.authenticates,
        )  # fmt: skip


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A decision, and whether it had been made before."""

    record: Record
    repeated: bool = False
    features: tuple[FeatureShown, ...] = ()
    """As served; of one that was made before they are not looked up."""


class _Order(msgspec.Struct, frozen=True):
    payment: PaymentElsewhere
    caller: Caller


class DecisionDesk:
    """Decides in batches, a coalescer per book. Belongs to one event loop."""

    def __init__(
        self, database: Database, ledger: Ledger, decider: Decider, clock: Clock, limits: Limits | None = None
    ) -> None:
        """`decider` decides on payments elsewhere; `limits` bounds each book's batches and queue."""
        self._database = database
        self._ledger = ledger
        self._clock = clock
        self._decider = decider
        self._coalescers = Coalescers[_Order, Made](self._run, limits=limits or LIMITS)

    async def decide(self, book_id: int, payment: PaymentElsewhere, caller: Caller) -> Made:
        """Decide, and keep the decision.

        Raises `PaymentInvalid`, `PersonalDataRefused`, `DecisionDiffers` where the subject was decided on as
        another payment, `BookNotFound`, `Unavailable` when the queue is full or the outcome is not known.
        """
        refuse_unfit(payment)
        return await self._coalescers.submit(book_id, _Order(payment, caller))

    async def try_out(
        self, connection: Connection, book_id: int, payment: PaymentElsewhere, caller: Caller
    ) -> Made:
        """What would be decided now, in a transaction that the caller rolls back. Raises as `decide` does."""
        refuse_unfit(payment)
        (made,) = await self._decide(connection, book_id, [_Order(payment, caller)], commit=False)
        if isinstance(made, CaudalError):
            raise made
        return made

    def admit(self, book_id: int) -> None:
        """Raise `Unavailable` where an order would be refused now: before any work is put into it."""
        self._coalescers.admit(book_id)

    async def drain(self) -> None:
        """Finish what waits, refuse what comes."""
        await self._coalescers.drain()

    def stats(self) -> dict[int, Stats]:
        """Each book's counters."""
        return self._coalescers.stats()

    async def _run(self, book_id: int, orders: Sequence[_Order]) -> Sequence[Made | CaudalError]:
        async with self._database.transaction() as connection:
            return await self._decide(connection, book_id, orders, commit=True)

    async def _decide(
        self, connection: Connection, book_id: int, orders: Sequence[_Order], *, commit: bool
    ) -> list[Made | CaudalError]:
        """One transaction for all: what is read comes in one round trip, what is written goes in another."""
        # Two of one name may be two payments: each is asked about.
        subjects = [order.payment.as_subject() for order in orders]
        names = list({subject.payment_id for subject in subjects})
        async with connection.pipeline():
            lock = await self._ledger.begin(connection, book_id, ())
            earlier = await store_decisions.queue_made(connection, book_id, names)
            pending = await self._decider.begin(connection, book_id, subjects)
            await lock.finish()
            known = {record.subject: Made(record=record, repeated=True)
                     for record in await store_decisions.records_of(earlier)}  # fmt: skip
        now = self._clock.now()
        await pending.ready(now)
        results: list[Made | CaudalError] = []
        records: list[audit.Record] = []
        for order, subject in zip(orders, subjects, strict=True):
            made = known.get(subject.payment_id)
            if made is not None:
                results.append(made if _is_of(made.record, subject) else DecisionDiffers(
                    "this subject was decided on as another payment", field="subject"
                ))  # fmt: skip
                continue
            decision = pending.decide(subject)
            pending.recorded(subject, decision)
            record, declared = pending.kept(decision)
            made = Made(record=record, features=shown(record, declared))
            known[subject.payment_id] = msgspec.structs.replace(made, repeated=True)
            results.append(made)
            records.append(_audited(book_id, record, order.caller))
        statements = [*pending.writes()]
        if records:
            statements.append(Statement(audit.INSERT, audit.insert_parameters(records)))
        async with connection.pipeline():
            if statements:
                await execute(connection, statements)
            if commit:
                await queue_commit(connection)
        return results


def refuse_unfit(payment: PaymentElsewhere) -> None:
    """Raise `PaymentInvalid` for what no payment can be, `PersonalDataRefused` for what must not be kept."""
    texts = {"subject": payment.subject, "customer": payment.customer, "instrument": payment.instrument,
             "method": payment.method}  # fmt: skip
    for field, text in texts.items():
        if text is not None:
            if not 1 <= len(text) <= MAX_TEXT or not text.isprintable():
                raise PaymentInvalid(f"1 to {MAX_TEXT} printable characters", field=field)
            refuse_personal(text, field)
    if payment.subject.startswith(f"{ids.PAYMENT}_"):
        raise PaymentInvalid("a payment of ours is decided on where it is carried out", field="subject")
    if payment.kind not in KINDS:
        raise PaymentInvalid(f"one of {', '.join(KINDS)}", field="kind")
    if not 1 <= payment.amount <= MAX_AMOUNT:
        raise PaymentInvalid(f"1 to {MAX_AMOUNT}, in minor units", field="amount")
    if payment.currency not in currencies():
        raise PaymentInvalid("an ISO 4217 code", field="currency")


def _is_of(record: Record, subject: Subject) -> bool:
    """Whether a decision was made on just this."""
    return record.served.facts == facts.facts_of(subject, facts.asked_of(subject))


def _audited(book_id: int, record: Record, caller: Caller) -> audit.Record:
    return audit.Record(
        book_id=book_id, at=record.at, principal=caller.principal.actor, action="decision.make",
        object_id=record.id, request_id=caller.request_id, result=record.decided.outcome.value,
        origin=caller.origin,
    )  # fmt: skip
