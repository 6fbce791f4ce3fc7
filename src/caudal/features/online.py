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
from collections.abc import Sequence
from typing import Final, Generic, TypeVar
from uuid import UUID

import msgspec

from caudal.features import rules, store
from caudal.features.keeping import Added, Keeping, newest_of
from caudal.features.plan import Asked, Kept, Plan, Planned, bounds_of, own_value
from caudal.features.store import Cursor, SeriesKey
from caudal.features.types import Aggregate, Event, Kind, Sums, Value
from caudal_base.check import check
from caudal_base.database import Connection
from caudal_base.statements import Statement, execute

_FOREVER: Final = 2**62

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
        self._keeping = Keeping(book_id, plan.kept)
        self._events: list[tuple[int, Event]] = []
        self._last: Cursor | None = None
        self._upto = _Asking[Bound, tuple[Sums, dt.datetime | None]]((Sums(), None))
        self._extremes = _Asking[Buckets, tuple[int, int] | None](None)
        self._members = _Asking[Bound, int](0)
        self._seen: dict[tuple[int, bytes, UUID], dt.datetime] = {}
        self._seen_cursor: Cursor | None = None
        for each in asked:
            self._want(each)

    def _want(self, asked: Asked) -> None:
        self._keeping.want(asked.entities, asked.tags)
        for planned in self._plan.features:
            kept = planned.kept
            key = rules.key_of(kept.series, asked.entities, asked.tags)
            if key is None or not kept.filled:
                continue
            after, until = bounds_of(planned, self.as_of)
            match kept.series.kind:
                case Kind.SUMS:
                    for moment in (after, until):
                        if moment is not None:
                            self._upto.want((kept.number, key), (kept.number, key, moment))
                case Kind.EXTREMES:
                    self._extremes.want((kept.number, key), _buckets(kept, key, after, until))
                case Kind.MEMBERS:
                    self._members.want((kept.number, key), (kept.number, key, after))
                    value = rules.member(kept.series, asked.entities, asked.tags)
                    if value is not None:
                        self._seen[kept.number, key, value] = dt.datetime.min.replace(tzinfo=dt.UTC)

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
        return tuple([self._value(planned, asked) for planned in self._plan.features])

    def _value(self, planned: Planned, asked: Asked) -> Value:
        kept, feature = planned.kept, planned.feature
        key = rules.key_of(kept.series, asked.entities, asked.tags)
        if key is None or not kept.filled:
            return None
        after, until = bounds_of(planned, self.as_of)
        match kept.series.kind:
            case Kind.EXTREMES:
                found = self._extremes.found[_buckets(kept, key, after, until)]
                if found is None:
                    return None
                return found[0] if feature.aggregate is Aggregate.MIN else found[1]
            case Kind.MEMBERS:
                return self._members.found[kept.number, key, after]
            case Kind.SUMS:
                before = self._upto.found[kept.number, key, after][0]
                if until is None:
                    sums, last = newest_of(self._keeping.heads.get((kept.number, key), ()))
                else:
                    sums, last = self._upto.found[kept.number, key, until]
                own = own_value(feature, asked)
                return rules.value_of(feature, sums.less(before), last, self.as_of, own)

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


def _buckets(kept: Kept, key: bytes, after: dt.datetime, until: dt.datetime | None) -> Buckets:
    grain_s = kept.series.grain_s
    through = _FOREVER if until is None else rules.bucket_of(until, grain_s)
    return kept.number, key, rules.bucket_of(after, grain_s), through
