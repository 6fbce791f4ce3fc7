"""What other rooms call: carry out commands on a book, inside the caller's transaction.

    async with database.transaction() as connection:
        outcomes = await ledger.apply(connection, book_id, commands)

Two round trips: one locks the book and loads, one writes. Callers that add statements of their own to the
same two (idempotency keys, audit records) use `begin`, `decide` and `write` directly.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final

from psycopg import AsyncCursor
from psycopg.rows import TupleRow

from caudal.ledger import rules, store, writing
from caudal.ledger.book import Book
from caudal.ledger.commands import (
    Command,
    CreateTransfer,
    PostPending,
    RecordTransaction,
    ReverseTransfer,
    VoidPending,
)
from caudal.ledger.errors import DuplicateId
from caudal.ledger.needs import AccountDirectory, Needs
from caudal.ledger.store import Load
from caudal.ledger.types import AccountId, Outcome
from caudal_base.clock import Clock
from caudal_base.database import Connection
from caudal_base.statements import Statement

LOT: Final = 2_000
"""Into lots of so many commands a long upload is cut, so that other writers of the book get in between."""

_SLICE: Final = 1_000
"""So many commands of a large batch are decided before their transfers are sent on."""


class Decided:
    """A batch that has been decided and is still to be written."""

    def __init__(self, book_id: int, book: Book, outcomes: list[list[Outcome]], *, copied: bool) -> None:
        """For each caller one outcome per command, in order; `copied`: the transfers are written already."""
        self.book_id = book_id
        self.book = book
        self.outcomes = outcomes
        self.copied = copied


class Ledger:
    """The ledger of one deployment. Holds no connection, and no state but what never changes."""

    def __init__(self, clock: Clock, directory: AccountDirectory | None = None) -> None:
        """`clock` is read once per batch, after the book's lock is held."""
        self._clock = clock
        self._directory = directory or AccountDirectory()

    async def apply(self, connection: Connection, book_id: int, commands: Sequence[Command]) -> list[Outcome]:
        """Carry out `commands` in order; one outcome each. The caller commits.

        Raises `BookNotFound`. A refused command is an outcome, not an exception.
        """
        async with connection.pipeline():
            load = await self.begin(connection, book_id, commands)
            book = await load.finish()
        decided = await self.decide(connection, book_id, book, [commands])
        async with connection.pipeline():
            await self.write(connection, decided)
        return decided.outcomes[0]

    async def begin(self, connection: Connection, book_id: int, commands: Sequence[Command]) -> Load:
        """Queue the book's lock and the loading of what `commands` need, in the caller's pipeline."""
        return await self.begin_with(connection, book_id, Needs(commands))

    async def lock(self, connection: Connection, book_id: int) -> dt.datetime:
        """Take the book's lock, for what another room keeps under it: the time of its last record.

        Raises `BookNotFound`.
        """
        async with connection.pipeline():
            return (await (await self.begin(connection, book_id, ())).finish()).recorded_at

    async def begin_with(self, connection: Connection, book_id: int, needs: Needs) -> Load:
        """`begin` for a room that knows what it needs before it knows its commands."""
        load = Load(book_id, needs, self._directory)
        await load.queue(connection, lock=True)
        return load

    async def widen(self, connection: Connection, book_id: int, book: Book, needs: Needs) -> None:
        """Load into a book that is at hand, under the lock of `begin`, what turned out to be needed."""
        async with connection.pipeline():
            load = Load(book_id, needs, self._directory)
            await load.queue(connection, lock=False, book=book)
            await load.finish()

    async def open_batch(
        self, connection: Connection, book_id: int, book: Book, accounts: Iterable[AccountId]
    ) -> None:
        """Set the batch's time and expire what is due on `accounts`; then `carry_out`, group by group.

        For a room whose commands follow from one another. What it decides is written by `write`, as
        `Decided(book_id, book, [], copied=False)`.
        """
        await self._start(connection, book_id, book, (), accounts)

    async def decide(
        self, connection: Connection, book_id: int, book: Book, callers: Sequence[Sequence[Command]]
    ) -> Decided:
        """Run the rules on what was loaded, for each caller in turn; linked groups end with their caller.

        The transfers of a large batch are copied to the database as they are decided: outside of pipelines.
        """
        commands = list(chain.from_iterable(callers)) if len(callers) != 1 else callers[0]
        await self._start(connection, book_id, book, commands)
        if len(commands) < writing.COPY_FROM:
            outcomes = [rules.carry_out(book, own) for own in callers]
            return Decided(book_id, book, outcomes, copied=False)
        outcomes = []
        async with writing.copying(connection, book_id, book) as send:
            for own in callers:
                done: list[Outcome] = []
                for slice_ in lots(own, _SLICE):
                    done += rules.carry_out(book, slice_)
                    await send()
                outcomes.append(done)
        return Decided(book_id, book, outcomes, copied=True)

    async def _start(
        self,
        connection: Connection,
        book_id: int,
        book: Book,
        commands: Sequence[Command],
        accounts: Iterable[AccountId] = (),
    ) -> None:
        """Set the batch's time and expire what is due; asks the database again only where something is."""
        now = max(self._clock.now(), book.recorded_at)
        book.recorded_at = now
        missing = Needs(()).add_suspense_of(book, commands)
        if missing:
            await store.load_references(connection, book_id, book, missing)
        if any(a.next_expiry is not None and a.next_expiry <= now for a in book.accounts.values()):
            at_hand = rules.accounts_at_hand(book, commands).union(accounts)
            due = [
                account
                for account in book.accounts.values()
                if account.id in at_hand and account.next_expiry is not None and account.next_expiry <= now
            ]
            if due:
                await store.load_due_holds(connection, book_id, book, due)
        rules.begin(book, commands, now, accounts)

    async def write(
        self, connection: Connection, decided: Decided, also: Sequence[Statement] = ()
    ) -> AsyncCursor[TupleRow] | None:
        """Queue all writes of a decided batch, in the caller's pipeline, and `also` what goes with them.

        Where possible all of it is one statement, so what is added must write to tables of its own. The
        cursor is that of the last statement.
        """
        book = decided.book
        return await writing.write(connection, decided.book_id, book, also, copied=decided.copied)

    async def dry_run(
        self, connection: Connection, book_id: int, commands: Sequence[Command]
    ) -> list[Outcome]:
        """What `apply` would answer now. Takes no lock, hands out no seq, writes nothing."""
        async with connection.pipeline():
            load = Load(book_id, Needs(commands), self._directory)
            await load.queue(connection, lock=False)
            book = await load.finish()
        await self._start(connection, book_id, book, commands)
        return rules.carry_out(book, commands)

    async def expire_due(self, connection: Connection, book_id: int, limit: int = LOT) -> int:
        """Expire up to `limit` due holds of the book, those first that lapsed first. Returns how many."""
        async with connection.pipeline():
            load = await self.begin(connection, book_id, ())
            book = await load.finish()
        book.recorded_at = max(self._clock.now(), book.recorded_at)
        await store.load_oldest_due_holds(connection, book_id, book, limit)
        due = sorted(
            (hold for hold in book.holds.values() if rules.is_due(hold, book.recorded_at)),
            key=lambda h: h.seq,
        )
        if not due:
            return 0
        rules.expire(book, due)
        decided = Decided(book_id, book, [], copied=False)
        async with connection.pipeline():
            await self.write(connection, decided)
        return len(due)


def carry_out(book: Book, commands: Sequence[Command]) -> list[Outcome]:
    """Carry out commands on a book whose batch is open, one outcome each. Pure; linked groups end here."""
    return rules.carry_out(book, commands)


def refuse_repeated_ids(commands: Sequence[Command]) -> None:
    """Refuse a caller's batch that names one id twice: it cannot mean both. Raises `DuplicateId`."""
    seen: set[str] = set()
    for index, command in enumerate(commands):
        if isinstance(command, _WITH_ID):
            if command.id in seen:
                raise DuplicateId(f"{command.id} stands twice in this batch", field=f"transfers[{index}].id")
            seen.add(command.id)


_WITH_ID = (CreateTransfer, PostPending, VoidPending, ReverseTransfer, RecordTransaction)


def lots(commands: Sequence[Command], size: int = LOT) -> list[Sequence[Command]]:
    """Cut a long upload into lots of at most `size`, never inside a linked group."""
    cut: list[Sequence[Command]] = []
    start = 0
    while start < len(commands):
        end = min(start + size, len(commands))
        while end > start + 1 and end < len(commands) and commands[end - 1].linked:
            end -= 1
        if end == start + 1 and commands[start].linked:  # a group longer than a lot stays whole
            while end < len(commands) and commands[end - 1].linked:
                end += 1
        cut.append(commands[start:end])
        start = end
    return cut
