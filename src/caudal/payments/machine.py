"""Runs the table: one batch's commands on the payments that it loaded, in order, without I/O.

Every change of a payment goes through `_take`: choose the row, ask the ledger for its postings, and only if
the ledger agrees let the payment, its attempt and its capture move, with an event, and with the jobs that the
row's effects call for. So a refused command leaves nothing behind.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from caudal.connectors import Operation, Snapshot, Supported
from caudal.ledger import Command as LedgerCommand
from caudal.payments import views
from caudal.payments.guards import NOT_RECEIVED, Situation, choose
from caudal.payments.outcomes import Changes, Outcome, OutcomeStatus
from caudal.payments.postings import plan
from caudal.payments.refusals import Refusal
from caudal.payments.reports import captured_in
from caudal.payments.rules import FINAL
from caudal.payments.terms import Effect, Event, Row
from caudal.payments.types import (
    Attempt,
    AttemptState,
    Capture,
    Case,
    Failure,
    PartState,
    Payment,
    PaymentState,
    ReviewReason,
)
from caudal_base import ids
from caudal_base.check import check
from caudal_base.decide import Unmoved
from caudal_base.ids import IdSource

ACTION_TIME: Final = dt.timedelta(hours=24)
"""How long a customer may take over what the partner asks of them."""

VOID_AGAIN_AFTER: Final = dt.timedelta(hours=1)
"""When a void that failed is tried again, where the authorisation's time is over."""

Post = Callable[[Sequence[LedgerCommand]], Refusal | None]
"""Has the ledger carry out one linked group; its refusal, and then nothing was done."""

_OPERATIONS: Final = {
    Effect.SUBMIT: Operation.SUBMIT,
    Effect.CAPTURE: Operation.CAPTURE,
    Effect.INCREMENT: Operation.INCREMENT,
    Effect.VOID: Operation.CANCEL,
}

_ENDS: Final = {
    Event.CANCEL: PaymentState.CANCELLED,
    Event.TIME_OUT: PaymentState.EXPIRED,
    Event.DECLINE: PaymentState.FAILED,
}
"""Where a void leads, by what made it."""

_KEEPS_EXPIRY: Final = frozenset(
    {PaymentState.AUTHORISED, PaymentState.CAPTURING, PaymentState.INCREMENTING, PaymentState.CANCELLING}
)


class Machine:
    """One batch of one book."""

    def __init__(
        self,
        *,
        now: dt.datetime,
        cases: Iterable[Case],
        post: Post,
        new_ids: IdSource,
        supported: Callable[[Payment], Supported | None],
        lifetimes: Mapping[str, dt.timedelta],
        posted_fees: Iterable[str] = (),
        posted_settlements: Iterable[str] = (),
    ) -> None:
        """`supported` tells what a payment's partner can do, `lifetimes` how long authorisations last.

        `posted_fees` and `posted_settlements` are the partners' ids of those that stand in the ledger.
        """
        self.now = now
        self.post = post
        self.new_ids = new_ids
        self.supported = supported
        self.lifetimes = lifetimes
        self.cases: dict[str, Case] = {case.payment.id: case for case in cases}
        self.of_attempt: dict[str, str] = {
            a.id: c.payment.id for c in self.cases.values() for a in c.attempts
        }
        """By attempt, the payment that it is of."""
        self.posted_fees = set(posted_fees)
        self.posted_settlements = set(posted_settlements)
        self.changes = Changes()

    def situation(
        self, case: Case, *, amount: int | None = None, snapshot: Snapshot | None = None
    ) -> Situation:
        """A payment in the light of one event."""
        return Situation(
            case=case, now=self.now, supported=self.supported(case.payment), amount=amount, snapshot=snapshot
        )

    def take(
        self,
        situation: Situation,
        event: Event,
        *,
        extra: Mapping[str, Any] | None = None,
        capture: Capture | None = None,
        attempt_id: str | None = None,
        failure: Failure | None = None,
        new: bool = False,
    ) -> Outcome:
        """Let `event` happen. `extra` changes the payment too; `capture` begins with it.

        `attempt_id` is the id of an attempt that the row's effects begin. `new`: the payment does not exist
        yet, and its case is a draft.
        """
        case = situation.case
        payment = case.payment
        row = choose(situation, None if new else payment.state, event)
        if isinstance(row, Refusal):
            return Outcome(OutcomeStatus.REFUSED, payment=None if new else payment, refusal=row)
        if row.stale:
            return self._adopt(case, situation.snapshot)
        planned = plan(row.posting, situation)
        refused = self.post(planned.commands) if planned.commands else None
        if refused is not None:
            return Outcome(OutcomeStatus.REFUSED, payment=None if new else payment, refusal=refused)
        changed = {**_arrival(self, situation, row, event, failure), **planned.changes, **(extra or {})}
        moved = msgspec.structs.replace(
            payment, **_identity(payment, situation.snapshot), **changed, state=row.to,
            version=payment.version + 1, updated_at=self.now,
        )  # fmt: skip
        if moved.state is PaymentState.SUCCEEDED and moved.authorised_amount < moved.captured_amount:
            moved = msgspec.structs.replace(moved, authorised_amount=moved.captured_amount)
        moved = self._uncounted(moved)
        after = Case(
            payment=moved,
            attempts=self._attempts(case, row, situation.snapshot, failure),
            captures=self._captures(case, row, situation.snapshot, failure),
            refunds=case.refunds,
            disputes=case.disputes,
        )
        if capture is not None:
            after = msgspec.structs.replace(after, captures=(*after.captures, capture))
        after = self._effects(after, situation, row, capture, attempt_id)
        told = None
        if new or moved.state is not payment.state:
            told = self._tell_payment(moved, created=new)
        self.cases[moved.id] = after
        if new:
            self.changes.created.add(moved.id)
        return Outcome(OutcomeStatus.APPLIED, payment=moved, capture=capture, told=told)

    def _uncounted(self, payment: Payment) -> Payment:
        """A payment that has ended counts for what it has moved; what it moves after all counts no more."""
        left = payment.amount - payment.captured_amount
        if payment.counted_on is None or payment.state not in FINAL or left <= 0:
            return payment
        if payment.state is PaymentState.RETURNED:
            return payment
        self.changes.unmoved.append(
            Unmoved(
                customer_id=payment.customer, kind=payment.kind.value, currency=payment.currency,
                country=None if payment.context is None else payment.context.country,
                day=payment.counted_on, amount=left, whole=payment.captured_amount == 0,
            )
        )  # fmt: skip
        return msgspec.structs.replace(payment, counted_on=None)

    def replace(self, case: Case, **changes: Any) -> Case:
        """Put a changed case in the place of `case`."""
        after = msgspec.structs.replace(case, **changes)
        self.cases[after.payment.id] = after
        return after

    def begin_attempt(
        self, case: Case, operation: Operation, amount: int, *, part_id: str | None = None,
        captured_before: int = 0, attempt_id: str | None = None,
    ) -> Case:  # fmt: skip
        """Add an attempt that is to be sent, with the job that sends it."""
        payment = case.payment
        check(payment.partner is not None, "an attempt goes to a partner")
        attempt = Attempt(
            id=attempt_id or ids.encode(ids.ATTEMPT, self.new_ids.new()), payment_id=payment.id,
            operation=operation, state=AttemptState.CREATED, partner=payment.partner or "", amount=amount,
            created_at=self.now, updated_at=self.now, part_id=part_id, captured_before=captured_before,
        )  # fmt: skip
        live = operation is Operation.REFUND or case.live is None
        check(live, "a payment has one attempt under way at most")
        self.of_attempt[attempt.id] = payment.id
        self.changes.attempt_jobs.append((attempt.id, attempt.partner))
        return msgspec.structs.replace(case, attempts=(*case.attempts, attempt))

    def tell(self, type_: str, object_type: str, object_id: str, data: bytes) -> None:
        """Note an event, to be written with the batch."""
        self.changes.events.append((type_, object_type, object_id, data))

    def _tell_payment(self, payment: Payment, *, created: bool) -> bytes:
        data = views.encoded(views.payment_view(payment))
        if created:
            self.tell("payment.created", "payment", payment.id, data)
        if not created or payment.state is not PaymentState.PROCESSING:
            self.tell(f"payment.{payment.state.value}", "payment", payment.id, data)
        return data

    def _adopt(self, case: Case, snapshot: Snapshot | None) -> Outcome:
        """News that says nothing new may still tell under which id the partner has the payment."""
        payment = case.payment
        if snapshot is not None and payment.partner_id is None:
            payment = msgspec.structs.replace(
                payment, **_identity(payment, snapshot), version=payment.version + 1, updated_at=self.now
            )
            self.replace(case, payment=payment)
        return Outcome(OutcomeStatus.UNCHANGED, payment=payment)

    def _attempts(
        self, case: Case, row: Row, snapshot: Snapshot | None, failure: Failure | None
    ) -> tuple[Attempt, ...]:
        """The attempts after the row: the one under way becomes what the row says."""
        if row.attempt is None:
            return case.attempts
        current = case.live or next(
            (
                a
                for a in reversed(case.attempts)
                if a.state is AttemptState.ACCEPTED and a.operation is not Operation.REFUND
            ),
            None,
        )
        if current is None:
            return case.attempts
        if failure is None and snapshot is not None and snapshot.error is not None:
            failure = failure_of(snapshot)
        done = msgspec.structs.replace(
            current,
            state=row.attempt,
            updated_at=self.now,
            partner_id=current.partner_id or (None if snapshot is None else snapshot.partner_id),
            failure=failure if row.attempt is AttemptState.FAILED else None,
        )
        return tuple(done if a is current else self._close_begun(a, row) for a in case.attempts)

    def _close_begun(self, attempt: Attempt, row: Row) -> Attempt:
        """An attempt that the partner had accepted ends with its payment."""
        ended = row.to in FINAL and attempt.state is AttemptState.ACCEPTED
        if not ended or attempt.operation is Operation.REFUND:
            return attempt
        state = AttemptState.SUCCEEDED if row.to is PaymentState.SUCCEEDED else AttemptState.FAILED
        return msgspec.structs.replace(attempt, state=state, updated_at=self.now)

    def _captures(
        self, case: Case, row: Row, snapshot: Snapshot | None, failure: Failure | None
    ) -> tuple[Capture, ...]:
        current = case.capturing
        if row.part is None or current is None:
            return case.captures
        if failure is None and snapshot is not None and snapshot.error is not None:
            failure = failure_of(snapshot)
        done = msgspec.structs.replace(
            current,
            state=row.part,
            updated_at=self.now,
            failure=failure if row.part is PartState.FAILED else None,
        )
        self.tell(f"capture.{done.state.value}", "capture", done.id, views.encoded(views.capture_view(done)))
        return tuple(done if c is current else c for c in case.captures)

    def _effects(
        self, case: Case, situation: Situation, row: Row, capture: Capture | None, attempt_id: str | None
    ) -> Case:
        payment = case.payment
        for effect in row.effects:
            if effect is Effect.TIMER:
                when = payment.expires_at or payment.execute_at
                if when is not None:
                    self.changes.timers.append((payment.id, when))
            elif effect is Effect.ASK:
                if payment.partner_id is not None:
                    self.changes.asks.append((payment.id, payment.partner or ""))
            elif effect is Effect.GIVE_BACK:
                case = self.begin_attempt(case, Operation.REFUND, _taken_wrongly(payment))
            elif effect in _OPERATIONS:
                operation = _OPERATIONS[effect]
                amount = situation.amount if operation is not Operation.SUBMIT else payment.amount
                case = self.begin_attempt(
                    case, operation, amount or max(payment.authorised_amount, payment.amount),
                    part_id=None if capture is None else capture.id,
                    captured_before=payment.captured_amount, attempt_id=attempt_id,
                )  # fmt: skip
        return case


def _taken_wrongly(payment: Payment) -> int:
    """Of what the partner reports, what nobody asked for: parts captured before were asked for."""
    same = payment.reported_currency == payment.currency
    return (payment.reported_amount or 0) - (payment.captured_amount if same else 0)


def _identity(payment: Payment, snapshot: Snapshot | None) -> dict[str, Any]:
    """Under which ids the partner has the payment, once it has said so."""
    if snapshot is None:
        return {}
    related = {**payment.related, **snapshot.related}
    found: dict[str, Any] = {"partner_id": payment.partner_id or snapshot.partner_id}
    if related != payment.related:
        found["related"] = related
    return found


def failure_of(snapshot: Snapshot) -> Failure | None:
    """The partner's error as payments keep it."""
    error = snapshot.error
    return (
        None
        if error is None
        else Failure(code=error.code, class_=error.class_.value, message=error.message[:500])
    )


def _arrival(
    machine: Machine, situation: Situation, row: Row, event: Event, failure: Failure | None
) -> dict[str, Any]:
    """What a payment keeps of its arrival in a state."""
    payment, snapshot, now = situation.payment, situation.snapshot, machine.now
    changes: dict[str, Any] = {
        "review": None,
        "review_default": None,
        "action_url": None,
        "action_secret": None,
    }
    match row.to:
        case PaymentState.AUTHORISED:
            changes["expires_at"] = _authorisation_expiry(machine, payment, snapshot, event)
            if payment.authorised_amount == 0:
                changes["authorised_amount"] = payment.amount if snapshot is None else snapshot.amount
        case PaymentState.REQUIRES_ACTION:
            said = payment if snapshot is None else snapshot
            changes |= {"action_url": said.action_url, "action_secret": said.action_secret}
            changes["expires_at"] = payment.expires_at
            if payment.state is not PaymentState.REQUIRES_ACTION:
                changes["expires_at"] = now + ACTION_TIME
        case PaymentState.REVIEW:
            changes |= _review(payment, snapshot, event)
        case PaymentState.CANCELLING:
            if payment.state is not PaymentState.CANCELLING:
                changes["ends_as"] = _ENDS.get(event, payment.state)
        case PaymentState.CAPTURING | PaymentState.INCREMENTING:
            changes["expires_at"] = payment.expires_at
        case PaymentState.SCHEDULED:
            changes["expires_at"] = payment.execute_at
        case PaymentState.FAILED | PaymentState.CANCELLED | PaymentState.EXPIRED | PaymentState.RETURNED:
            changes |= {"expires_at": None, "failure": failure}
            if snapshot is not None and failure is None:
                changes["failure"] = failure_of(snapshot)
        case _:
            changes |= {"expires_at": None, "failure": None}
    return changes


def _authorisation_expiry(
    machine: Machine, payment: Payment, snapshot: Snapshot | None, event: Event
) -> dt.datetime:
    if event is Event.VOID_FAILED:
        return max(payment.expires_at or machine.now, machine.now + VOID_AGAIN_AFTER)
    if payment.state in _KEEPS_EXPIRY and payment.expires_at is not None:
        return payment.expires_at
    if snapshot is not None and snapshot.expires_at is not None:
        return max(snapshot.expires_at, machine.now)
    return machine.now + machine.lifetimes.get(payment.partner or "", dt.timedelta(days=7))


def _review(payment: Payment, snapshot: Snapshot | None, event: Event) -> dict[str, Any]:
    if event is Event.PARTNER_MISMATCHED and snapshot is not None:
        return {
            "review": ReviewReason.MISMATCH,
            "expires_at": None,
            "reported_amount": captured_in(snapshot) or snapshot.amount,
            "reported_currency": snapshot.currency,
            "reported_captured": captured_in(snapshot) > 0,
        }
    if event is Event.UNRESOLVED:
        return {"review": ReviewReason.OUTCOME, "expires_at": None}
    if payment.state is PaymentState.REVIEW:
        return {"review": payment.review, "expires_at": None}
    # Held by the decision: `expires_at` and the default come with the event.
    return {"review": ReviewReason.RISK}


def not_received() -> Failure:
    """The failure of an attempt that never reached the partner, as far as it could be asked."""
    return Failure(code=NOT_RECEIVED, class_="unavailable", message="the partner knows nothing of it")
