"""Whether payments went where rules sent them, and were begun again only where nothing had come of it. Pure.

What a rule means is worked out here once more from its text, so that no mistake of `routing` is repeated.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator
from math import sqrt
from typing import Final

from caudal.connectors import Operation
from caudal.payments import Attempt, AttemptState, Payment, PaymentKind
from caudal.routing import Conditions, Hop, Lane, Outcome, Rule, Rules
from caudal.simulation.evidence import Evidence, Place
from caudal.simulation.plans import Action

_FAR: Final = 5.0
"""Standard deviations of a share from its weight that chance does not explain."""

_NEVER: Final = frozenset({"hard_decline", "invalid", "conflict"})
"""What no rule may try again, and rules of runs do not."""

_OUTCOMES: Final = {"soft_decline": Outcome.SOFT_DECLINE, "hard_decline": Outcome.HARD_DECLINE}


def misrouted(evidence: Evidence) -> Iterator[str]:
    """Each payment went by the first rule that holds of a published version, to partners that it names."""
    for payment in _by_rules(evidence):
        route = payment.route
        version = None if route is None else evidence.stored.versions.get(route.version)
        if route is None:
            yield f"{payment.id}: it names no partner, and no rule was asked"
        elif version is None or version.published_at is None:
            yield f"{payment.id}: by version {route.version}, which was never published"
        else:
            rule = next(each for each in version.rules.rules if _holds(each.when, payment))
            allowed = _partners(version.rules, rule)
            if rule.name != route.rule:
                yield f"{payment.id}: by {route.rule}, and {rule.name} holds"
            for partner in [*route.partners, *(each.partner for each in _begun(evidence, payment))]:
                if partner not in allowed:
                    yield f"{payment.id}: {partner} is none of the partners of {rule.name}"


def outdated(evidence: Evidence) -> Iterator[str]:
    """What is asked for some seconds after a publication goes by it; who is drained gets nothing new then.

    A request goes by what counts when its batch begins: after it was sent, and before the payment's time.
    """
    sent = {asked.payment_id: asked.first_sent_at for asked in evidence.accepted(Action.CREATE)}
    for payment in _by_rules(evidence):
        start, end = sent.get(payment.id) or payment.created_at, payment.created_at
        versions = evidence.acted.versions_in(start, end)
        if payment.route is not None and versions and payment.route.version not in versions:
            yield f"{payment.id}: by version {payment.route.version}, when {sorted(versions)} counted"
        begun = _begun(evidence, payment)
        if begun and begun[0].partner in evidence.acted.drained_in(start, end):
            yield f"{payment.id}: sent to {begun[0].partner}, which was being drained"


def begun_twice(evidence: Evidence) -> Iterator[str]:
    """Of the attempts to begin a payment one counts; those before it are certainly without effect."""
    for payment in evidence.payments.values():
        begun = _begun(evidence, payment)
        for attempt in begun[:-1]:
            if not attempt.superseded:
                yield f"{payment.id}: {attempt.id} was followed by another, and still counts"
            elif attempt.state not in (AttemptState.FAILED, AttemptState.CANCELLED):
                yield f"{payment.id}: {attempt.id} is {attempt.state.value}, and another was begun"
        if begun and begun[-1].superseded:
            yield f"{payment.id}: none of its attempts counts"
        for before, attempt in itertools.pairwise(begun):
            yield from _wrong_retry(payment, before, attempt)


def _wrong_retry(payment: Payment, before: Attempt, attempt: Attempt) -> Iterator[str]:
    """Why this attempt should not have followed that one."""
    if payment.named or payment.route is None:
        yield f"{payment.id}: begun again, though no rule sent it"
    if before.updated_at > attempt.created_at:
        yield f"{attempt.id}: made at {attempt.created_at}, and {before.id} ended at {before.updated_at}"
    if attempt.retried is None:
        yield f"{attempt.id}: nothing says why it was made"
    elif attempt.retried.cause in _NEVER:
        yield f"{attempt.id}: made after {attempt.retried.cause}"
    elif before.state is AttemptState.FAILED and (
        before.failure is None or before.failure.class_ != attempt.retried.cause
    ):
        yield f"{attempt.id}: made after {attempt.retried.cause}, and {before.id} failed as {before.failure}"


def shares_off(evidence: Evidence) -> Iterator[str]:
    """Of the payments of a split each partner was meant for as many as its weight makes, chance allowed."""
    meant: defaultdict[tuple[int, str], Counter[str]] = defaultdict(Counter)
    for payment in _by_rules(evidence):
        if payment.route is not None:
            meant[payment.route.version, payment.route.rule][payment.route.partners[0]] += 1
    for (number, name), counts in sorted(meant.items()):
        version = evidence.stored.versions.get(number)
        rules = () if version is None else version.rules.rules
        for share in (share for rule in rules if rule.name == name for share in rule.to.split):
            total, weight = counts.total(), share.weight / 100
            expected, spread = total * weight, sqrt(total * weight * (1 - weight))
            if abs(counts[share.partner] - expected) > _FAR * spread + 1:
                yield f"version {number}, {name}: {counts[share.partner]} of {total} for {share}"


def figures_differ(evidence: Evidence) -> Iterator[str]:
    """What is kept of each lane is what its attempts came to, and fees by route are those of the ledger."""
    ours: Counter[tuple[Lane, Outcome, str]] = Counter()
    for payment in evidence.payments.values():
        for attempt in _begun(evidence, payment):
            outcome = _outcome(attempt)
            if outcome is not None:
                lane = lane_of(payment, attempt.partner)
                ours[lane, outcome, "attempts"] += 1
    kept: Counter[tuple[Lane, Outcome, str]] = Counter()
    fees: Counter[Place] = Counter()
    for figures in evidence.stored.figures:
        fees[Place(figures.lane.partner, figures.lane.currency)] += figures.cost
        for outcome, count in figures.counts.items():
            kept[figures.lane, outcome, "attempts"] += count
    for key in sorted(ours.keys() | kept.keys(), key=str):
        if ours[key] != kept[key]:
            lane, outcome, what = key
            yield f"{lane} {outcome.value}: {ours[key]} {what}, {kept[key]} in the figures"
    for place, amount in sorted(fees.items()):
        balance = evidence.stored.balances.get(f"partner:{place.partner}:fees:{place.currency}")
        booked = 0 if balance is None else balance.net_debit
        if booked != amount:
            yield f"{place.partner} {place.currency}: fees of {booked}, {amount} in the figures"


def lane_of(payment: Payment, partner: str) -> Lane:
    """Where a payment's attempt at a partner counts."""
    method = "" if payment.method is None else payment.method.value
    return Lane("" if payment.route is None else payment.route.rule, partner, payment.currency, method)


def _outcome(attempt: Attempt) -> Outcome | None:
    match attempt.state:
        case AttemptState.SUCCEEDED:
            return Outcome.APPROVED
        case AttemptState.CANCELLED:
            return Outcome.NOT_SENT if attempt.superseded else None
        case AttemptState.FAILED:
            class_ = "" if attempt.failure is None else attempt.failure.class_
            return _OUTCOMES.get(class_, Outcome.FAILED)
    return None


def routes(evidence: Evidence) -> Counter[str]:
    """Payments by the rule and the partner that carried them out in the end."""
    return Counter(
        f"{payment.route.rule}: {payment.partner}"
        for payment in evidence.payments.values()
        if payment.route is not None
    )


def reroutes(evidence: Evidence) -> int:
    """Payments that were begun at more than one partner."""
    begun = ({each.partner for each in _begun(evidence, p)} for p in evidence.payments.values())
    return sum(1 for partners in begun if len(partners) > 1)


def retries(evidence: Evidence) -> Counter[str]:
    """Attempts to begin a payment once more, by why."""
    return Counter(
        attempt.retried.cause for attempt in evidence.stored.attempts.values() if attempt.retried is not None
    )


def _by_rules(evidence: Evidence) -> Iterator[Payment]:
    """The payments that rules were to send."""
    for payment in evidence.payments.values():
        if payment.kind is not PaymentKind.INTERNAL and not payment.named and _begun(evidence, payment):
            yield payment


def _begun(evidence: Evidence, payment: Payment) -> list[Attempt]:
    """The attempts to begin it, the first one first."""
    attempts = evidence.by_payment.get(payment.id, [])
    begun = [attempt for attempt in attempts if attempt.operation is Operation.SUBMIT]
    return sorted(begun, key=lambda attempt: (attempt.created_at, attempt.id))


def _holds(when: Conditions, payment: Payment) -> bool:
    """Whether a rule of a run is about the payment: of its conditions runs use these."""
    instrument = payment.instrument or ""
    return (
        (not when.instrument or any(instrument.startswith(text) for text in when.instrument))
        and (not when.currency or payment.currency in when.currency)
        and (when.amount_to is None or payment.amount <= when.amount_to)
    )


def _partners(rules: Rules, rule: Rule) -> set[str]:
    """All that a rule names, its routes followed."""
    found: set[str] = set()

    def follow(hops: tuple[Hop, ...]) -> None:
        for hop in hops:
            found.update(share.partner for share in hop.split)
            if hop.partner is not None:
                found.add(hop.partner)
            if hop.route is not None:
                route = rules.routes[hop.route]
                follow((route.to, *route.next))

    follow((rule.to, *rule.next))
    return found
