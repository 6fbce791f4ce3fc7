"""The published rules as a process keeps them: compiled once a version, asked about with each batch."""

from typing import Final

from caudal.rules import store
from caudal.rules.evaluating import NO_RULES, RuleSet
from caudal_base.check import check
from caudal_base.database import Connection

CAPACITY: Final = 1_000


class Directory:
    """The published rules of every book that this process decides for. Belongs to one event loop.

    waiting = await directory.queue(connection, book_id)     # one statement; in a pipeline without waiting
    rule_set = await directory.arrive(waiting)
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        """Keep the rules of `capacity` books at most; the oldest known leave first."""
        self._capacity = capacity
        self._known: dict[int, RuleSet] = {}

    async def queue(self, connection: Connection, book_id: int) -> "Waiting":
        """Ask which rules are published and what is snoozed. A batch goes by what is true as it is asked."""
        known = self._known.get(book_id, NO_RULES)
        return Waiting(book_id, known, await store.queue_published(connection, book_id, known.version))

    async def arrive(self, waiting: "Waiting") -> RuleSet:
        """The published rules; `NO_RULES` where there are none."""
        found = await store.published_of(waiting.cursor)
        if found is None:
            return NO_RULES
        rule_set = waiting.known
        if found.version != rule_set.version:
            rule_set = ready(found)
        elif _numbers(found) == rule_set.snoozes:
            return rule_set
        else:
            rule_set = rule_set.with_snoozes(found.snoozes)
        self._known.pop(waiting.book_id, None)
        self._known[waiting.book_id] = rule_set
        while len(self._known) > self._capacity:
            del self._known[next(iter(self._known))]
        return rule_set

    async def load(self, connection: Connection, book_id: int) -> RuleSet:
        """Both at once."""
        return await self.arrive(await self.queue(connection, book_id))


class Waiting:
    """Rules that were asked for."""

    def __init__(self, book_id: int, known: RuleSet, cursor: store.Cursor) -> None:
        """Made by `Directory.queue`."""
        self.book_id = book_id
        self.known = known
        self.cursor = cursor


def ready(found: store.Published) -> RuleSet:
    """Rules that were read whole, compiled."""
    check(found.rules is not None and found.reads is not None, "rules that are not known are read")
    return RuleSet(found.version, found.rules, found.reads, found.feature_set, found.snoozes)  # type: ignore[arg-type]


def _numbers(found: store.Published) -> int:
    return max((snooze.number for snooze in found.snoozes), default=0)
