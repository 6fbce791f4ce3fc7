"""Features at the moment of a decision: read for a whole batch, and exact within it.

lookup = Lookup(plan, book_id, as_of, asked)
await lookup.queue(connection)          # in a pipeline this does not wait
await lookup.arrive()
vector = lookup.vector(asked[0])        # what is known before it
lookup.add(event)                       # and from here on it is known
statements = lookup.writes()
"""

import datetime as dt
from collections.abc import Sequence
from typing import Final, Generic, NamedTuple, TypeVar
from uuid import UUID

import msgspec

from caudal.features import rules, store, store_reads
from caudal.features.keeping import Added, Keeping, newest_of
from caudal.features.plan import Asked, Kept, Plan, Read, SeriesReads, own_value
from caudal.features.store_reads import Cursor, SeriesKey, Wanted
from caudal.features.types import Aggregate, Event, Kind, Sums, Value
from caudal_base.check import check
from caudal_base.database import Connection
from caudal_base.statements import Statement, execute

V = TypeVar("V")

_FOREVER: Final = 2**62
_NEVER: Final = dt.datetime.min.replace(tzinfo=dt.UTC)
# Looked up through their class they cost more than what is done with them.
_SUMS, _EXTREMES = Kind.SUMS, Kind.EXTREMES

UptoFound = tuple[Sums, dt.datetime | None]
"""What a key had seen up to a bound, and the newest of it."""


class Lookup:
    """What a batch of decisions needs of the past, and what it adds to it.

    Every event that has been recorded before is known, and of the batch's own those that were added.
    """

    def __init__(self, plan: Plan, book_id: int, as_of: dt.datetime, asked: Sequence[Asked]) -> None:
        """`as_of` is the moment that all windows of the batch are measured from."""
        self.as_of = as_of
        self.last_ordinal = 0
        """Of the newest event that is known; rises with what is added."""
        self._plan = plan
        self._book_id = book_id
        self._keeping = Keeping(book_id, plan.filled, plan.keyed)
        self._readers = {reads.kept.number: _Reader.of(reads, as_of) for reads in plan.reads}
        self._keys: dict[int, tuple[Asked, dict[int, bytes]]] = {}
        self._events: list[tuple[int, Event]] = []
        self._sums = _Asking[UptoFound]((Sums(), None))
        self._extremes = _Asking[tuple[int, int] | None](None)
        self._members = _Asking[int](0)
        self._seen: dict[tuple[int, bytes, UUID], dt.datetime] = {}
        self._reading: tuple[Cursor, Wanted] | None = None
        for each in asked:
            self._want(each)

    def _keys_of(self, asked: Asked) -> dict[int, bytes]:
        known = self._keys.get(id(asked))
        if known is None:
            # What is asked about is kept with its keys, so that no other can have its identity meanwhile.
            known = self._keys[id(asked)] = (asked, self._plan.keyed.of(asked.entities, asked.tags))
        return known[1]

    def _want(self, asked: Asked) -> None:
        keys = self._keys_of(asked)
        self._keeping.want_keys(keys)
        for number, reader in self._readers.items():
            key = keys.get(number)
            if key is None:
                continue
            if reader.kind is _SUMS:
                self._sums.want((number, key), len(reader.bounds))
            elif reader.kind is _EXTREMES:
                self._extremes.want((number, key), len(reader.buckets))
            else:
                self._members.want((number, key), len(reader.bounds))
                value = rules.member(reader.kept.series, asked.entities, asked.tags)
                if value is not None:
                    self._seen[number, key, value] = _NEVER

    async def queue(self, connection: Connection) -> None:
        """Ask for all of it, in one statement; in a pipeline this does not wait."""
        readers = self._readers
        wanted = Wanted(
            heads=self._keeping.wanted(),
            upto=[(*of, bound) for of in self._sums.found for bound in readers[of[0]].bounds],
            extremes=[(*of, *each) for of in self._extremes.found for each in readers[of[0]].buckets],
            members=[(*of, bound) for of in self._members.found for bound in readers[of[0]].bounds],
            most=rules.MOST_DISTINCT,
            seen=list(self._seen),
        )
        self._reading = await store_reads.queue(connection, self._book_id, wanted), wanted

    async def arrive(self) -> None:
        """Read the answers."""
        if self._reading is None:
            return
        cursor, wanted = self._reading
        answers = await store_reads.answers(cursor, wanted.heads)
        self._keeping.arrive(answers)
        self.last_ordinal = answers.last_ordinal
        places = self._sums.places()
        for place, event_at, own in answers.upto:
            _add_upto(*places[place], own, event_at)
        for place, least, greatest in answers.extremes:
            self._extremes.put(place, (least, greatest))
        for place, count in answers.members:
            self._members.put(place, count)
        for place, last_at in answers.seen:
            self._seen[wanted.seen[place]] = last_at

    def vector(self, asked: Asked) -> tuple[Value, ...]:
        """The value of each feature of the set, in its order: None where it is missing."""
        keys = self._keys_of(asked)
        found: list[Value] = [None] * len(self._plan.features)
        for number, reader in self._readers.items():
            key = keys.get(number)
            if key is None:
                continue
            of = (number, key)
            if reader.kind is _SUMS:
                self._read_sums(reader, of, asked, found)
            elif reader.kind is _EXTREMES:
                buckets = self._extremes.found[of]
                for place, feature, probe, _ in reader.reads:
                    ends = buckets[probe]
                    if ends is not None:
                        found[place] = ends[0] if feature.aggregate is Aggregate.MIN else ends[1]
            else:
                counts = self._members.found[of]
                for place, _, probe, _ in reader.reads:
                    found[place] = counts[probe]
        return tuple(found)

    def _read_sums(self, reader: "_Reader", of: SeriesKey, asked: Asked, found: list[Value]) -> None:
        upto = self._sums.found[of]
        newest = newest_of(self._keeping.heads.get(of, ()))
        for place, feature, after, until in reader.reads:
            sums, last = newest if until is None else upto[until]
            own = own_value(feature, asked)
            found[place] = rules.value_of(feature, sums.less(upto[after][0]), last, self.as_of, own)

    def add_now(self, event: Event) -> None:
        """It happens at this moment: `add`, and where clocks differ so that it would be late, a little later.

        An event of the future that somebody has recorded must not turn what happens now into something late:
        that takes statements of its own (`write`), and these here go with others.
        """
        moment = self._keeping.in_order(event)
        if moment > event.event_at:
            known_at = max(moment, event.known_at)
            event = msgspec.structs.replace(event, event_at=moment, known_at=known_at)
        self.add(event)

    def add(self, event: Event) -> None:
        """It has happened, and is known from here on."""
        self.last_ordinal += 1
        self._events.append((self.last_ordinal, event))
        for added in self._keeping.add(event, self.last_ordinal):
            self._count(added, event.event_at)

    def _count(self, added: Added, at: dt.datetime) -> None:
        """Have the windows of those behind it in the batch see it."""
        of = (added.kept.number, added.key)
        reader = self._readers.get(of[0])
        if reader is None:
            return
        if reader.kind is _SUMS:
            # What happens now is behind every bound, and heads count it.
            if at <= reader.latest and of in self._sums.found:
                own = Sums(1, added.value, added.value * added.value)
                for probe, bound in enumerate(reader.bounds):
                    if at <= bound:
                        _add_upto(self._sums.found[of], probe, own, at)
        elif reader.kind is _EXTREMES:
            self._count_extremes(reader, of, added, at)
        else:
            self._count_member(reader, of, added, at)

    def _count_extremes(self, reader: "_Reader", of: SeriesKey, added: Added, at: dt.datetime) -> None:
        ends = self._extremes.found.get(of)
        if ends is None:
            return
        bucket, value = rules.bucket_of(at, reader.kept.series.grain_s), added.value
        for probe, (after, through) in enumerate(reader.buckets):
            if after < bucket <= through:
                least, greatest = ends[probe] or (value, value)
                ends[probe] = (min(least, value), max(greatest, value))

    def _count_member(self, reader: "_Reader", of: SeriesKey, added: Added, at: dt.datetime) -> None:
        if added.member is None:
            return
        seen = (*of, added.member)
        last_at = self._seen.get(seen)
        counts = self._members.found.get(of)
        if counts is not None:
            for probe, bound in enumerate(reader.bounds):
                if at > bound and (last_at is None or last_at <= bound):
                    counts[probe] = min(counts[probe] + 1, rules.MOST_DISTINCT)
        if last_at is None or at > last_at:
            self._seen[seen] = at

    def writes(self) -> list[Statement]:
        """What is to be written, in the transaction that reads it, under the book's lock.

        For events of `add_now`; `write` is for those that may be late.
        """
        check(not self._keeping.has_late, "an event of this moment is not late")
        return self._statements()

    async def write(self, connection: Connection) -> None:
        """Write it at once, late events too."""
        if statements := self._statements():
            await execute(connection, statements)
        await self._keeping.write_late(connection)

    def _statements(self) -> list[Statement]:
        if not self._events:
            return []
        return [store.inserting_events(self._book_id, self._events), *self._keeping.statements()]


def _add_upto(found: list[UptoFound], probe: int, sums: Sums, at: dt.datetime) -> None:
    before, newest = found[probe]
    found[probe] = (before.plus(sums), at if newest is None else max(newest, at))


class _Asking(Generic[V]):
    """Keys of series that are asked about once each, and what each probe of them found."""

    def __init__(self, nothing: V) -> None:
        """`nothing` is what is found where there is nothing."""
        self.found: dict[SeriesKey, list[V]] = {}
        self._nothing = nothing
        self._places: list[tuple[list[V], int]] | None = None

    def want(self, of: SeriesKey, probes: int) -> None:
        """Ask about it too, with so many probes."""
        if of not in self.found:
            self.found[of] = [self._nothing] * probes

    def places(self) -> list[tuple[list[V], int]]:
        """Where the answer to each probe goes, in the order in which they were asked."""
        if self._places is None:
            self._places = [(found, probe) for found in self.found.values() for probe in range(len(found))]
        return self._places

    def put(self, place: int, answer: V) -> None:
        """The answer to a probe."""
        found, probe = self.places()[place]
        found[probe] = answer


class _Reader(NamedTuple):
    """What the features of one series read, in a batch that has one moment."""

    kept: Kept
    kind: Kind
    bounds: tuple[dt.datetime, ...]
    """Windows begin or end with them; of extremes there are none."""
    latest: dt.datetime
    buckets: tuple[tuple[int, int], ...]
    """Of extremes: behind the first bucket, through the second."""
    reads: tuple[Read, ...]

    @classmethod
    def of(cls, reads: SeriesReads, as_of: dt.datetime) -> "_Reader":
        """Windows measured from `as_of`."""
        series = reads.kept.series
        bounds = tuple([as_of - before for before in reads.before])
        if series.kind is not Kind.EXTREMES:
            latest = max(bounds, default=_NEVER)
            return cls(reads.kept, series.kind, bounds, latest, (), reads.features)
        numbers = [rules.bucket_of(bound, series.grain_s) for bound in bounds]
        buckets: dict[tuple[int, int], int] = {}
        read = []
        for place, feature, after, until in reads.features:
            ends = (numbers[after], _FOREVER if until is None else numbers[until])
            read.append(Read(place, feature, buckets.setdefault(ends, len(buckets)), None))
        return cls(reads.kept, series.kind, (), _NEVER, tuple(buckets), tuple(read))
