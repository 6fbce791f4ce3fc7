"""Our book against the partners': to the cent, in total, per payment and per attempt. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from caudal.connectors import Operation
from caudal.payments import Attempt, AttemptState, Payment, PaymentKind, PaymentState
from caudal.simulation.evidence import Effect, Evidence, Place

KINDS: Final[Mapping[str, tuple[tuple[str, int], ...]]] = {
    "captured": (("charge", 1), ("capture", 1), ("debit_in", 1)),
    "paid_out": (("payout_out", 1),),
    "returned": (("return", 1),),
    "refunded": (("refund", 1), ("refund_failure", -1)),
    "disputed": (("dispute", 1), ("dispute_reversal", -1)),
}
"""What of the partner's kinds makes up one of ours."""

_EXACT: Final = frozenset({Operation.CAPTURE, Operation.REFUND})
"""Operations whose amount at the partner is that of the attempt."""

_OURS: Final = {part: (kind, sign) for kind, parts in KINDS.items() for part, sign in parts}

_RELEASED: Final = frozenset({PaymentState.FAILED, PaymentState.CANCELLED, PaymentState.EXPIRED})
_MOVED: Final = frozenset({PaymentState.SUCCEEDED, PaymentState.RETURNED})


def totals_differ(evidence: Evidence) -> Iterator[str]:
    """For each partner, currency and kind the sum of our payments is that of its effects."""
    ours = _totals(evidence)
    for place in sorted(_places(evidence)):
        for kind, parts in KINDS.items():
            theirs = sum(sign * evidence.at_partner[place, part] for part, sign in parts)
            if ours[place, kind] != theirs:
                yield f"{place.partner} {place.currency} {kind}: we {ours[place, kind]}, they {theirs}"


def _totals(evidence: Evidence) -> Counter[tuple[Place, str]]:
    counted: Counter[tuple[Place, str]] = Counter()
    for payment in evidence.payments.values():
        if payment.partner is None:
            continue
        place = Place(payment.partner, payment.currency)
        for kind, amount in amounts(payment).items():
            counted[place, kind] += amount
    return counted


def amounts(payment: Payment) -> dict[str, int]:
    """What has moved by a payment, by kind."""
    pay_in = payment.kind is PaymentKind.PAY_IN
    returned = payment.state is PaymentState.RETURNED
    return {
        "captured": payment.captured_amount if pay_in else 0,
        "paid_out": 0 if pay_in else payment.captured_amount,
        "returned": payment.captured_amount if returned else 0,
        "refunded": payment.refunded_amount,
        "disputed": payment.disputed_amount,
    }


def payments_differ(evidence: Evidence) -> Iterator[str]:
    """What its partner took, gave back and paid out for each payment is what we have booked.

    Of attempts that another has taken the place of, nothing may be left at their partner.
    """
    for effect in evidence.of_payment.get(None, []):
        if effect.kind in _OURS:
            yield f"{effect.partner} {effect.kind} {effect.object_id} of {effect.amount}: no payment of ours"
    for payment in evidence.payments.values():
        if payment.partner is None or payment.id in evidence.mistaken:
            continue
        theirs: Counter[str] = Counter()
        left = 0
        for effect in evidence.of_payment.get(payment.id, []):
            if effect.kind in _OURS and evidence.is_superseded(effect):
                left += effect.delta
            elif effect.kind in _OURS:
                kind, sign = _OURS[effect.kind]
                theirs[kind] += sign * effect.amount
        if left:
            yield f"{payment.id}: {left} of an attempt that was superseded is still at the partner"
        for kind, amount in amounts(payment).items():
            if theirs[kind] != amount:
                yield f"{payment.id} {payment.state.value} {kind}: we {amount}, they {theirs[kind]}"


def mistakes_kept(evidence: Evidence) -> Iterator[str]:
    """What a partner took by mistake, and a person declined, it has given back, or has refused to."""
    left: Counter[Place] = Counter()
    for payment_id in sorted(evidence.mistaken):
        for effect in evidence.of_payment.get(payment_id, []):
            left[effect.place] += effect.delta if effect.kind in _OURS else 0
    for place in sorted(left):
        known = evidence.kept[place]
        if left[place] != known:
            yield f"{place.partner} has kept {left[place]} {place.currency}, we know of {known}"


def double_effects(evidence: Evidence) -> int:
    """Effects beyond the one that each attempt may have."""
    return sum(count - 1 for count in evidence.book.attempts.values() if count > 1)


def attempts_twice(evidence: Evidence) -> Iterator[str]:
    """No attempt had its effect more than once."""
    for attempt_id, count in evidence.book.attempts.items():
        if count > 1:
            kinds = [effect.kind for effect in evidence.caused.get(attempt_id, [])]
            yield f"{attempt_id}: {count} effects ({', '.join(kinds)})"


def attempts_differ(evidence: Evidence) -> Iterator[str]:
    """Of each attempt partner and we say the same: whether it had its effect, and of how much."""
    for attempt_id in evidence.caused:
        if attempt_id not in evidence.stored.attempts:
            yield f"{attempt_id}: the partner carried out what we know nothing of"
    for attempt in evidence.stored.attempts.values():
        if attempt.payment_id in evidence.mistaken:
            continue
        effects = evidence.caused.get(attempt.id, [])
        succeeded = attempt.state is AttemptState.SUCCEEDED
        if succeeded and not effects and not _ran_out(evidence, attempt):
            yield f"{attempt.id} {attempt.operation.value}: we say it succeeded, the partner did nothing"
        elif effects and not succeeded and not _undone(evidence, attempt, effects[0]):
            yield (
                f"{attempt.id} {attempt.operation.value}: we say it is {attempt.state.value}, "
                f"the partner has {effects[0].kind} of {effects[0].amount}"
            )
        elif effects and attempt.operation in _EXACT and effects[0].amount != attempt.amount:
            yield f"{attempt.id}: we asked for {attempt.amount}, the partner did {effects[0].amount}"


def _ran_out(evidence: Evidence, attempt: Attempt) -> bool:
    """Whether it is a void of what the partner released by itself before: it has what it was after."""
    payment = evidence.payments[attempt.payment_id]
    # What was captured before stays, and such a payment has succeeded.
    ran_out = PaymentState.EXPIRED in (payment.state, payment.ends_as)
    return attempt.operation is Operation.CANCEL and ran_out


def _undone(evidence: Evidence, attempt: Attempt, effect: Effect) -> bool:
    """Whether an effect has left nothing: a refund that came back, an authorisation that was released."""
    if effect.kind == "authorisation":
        payment = evidence.payments[attempt.payment_id]
        return payment.state in _RELEASED and payment.captured_amount == 0
    return effect.object_id in evidence.failed_refunds


def fees_differ(evidence: Evidence) -> Iterator[str]:
    """What each partner says that it has cost is what we have booked."""
    for place in sorted(_places(evidence)):
        theirs = -sum(
            effect.delta for effect in evidence.book.effects if effect.kind == "fee" and effect.place == place
        )
        ours = _net(evidence, f"partner:{place.partner}:fees:{place.currency}")
        if ours != theirs:
            yield f"{place.partner} {place.currency} fees: we {ours}, they {theirs}"


def settlements_differ(evidence: Evidence) -> Iterator[str]:
    """What partners say that they have paid out is what our bank account has received."""
    theirs: Counter[str] = Counter()
    for effect in evidence.book.effects:
        if effect.kind == "settlement":
            theirs[effect.place.currency] -= effect.delta
    for currency in sorted({place.currency for place in _places(evidence)}):
        ours = _net(evidence, f"bank:settlement:{currency}")
        if ours != theirs[currency]:
            yield f"{currency} settled: we {ours}, they {theirs[currency]}"


def clearing_open(evidence: Evidence) -> Iterator[str]:
    """Once everything has settled clearing accounts are at zero, and partners owe nothing."""
    for reference, balance in sorted(evidence.stored.balances.items()):
        _, partner, kind, *_ = [*reference.split(":"), "", ""]
        # What was kept by mistake has been settled, and in our book it is nobody's.
        expected = -evidence.kept[Place(partner, balance.currency)]
        if kind == "clearing" and balance.net_debit != expected:
            yield f"{reference}: {balance.net_debit}, and {expected} is explained"
    for partner, currencies in sorted(evidence.book.balances.items()):
        for currency, amount in sorted(currencies.items()):
            if amount:
                yield f"{partner} owes {amount} {currency}"


def wallets_differ(evidence: Evidence) -> Iterator[str]:
    """Customers' balances follow from nothing but their payments."""
    expected: Counter[str] = Counter()
    for payment in evidence.payments.values():
        own = f"customer:{payment.customer}:{payment.currency}"
        moved = payment.captured_amount
        if payment.kind is PaymentKind.PAY_IN:
            expected[own] += moved - payment.refunded_amount - payment.disputed_amount
        elif payment.kind is PaymentKind.PAYOUT:
            expected[own] -= moved
        elif payment.state in _MOVED:
            expected[own] -= payment.amount
            expected[f"customer:{payment.destination}:{payment.currency}"] += payment.amount
        if payment.state is PaymentState.RETURNED:
            expected[own] += moved if payment.kind is PaymentKind.PAYOUT else -moved
        expected[own] -= payment.fee_amount
    for reference, balance in evidence.stored.balances.items():
        if reference.startswith("customer:") and -balance.net_debit != expected[reference]:
            yield f"{reference}: balance {-balance.net_debit}, its payments make {expected[reference]}"


def _net(evidence: Evidence, reference: str) -> int:
    balance = evidence.stored.balances.get(reference)
    return 0 if balance is None else balance.net_debit


def _places(evidence: Evidence) -> set[Place]:
    ours = {
        Place(payment.partner, payment.currency)
        for payment in evidence.payments.values()
        if payment.partner is not None
    }
    return ours | {effect.place for effect in evidence.book.effects}
