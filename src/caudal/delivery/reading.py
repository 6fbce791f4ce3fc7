"""What an endpoint is given next: what is due again, and what comes next in the book's events."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from caudal import events
from caudal.delivery import rules, store_drives
from caudal.delivery.recording import Ended
from caudal.delivery.tools import Options
from caudal.delivery.types import Endpoint
from caudal.delivery.window import Item, Window
from caudal_base import database

LEAST_AT_HAND: Final = 16
"""Events that an endpoint is given at once before it has answered any."""


class Reader:
    """Reads for one endpoint, from its place in the events on."""

    def __init__(
        self,
        options: Options,
        book_id: int,
        endpoint: Endpoint,
        *,
        through_seq: int,
        tests_only: bool,
    ) -> None:
        """All events up to `through_seq` have been looked at. With `tests_only` no more are."""
        self._tests_only: Final = tests_only
        self._options: Final = options
        self._book_id: Final = book_id
        self._endpoint: Final = endpoint
        self._patterns: Final = rules.patterns(endpoint.types)
        self._least: Final = min(options.at_hand, max(LEAST_AT_HAND, 2 * endpoint.concurrency))
        self.at_hand: int = self._least
        """Events read ahead of the answers, at most. It grows as they arrive: who is dead costs little."""
        self.through: int = through_seq
        """Up to where the events have been read."""
        self.head: int = 0
        """The book's last event, as far as it is known."""

    @property
    def behind(self) -> bool:
        """Whether there are events that have not been looked at."""
        return self.through < self.head and not self._tests_only

    def learn(self, ended: Sequence[Ended]) -> None:
        """So many attempts have ended: read further ahead where they go well, and less where none does."""
        delivered = sum(one.verdict.delivered for one in ended)
        if 4 * delivered >= self.at_hand:
            self.at_hand = min(2 * self.at_hand, self._options.at_hand)
        elif ended and not delivered:
            self.at_hand = self._least

    async def due(
        self, connection: database.Connection, window: Window, ended: Sequence[Ended], now: dt.datetime
    ) -> list[Item]:
        """What is to be tried again, as much as there is room for."""
        taken = _taken(window, ended)
        room = self.at_hand - len(taken)
        if room < self.at_hand // 4:
            return []
        found = await store_drives.due(
            connection,
            self._book_id,
            self._endpoint.id,
            known=taken,
            now=now,
            limit=room,
            tests_only=self._tests_only,
        )
        told = await events.by_seq(connection, self._book_id, [one.seq for one in found])
        by_seq = {event.seq: event for event in told}
        return [
            Item(
                event=by_seq[one.seq],
                body=events.body_of(by_seq[one.seq]),
                attempts=one.attempts,
                tried=one.tried,
                stored=True,
                loaded=True,
            )
            for one in found
        ]

    async def next(
        self, connection: database.Connection, window: Window, ended: Sequence[Ended], due: Sequence[Item]
    ) -> tuple[int, list[Item], list[Item]]:
        """The next events that the endpoint wants, beside those that are `due`, and those of them held up.

        The first is up to where the events have then been read: `through`, once that is certain.

        Of an ordered endpoint those behind one that waits in the database, and is not at hand, are held up:
        they wait there with it.
        """
        taken = len(_taken(window, ended))
        room = self.at_hand - taken - len(due)
        if not self.behind or room <= 0 or self.at_hand - taken < self.at_hand // 4:
            return self.through, [], []
        through = min(self.head, self.through + self._options.span)
        found = await events.matching(
            connection, self._book_id, self._patterns, after=self.through, through=through, limit=room
        )
        through = found[-1].seq if len(found) == room else through
        items = [Item(event=one, body=events.body_of(one)) for one in found if one.type != rules.TEST]
        if not self._endpoint.ordered or not items:
            return through, items, []
        names = sorted({item.event.object_id for item in items})
        # What has arrived meanwhile, and is not written down yet, holds up nothing.
        over = [one.item.event.seq for one in ended if one.verdict.next_at is None]
        busy = await store_drives.busy(
            connection, self._book_id, self._endpoint.id, names, known=[*window.seqs(), *over]
        )
        behind = {name for name in names if UUID(hex=name[-32:]) in busy}
        return (through, *_parted(items, behind))

    def still_first(
        self, items: Sequence[Item], ended: Sequence[Ended]
    ) -> tuple[Sequence[Item], Sequence[Item]]:
        """Of what was just read, that which is not behind one that failed in the meantime; and the rest."""
        if not self._endpoint.ordered:
            return items, []
        return _parted(items, {one.item.event.object_id for one in ended if one.verdict.next_at is not None})


def _taken(window: Window, ended: Sequence[Ended]) -> list[int]:
    return [*window.seqs(), *(one.item.event.seq for one in ended)]


def _parted(items: Iterable[Item], behind: set[str]) -> tuple[list[Item], list[Item]]:
    """Those about none of the objects, and those about them."""
    free: list[Item] = []
    held: list[Item] = []
    for item in items:
        (held if item.event.object_id in behind else free).append(item)
    return free, held
