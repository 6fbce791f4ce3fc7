"""The directory of books: made once, never changed, so that a process may remember it."""

import datetime as dt
import enum
import re
from typing import Final
from uuid import UUID

import msgspec
from psycopg.rows import TupleRow

from caudal.ledger.errors import BookNameInvalid, BookNameTaken, BookNotFound
from caudal_base import ids
from caudal_base.database import Connection
from caudal_base.money import exponent

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
_ID: Final = re.compile(r"book_[0-9a-f]{32}", re.ASCII)

_COLUMNS: Final = "book_id, id, name, mode, created_at"

# The directory is locked against other creations alone; readers pass.
_LOCK_DIRECTORY: Final = "lock table ledger.book in share row exclusive mode"

_IS_TAKEN: Final = "select 1 from ledger.book where name = %(name)s"

_INSERT_BOOK: Final = f"""
insert into ledger.book ({_COLUMNS})
select coalesce(max(book_id), 0) + 1, %(id)s, %(name)s, %(mode)s, %(created_at)s
  from ledger.book
returning book_id
"""

_INSERT_HEAD: Final = """
insert into ledger.book_head (book_id, seq, recorded_at, next_account_no, closed_through)
values (%(book_id)s, 0, %(created_at)s, 1, null)
"""

_LIST: Final = f"select {_COLUMNS} from ledger.book order by book_id"

_BY_ID: Final = f"select {_COLUMNS} from ledger.book where id = %(id)s"

_BY_NAME: Final = f"select {_COLUMNS} from ledger.book where name = %(name)s"

_BY_NUMBER: Final = f"select {_COLUMNS} from ledger.book where book_id = %(book_id)s"

_CURRENCIES: Final = """
select currency, exponent
  from ledger.currency
 where book_id = %(book_id)s
 order by currency
"""


class BookMode(enum.Enum):
    """Whether a book's money is real."""

    LIVE = "live"
    TEST = "test"


class BookInfo(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the directory. Never changes."""

    book_id: int
    """Its narrow number in this deployment, never shown outside."""
    id: str
    """`book_…`"""
    name: str
    mode: BookMode
    created_at: dt.datetime


async def create_book(
    connection: Connection, *, id: UUID, name: str, mode: BookMode, now: dt.datetime
) -> BookInfo:
    """Make a book, empty, in the caller's transaction. Creations wait for one another.

    A name is of lower-case letters, digits, `_` and `-`, at most 63 of them, unlike an id: `BookNameInvalid`.
    Raises `BookNameTaken`.
    """
    if not _NAME.fullmatch(name) or _ID.fullmatch(name):
        raise BookNameInvalid(
            "a name has 1 to 63 lower-case letters, digits, _ and -, and does not look like an id",
            field="name",
        )
    await connection.execute(_LOCK_DIRECTORY)
    cursor = await connection.execute(_IS_TAKEN, {"name": name})
    if await cursor.fetchone() is not None:
        raise BookNameTaken(f"there is a book named {name}", field="name")
    values = {"id": id, "name": name, "mode": mode.value, "created_at": now}
    cursor = await connection.execute(_INSERT_BOOK, values)
    row = await cursor.fetchone()
    book_id = 0 if row is None else row[0]
    await connection.execute(_INSERT_HEAD, {"book_id": book_id, "created_at": now})
    return BookInfo(book_id=book_id, id=ids.encode(ids.BOOK, id), name=name, mode=mode, created_at=now)


async def list_books(connection: Connection) -> list[BookInfo]:
    """All books, the oldest first."""
    cursor = await connection.execute(_LIST)
    return [_book_of(row) for row in await cursor.fetchall()]


async def require_book(connection: Connection, id_or_name: str) -> BookInfo:
    """The book that has this id (`book_…`) or name. Raises `BookNotFound`."""
    if _ID.fullmatch(id_or_name):
        found = await _find(connection, _BY_ID, {"id": UUID(hex=id_or_name[5:])})
    elif _NAME.fullmatch(id_or_name):
        found = await _find(connection, _BY_NAME, {"name": id_or_name})
    else:
        found = None
    if found is None:
        raise BookNotFound("no book has this id or name", field="book")
    return found


async def require_book_number(connection: Connection, book_id: int) -> BookInfo:
    """The book of this number. Raises `BookNotFound`."""
    found = await _find(connection, _BY_NUMBER, {"book_id": book_id})
    if found is None:
        raise BookNotFound("there is no such book", field="book")
    return found


async def currency_exponents(connection: Connection, book_id: int) -> dict[str, int]:
    """The currencies that the book has used, each with the exponent that it froze."""
    cursor = await connection.execute(_CURRENCIES, {"book_id": book_id})
    return dict(await cursor.fetchall())


async def changed_exponents(connection: Connection, book_id: int) -> dict[str, tuple[int, int]]:
    """Currencies whose frozen exponent is no longer that of ISO 4217: `{code: (frozen, today's)}`."""
    frozen = await currency_exponents(connection, book_id)
    return {code: (places, exponent(code)) for code, places in frozen.items() if places != exponent(code)}


class BookDirectory:
    """The directory as this process has seen it. Books never change and never go, so nothing goes stale."""

    def __init__(self) -> None:
        """Empty: filled by what is asked for."""
        self._known: dict[str | int, BookInfo] = {}

    async def require(self, connection: Connection, id_or_name: str) -> BookInfo:
        """As `require_book`; asks the database once per book. Raises `BookNotFound`."""
        known = self._known.get(id_or_name)
        return known or self._remember(await require_book(connection, id_or_name))

    async def require_number(self, connection: Connection, book_id: int) -> BookInfo:
        """As `require_book_number`; asks the database once per book. Raises `BookNotFound`."""
        known = self._known.get(book_id)
        return known or self._remember(await require_book_number(connection, book_id))

    def _remember(self, book: BookInfo) -> BookInfo:
        for key in (book.book_id, book.id, book.name):
            self._known[key] = book
        return book


async def _find(connection: Connection, statement: str, values: dict[str, object]) -> BookInfo | None:
    cursor = await connection.execute(statement, values)
    row = await cursor.fetchone()
    return None if row is None else _book_of(row)


def _book_of(row: TupleRow) -> BookInfo:
    return BookInfo(
        book_id=row[0], id=ids.encode(ids.BOOK, row[1]), name=row[2], mode=BookMode(row[3]), created_at=row[4]
    )
