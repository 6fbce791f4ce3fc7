"""The payment state machine: one table of states, events, guards and ledger postings.

`TABLE` is what the code executes, what the diagram in the docs is drawn from, and what a test explores from
every reachable state. A row names the state, the event, the guards that must all hold, the state that
follows, what is posted to the ledger (`postings`), what is to be done next (`effects`), and what the attempt
and the capture under way become. The first row whose guards hold is taken. Where there is no row, the event
is refused with a code (`guards.choose`); nothing else can happen to a payment.

Stale rows are news that says nothing new: partners repeat themselves, and events overtake one another.
Refunds and disputes have tables of their own (`part_rules`); the words stand in `terms`.
"""

from collections.abc import Mapping
from typing import Final

from caudal.payments.terms import Effect, Event, Guard, Posting, Row
from caudal.payments.types import AttemptState, PartState, PaymentState

S, E, A, P, G, L, F = PaymentState, Event, AttemptState, PartState, Guard, Posting, Effect


def _stale(state: PaymentState, *events: Event) -> tuple[Row, ...]:
    return tuple(Row(state, event, state, stale=True) for event in events)


_NEW: Final = (
    Row(None, E.SCHEDULED, S.SCHEDULED, effects=(F.TIMER,)),
    Row(None, E.APPROVED, S.SUCCEEDED, (G.INTERNAL,), L.MOVE),
    Row(None, E.APPROVED, S.PROCESSING, (), L.RESERVE, (F.SUBMIT,)),
    Row(None, E.HELD, S.REVIEW, (), L.RESERVE, (F.TIMER,)),
    Row(None, E.REFUSED, S.DECLINED),
)

_SCHEDULED: Final = (
    Row(S.SCHEDULED, E.APPROVED, S.SUCCEEDED, (G.INTERNAL,), L.MOVE),
    Row(S.SCHEDULED, E.APPROVED, S.PROCESSING, (), L.RESERVE, (F.SUBMIT,)),
    Row(S.SCHEDULED, E.HELD, S.REVIEW, (), L.RESERVE, (F.TIMER,)),
    Row(S.SCHEDULED, E.REFUSED, S.DECLINED),
    Row(S.SCHEDULED, E.UNFUNDED, S.FAILED),
    Row(S.SCHEDULED, E.CANCEL, S.CANCELLED),
)

_REVIEW: Final = (
    Row(S.REVIEW, E.APPROVE, S.SUCCEEDED, (G.IN_RISK_REVIEW, G.INTERNAL), L.POST),
    Row(S.REVIEW, E.APPROVE, S.PROCESSING, (G.IN_RISK_REVIEW,), effects=(F.SUBMIT,)),
    Row(S.REVIEW, E.DECLINE, S.DECLINED, (G.IN_RISK_REVIEW,), L.RELEASE),
    Row(S.REVIEW, E.CANCEL, S.CANCELLED, (G.IN_RISK_REVIEW,), L.RELEASE),
    Row(S.REVIEW, E.TIME_OUT, S.SUCCEEDED, (G.IN_RISK_REVIEW, G.DUE, G.DEFAULT_APPROVES, G.INTERNAL), L.POST),
    Row(
        S.REVIEW, E.TIME_OUT, S.PROCESSING, (G.IN_RISK_REVIEW, G.DUE, G.DEFAULT_APPROVES), effects=(F.SUBMIT,)
    ),
    Row(S.REVIEW, E.TIME_OUT, S.DECLINED, (G.IN_RISK_REVIEW, G.DUE), L.RELEASE),
    # The partner said something else than was asked.
    Row(
        S.REVIEW, E.APPROVE, S.SUCCEEDED, (G.IN_MISMATCH_REVIEW, G.SAME_CURRENCY, G.REPORTED_CAPTURED),
        L.POST_REPORTED, attempt=A.SUCCEEDED, part=P.SUCCEEDED,
    ),
    Row(
        S.REVIEW, E.APPROVE, S.AUTHORISED, (G.IN_MISMATCH_REVIEW, G.SAME_CURRENCY), L.ENLARGE, (F.TIMER,),
        A.SUCCEEDED,
    ),
    # In another currency, and for good: the customer pays what was asked, and we settle with the partner.
    Row(
        S.REVIEW, E.APPROVE, S.SUCCEEDED, (G.IN_MISMATCH_REVIEW, G.REPORTED_CAPTURED, G.PARTNER_KEEPS),
        L.POST, attempt=A.SUCCEEDED, part=P.SUCCEEDED,
    ),
    Row(
        S.REVIEW, E.DECLINE, S.SUCCEEDED, (G.IN_MISMATCH_REVIEW, G.REPORTED_CAPTURED, G.PARTLY_CAPTURED,
                                             G.PARTNER_GIVES_BACK),
        L.RELEASE, (F.GIVE_BACK,), A.FAILED, P.FAILED,
    ),
    Row(
        S.REVIEW, E.DECLINE, S.FAILED, (G.IN_MISMATCH_REVIEW, G.REPORTED_CAPTURED, G.PARTNER_GIVES_BACK),
        L.RELEASE, (F.GIVE_BACK,), A.FAILED, P.FAILED,
    ),
    Row(
        S.REVIEW, E.DECLINE, S.CANCELLING, (G.IN_MISMATCH_REVIEW, G.REPORTED_RESERVED), effects=(F.VOID,),
        attempt=A.FAILED, part=P.FAILED,
    ),
    Row(
        S.REVIEW, E.PARTNER_CANCELLED, S.SUCCEEDED, (G.IN_MISMATCH_REVIEW, G.PARTLY_CAPTURED), L.RELEASE,
        attempt=A.FAILED, part=P.FAILED,
    ),
    Row(
        S.REVIEW, E.PARTNER_CANCELLED, S.FAILED, (G.IN_MISMATCH_REVIEW,), L.RELEASE, attempt=A.FAILED,
        part=P.FAILED,
    ),
    Row(
        S.REVIEW, E.PARTNER_FAILED, S.SUCCEEDED, (G.IN_MISMATCH_REVIEW, G.PARTLY_CAPTURED), L.RELEASE,
        attempt=A.FAILED, part=P.FAILED,
    ),
    Row(
        S.REVIEW, E.PARTNER_FAILED, S.FAILED, (G.IN_MISMATCH_REVIEW,), L.RELEASE, attempt=A.FAILED,
        part=P.FAILED,
    ),
    # The partner cannot be asked, so a person says how it ended.
    Row(
        S.REVIEW, E.APPROVE, S.SUCCEEDED, (G.IN_OUTCOME_REVIEW, G.OF_CAPTURE, G.FINAL), L.POST_LAST,
        attempt=A.SUCCEEDED, part=P.SUCCEEDED,
    ),
    Row(
        S.REVIEW, E.APPROVE, S.AUTHORISED, (G.IN_OUTCOME_REVIEW, G.OF_CAPTURE), L.POST_PART, (F.TIMER,),
        A.SUCCEEDED, P.SUCCEEDED,
    ),
    Row(
        S.REVIEW, E.APPROVE, S.AUTHORISED, (G.IN_OUTCOME_REVIEW, G.OF_INCREMENT), L.ENLARGE, (F.TIMER,),
        A.SUCCEEDED,
    ),
    Row(
        S.REVIEW, E.APPROVE, S.SUCCEEDED, (G.IN_OUTCOME_REVIEW, G.OF_CANCEL, G.PARTLY_CAPTURED), L.RELEASE,
        attempt=A.SUCCEEDED,
    ),
    Row(
        S.REVIEW, E.APPROVE, S.EXPIRED, (G.IN_OUTCOME_REVIEW, G.OF_CANCEL, G.ENDS_EXPIRED), L.RELEASE,
        attempt=A.SUCCEEDED,
    ),
    Row(
        S.REVIEW, E.APPROVE, S.FAILED, (G.IN_OUTCOME_REVIEW, G.OF_CANCEL, G.ENDS_FAILED), L.RELEASE,
        attempt=A.SUCCEEDED,
    ),
    Row(
        S.REVIEW, E.APPROVE, S.CANCELLED, (G.IN_OUTCOME_REVIEW, G.OF_CANCEL), L.RELEASE, attempt=A.SUCCEEDED
    ),
    Row(
        S.REVIEW, E.APPROVE, S.AUTHORISED, (G.IN_OUTCOME_REVIEW, G.MANUAL), effects=(F.TIMER,),
        attempt=A.SUCCEEDED,
    ),
    Row(S.REVIEW, E.APPROVE, S.SUCCEEDED, (G.IN_OUTCOME_REVIEW,), L.POST, attempt=A.SUCCEEDED),
    Row(
        S.REVIEW, E.DECLINE, S.AUTHORISED, (G.IN_OUTCOME_REVIEW, G.WAS_AUTHORISED), effects=(F.TIMER,),
        attempt=A.FAILED, part=P.FAILED,
    ),
    Row(
        S.REVIEW, E.DECLINE, S.PROCESSING, (G.IN_OUTCOME_REVIEW, G.OF_CANCEL), effects=(F.ASK,),
        attempt=A.FAILED,
    ),
    Row(S.REVIEW, E.DECLINE, S.FAILED, (G.IN_OUTCOME_REVIEW,), L.RELEASE, attempt=A.FAILED),
    # It cannot be asked, and speaks after all.
    Row(
        S.REVIEW, E.PARTNER_ACCEPTED, S.PROCESSING, (G.IN_OUTCOME_REVIEW, G.OF_SUBMIT), effects=(F.ASK,),
        attempt=A.ACCEPTED,
    ),
    Row(
        S.REVIEW, E.PARTNER_ACTION_REQUIRED, S.REQUIRES_ACTION, (G.IN_OUTCOME_REVIEW, G.OF_SUBMIT),
        effects=(F.TIMER,), attempt=A.ACCEPTED,
    ),
    Row(
        S.REVIEW, E.PARTNER_AUTHORISED, S.AUTHORISED, (G.IN_OUTCOME_REVIEW, G.OF_SUBMIT), effects=(F.TIMER,),
        attempt=A.SUCCEEDED,
    ),
    Row(
        S.REVIEW, E.PARTNER_SUCCEEDED, S.SUCCEEDED, (G.IN_OUTCOME_REVIEW,), L.POST_LAST, attempt=A.SUCCEEDED,
        part=P.SUCCEEDED,
    ),
    Row(
        S.REVIEW, E.PARTNER_RETURNED, S.RETURNED, (G.IN_OUTCOME_REVIEW,), L.POST_AND_TAKE_BACK,
        attempt=A.SUCCEEDED, part=P.SUCCEEDED,
    ),
    Row(
        S.REVIEW, E.PARTNER_CAPTURED, S.SUCCEEDED, (G.IN_OUTCOME_REVIEW, G.OF_CAPTURE, G.FINAL), L.POST_LAST,
        attempt=A.SUCCEEDED, part=P.SUCCEEDED,
    ),
    Row(
        S.REVIEW, E.PARTNER_CAPTURED, S.AUTHORISED, (G.IN_OUTCOME_REVIEW, G.OF_CAPTURE), L.POST_PART,
        (F.TIMER,), A.SUCCEEDED, P.SUCCEEDED,
    ),
    Row(
        S.REVIEW, E.PARTNER_CAPTURED, S.AUTHORISED, (G.IN_OUTCOME_REVIEW, G.OF_SUBMIT), L.POST_PART,
        (F.TIMER,), A.SUCCEEDED,
    ),
    Row(S.REVIEW, E.PARTNER_CAPTURED, S.REVIEW, (G.IN_OUTCOME_REVIEW,), L.POST_PART),
    Row(
        S.REVIEW, E.PARTNER_INCREMENTED, S.AUTHORISED, (G.IN_OUTCOME_REVIEW, G.OF_INCREMENT), L.ENLARGE,
        (F.TIMER,), A.SUCCEEDED,
    ),
    Row(
        S.REVIEW, E.PARTNER_CANCELLED, S.SUCCEEDED, (G.IN_OUTCOME_REVIEW, G.PARTLY_CAPTURED), L.RELEASE,
        attempt=A.FAILED, part=P.FAILED,
    ),
    Row(
        S.REVIEW, E.PARTNER_CANCELLED, S.EXPIRED, (G.IN_OUTCOME_REVIEW, G.PARTNER_EXPIRED), L.RELEASE,
        attempt=A.FAILED, part=P.FAILED,
    ),
    Row(
        S.REVIEW, E.PARTNER_CANCELLED, S.CANCELLED, (G.IN_OUTCOME_REVIEW,), L.RELEASE, attempt=A.FAILED,
        part=P.FAILED,
    ),
    Row(
        S.REVIEW, E.PARTNER_FAILED, S.SUCCEEDED, (G.IN_OUTCOME_REVIEW, G.PARTLY_CAPTURED), L.RELEASE,
        attempt=A.FAILED, part=P.FAILED,
    ),
    Row(
        S.REVIEW, E.PARTNER_FAILED, S.FAILED, (G.IN_OUTCOME_REVIEW,), L.RELEASE, attempt=A.FAILED,
        part=P.FAILED,
    ),
    Row(S.REVIEW, E.PARTNER_MISMATCHED, S.REVIEW, (G.IN_OUTCOME_REVIEW,), attempt=A.ACCEPTED),
    # It had reserved what it reported, and has taken it now.
    Row(
        S.REVIEW, E.PARTNER_MISMATCHED, S.REVIEW,
        (G.IN_MISMATCH_REVIEW, G.REPORTED_RESERVED, G.PARTNER_TOOK),
    ),
    *_stale(
        S.REVIEW, E.TIME_OUT, E.PARTNER_ACCEPTED, E.PARTNER_ACTION_REQUIRED, E.PARTNER_AUTHORISED,
        E.PARTNER_CAPTURED, E.PARTNER_INCREMENTED, E.PARTNER_SUCCEEDED, E.PARTNER_MISMATCHED, E.UNRESOLVED,
    ),
)  # fmt: skip


def _with_partner(state: PaymentState) -> tuple[Row, ...]:
    """How a payment goes on that the partner has not authorised yet."""
    return (
        Row(state, E.PARTNER_AUTHORISED, S.AUTHORISED, (), effects=(F.TIMER,), attempt=A.SUCCEEDED),
        Row(state, E.PARTNER_SUCCEEDED, S.SUCCEEDED, (), L.POST_LAST, attempt=A.SUCCEEDED),
        Row(state, E.PARTNER_CAPTURED, S.AUTHORISED, (), L.POST_PART, (F.TIMER,), A.SUCCEEDED),
        Row(state, E.PARTNER_FAILED, S.FAILED, (), L.RELEASE, attempt=A.FAILED),
        Row(state, E.PARTNER_CANCELLED, S.EXPIRED, (G.PARTNER_EXPIRED,), L.RELEASE, attempt=A.FAILED),
        Row(state, E.PARTNER_CANCELLED, S.CANCELLED, (), L.RELEASE, attempt=A.FAILED),
        Row(state, E.PARTNER_RETURNED, S.RETURNED, (), L.POST_AND_TAKE_BACK, attempt=A.SUCCEEDED),
        Row(state, E.PARTNER_MISMATCHED, S.REVIEW, attempt=A.ACCEPTED),
    )


_PROCESSING: Final = (
    Row(S.PROCESSING, E.PARTNER_FAILED, S.PROCESSING, (G.RETRIED,), L.REHOLD, (F.SUBMIT,), A.FAILED),
    Row(S.PROCESSING, E.NOT_SENT, S.PROCESSING, (G.RETRIED,), L.REHOLD, (F.SUBMIT,), A.CANCELLED),
    Row(S.PROCESSING, E.PARTNER_ACCEPTED, S.PROCESSING, attempt=A.ACCEPTED),
    Row(S.PROCESSING, E.PARTNER_ACTION_REQUIRED, S.REQUIRES_ACTION, effects=(F.TIMER,), attempt=A.ACCEPTED),
    *_with_partner(S.PROCESSING),
    Row(S.PROCESSING, E.UNRESOLVED, S.REVIEW),
    Row(S.PROCESSING, E.CANCEL, S.CANCELLED, (G.UNSENT,), L.RELEASE, attempt=A.CANCELLED),
    Row(S.PROCESSING, E.CANCEL, S.CANCELLING, (G.PARTNER_CANCELS,), effects=(F.VOID,)),
    *_stale(S.PROCESSING, E.TIME_OUT, E.NOT_SENT),
)

_REQUIRES_ACTION: Final = (
    Row(S.REQUIRES_ACTION, E.PARTNER_ACCEPTED, S.PROCESSING, effects=(F.ASK,), attempt=A.ACCEPTED),
    *_with_partner(S.REQUIRES_ACTION),
    Row(S.REQUIRES_ACTION, E.CONFIRM, S.REQUIRES_ACTION, effects=(F.ASK,)),
    Row(S.REQUIRES_ACTION, E.CANCEL, S.CANCELLING, effects=(F.VOID,)),
    Row(S.REQUIRES_ACTION, E.TIME_OUT, S.CANCELLING, (G.DUE,), effects=(F.VOID,)),
    *_stale(S.REQUIRES_ACTION, E.TIME_OUT, E.PARTNER_ACTION_REQUIRED),
)


def _cancelled_by_partner(
    state: PaymentState, attempt: AttemptState | None, part: PartState | None
) -> tuple[Row, ...]:
    """Where it ends when the partner releases what was authorised."""
    event = E.PARTNER_CANCELLED
    return (
        Row(state, event, S.SUCCEEDED, (G.PARTLY_CAPTURED,), L.RELEASE, attempt=attempt, part=part),
        Row(state, event, S.EXPIRED, (G.PARTNER_EXPIRED,), L.RELEASE, attempt=attempt, part=part),
        Row(state, event, S.CANCELLED, (), L.RELEASE, attempt=attempt, part=part),
    )


_AUTHORISED: Final = (
    Row(S.AUTHORISED, E.CAPTURE, S.CAPTURING, (G.WITHIN_AUTHORISED,), effects=(F.CAPTURE,)),
    Row(
        S.AUTHORISED,
        E.INCREMENT,
        S.INCREMENTING,
        (G.PARTNER_INCREMENTS, G.ABOVE_AUTHORISED),
        effects=(F.INCREMENT,),
    ),
    Row(S.AUTHORISED, E.CANCEL, S.CANCELLING, effects=(F.VOID,)),
    Row(S.AUTHORISED, E.TIME_OUT, S.CANCELLING, (G.DUE,), effects=(F.VOID,)),
    # Done by somebody else at the partner's.
    Row(S.AUTHORISED, E.PARTNER_CAPTURED, S.AUTHORISED, (), L.POST_PART),
    Row(S.AUTHORISED, E.PARTNER_SUCCEEDED, S.SUCCEEDED, (), L.POST_LAST),
    Row(S.AUTHORISED, E.PARTNER_INCREMENTED, S.AUTHORISED, (), L.ENLARGE),
    *_cancelled_by_partner(S.AUTHORISED, None, None),
    Row(S.AUTHORISED, E.PARTNER_FAILED, S.SUCCEEDED, (G.PARTLY_CAPTURED,), L.RELEASE),
    Row(S.AUTHORISED, E.PARTNER_FAILED, S.FAILED, (), L.RELEASE),
    Row(S.AUTHORISED, E.PARTNER_MISMATCHED, S.REVIEW, attempt=A.ACCEPTED),
    *_stale(S.AUTHORISED, E.TIME_OUT, E.PARTNER_ACCEPTED, E.PARTNER_ACTION_REQUIRED, E.PARTNER_AUTHORISED),
)

_CAPTURING: Final = (
    Row(S.CAPTURING, E.PARTNER_SUCCEEDED, S.SUCCEEDED, (), L.POST_LAST, (), A.SUCCEEDED, P.SUCCEEDED),
    Row(S.CAPTURING, E.PARTNER_CAPTURED, S.SUCCEEDED, (G.FINAL,), L.POST_LAST, (), A.SUCCEEDED, P.SUCCEEDED),
    Row(S.CAPTURING, E.PARTNER_CAPTURED, S.AUTHORISED, (), L.POST_PART, (F.TIMER,), A.SUCCEEDED, P.SUCCEEDED),
    Row(S.CAPTURING, E.CAPTURE_FAILED, S.AUTHORISED, (), L.NOTHING, (F.TIMER, F.ASK), A.FAILED, P.FAILED),
    *_cancelled_by_partner(S.CAPTURING, A.FAILED, P.FAILED),
    Row(
        S.CAPTURING, E.PARTNER_FAILED, S.SUCCEEDED, (G.PARTLY_CAPTURED,), L.RELEASE, (), A.FAILED, P.FAILED
    ),
    Row(S.CAPTURING, E.PARTNER_FAILED, S.FAILED, (), L.RELEASE, (), A.FAILED, P.FAILED),
    Row(S.CAPTURING, E.PARTNER_MISMATCHED, S.REVIEW, attempt=A.ACCEPTED),
    Row(S.CAPTURING, E.UNRESOLVED, S.REVIEW),
    *_stale(
        S.CAPTURING, E.TIME_OUT, E.PARTNER_ACCEPTED, E.PARTNER_ACTION_REQUIRED, E.PARTNER_AUTHORISED,
        E.PARTNER_INCREMENTED,
    ),
)  # fmt: skip

_INCREMENTING: Final = (
    Row(S.INCREMENTING, E.PARTNER_INCREMENTED, S.AUTHORISED, (), L.ENLARGE, (F.TIMER,), A.SUCCEEDED),
    Row(S.INCREMENTING, E.INCREMENT_FAILED, S.AUTHORISED, effects=(F.TIMER, F.ASK), attempt=A.FAILED),
    Row(S.INCREMENTING, E.PARTNER_CAPTURED, S.INCREMENTING, (), L.POST_PART),
    Row(S.INCREMENTING, E.PARTNER_SUCCEEDED, S.SUCCEEDED, (), L.POST_LAST, (), A.FAILED),
    *_cancelled_by_partner(S.INCREMENTING, A.FAILED, None),
    Row(S.INCREMENTING, E.PARTNER_FAILED, S.SUCCEEDED, (G.PARTLY_CAPTURED,), L.RELEASE, (), A.FAILED),
    Row(S.INCREMENTING, E.PARTNER_FAILED, S.FAILED, (), L.RELEASE, (), A.FAILED),
    Row(S.INCREMENTING, E.PARTNER_MISMATCHED, S.REVIEW, attempt=A.ACCEPTED),
    Row(S.INCREMENTING, E.UNRESOLVED, S.REVIEW),
    *_stale(S.INCREMENTING, E.TIME_OUT, E.PARTNER_ACCEPTED, E.PARTNER_ACTION_REQUIRED, E.PARTNER_AUTHORISED),
)

_CANCELLING: Final = (
    # The authorisation ran out at the partner's: our void has done nothing, whether it arrived or not.
    *(
        Row(S.CANCELLING, E.PARTNER_CANCELLED, to, (G.PARTNER_EXPIRED, *guards), L.RELEASE, (), A.FAILED)
        for to, guards in ((S.SUCCEEDED, (G.PARTLY_CAPTURED,)), (S.FAILED, (G.ENDS_FAILED,)), (S.EXPIRED, ()))
    ),
    Row(S.CANCELLING, E.PARTNER_CANCELLED, S.SUCCEEDED, (G.PARTLY_CAPTURED,), L.RELEASE, (), A.SUCCEEDED),
    Row(S.CANCELLING, E.PARTNER_CANCELLED, S.EXPIRED, (G.ENDS_EXPIRED,), L.RELEASE, (), A.SUCCEEDED),
    Row(S.CANCELLING, E.PARTNER_CANCELLED, S.FAILED, (G.ENDS_FAILED,), L.RELEASE, (), A.SUCCEEDED),
    Row(S.CANCELLING, E.PARTNER_CANCELLED, S.CANCELLED, (), L.RELEASE, (), A.SUCCEEDED),
    Row(
        S.CANCELLING, E.VOID_FAILED, S.AUTHORISED, (G.WAS_AUTHORISED,), effects=(F.ASK, F.TIMER),
        attempt=A.FAILED,
    ),
    Row(S.CANCELLING, E.VOID_FAILED, S.PROCESSING, effects=(F.ASK,), attempt=A.FAILED),
    Row(S.CANCELLING, E.PARTNER_SUCCEEDED, S.SUCCEEDED, (), L.POST_LAST, (), A.FAILED),
    Row(S.CANCELLING, E.PARTNER_RETURNED, S.RETURNED, (), L.POST_AND_TAKE_BACK, (), A.FAILED),
    Row(S.CANCELLING, E.PARTNER_CAPTURED, S.CANCELLING, (), L.POST_PART),
    Row(S.CANCELLING, E.PARTNER_FAILED, S.SUCCEEDED, (G.PARTLY_CAPTURED,), L.RELEASE, (), A.FAILED),
    Row(S.CANCELLING, E.PARTNER_FAILED, S.FAILED, (), L.RELEASE, (), A.FAILED),
    Row(S.CANCELLING, E.PARTNER_MISMATCHED, S.REVIEW, (G.PARTNER_TOOK,), attempt=A.ACCEPTED),
    Row(S.CANCELLING, E.PARTNER_MISMATCHED, S.CANCELLING, (G.ENDS_FAILED,), stale=True),
    Row(S.CANCELLING, E.PARTNER_MISMATCHED, S.REVIEW, attempt=A.ACCEPTED),
    Row(S.CANCELLING, E.UNRESOLVED, S.REVIEW),
    *_stale(
        S.CANCELLING, E.TIME_OUT, E.PARTNER_ACCEPTED, E.PARTNER_ACTION_REQUIRED, E.PARTNER_AUTHORISED,
        E.PARTNER_INCREMENTED,
    ),
)  # fmt: skip

_SUCCEEDED: Final = (
    Row(
        S.SUCCEEDED, E.REFUND, S.SUCCEEDED, (G.PARTNER_REFUNDS, G.UNDISPUTED, G.REFUNDABLE),
        effects=(F.REFUND,),
    ),
    Row(S.SUCCEEDED, E.PARTNER_RETURNED, S.RETURNED, (), L.TAKE_BACK),
    *_stale(
        S.SUCCEEDED, E.TIME_OUT, E.PARTNER_ACCEPTED, E.PARTNER_ACTION_REQUIRED, E.PARTNER_AUTHORISED,
        E.PARTNER_INCREMENTED, E.PARTNER_SUCCEEDED, E.PARTNER_CANCELLED,
    ),
)  # fmt: skip


_FAILED: Final = (
    # What was taken wrongly goes back by a refund of its own.
    Row(S.FAILED, E.PARTNER_SUCCEEDED, S.FAILED, (G.GIVEN_BACK,), stale=True),
    Row(S.FAILED, E.PARTNER_MISMATCHED, S.FAILED, (G.GIVEN_BACK,), stale=True),
    Row(S.FAILED, E.PARTNER_AUTHORISED, S.CANCELLING, (G.GIVEN_UP,), effects=(F.VOID,)),
    Row(S.FAILED, E.PARTNER_ACCEPTED, S.PROCESSING, (G.GIVEN_UP,), effects=(F.ASK,)),
    Row(S.FAILED, E.PARTNER_ACTION_REQUIRED, S.CANCELLING, (G.GIVEN_UP,), effects=(F.VOID,)),
)


def _ended(state: PaymentState) -> tuple[Row, ...]:
    """A payment that has ended without money, of which the partner may know better."""
    return (
        Row(state, E.PARTNER_SUCCEEDED, S.SUCCEEDED, (G.SENT,), L.POST_LATE),
        *_stale(
            state, E.TIME_OUT, E.PARTNER_ACCEPTED, E.PARTNER_ACTION_REQUIRED, E.PARTNER_AUTHORISED,
            E.PARTNER_INCREMENTED, E.PARTNER_FAILED, E.PARTNER_CANCELLED,
        ),
    )  # fmt: skip


_CONFIRMED: Final = tuple(
    # The customer comes back from the partner's page, and the partner's webhook was faster.
    Row(state, E.CONFIRM, state, stale=True)
    for state in (S.PROCESSING, S.AUTHORISED, S.CAPTURING, S.SUCCEEDED, S.FAILED, S.CANCELLED, S.EXPIRED)
)

TABLE: Final = (
    *_NEW, *_SCHEDULED, *_REVIEW, *_PROCESSING, *_REQUIRES_ACTION, *_AUTHORISED, *_CAPTURING, *_INCREMENTING,
    *_CANCELLING, *_SUCCEEDED, *_FAILED, *_ended(S.FAILED), *_ended(S.CANCELLED), *_ended(S.EXPIRED),
    *_CONFIRMED,
    *_stale(S.DECLINED, E.TIME_OUT),
    *_stale(
        S.RETURNED, E.TIME_OUT, E.PARTNER_ACCEPTED, E.PARTNER_AUTHORISED, E.PARTNER_SUCCEEDED,
        E.PARTNER_RETURNED,
    ),
)  # fmt: skip

ROWS: Final[Mapping[tuple[PaymentState | None, Event], tuple[Row, ...]]] = {
    (state, event): tuple(row for row in TABLE if row.state is state and row.event is event)
    for state in (None, *PaymentState)
    for event in Event
}

FINAL: Final = frozenset({S.SUCCEEDED, S.DECLINED, S.FAILED, S.CANCELLED, S.EXPIRED, S.RETURNED})
"""States that wait for nothing. What the outside world does later may still change them."""

IN_FLIGHT: Final = frozenset({S.PROCESSING, S.CAPTURING, S.INCREMENTING, S.CANCELLING})
