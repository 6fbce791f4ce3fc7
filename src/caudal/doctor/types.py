"""The words of the doctor's room: what was measured, and what is found in it."""

import datetime as dt
import enum

import msgspec

MANY = 1_000
"""What is counted is counted up to here and no further, so that looking costs the same on a bad day."""


class Severity(enum.Enum):
    """How soon somebody should do something."""

    CRITICAL = "critical"
    """Now: it does not work, or data or money are at risk."""
    WARNING = "warning"
    """Today: it works, and will not for long or not for all."""
    NOTICE = "notice"
    """Worth knowing. Nothing need be done."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, and what mends it."""

    code: str
    """Stable, for programs: `jobs_dead`."""
    severity: Severity
    subject: str | None = None
    """What it is found on: a book's queue, a partner, an index."""
    what: str
    """What is wrong, in words. No personal data, no secrets."""
    since: dt.datetime | None = None
    """Since when, as far as that is known."""
    count: int | None = None
    """How many; `MANY` and one more stands for more than `MANY`."""
    remedy: str
    """What to do: a command where there is one."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Things of one sort in one book: how many (see `MANY`), and since when there has been the first."""

    book: str
    name: str
    """The queue, the partner or the endpoint that they belong to."""
    count: int
    oldest: dt.datetime


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What of a book's work does not get on."""

    dead: tuple[Group, ...] = ()
    """Jobs that gave up, by kind."""
    overdue: tuple[Group, ...] = ()
    """Jobs that should have begun, by queue; `oldest` is when the first was due."""
    periodic_at: dt.datetime | None = None
    """When a worker last began periodic work."""
    opened_at: dt.datetime | None = None
    """When the book was made; before a worker can have begun anything in it."""


class Open(msgspec.Struct, frozen=True, kw_only=True):
    """A book's attempts at partners without an outcome, by partner."""

    unknown: tuple[Group, ...] = ()
    """Asked about, or to be asked about."""
    begun: tuple[Group, ...] = ()
    """Due to be called, or called by a worker that has said nothing since."""
    asked: tuple[Group, ...] = ()
    """A person has been asked how they ended."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint for webhooks that is not delivered to as it should be."""

    book: str
    id: str
    disabled: str | None
    """Why it is disabled, if it is: `gone` or `failing`."""
    since: dt.datetime
    behind: bool = False
    """Whether so much waits for it that it gets nothing new, though it is enabled."""


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """A partner that is not called in a book, and why."""

    book: str
    partner: str
    reason: str
    since: dt.datetime
    drained: bool
    """Whether an operator asked for it."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a server is set to, by the names of its settings, and its major version."""

    version: int
    values: dict[str, str]


class Connections(msgspec.Struct, frozen=True, kw_only=True):
    """How many connections there are, and how many there may be; the lowest limit counts."""

    used: int
    limit: int
    of: str
    """Whose limit it is: `server`, `database` or `role`."""


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """The oldest transaction that is open in the database."""

    pid: int
    """Its backend; 0 for a prepared transaction, which has none."""
    name: str
    """The application, or the prepared transaction's id."""
    since: dt.datetime


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table's dead rows against what autovacuum lets stand."""

    name: str
    dead: int
    allowed: int
    """When autovacuum would begin."""
    vacuumed_at: dt.datetime | None
    enabled: bool


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """An index that the migrations make: its name with its schema, its table, and how it is made again."""

    name: str
    table: str
    statement: str


class Indexes(msgspec.Struct, frozen=True, kw_only=True):
    """The indexes that a database has: valid ones and others, by name with schema."""

    valid: frozenset[str]
    invalid: frozenset[str]


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """A replication slot: how much WAL it holds back, in bytes, and whether anybody reads it."""

    name: str
    active: bool
    held_bytes: int
    lost: bool


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """A file system, in bytes."""

    path: str
    total: int
    free: int


class Clocks(msgspec.Struct, frozen=True, kw_only=True):
    """Two clocks read at once: how far the other is ahead of ours, give or take `within_s`."""

    other: str
    ahead_s: float
    within_s: float
