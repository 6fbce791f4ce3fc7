"""`caudal.books` and `caudal.periods`"""

import datetime as dt

from caudal.client.bodies import ListQuery, NewBook, NewPeriod
from caudal.client.ids import new_idempotency_key
from caudal.client.listing import Rows
from caudal.client.reports import Period
from caudal.client.sending import Sender, segment
from caudal.client.types import Book, BookMode, Page

_BOOKS = "/v1/books"
_PERIODS = "/v1/periods"


class Books:
    """Sets of accounts that balance together: a legal entity's ledger, live or test."""

    def __init__(self, sender: Sender) -> None:
        """Made by `Caudal`."""
        self._sender = sender

    async def create(
        self, name: str, *, mode: BookMode = BookMode.TEST, idempotency_key: str | None = None
    ) -> Book:
        """Make a book, with a key that reaches all books. Raises `Conflict` for a name that is taken."""
        key = new_idempotency_key() if idempotency_key is None else idempotency_key
        return await self._sender.write(Book, _BOOKS, NewBook(name=name, mode=mode), key=key)

    async def get(self, id: str) -> Book:
        """A book by its id. Raises `NotFound`, also for one that the key does not reach."""
        return await self._sender.read(Book, f"{_BOOKS}/{segment(id)}")

    def list(self, *, cursor: str | None = None, page_size: int | None = None) -> Rows[Book]:
        """The books that the key reaches."""
        return Rows(self._sender, Page[Book], _BOOKS, ListQuery(cursor=cursor, limit=page_size))


class Periods:
    """Closed days: nothing is recorded with an effective date inside, but under a scope of its own."""

    def __init__(self, sender: Sender) -> None:
        """Made by `Caudal`."""
        self._sender = sender

    async def close(self, through: dt.date, *, idempotency_key: str | None = None) -> Period:
        """Close all days up to and including `through`, in UTC.

        Raises `Unprocessable` for a day that is not over, `Conflict` where that much is closed already.
        """
        key = new_idempotency_key() if idempotency_key is None else idempotency_key
        return await self._sender.write(Period, _PERIODS, NewPeriod(through=through), key=key)

    def list(self, *, cursor: str | None = None, page_size: int | None = None) -> Rows[Period]:
        """All closes, the latest first."""
        return Rows(self._sender, Page[Period], _PERIODS, ListQuery(cursor=cursor, limit=page_size))
