"""The log of deliveries: what was sent, what came back; and sending it again. Opens and commits nothing."""

import datetime as dt
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from caudal import events
from caudal.delivery import rules, store, store_drives, store_log
from caudal.delivery.errors import DeliveryNotFound, EndpointNotFound
from caudal.delivery.types import Attempt, Delivery, DeliveryFilter, Endpoint, Replayed
from caudal.events import Event
from caudal_base import ids
from caudal_base.check import check
from caudal_base.clock import Clock
from caudal_base.database import Connection
from caudal_base.errors import InvalidRequest

MAX_PAGE: Final = 1_000

REPLAY_LOT: Final = 1_000
"""Deliveries set going by one replay; the answer says where the next one goes on."""


class DeliveryLog:
    """What became of deliveries."""

    def __init__(self, clock: Clock) -> None:
        """Keeps nothing."""
        self._clock = clock

    async def find(
        self,
        connection: Connection,
        book_id: int,
        endpoint_id: UUID,
        wanted: DeliveryFilter = DeliveryFilter(),  # noqa: B008  # frozen
        *,
        limit: int = 100,
    ) -> list[Delivery]:
        """Deliveries to an endpoint, those of the latest events first. Raises `EndpointNotFound`."""
        check(1 <= limit <= MAX_PAGE, "a page has 1 to 1,000 deliveries")
        await self._endpoint(connection, book_id, endpoint_id)
        return await store_log.find(
            connection, book_id, endpoint_id, state=wanted.state, type=wanted.type, before=wanted.before,
            limit=limit,
        )  # fmt: skip

    async def read(
        self, connection: Connection, book_id: int, endpoint_id: UUID, event_id: UUID
    ) -> tuple[Delivery, Event, list[Attempt]]:
        """A delivery with the event, whose `events.body_of` is what was sent, and with all attempts.

        Raises `EndpointNotFound`, `EventNotFound`, `DeliveryNotFound`.
        """
        await self._endpoint(connection, book_id, endpoint_id)
        event = await events.get(connection, book_id, event_id)
        found = await store_log.get(connection, book_id, endpoint_id, event.seq)
        if found is None:
            raise DeliveryNotFound(
                "nothing is kept of a delivery of this event to this endpoint", field="event"
            )
        return found, event, await store_log.attempts(connection, book_id, endpoint_id, event.seq)

    async def replay_events(
        self, connection: Connection, book_id: int, endpoint_id: UUID, event_ids: Sequence[UUID]
    ) -> Replayed:
        """Send events again, or for the first time, whatever the endpoint filters.

        Raises `EventNotFound`, `EndpointNotFound`.
        """
        check(len(event_ids) <= REPLAY_LOT, "too many events in one replay")
        endpoint = await self._endpoint(connection, book_id, endpoint_id)
        found = [await events.get(connection, book_id, id) for id in dict.fromkeys(event_ids)]
        await self._replay(connection, book_id, endpoint, found)
        return Replayed(len(found), None)

    async def replay_range(
        self,
        connection: Connection,
        book_id: int,
        endpoint_id: UUID,
        *,
        since: dt.datetime | None = None,
        until: dt.datetime | None = None,
        failed_only: bool = False,
        after: int = 0,
    ) -> Replayed:
        """Send again what was recorded from `since` on and before `until`, as far as it has been looked at.

        What the endpoint wants now, or of that only what was given up. A lot at a time: go on with
        `next_after` as `after`. Raises `EndpointNotFound`, `InvalidRequest`.
        """
        if since is not None and until is not None and since >= until:
            raise InvalidRequest("the time begins before it ends", field="until")
        endpoint = await self._endpoint(connection, book_id, endpoint_id)
        if since is not None:
            after = max(after, await events.seq_before(connection, book_id, since))
        through = endpoint.delivered_through
        if until is not None:
            through = min(through, await events.seq_before(connection, book_id, until))
        if failed_only:
            seqs = await store_log.failed(
                connection, book_id, endpoint_id, after=after, through=through, limit=REPLAY_LOT
            )
            found = await events.by_seq(connection, book_id, seqs)
        else:
            patterns = rules.patterns(endpoint.types)
            found = await events.matching(
                connection, book_id, patterns, after=after, through=through, limit=REPLAY_LOT
            )
        full = len(found) == REPLAY_LOT
        next_after = found[-1].seq if full else None
        again = [event for event in found if event.type != rules.TEST]
        await self._replay(connection, book_id, endpoint, again)
        return Replayed(len(again), next_after)

    async def _replay(
        self, connection: Connection, book_id: int, endpoint: Endpoint, found: Sequence[Event]
    ) -> None:
        if not found:
            return
        now = self._clock.now()
        again = [(one.seq, one.id, one.type, one.object_type, one.object_id) for one in found]
        await store_log.replay(connection, book_id, endpoint.id, again, ordered=endpoint.ordered, now=now)
        await store_drives.uncount(connection, book_id, endpoint.id)
        if endpoint.ordered:
            objects = sorted({event.object_id for event in found})
            await store_drives.promote(connection, book_id, endpoint.id, objects, now=now)

    async def _endpoint(self, connection: Connection, book_id: int, id: UUID) -> Endpoint:
        found = await store.get(connection, book_id, id, now=self._clock.now())
        if found is None:
            raise EndpointNotFound(f"no webhook endpoint {ids.encode(ids.ENDPOINT, id)}", field="id")
        return found
