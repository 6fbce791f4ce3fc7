"""A request on its way to its handler."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, Generic, TypeVar
from uuid import UUID

import psycopg

from caudal import audit, idempotency
from caudal.access import Principal
from caudal.api.places import Places
from caudal.api.problems import problem
from caudal.api.services import Services
from caudal.idempotency import Answer, Claim, Replay
from caudal.ledger import Actor, Command, Order, Render, refuse_unfit_texts
from caudal_base.database import Connection, Failure, classify
from caudal_base.errors import CaudalError
from caudal_base.ids import REQUEST, encode

Q = TypeVar("Q")
B = TypeVar("B")

Headers = Mapping[bytes, bytes]
"""By lower-case name."""

_ATTEMPTS: Final = 2
"""How often a transaction that failed in passing is tried before the last time."""

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9_.:-]{1,128}")


class Request(Generic[Q, B]):
    """What a handler gets: decoded, authenticated, and allowed. Made by `caudal.api.serving`."""

    __slots__ = (
        "_place", "_uuid", "body", "book_id", "claim", "headers", "ids", "origin", "principal", "query",
        "rate", "raw", "replayed", "request_id", "services",
    )  # fmt: skip

    def __init__(self, services: Services, headers: Headers, ids: Mapping[str, str]) -> None:
        """`ids` are the path's parameters; the rest is filled in as it becomes known."""
        self.services = services
        self.headers = headers
        self.ids = ids
        self._uuid: UUID | None = None
        self.request_id = self._request_id()
        self.origin: str | None = None
        self.book_id = 0
        """The book's number, where the endpoint works on one."""
        self.claim: Claim | None = None
        self.replayed = False
        self.rate: bytes | None = None
        """What is left of the requests that the caller may make, where those are counted."""
        self._place: Places | None = None
        self.principal: Principal
        """Who calls, of an endpoint that needs a key."""
        self.query: Q
        self.body: B
        self.raw = b""
        """The body as it came, of an endpoint that takes it raw."""

    async def take_place(self, places: Places) -> None:
        """Wait for one of `places`, in exchange for the one held. Raises `Unavailable` where all is full."""
        self.leave_place()
        if not places.try_enter():
            await places.enter()
        self._place = places

    def leave_place(self) -> None:
        """Give back the place that is held, if any: whoever serves the request does so at its end."""
        if self._place is not None:
            self._place.leave()
            self._place = None

    async def take_long_place(self) -> None:
        """Before what may take long: an export, a report. It is held until the answer is sent."""
        await self.take_place(self.services.room.long)

    def new_id(self, prefix: str) -> str:
        """The id of what the request makes: it has the digits of the request's own, where we made that.

        So it is made once a request, and a rerun of its batch has the same.
        """
        return encode(prefix, self.new_uuid())

    def new_uuid(self) -> UUID:
        """The UUID of `new_id`."""
        if self._uuid is None:
            self._uuid = self.services.ids.new()
        return self._uuid

    def _request_id(self) -> str:
        """The id that the caller gave the request, if it is fit for logs, or a new one."""
        given = self.headers.get(b"x-request-id") or self.headers.get(b"request-id")
        if given is not None and _REQUEST_ID.fullmatch(given):
            return given.decode("ascii")
        return self.new_id(REQUEST)

    def record(self, action: str, object_id: str, result: str, *, at: datetime) -> audit.Record:
        """The audit record of what the request did."""
        return audit.Record(
            book_id=self.book_id,
            at=at,
            principal=self.principal.actor,
            action=action,
            object_id=object_id,
            request_id=self.request_id,
            result=result,
            origin=self.origin,
        )

    async def carry_out(
        self,
        action: str,
        commands: Sequence[Command],
        render: Render,
        *,
        dry_run: bool,
        items: str | None = None,
    ) -> Answer:
        """Give `commands` to the ledger, or with `dry_run` learn what it would answer and write nothing.

        The answer is the one that `render` made, or the one that the same idempotency key got before.
        Raises what `ledger.refuse_unfit_texts` does; `items` is the array of the body that they stand in.
        """
        refuse_unfit_texts(commands, items=items)
        if dry_run:
            return await self._try_out(commands, render)
        order = Order(
            commands=commands,
            actor=Actor(
                principal=self.principal.actor,
                action=action,
                request_id=self.request_id,
                origin=self.origin,
            ),
            render=render,
            claim=self.claim,
        )
        reply = await self.services.desk.carry_out(self.book_id, order)
        self.replayed = reply.replayed
        return reply.answer

    async def once(self, work: Callable[[Connection], Awaitable[Answer]], *, dry_run: bool = False) -> Answer:
        """Do `work` in a transaction of its own, once per idempotency key where the request has one.

        Raises what `work` raises; under a key its final refusals are answers too, and kept. With `dry_run`
        what `work` did is rolled back: the answer tells of it, and nothing is left. Raises `Unavailable`
        where too many do so at once.
        """
        attempt = self._rehearse if dry_run else self._once
        await self.take_place(self.services.room.ordinary)
        for _ in range(_ATTEMPTS):
            try:
                return await attempt(work)
            except psycopg.Error as error:
                if classify(error) is not Failure.TRANSIENT:
                    raise
        return await attempt(work)

    async def _rehearse(self, work: Callable[[Connection], Awaitable[Answer]]) -> Answer:
        async with (
            self.services.database.transaction() as connection,
            connection.transaction(force_rollback=True),
        ):
            answer = await work(connection)
        return _tried(answer)

    async def _once(self, work: Callable[[Connection], Awaitable[Answer]]) -> Answer:
        services, claim = self.services, self.claim
        async with services.database.transaction() as connection:
            if claim is None:
                return await work(connection)
            result = await idempotency.run_once(
                connection,
                self.book_id,
                claim,
                at=services.clock.now(),
                work=lambda: work(connection),
                refused=problem,
            )
        self.replayed = isinstance(result, Replay)
        return result.answer

    async def earlier_answer(self) -> Answer | None:
        """What the request's idempotency key has been answered with, if anything. Raises `KeyReused`."""
        if self.claim is None:
            return None
        async with self.services.database.connection() as connection:
            (stored,) = await idempotency.lookup(connection, self.book_id, [self.claim])
        decision = idempotency.decide(stored, self.claim.fingerprint)
        if isinstance(decision, CaudalError):
            raise decision
        self.replayed = isinstance(decision, Replay)
        return decision.answer if isinstance(decision, Replay) else None

    async def _try_out(self, commands: Sequence[Command], render: Render) -> Answer:
        await self.take_place(self.services.room.ordinary)
        async with self.services.database.snapshot() as connection:
            outcomes = await self.services.ledger.dry_run(connection, self.book_id, commands)
        return _tried(render(outcomes))


def _tried(answer: Answer) -> Answer:
    """`answer` as that of a dry run: nothing was created, and there is nothing to be read again."""
    headers = tuple(pair for pair in answer.headers if pair[0] != "Location")
    status = 200 if answer.status == 201 else answer.status
    return Answer(status, (*headers, ("Caudal-Dry-Run", "true")), answer.body)
