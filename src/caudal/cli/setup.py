"""What a database needs before it is of use: the schema, a book, and a first API key."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from caudal import access, audit
from caudal.ledger import BookInfo, BookMode, create_book, list_books
from caudal.migrations import MIGRATIONS
from caudal_base import ids
from caudal_base.clock import SystemClock
from caudal_base.database import Connection, Database
from caudal_base.ids import IdSource
from caudal_base.migrate import migrate
from caudal_base.secret import Secret

R = TypeVar("R")

FIRST_BOOK: Final = "main"
"""The book that a new database gets."""


def prepare(dsn: str) -> list[str]:
    """Migrate, and make the first book where there is none. The names of the migrations that were applied."""
    applied = migrate(dsn, MIGRATIONS)
    _in_transaction(dsn, _first_book)
    return applied


def first_key(dsn: str) -> Secret | None:
    """An API key with all scopes in the first book, if this database has never had a key."""
    return _in_transaction(dsn, _first_key)


async def make_book(
    connection: Connection, *, name: str, mode: BookMode, new_ids: IdSource, request_id: str
) -> BookInfo:
    """Make a book in the operator's name, audited. Raises `BookNameInvalid`, `BookNameTaken`."""
    now = SystemClock().now()
    book = await create_book(connection, id=new_ids.new(), name=name, mode=mode, now=now)
    record = audit.Record(
        book_id=audit.DEPLOYMENT,
        at=now,
        principal=access.OPERATOR.actor,
        action="book.create",
        object_id=book.id,
        request_id=request_id,
        result="created",
        details={"name": name, "mode": mode.value},
    )
    await audit.append(connection, [record])
    return book


async def _first_book(connection: Connection) -> None:
    if not await list_books(connection):
        new_ids = IdSource(SystemClock())
        await make_book(
            connection,
            name=FIRST_BOOK,
            mode=BookMode.TEST,
            new_ids=new_ids,
            request_id=ids.encode(ids.REQUEST, new_ids.new()),
        )


async def _first_key(connection: Connection) -> Secret | None:
    if (await access.list_keys(connection, principal=access.OPERATOR, limit=1)).keys:
        return None
    new_ids = IdSource(SystemClock())
    book = (await list_books(connection))[0]
    live = book.mode is BookMode.LIVE
    wanted = access.CreateKey(
        name="first key",
        scopes=frozenset({access.Scope.ADMIN}),
        books=frozenset({book.book_id}),
        environment=access.Environment.LIVE if live else access.Environment.TEST,
    )
    caller = access.Caller(principal=access.OPERATOR, request_id=ids.encode(ids.REQUEST, new_ids.new()))
    (issued,) = await access.create_keys(
        connection, [wanted], caller=caller, at=SystemClock().now(), new_ids=new_ids
    )
    if isinstance(issued, Exception):
        raise issued
    return issued.text


def _in_transaction(dsn: str, work: Callable[[Connection], Awaitable[R]]) -> R:
    async def run() -> R:
        database = await Database.open(dsn, max_size=1)
        try:
            async with database.transaction() as connection:
                return await work(connection)
        finally:
            await database.close()

    return asyncio.run(run())
