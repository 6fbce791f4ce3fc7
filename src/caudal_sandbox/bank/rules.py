"""What becomes of an order, as tables: the moves that there are, what each costs, and what an account does.

The accounts are tokens that name their behaviour, as other sandboxes do with card numbers, so that a test
says what it wants in the request itself.
"""

from typing import Final

import msgspec

from caudal_sandbox.bank.types import Kind, Order, Reason, Status
from caudal_sandbox.effects import Kind as Effect

CURRENCIES: Final = frozenset({"CHF", "CZK", "DKK", "EUR", "GBP", "NOK", "PLN", "SEK", "USD"})
"""What the bank moves: all of them with two decimal places."""

LARGEST_AMOUNT: Final = 99_999_999_999
"""Of one order, in minor units: as much as a SEPA credit transfer carries, 999,999,999.99 (EPC125-05)."""

MOVES: Final[dict[Kind, dict[Status, frozenset[Status]]]] = {
    Kind.TRANSFER: {
        Status.PENDING: frozenset({Status.SETTLED, Status.REJECTED, Status.CANCELLED}),
        Status.SETTLED: frozenset({Status.RETURNED}),
    },
    Kind.DIRECT_DEBIT: {
        Status.PENDING: frozenset({Status.COLLECTED, Status.FAILED, Status.CANCELLED}),
        Status.COLLECTED: frozenset({Status.RETURNED}),
    },
    Kind.REFUND: {
        Status.PENDING: frozenset({Status.SETTLED, Status.FAILED}),
    },
}
"""From which status an order may go to which. What is not here stays as it is."""

REASONS: Final = {
    "AC01": "The account number is not correct",
    "AC04": "The account is closed",
    "AC06": "The account is blocked",
    "AM04": "There are not enough funds",
    "MD01": "There is no mandate",
    "MD06": "The payer asked for the money back",
    "MS02": "The customer gave no reason",
    "MS03": "The bank gave no reason",
}
"""By ISO 20022 external code."""


class Movement(msgspec.Struct, frozen=True):
    """What a move does to our account."""

    line: str
    """The kind of the entry."""
    effect: Effect
    """What it is in the sandbox's book of effects."""
    sign: int
    fee: int
    """In minor units of whatever currency."""


MOVEMENTS: Final = {
    (Kind.TRANSFER, Status.SETTLED): Movement("transfer", Effect.PAYOUT_OUT, -1, 20),
    (Kind.TRANSFER, Status.RETURNED): Movement("transfer_return", Effect.RETURN, +1, 0),
    (Kind.DIRECT_DEBIT, Status.COLLECTED): Movement("direct_debit", Effect.DEBIT_IN, +1, 30),
    (Kind.DIRECT_DEBIT, Status.RETURNED): Movement("direct_debit_return", Effect.RETURN, -1, 250),
    (Kind.REFUND, Status.SETTLED): Movement("refund", Effect.REFUND, -1, 20),
}
"""The moves that move money. A transfer's fee is taken besides its amount, a direct debit's out of it."""


class Step(msgspec.Struct, frozen=True):
    """A move that an account's behaviour has in store."""

    after_s: float
    """Seconds of the sandbox's clock after the order; 0 is before the answer."""
    status: Status
    reason: str | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How an account behaves, by what is ordered."""

    transfer: tuple[Step, ...]
    direct_debit: tuple[Step, ...]
    refund: tuple[Step, ...] = (Step(1.0, Status.SETTLED),)
    amount_off: int = 0
    """Added to what was asked: a bank that carries out something else."""
    currency: str | None = None
    """In place of the one that was asked for."""


def _ending(after_s: float, transfer: Status, debit: Status, reason: str | None = None) -> Plan:
    return Plan(transfer=(Step(after_s, transfer, reason),), direct_debit=(Step(after_s, debit, reason),))


_SETTLES: Final = Step(1.0, Status.SETTLED)
_COLLECTS: Final = Step(1.0, Status.COLLECTED)

PLANS: Final[dict[str, Plan]] = {
    "tok_bank_ok": Plan(transfer=(_SETTLES,), direct_debit=(_COLLECTS,)),
    "tok_bank_instant": Plan(
        transfer=(Step(0, Status.SETTLED),),
        direct_debit=(Step(0, Status.COLLECTED),),
        refund=(Step(0, Status.SETTLED),),
    ),
    "tok_bank_slow": _ending(60, Status.SETTLED, Status.COLLECTED),
    "tok_bank_silent": Plan(transfer=(), direct_debit=(), refund=()),
    "tok_bank_closed": _ending(0, Status.REJECTED, Status.FAILED, "AC04"),
    "tok_bank_wrong_number": _ending(0, Status.REJECTED, Status.FAILED, "AC01"),
    "tok_bank_blocked": _ending(1, Status.REJECTED, Status.FAILED, "AC06"),
    "tok_bank_refused": _ending(1, Status.REJECTED, Status.FAILED, "MS03"),
    "tok_bank_insufficient": Plan(transfer=(_SETTLES,), direct_debit=(Step(1, Status.FAILED, "AM04"),)),
    "tok_bank_no_mandate": Plan(transfer=(_SETTLES,), direct_debit=(Step(0, Status.FAILED, "MD01"),)),
    "tok_bank_returned": Plan(
        transfer=(_SETTLES, Step(3, Status.RETURNED, "AC04")),
        direct_debit=(_COLLECTS, Step(3, Status.RETURNED, "MD06")),
    ),
    "tok_bank_refund_fails": Plan(
        transfer=(_SETTLES,), direct_debit=(_COLLECTS,), refund=(Step(1, Status.FAILED, "AC04"),)
    ),
    "tok_bank_other_amount": Plan(transfer=(_SETTLES,), direct_debit=(_COLLECTS,), amount_off=-1),
    "tok_bank_other_currency": Plan(transfer=(_SETTLES,), direct_debit=(_COLLECTS,), currency="NOK"),
}
"""What each account does. `silent` does nothing until it is told to through the control API."""


def plan_of(account: str) -> Plan | None:
    """How the account behaves; None where the bank knows no such account.

    What follows `__` in a token tells accounts of one behaviour apart: `tok_bank_ok__ana`.
    """
    return PLANS.get(account.partition("__")[0])


def steps(plan: Plan, kind: Kind) -> tuple[Step, ...]:
    """What the plan has in store for an order of this kind."""
    match kind:
        case Kind.TRANSFER:
            return plan.transfer
        case Kind.DIRECT_DEBIT:
            return plan.direct_debit
        case Kind.REFUND:
            return plan.refund


def allows(order: Order, status: Status) -> bool:
    """Whether the order may go to this status from where it stands."""
    return status in MOVES[order.object].get(order.status, frozenset())


def reason(code: str | None) -> Reason | None:
    """The reason of this code, with its meaning."""
    return None if code is None else Reason(code, REASONS.get(code, "There is no description"))


def event_type(kind: Kind, status: Status) -> str:
    """The name of the event that tells of an order's new status: `transfer.accepted`."""
    return f"{kind.value}.{'accepted' if status is Status.PENDING else status.value}"
