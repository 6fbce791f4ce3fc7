"""What is wrong with the server, its schema, its disk and its clocks, given what was measured: pure."""

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from caudal.doctor.rules import in_words
from caudal.doctor.types import (
    Clocks,
    Connections,
    Disk,
    Finding,
    Index,
    Indexes,
    Settings,
    Severity,
    Slot,
    Table,
    Transaction,
)
from caudal_base.database import OLDEST_SERVER

SKEW_S: Final = 1.0
"""Leases are 60 s, and clocks must agree to a fraction of them (`jobs.Options.lease_s`)."""

HEARD_WITHIN: Final = dt.timedelta(hours=1)
"""What a partner's clock said before says nothing of now."""

SKEW_CRITICAL_S: Final = 30.0
"""Half a lease: two workers may then work on one job. Webhook signatures are refused from 300 s on."""

NEARLY_FULL: Final = 0.8
FULL: Final = 0.95
"""Shares of the connections there may be."""

DISK_WARNING: Final = 0.15
DISK_CRITICAL: Final = 0.05
"""Shares of the disk that are free. PostgreSQL stops when it cannot write its log."""

SLOT_BYTES: Final = 1024**3
"""What an unread replication slot may hold back of the write-ahead log."""

LEAST_DEAD: Final = 50_000
"""Dead rows of fewer a table do not matter."""

DEAD_FACTOR: Final = 4
"""Autovacuum is behind when there are so many times the dead rows at which it would have begun."""

OPEN_AFTER: Final = dt.timedelta(minutes=5)
"""No transaction of Caudal's lasts longer than its statements' time-out, half a minute by default."""

_DANGEROUS: Final[Mapping[str, tuple[str, str]]] = {
    "fsync": ("off", "after a crash of the machine the database may be damaged"),
    "full_page_writes": ("off", "after a crash of the machine the database may be damaged"),
    "synchronous_commit": ("off", "after a crash answers that were given may be untrue"),
    "autovacuum": ("off", "tables grow without end, and in the end the database stops"),
    "track_counts": ("off", "autovacuum does not know what to do"),
}
"""Settings, the value that is wrong, and what comes of it."""

_CREATE_INDEX: Final = re.compile(
    r"create (?P<unique>unique )?index (?P<name>\w+)\s+on (?P<table>\w+\.\w+)[^;]*", re.ASCII
)
_ADD_KEY: Final = re.compile(
    r"alter table (?P<table>\w+\.\w+)\s+add constraint (?P<name>\w+)\s+(?:primary key|unique)[^;]*", re.ASCII
)
_DROP: Final = re.compile(
    r"drop index (?:concurrently )?(?:if exists )?(?P<index>\w+\.\w+)"
    r"|alter table (?P<table>\w+\.\w+)\s+drop constraint (?:if exists )?(?P<name>\w+)",
    re.ASCII,
)
_COMMENT: Final = re.compile(r"--[^\n]*")


def expected_indexes(migrations: Sequence[str]) -> dict[str, Index]:
    """The indexes that these migrations leave behind, by name with schema: read from their text.

    The style of the migrations makes that exact: lower case, constraints named and added apart.
    """
    found: dict[str, Index] = {}
    for migration in migrations:
        for statement in _COMMENT.sub("", migration).split(";"):
            text = " ".join(statement.split())
            if match := _CREATE_INDEX.search(text):
                kind = f"create {match['unique'] or ''}index"
                again = match[0].replace(kind, f"{kind} concurrently", 1)
            elif match := _ADD_KEY.search(text):
                again = match[0]
            else:
                for dropped in _DROP.finditer(text):
                    schema = (dropped["table"] or "").partition(".")[0]
                    found.pop(dropped["index"] or f"{schema}.{dropped['name']}", None)
                continue
            name = f"{match['table'].partition('.')[0]}.{match['name']}"
            found[name] = Index(name=name, table=match["table"], statement=again)
    return found


def indexes(expected: Mapping[str, Index], found: Indexes) -> Iterable[Finding]:
    """Indexes that are not there, or not fit for use."""
    for name, index in expected.items():
        if name in found.invalid:
            yield Finding(
                code="index_invalid",
                severity=Severity.CRITICAL,
                subject=name,
                what=f"this index of {index.table} is not complete, and so is not used",
                remedy=f"reindex index concurrently {name};",
            )
        elif name not in found.valid:
            yield Finding(
                code="index_missing",
                severity=Severity.CRITICAL,
                subject=name,
                what=f"{index.table} lacks an index that the migrations made: it gets slower as it grows, "
                "and what should be unique may not be",
                remedy=f"{index.statement};",
            )


def settings(found: Settings, *, production: bool) -> Iterable[Finding]:
    """The server's version and what it is set to."""
    if found.version < OLDEST_SERVER:
        yield Finding(
            code="server_too_old",
            severity=Severity.CRITICAL,
            what=f"PostgreSQL {found.version} is older than {OLDEST_SERVER}, the oldest that Caudal works on",
            remedy="upgrade the server",
        )
    for name, (wrong, why) in _DANGEROUS.items():
        if found.values.get(name) == wrong:
            yield Finding(
                code="setting_dangerous",
                severity=Severity.CRITICAL,
                subject=name,
                what=f"{name} is {wrong}: {why}",
                remedy=f"alter system set {name} = on; select pg_reload_conf(); (or where else it was set)",
            )
    if production and found.values.get("data_checksums") == "off":
        yield Finding(
            code="no_checksums",
            severity=Severity.NOTICE,
            subject="data_checksums",
            what="data has no checksums: what a disk damages is not noticed",
            remedy="pg_checksums --enable, while the server is stopped",
        )


def clocks(found: Clocks) -> Iterable[Finding]:
    """Clocks that do not agree."""
    apart = abs(found.ahead_s) - found.within_s
    if apart > SKEW_S:
        direction = "ahead of" if found.ahead_s > 0 else "behind"
        yield Finding(
            code="clock_skew",
            severity=Severity.CRITICAL if apart > SKEW_CRITICAL_S else Severity.WARNING,
            subject=found.other,
            what=f"the clock of {found.other} is {abs(found.ahead_s):.1f} s {direction} ours",
            remedy="see that the machines keep time: chronyc tracking, or timedatectl",
        )


def connections(found: Sequence[Connections]) -> Iterable[Finding]:
    """Limits of connections that are nearly reached."""
    for one in found:
        share = one.used / one.limit
        if share >= NEARLY_FULL:
            yield Finding(
                code="connections_nearly_used_up",
                severity=Severity.CRITICAL if share >= FULL else Severity.WARNING,
                subject=one.of,
                what=f"{one.used} of the {one.limit} connections that the {one.of} allows are in use",
                count=one.used,
                remedy="lower CAUDAL_POOL_SIZE, run fewer processes, or raise max_connections of the server "
                "(the limit of the role or database, where that is what is reached)",
            )


def transaction(found: Transaction | None, now: dt.datetime) -> Iterable[Finding]:
    """A transaction that stays open: what is sealed and what is vacuumed ends where it began."""
    if found is not None and now - found.since > OPEN_AFTER:
        prepared = found.pid == 0
        yield Finding(
            code="transaction_open",
            severity=Severity.WARNING,
            subject=f"prepared {found.name}" if prepared else f"{found.pid} {found.name}".strip(),
            what=f"a transaction has been open for {in_words(now - found.since)}: dead rows that it "
            "might see stay, and no audit record since then can be sealed",
            since=found.since,
            remedy=f"rollback prepared '{found.name}';"
            if prepared
            else f"select pg_terminate_backend({found.pid});",
        )


def tables(found: Sequence[Table], now: dt.datetime) -> Iterable[Finding]:
    """Tables that autovacuum has fallen behind on, or does not look after."""
    for one in found:
        if not one.enabled:
            yield Finding(
                code="autovacuum_disabled",
                severity=Severity.WARNING,
                subject=one.name,
                what="autovacuum is switched off for this table",
                remedy=f"alter table {one.name} reset (autovacuum_enabled);",
            )
        if one.dead >= max(LEAST_DEAD, DEAD_FACTOR * one.allowed):
            yield Finding(
                code="vacuum_behind",
                severity=Severity.WARNING,
                subject=one.name,
                what=f"{one.dead:,} dead rows, where autovacuum should begin at {one.allowed:,}"
                + ("" if one.vacuumed_at is None else f"; last done {in_words(now - one.vacuumed_at)} ago"),
                since=one.vacuumed_at,
                count=one.dead,
                remedy=f"vacuum {one.name}; and look for a transaction that stays open",
            )


def frozen(age: int, allowed: int) -> Iterable[Finding]:
    """How near the database is to the end of its transaction ids (2^31; it stops 3 million before)."""
    if age > allowed * 2:
        yield Finding(
            code="freezing_behind",
            severity=Severity.CRITICAL if age > 1_500_000_000 else Severity.WARNING,
            what=f"the oldest transaction id is {age:,} old, and should have been frozen at {allowed:,}: "
            "at two thousand million the database stops",
            count=age,
            remedy="vacuum (freeze, verbose); and look for a transaction or a slot that holds it back",
        )


def slots(found: Sequence[Slot]) -> Iterable[Finding]:
    """Replication slots that nobody reads, or that have lost what they should have read."""
    for one in found:
        if one.lost or (not one.active and one.held_bytes > SLOT_BYTES):
            yield Finding(
                code="slot_lost" if one.lost else "slot_unread",
                severity=Severity.CRITICAL,
                subject=one.name,
                what=(
                    "the server has given up what this replication slot should still read"
                    if one.lost
                    else f"nobody reads this replication slot, and it keeps "
                    f"{one.held_bytes / 1024**3:.1f} GiB of log on the disk"
                ),
                remedy=f"start its reader, or: select pg_drop_replication_slot('{one.name}');",
            )


def disk(found: Disk) -> Iterable[Finding]:
    """A disk that is nearly full."""
    share = found.free / found.total if found.total else 1.0
    if share < DISK_WARNING:
        yield Finding(
            code="disk_nearly_full",
            severity=Severity.CRITICAL if share < DISK_CRITICAL else Severity.WARNING,
            subject=found.path,
            what=f"{found.free / 1024**3:.1f} of {found.total / 1024**3:.1f} GiB are free",
            remedy="make room or add some; caudal db status shows what the database takes",
        )
