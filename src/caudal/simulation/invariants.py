"""What must hold after every run, each as a function that yields what breaks it. Pure.

They are those of DESIGN.md section 8: nothing is lost, nothing is done twice, nothing is left undone, nothing
is known that must not be, and our book is the partners' book.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Final

from caudal.connectors import Operation
from caudal.payments import AttemptState, PartState, Payment, PaymentState
from caudal.simulation import arrivals, books, routed
from caudal.simulation.evidence import Evidence, grouped
from caudal.simulation.plans import Action
from caudal.simulation.requests import differing
from caudal.simulation.types import Finding

EXAMPLES: Final = 5

_ENDED: Final = frozenset(
    {
        PaymentState.SUCCEEDED, PaymentState.DECLINED, PaymentState.FAILED, PaymentState.CANCELLED,
        PaymentState.EXPIRED, PaymentState.RETURNED,
    }
)  # fmt: skip
_WAITING: Final = frozenset(
    {PaymentState.SCHEDULED, PaymentState.REVIEW, PaymentState.REQUIRES_ACTION, PaymentState.AUTHORISED}
)
_LIVE: Final = frozenset({AttemptState.CREATED, AttemptState.SUBMITTING, AttemptState.UNKNOWN})


def ledger_unsound(evidence: Evidence) -> Iterator[str]:
    """Every invariant of the ledger holds."""
    for finding in evidence.ledger:
        yield f"{finding.invariant}: {finding.rows[:2]}"


def audit_changed(evidence: Evidence) -> Iterator[str]:
    """The audit log is what was written."""
    if evidence.audit_changed:
        yield f"{evidence.audit_changed} records"


def not_ended(evidence: Evidence) -> Iterator[str]:
    """A payment has ended, or waits for somebody and has a timer; nothing is with a partner any more."""
    timed = {job.payload.get("payment") for job in evidence.stored.jobs if job.state == "ready"}
    for payment in evidence.payments.values():
        if payment.state in _ENDED:
            continue
        if payment.state not in _WAITING:
            yield f"{payment.id}: still {payment.state.value}"
        elif payment.id not in timed and not _waits_for_a_person(payment):
            yield f"{payment.id}: {payment.state.value}, and nothing will look at it again"


def _waits_for_a_person(payment: Payment) -> bool:
    """In review, and nothing is to happen by itself."""
    return payment.state is PaymentState.REVIEW and payment.review_default is None


def attempts_live(evidence: Evidence) -> Iterator[str]:
    """No attempt's outcome is open."""
    for attempt in evidence.stored.attempts.values():
        if attempt.state in _LIVE:
            yield f"{attempt.id} {attempt.operation.value}: {attempt.state.value} ({attempt.note})"


def jobs_dead(evidence: Evidence) -> Iterator[str]:
    """No job has given up."""
    for job in evidence.stored.jobs:
        if job.state in ("dead", "skipped"):
            yield f"{job.kind} {job.payload}: {job.error}"


def webhooks_unapplied(evidence: Evidence) -> Iterator[str]:
    """Every webhook that was taken has been applied; none is parked."""
    for each in evidence.stored.webhooks:
        yield f"{each.partner} {each.type} {each.event_id}: {each.state} ({each.reason})"


def forgeries_taken(evidence: Evidence) -> Iterator[str]:
    """No forged webhook was answered with a 2xx."""
    if evidence.sandbox_counts.get("forgeries_taken"):
        yield f"{evidence.sandbox_counts['forgeries_taken']} forgeries"


def webhooks_given_up(evidence: Evidence) -> Iterator[str]:
    """No partner had to give up on a webhook."""
    if evidence.sandbox_counts.get("given_up"):
        yield f"{evidence.sandbox_counts['given_up']} webhooks"


def events_broken(evidence: Evidence) -> Iterator[str]:
    """The feed of events has no gap, and its last word on each payment is its state."""
    for seq in evidence.events_missed:
        yield f"event {seq} does not follow the one before it"
    for payment in evidence.payments.values():
        told = evidence.events_last.get(payment.id)
        if told != payment.state.value:
            yield f"{payment.id}: {payment.state.value}, but the events say {told}"


def answers_differ(evidence: Evidence) -> Iterator[str]:
    """However often a request is repeated with its key, its answer is the same, byte for byte."""
    for asked in evidence.asked:
        yield from differing(asked)


def unanswered(evidence: Evidence) -> Iterator[str]:
    """Every request was answered in the end."""
    for asked in evidence.asked:
        if not asked.answers:
            yield f"{asked.path} {asked.ask.key}: sent {asked.sent} times"


def wrongly_accepted(evidence: Evidence) -> Iterator[str]:
    """What cannot be was refused."""
    yield from evidence.wrongly_accepted


def programs_died(evidence: Evidence) -> Iterator[str]:
    """No program ended by itself."""
    yield from evidence.programs_died


def server_errors(evidence: Evidence) -> Iterator[str]:
    """No answer was a 500: that is a bug, whatever was killed."""
    yield from evidence.server_errors


def lost(evidence: Evidence) -> Iterator[str]:
    """Whatever a caller was told of is there: payments, captures, increments, refunds."""
    for asked in evidence.accepted(Action.CREATE):
        if asked.payment_id not in evidence.payments:
            yield f"{asked.payment_id}: its creation was answered with a 2xx"
    refunds = _refunds_by_key(evidence)
    for asked in evidence.accepted(Action.REFUND):
        if asked.ask.key not in refunds:
            yield f"a refund of {asked.payment_id} that was answered with a 2xx"
    for payment_id, made, told in _counts(evidence):
        if made < told:
            yield f"{payment_id}: {told} captures and increments were answered with a 2xx, {made} are there"


def refusals_moved(evidence: Evidence) -> Iterator[str]:
    """A 4xx moved nothing, and a repeated request did nothing twice."""
    for asked in evidence.refused(Action.CREATE):
        if asked.payment_id in evidence.payments:
            yield f"{asked.payment_id}: its creation was refused, and it is there"
    refunds = _refunds_by_key(evidence)
    for asked in evidence.refused(Action.REFUND):
        if asked.ask.key in refunds:
            yield f"a refund of {asked.payment_id} was refused, and it is there"
    for key, count in refunds.items():
        if count > 1:
            yield f"the refund of the request {key} is there {count} times"
    for payment_id, made, told in _counts(evidence):
        if made > told:
            yield f"{payment_id}: {told} captures and increments were answered with a 2xx, {made} are there"


def _refunds_by_key(evidence: Evidence) -> Counter[str]:
    return Counter(
        refund.metadata["asked"] for refund in evidence.stored.refunds.values() if refund.metadata is not None
    )


def _counts(evidence: Evidence) -> Iterator[tuple[str, int, int]]:
    """For each payment, how many captures and increments there are, and how many callers were told of."""
    made = Counter(capture.payment_id for capture in evidence.stored.captures.values())
    for attempt in evidence.stored.attempts.values():
        if attempt.operation is Operation.INCREMENT:
            made[attempt.payment_id] += 1
    told = Counter(
        asked.payment_id
        for action in (Action.CAPTURE, Action.INCREMENT)
        for asked in evidence.accepted(action)
    )
    for payment_id in sorted(made.keys() | told.keys()):
        yield payment_id, made[payment_id], told[payment_id]


def parts_differ(evidence: Evidence) -> Iterator[str]:
    """A payment's amounts are the sums of its captures, refunds and disputes; none exceeds the other."""
    captures = grouped((each.payment_id, each) for each in evidence.stored.captures.values())
    refunds = grouped((each.payment_id, each) for each in evidence.stored.refunds.values())
    for payment in evidence.payments.values():
        taken = [c.amount for c in captures.get(payment.id, []) if c.state is PartState.SUCCEEDED]
        if taken and sum(taken) != payment.captured_amount:
            yield f"{payment.id}: captures of {sum(taken)}, captured {payment.captured_amount}"
        back = [r.amount for r in refunds.get(payment.id, []) if r.state is PartState.SUCCEEDED]
        if sum(back) != payment.refunded_amount:
            yield f"{payment.id}: refunds of {sum(back)}, refunded {payment.refunded_amount}"
        if payment.refunding_amount:
            yield f"{payment.id}: {payment.refunding_amount} still on its way back"
        if payment.refunded_amount > payment.captured_amount:
            yield f"{payment.id}: refunded {payment.refunded_amount} of {payment.captured_amount}"


def holds_left(evidence: Evidence) -> Iterator[str]:
    """An ended payment holds nothing any more; a wallet without open payments has nothing pending."""
    busy = set()
    for payment in evidence.payments.values():
        if payment.state in _ENDED:
            if payment.hold_id is not None or payment.fee_hold_id is not None:
                yield f"{payment.id}: {payment.state.value}, and still holds something"
        else:
            busy.add(f"customer:{payment.customer}:{payment.currency}")
    for reference, balance in evidence.stored.balances.items():
        pending = balance.debits_pending or balance.credits_pending
        if reference.startswith("customer:") and pending and reference not in busy:
            yield f"{reference}: {balance.debits_pending} and {balance.credits_pending} pending"


def leaked(evidence: Evidence) -> Iterator[str]:
    """No card number and no secret stands in the database or in a log."""
    yield from evidence.leaks


def _of_deliveries(
    look: Callable[[arrivals.Deliveries], Iterator[str]],
) -> Callable[[Evidence], Iterator[str]]:
    return lambda evidence: look(evidence.deliveries)


INVARIANTS: Final[Mapping[str, Callable[[Evidence], Iterator[str]]]] = {
    "ledger_sound": ledger_unsound,
    "audit_unchanged": audit_changed,
    "payments_ended_or_waiting": not_ended,
    "attempts_resolved": attempts_live,
    "jobs_alive": jobs_dead,
    "webhooks_applied": webhooks_unapplied,
    "forgeries_refused": forgeries_taken,
    "webhooks_taken": webhooks_given_up,
    "events_complete": events_broken,
    "answers_repeat": answers_differ,
    "requests_answered": unanswered,
    "impossible_refused": wrongly_accepted,
    "programs_live": programs_died,
    "no_server_errors": server_errors,
    "acknowledged_exists": lost,
    "refusals_move_nothing": refusals_moved,
    "parts_add_up": parts_differ,
    "holds_resolved": holds_left,
    "attempts_effective_once": books.attempts_twice,
    "attempts_as_partners_say": books.attempts_differ,
    "totals_as_partners_say": books.totals_differ,
    "payments_as_partners_say": books.payments_differ,
    "mistakes_given_back": books.mistakes_kept,
    "fees_as_partners_say": books.fees_differ,
    "settlements_as_partners_say": books.settlements_differ,
    "clearing_at_zero": books.clearing_open,
    "wallets_follow_payments": books.wallets_differ,
    "routes_follow_rules": routed.misrouted,
    "publications_take_effect": routed.outdated,
    "begun_once": routed.begun_twice,
    "shares_follow_weights": routed.shares_off,
    "figures_follow_attempts": routed.figures_differ,
    "nothing_leaked": leaked,
    **{name: _of_deliveries(look) for name, look in arrivals.INVARIANTS.items()},
}
"""By name."""


def broken(evidence: Evidence) -> tuple[Finding, ...]:
    """The invariants that do not hold, with what breaks them first."""
    findings = []
    for name, look in INVARIANTS.items():
        found = look(evidence)
        examples = tuple(islice(found, EXAMPLES))
        if examples:
            count = len(examples) + sum(1 for _ in found)
            findings.append(Finding(invariant=name, count=count, examples=examples))
    return tuple(findings)
