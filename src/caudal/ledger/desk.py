"""Where callers' orders become transactions: one coalescer per book, two round trips per batch.

    answer = await desk.carry_out(book_id, order)

A batch locks the book, looks up the idempotency keys and what the commands refer to, decides, and writes
transfers, balances, audit records and the answers to be replayed, all in one transaction.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from caudal import audit, idempotency
from caudal.idempotency import Answer, Claim, Follow, Replay
from caudal.ledger.book import Book
from caudal.ledger.commands import ChangeLimit, ChangeStatus, Command
from caudal.ledger.service import LOT, Decided, Ledger, lots
from caudal.ledger.types import Outcome, OutcomeStatus
from caudal_base.coalesce import Limits, Stats
from caudal_base.coalescers import Coalescers
from caudal_base.database import Connection, Database
from caudal_base.errors import CaudalError
from caudal_base.pipelines import queue_commit
from caudal_base.statements import Statement

Render = Callable[[Sequence[Outcome]], Answer]
"""Makes the response of an order out of its commands' outcomes; it is stored in their transaction."""


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """On whose behalf an order is carried out, as the audit log has it."""

    principal: str
    action: str
    request_id: str
    origin: str | None = None


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One caller's commands, and how they are answered."""

    commands: Sequence[Command]
    actor: Actor
    render: Render
    claim: Claim | None = None
    """The request's idempotency key; None where a caller has its own way of not repeating itself."""


class Reply(msgspec.Struct, frozen=True):
    """What a caller gets."""

    answer: Answer
    replayed: bool = False
    """It is the answer that the same request got before."""


class Desk:
    """Carries out orders in batches, a coalescer per book. Belongs to one event loop."""

    def __init__(self, database: Database, ledger: Ledger, limits: Limits | None = None) -> None:
        """`limits` bounds each book's batches and queue."""
        self._database = database
        self._ledger = ledger
        self._coalescers = Coalescers[Order, Reply](
            self._run, weight=_weight, limits=limits or Limits(max_weight=LOT)
        )

    async def carry_out(self, book_id: int, order: Order) -> Reply:
        """Carry out an order; long ones in lots, so that others get in between.

        Raises `Unavailable` when the queue is full or the outcome could not be learned, `KeyReused` for an
        idempotency key that has answered another request, `BookNotFound`.
        """
        parts = lots(order.commands)
        if len(parts) <= 1:
            return await self._coalescers.submit(book_id, order)
        if order.claim is not None:
            replay = await self._replay(book_id, order.claim)
            if replay is not None:
                return replay
        done: list[Outcome] = []
        for part in parts[:-1]:
            collected: list[Outcome] = []
            await self._coalescers.submit(book_id, _lot(order, part, collected))
            done += collected
        # The key is claimed with the last lot: should the work stop before, a repeat finds the first.
        last = msgspec.structs.replace(
            order, commands=parts[-1], render=lambda outcomes: order.render([*done, *outcomes])
        )
        return await self._coalescers.submit(book_id, last)

    async def drain(self) -> None:
        """Finish what waits, refuse what comes."""
        await self._coalescers.drain()

    def stats(self) -> dict[int, Stats]:
        """Each book's counters."""
        return self._coalescers.stats()

    async def _replay(self, book_id: int, claim: Claim) -> Reply | None:
        async with self._database.connection() as connection:
            (stored,) = await idempotency.lookup(connection, book_id, [claim])
        decision = idempotency.decide(stored, claim.fingerprint)
        if isinstance(decision, CaudalError):
            raise decision
        return Reply(decision.answer, replayed=True) if isinstance(decision, Replay) else None

    async def _run(self, book_id: int, orders: Sequence[Order]) -> Sequence[Reply | CaudalError]:
        """One transaction for all of `orders`."""
        async with self._database.transaction() as connection:
            return await self._transact(connection, book_id, orders)

    async def _transact(
        self, connection: Connection, book_id: int, orders: Sequence[Order]
    ) -> Sequence[Reply | CaudalError]:
        claims = [order.claim for order in orders]
        keyed = [claim for claim in claims if claim is not None]
        everything = [command for order in orders for command in order.commands]
        async with connection.pipeline():
            load = await self._ledger.begin(connection, book_id, everything)
            lookup = await idempotency.queue_lookup(connection, book_id, keyed) if keyed else None
            book = await load.finish()
            found = iter([] if lookup is None else await idempotency.found(lookup, len(keyed)))
        plans = idempotency.plan(claims, [None if claim is None else next(found) for claim in claims])
        fresh = [isinstance(plan, idempotency.Fresh) for plan in plans]
        decided = await self._ledger.decide(
            connection,
            book_id,
            book,
            [order.commands if works else () for order, works in zip(orders, fresh, strict=True)],
        )
        answers = [
            order.render(outcomes) if works else None
            for order, works, outcomes in zip(orders, fresh, decided.outcomes, strict=True)
        ]
        with idempotency.detect_overtaking():
            async with connection.pipeline():
                await self._write(connection, decided, orders, answers)
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
        connection: Connection,
        decided: Decided,
        orders: Sequence[Order],
        answers: Sequence[Answer | None],
    ) -> None:
        """Queue all writes."""
        worked = [
            (order, outcomes, answer)
            for order, outcomes, answer in zip(orders, decided.outcomes, answers, strict=True)
            if answer is not None
        ]
        at, book_id = decided.book.recorded_at, decided.book_id
        also: list[Statement] = []
        if worked:
            records = [_record(decided.book, book_id, order, outcomes) for order, outcomes, _ in worked]
            also.append(Statement(audit.INSERT, audit.insert_parameters(records)))
        kept = [(order.claim, answer) for order, _, answer in worked if order.claim is not None]
        if kept:
            also.append(Statement(idempotency.INSERT, idempotency.insert_parameters(book_id, kept, at)))
        await self._ledger.write(connection, decided, also)


def _weight(order: Order) -> int:
    return max(1, len(order.commands))


def _lot(order: Order, part: Sequence[Command], collected: list[Outcome]) -> Order:
    """A lot of a longer order: its outcomes are collected, and its answer is nobody's."""

    def collect(outcomes: Sequence[Outcome]) -> Answer:
        # A rerun of the batch renders again: what counts is the last time.
        collected[:] = outcomes
        return _PARTIAL

    return msgspec.structs.replace(order, commands=part, claim=None, render=collect)


_PARTIAL: Final = Answer(200, (), b"")


def _record(book: Book, book_id: int, order: Order, outcomes: Sequence[Outcome]) -> audit.Record:
    """One audit record per order: what it did, or for what reason it was refused."""
    first = order.commands[0]
    if len(outcomes) == 1:
        result = _result(outcomes[0])
        details: dict[str, str | int | bool] = {}
    else:
        counts = dict.fromkeys(OutcomeStatus, 0)
        for outcome in outcomes:
            counts[outcome.status] += 1
        result = "partly_refused" if counts[OutcomeStatus.REFUSED] else "done"
        details = {"commands": len(outcomes), **{status.value: count for status, count in counts.items()}}
    if book.corrected and any(_object_id(command) in book.corrected for command in order.commands):
        details["correction"] = True
    return audit.Record(
        book_id=book_id,
        at=book.recorded_at,
        principal=order.actor.principal,
        action=order.actor.action,
        object_id=_object_id(first),
        request_id=order.actor.request_id,
        result=result,
        details=details,
        origin=order.actor.origin,
    )


def _result(outcome: Outcome) -> str:
    return outcome.status.value if outcome.refusal is None else outcome.refusal.code


def _object_id(command: Command) -> str:
    match command:
        case ChangeStatus() | ChangeLimit():
            return command.account
        case _:
            return command.id
