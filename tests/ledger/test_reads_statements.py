"""Statements: exact in both orders, each one's end the next one's beginning, also of long ones."""

import csv
import datetime as dt
import io

import pytest
from hypothesis import HealthCheck, given, settings

from caudal.ledger import (
    Account,
    Basis,
    CreateTransfer,
    Ledger,
    Statement,
    StatementDaysReversed,
    StatementLine,
    csv_rows,
    get_account,
    open_statement,
    statement_lines,
)
from caudal_base.clock import ManualClock
from caudal_base.database import Connection, Database
from support.histories import START, Step
from support.ledgers import (
    POSTED,
    account,
    live_through,
    new_book,
    posted_sums,
    spread_histories,
    transfer,
    two_accounts,
    value_at,
)


@pytest.fixture
def database(shared_database: Database) -> Database:
    """Each test makes a book of its own."""
    return shared_database


DAY = dt.timedelta(days=1)


async def read(
    connection: Connection,
    book_id: int,
    shown: Account,
    first: dt.date,
    last: dt.date,
    basis: Basis,
    rows_per_fetch: int = 500,
) -> tuple[Statement, list[StatementLine]]:
    statement = await open_statement(
        connection, book_id, shown, from_day=first, through_day=last, basis=basis
    )
    return statement, [
        line async for line in statement_lines(connection, book_id, statement, rows_per_fetch=rows_per_fetch)
    ]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=spread_histories())
@pytest.mark.parametrize("basis", Basis)
@pytest.mark.parametrize("rows_per_fetch", [2, 500])
async def test_statements_show_each_day_in_order_and_join_without_a_seam(
    database: Database,
    basis: Basis,
    rows_per_fetch: int,
    history: list[Step],
) -> None:
    book = await new_book(database)
    model, _ = await live_through(database, book.book_id, history)

    def order(t):  # type: ignore[no-untyped-def]
        return (value_at(t), t.seq) if basis is Basis.EFFECTIVE else (t.recorded_at, t.seq)

    days = sorted({order(t)[0].date() for t in model.new_transfers})
    async with database.connection() as connection:
        for shown in list(model.accounts.values())[1:3]:
            own = [t for t in model.new_transfers if shown.id in (t.debit_account, t.credit_account)]
            posted = sorted((t for t in own if t.kind in POSTED), key=order)
            closing = (0, 0)
            day = days[0] - DAY
            while day <= days[-1] + DAY:
                through = day + DAY
                statement, lines = await read(
                    connection, book.book_id, shown, day, through, basis, rows_per_fetch
                )
                assert (statement.opening_debits, statement.opening_credits) == closing
                of_days = [t for t in posted if day <= order(t)[0].date() <= through]
                assert [line.entry.transfer for line in lines] == of_days
                so_far = [t for t in posted if order(t)[0].date() < day]
                for line in lines:
                    so_far.append(line.entry.transfer)
                    assert (line.debits, line.credits) == posted_sums(so_far, shown.id)
                closing = (statement.closing_debits, statement.closing_credits)
                assert closing == posted_sums(so_far, shown.id)
                day = through + DAY
            assert closing == posted_sums(posted, shown.id)


async def test_what_is_recorded_while_a_statement_is_read_is_not_in_it(database: Database) -> None:
    book = await new_book(database)
    ledger = Ledger(ManualClock(START))

    def move(number: int) -> CreateTransfer:
        return CreateTransfer(
            id=transfer(number),
            debit_account=account(1),
            credit_account=account(2),
            amount=number,
            currency="USD",
            effective_at=START - number * DAY,
        )

    async with database.transaction() as connection:
        await ledger.apply(connection, book.book_id, [*two_accounts(), move(1), move(3)])
    async with database.connection() as connection:
        shown = await get_account(connection, book.book_id, account(2), now=START)
        statement = await open_statement(
            connection,
            book.book_id,
            shown,
            from_day=(START - 9 * DAY).date(),
            through_day=START.date(),
            basis=Basis.EFFECTIVE,
        )
        async with database.transaction() as other:
            await ledger.apply(other, book.book_id, [move(2), move(4)])
        lines = [line async for line in statement_lines(connection, book.book_id, statement)]
    assert [line.entry.amount for line in lines] == [3, 1]
    assert lines[-1].balance == statement.closing_balance == 4


async def test_a_statement_as_csv_has_amounts_as_integers_and_as_decimals(database: Database) -> None:
    book = await new_book(database)
    clock = ManualClock(START)
    move = CreateTransfer(
        id=transfer(1),
        debit_account=account(1),
        credit_account=account(2),
        amount=123_456,
        currency="USD",
        effective_at=START - DAY,
        code="fee",
        reference='say "hi", now',
    )
    async with database.transaction() as connection:
        await Ledger(clock).apply(connection, book.book_id, [*two_accounts(), move])
    async with database.connection() as connection:
        shown = await get_account(connection, book.book_id, account(2), now=START)
        day = (START - DAY).date()
        statement = await open_statement(
            connection, book.book_id, shown, from_day=day, through_day=day, basis=Basis.EFFECTIVE
        )
        text = io.StringIO()
        writer = csv.writer(text)
        async for row in csv_rows(statement, statement_lines(connection, book.book_id, statement)):
            writer.writerow(row)
    opening, entry, closing = csv.DictReader(io.StringIO(text.getvalue()))
    assert (opening["type"], opening["balance_minor"], opening["balance"]) == ("opening", "0", "0.00")
    assert opening["effective_at"] == "2026-02-28T00:00:00.000000Z"
    assert entry == {
        "type": "entry",
        "seq": "3",
        "transfer": transfer(1),
        "recorded_at": "2026-03-01T12:00:00.000000Z",
        "effective_at": "2026-02-28T12:00:00.000000Z",
        "kind": "posted",
        "side": "credit",
        "amount_minor": "123456",
        "amount": "1234.56",
        "balance_minor": "123456",
        "balance": "1234.56",
        "currency": "USD",
        "counterparty": account(1),
        "code": "fee",
        "reference": 'say "hi", now',
    }
    assert (closing["type"], closing["balance_minor"], closing["balance"]) == ("closing", "123456", "1234.56")


async def test_a_statement_cannot_end_before_it_starts(database: Database) -> None:
    book = await new_book(database)
    async with database.transaction() as connection:
        await Ledger(ManualClock(START)).apply(connection, book.book_id, two_accounts())
    async with database.connection() as connection:
        shown = await get_account(connection, book.book_id, account(2), now=START)
        with pytest.raises(StatementDaysReversed):
            await open_statement(
                connection,
                book.book_id,
                shown,
                from_day=START.date(),
                through_day=(START - DAY).date(),
            )
        for basis in Basis:
            statement, lines = await read(connection, book.book_id, shown, dt.date.min, dt.date.max, basis)
            assert (statement.opening_balance, lines, statement.closing_balance) == (0, [], 0)
