"""Where callers' orders on payments become transactions: one coalescer per book, as for the ledger's desk.

A batch of creations takes two round trips: one locks the book and reads all that the decisions and the
postings need, the other writes transfers, payments, attempts, jobs, events, audit records and the answers to
be replayed.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from caudal import audit, idempotency
from caudal.idempotency import Answer, Claim, Follow, Replay
from caudal.ledger import Actor, Reply
from caudal.payments.batch import Batch
from caudal.payments.commands import CallerCommand, CreatePayment
from caudal.payments.outcomes import Outcome, OutcomeStatus
from caudal.payments.service import Payments
from caudal_base import telemetry
from caudal_base.coalesce import Limits, Stats
from caudal_base.coalescers import Coalescers
from caudal_base.database import Connection, Database
from caudal_base.errors import CaudalError
from caudal_base.pipelines import queue_commit
from caudal_base.statements import Statement

Render = Callable[[Outcome], Answer]
"""Makes the response of an order; it is stored in the transaction of its effects."""

LIMITS: Final = Limits(max_requests=200, max_weight=200, max_wait_s=0.25)
"""A payment's batch costs some three times a transfer's, and the book's lock is to be held as long. Whoever
would wait for longer than a moment is better told to come back: the others are then still served in time."""


class PaymentOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One caller's command, and how it is answered."""

    command: CallerCommand
    actor: Actor
    render: Render
    claim: Claim | None = None


class PaymentDesk:
    """Carries out orders in batches, a coalescer per book. Belongs to one event loop."""

    def __init__(self, database: Database, payments: Payments, limits: Limits | None = None) -> None:
        """`limits` bounds each book's batches and queue."""
        self._database = database
        self._payments = payments
        self._coalescers = Coalescers[PaymentOrder, Reply](self._run, limits=limits or LIMITS)

    async def carry_out(self, book_id: int, order: PaymentOrder) -> Reply:
        """Carry out an order.

        Raises `Unavailable` when the queue is full or the outcome could not be learned, `KeyReused` for an
        idempotency key that has answered another request, `BookNotFound`.
        """
        return await self._coalescers.submit(book_id, order)

    async def try_out(self, connection: Connection, book_id: int, command: CallerCommand) -> Outcome:
        """What would come of `command` now, in a transaction that the caller rolls back."""
        (outcome,) = await self._payments.carry_out(connection, book_id, [command])
        return outcome

    def admit(self, book_id: int) -> None:
        """Raise `Unavailable` where an order would be refused now: before any work is put into it."""
        self._coalescers.admit(book_id)

    async def drain(self) -> None:
        """Finish what waits, refuse what comes."""
        await self._coalescers.drain()

    def stats(self) -> dict[int, Stats]:
        """Each book's counters."""
        return self._coalescers.stats()

    async def _run(self, book_id: int, orders: Sequence[PaymentOrder]) -> Sequence[Reply | CaudalError]:
        """One transaction for all of `orders`."""
        if not telemetry.is_on():
            async with self._database.transaction() as connection:
                return await self._transact(connection, book_id, orders)
        about = [_about(order.command) for order in orders]
        told = {"caudal.book": book_id, "caudal.batch.requests": len(orders)}
        with telemetry.span("batch payments", told, serves=about):
            async with self._database.transaction() as connection:
                return await self._transact(connection, book_id, orders)

    async def _transact(
        self, connection: Connection, book_id: int, orders: Sequence[PaymentOrder]
    ) -> Sequence[Reply | CaudalError]:
        claims = [order.claim for order in orders]
        keyed = [claim for claim in claims if claim is not None]
        routes = await self._payments.routes(connection, book_id)
        batch = self._payments.batch(connection, book_id, routes, [order.command for order in orders])
        async with connection.pipeline():
            await batch.queue()
            lookup = await idempotency.queue_lookup(connection, book_id, keyed) if keyed else None
            await batch.arrive()
            found = iter([] if lookup is None else await idempotency.found(lookup, len(keyed)))
        plans = idempotency.plan(claims, [None if claim is None else next(found) for claim in claims])
        await batch.load()
        outcomes = await batch.carry_out([isinstance(plan, idempotency.Fresh) for plan in plans])
        answers = [
            None if outcome is None else order.render(outcome)
            for order, outcome in zip(orders, outcomes, strict=True)
        ]
        with idempotency.detect_overtaking():
            async with connection.pipeline():
                await self._write(batch, book_id, orders, outcomes, answers)
                await queue_commit(connection)
        replies: list[Reply | CaudalError] = []
        for plan, answer in zip(plans, answers, strict=True):
            if isinstance(plan, CaudalError):
                replies.append(plan)
            elif isinstance(plan, Replay):
                replies.append(Reply(plan.answer, replayed=True))
            else:
                first = answers[plan.index] if isinstance(plan, Follow) else answer
                if first is not None:
                    replies.append(Reply(first, replayed=isinstance(plan, Follow)))
        return replies

    async def _write(
        self,
        batch: Batch,
        book_id: int,
        orders: Sequence[PaymentOrder],
        outcomes: Sequence[Outcome | None],
        answers: Sequence[Answer | None],
    ) -> None:
        """Queue all writes."""
        also: list[Statement] = []
        records = [
            _record(book_id, batch, order, outcome)
            for order, outcome in zip(orders, outcomes, strict=True)
            if outcome is not None
        ]
        if records:
            also.append(Statement(audit.INSERT, audit.insert_parameters(records)))
        kept = [
            (order.claim, answer)
            for order, answer in zip(orders, answers, strict=True)
            if order.claim is not None and answer is not None
        ]
        if kept:
            columns = idempotency.insert_parameters(book_id, kept, batch.recorded_at)
            also.append(Statement(idempotency.INSERT, columns))
        await batch.write(also)


def _about(command: CallerCommand) -> str:
    """The id of the payment that it makes or is about."""
    return command.id if isinstance(command, CreatePayment) else command.payment_id


def _record(book_id: int, batch: Batch, order: PaymentOrder, outcome: Outcome) -> audit.Record:
    """One audit record per order: to what it led, or for what reason it was refused."""
    command = order.command
    if outcome.refusal is not None:
        result = outcome.refusal.code
    elif outcome.status is OutcomeStatus.APPLIED and outcome.payment is not None:
        result = outcome.payment.state.value
    else:
        result = outcome.status.value
    return audit.Record(
        book_id=book_id,
        at=batch.recorded_at,
        principal=order.actor.principal,
        action=order.actor.action,
        object_id=_about(command),
        request_id=order.actor.request_id,
        result=result,
        origin=order.actor.origin,
    )
