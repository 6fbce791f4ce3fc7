"""What the callers of a run will do, drawn from its seed before anything begins. Pure.

A script is one payment with everything that is asked about it. Each concern has random numbers of its own, so
that a change of one leaves the others as they were.
"""

import datetime as dt
import enum
import random
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from caudal_base import ids


class Action(enum.Enum):
    """What a request asks for; also the last part of its path where it has one."""

    CREATE = "create"
    CAPTURE = "capture"
    INCREMENT = "increment"
    CANCEL = "cancel"
    CONFIRM = "confirm"
    APPROVE = "approve"
    DECLINE = "decline"
    REFUND = "refunds"


class Deed(enum.Enum):
    """What others do at the partner's, told to the sandbox by its control API."""

    AUTHENTICATE = "authenticate"
    """The customer passes 3-D Secure."""
    FAIL_AUTHENTICATION = "fail_authentication"
    DISPUTE = "dispute"
    WIN_DISPUTE = "win_dispute"
    LOSE_DISPUTE = "lose_dispute"
    RETURN = "return"
    """The bank sends the money back."""


class Manner(msgspec.Struct, frozen=True, kw_only=True):
    """How a caller sends a request. Whatever the manner, it repeats it until it has an answer."""

    copies: int = 1
    """Sent at once, on connections of their own."""
    hang_up_after_s: float | None = None
    """The first time it waits no longer than this."""
    back_after_s: float = 0.0
    """How long it stays away then."""
    again: bool = False
    """Asks once more at the end of the run."""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One request, to be answered once."""

    action: Action
    key: str
    body: Mapping[str, Any]
    manner: Manner
    refused: bool = False
    """It must be answered with a 4xx."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What happens once the payment is in one of the states `after`; what is in it happens together."""

    after: frozenset[str]
    asks: tuple[Ask, ...] = ()
    deeds: tuple[Deed, ...] = ()


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """One payment, from its creation to the last that is asked about it."""

    number: int
    shape: str
    payment_id: str
    create: Ask
    steps: tuple[Step, ...] = ()


class Customer(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody whose payments these are."""

    id: str
    product: str
    currencies: tuple[str, ...]


CURRENCIES: Final = ("EUR", "USD")
PRODUCT: Final = "everyday"
WATCHED: Final = "watched"
"""Its payments are approved if nobody has looked at them in time."""
WATCHED_DEVICE: Final = "watched-device"
"""A person looks at what comes from it."""
LIMITED: Final = "limited"
"""Its payments above `LIMITED_ABOVE` are declined, and those that nobody has looked at in time."""
LIMITED_ABOVE: Final = 15_000

CANARY_CARD: Final = "4000056655665556"
"""A card number that callers send where none may stand. It must not be kept anywhere."""

AUTHORISED: Final = frozenset({"authorised"})
SUCCEEDED: Final = frozenset({"succeeded"})
REVIEW: Final = frozenset({"review"})
ACTION: Final = frozenset({"requires_action"})


def stream(seed: int, concern: str) -> random.Random:
    """The random numbers of one concern."""
    return random.Random(f"{seed}|{concern}")  # noqa: S311  # repeatable, and no secret


def customers(seed: int, count: int, at: dt.datetime) -> list[Customer]:
    """Whose payments there are: most have the everyday product. Their ids are of the time `at`."""
    draw = stream(seed, "customers")
    products = [LIMITED, WATCHED, *[PRODUCT] * 6]
    return [
        Customer(
            id=ids.encode(ids.CUSTOMER, ids.uuid7(at + dt.timedelta(milliseconds=number), draw.randbytes)),
            product=products[number % len(products)],
            currencies=CURRENCIES,
        )
        for number in range(count)
    ]


def manner(draw: random.Random) -> Manner:
    """How one request is sent: two thirds of them as one should."""
    again = draw.random() < 0.15
    chance = draw.random()
    if chance < 0.12:
        return Manner(copies=2, again=again)
    if chance < 0.15:
        return Manner(copies=3, again=again)
    if chance < 0.25:
        return Manner(hang_up_after_s=draw.uniform(0.0, 0.08), again=again)
    if chance < 0.30:
        away = draw.uniform(0.3, 2.0)
        return Manner(hang_up_after_s=draw.uniform(0.0, 0.08), back_after_s=away, again=again)
    return Manner(again=again)


class Author:
    """Writes scripts: knows the customers and has the random numbers."""

    def __init__(self, seed: int, people: Sequence[Customer], at: dt.datetime) -> None:
        """`at` is the time of the ids: callers' own ids must be of today."""
        self.people = people
        self._at = at
        self.draw = stream(seed, "scripts")
        self._manners = stream(seed, "manners")
        self._ids = stream(seed, "ids")
        self._made = 0

    def new_id(self, prefix: str) -> str:
        """An id of its own, but for the time the same in each run of the seed."""
        self._made += 1
        at = self._at + dt.timedelta(milliseconds=self._made)
        return ids.encode(prefix, ids.uuid7(at, self._ids.randbytes))

    def ask(self, action: Action, body: Mapping[str, Any] | None = None, *, refused: bool = False) -> Ask:
        """A request with a key of its own."""
        key = self.new_id("key")
        content = dict(body or {})
        if action is Action.REFUND:
            content["metadata"] = {"asked": key}
        return Ask(action=action, key=key, body=content, manner=manner(self._manners), refused=refused)

    def customer(self, product: str = PRODUCT) -> Customer:
        """One of those with the product."""
        return self.draw.choice([person for person in self.people if person.product == product])

    def amount(self, low: int = 200, high: int = 12_000) -> int:
        """Minor units."""
        return self.draw.randrange(low, high)

    def payment(
        self, number: int, shape: str, body: Mapping[str, Any], *steps: Step, product: str = PRODUCT,
        refused: bool = False,
    ) -> Script:  # fmt: skip
        """A script for a payment of some customer."""
        payment_id = self.new_id(ids.PAYMENT)
        content: dict[str, Any] = {
            "id": payment_id,
            "customer": self.customer(product).id,
            "currency": self.draw.choice(CURRENCIES),
            "amount": self.amount(),
            "metadata": {"shape": shape},
            **body,
        }
        if content["kind"] == "internal" and content.get("destination") == content["customer"]:
            others = [person for person in self.people if person.id != content["customer"]]
            content["destination"] = self.draw.choice(others).id
        return Script(
            number=number,
            shape=shape,
            payment_id=payment_id,
            create=self.ask(Action.CREATE, content, refused=refused),
            steps=steps,
        )
