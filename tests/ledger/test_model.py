"""The pure rules, kept whole in memory, and the database must tell the same story."""

import datetime as dt
import itertools

import pytest
from hypothesis import HealthCheck, given, settings

from caudal.ledger import Book, HoldState, Ledger, Outcome, OutcomeStatus, rules
from caudal_base.clock import ManualClock
from caudal_base.database import Database
from support.histories import START, Step, histories, opening

_books = itertools.count(1)


async def new_book(database: Database) -> int:
    book_id = next(_books)
    async with database.transaction() as connection:
        await connection.execute(
            "insert into ledger.book values (%s, gen_random_uuid(), %s, 'test', %s)",
            (book_id, str(book_id), START),
        )
        await connection.execute("insert into ledger.book_head values (%s, 0, %s, 1, null)", (book_id, START))
    return book_id


def told(outcome: Outcome) -> object:
    """What of an outcome a caller can see. (An existing account is answered as it is, not as it was.)"""
    account = outcome.account
    return (
        outcome.status,
        outcome.transfer,
        outcome.remainder,
        outcome.transaction,
        outcome.transfers,
        None if account is None else (account.id, account.status, account.version, counters(account)),
        outcome.refusal,
    )


def counters(account: object) -> tuple[int, int, int, int]:
    return (account.debits_posted, account.credits_posted, account.debits_pending, account.credits_pending)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories())
async def test_the_database_and_the_model_agree_on_every_history(
    database: Database, history: list[Step]
) -> None:
    book_id = await new_book(database)
    clock = ManualClock(START)
    ledger, model = Ledger(clock), Book(recorded_at=START)
    for step in history:
        clock.advance(dt.timedelta(seconds=step.seconds))
        expected = rules.apply(model, step.commands, clock.now())
        async with database.transaction() as connection:
            outcomes = await ledger.apply(connection, book_id, step.commands)
        assert [told(outcome) for outcome in outcomes] == [told(outcome) for outcome in expected]
    await assert_same_state(database, book_id, model)
    assert_invariants(model)


async def assert_same_state(database: Database, book_id: int, model: Book) -> None:
    async with database.connection() as connection:
        cursor = await connection.execute(
            """
            select a.account_no, s.version, s.debits_posted, s.credits_posted, s.debits_pending,
                   s.credits_pending, s.max_net_debit, s.max_net_credit
              from ledger.account a
              join ledger.account_state s using (book_id, account_no)
             where book_id = %s
             order by account_no
            """,
            (book_id,),
        )
        stored = await cursor.fetchall()
        cursor = await connection.execute(
            "select seq, state, resolved_seq from ledger.hold where book_id = %s order by seq", (book_id,)
        )
        holds = await cursor.fetchall()
        cursor = await connection.execute("select seq from ledger.book_head where book_id = %s", (book_id,))
        head = await cursor.fetchone()
    assert head == (model.seq,)
    assert stored == [
        (a.no, a.version, *counters(a), a.max_net_debit, a.max_net_credit)
        for a in sorted(model.accounts.values(), key=lambda account: account.no)
    ]
    states = list(HoldState)
    assert holds == [
        (hold.seq, states.index(hold.state) + 1, hold.resolved_seq)
        for hold in sorted(model.holds.values(), key=lambda hold: hold.seq)
    ]


def assert_invariants(book: Book) -> None:
    for currency in ("USD", "EUR"):
        accounts = [account for account in book.accounts.values() if account.currency == currency]
        assert sum(a.debits_posted for a in accounts) == sum(a.credits_posted for a in accounts)
        assert sum(a.debits_pending for a in accounts) == sum(a.credits_pending for a in accounts)
    taken = {t.seq for t in book.new_transfers} | {e.seq for e in book.new_events}
    assert taken == set(range(1, book.seq + 1))
    for hold in book.holds.values():
        resolving = [t for t in book.new_transfers if t.related_seq == hold.seq]
        assert len(resolving) == (0 if hold.state is HoldState.OPEN else 1)
        assert sum(t.amount for t in resolving) <= hold.amount
    for original, reversed_ in book.reversals.items():
        assert reversed_.amount <= book.transfers[original].amount


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories())
async def test_a_repeat_of_everything_changes_nothing(database: Database, history: list[Step]) -> None:
    book_id = await new_book(database)
    clock = ManualClock(START)
    ledger = Ledger(clock)
    for step in history:
        clock.advance(dt.timedelta(seconds=step.seconds))
        async with database.transaction() as connection:
            first = await ledger.apply(connection, book_id, step.commands)
        async with database.transaction() as connection:
            again = await ledger.apply(connection, book_id, step.commands)
        for before, after, command in zip(first, again, step.commands, strict=True):
            if before.status is OutcomeStatus.CREATED and before.transfer is not None:
                assert after.status is OutcomeStatus.EXISTS, command
                assert after.transfer == before.transfer
            elif before.refusal is not None and before.refusal.passing:
                assert after.refusal is not None


@pytest.mark.parametrize("commands", [1, 299, 300, 700])
async def test_small_and_large_batches_are_written_alike(database: Database, commands: int) -> None:
    from caudal.ledger import CreateTransfer
    from support.histories import ACCOUNTS, transfer_id

    book_id = await new_book(database)
    clock = ManualClock(START)
    ledger, model = Ledger(clock), Book(recorded_at=START)
    batch = [
        CreateTransfer(
            id=transfer_id(number),
            debit_account=ACCOUNTS[0],
            credit_account=ACCOUNTS[1],
            amount=number,
            currency="USD",
            code="é",
            reference=f"r-{number}",
            metadata={"n": str(number)},
            effective_at=START - dt.timedelta(days=number % 5),
            min_available=None,
            up_to=False,
            beyond_limits=number % 3 == 0,
        )
        for number in range(1, commands + 1)
    ]
    for step in (opening(), batch, batch):
        expected = rules.apply(model, step, clock.now())
        async with database.transaction() as connection:
            assert await ledger.apply(connection, book_id, step) == expected
    await assert_same_state(database, book_id, model)
