"""What comes on a trading day: payments of two accounts, and how their callers send them. Pure."""

import datetime as dt
import enum
import random
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from caudal.demo.schedule import Day
from caudal.demo.types import CURRENCY
from caudal.simulation import stream
from caudal_base import ids

STRIPES_OWN: Final = "pm_card_visa"
"""A card that only the first partner can charge."""

CARDS: Final = {"tok_card_ok": 93, "tok_card_not_stripe": 5, "tok_card_stolen": 2}
"""Of a vault, so that either partner can charge them, by weight: the first partner declines the second kind
softly, and both decline the third for good."""

ACCOUNTS: Final = {"tok_bank_ok": 60, "tok_bank_instant": 35, "tok_bank_closed": 5}
"""That payouts go to, by weight."""

FUNDING: Final = 5_000_000
"""What each account has before the opening."""


class Again(enum.Enum):
    """How a request is sent once more though it need not be."""

    NO = "no"
    TOGETHER = "together"
    """At the same time, on another connection."""
    LATER = "later"
    """A moment after it was answered."""
    OTHER_BODY = "other_body"
    """Under the same key, for another amount: to be refused."""
    OTHER_KEY = "other_key"
    """For the same payment id under another key, for another amount: to be refused."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A payment that somebody asks for."""

    due: float
    """At which second."""
    payment_id: str
    key: str
    body: dict[str, Any]
    again: Again


_MANNERS: Final = {
    Again.NO: 83, Again.TOGETHER: 6, Again.LATER: 6, Again.OTHER_BODY: 3, Again.OTHER_KEY: 2,
}  # fmt: skip


class _Author:
    """Draws orders for the two accounts."""

    def __init__(self, seed: int, shop: str, market: str, at: dt.datetime) -> None:
        self._shop = shop
        self._market = market
        self._at = at
        self._draw = stream(seed, "orders")
        self._ids = stream(seed, "ids")
        self._made = 0
        self._kinds: dict[Callable[[], dict[str, Any]], int] = {
            self._card: 62,
            self._stripes_card: 12,
            self._payout: 13,
            self._internal: 13,
        }

    def order(self, due: float) -> Order:
        kind = self._draw.choices(list(self._kinds), list(self._kinds.values()))[0]
        again = self._draw.choices(list(_MANNERS), list(_MANNERS.values()))[0]
        return self.make(due, kind(), again)

    def funding(self, customer: str) -> Order:
        body = {
            "kind": "pay_in", "customer": customer, "instrument": STRIPES_OWN, "partner": "stripe",
            "amount": FUNDING,
        }  # fmt: skip
        return self.make(0.0, body, Again.NO)

    def make(self, due: float, body: dict[str, Any], again: Again) -> Order:
        payment_id = self._new_id(ids.PAYMENT)
        content = {"id": payment_id, "currency": CURRENCY, **body}
        return Order(due=due, payment_id=payment_id, key=self._new_id("key"), body=content, again=again)

    def _new_id(self, prefix: str) -> str:
        self._made += 1
        at = self._at + dt.timedelta(milliseconds=self._made)
        return ids.encode(prefix, ids.uuid7(at, self._ids.randbytes))

    def _amount(self, low: int, high: int) -> int:
        return self._draw.randrange(low, high)

    def _card(self) -> dict[str, Any]:
        (card,) = self._draw.choices(list(CARDS), list(CARDS.values()))
        return {
            "kind": "pay_in", "customer": self._shop, "instrument": card, "amount": self._amount(500, 20_000),
        }  # fmt: skip

    def _stripes_card(self) -> dict[str, Any]:
        amount = self._amount(500, 20_000)
        return {"kind": "pay_in", "customer": self._shop, "instrument": STRIPES_OWN, "amount": amount}

    def _payout(self) -> dict[str, Any]:
        (account,) = self._draw.choices(list(ACCOUNTS), list(ACCOUNTS.values()))
        return {
            "kind": "payout", "customer": self._market, "instrument": account,
            "amount": self._amount(100, 9_000),
        }  # fmt: skip

    def _internal(self) -> dict[str, Any]:
        return {
            "kind": "internal", "customer": self._shop, "destination": self._market,
            "amount": self._amount(100, 9_000),
        }  # fmt: skip


def orders(
    seed: int, day: Day, shop: str, market: str, at: dt.datetime
) -> tuple[Sequence[Order], Sequence[Order]]:
    """What comes before the opening, so that there is money to move, and what comes in the day, by time.

    `at` is the time of the ids: callers' own ids must be of today.
    """
    author = _Author(seed, shop, market, at)
    before = [author.funding(customer) for customer in (shop, market)]
    arrivals: random.Random = stream(seed, "arrivals")
    return before, [author.order(due) for due in day.arrivals(arrivals)]
