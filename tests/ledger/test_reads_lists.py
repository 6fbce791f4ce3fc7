"""Lists of accounts, transfers and entries: what they show, in which order, and how they page."""

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from caudal.ledger import (
    Account,
    AccountAction,
    AccountFilter,
    AccountNotFound,
    AccountStatus,
    ChangeStatus,
    Command,
    CreateTransfer,
    HoldState,
    Ledger,
    OpenAccount,
    Page,
    Posting,
    PostPending,
    RecordTransaction,
    ReverseTransfer,
    Side,
    TransactionId,
    TransactionNotFound,
    TransferFilter,
    TransferKind,
    TransferNotFound,
    get_account,
    get_account_by_reference,
    get_transaction,
    get_transfer,
    list_accounts,
    list_entries,
    list_transfers,
    queries_accounts,
    queries_transfers,
)
from caudal_base.clock import ManualClock
from caudal_base.database import Connection, Database
from support.histories import START, Step
from support.ledgers import POSTED, account, live_through, new_book, spread_histories, transfer, two_accounts


@pytest.fixture
def database(shared_database: Database) -> Database:
    """Each test makes a book of its own."""
    return shared_database


on_histories = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ENTRY = TransactionId(f"txn_{1:032x}")


async def all_pages(read: Callable[[int | None], Awaitable[Page[Any]]]) -> list[Any]:
    """Every row of a list, page by page."""
    rows: list[Any] = []
    cursor = None
    while True:
        page = await read(cursor)
        rows += page.rows
        if page.next is None:
            return rows
        cursor = page.next


async def apply(database: Database, book_id: int, *commands: Command, at: dt.datetime = START) -> None:
    async with database.transaction() as connection:
        outcomes = await Ledger(ManualClock(at)).apply(connection, book_id, commands)
    assert [outcome.refusal for outcome in outcomes] == [None] * len(commands)


def move(number: int, amount: int = 10, **fields: Any) -> CreateTransfer:
    parts = {"debit_account": account(1), "credit_account": account(2), "currency": "USD", **fields}
    return CreateTransfer(id=transfer(number), amount=amount, **parts)


# ------------------------------------------------------------------------------------------------- accounts


def customers() -> list[Command]:
    """Twelve accounts: every third in EUR, every fourth coded 3000, tiers gold and plain by turns."""
    return [
        OpenAccount(
            id=account(number),
            currency="EUR" if number % 3 == 0 else "USD",
            normal_side=Side.CREDIT,
            code="3000" if number % 4 == 0 else None,
            reference=f"customer-{number}",
            metadata={"tier": "gold" if number % 2 else "plain", "region": str(number % 3)},
        )
        for number in range(1, 13)
    ]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (AccountFilter(), range(1, 13)),
        (AccountFilter(code="3000"), [4, 8, 12]),
        (AccountFilter(reference="customer-5"), [5]),
        (AccountFilter(reference="customer-5", code="3000"), []),
        (AccountFilter(currency="EUR"), [3, 6, 9, 12]),
        (AccountFilter(status=AccountStatus.FROZEN), [2, 9]),
        (AccountFilter(status=AccountStatus.FROZEN, currency="EUR"), [9]),
        (AccountFilter(metadata={"tier": "gold"}), [1, 3, 5, 7, 9, 11]),
        (AccountFilter(metadata={"tier": "gold", "region": "1"}), [1, 7]),
        (AccountFilter(metadata={"tier": "plain"}, code="3000", currency="USD"), [4, 8]),
        (AccountFilter(metadata={"tier": "silver"}), []),
    ],
)
@pytest.mark.parametrize("scan", [2, 10_000])
async def test_accounts_are_listed_by_every_condition(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    wanted: AccountFilter,
    expected: Sequence[int],
    scan: int,
) -> None:
    monkeypatch.setattr(queries_accounts, "SCAN_MAX", scan)
    book = await new_book(database)
    await apply(database, book.book_id, *customers())
    freeze = [ChangeStatus(account=account(number), action=AccountAction.FREEZE) for number in (2, 9)]
    await apply(database, book.book_id, *freeze)

    async with database.connection() as connection:
        for limit in (1, 2, 1_000):
            found = await all_pages(
                lambda cursor, limit=limit, connection=connection: list_accounts(
                    connection, book.book_id, wanted, now=START, after=cursor or 0, limit=limit
                )
            )
            assert [shown.id for shown in found] == [account(number) for number in expected]


async def test_an_account_is_found_by_id_and_by_reference_alike(database: Database) -> None:
    book = await new_book(database)
    await apply(database, book.book_id, *customers())
    async with database.connection() as connection:
        by_id = await get_account(connection, book.book_id, account(4), now=START)
        by_reference = await get_account_by_reference(connection, book.book_id, "customer-4", now=START)
        assert by_id == by_reference
        assert by_id == Account(
            no=4,
            id=account(4),
            currency="USD",
            normal_side=Side.CREDIT,
            version=4,
            code="3000",
            reference="customer-4",
            metadata={"tier": "plain", "region": "1"},
            opened_at=START,
        )
        with pytest.raises(AccountNotFound):
            await get_account_by_reference(connection, book.book_id, "customer-13", now=START)


async def test_paging_accounts_neither_skips_nor_repeats_while_accounts_are_opened(
    database: Database,
) -> None:
    book = await new_book(database)
    await apply(database, book.book_id, *customers()[:4])
    async with database.connection() as connection:
        first = await list_accounts(connection, book.book_id, AccountFilter(), now=START, limit=3)
        await apply(database, book.book_id, *customers()[4:6])
        assert first.next is not None
        second = await list_accounts(
            connection, book.book_id, AccountFilter(), now=START, after=first.next, limit=3
        )
    shown = [*first.rows, *second.rows]
    assert [each.id for each in shown] == [account(number) for number in range(1, 7)]


# ------------------------------------------------------------------------------------------------ transfers


async def a_day_of_transfers(database: Database, book_id: int) -> None:
    """1 to 6 plain with marks; 7 a hold that 8 posts; 9 reverses 1; 10 and 11 linked; then one entry."""
    await apply(database, book_id, *two_accounts())
    marks = [move(n, code="fee" if n % 2 else "buy", reference=f"order-{n % 3}") for n in range(1, 5)]
    await apply(database, book_id, *marks, at=START + dt.timedelta(hours=1))
    await apply(
        database,
        book_id,
        move(5, metadata={"shop": "a", "till": "1"}),
        move(6, metadata={"shop": "a", "till": "2"}, code="fee"),
        move(7, pending=True),
        PostPending(id=transfer(8), pending_id=transfer(7), amount=4),
        at=START + dt.timedelta(hours=2),
    )
    entry = RecordTransaction(
        id=ENTRY,
        postings=(
            Posting(account=account(1), side=Side.DEBIT, amount=5, currency="USD"),
            Posting(account=account(1), side=Side.DEBIT, amount=6, currency="USD"),
            Posting(account=account(2), side=Side.CREDIT, amount=11, currency="USD"),
        ),
    )
    await apply(
        database,
        book_id,
        ReverseTransfer(id=transfer(9), original_id=transfer(1), amount=3),
        move(10, linked=True),
        move(11),
        entry,
        at=START + dt.timedelta(hours=3),
    )


HOUR = dt.timedelta(hours=1)
FIRST_SEQ = 3
"""Behind the two openings."""


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (TransferFilter(), range(1, 14)),
        (TransferFilter(account=account(2)), range(1, 14)),
        (TransferFilter(code="fee"), [1, 3, 6]),
        (TransferFilter(code="fee", account=account(1)), [1, 3, 6]),
        (TransferFilter(code="fee", account=account(1), recorded_from=START + 2 * HOUR), [6]),
        (TransferFilter(reference="order-1"), [1, 4]),
        (TransferFilter(reference="order-1", code="buy"), [4]),
        (TransferFilter(reference=""), []),
        (TransferFilter(metadata={"shop": "a"}), [5, 6]),
        (TransferFilter(metadata={"shop": "a"}, code="fee"), [6]),
        (TransferFilter(metadata={"shop": "a", "till": "1"}), [5]),
        (TransferFilter(metadata={"shop": "b"}), []),
        (TransferFilter(kind=TransferKind.PENDING), [7]),
        (TransferFilter(kind=TransferKind.POST, account=account(1)), [8]),
        (TransferFilter(related=transfer(7)), [8]),
        (TransferFilter(related=transfer(1)), [9]),
        (TransferFilter(group_seq=FIRST_SEQ + 9), [10, 11]),
        (TransferFilter(group_seq=FIRST_SEQ + 2), []),
        (TransferFilter(transaction=ENTRY), [12, 13]),
        (TransferFilter(recorded_from=START + 2 * HOUR, recorded_before=START + 3 * HOUR), range(5, 9)),
        (TransferFilter(recorded_from=START + 3 * HOUR), range(9, 14)),
        (TransferFilter(recorded_before=START + HOUR), []),
    ],
)
@pytest.mark.parametrize("scan", [2, 10_000])
async def test_transfers_are_listed_by_every_condition(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    wanted: TransferFilter,
    expected: Sequence[int],
    scan: int,
) -> None:
    monkeypatch.setattr(queries_transfers, "SCAN_MAX", scan)
    book = await new_book(database)
    await a_day_of_transfers(database, book.book_id)
    seqs = [FIRST_SEQ - 1 + number for number in expected]

    async with database.connection() as connection:
        for newest_first in (False, True):
            for limit in (1, 2, 1_000):
                found = await all_pages(
                    lambda cursor, limit=limit, newest=newest_first, connection=connection: list_transfers(
                        connection,
                        book.book_id,
                        wanted,
                        now=START,
                        newest_first=newest,
                        cursor=cursor,
                        limit=limit,
                    )
                )
                assert [row.transfer.seq for row in found] == (seqs[::-1] if newest_first else seqs)


async def test_a_transfer_tells_what_became_of_it(database: Database) -> None:
    book = await new_book(database)
    await a_day_of_transfers(database, book.book_id)
    async with database.connection() as connection:
        hold = await get_transfer(connection, book.book_id, transfer(7), now=START)
        original = await get_transfer(connection, book.book_id, transfer(1), now=START)
        entry, members = await get_transaction(connection, book.book_id, ENTRY)
        of_entry = await get_transfer(connection, book.book_id, members[1].id, now=START)
        linked = await get_transfer(connection, book.book_id, transfer(10), now=START)
        with pytest.raises(TransferNotFound):
            await get_transfer(connection, book.book_id, transfer(99), now=START)
        with pytest.raises(TransactionNotFound):
            await get_transaction(connection, book.book_id, TransactionId(f"txn_{99:032x}"))
    assert (hold.state, hold.resolved_by) == (HoldState.POSTED, transfer(8))
    assert (original.state, original.reversed_amount) == (None, 3)
    assert [member.amount for member in members] == [5, 6]
    assert (entry.first_seq, entry.last_seq) == (members[0].seq, members[1].seq)
    assert (of_entry.transaction, linked.transaction) == (ENTRY, None)


async def test_a_hold_reads_as_expired_from_the_moment_that_it_lapses(database: Database) -> None:
    book = await new_book(database)
    hold = msgspec.structs.replace(move(1), pending=True, expires_at=START + HOUR)
    await apply(database, book.book_id, *two_accounts(), hold)

    async def states(now: dt.datetime) -> tuple[HoldState | None, HoldState | None]:
        async with database.connection() as connection:
            one = await get_transfer(connection, book.book_id, hold.id, now=now)
            page = await list_transfers(connection, book.book_id, TransferFilter(), now=now)
        return one.state, page.rows[0].state

    assert await states(START + HOUR - dt.timedelta(microseconds=1)) == (HoldState.OPEN, HoldState.OPEN)
    assert await states(START + HOUR) == (HoldState.EXPIRED, HoldState.EXPIRED)


async def test_a_read_by_a_clock_that_is_behind_is_of_the_books_own_time(database: Database) -> None:
    book = await new_book(database)
    await apply(database, book.book_id, *two_accounts())
    hold = msgspec.structs.replace(move(1), pending=True, expires_at=START + HOUR)
    async with database.transaction() as connection:
        await Ledger(ManualClock(START)).apply(connection, book.book_id, [hold])
        # A batch of another process, whose clock is ahead, has been recorded since.
        await connection.execute(
            "update ledger.book_head set recorded_at = %s where book_id = %s", (START + HOUR, book.book_id)
        )
        seen = await get_transfer(connection, book.book_id, hold.id, now=START)
    assert seen.state is HoldState.EXPIRED


async def test_paging_transfers_neither_skips_nor_repeats_while_transfers_are_recorded(
    database: Database,
) -> None:
    book = await new_book(database)
    await apply(database, book.book_id, *two_accounts(), *(move(number) for number in range(1, 6)))

    async def page(
        connection: Connection, *, newest: bool, cursor: int | None
    ) -> tuple[list[int], int | None]:
        found = await list_transfers(
            connection, book.book_id, TransferFilter(), now=START, newest_first=newest, cursor=cursor, limit=3
        )
        return [row.transfer.seq for row in found.rows], found.next

    async with database.connection() as connection:
        oldest, next_oldest = await page(connection, newest=False, cursor=None)
        newest, next_newest = await page(connection, newest=True, cursor=None)
        await apply(database, book.book_id, move(6), move(7))
        assert (oldest, newest) == ([3, 4, 5], [7, 6, 5])
        assert await page(connection, newest=False, cursor=next_oldest) == ([6, 7, 8], 8)
        assert await page(connection, newest=True, cursor=next_newest) == ([4, 3], None)


# -------------------------------------------------------------------------------------------------- entries


@on_histories
@given(history=spread_histories())
async def test_entries_are_the_accounts_transfers_with_the_counters_after_each(
    database: Database, history: list[Step]
) -> None:
    book = await new_book(database)
    model, _ = await live_through(database, book.book_id, history)
    async with database.connection() as connection:
        for shown in model.accounts.values():
            expected = [t for t in model.new_transfers if shown.id in (t.debit_account, t.credit_account)]
            for newest_first in (False, True):
                entries = await all_pages(
                    lambda cursor, shown=shown, newest=newest_first, connection=connection: list_entries(
                        connection, book.book_id, shown, newest_first=newest, cursor=cursor, limit=3
                    )
                )
                assert [e.transfer for e in entries] == (expected[::-1] if newest_first else expected)
                for entry in entries:
                    debited = entry.transfer.debit_account == shown.id
                    assert entry.side is (Side.DEBIT if debited else Side.CREDIT)
                    after = entry.transfer.debit_after if debited else entry.transfer.credit_after
                    assert (entry.after.debits_posted, entry.after.credits_posted) == after[:2]
                    moved = entry.transfer.kind in POSTED
                    assert entry.amount == (entry.transfer.amount if moved else 0)
