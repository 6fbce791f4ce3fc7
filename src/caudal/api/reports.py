"""`/v1/trial-balance`, `/v1/periods` and `/v1/journal`: a book as a whole."""

import datetime as dt
from collections.abc import AsyncIterator
from typing import Final, Literal

from caudal import audit
from caudal.api.account_views import AccountEventView, event_view
from caudal.api.bodies import RequestBody, Write
from caudal.api.endpoint import NoBody, Stream
from caudal.api.fields import Time, utc
from caudal.api.history import at_most_one
from caudal.api.paging import bad_cursor, day, page_answer
from caudal.api.queries import Day, JournalQuery, PageQuery, TrialBalanceQuery
from caudal.api.request import Request
from caudal.api.views import TransferView, View, encode, json_answer, transfer_view
from caudal.idempotency import Answer
from caudal.ledger import (
    AccountEvent,
    AtEffectiveDay,
    AtRecorded,
    AtSeq,
    Counters,
    JournalRow,
    Moment,
    Now,
    Period,
    close_period,
    list_periods,
    read_journal,
    trial_balance,
)
from caudal_base.database import Connection

NDJSON: Final = "application/x-ndjson"
_STREAM_PAGE: Final = 250
"""Rows that are made into text at once: others' requests wait so long."""


class CodeTotalsView(View, frozen=True, kw_only=True):
    """All accounts of one chart code and currency together."""

    code: str | None
    """Null is of those without one."""
    currency: str
    accounts: int
    debits_posted: int
    credits_posted: int
    debits_pending: int
    credits_pending: int


class CurrencyTotalsView(View, frozen=True, kw_only=True):
    """All accounts of one currency together: debits equal credits."""

    currency: str
    debits_posted: int
    credits_posted: int
    debits_pending: int
    credits_pending: int


class TrialBalanceView(View, frozen=True, kw_only=True):
    """A book's accounts by chart code, and their totals by currency."""

    seq: int
    """The last seq that is counted."""
    balanced: bool
    rows: tuple[CodeTotalsView, ...]
    totals: tuple[CurrencyTotalsView, ...]


class NewPeriod(RequestBody, frozen=True, kw_only=True):
    """Close all days up to and including one that is over."""

    through: Day


class PeriodView(View, frozen=True, kw_only=True):
    """A close: all days up to and including `closed_through` are shut."""

    closed_through: dt.date
    closed_at: Time
    closed_by: str
    at_seq: int
    """The book's last seq at the time."""


class JournalRowView(View, frozen=True, kw_only=True):
    """A transfer or an account event, in its place in the book's order."""

    seq: int
    type: Literal["transfer", "account_event"]
    transfer: TransferView | None = None
    account_event: AccountEventView | None = None


class JournalView(View, frozen=True, kw_only=True):
    """A stretch of the journal, without gaps. Ask again with `next_after`: what was seen never changes."""

    data: tuple[JournalRowView, ...]
    next_after: int
    head: int
    """The book's last seq: how far there is to go."""


async def read_trial_balance(request: Request[TrialBalanceQuery, NoBody]) -> Answer:
    """GET /v1/trial-balance"""
    moment = _moment(request.query, request.services.clock.now())
    await request.take_long_place()
    async with request.services.database.snapshot() as connection:
        balance = await trial_balance(connection, request.book_id, moment)
    rows = tuple(
        CodeTotalsView(code=row.code, currency=row.currency, accounts=row.accounts, **_four(row.counters))
        for row in balance.rows
    )
    totals = tuple(
        CurrencyTotalsView(currency=currency, **_four(counters))
        for currency, counters in sorted(balance.totals.items())
    )
    view = TrialBalanceView(seq=balance.seq, balanced=balance.balanced, rows=rows, totals=totals)
    return json_answer(200, view)


def _moment(query: TrialBalanceQuery, now: dt.datetime) -> Moment:
    at_most_one(at_seq=query.at_seq, at_recorded=query.at_recorded, at_effective_day=query.at_effective_day)
    at_recorded = utc(query.at_recorded, "at_recorded")
    if query.at_seq is not None:
        return AtSeq(query.at_seq)
    if at_recorded is not None:
        return AtRecorded(at_recorded)
    if query.at_effective_day is not None:
        return AtEffectiveDay(day(query.at_effective_day, "at_effective_day"))
    return Now(now)


def _four(counters: Counters) -> dict[str, int]:
    return {
        "debits_posted": counters.debits_posted,
        "credits_posted": counters.credits_posted,
        "debits_pending": counters.debits_pending,
        "credits_pending": counters.credits_pending,
    }


async def make_period(request: Request[Write, NewPeriod]) -> Answer:
    """POST /v1/periods"""
    through = day(request.body.through, "through")

    async def work(connection: Connection) -> Answer:
        period = await close_period(
            connection,
            request.book_id,
            through,
            closed_by=request.principal.actor,
            clock=request.services.clock,
        )
        record = request.record("period.close", through.isoformat(), "closed", at=period.closed_at)
        await audit.append(connection, [record])
        return json_answer(201, _period_view(period))

    return await request.once(work, dry_run=request.query.dry_run)


async def find_periods(request: Request[PageQuery, NoBody]) -> Answer:
    """GET /v1/periods"""
    before = dt.date.max
    if request.query.cursor is not None:
        try:
            before = dt.date.fromisoformat(request.query.cursor)
        except ValueError:
            raise bad_cursor() from None
    limit = request.query.limit
    async with request.services.database.connection() as connection:
        periods = await list_periods(connection, request.book_id, before=before, limit=limit)
    next_ = periods[-1].closed_through if len(periods) == limit else None
    return page_answer([_period_view(period) for period in periods], next_)


def _period_view(period: Period) -> PeriodView:
    return PeriodView(
        closed_through=period.closed_through,
        closed_at=period.closed_at,
        closed_by=period.closed_by,
        at_seq=period.at_seq,
    )


async def follow_journal(request: Request[JournalQuery, NoBody]) -> Answer | Stream:
    """GET /v1/journal"""
    query = request.query
    accepted = request.headers.get(b"accept", b"")
    if query.format == "ndjson" or (query.format is None and accepted.startswith(NDJSON.encode())):
        await request.take_long_place()
        return Stream(NDJSON, _lines(request, query.after))
    async with request.services.database.connection() as connection:
        journal = await read_journal(connection, request.book_id, after=query.after, limit=query.limit)
    rows = tuple(_row_view(row) for row in journal.rows)
    next_after = rows[-1].seq if rows else query.after
    return json_answer(200, JournalView(data=rows, next_after=next_after, head=journal.head))


async def _lines(request: Request[JournalQuery, NoBody], after: int) -> AsyncIterator[bytes]:
    """All behind `after` up to the head at the start; no connection is held while sending."""
    through: int | None = None
    while through is None or after < through:
        async with request.services.database.connection() as connection:
            journal = await read_journal(connection, request.book_id, after=after, limit=_STREAM_PAGE)
        through = journal.head if through is None else through
        rows = [row for row in journal.rows if row.seq <= through]
        if not rows:
            return
        yield b"".join(encode(_row_view(row)) + b"\n" for row in rows)
        after = rows[-1].seq


def _row_view(row: JournalRow) -> JournalRowView:
    if isinstance(row, AccountEvent):
        return JournalRowView(seq=row.seq, type="account_event", account_event=event_view(row))
    return JournalRowView(seq=row.seq, type="transfer", transfer=transfer_view(row))
