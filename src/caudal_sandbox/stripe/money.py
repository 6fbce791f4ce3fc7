"""The account's balance: what each movement adds, what Stripe takes for it, and when it is available."""

from typing import Final

from caudal_sandbox.effects import Kind
from caudal_sandbox.stripe.account import Account
from caudal_sandbox.stripe.tokens import Method
from caudal_sandbox.stripe.types import Charge, Transaction, TransactionType

AVAILABLE_AFTER_S: Final = 2 * 86_400
"""How long money that came in is pending."""

DISPUTE_FEE: Final = 1_500

_CARD_RATES: Final = {"eur": (150, 25), "gbp": (150, 20)}
"""Basis points and a fixed part, by currency."""
_CARD_RATE: Final = (290, 30)
_DEBIT_RATE: Final = 80
_DEBIT_FEE_MAX: Final = 500

MINIMUM_AMOUNTS: Final = {
    "aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "czk": 1_500, "dkk": 250,
    "eur": 50, "gbp": 30, "hkd": 400, "huf": 17_500, "inr": 50, "jpy": 50, "mxn": 1_000, "myr": 200,
    "nok": 300, "nzd": 50, "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1_000, "usd": 50,
}  # fmt: skip
"""The currencies that the account takes, and the smallest charge in each."""

MAXIMUM_AMOUNT: Final = 99_999_999


def fee_of(method: Method, amount: int, currency: str) -> int:
    """What Stripe takes for collecting `amount`, rounded half up."""
    if method.type != "card":
        return min((amount * _DEBIT_RATE + 5_000) // 10_000, _DEBIT_FEE_MAX)
    points, fixed = _CARD_RATES.get(currency, _CARD_RATE)
    return (amount * points + 5_000) // 10_000 + fixed


class Balance:
    """Books movements."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def charged(self, charge: Charge, amount: int, *, attempt_id: str | None, kind: Kind) -> None:
        """`amount` of `charge` has been collected."""
        account = self._account
        method = account.method(charge.method)
        account.note(
            kind, charge.intent, amount=amount, delta=amount, currency=charge.currency, attempt_id=attempt_id
        )
        row = self._add(
            "charge" if method.type == "card" else "payment",
            "charge",
            charge.id,
            parent_id=charge.intent,
            amount=amount,
            fee=fee_of(method, amount, charge.currency),
            currency=charge.currency,
            pending=not method.available_at_once,
            description=charge.description,
        )
        charge.transaction = row.id

    def refunded(
        self, id: str, intent_id: str, *, amount: int, currency: str, attempt_id: str | None
    ) -> Transaction:
        """The refund `id` takes `amount` off the balance."""
        self._account.note(
            Kind.REFUND, id, amount=amount, delta=-amount, currency=currency, attempt_id=attempt_id,
            parent_id=intent_id,
        )  # fmt: skip
        return self._add("refund", "refund", id, amount=-amount, currency=currency, parent_id=intent_id)

    def refund_failed(self, id: str, intent_id: str, *, amount: int, currency: str) -> Transaction:
        """The refund `id` has come back."""
        self._account.note(
            Kind.REFUND_FAILURE, id, amount=amount, delta=amount, currency=currency, parent_id=intent_id
        )
        return self._add(
            "refund_failure", "refund_failure", id, amount=amount, currency=currency, parent_id=intent_id
        )

    def disputed(self, id: str, intent_id: str, *, amount: int, currency: str) -> Transaction:
        """The dispute `id` takes `amount` and a fee."""
        self._account.note(
            Kind.DISPUTE, id, amount=amount, delta=-amount, currency=currency, parent_id=intent_id
        )
        return self._add(
            "adjustment",
            "dispute",
            id,
            amount=-amount,
            fee=DISPUTE_FEE,
            currency=currency,
            parent_id=intent_id,
            description="Chargeback withdrawal",
        )

    def reinstated(self, id: str, intent_id: str, *, amount: int, currency: str) -> Transaction:
        """The dispute `id` gives `amount` back; the fee stays."""
        self._account.note(
            Kind.DISPUTE_REVERSAL, id, amount=amount, delta=amount, currency=currency, parent_id=intent_id
        )
        return self._add(
            "adjustment",
            "dispute_reversal",
            id,
            amount=amount,
            currency=currency,
            parent_id=intent_id,
            description="Chargeback reversal",
        )

    def paid_out(self, id: str, *, amount: int, currency: str) -> Transaction:
        """The payout `id` takes `amount` to the bank, or brings some where it is negative."""
        self._account.note(Kind.SETTLEMENT, id, amount=abs(amount), delta=-amount, currency=currency)
        return self._add(
            "payout", "payout", id, amount=-amount, currency=currency, description="STRIPE PAYOUT"
        )

    def payout_failed(self, id: str, *, amount: int, currency: str) -> Transaction:
        """The payout `id` has come back from the bank."""
        self._account.note(Kind.RETURN, id, amount=abs(amount), delta=amount, currency=currency)
        return self._add("payout_failure", "payout_reversal", id, amount=amount, currency=currency)

    def _add(
        self,
        type: TransactionType,
        category: str,
        source: str,
        *,
        amount: int,
        currency: str,
        fee: int = 0,
        parent_id: str | None = None,
        pending: bool = False,
        description: str | None = None,
    ) -> Transaction:
        account = self._account
        now = account.now()
        row = account.transactions.put(
            Transaction(
                id=account.id("txn"),
                type=type,
                category=category,
                source=source,
                amount=amount,
                fee=fee,
                currency=currency,
                created=now,
                available_on=now + AVAILABLE_AFTER_S if pending else now,
                description=description,
            )
        )
        if fee:
            account.note(
                Kind.FEE, row.id, amount=fee, delta=-fee, currency=currency, parent_id=parent_id or source
            )
        return row
