"""The rules of currency conversions: two linked transfers that carry one rate."""

import decimal
from collections.abc import Sequence

from caudal.ledger.admission import parse_rate
from caudal.ledger.commands import Command, CreateTransfer
from caudal.ledger.refusals import refused
from caudal.ledger.transfer_rules import wrong_create
from caudal.ledger.types import Outcome
from caudal_base.money import exponent


def conversion_refusal(commands: Sequence[Command]) -> tuple[int, Outcome] | None:
    """Refuse a linked group in which a rate stands without making two legs of one conversion.

    Returns the position of the command at fault and its refusal.
    """
    legs = [
        (position, command)
        for position, command in enumerate(commands)
        if isinstance(command, CreateTransfer) and command.rate is not None
    ]
    if not legs:
        return None
    for position, leg in legs:
        wrong = wrong_create(leg)
        if wrong is not None:
            return position, wrong
    (position, first), *others = legs
    second = others[0][1] if others else first
    rate = parse_rate(first.rate or "")
    if len(legs) != 2 or rate is None or second.rate != first.rate or first.currency == second.currency:
        detail = "two transfers of two currencies must carry the same rate"
        return position, refused("rate_needs_two_legs", detail, "rate")
    with decimal.localcontext() as context:
        context.prec = 60
        scale = decimal.Decimal(10) ** (exponent(second.currency) - exponent(first.currency))
        if abs(first.amount * rate * scale - second.amount) >= 1:
            detail = f"{first.amount} at {first.rate} is not {second.amount}"
            return others[0][0], refused("rate_mismatch", detail, "rate")
    return None
