"""`/v1/accounts/{id}/balance`, `/entries` and `/statement`: what an account has seen."""

import csv
import datetime as dt
import io
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

from caudal.api.account_views import balance_view, entry_view
from caudal.api.accounts import path_account_id
from caudal.api.endpoint import NoBody, Stream
from caudal.api.fields import utc
from caudal.api.paging import day, number, page_answer
from caudal.api.problems import InvalidParameter
from caudal.api.queries import BalanceQuery, EntriesQuery, StatementQuery
from caudal.api.request import Request
from caudal.api.statement_views import StatementHead, line_view
from caudal.api.views import encode, json_answer
from caudal.idempotency import Answer
from caudal.ledger import (
    Balance,
    Statement,
    ValueBalance,
    balance_at_effective,
    balance_at_recorded,
    balance_at_seq,
    balance_now,
    csv_rows,
    get_account,
    list_entries,
    open_statement,
    statement_lines,
)
from caudal_base.database import Connection

_CHUNK: Final = 65_536
"""Bytes that gather before they are sent."""


async def read_balance(request: Request[BalanceQuery, NoBody]) -> Answer:
    """GET /v1/accounts/{id}/balance"""
    async with request.services.database.connection() as connection:
        return json_answer(200, balance_view(await _balance(request, connection)))


async def _balance(request: Request[BalanceQuery, NoBody], connection: Connection) -> Balance | ValueBalance:
    query, book_id, account = request.query, request.book_id, path_account_id(request)
    at_most_one(at_seq=query.at_seq, at_recorded=query.at_recorded, at_effective=query.at_effective)
    at_recorded = utc(query.at_recorded, "at_recorded")
    at_effective = utc(query.at_effective, "at_effective")
    if query.at_seq is not None:
        return await balance_at_seq(connection, book_id, account, query.at_seq)
    if at_recorded is not None:
        return await balance_at_recorded(connection, book_id, account, at_recorded)
    if at_effective is not None:
        return await balance_at_effective(connection, book_id, account, at_effective)
    return await balance_now(connection, book_id, account, now=request.services.clock.now())


def at_most_one(**moments: int | dt.date | None) -> None:
    """Raise `InvalidParameter` where more than one moment is given."""
    given = [name for name, moment in moments.items() if moment is not None]
    if len(given) > 1:
        raise InvalidParameter(f"give one of {', '.join(moments)}", field=given[1])


async def read_entries(request: Request[EntriesQuery, NoBody]) -> Answer:
    """GET /v1/accounts/{id}/entries"""
    query, services = request.query, request.services
    async with services.database.connection() as connection:
        account = await get_account(
            connection, request.book_id, path_account_id(request), now=services.clock.now()
        )
        page = await list_entries(
            connection,
            request.book_id,
            account,
            newest_first=query.newest_first,
            cursor=number(query.cursor),
            limit=query.limit,
        )
    return page_answer([entry_view(entry) for entry in page.rows], page.next)


async def read_statement(request: Request[StatementQuery, NoBody]) -> Stream:
    """GET /v1/accounts/{id}/statement"""
    query, services = request.query, request.services
    first, last = day(query.from_day, "from"), day(query.through_day, "through")
    await request.take_long_place()
    async with services.database.connection() as connection:
        account = await get_account(
            connection, request.book_id, path_account_id(request), now=services.clock.now()
        )
        statement = await open_statement(
            connection,
            request.book_id,
            account,
            from_day=first,
            through_day=last,
            basis=query.basis,
        )
    accepted = request.headers.get(b"accept", b"")
    if query.format == "csv" or (query.format is None and accepted.startswith(b"text/csv")):
        return Stream("text/csv; charset=utf-8; header=present", _as_csv(request, statement))
    return Stream("application/json", _as_json(request, statement))


async def _as_json(request: Request[StatementQuery, NoBody], statement: Statement) -> AsyncIterator[bytes]:
    head = encode(StatementHead.of(statement))
    buffer = bytearray(head[:-1] + b',"lines":[')
    separator = b""
    async with request.services.database.connection() as connection:
        lines = statement_lines(connection, request.book_id, statement)
        async with aclosing(lines) as rows:  # type: ignore[type-var]
            async for line in rows:
                buffer += separator + encode(line_view(line))
                separator = b","
                if len(buffer) >= _CHUNK:
                    yield bytes(buffer)
                    buffer.clear()
    yield bytes(buffer + b"]}")


async def _as_csv(request: Request[StatementQuery, NoBody], statement: Statement) -> AsyncIterator[bytes]:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    async with request.services.database.connection() as connection:
        lines = statement_lines(connection, request.book_id, statement)
        async for row in csv_rows(statement, lines):
            writer.writerow([_harmless(cell) for cell in row])
            if buffer.tell() >= _CHUNK:
                yield buffer.getvalue().encode()
                buffer.seek(0)
                buffer.truncate()
    yield buffer.getvalue().encode()


def _harmless(cell: str) -> str:
    """`cell`, kept from being a formula where a spreadsheet opens the file (OWASP, CSV injection)."""
    return f"'{cell}" if cell[:1] in _FORMULA and not _NUMBER.fullmatch(cell) else cell


_FORMULA: Final = frozenset("=+-@\t\r")
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
