"""Our book against the partners': to the cent, in total, per payment and per attempt. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from caudal.connectors import Operation
from caudal.payments import AttemptState, Payment, PaymentKind, PaymentState
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

_MOVED: Final = frozenset({PaymentState.SUCCEEDED, PaymentState.RETURNED})


def totals_differ(evidence: Evidence) -> Iterator[str]:
    """For each partner, currency and kind: the sums of our payments and of its effects."""
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
    """For each payment: what its attempts took, gave back and paid out at the partner."""
    theirs: Counter[tuple[str, str]] = Counter()
    of_partner: dict[tuple[str | None, str | None], str] = {
        (payment.partner, payment.partner_id): payment.id
        for payment in evidence.payments.values()
        if payment.partner_id is not None
    }
    kinds = {part: (kind, sign) for kind, parts in KINDS.items() for part, sign in parts}
    for effect in evidence.book.effects:
        if effect.kind not in kinds:
            continue
        payment_id = _payment_of(evidence, effect, of_partner)
        if payment_id is None:
            yield f"{effect.partner} {effect.kind} {effect.object_id} of {effect.amount}: no payment of ours"
            continue
        kind, sign = kinds[effect.kind]
        theirs[payment_id, kind] += sign * effect.amount
    for payment in evidence.payments.values():
        if payment.partner is not None:
            for kind, amount in amounts(payment).items():
                if theirs[payment.id, kind] != amount:
                    yield (
                        f"{payment.id} {payment.state.value} {kind}: we {amount}, "
                        f"they {theirs[payment.id, kind]}"
                    )


def _payment_of(
    evidence: Evidence, effect: Effect, of_partner: Mapping[tuple[str | None, str | None], str]
) -> str | None:
    attempt = evidence.stored.attempts.get(effect.attempt_id or "")
    if attempt is not None:
        return attempt.payment_id
    for name in (effect.parent_id, effect.object_id):
        found = of_partner.get((effect.partner, name))
        if found is not None:
            return found
    return None


def double_effects(evidence: Evidence) -> int:
    """Effects beyond the one that each attempt may have."""
    return sum(count - 1 for count in evidence.book.attempts.values() if count > 1)


def attempts_twice(evidence: Evidence) -> Iterator[str]:
    """Attempts that had their effect more than once."""
    for attempt_id, count in evidence.book.attempts.items():
        if count > 1:
            kinds = [effect.kind for effect in evidence.caused.get(attempt_id, [])]
            yield f"{attempt_id}: {count} effects ({', '.join(kinds)})"


def attempts_differ(evidence: Evidence) -> Iterator[str]:
    """Attempts of which partner and we say something else: whether they had their effect, of how much."""
    for attempt_id in evidence.caused:
        if attempt_id not in evidence.stored.attempts:
            yield f"{attempt_id}: the partner carried out what we know nothing of"
    for attempt in evidence.stored.attempts.values():
        effects = evidence.caused.get(attempt.id, [])
        succeeded = attempt.state is AttemptState.SUCCEEDED
        if succeeded and not effects:
            yield f"{attempt.id} {attempt.operation.value}: we say it succeeded, the partner did nothing"
        elif effects and not succeeded:
            yield (
                f"{attempt.id} {attempt.operation.value}: we say it is {attempt.state.value}, "
                f"the partner has {effects[0].kind} of {effects[0].amount}"
            )
        elif effects and attempt.operation in _EXACT and effects[0].amount != attempt.amount:
            yield f"{attempt.id}: we asked for {attempt.amount}, the partner did {effects[0].amount}"


def fees_differ(evidence: Evidence) -> Iterator[str]:
    """What each partner says that it has cost, and what we have booked."""
    for place in sorted(_places(evidence)):
        theirs = -sum(
            effect.delta for effect in evidence.book.effects if effect.kind == "fee" and effect.place == place
        )
        ours = _net(evidence, f"partner:{place.partner}:fees:{place.currency}")
        if ours != theirs:
            yield f"{place.partner} {place.currency} fees: we {ours}, they {theirs}"


def settlements_differ(evidence: Evidence) -> Iterator[str]:
    """What partners say that they have paid out, and what our bank account has received."""
    theirs: Counter[str] = Counter()
    for effect in evidence.book.effects:
        if effect.kind == "settlement":
            theirs[effect.place.currency] -= effect.delta
    for currency in sorted({place.currency for place in _places(evidence)}):
        ours = _net(evidence, f"bank:settlement:{currency}")
        if ours != theirs[currency]:
            yield f"{currency} settled: we {ours}, they {theirs[currency]}"


def clearing_open(evidence: Evidence) -> Iterator[str]:
    """Clearing accounts that are not at zero though everything has settled, and partners that owe."""
    for reference, balance in sorted(evidence.stored.balances.items()):
        if ":clearing:" in reference and balance.net_debit:
            yield f"{reference}: {balance.net_debit}"
    for partner, currencies in sorted(evidence.book.balances.items()):
        for currency, amount in sorted(currencies.items()):
            if amount:
                yield f"{partner} owes {amount} {currency}"


def wallets_differ(evidence: Evidence) -> Iterator[str]:
    """Customers' balances, recomputed from nothing but their payments."""
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
