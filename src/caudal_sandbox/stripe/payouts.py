"""Payouts: the daily one that pays out what is available, with fees netted, and those asked for by hand."""

from collections.abc import Iterable
from typing import Any, Final

from caudal_sandbox.messages import Request
from caudal_sandbox.stripe import errors, views_money
from caudal_sandbox.stripe.account import Account
from caudal_sandbox.stripe.form import Parameters, Shape
from caudal_sandbox.stripe.money import MINIMUM_AMOUNTS, Balance
from caudal_sandbox.stripe.types import Payout, Transaction

CREATE: Final[Shape] = {
    "amount": None,
    "currency": None,
    "description": None,
    "destination": None,
    "expand": {"*": None},
    "metadata": {"*": None},
    "method": None,
    "source_type": None,
    "statement_descriptor": None,
}
UPDATE: Final[Shape] = {"metadata": {"*": None}, "expand": {"*": None}}

DAY_S: Final = 86_400
DAILY: Final = "stripe.daily"
ARRIVE: Final = "stripe.arrive"


class Payouts:
    """Makes payouts and lets them arrive."""

    def __init__(self, account: Account, balance: Balance) -> None:
        self._account = account
        self._balance = balance
        self._clock = account.world.clock
        self._clock.on(DAILY, self._daily)
        self._clock.on(ARRIVE, self._arrive)

    def begin(self) -> None:
        """Pay out at the end of each day, unless a state that was loaded does so already."""
        if not self._clock.has(DAILY):
            self._clock.schedule((self._account.now() // DAY_S + 1) * DAY_S, DAILY, "")

    def create(self, given: Parameters, _: Request) -> Payout:
        """Pay out some of what is available."""
        account = self._account
        currency = given.required("currency").lower()
        given.required("amount")
        amount = given.integer("amount") or 0
        if currency not in MINIMUM_AMOUNTS:
            raise errors.invalid(f"Invalid currency: {currency}.", param="currency")
        if amount < 1:
            raise errors.invalid("Invalid positive integer", param="amount")
        if amount > self.available(currency):
            raise errors.conflict(
                "You have insufficient available funds for this payout.", code="balance_insufficient"
            )
        payout = Payout(
            id=account.id("po"),
            amount=amount,
            currency=currency,
            created=account.now(),
            arrival=account.now() + DAY_S,
            status="pending",
            automatic=False,
            metadata=given.metadata({}),
            description=given.text("description"),
            statement_descriptor=given.text("statement_descriptor"),
        )
        self._put_out(payout)
        self._clock.schedule(payout.arrival, ARRIVE, payout.id)
        return payout

    def update(self, id: str, given: Parameters, _: Request) -> Payout:
        """Change the metadata."""
        payout = self._account.payout(id)
        payout.metadata = given.metadata(payout.metadata)
        self._put(payout, "payout.updated")
        return payout

    def settle(self) -> list[Payout]:
        """Pay out everything that has not been, available or not, a payout a currency, arrived at once."""
        made = self._pay_out(row for row in self._account.transactions if row.payout is None)
        for payout in made:
            self._arrive(payout.id)
        return made

    def fail(self, payout: Payout) -> None:
        """The bank does not take it: the money is back on the balance."""
        booked = self._balance.payout_failed(payout.id, amount=payout.amount, currency=payout.currency)
        payout.status, payout.failure_code = "failed", "account_closed"
        payout.failure_transaction = booked.id
        self._put(payout, "payout.failed")

    def available(self, currency: str) -> int:
        """What could be paid out now."""
        now = self._account.now()
        return sum(
            row.amount - row.fee
            for row in self._account.transactions
            if row.currency == currency and row.available_on <= now
        )

    def balance(self) -> dict[str, Any]:
        """A Balance."""
        now = self._account.now()
        sums: dict[bool, dict[str, int]] = {True: {}, False: {}}
        for row in self._account.transactions:
            part = sums[row.available_on <= now]
            part[row.currency] = part.get(row.currency, 0) + row.amount - row.fee
        currencies = sorted(sums[True].keys() | sums[False].keys()) or ["eur"]

        def amounts(part: dict[str, int]) -> list[dict[str, Any]]:
            return [
                {"amount": part.get(name, 0), "currency": name, "source_types": {"card": part.get(name, 0)}}
                for name in currencies
            ]

        return {
            "object": "balance",
            "available": amounts(sums[True]),
            "connect_reserved": [{"amount": 0, "currency": name} for name in currencies],
            "livemode": False,
            "pending": amounts(sums[False]),
        }

    def _daily(self, _: str) -> None:
        now = self._account.now()
        due = [row for row in self._account.transactions if row.payout is None and row.available_on <= now]
        for payout in self._pay_out(due):
            self._clock.schedule(payout.arrival, ARRIVE, payout.id)
        self.begin()

    def _pay_out(self, rows: Iterable[Transaction]) -> list[Payout]:
        account = self._account
        by_currency: dict[str, list[Transaction]] = {}
        for row in rows:
            by_currency.setdefault(row.currency, []).append(row)
        made = []
        for currency, due in sorted(by_currency.items()):
            net = sum(row.amount - row.fee for row in due)
            if net == 0:
                continue
            payout = Payout(
                id=account.id("po"),
                amount=net,
                currency=currency,
                created=account.now(),
                arrival=account.now() + DAY_S,
                status="in_transit",
                automatic=True,
                description="STRIPE PAYOUT",
            )
            for row in due:
                row.payout = payout.id
                account.transactions.put(row)
            self._put_out(payout)
            made.append(payout)
        return made

    def _put_out(self, payout: Payout) -> None:
        booked = self._balance.paid_out(payout.id, amount=payout.amount, currency=payout.currency)
        if payout.automatic:  # one asked for by hand is netted by the next automatic one
            booked.payout = payout.id
            self._account.transactions.put(booked)
        payout.transaction = booked.id
        self._put(payout, "payout.created")

    def _arrive(self, id: str) -> None:
        payout = self._account.payouts.get(id)
        if payout is not None and payout.status in ("pending", "in_transit"):
            payout.status, payout.arrival = "paid", self._account.now()
            self._put(payout, "payout.paid")

    def _put(self, payout: Payout, event: str) -> None:
        self._account.payouts.put(payout)
        self._account.tell(event, lambda: views_money.payout(payout))
