"""The vocabulary of routing: rules as data, what they are asked, and what is known of partners.

Amounts are integers in minor units of the currency. Every struct is immutable.
"""

import datetime as dt
import enum
from collections.abc import Mapping
from typing import Final

import msgspec

from caudal.connectors import CaptureMode, Direction, ErrorClass, Method


class _Written(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What people write: whatever is not known is refused."""


class Share(_Written, frozen=True, kw_only=True):
    """A partner's part of a split."""

    partner: str
    weight: int
    """In percent; the weights of a split make 100."""


class Hop(_Written, frozen=True, kw_only=True):
    """Where a payment goes: exactly one of these."""

    partner: str | None = None
    route: str | None = None
    """A route of the same rule set, by its name."""
    split: tuple[Share, ...] = ()
    """One of several, by weight. The same payment always gets the same."""


class Route(_Written, frozen=True, kw_only=True):
    """A way that several rules share."""

    to: Hop
    next: tuple[Hop, ...] = ()
    """Where it goes on, in this order, where `to` cannot take it."""


class Conditions(_Written, frozen=True, kw_only=True):
    """What a payment must be for a rule to hold; of a list one must fit, and what is empty holds for all."""

    kind: tuple[Direction, ...] = ()
    method: tuple[Method, ...] = ()
    currency: tuple[str, ...] = ()
    capture: tuple[CaptureMode, ...] = ()
    amount_from: int | None = None
    """In minor units of the one currency that `currency` must then name; so is `amount_to`. Both included."""
    amount_to: int | None = None
    country: tuple[str, ...] = ()
    """Of the payment's context."""
    customer: tuple[str, ...] = ()
    instrument: tuple[str, ...] = ()
    """How the instrument begins: `tok_` for the vault's tokens, `pm_` for Stripe's own."""


class Rule(_Written, frozen=True, kw_only=True):
    """What goes where. The first rule that holds, and of whose partners one can do it, serves a payment."""

    name: str
    when: Conditions = Conditions()
    to: Hop
    next: tuple[Hop, ...] = ()


class Cause(enum.Enum):
    """Why an attempt to begin a payment did not come to anything."""

    HARD_DECLINE = "hard_decline"
    """Never again with this instrument."""
    SOFT_DECLINE = "soft_decline"
    """Perhaps later or elsewhere."""
    INVALID = "invalid"
    """The partner holds the call itself to be wrong."""
    CONFLICT = "conflict"
    RATE_LIMITED = "rate_limited"
    """Not carried out: the partner's limit, or ours for it, is reached."""
    NOT_SENT = "not_sent"
    """Never reached the partner: its breaker is open, it does not take our key, no connection came about."""
    UNAVAILABLE = "unavailable"
    """The partner says that it did nothing, and cannot now."""
    CREDENTIALS = "credentials"


CAUSES: Final[Mapping[str, Cause]] = {each.value: Cause(each.value) for each in ErrorClass}
"""By the class of a partner's error."""


class Then(enum.Enum):
    """What follows upon an attempt that came to nothing."""

    NEVER = "never"
    """That was it."""
    LATER = "later"
    """Once more at the same partner, after a while; a call that was limited, after what the partner said."""
    ELSEWHERE = "elsewhere"
    """At the next partner of the route, at once."""


class Retry(_Written, frozen=True, kw_only=True):
    """A row of the table of retries. The first row that fits counts, before those that always stand."""

    cause: Cause
    then: Then
    partner: str | None = None
    """None is each of them."""
    codes: tuple[str, ...] = ()
    """Only these codes of the partner's errors; none is all."""
    wait_s: int = 0
    """With `later`: for how long."""
    times: int = 1
    """How often one payment is tried again for this cause."""


class Rules(_Written, frozen=True, kw_only=True):
    """A rule set, as people write it."""

    rules: tuple[Rule, ...]
    routes: Mapping[str, Route] = {}
    """Ways that rules and other routes name."""
    retries: tuple[Retry, ...] = ()
    note: str | None = None
    """What it is for, or what it changes."""


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A rule set as it is kept; it never changes. Which one is current, publications say."""

    version: int
    rules: Rules
    created_at: dt.datetime
    created_by: str
    published_at: dt.datetime | None = None
    """When it was last made current; None: never, it is a draft."""
    published_by: str | None = None


class Facts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What rules look at of a payment."""

    payment_id: str
    direction: Direction
    method: Method
    currency: str
    amount: int
    capture: CaptureMode
    customer: str
    country: str | None = None
    instrument: str | None = None


class Chosen(msgspec.Struct, frozen=True, gc=False):
    """By which rule a payment goes, and whom it may go to, the first one first."""

    rule: str
    partners: tuple[str, ...]


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """A partner that was not reached, or would not be called, when a worker last tried."""

    partner: str
    reason: str
    """As `connectors.Why` has it: `breaker_open`, `rate_limited`, `unreachable`, `credentials`."""
    since: dt.datetime
    until: dt.datetime
    """Till then it gets nothing new; after it, some payments try whether it is back."""


class Drain(msgspec.Struct, frozen=True, kw_only=True):
    """A partner that an operator lets run dry: rules send it nothing new."""

    partner: str
    reason: str
    since: dt.datetime
    by: str


class PartnerClock(msgspec.Struct, frozen=True, kw_only=True):
    """How far a partner's clock was ahead of a worker's."""

    partner: str
    ahead_ms: int
    measured_at: dt.datetime


class PartnerHealth(enum.Enum):
    """Whether rules send a partner anything new."""

    UP = "up"
    RECOVERING = "recovering"
    """It was down until a moment ago: some payments try whether it is back."""
    DOWN = "down"
    DRAINING = "draining"


class Conditioned(msgspec.Struct, frozen=True, kw_only=True):
    """A partner's health, with what is behind it."""

    partner: str
    health: PartnerHealth
    outage: Outage | None = None
    drain: Drain | None = None


class Outcome(enum.Enum):
    """What became of an attempt to begin a payment, as it is counted."""

    APPROVED = "approved"
    """Authorised, captured, or sent."""
    SOFT_DECLINE = "soft_decline"
    HARD_DECLINE = "hard_decline"
    FAILED = "failed"
    """Refused for another reason, or never seen by the partner."""
    NOT_SENT = "not_sent"
    """Moved on before it reached the partner."""


class Lane(msgspec.Struct, frozen=True, order=True):
    """What figures are kept by."""

    rule: str
    """Empty: the caller named the partner, or there were no rules."""
    partner: str
    currency: str
    method: str


class Attempted(msgspec.Struct, frozen=True):
    """An attempt that has come to its end."""

    lane: Lane
    outcome: Outcome
    amount: int


class Cost(msgspec.Struct, frozen=True):
    """A partner's fee, and what it was for."""

    lane: Lane
    amount: int
    """Negative: given back."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What has become of the attempts of a lane, and what they have cost."""

    lane: Lane
    counts: Mapping[Outcome, int]
    approved_amount: int
    cost: int
    """The partner's fees, as far as they are known."""

    @property
    def approval_basis_points(self) -> int | None:
        """Of the attempts that the partner has decided on, those that it approved: 10,000 are all of them."""
        decided = sum(count for outcome, count in self.counts.items() if outcome is not Outcome.NOT_SENT)
        return None if decided == 0 else self.counts.get(Outcome.APPROVED, 0) * 10_000 // decided

    @property
    def cost_basis_points(self) -> int | None:
        """The fees as a part of what was approved, in hundredths of a percent; None where nothing was."""
        return None if self.approved_amount == 0 else self.cost * 10_000 // self.approved_amount
