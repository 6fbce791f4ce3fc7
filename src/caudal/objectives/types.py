"""The words of the objectives room: what is promised, what was counted, how fast a budget burns."""

import datetime as dt
import enum
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from caudal_base.enums import QuickEnum


class Indicator(QuickEnum):
    """What is counted: of so many, how many were bad."""

    PAYMENTS_ACCEPTED = "payments_accepted"
    """Requests for payments and payouts. Bad: answered with a 5xx, those included that were shed."""
    ACCEPT_LATENCY = "accept_latency"
    """Payments and payouts that were taken (2xx). Bad: answered later than `within_ms`."""
    LEDGER_READS = "ledger_reads"
    """Reads of accounts, balances, entries, statements, transfers, transactions. Bad: a 5xx."""
    PAYMENT_ENDS = "payment_ends"
    """Payments given to a partner. Bad: still `processing` after `within_ms`."""
    WEBHOOK_IN_APPLIED = "webhook_in_applied"
    """Partners' webhooks. Bad: not applied `within_ms` after they came."""
    WEBHOOK_DELIVERED = "webhook_delivered"
    """Events for endpoints that work. Bad: not tried `within_ms` after they were told. What an endpoint
    refuses, is slow at or asked to be spared is its own."""
    ATTEMPT_KNOWN = "attempt_known"
    """Minutes. Bad: a call to a partner has been without an outcome for longer than `within_ms`, and nobody
    has been asked about it."""


class Severity(enum.Enum):
    """How soon somebody should look."""

    TICKET = "ticket"
    """In the next days: the budget would not last."""
    PAGE = "page"
    """Now: the budget is going in hours or days."""


class Objective(msgspec.Struct, frozen=True, kw_only=True):
    """What is promised of an indicator."""

    name: str
    indicator: Indicator
    within_ms: int = 0
    """What counts as in time, of the indicators that know a time; 0 for the others."""
    target_basis_points: int
    """Of all that is counted, the share that must not be bad: 9990 is 99.9 %."""
    window_days: int = 28
    """Over how long the promise holds, and its budget: whole weeks have the same weekends."""
    least_bad: int = 10
    """Nobody is told while fewer were bad: of ten requests in a quiet hour one is a tenth, and no news."""
    enabled: bool = True
    """Whether it is watched."""


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """An objective as it was set. Never changes."""

    number: int
    """1, 2, 3, …; 0 is what comes with the program."""
    objective: Objective
    created_at: dt.datetime | None = None
    created_by: str | None = None


class Measure(NamedTuple):
    """What counts are kept of: objectives with the same measure share them."""

    indicator: Indicator
    within_ms: int


class Counts(NamedTuple):
    """How many were counted, and how many of them were bad."""

    total: int
    bad: int


class BurnRule(NamedTuple):
    """When somebody is told: over both windows the budget burns at `tenths` / 10 or faster.

    At a rate of 1 the budget is used up exactly at the end of the objective's window.
    """

    severity: Severity
    tenths: int
    long: dt.timedelta
    """Long enough that it matters."""
    short: dt.timedelta
    """A twelfth of it: that it still goes on, so that the alert ends soon after its cause."""

    @property
    def rate(self) -> float:
        """How many times as fast as the budget allows."""
        return self.tenths / 10


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How an objective stands, as it was last evaluated."""

    evaluated_at: dt.datetime
    total: int
    """Counted in the objective's window."""
    bad: int
    budget_left_basis_points: int
    """Of the window's budget: 10,000 is untouched, 0 used up; below 0 the promise is broken."""
    burn_rates: Mapping[str, float]
    """By window (`5m`, `30m`, `1h`, `6h`, `3d`), rounded to hundredths."""
    severity: Severity | None = None
    """Of the alert that is open."""
    since: dt.datetime | None = None
    """When it was opened, or last changed its severity."""
    demanded_at: dt.datetime | None = None
    """When a rule last asked for this severity or a higher one."""


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """An objective of a book with how it stands."""

    id: str
    """External, such as `obj_…`."""
    version: Version
    standing: Standing | None = None
    """None: it has not been evaluated yet, or is not watched."""

    @property
    def severity(self) -> Severity | None:
        """Of the alert that is open."""
        return None if self.standing is None else self.standing.severity
