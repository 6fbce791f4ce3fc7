"""`/v1/books`: sets of accounts that balance together."""

from typing import Annotated

from msgspec import Meta

from caudal import access, audit
from caudal.access import DEPLOYMENT, Principal, Scope
from caudal.api.bodies import RequestBody, Write
from caudal.api.endpoint import NoBody, NoQuery
from caudal.api.fields import Time
from caudal.api.paging import number, page_answer
from caudal.api.queries import PageQuery
from caudal.api.request import Request
from caudal.api.views import View, json_answer
from caudal.idempotency import Answer
from caudal.ledger import BookInfo, BookMode, BookNotFound, create_book, list_books
from caudal_base import ids
from caudal_base.database import Connection

BookName = Annotated[
    str,
    Meta(
        description="Lower-case letters, digits, `_` and `-`.",
        min_length=1,
        max_length=63,
        extra_json_schema={"pattern": "^[a-z0-9][a-z0-9_-]{0,62}$"},
    ),
]


class NewBook(RequestBody, frozen=True, kw_only=True):
    """Make a book."""

    name: BookName
    mode: Annotated[BookMode, Meta(description="Whether its money is real.")] = BookMode.TEST


class BookView(View, frozen=True, kw_only=True):
    """A book; it never changes."""

    id: str
    name: str
    mode: BookMode
    created_at: Time


def _view(book: BookInfo) -> BookView:
    return BookView(id=book.id, name=book.name, mode=book.mode, created_at=book.created_at)


async def make_book(request: Request[Write, NewBook]) -> Answer:
    """POST /v1/books"""
    access.require(request.principal, Scope.BOOKS_WRITE, DEPLOYMENT)

    async def work(connection: Connection) -> Answer:
        now = request.services.clock.now()
        book = await create_book(
            connection, id=request.new_uuid(), name=request.body.name, mode=request.body.mode, now=now
        )
        await audit.append(connection, [request.record("book.create", book.id, "created", at=now)])
        return json_answer(201, _view(book), ("Location", f"/v1/books/{book.id}"))

    return await request.once(work, dry_run=request.query.dry_run)


async def find_books(request: Request[PageQuery, NoBody]) -> Answer:
    """GET /v1/books"""
    after, limit = number(request.query.cursor) or 0, request.query.limit
    async with request.services.database.connection() as connection:
        books = await list_books(connection)
    seen = [book for book in books if book.book_id > after and _reaches(request.principal, book)]
    page = seen[:limit]
    return page_answer([_view(book) for book in page], page[-1].book_id if len(seen) > limit else None)


async def read_book(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/books/{id}; raises `BookNotFound` also for a book that the key is not bound to."""
    uuid = ids.decode(ids.BOOK, request.ids["id"])
    async with request.services.database.connection() as connection:
        book = await request.services.books.require(connection, ids.encode(ids.BOOK, uuid))
    if not _reaches(request.principal, book):
        raise BookNotFound("no book has this id or name", field="book")
    return json_answer(200, _view(book))


def _reaches(principal: Principal, book: BookInfo) -> bool:
    return principal.books is None or book.book_id in principal.books
