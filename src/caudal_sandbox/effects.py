"""The book of effects: what really happened to money at each partner, to be compared with ours.

Balances are sums of `delta`: positive is to the merchant's credit at the partner. An attempt counts by the
effects that it caused itself (not those that follow from them: fees, disputes, returns): more than one is a
double effect.
"""

import enum
from collections import Counter
from typing import Any

import msgspec

from caudal_sandbox.clock import Clock
from caudal_sandbox.store import Store, Table


class Kind(enum.Enum):
    """What happened."""

    CHARGE = "charge"
    """Money was taken from a payer and credited, authorisation and capture in one."""
    AUTHORISATION = "authorisation"
    """Reserved on a card; no money yet."""
    INCREMENT = "increment"
    CANCEL = "cancel"
    CAPTURE = "capture"
    REFUND = "refund"
    REFUND_FAILURE = "refund_failure"
    """A refund came back."""
    DISPUTE = "dispute"
    DISPUTE_REVERSAL = "dispute_reversal"
    PAYOUT_OUT = "payout_out"
    """A credit transfer to somebody."""
    DEBIT_IN = "debit_in"
    """A direct debit was collected."""
    RETURN = "return"
    """A transfer or a direct debit came back."""
    FEE = "fee"
    SETTLEMENT = "settlement"
    """Paid out to the merchant's bank account."""


CAUSED_BY_ATTEMPTS = frozenset(
    {
        Kind.CHARGE,
        Kind.AUTHORISATION,
        Kind.INCREMENT,
        Kind.CANCEL,
        Kind.CAPTURE,
        Kind.REFUND,
        Kind.PAYOUT_OUT,
        Kind.DEBIT_IN,
    }
)


class Effect(msgspec.Struct, frozen=True, kw_only=True, rename={"id": "entry", "object_id": "id"}):
    """One thing that happened."""

    id: str
    """Of this entry; entries sort by it. Outside it is called `entry`, and the object's id `id`."""
    partner: str
    kind: Kind
    object_id: str
    """The partner's id of what it happened to."""
    parent_id: str | None
    """The partner's id of the payment behind it."""
    attempt_id: str | None
    amount: int
    """Never negative, in minor units."""
    delta: int
    """What it did to the balance at the partner."""
    currency: str
    """In small letters."""
    at: int


class Effects:
    """The book. Entries are added and never changed."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._entries: Table[Effect] = store.table("effect", Effect)
        self._clock = clock

    def add(
        self,
        partner: str,
        kind: Kind,
        object_id: str,
        *,
        amount: int,
        delta: int,
        currency: str,
        attempt_id: str | None = None,
        parent_id: str | None = None,
    ) -> None:
        """Note that something happened now."""
        self._entries.put(
            Effect(
                id=f"eff_{len(self._entries) + 1:010d}",
                partner=partner,
                kind=kind,
                object_id=object_id,
                parent_id=parent_id,
                attempt_id=attempt_id,
                amount=amount,
                delta=delta,
                currency=currency.lower(),
                at=self._clock.at(),
            )
        )

    def book(self, partner: str | None = None) -> dict[str, Any]:
        """The entries of `partner`, or all, with balances and effects per attempt."""
        entries = [entry for entry in self._entries if partner in (None, entry.partner)]
        balances: dict[str, Counter[str]] = {}
        attempts: Counter[str] = Counter()
        for entry in entries:
            balances.setdefault(entry.partner, Counter())[entry.currency] += entry.delta
            if entry.attempt_id is not None and entry.kind in CAUSED_BY_ATTEMPTS:
                attempts[entry.attempt_id] += 1
        return {"effects": entries, "balances": balances, "attempts": attempts}
