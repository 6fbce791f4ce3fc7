"""Points at which a process can be killed: before and after each commit, each claim and each call.

Nothing in the product knows of them. What it commits with, claims with and calls with is wrapped, in the
test's own processes only, and says where it is.
"""

import asyncio
import contextlib
import enum
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from unittest import mock

import httpx
import msgspec
import psycopg
from psycopg import pq

from caudal.connectors import Partner
from caudal.connectors.lanes import Lanes
from caudal.delivery import sending, store_claims
from caudal.jobs import Work
from caudal.jobs import service as jobs_service
from caudal_base.pipelines import PipelinedConnection
from support.kill_statements import CLAIMABLE

_IDS = re.compile(r"(?<=/)(?:[a-z]+_)?(?=[A-Za-z0-9-]*[0-9])[A-Za-z0-9-]{6,}(?=/|$)")


class Moment(enum.Enum):
    """When, with respect to what is done."""

    BEFORE = "before"
    SENT = "sent"
    """All of a request is on its way, and not a byte of the answer has been read."""
    AFTER = "after"


class Point(msgspec.Struct, frozen=True):
    """A moment in the life of a process."""

    label: str
    """What is done: `commit caudal.payments.desk.PaymentDesk._transact`, `call POST /v1/refunds`."""
    nth: int
    """1 for the first of this label."""
    moment: Moment


class Watch:
    """Writes down the points that a process passes; at `victim` it dies on the spot."""

    def __init__(self, victim: Point | None = None, told: Callable[[str], None] | None = None) -> None:
        """`told` gets what is worth knowing beside the points, in words."""
        self.points: list[Point] = []
        self._victim = victim
        self._told = told
        self._seen: Counter[tuple[str, Moment]] = Counter()

    def at(self, label: str, moment: Moment) -> None:
        """The process is at this point."""
        self._seen[label, moment] += 1
        point = Point(label, self._seen[label, moment], moment)
        if point == self._victim:
            os.kill(os.getpid(), signal.SIGKILL)
        self.points.append(point)

    def tell(self, what: str) -> None:
        """Something worth knowing has happened."""
        if self._told is not None:
            self._told(what)

    @contextlib.contextmanager
    def watching(self, *, commits: bool = True) -> Iterator[None]:
        """All of this process meanwhile; without `commits` the database's are left out."""
        with contextlib.ExitStack() as stack:
            for patch in [*self._claims(commits), *self._calls(), *self._deliveries()]:
                stack.enter_context(patch)
            if commits:
                for patch in self._commits():
                    stack.enter_context(patch)
            yield

    def _commits(self) -> list[Any]:
        watch, commit = self, PipelinedConnection.commit
        queue_commit, pipeline = PipelinedConnection.queue_commit, PipelinedConnection.pipeline
        queued: dict[int, str] = {}

        async def watched_commit(connection: PipelinedConnection) -> None:
            if not await _has_written(connection):
                await commit(connection)
                return
            label = f"commit {_place()}"
            watch.at(label, Moment.BEFORE)
            await commit(connection)
            watch.at(label, Moment.AFTER)

        async def watched_queue_commit(connection: PipelinedConnection) -> None:
            label = queued[id(connection)] = f"commit {_place()}"
            watch.at(label, Moment.BEFORE)
            await queue_commit(connection)

        @contextlib.asynccontextmanager
        async def watched_pipeline(connection: PipelinedConnection) -> AsyncIterator[psycopg.AsyncPipeline]:
            async with pipeline(connection) as opened:
                yield opened
            label = queued.pop(id(connection), None)
            if label is not None:
                watch.at(label, Moment.AFTER)

        return [
            mock.patch.object(PipelinedConnection, "commit", watched_commit),
            mock.patch.object(PipelinedConnection, "queue_commit", watched_queue_commit),
            mock.patch.object(PipelinedConnection, "pipeline", watched_pipeline),
        ]

    def _claims(self, begun: bool) -> list[Any]:
        watch, claim, drive = self, jobs_service.claim, store_claims.claim
        driven = False

        async def watched_claim(connection: Any, **how: Any) -> Any:
            label = f"claim {how['queue']}"
            if begun and (await (await connection.execute(CLAIMABLE, how)).fetchone())[0]:
                watch.at(label, Moment.BEFORE)
            claimed = await claim(connection, **how)
            if claimed.jobs:
                watch.at(label, Moment.AFTER)
                again = any(job.attempt > 1 or job.losses for job in claimed.jobs)
                watch.tell("the job is claimed again" if again else "another worker claims the job")
            return claimed

        async def watched_drive(connection: Any, book_id: int, **how: Any) -> Any:
            nonlocal driven
            if not driven:
                watch.at("claim endpoint", Moment.BEFORE)
            claimed = await drive(connection, book_id, **how)
            if claimed:
                if not driven:
                    watch.at("claim endpoint", Moment.AFTER)
                driven = True
                again = any(one.abandoned for one in claimed)
                watch.tell("the endpoint is claimed again" if again else "another worker claims the endpoint")
            return claimed

        return [
            mock.patch.object(jobs_service, "claim", watched_claim),
            mock.patch.object(store_claims, "claim", watched_drive),
        ]

    def _calls(self) -> list[Any]:
        watch, send, lane = self, Lanes.send, Lanes._lane

        async def watched_send(lanes: Lanes, method: str, url: str, **rest: Any) -> Any:
            label = f"call {method.upper()} {_IDS.sub('{id}', httpx.URL(url).path)}"
            watch.at(label, Moment.BEFORE)
            answer = await send(lanes, method, url, **rest)
            watch.at(label, Moment.AFTER)
            return answer

        def watched_lane(lanes: Lanes) -> Any:
            return _Lane(lane(lanes), watch)

        def telling(name: str) -> Any:
            original = getattr(Partner, name)

            async def told(partner: Partner, *arguments: Any) -> Any:
                answer = await original(partner, *arguments)
                outcome = _WORDS.get(type(answer).__name__, type(answer).__name__)
                if name == "call":
                    watch.tell(f"{partner.name} called: {outcome}")
                else:
                    watch.tell(f"{partner.name} asked: {outcome}")
                return answer

            return mock.patch.object(Partner, name, told)

        return [
            mock.patch.object(Lanes, "send", watched_send),
            mock.patch.object(Lanes, "_lane", watched_lane),
            *(telling(name) for name in ("call", "query", "fetch")),
        ]

    def _deliveries(self) -> list[Any]:
        watch, post, exchange = self, sending.Connection.post, sending._Exchange.post
        label = "call endpoint"

        async def watched_post(connection: Any, *arguments: Any) -> Any:
            watch.at(label, Moment.BEFORE)
            reply = await post(connection, *arguments)
            watch.at(label, Moment.AFTER)
            return reply

        async def watched_exchange(opened: Any, *arguments: Any) -> Any:
            posting = asyncio.ensure_future(exchange(opened, *arguments))
            # It writes before it waits for the first time.
            await asyncio.sleep(0)
            watch.at(label, Moment.SENT)
            return await posting

        return [
            mock.patch.object(sending.Connection, "post", watched_post),
            mock.patch.object(sending._Exchange, "post", watched_exchange),
        ]


_WORDS = {"Reported": "done", "Refused": "refused", "NotFound": "nothing found", "Unknown": "no answer"}


class _Lane:
    """A transport that says when a request has been sent."""

    def __init__(self, inner: httpx.AsyncHTTPTransport, watch: Watch) -> None:
        self._inner = inner
        self._watch = watch

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        label = f"call {request.method} {_IDS.sub('{id}', request.url.path)}"

        async def trace(event: str, _: object) -> None:
            if event == "http11.send_request_body.complete":
                self._watch.at(label, Moment.SENT)

        request.extensions = {**request.extensions, "trace": trace}
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


async def _has_written(connection: PipelinedConnection) -> bool:
    """Whether the transaction has changed anything."""
    if connection.info.transaction_status is not pq.TransactionStatus.INTRANS:
        return False
    cursor = await connection.execute("select pg_current_xact_id_if_assigned() is not null")
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


def _place() -> str:
    """The function of the core in whose block this happens, and of which kind the job is that it works on."""
    frame = sys._getframe(1)
    place = kind = ""
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith("caudal."):
            place = place or f"{module.removeprefix('caudal.')}.{frame.f_code.co_qualname}"
            work = frame.f_locals.get("work") or getattr(frame.f_locals.get("self"), "work", None)
            if isinstance(work, Work):
                kind = kind or f" {work.jobs[0].kind}"
        frame = frame.f_back  # type: ignore[assignment]
    return place + kind
