"""What a whole book shows: its trial balance at any moment, and its journal."""

import datetime as dt

import pytest
from hypothesis import HealthCheck, given, settings

from caudal.ledger import (
    AccountFilter,
    AccountTotals,
    AtEffectiveDay,
    AtRecorded,
    AtSeq,
    Book,
    BookNotFound,
    Counters,
    CreateTransfer,
    Ledger,
    Moment,
    Now,
    Transfer,
    list_accounts,
    read_journal,
    trial_balance,
    trial_balance_accounts,
)
from caudal_base.clock import ManualClock
from caudal_base.database import Connection, Database
from caudal_base.errors import InvariantError
from support.histories import START, Step
from support.ledgers import (
    account,
    live_through,
    moments_of_interest,
    new_book,
    pending_sums,
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


on_histories = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def expected_counters(model: Book, counted: list[Transfer], moment: Moment) -> dict[str, Counters]:
    """Each account's counters by its id: what is held is as the last transfer left it, or as it is now."""
    counters = {}
    for id_ in model.accounts:
        own = [t for t in counted if id_ in (t.debit_account, t.credit_account)]
        held = (0, 0)
        if isinstance(moment, Now):
            held = pending_sums(model, id_, at=moment.moment)
        elif own and not isinstance(moment, AtEffectiveDay):
            last = own[-1]
            held = (last.debit_after if last.debit_account == id_ else last.credit_after)[2:]
        counters[str(id_)] = Counters(*posted_sums(own, id_), *held)
    return counters


async def by_account(connection: Connection, book_id: int, moment: Moment, limit: int) -> list[AccountTotals]:
    rows: list[AccountTotals] = []
    after: int | None = 0
    while after is not None:
        page = await trial_balance_accounts(connection, book_id, moment, after=after, limit=limit)
        rows += page.rows
        after = page.next
    return rows


@on_histories
@given(history=spread_histories())
async def test_the_trial_balance_adds_up_at_every_moment(database: Database, history: list[Step]) -> None:
    book = await new_book(database)
    model, clock = await live_through(database, book.book_id, history)
    transfers = model.new_transfers
    cases: list[tuple[Moment, list[Transfer]]] = [
        (Now(clock.now() + dt.timedelta(seconds=seconds)), transfers) for seconds in (0, 25, 300)
    ]
    for seq in range(0, model.seq + 2, 5):
        cases.append((AtSeq(seq), [t for t in transfers if t.seq <= seq]))
    for moment in moments_of_interest(model)[::9]:
        cases.append((AtRecorded(moment), [t for t in transfers if t.recorded_at <= moment]))
        day = moment.date()
        cases.append((AtEffectiveDay(day), [t for t in transfers if value_at(t).date() <= day]))

    async with database.connection() as connection:
        for moment, counted in cases:
            expected = expected_counters(model, counted, moment)
            shown = {
                row.account: row.counters for row in await by_account(connection, book.book_id, moment, 2)
            }
            untouched = Counters()
            assert {id_: shown.get(id_, untouched) for id_ in expected} == expected, moment
            trial = await trial_balance(connection, book.book_id, moment)
            assert trial.balanced
            for code, currency in {(a.code, a.currency) for a in model.accounts.values()}:
                mine = [
                    e
                    for id_, e in expected.items()
                    if (a := model.accounts[id_]).code == code and a.currency == currency
                ]
                rows = [row for row in trial.rows if (row.code, row.currency) == (code, currency)]
                assert sum(e.debits_posted for e in mine) == sum(row.counters.debits_posted for row in rows)
                assert sum(e.credits_pending for e in mine) == sum(
                    row.counters.credits_pending for row in rows
                )


async def test_the_trial_balance_now_is_the_sum_of_the_accounts_also_while_a_hold_is_due(
    database: Database,
) -> None:
    book = await new_book(database)
    due = START + dt.timedelta(hours=1)
    hold = CreateTransfer(
        id=transfer(1),
        debit_account=account(1),
        credit_account=account(2),
        amount=70,
        currency="USD",
        pending=True,
        expires_at=due,
    )
    async with database.transaction() as connection:
        await Ledger(ManualClock(START)).apply(connection, book.book_id, [*two_accounts(), hold])

    async with database.connection() as connection:
        for now, held in ((due - dt.timedelta(microseconds=1), 70), (due, 0)):
            trial = await trial_balance(connection, book.book_id, Now(now))
            accounts = (await list_accounts(connection, book.book_id, AccountFilter(), now=now)).rows
            assert trial.totals == {"USD": Counters(0, 0, held, held)}
            assert sum(row.debits_pending for row in accounts) == held
            assert sum(row.credits_pending for row in accounts) == held
            assert [row.accounts for row in trial.rows] == [1, 1]


async def test_the_trial_balance_of_an_empty_book_is_balanced(database: Database) -> None:
    book = await new_book(database)
    async with database.connection() as connection:
        for moment in (Now(START), AtSeq(5), AtRecorded(START), AtEffectiveDay(START.date())):
            trial = await trial_balance(connection, book.book_id, moment)
            assert (trial.seq, trial.rows, trial.totals, trial.balanced) == (0, (), {}, True)
            page = await trial_balance_accounts(connection, book.book_id, moment)
            assert (page.rows, page.next) == ((), None)


@on_histories
@given(history=spread_histories())
async def test_the_journal_tells_everything_once_and_in_order(
    database: Database, history: list[Step]
) -> None:
    book = await new_book(database)
    model, _ = await live_through(database, book.book_id, history)
    everything = sorted([*model.new_transfers, *model.new_events], key=lambda row: row.seq)
    async with database.connection() as connection:
        for limit in (1, 3, 1_000):
            rows = []
            while True:
                journal = await read_journal(connection, book.book_id, after=len(rows), limit=limit)
                assert journal.head == model.seq
                rows += journal.rows
                if not journal.rows:
                    break
            assert rows == everything


async def test_a_gap_in_the_journal_is_an_error_not_an_answer(database: Database) -> None:
    book = await new_book(database)
    async with database.transaction() as connection:
        await Ledger(ManualClock(START)).apply(connection, book.book_id, two_accounts())
        await connection.execute(
            "delete from ledger.account_event where book_id = %s and seq = 1", (book.book_id,)
        )
    async with database.connection() as connection:
        with pytest.raises(InvariantError):
            await read_journal(connection, book.book_id)
        with pytest.raises(BookNotFound):
            await read_journal(connection, 999_999)


async def test_the_journal_at_its_end_has_nothing_more(database: Database) -> None:
    book = await new_book(database)
    async with database.connection() as connection:
        journal = await read_journal(connection, book.book_id, after=0)
        assert (journal.rows, journal.head) == ((), 0)
        assert (await read_journal(connection, book.book_id, after=99)).rows == ()
