"""The decision on payments, as a protocol: payments ask, whatever decides stands elsewhere.

It is asked inside the transaction that records the payments, once for a whole batch: `begin` queues what is
to be read in the caller's pipeline; then each subject is decided in order, without I/O, and what went through
counts for those behind it; at the end `writes` says what is to be written with the payments.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Protocol

import msgspec

from caudal_base.database import Connection
from caudal_base.enums import QuickEnum
from caudal_base.statements import Statement


class Verdict(QuickEnum):
    """What becomes of a payment."""

    APPROVE = "approve"
    CHALLENGE = "challenge"
    """It goes on, and the customer is to authenticate at the partner: only cards, where the partner can."""
    REVIEW = "review"
    """A person looks at it first."""
    DECLINE = "decline"


class Context(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Where a payment comes from, for decisions. Tokens and codes only, no personal data."""

    device: str | None = None
    """The caller's own id of the customer's device."""
    ip: str | None = None
    """The customer's network address."""
    merchant: str | None = None
    card_token: str | None = None
    """A vault token (`tok_…`) of the card."""
    country: str | None = None
    """ISO 3166-1 alpha-2: where the payment is made."""


class Limit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A bound on a customer's payments in one currency, in minor units; None is no bound."""

    currency: str
    kind: str | None = None
    """`pay_in`, `payout` or `internal`; None is each of them for itself."""
    country: str | None = None
    """Only payments from this country (of the context); None is whatever country."""
    per_payment: int | None = None
    per_day: int | None = None
    """Sum of a UTC day."""


class Subject(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A payment to be decided on."""

    payment_id: str
    kind: str
    customer_id: str
    amount: int
    currency: str
    method: str | None
    partner: str | None
    instrument: str | None
    context: Context | None
    limits: tuple[Limit, ...]
    """Those of the customer's product."""
    authenticates: bool = False
    """The partner can make the customer authenticate: where it cannot, nothing is challenged."""


class Decision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What was decided, and why."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    """Stable codes, the weightiest first: `blocked_customer`, `limit_per_day`."""
    id: str | None = None
    """Of the record that is kept of it (`dec_…`); None: nothing had to be kept."""


APPROVED = Decision(verdict=Verdict.APPROVE)


class Unmoved(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a payment was counted for against limits per day, and has ended without moving.

    Negative: it had not moved when the payment ended, and has moved after all.
    """

    customer_id: str
    kind: str
    currency: str
    country: str | None
    """Of the payment's context."""
    day: dt.date
    """The day, of UTC, for which it was counted."""
    amount: int
    """In minor units: all of the payment's, or what is left of it once parts were captured."""
    payments: int
    """1: nothing of it has moved; -1: that was so, and is no longer; 0: a part has moved, before as now."""


class Pending(Protocol):
    """A batch under decision: what `begin` asked for is on its way, or has arrived."""

    async def ready(self, now: dt.datetime) -> None:
        """Read the answers to what `begin` queued. `now` is the batch's time."""

    def decide(self, subject: Subject) -> Decision:
        """Decide on one subject. No I/O; the same loaded state and subjects give the same decisions."""

    def recorded(self, subject: Subject, decision: Decision) -> None:
        """The payment exists, with what was decided: those behind it see it from here on.

        Unless it was declined it counts against limits. A payment that was decided on and then refused for
        another reason, for want of funds perhaps, is never recorded.
        """

    def writes(self) -> Sequence[Statement]:
        """What is to be written in the same transaction: all of them statements on tables of its own."""


class Decide(Protocol):
    """Decides on payments."""

    async def begin(self, connection: Connection, book_id: int, subjects: Sequence[Subject]) -> Pending:
        """Queue the reading of what the decisions need. In a pipeline this does not wait."""

    def given_back(self, book_id: int, unmoved: Sequence[Unmoved]) -> Sequence[Statement]:
        """What is to be written, in the same transaction, so that these count no longer or again, once."""


class ApproveAll:
    """Approves everything: for tests, and where nobody decides."""

    async def begin(self, connection: Connection, book_id: int, subjects: Sequence[Subject]) -> "ApproveAll":
        """Nothing to read."""
        return self

    def given_back(self, book_id: int, unmoved: Sequence[Unmoved]) -> Sequence[Statement]:
        """Nothing was counted."""
        return ()

    async def ready(self, now: dt.datetime) -> None:
        """Nothing was asked."""

    def decide(self, subject: Subject) -> Decision:
        """Approve."""
        return APPROVED

    def recorded(self, subject: Subject, decision: Decision) -> None:
        """Nothing is counted."""

    def writes(self) -> Sequence[Statement]:
        """Nothing."""
        return ()
