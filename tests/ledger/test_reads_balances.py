"""Balances of now and of the past, against adding up every transfer one by one."""

import datetime as dt

import pytest
from hypothesis import HealthCheck, given, settings

from caudal.ledger import (
    AccountId,
    AccountNotFound,
    CreateTransfer,
    Ledger,
    balance_at_effective,
    balance_at_recorded,
    balance_at_seq,
    balance_now,
    balances_at_effective,
    balances_at_seq,
    end_of,
    get_account,
    start_of,
)
from caudal_base.clock import ManualClock
from caudal_base.database import Database
from caudal_base.ids import InvalidId
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
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@on_histories
@given(history=spread_histories())
async def test_a_balance_by_value_is_the_sum_of_all_with_value_by_then(
    database: Database, history: list[Step]
) -> None:
    book = await new_book(database)
    model, _ = await live_through(database, book.book_id, history)
    wanted = [(id_, moment) for id_ in model.accounts for moment in moments_of_interest(model)]

    async with database.connection() as connection:
        balances = await balances_at_effective(connection, book.book_id, wanted)

    for (id_, moment), balance in zip(wanted, balances, strict=True):
        counted = [t for t in model.new_transfers if value_at(t) <= moment]
        assert (balance.debits_posted, balance.credits_posted) == posted_sums(counted, id_), (id_, moment)
        assert (balance.account, balance.effective_at, balance.seq) == (id_, moment, model.seq)


@on_histories
@given(history=spread_histories())
async def test_a_balance_at_a_seq_is_the_sum_of_all_up_to_it(database: Database, history: list[Step]) -> None:
    book = await new_book(database)
    model, _ = await live_through(database, book.book_id, history)
    wanted = [(id_, seq) for id_ in model.accounts for seq in range(model.seq + 2)]

    async with database.connection() as connection:
        balances = await balances_at_seq(connection, book.book_id, wanted)

    for (id_, seq), balance in zip(wanted, balances, strict=True):
        counted = [t for t in model.new_transfers if t.seq <= seq]
        assert (balance.debits_posted, balance.credits_posted) == posted_sums(counted, id_)
        own = [t for t in counted if id_ in (t.debit_account, t.credit_account)]
        after = (0, 0)
        if own:
            after = (own[-1].debit_after if own[-1].debit_account == id_ else own[-1].credit_after)[2:]
        assert (balance.debits_pending, balance.credits_pending) == after
        touched = [t.seq for t in own] + [
            e.seq for e in model.new_events if e.account == id_ and e.seq <= seq
        ]
        assert balance.version == max(touched, default=0)
        assert balance.seq == min(seq, model.seq)


@on_histories
@given(history=spread_histories())
async def test_a_balance_at_a_recorded_time_counts_what_was_recorded_by_then(
    database: Database, history: list[Step]
) -> None:
    book = await new_book(database)
    model, _ = await live_through(database, book.book_id, history)
    async with database.connection() as connection:
        for moment in moments_of_interest(model)[::3]:
            for id_ in list(model.accounts)[:3]:
                balance = await balance_at_recorded(connection, book.book_id, id_, moment)
                counted = [t for t in model.new_transfers if t.recorded_at <= moment]
                assert (balance.debits_posted, balance.credits_posted) == posted_sums(counted, id_)


@on_histories
@given(history=spread_histories())
async def test_a_balance_now_leaves_out_holds_whose_time_has_passed(
    database: Database, history: list[Step]
) -> None:
    book = await new_book(database)
    model, clock = await live_through(database, book.book_id, history)
    async with database.connection() as connection:
        for seconds in (0, 25, 60, 300):
            now = clock.now() + dt.timedelta(seconds=seconds)
            for id_ in model.accounts:
                balance = await balance_now(connection, book.book_id, id_, now=now)
                assert (balance.debits_posted, balance.credits_posted) == posted_sums(
                    model.new_transfers, id_
                )
                assert (balance.debits_pending, balance.credits_pending) == pending_sums(model, id_, at=now)
                assert (balance.version, balance.seq) == (model.accounts[id_].version, model.seq)


async def test_what_a_read_shows_as_available_a_batch_can_spend(database: Database) -> None:
    book = await new_book(database)
    clock = ManualClock(START)
    ledger = Ledger(clock)
    hold = CreateTransfer(
        id=transfer(2),
        debit_account=account(2),
        credit_account=account(1),
        amount=70,
        currency="USD",
        pending=True,
        expires_at=START + dt.timedelta(seconds=10),
    )
    fund = CreateTransfer(
        id=transfer(1), debit_account=account(1), credit_account=account(2), amount=100, currency="USD"
    )
    async with database.transaction() as connection:
        await ledger.apply(connection, book.book_id, [*two_accounts(), fund, hold])

    async with database.connection() as connection:
        before = await balance_now(connection, book.book_id, account(2), now=clock.now())
        after = await balance_now(
            connection, book.book_id, account(2), now=clock.advance(dt.timedelta(seconds=10))
        )
    assert (before.posted, before.available) == (100, 30)
    assert (after.posted, after.available) == (100, 100)
    spend = CreateTransfer(
        id=transfer(3),
        debit_account=account(2),
        credit_account=account(1),
        amount=100,
        currency="USD",
        min_available=0,
    )
    async with database.transaction() as connection:
        (outcome,) = await ledger.apply(connection, book.book_id, [spend])
    assert outcome.transfer is not None


async def test_accounts_of_another_book_are_not_found(database: Database) -> None:
    mine, other = await new_book(database), await new_book(database)
    async with database.transaction() as connection:
        await Ledger(ManualClock(START)).apply(connection, other.book_id, two_accounts())
    async with database.connection() as connection:
        for read in (
            balance_now(connection, mine.book_id, account(1), now=START),
            get_account(connection, mine.book_id, account(1), now=START),
            balance_at_seq(connection, mine.book_id, account(1), 1),
            balance_at_recorded(connection, mine.book_id, account(1), START),
            balance_at_effective(connection, mine.book_id, account(1), START),
        ):
            with pytest.raises(AccountNotFound):
                await read
        with pytest.raises(InvalidId):
            await balance_at_seq(connection, mine.book_id, AccountId("acct_1"), 1)


async def test_a_balance_at_the_ends_of_time_is_answered(database: Database) -> None:
    book = await new_book(database)
    async with database.transaction() as connection:
        await Ledger(ManualClock(START)).apply(connection, book.book_id, two_accounts())
    async with database.connection() as connection:
        for moment in (start_of(dt.date.min), end_of(dt.date.max)):
            balance = await balance_at_effective(connection, book.book_id, account(1), moment)
            assert balance.posted == 0
