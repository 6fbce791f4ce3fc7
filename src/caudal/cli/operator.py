"""What a command does on the database: through the same services as the API, in the operator's name."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Concatenate, ParamSpec

import typer

from caudal.access import OPERATOR, Caller
from caudal.cli import opening
from caudal.cli.exits import Exit
from caudal.cli.frame import Call, command
from caudal.cli.terminal import Terminal
from caudal.idempotency import Answer
from caudal.ledger import (
    Actor,
    BookInfo,
    Command,
    Desk,
    Ledger,
    Order,
    Outcome,
    refuse_unfit_texts,
    require_book,
)
from caudal_base import ids
from caudal_base.clock import SystemClock
from caudal_base.database import Database, Timeouts
from caudal_base.ids import IdSource

P = ParamSpec("P")

PRINCIPAL = "operator"
"""How the audit log names whoever runs commands on the machine."""


class Operator:
    """An open database, and the means to work on it."""

    def __init__(self, call: Call, database: Database) -> None:
        """`database` is open, and its schema fits."""
        self.call = call
        self.database = database
        self.clock = SystemClock()
        self.ids = IdSource(self.clock)
        self.request_id = ids.encode(ids.REQUEST, self.ids.new())

    @property
    def terminal(self) -> Terminal:
        """Where the answer goes."""
        return self.call.terminal

    def new_id(self, prefix: str) -> str:
        """A new external id."""
        return ids.encode(prefix, self.ids.new())

    async def book(self, id_or_name: str) -> BookInfo:
        """The book of this id or name. Raises `BookNotFound`."""
        async with self.database.connection() as connection:
            return await require_book(connection, id_or_name)

    @property
    def caller(self) -> Caller:
        """The operator, as rooms and the audit log know him."""
        return Caller(principal=OPERATOR, request_id=self.request_id)

    async def carry_out(
        self,
        book: BookInfo,
        commands: Sequence[Command],
        action: str,
        *,
        dry_run: bool = False,
        items: str | None = None,
    ) -> list[Outcome]:
        """Carry out commands in one order, with its audit record. One outcome each; a refusal is one.

        With `dry_run` the outcomes are those that it would have now, and nothing is written.
        Raises what `ledger.refuse_unfit_texts` does; `items` is the array that the commands came in.
        """
        refuse_unfit_texts(commands, items=items)
        if dry_run:
            async with self.database.snapshot() as connection:
                return await Ledger(self.clock).dry_run(connection, book.book_id, commands)
        kept: list[Outcome] = []

        def keep(outcomes: Sequence[Outcome]) -> Answer:
            # A batch that is run again renders again: what counts is the last time.
            kept[:] = outcomes
            return Answer(200, (), b"")

        desk = Desk(self.database, Ledger(self.clock))
        actor = Actor(principal=PRINCIPAL, action=action, request_id=self.request_id)
        try:
            await desk.carry_out(book.book_id, Order(commands=commands, actor=actor, render=keep))
        finally:
            await desk.drain()
        return kept


def on_database(
    app: typer.Typer, name: str | None = None
) -> Callable[[Callable[Concatenate[Operator, P], Awaitable[Exit | None]]], Callable[..., Exit | None]]:
    """Register an async function as a command that gets an `Operator`, then its own options."""

    def register(
        function: Callable[Concatenate[Operator, P], Awaitable[Exit | None]],
    ) -> Callable[..., Exit | None]:
        def run(call: Call, /, **own: Any) -> Exit | None:
            with opening.dsn(call) as dsn:
                return asyncio.run(_with_database(call, dsn, function, own))

        return command(app, name, declared_by=function)(run)

    return register


async def _with_database(
    call: Call, dsn: str, function: Callable[..., Awaitable[Exit | None]], own: dict[str, Any]
) -> Exit | None:
    timeouts = Timeouts(
        statement_ms=call.settings.statement_timeout_ms, lock_ms=call.settings.lock_timeout_ms
    )
    database = await Database.open(dsn, max_size=4, timeouts=timeouts)
    try:
        return await function(Operator(call, database), **own)
    finally:
        await database.close()
