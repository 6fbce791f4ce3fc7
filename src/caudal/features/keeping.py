"""Series as events are added to them: what is read before, and what is written after."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from caudal.features import rules, store, store_reads
from caudal.features.plan import Kept, Keyed
from caudal.features.store import SumRow
from caudal.features.store_reads import Answers, Head, SeriesKey
from caudal.features.types import Event, Kind, Sums
from caudal_base.database import Connection
from caudal_base.statements import Statement

MAX_RUNS: Final = 4
"""A series has at most so many sequences of events in order; what is late in the last one is put into it."""


class Added(NamedTuple):
    """What an event added to a series."""

    kept: Kept
    key: bytes
    value: int
    """0 where only events are counted."""
    member: UUID | None


class Keeping:
    """Some series of a book, under its lock: their heads, and the rows that new events make."""

    def __init__(self, book_id: int, kept: Iterable[Kept], keyed: Keyed | None = None) -> None:
        """Only series that are filled are kept up; the others wait for the job that fills them.

        `keyed` is theirs, where it is at hand.
        """
        self.heads: dict[SeriesKey, list[Head]] = {}
        self.last_ordinal = 0
        """Of the newest event that was recorded before."""
        self._book_id = book_id
        self._kept = [each for each in kept if each.filled]
        self._keyed = keyed or Keyed(self._kept)
        self._sums = frozenset(each.number for each in self._kept if each.series.kind is Kind.SUMS)
        self._wanted: set[SeriesKey] = set()
        self._crowded: set[SeriesKey] = set()
        """Keys that can begin no further run."""
        self._rows: list[SumRow] = []
        self._late: list[tuple[SumRow, int]] = []
        self._extremes: list[tuple[int, bytes, int, int]] = []
        self._members: list[tuple[int, bytes, UUID, dt.datetime]] = []

    def want(self, entities: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Events with these entities and tags may be added."""
        self.want_keys(self._keyed.of(entities, tags))

    def want_keys(self, keys: Mapping[int, bytes]) -> None:
        """Events with these keys, by series, may be added."""
        sums = self._sums
        self._wanted.update(each for each in keys.items() if each[0] in sums)

    def wanted(self) -> list[SeriesKey]:
        """Whose heads are read before anything is added."""
        return list(self._wanted)

    async def read(self, connection: Connection) -> None:
        """Read the heads of what is wanted, alone."""
        heads = self.wanted()
        cursor = await store_reads.queue_heads(connection, self._book_id, heads)
        self.arrive(await store_reads.answers(cursor, heads))

    def arrive(self, answers: Answers) -> None:
        """Take up what was read."""
        self.last_ordinal, self.heads = answers.last_ordinal, answers.heads
        self._crowded = {of for of, heads in self.heads.items() if len(heads) == MAX_RUNS}

    def add(self, event: Event, ordinal: int) -> list[Added]:
        """Add an event of the past or of now to each series that it belongs to; which they are."""
        found = []
        keys = self._keyed.of(event.entities, event.tags)
        for kept in self._kept:
            key = keys.get(kept.number)
            if key is None or not rules.matches(kept.series.of, event):
                continue
            added = self._added(kept, key, event)
            if added is not None:
                self._keep(added, event, ordinal)
                found.append(added)
        return found

    def in_order(self, event: Event) -> dt.datetime:
        """The moment of the event, or the next one at which it would be late in none of its series.

        It is late where a series can begin no further run, and each that there is goes beyond it.
        """
        moment = event.event_at
        if self._crowded:
            for each in self._keyed.of(event.entities, event.tags).items():
                if each in self._crowded:
                    moment = max(moment, min(head.event_at for head in self.heads[each]))
        return moment

    def _added(self, kept: Kept, key: bytes, event: Event) -> Added | None:
        if kept.series.kind is Kind.MEMBERS:
            value = rules.member(kept.series, event.entities, event.tags)
            return None if value is None else Added(kept, key, 0, value)
        measured = rules.measured(kept.series, event)
        return None if measured is None else Added(kept, key, measured, None)

    def _keep(self, added: Added, event: Event, ordinal: int) -> None:
        number, key = added.kept.number, added.key
        match added.kept.series.kind:
            case Kind.SUMS:
                self._keep_sums(added, event, ordinal)
            case Kind.EXTREMES:
                bucket = rules.bucket_of(event.event_at, added.kept.series.grain_s)
                self._extremes.append((number, key, bucket, added.value))
            case Kind.MEMBERS if added.member is not None:
                self._members.append((number, key, added.member, event.event_at))

    def _keep_sums(self, added: Added, event: Event, ordinal: int) -> None:
        number, key, value = added.kept.number, added.key, added.value
        own = Sums(1, value, value * value)
        heads = self.heads.setdefault((number, key), [])
        run = next((n for n, head in enumerate(heads) if head.event_at <= event.event_at), len(heads))
        if run == MAX_RUNS:
            last = heads[-1]
            heads[-1] = Head(last.event_at, last.sums.plus(own))
            self._late.append((SumRow(number, key, run - 1, event.event_at, ordinal, own), value))
            return
        if run == len(heads):
            heads.append(Head(event.event_at, own))
            if len(heads) == MAX_RUNS:
                self._crowded.add((number, key))
        else:
            heads[run] = Head(event.event_at, heads[run].sums.plus(own))
        self._rows.append(SumRow(number, key, run, event.event_at, ordinal, heads[run].sums))

    def statements(self) -> list[Statement]:
        """What is to be written, in the transaction that has read the heads; late events are not among it."""
        found: list[Statement] = []
        if self._rows or self._late:
            moved = {(row.series, row.key, row.run) for row in (*self._rows, *(row for row, _ in self._late))}
            found.append(store.putting_heads(self._book_id, [self._head_row(*run) for run in sorted(moved)]))
        if self._rows:
            found.append(store.inserting_sums(self._book_id, self._rows))
        if self._extremes:
            found.append(store.putting_extremes(self._book_id, self._extremes))
        if self._members:
            found.append(store.putting_members(self._book_id, self._members))
        return found

    async def write_late(self, connection: Connection) -> None:
        """Put late events into the runs that they are late for, once `statements` have been written."""
        for row, value in self._late:
            await store.insert_late(connection, self._book_id, row, value)

    @property
    def has_late(self) -> bool:
        """Whether `write_late` has anything to do."""
        return bool(self._late)

    def _head_row(self, series: int, key: bytes, run: int) -> SumRow:
        head = self.heads[series, key][run]
        return SumRow(series, key, run, head.event_at, 0, head.sums)


def newest_of(heads: Sequence[Head]) -> tuple[Sums, dt.datetime | None]:
    """All that a key has seen, and when it saw the newest of it."""
    sums, newest = Sums(), None
    for head in heads:
        sums = sums.plus(head.sums)
        newest = head.event_at if newest is None else max(newest, head.event_at)
    return sums, newest
