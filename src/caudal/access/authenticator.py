"""From a presented key to a principal: cheap on the way of every request, closed when in doubt."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Generic, NamedTuple, TypeVar
from uuid import UUID

import psycopg

from caudal.access import rules, service, store
from caudal.access.errors import InvalidApiKey
from caudal.access.types import Credential, KeyStatus, Principal, Refusal
from caudal_base.clock import Clock
from caudal_base.database import Database, translate
from caudal_base.errors import Unavailable
from caudal_base.secret import Secret

VALID_FOR_S: Final = 1.0
"""How long a verdict holds, in seconds from before it was read: a key that is revoked now is refused by
every process a second from now at the latest."""

MAX_ACCEPTED: Final = 10_000
"""Accepted keys that are remembered."""

MAX_REJECTED: Final = 1_000
"""Rejected texts that are remembered."""

MAX_WAITING: Final = 1_000
"""Keys that wait to be looked up; more are told to come back."""

MAX_NOTED: Final = 10_000
"""Keys whose uses, and refusals, are kept until the next `flush`."""

_LOT: Final = 200
"""Keys looked up by one statement."""


class _Verdict(NamedTuple):
    principal: Principal | None
    """None: rejected."""
    until: float
    """By the monotonic clock, in seconds."""


class _Presented(NamedTuple):
    digest: bytes
    public_id: str
    request_id: str
    origin: str | None


_K = TypeVar("_K")
_V = TypeVar("_V")


class _Bounded(Generic[_K, _V]):
    """A dictionary that forgets its oldest entry when it is full."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.entries: dict[_K, _V] = {}

    def put(self, key: _K, value: _V) -> None:
        self.entries.pop(key, None)
        if len(self.entries) >= self._limit:
            del self.entries[next(iter(self.entries))]
        self.entries[key] = value


class Authenticator:
    """Verifies API keys for one process. Belongs to one event loop.

    A text without the form or the checksum of a key is refused without a look at the database. Others are
    looked up together, one statement at a time however many wait, and remembered by their digest for
    `VALID_FOR_S`. Every refusal is the same `InvalidApiKey`; where the database cannot be asked, or takes
    longer than a verdict holds, it is `Unavailable`.
    """

    def __init__(
        self, database: Database, clock: Clock, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` decides whether a key has expired, `monotonic` (in seconds) how old a verdict is."""
        self._database = database
        self._clock = clock
        self._monotonic = monotonic
        self._accepted: _Bounded[bytes, _Verdict] = _Bounded(MAX_ACCEPTED)
        self._rejected: _Bounded[bytes, _Verdict] = _Bounded(MAX_REJECTED)
        self._waiting: dict[bytes, asyncio.Future[_Verdict | Exception]] = {}
        self._queue: list[_Presented] = []
        self._worker: asyncio.Task[None] | None = None
        self._uses: dict[UUID, datetime] = {}
        self._refusals: dict[tuple[UUID, KeyStatus], Refusal] = {}

    async def authenticate(
        self, presented: Secret, *, request_id: str, origin: str | None = None
    ) -> Principal:
        """Whose key `presented` is. Raises `InvalidApiKey`, or `Unavailable` while nobody can tell.

        `request_id` and `origin` (the caller's address) go into the audit log where a revoked or expired key
        is used.
        """
        # The text itself stays out of this frame: tracebacks may show what is in it.
        digest = rules.digest(presented)
        verdict = self._accepted.entries.get(digest) or self._rejected.entries.get(digest)
        if verdict is None or verdict.until <= self._monotonic():
            public_id = rules.public_id_of(presented)
            if public_id is None:
                raise InvalidApiKey
            verdict = await self._ask(_Presented(digest, public_id, request_id, origin))
        if verdict.principal is None:
            raise InvalidApiKey
        return verdict.principal

    async def flush(self) -> None:
        """Write down the uses and refusals since last time: to be called every few seconds, and at the end.

        What could not be written is kept for the next time, and the database's error is raised.
        """
        uses, self._uses = self._uses, {}
        refusals, self._refusals = self._refusals, {}
        if not uses and not refusals:
            return
        try:
            async with self._database.transaction() as connection:
                await service.record_uses(connection, uses)
                await service.record_refusals(connection, list(refusals.values()))
        except psycopg.Error:
            self._uses = {**uses, **self._uses}
            self._refusals = {**self._refusals, **refusals}
            raise

    async def _ask(self, presented: _Presented) -> _Verdict:
        future = self._waiting.get(presented.digest)
        if future is None:
            if len(self._waiting) >= MAX_WAITING:
                raise Unavailable("too many API keys wait to be verified")
            future = asyncio.get_running_loop().create_future()
            self._waiting[presented.digest] = future
            self._queue.append(presented)
            if self._worker is None or self._worker.done():
                self._worker = asyncio.create_task(self._work(), name="authenticator")
        # Shielded: the others who wait for the same key must not be cancelled with this one.
        verdict = await asyncio.shield(future)
        if isinstance(verdict, Exception):
            raise verdict
        if verdict.until <= self._monotonic():
            raise Unavailable("verifying the API key took too long")
        return verdict

    async def _work(self) -> None:
        """Answer all who wait, a lot at a time; what arrives meanwhile is the next lot."""
        while self._queue:
            lot, self._queue = self._queue[:_LOT], self._queue[_LOT:]
            futures = [self._waiting[presented.digest] for presented in lot]
            verdicts: Sequence[_Verdict | Exception] = ()
            try:
                verdicts = await self._look_up(lot)
            except psycopg.Error as error:
                verdicts = [translate(error)] * len(lot)
            except Exception as error:
                # Raised by each of those who wait; the next lot may fare better.
                verdicts = [error] * len(lot)
            finally:
                for presented in lot:
                    del self._waiting[presented.digest]
                if not verdicts:
                    for future in futures:
                        future.cancel()
            for future, verdict in zip(futures, verdicts, strict=True):
                future.set_result(verdict)

    async def _look_up(self, lot: Sequence[_Presented]) -> list[_Verdict]:
        public_ids = list({presented.public_id for presented in lot})
        async with self._database.connection() as connection:
            asked_at = self._monotonic()
            credentials = await store.credentials(connection, public_ids)
        now = self._clock.now()
        return [
            self._judge(presented, credentials.get(presented.public_id), now, asked_at) for presented in lot
        ]

    def _judge(
        self, presented: _Presented, credential: Credential | None, now: datetime, asked_at: float
    ) -> _Verdict:
        until = asked_at + VALID_FOR_S
        if not rules.proves(credential, presented.digest) or credential is None:
            return self._reject(presented, until)
        key = credential.key
        status = key.status(now)
        if status is not KeyStatus.ACTIVE:
            self._note_refusal(presented, key.id, status, now)
            return self._reject(presented, until)
        if key.expires_at is not None:
            until = min(until, asked_at + (key.expires_at - now).total_seconds())
        if len(self._uses) < MAX_NOTED or key.id in self._uses:
            self._uses[key.id] = now
        verdict = _Verdict(rules.principal(credential), until)
        self._accepted.put(presented.digest, verdict)
        return verdict

    def _reject(self, presented: _Presented, until: float) -> _Verdict:
        verdict = _Verdict(None, until)
        self._accepted.entries.pop(presented.digest, None)
        self._rejected.put(presented.digest, verdict)
        return verdict

    def _note_refusal(self, presented: _Presented, key_id: UUID, status: KeyStatus, at: datetime) -> None:
        noted = self._refusals.get((key_id, status))
        if noted is None and len(self._refusals) >= MAX_NOTED:
            return
        self._refusals[key_id, status] = Refusal(
            key_id=key_id,
            status=status,
            at=at if noted is None else noted.at,
            request_id=presented.request_id if noted is None else noted.request_id,
            origin=presented.origin if noted is None else noted.origin,
            count=1 if noted is None else noted.count + 1,
        )
