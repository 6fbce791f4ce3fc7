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
from caudal.payments.arrivals import arrival, failure_of, identity
from caudal.payments.guards import Situation, choose
from caudal.payments.outcomes import Changes, Outcome, OutcomeStatus
from caudal.payments.postings import plan
from caudal.payments.refusals import Refusal
from caudal.payments.rules import FINAL
from caudal.payments.terms import Effect, Event, Posting, Row
from caudal.payments.types import (
    Attempt,
    AttemptState,
    Capture,
    Case,
    Failure,
    PartState,
    Payment,
    PaymentState,
    Retried,
)
from caudal.routing import Again, Cause
from caudal_base import ids
from caudal_base.check import check
from caudal_base.decide import Unmoved
from caudal_base.ids import IdSource

Post = Callable[[Sequence[LedgerCommand]], Refusal | None]
"""Has the ledger carry out one linked group; its refusal, and then nothing was done."""

Retry = Callable[[Case, Cause, str, dt.timedelta | None], Again | None]
"""Where and when a payment is tried again, by why its attempt came to nothing, the partner's code, and how
long the partner wants to be left alone; None: it is not."""

_OPERATIONS: Final = {
    Effect.SUBMIT: Operation.SUBMIT,
    Effect.CAPTURE: Operation.CAPTURE,
    Effect.INCREMENT: Operation.INCREMENT,
    Effect.VOID: Operation.CANCEL,
}


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
        recorded_settlements: Iterable[tuple[str, str]] = (),
        retry: Retry = lambda *_: None,
        fee_lanes: Mapping[str, tuple[str, str]] | None = None,
    ) -> None:
        """`supported` tells what a payment's partner can do, `lifetimes` how long authorisations last.

        `posted_fees` and `posted_settlements` are the partners' ids of those that stand in the ledger;
        `recorded_settlements` are those that have been told of, each a partner and its id.
        """
        self.retry = retry
        self.fee_lanes = fee_lanes or {}
        """By the partner's id of a fee that a settlement tells of: the rule and the method of its payment."""
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
        self.recorded_settlements = set(recorded_settlements)
        self.changes = Changes()

    def situation(
        self, case: Case, *, amount: int | None = None, snapshot: Snapshot | None = None,
        again: Again | None = None, code: str | None = None,
    ) -> Situation:  # fmt: skip
        """A payment in the light of one event."""
        return Situation(
            case=case, now=self.now, supported=self.supported(case.payment), amount=amount,
            snapshot=snapshot, again=again, code=code,
        )  # fmt: skip

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
        kept = arrival(situation, row, event, failure, self.lifetimes)
        changed = {**kept, **planned.changes, **(extra or {})}
        moved = msgspec.structs.replace(
            payment, **{**identity(payment, situation.snapshot), **changed}, state=row.to,
            version=payment.version + 1, updated_at=self.now,
        )  # fmt: skip
        if moved.state is PaymentState.SUCCEEDED and moved.authorised_amount < moved.captured_amount:
            moved = msgspec.structs.replace(moved, authorised_amount=moved.captured_amount)
        moved = self._recounted(moved)
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
        if situation.again is not None and moved.partner != payment.partner:
            self._tell_rerouted(payment.partner or "", after)
        self.cases[moved.id] = after
        if new:
            self.changes.created.add(moved.id)
        return Outcome(OutcomeStatus.APPLIED, payment=moved, capture=capture, told=told)

    def _recounted(self, payment: Payment) -> Payment:
        """A payment that has ended counts for what it has moved: also for what it moves after all."""
        if payment.counted_on is None or payment.state is PaymentState.RETURNED:
            return payment
        left = max(payment.amount - payment.captured_amount, 0) if payment.state in FINAL else 0
        if left == payment.uncounted:
            return payment
        nothing, nothing_before = left == payment.amount, payment.uncounted == payment.amount
        self.changes.unmoved.append(
            Unmoved(
                customer_id=payment.customer, kind=payment.kind.value, currency=payment.currency,
                country=None if payment.context is None else payment.context.country,
                day=payment.counted_on, amount=left - payment.uncounted, payments=nothing - nothing_before,
            )
        )  # fmt: skip
        return msgspec.structs.replace(payment, uncounted=left)

    def replace(self, case: Case, **changes: Any) -> Case:
        """Put a changed case in the place of `case`."""
        after = msgspec.structs.replace(case, **changes)
        self.cases[after.payment.id] = after
        return after

    def begin_attempt(
        self, case: Case, operation: Operation, amount: int, *, part_id: str | None = None,
        captured_before: int = 0, attempt_id: str | None = None, retried: Retried | None = None,
        after: dt.timedelta = dt.timedelta(), gives_back: Attempt | None = None,
    ) -> Case:  # fmt: skip
        """Add an attempt that is to be sent, with the job that sends it `after` so long.

        One that `gives_back` what a superseded attempt took after all goes to the partner of that one, which
        has a `target_id`; so does the next one, where it has not arrived.
        """
        payment = case.payment
        partner = payment.partner if gives_back is None else gives_back.partner
        check(partner is not None, "an attempt goes to a partner")
        attempt = Attempt(
            id=attempt_id or ids.encode(ids.ATTEMPT, self.new_ids.new()), payment_id=payment.id,
            operation=operation, state=AttemptState.CREATED, partner=partner or "", amount=amount,
            created_at=self.now, updated_at=self.now, part_id=part_id, captured_before=captured_before,
            retried=retried, target_id=None if gives_back is None else gives_back.target_id,
        )  # fmt: skip
        live = operation is Operation.REFUND or case.live is None
        check(live, "a payment has one attempt under way at most")
        self.of_attempt[attempt.id] = payment.id
        self.changes.attempt_jobs.append((attempt.id, attempt.partner, self.now + after))
        return msgspec.structs.replace(case, attempts=(*case.attempts, attempt))

    def tell(self, type_: str, object_type: str, object_id: str, data: bytes) -> None:
        """Note an event, to be written with the batch."""
        self.changes.events.append((type_, object_type, object_id, data))

    def _tell_payment(self, payment: Payment, *, created: bool) -> bytes | None:
        """Tell what a payment has become; the same bytes are its view, unless that says more to who asks."""
        shown = views.payment_view(payment)
        told = views.told_view(shown)
        data = views.encoded(told)
        if created:
            self.tell("payment.created", "payment", payment.id, data)
        if not created or payment.state is not PaymentState.PROCESSING:
            self.tell(f"payment.{payment.state.value}", "payment", payment.id, data)
        return data if told is shown else None

    def _tell_rerouted(self, before: str, case: Case) -> None:
        """Tell that a payment goes on at another partner; its state is the same."""
        retried = None if case.begun is None else case.begun.retried
        if retried is not None:
            why = views.ReroutedView(
                from_=before, to=case.payment.partner or "", cause=retried.cause, reason=retried.reason
            )
            told = views.rerouted_view(views.payment_view(case.payment), why)
            self.tell("payment.rerouted", "payment", case.payment.id, views.encoded(told))

    def _adopt(self, case: Case, snapshot: Snapshot | None) -> Outcome:
        """News that says nothing new may still tell under which id the partner has the payment."""
        payment = case.payment
        if snapshot is not None and payment.partner_id is None:
            payment = msgspec.structs.replace(
                payment, **identity(payment, snapshot), version=payment.version + 1, updated_at=self.now
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
            superseded=row.posting is Posting.REHOLD,
        )
        return tuple(done if a is current else self._close_begun(a, row) for a in case.attempts)

    def _close_begun(self, attempt: Attempt, row: Row) -> Attempt:
        """An attempt that the partner had accepted ends with its payment."""
        ended = row.to in FINAL and attempt.state is AttemptState.ACCEPTED
        if not ended or attempt.operation is Operation.REFUND:
            return attempt
        # What came back had gone out.
        took = row.to in (PaymentState.SUCCEEDED, PaymentState.RETURNED)
        state = AttemptState.SUCCEEDED if took else AttemptState.FAILED
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
                    **_of_retry(situation),
                )  # fmt: skip
        return case


def _of_retry(situation: Situation) -> dict[str, Any]:
    """Why an attempt begins the payment once more, and when, where it does."""
    again, last = situation.again, situation.case.begun
    if again is None or last is None:
        return {}
    failure = None if situation.snapshot is None else failure_of(situation.snapshot)
    code = situation.code or (None if failure is None else failure.code) or last.note
    reason = f"{last.partner}: {code or again.cause.value}"
    return {"after": again.after, "retried": Retried(cause=again.cause.value, reason=reason[:200])}


def _taken_wrongly(payment: Payment) -> int:
    """Of what the partner reports, what nobody asked for: parts captured before were asked for."""
    same = payment.reported_currency == payment.currency
    return (payment.reported_amount or 0) - (payment.captured_amount if same else 0)
