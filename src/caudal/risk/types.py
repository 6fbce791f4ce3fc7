"""The words of decisions: lists, their entries, what a customer has moved in a day."""

import datetime as dt
import enum
from typing import Final, NamedTuple

import msgspec

from caudal_base.enums import QuickEnum


class ListKind(enum.Enum):
    """What being on a list means for a payment."""

    BLOCK = "block"
    """Declined."""
    ALLOW = "allow"
    """Not held for being watched. Blocks and limits hold all the same."""
    WATCH = "watch"
    """A person looks at it first."""


class SubjectKind(enum.Enum):
    """What an entry names, of a payment."""

    CUSTOMER = "customer"
    """A customer's id; of payments elsewhere and applications the caller's own."""
    INSTRUMENT = "instrument"
    """The instrument of a payment, or the card token of its context."""
    DEVICE = "device"
    IP = "ip"
    """One address; networks are not understood."""
    COUNTRY = "country"
    """ISO 3166-1 alpha-2: where the payment is made, by its context."""
    MERCHANT = "merchant"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is on a list."""

    list: ListKind
    subject: SubjectKind
    value: str
    reason: str
    created_at: dt.datetime
    created_by: str
    """The actor, as the audit log names it."""
    expires_at: dt.datetime | None = None
    """The first moment at which it no longer counts."""


class AddEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Put something on a list; if it is there, with this reason and expiry from now on."""

    list: ListKind
    subject: SubjectKind
    value: str
    reason: str
    expires_at: dt.datetime | None = None


class RemoveEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Take something off a list."""

    list: ListKind
    subject: SubjectKind
    value: str


class EntryFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries are wanted; None is any."""

    list: ListKind | None = None
    subject: SubjectKind | None = None
    value: str | None = None


class Bucket(NamedTuple):
    """What a limit per day counts together."""

    customer: str
    currency: str
    kind: str
    country: str
    """'' for payments from whatever country, those without one included."""


class Used(NamedTuple):
    """How much a bucket has seen in a day."""

    amount: int = 0
    """Minor units."""
    payments: int = 0


class LabelKind(QuickEnum):
    """What became known of a payment or an application, long after it was decided on."""

    DISPUTE_OPENED = "dispute_opened"
    """The payer says that it was not they who paid: fraud, by the partner's reason."""
    DISPUTE_WON = "dispute_won"
    """By us: the payer had no reason."""
    DISPUTE_LOST = "dispute_lost"
    OTHER_DISPUTE_OPENED = "other_dispute_opened"
    """For another reason (goods, a duplicate), or for none that we know: says nothing of fraud."""
    OTHER_DISPUTE_WON = "other_dispute_won"
    OTHER_DISPUTE_LOST = "other_dispute_lost"
    FRAUD = "fraud"
    """Somebody who has looked into it says so."""
    LEGITIMATE = "legitimate"
    """Somebody who has looked into it says that it was no fraud."""
    REPAID = "repaid"
    DEFAULTED = "defaulted"


BAD: Final = frozenset(
    {LabelKind.DISPUTE_OPENED, LabelKind.DISPUTE_LOST, LabelKind.FRAUD, LabelKind.DEFAULTED}
)
"""What nobody wanted."""


class AddLabel(msgspec.Struct, frozen=True, kw_only=True):
    """Say what has become known."""

    subject: str
    """A payment's id, or the caller's own name of an application that was decided on."""
    kind: LabelKind
    note: str | None = None
    """Why; no personal data."""


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """What became known, and when. Never changes: the newest of a subject counts."""

    subject: str
    kind: LabelKind
    event_at: dt.datetime
    """When that happened which it is about: the payment."""
    known_at: dt.datetime
    source: str
    """A dispute's id, or who said so."""
    note: str | None = None

    @property
    def bad(self) -> bool:
        """Whether it is what nobody wanted."""
        return self.kind in BAD


class Behind(msgspec.Struct, frozen=True, kw_only=True):
    """How far features and labels are behind the events of their book."""

    events: int
    """That have not been read, of whatever type."""
    since: dt.datetime | None
    """When the first of them happened, or since when anything decides, if that is later; None: none waits."""


class Met(NamedTuple):
    """What of lists and limits a payment meets, as codes: `blocked_device`, `limit_per_day`."""

    blocked: tuple[str, ...] = ()
    breached: tuple[str, ...] = ()
    watched: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
