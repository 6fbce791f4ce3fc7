"""Features at the moment of a decision: read for a whole batch, and exact within it.

lookup = Lookup(plan, book_id, as_of, asked)
await lookup.queue(connection)          # in a pipeline this does not wait
await lookup.arrive()
vector = lookup.vector(asked[0])        # what is known before it
lookup.add(event)                       # and from here on it is known
statements = lookup.writes()
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final, Generic, NamedTuple, TypeVar
from uuid import UUID

import msgspec

from caudal.features import rules, store
from caudal.features.keeping import Added, Keeping, newest_of
from caudal.features.plan import Asked, Kept, Plan, Planned, bounds_of, own_value
from caudal.features.store import Cursor, SeriesKey
from caudal.features.types import Aggregate, Event, Feature, Kind, Sums, Value
from caudal_base.check import check
from caudal_base.database import Connection
from caudal_base.statements import Statement, execute

_FOREVER: Final = 2**62
_NEVER: Final = dt.datetime.min.replace(tzinfo=dt.UTC)
# Looked up through their class they cost more than what is done with them.
_SUMS, _EXTREMES = Kind.SUMS, Kind.EXTREMES

K = TypeVar("K")
V = TypeVar("V")

Bound = tuple[int, bytes, dt.datetime]
Buckets = tuple[int, bytes, int, int]


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
        self._wanting = [_Wanted.of(planned, as_of) for planned in plan.features if planned.kept.filled]
        self._keys: dict[int, tuple[Asked, dict[int, bytes]]] = {}
        self._events: list[tuple[int, Event]] = []
        self._last: Cursor | None = None
        self._upto = _Asking[Bound, tuple[Sums, dt.datetime | None]]((Sums(), None))
        self._extremes = _Asking[Buckets, tuple[int, int] | None](None)
        self._members = _Asking[Bound, int](0)
        self._seen: dict[tuple[int, bytes, UUID], dt.datetime] = {}
        self._seen_cursor: Cursor | None = None
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
        for kept, kind, after, until, buckets in self._wanting:
            number = kept.number
            key = keys.get(number)
            if key is None:
                continue
            if kind is _SUMS:
                self._upto.want((number, key), (number, key, after))
                if until is not None:
                    self._upto.want((number, key), (number, key, until))
            elif kind is _EXTREMES:
                self._extremes.want((number, key), (number, key, *buckets))
            else:
                self._members.want((number, key), (number, key, after))
                value = rules.member(kept.series, asked.entities, asked.tags)
                if value is not None:
                    self._seen[number, key, value] = _NEVER

    async def queue(self, connection: Connection) -> None:
        """Ask for all of it, in a number of statements that does not depend on how many are asked about."""
        book_id = self._book_id
        self._last = await store.queue_last_ordinal(connection, book_id)
        await self._keeping.queue(connection)
        if bounds := self._upto.wanted:
            self._upto.cursor = await store.queue_upto(connection, book_id, bounds)
        if buckets := self._extremes.wanted:
            self._extremes.cursor = await store.queue_extremes(connection, book_id, buckets)
        if afters := self._members.wanted:
            most = rules.MOST_DISTINCT
            self._members.cursor = await store.queue_members(connection, book_id, afters, most)
        if self._seen:
            self._seen_cursor = await store.queue_last_seen(connection, book_id, list(self._seen))

    async def arrive(self) -> None:
        """Read the answers."""
        if self._last is not None:
            row = await self._last.fetchone()
            self.last_ordinal = 0 if row is None else row[0]
        await self._keeping.arrive()
        if self._upto.cursor is not None:
            wanted = self._upto.wanted
            for found in await store.upto_of(self._upto.cursor):
                self._add_upto(wanted[found.probe], found.sums, found.event_at)
        if self._extremes.cursor is not None:
            buckets = self._extremes.wanted
            for n, least, greatest in await self._extremes.cursor.fetchall():
                self._extremes.found[buckets[n - 1]] = (least, greatest)
        if self._members.cursor is not None:
            afters = self._members.wanted
            for n, count in await self._members.cursor.fetchall():
                self._members.found[afters[n - 1]] = count
        if self._seen_cursor is not None:
            for series, key, value, last_at in await self._seen_cursor.fetchall():
                self._seen[series, bytes(key), value] = last_at

    def vector(self, asked: Asked) -> tuple[Value, ...]:
        """The value of each feature of the set, in its order: None where it is missing."""
        keys = self._keys_of(asked)
        newest: dict[int, tuple[Sums, dt.datetime | None]] = {}
        wanting = iter(self._wanting)
        return tuple([
            self._value(planned.feature, next(wanting), keys, newest, asked) if planned.kept.filled else None
            for planned in self._plan.features
        ])  # fmt: skip

    def _value(
        self, feature: Feature, wanted: "_Wanted", keys: Mapping[int, bytes],
        newest: dict[int, tuple[Sums, dt.datetime | None]], asked: Asked,
    ) -> Value:  # fmt: skip
        """`newest` is what was found for other features of the same series."""
        kept, kind, after, until, buckets = wanted
        number = kept.number
        key = keys.get(number)
        if key is None:
            return None
        if kind is _SUMS:
            before = self._upto.found[number, key, after][0]
            if until is not None:
                sums, last = self._upto.found[number, key, until]
            else:
                known = newest.get(number)
                if known is None:
                    known = newest[number] = newest_of(self._keeping.heads.get((number, key), ()))
                sums, last = known
            return rules.value_of(feature, sums.less(before), last, self.as_of, own_value(feature, asked))
        if kind is _EXTREMES:
            found = self._extremes.found[(number, key, *buckets)]
            if found is None:
                return None
            return found[0] if feature.aggregate is Aggregate.MIN else found[1]
        return self._members.found[number, key, after]

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
        for bound in self._upto.by_key[of]:
            if at <= bound[2]:
                self._add_upto(bound, Sums(1, added.value, added.value * added.value), at)
        for buckets in self._extremes.by_key[of]:
            _, _, after, through = buckets
            if after < rules.bucket_of(at, added.kept.series.grain_s) <= through:
                found = self._extremes.found[buckets] or (added.value, added.value)
                self._extremes.found[buckets] = (min(found[0], added.value), max(found[1], added.value))
        if added.member is None:
            return
        seen = (*of, added.member)
        last_at = self._seen.get(seen)
        for bound in self._members.by_key[of]:
            if at > bound[2] and (last_at is None or last_at <= bound[2]):
                self._members.found[bound] = min(self._members.found[bound] + 1, rules.MOST_DISTINCT)
        if last_at is None or at > last_at:
            self._seen[seen] = at

    def _add_upto(self, bound: Bound, sums: Sums, at: dt.datetime) -> None:
        before, newest = self._upto.found[bound]
        self._upto.found[bound] = (before.plus(sums), at if newest is None else max(newest, at))

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


class _Asking(Generic[K, V]):
    """Things that are asked for once each, and what was found."""

    def __init__(self, nothing: V) -> None:
        """`nothing` is what is found where there is nothing."""
        self.found: dict[K, V] = {}
        self.by_key: defaultdict[SeriesKey, list[K]] = defaultdict(list)
        self.cursor: Cursor | None = None
        self._nothing = nothing

    @property
    def wanted(self) -> list[K]:
        """What is asked for, in order."""
        return list(self.found)

    def want(self, of: SeriesKey, what: K) -> None:
        """Ask for it too."""
        if what not in self.found:
            self.found[what] = self._nothing
            self.by_key[of].append(what)


class _Wanted(NamedTuple):
    """What a feature reads, in a batch that has one moment."""

    kept: Kept
    kind: Kind
    after: dt.datetime
    until: dt.datetime | None
    buckets: tuple[int, int]

    @classmethod
    def of(cls, planned: Planned, as_of: dt.datetime) -> "_Wanted":
        """A feature's window, measured from `as_of`."""
        series = planned.kept.series
        after, until = bounds_of(planned, as_of)
        buckets = (0, 0)
        if series.kind is Kind.EXTREMES:
            through = _FOREVER if until is None else rules.bucket_of(until, series.grain_s)
            buckets = (rules.bucket_of(after, series.grain_s), through)
        return cls(planned.kept, series.kind, after, until, buckets)
