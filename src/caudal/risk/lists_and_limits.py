"""The decision of lists and limits, as payments ask for it (`caudal_base.decide`)."""

import datetime as dt
from collections.abc import Sequence
from typing import Final

from caudal.risk import rules, store
from caudal.risk.rules import Named
from caudal.risk.types import Bucket, ListKind, Met, Used
from caudal_base.check import check
from caudal_base.clock import Clock
from caudal_base.database import Connection
from caudal_base.decide import Decision, Subject, Unmoved, Verdict
from caudal_base.statements import Statement

_DAY: Final = dt.timedelta(days=1)


class ListsAndLimits:
    """Decides by the book's lists and the limits of customers' products. Holds no state."""

    def __init__(self, clock: Clock, *, limits: bool = True) -> None:
        """`clock` is the one that gives batches their time: it says which days may be asked for.

        Without `limits` what was used is not asked for: the payments are of no customers of ours.
        """
        self._clock = clock
        self._limits = limits

    async def begin(self, connection: Connection, book_id: int, subjects: Sequence[Subject]) -> "Batch":
        """Queue two statements: what is on lists, and what was used.

        The limits of `subjects` may not be known yet: whose sums will be asked for is only known later.
        """
        named = {named for subject in subjects for named in rules.named_by(subject)}
        limited = {subject.customer_id for subject in subjects} if self._limits else set()
        entries = await store.queue_entries(connection, book_id, named) if named else None
        used = None
        if limited:
            # The batch's time is taken later, and a clock may be corrected backwards: a day more.
            since = self._clock.now().astimezone(dt.UTC).date() - _DAY
            used = await store.queue_used(connection, book_id, limited, since)
        return Batch(book_id, entries, used)

    def given_back(self, book_id: int, unmoved: Sequence[Unmoved]) -> Sequence[Statement]:
        """One statement that takes off the sums what was counted and has not moved, or puts it on again."""
        return (store.giving_back(book_id, unmoved),)


class Batch:
    """A batch under decision."""

    def __init__(self, book_id: int, entries: store.Cursor | None, used: store.Cursor | None) -> None:
        """Made by `ListsAndLimits.begin`."""
        self._book_id = book_id
        self._entries = entries
        self._used_rows = used
        self._day: dt.date | None = None
        self._lists: dict[Named, list[ListKind]] = {}
        self._used: dict[Bucket, Used] = {}
        self._added: dict[Bucket, Used] = {}

    async def ready(self, now: dt.datetime) -> None:
        """Read what was queued; days are those of UTC, entries that have expired by `now` do not count."""
        self._day = now.astimezone(dt.UTC).date()
        if self._entries is not None:
            for subject, value, number, expires_at in await self._entries.fetchall():
                if rules.counts(expires_at, now):
                    named = (store.SUBJECT_OF[subject], value)
                    self._lists.setdefault(named, []).append(store.LIST_OF[number])
        if self._used_rows is not None:
            self._used = await store.used_on(self._used_rows, self._day)

    def decide(self, subject: Subject) -> Decision:
        """Decide, counting what was recorded before in this batch. See `rules.decide`."""
        return rules.decide(self.met(subject))

    def met(self, subject: Subject) -> Met:
        """Which entries and limits the payment meets, of those that hold now."""
        check(self._day is not None, "a decision before its batch is ready")
        return rules.met_by(subject, self._lists, self._used)

    def recorded(self, subject: Subject, decision: Decision) -> None:
        """Count the payment against the customer's limits per day, unless it was declined."""
        if decision.verdict is Verdict.DECLINE:
            return
        for bucket in rules.buckets_of(subject):
            for sums in (self._used, self._added):
                before = sums.get(bucket, rules.NOTHING_USED)
                sums[bucket] = Used(before.amount + subject.amount, before.payments + 1)

    def writes(self) -> Sequence[Statement]:
        """One statement that adds up what was accepted; none where nobody has a limit per day."""
        if not self._added or self._day is None:
            return ()
        return (store.adding(self._book_id, self._day, self._added),)
