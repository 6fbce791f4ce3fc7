"""What is done with endpoints. Nothing here opens or commits a transaction.

Every change holds the book's lock, under which it is told as an event; so changes of one endpoint have an
order. Whoever calls writes the audit record.
"""

import asyncio
import datetime as dt
from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

import msgspec

from caudal import events
from caudal.delivery import rules, signing, store, store_drives, store_records
from caudal.delivery.addresses import Policy, Resolve, checked, system_resolve
from caudal.delivery.errors import (
    EndpointNotFound,
    EndpointStateConflict,
    TooManyEndpoints,
    TooManySecrets,
)
from caudal.delivery.log import DeliveryLog
from caudal.delivery.tools import Signers
from caudal.delivery.types import (
    MAX_OVERLAP,
    MAX_SECRETS,
    Change,
    DisableReason,
    Endpoint,
    EndpointStatus,
    Issued,
    NewEndpoint,
    Signature,
)
from caudal.events import NewEvent
from caudal.ledger import Ledger
from caudal_base import ids
from caudal_base.check import check
from caudal_base.clock import Clock
from caudal_base.database import Connection
from caudal_base.errors import InvalidRequest
from caudal_base.ids import IdSource
from caudal_base.sealing import Sealing

MAX_ENDPOINTS: Final = 100
"""Of a book."""

MAX_PAGE: Final = 1_000

_LOOK_UP_S: Final = 2.0


class Endpoints:
    """Makes and changes endpoints."""

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        new_ids: IdSource,
        sealing: Sealing,
        policy: Policy,
        resolve: Resolve = system_resolve,
        types: Collection[str] = (),
    ) -> None:
        """`ledger` gives the book's lock. `types` are all that events have: without them any will do."""
        self._types = types
        self._resolve = resolve
        self._ledger = ledger
        self._clock = clock
        self._ids = new_ids
        self._sealing = sealing
        self.policy: Final = policy
        self.log: Final = DeliveryLog(clock)

    async def look_up(self, url: str) -> None:
        """Refuse a URL that cannot be one now; before the transaction, since it asks the DNS.

        A name without an address is let pass: it may get one. Every delivery looks again. Raises
        `EndpointUrlRefused`, `EndpointAddressRefused`.
        """
        target = self.policy.target(url)
        try:
            async with asyncio.timeout(_LOOK_UP_S):
                await checked(target, self.policy, self._resolve)
        except OSError:
            return

    async def create(self, connection: Connection, book_id: int, new: NewEndpoint) -> Issued:
        """Make an endpoint that gets what happens from now on, with its first secret.

        Raises `EndpointUrlRefused`, `EndpointAddressRefused`, `InvalidEventTypes`, `TooManyEndpoints`.
        """
        self.policy.target(new.url)
        rules.refuse_wrong_types(new.types, self._types)
        now = await self._locked(connection, book_id)
        if await store.count(connection, book_id) >= MAX_ENDPOINTS:
            raise TooManyEndpoints(f"a book has at most {MAX_ENDPOINTS} webhook endpoints")
        head = await (await events.queue_head(connection, book_id)).finish()
        # Its own creation is the first thing that it may hear of.
        await store.insert(connection, book_id, new, through_seq=head, now=now)
        secret = await self._new_secret(connection, book_id, new.id, new.signature, now)
        endpoint = await self._told(connection, book_id, new.id, "created", now)
        return Issued(endpoint, secret.shown)

    async def change(self, connection: Connection, book_id: int, id: UUID, change: Change) -> Endpoint:
        """Change an endpoint; what has not been sent yet goes by the new terms. Raises as `create`."""
        if change.url is not None:
            self.policy.target(change.url)
        if change.types is not None:
            rules.refuse_wrong_types(change.types, self._types)
        now = await self._locked(connection, book_id)
        endpoint = await self.get(connection, book_id, id)
        given = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not None}
        changed = msgspec.structs.replace(endpoint, **given)
        if changed == endpoint:
            return endpoint
        await store.update(connection, book_id, changed, afresh=False)
        if endpoint.ordered and not changed.ordered:
            await store_drives.release_held(connection, book_id, id, now=now)
        return await self._told(connection, book_id, id, "updated", now)

    async def enable(self, connection: Connection, book_id: int, id: UUID) -> Endpoint:
        """Deliver again: from where it stopped, so that nothing is missed."""
        now = await self._locked(connection, book_id)
        endpoint = await self.get(connection, book_id, id)
        if endpoint.status is EndpointStatus.ENABLED:
            return endpoint
        changed = msgspec.structs.replace(
            endpoint, status=EndpointStatus.ENABLED, reason=None, disabled_at=None
        )
        await store.update(connection, book_id, changed, afresh=True)
        return await self._told(connection, book_id, id, "enabled", now)

    async def disable(
        self, connection: Connection, book_id: int, id: UUID, reason: DisableReason
    ) -> Endpoint | None:
        """Deliver nothing until it is enabled. None where it was disabled already."""
        now = await self._locked(connection, book_id)
        endpoint = await self.get(connection, book_id, id)
        if endpoint.status is EndpointStatus.DISABLED:
            return None
        changed = msgspec.structs.replace(
            endpoint, status=EndpointStatus.DISABLED, reason=reason, disabled_at=now
        )
        await store.update(connection, book_id, changed, afresh=False)
        return await self._told(connection, book_id, id, "disabled", now)

    async def mark_behind(self, connection: Connection, book_id: int, id: UUID, *, behind: bool) -> bool:
        """Tell that too many deliveries wait for an endpoint, or no longer; whether that was news."""
        now = await self._locked(connection, book_id)
        if not await store_drives.mark_behind(connection, book_id, id, behind=behind, now=now):
            return False
        if await store.get(connection, book_id, id, now=now) is not None:
            await self._told(connection, book_id, id, "behind" if behind else "caught_up", now)
        return True

    async def delete(self, connection: Connection, book_id: int, id: UUID) -> None:
        """Remove an endpoint for good, with its secrets. Its log goes when it is old enough."""
        now = await self._locked(connection, book_id)
        endpoint = await self.get(connection, book_id, id)
        deleted = msgspec.structs.replace(
            endpoint, status=EndpointStatus.DELETED, reason=None, disabled_at=now
        )
        await store.delete_secrets(connection, book_id, id, now=now, all=True)
        await self._tell(connection, book_id, deleted, "deleted", now)
        await store.update(connection, book_id, deleted, afresh=True)

    async def rotate(
        self,
        connection: Connection,
        book_id: int,
        id: UUID,
        *,
        signature: Signature | None = None,
        overlap: dt.timedelta,
    ) -> Issued:
        """Give an endpoint a new secret, of the kind that it had or another.

        Deliveries are signed with the old ones too until `overlap` is over, a week at most. Raises
        `EndpointNotFound`, `TooManySecrets`: none of the old ones is ended before its time.
        """
        if not dt.timedelta(0) <= overlap <= MAX_OVERLAP:
            raise InvalidRequest("old secrets go on for at most seven days", field="overlap_s")
        now = await self._locked(connection, book_id)
        endpoint = await self.get(connection, book_id, id)
        check(bool(endpoint.secrets), "an endpoint has a secret")
        if overlap and len(endpoint.secrets) >= MAX_SECRETS:
            raise TooManySecrets(
                f"{MAX_SECRETS} secrets sign already: wait until one ends, or end all without an overlap",
                field="overlap_s",
            )
        await store.delete_secrets(connection, book_id, id, now=now, all=False)
        await store.expire_secrets(connection, book_id, id, until=now + overlap)
        kind = signature or endpoint.secrets[0].signature
        secret = await self._new_secret(connection, book_id, id, kind, now)
        await store.update(connection, book_id, endpoint, afresh=False)
        return Issued(await self._told(connection, book_id, id, "secret_rotated", now), secret.shown)

    async def get(self, connection: Connection, book_id: int, id: UUID) -> Endpoint:
        """An endpoint. Raises `EndpointNotFound`."""
        found = await store.get(connection, book_id, id, now=self._clock.now())
        if found is None:
            raise EndpointNotFound(f"no webhook endpoint {ids.encode(ids.ENDPOINT, id)}", field="id")
        return found

    async def find(
        self, connection: Connection, book_id: int, *, before: UUID | None = None, limit: int = 100
    ) -> list[Endpoint]:
        """The book's endpoints, the latest first; `before` is the last id of the page before."""
        check(1 <= limit <= MAX_PAGE, "a page has 1 to 1,000 endpoints")
        return await store.find(connection, book_id, before=before, limit=limit, now=self._clock.now())

    async def test(self, connection: Connection, book_id: int, id: UUID) -> events.Event:
        """Send it an event of type `webhook_endpoint.test`, whatever it filters. The event.

        Raises `EndpointStateConflict` for one that is not enabled.
        """
        now = await self._locked(connection, book_id)
        endpoint = await self.get(connection, book_id, id)
        if endpoint.status is not EndpointStatus.ENABLED:
            raise EndpointStateConflict("only an enabled endpoint can be tested", field="id")
        await self._tell(connection, book_id, endpoint, "test", now)
        head = await (await events.queue_head(connection, book_id)).finish()
        (event,) = await events.by_seq(connection, book_id, [head])
        await store_records.record(connection, book_id, id, [store_records.first_try(event, now)])
        await store_drives.uncount(connection, book_id, id)
        return event

    async def signers(self, connection: Connection, book_id: int, id: UUID) -> Signers:
        """What signs deliveries to an endpoint. Raises `SealBroken`."""
        return Signers(
            [
                (signing.signer(one.signature, self._opened(book_id, id, one)), one.expires_at)
                for one in await store.sealed(connection, book_id, id)
            ]
        )

    def _opened(self, book_id: int, endpoint_id: UUID, one: store.Sealed) -> bytes:
        return self._sealing.open(one.sealed, context=_context(book_id, endpoint_id, one.id))

    async def _new_secret(
        self, connection: Connection, book_id: int, endpoint_id: UUID, kind: Signature, now: dt.datetime
    ) -> signing.NewSecret:
        secret, id = signing.new_secret(kind), self._ids.new()
        sealed = self._sealing.seal(secret.raw, context=_context(book_id, endpoint_id, id))
        await store.insert_secret(connection, book_id, endpoint_id, id, secret, sealed, now=now)
        return secret

    async def _locked(self, connection: Connection, book_id: int) -> dt.datetime:
        """Take the book's lock; the moment of what is done under it."""
        return max(self._clock.now(), await self._ledger.lock(connection, book_id))

    async def _told(
        self, connection: Connection, book_id: int, id: UUID, what: str, now: dt.datetime
    ) -> Endpoint:
        """The endpoint as it is now, told as an event."""
        endpoint = await self.get(connection, book_id, id)
        await self._tell(connection, book_id, endpoint, what, now)
        return endpoint

    async def _tell(
        self, connection: Connection, book_id: int, endpoint: Endpoint, what: str, now: dt.datetime
    ) -> None:
        told = NewEvent(
            type=f"webhook_endpoint.{what}",
            object_type="webhook_endpoint",
            object_id=ids.encode(ids.ENDPOINT, endpoint.id),
            at=now,
            data=endpoint_data(endpoint),
        )
        await events.append(connection, book_id, [told], self._ids)


def endpoint_data(endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint as events and answers show it."""
    return {
        "id": ids.encode(ids.ENDPOINT, endpoint.id),
        "url": endpoint.url,
        "types": list(endpoint.types),
        "ordered": endpoint.ordered,
        "concurrency": endpoint.concurrency,
        "description": endpoint.description,
        "status": endpoint.status.value,
        "reason": None if endpoint.reason is None else endpoint.reason.value,
        "created_at": endpoint.created_at,
        "disabled_at": endpoint.disabled_at,
        "failing_since": endpoint.failing_since,
        "behind_since": endpoint.behind_since,
    }


def _context(book_id: int, endpoint_id: UUID, secret_id: UUID) -> str:
    return f"webhook secret {book_id}/{endpoint_id.hex}/{secret_id.hex}"
