"""A partner of which a test says word by word what it answers, and the workers that call it."""

import asyncio
import collections
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from caudal.connectors import (
    Answer,
    Call,
    Capabilities,
    Direction,
    Found,
    NotFound,
    Operation,
    Reported,
    Settlement,
    Snapshot,
    Status,
    Subject,
)
from caudal.jobs import Options, Worker
from caudal.payments import handlers, queues
from caudal_base.ids import IdSource
from support.payment_worlds import CAPABILITIES, Matrix, PaymentWorld

Says = Answer | Callable[[Call], Awaitable[Answer]]


class Programmed(Matrix):
    """Answers what it is told to, in turn; without more words it carries out what is asked."""

    def __init__(self, capabilities: Capabilities = CAPABILITIES) -> None:
        super().__init__(capabilities)
        self.calls: list[Call] = []
        self.queries: list[Call] = []
        self.answers: collections.deque[Says] = collections.deque()
        self.finds: collections.deque[Found] = collections.deque()
        self.fetched: dict[str, Found] = {}
        self.paid_out: list[Settlement] = []

    async def call(self, call: Call) -> Answer:
        self.calls.append(call)
        if not self.answers:
            return Reported(done(call))
        said = self.answers.popleft()
        return await said(call) if callable(said) else said

    async def query(self, call: Call) -> Found:
        self.queries.append(call)
        return self.finds.popleft() if self.finds else NotFound()

    async def fetch(self, partner_id: str, direction: Direction) -> Found:
        return self.fetched.get(partner_id, NotFound())

    async def settlements(self, since: dt.datetime) -> AsyncIterator[Settlement]:
        for settlement in self.paid_out:
            yield settlement


def done(call: Call, **changes: object) -> Snapshot:
    """What the partner says of a call that it has carried out."""
    refund = call.operation is Operation.REFUND
    captured = call.captured_before + call.amount
    payment_id = call.partner_id or f"pi_{call.payment_id[-8:]}"
    fields: dict[str, object] = {
        "subject": Subject.REFUND if refund else Subject.PAYMENT,
        "partner_id": f"re_{call.attempt_id[-8:]}" if refund else payment_id,
        "status": Status.CANCELLED if call.operation is Operation.CANCEL else Status.SUCCEEDED,
        "amount": call.amount, "currency": call.currency, "attempt_id": call.attempt_id,
        "parent_id": call.partner_id if refund else None, "captured": None if refund else captured,
    }  # fmt: skip
    if call.operation is Operation.CANCEL:
        fields["captured"] = call.captured_before
    return Snapshot(**{**fields, **changes})  # type: ignore[arg-type]


class Crew:
    """Workers on the payments of a world, by the world's clock, quick to look."""

    def __init__(self, world: PaymentWorld) -> None:
        self.world = world
        self._workers: list[tuple[Worker, asyncio.Task[None]]] = []

    def start(self, **options: float) -> asyncio.Task[None]:
        """Another worker; its task, so that a test may kill it."""
        world = self.world

        async def own() -> Sequence[int]:
            return [world.book_id]

        quick: dict[str, object] = {"poll_min_s": 0.001, "poll_max_s": 0.01, "upkeep_s": 0.01, **options}
        worker = Worker(
            world.database, handlers(world.payments, world.registry), books=own, clock=world.clock,
            ids=IdSource(world.clock),
            options=Options(queues=queues(world.registry), **quick),  # type: ignore[arg-type]
        )  # fmt: skip
        task = asyncio.ensure_future(worker.run())
        self._workers.append((worker, task))
        return task

    async def stop(self) -> None:
        for worker, _ in self._workers:
            worker.stop()
        await asyncio.gather(*(task for _, task in self._workers), return_exceptions=True)

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Wait for a condition, as long as it takes within reason."""
        async with asyncio.timeout(20):
            while not await condition():
                await asyncio.sleep(0.005)
