"""Each invariant is broken by hand, and the check names it, and only it, with the rows at fault."""

import datetime as dt
from typing import Any

import pytest

from caudal.ledger import (
    INVARIANTS,
    AccountAction,
    BookInfo,
    ChangeLimit,
    ChangeStatus,
    Command,
    CreateTransfer,
    Finding,
    Ledger,
    LimitRule,
    OpenAccount,
    OutcomeStatus,
    Posting,
    PostPending,
    RecordTransaction,
    Remainder,
    ReverseTransfer,
    Side,
    TransactionId,
    VoidPending,
    check,
    checking,
    close_period,
)
from caudal_base.clock import ManualClock
from caudal_base.database import Database
from support.histories import START
from support.ledgers import account, new_book, transfer

CASH, ADA, BOB, EURO_CASH, EURO, GONE, IDLE = range(1, 8)
HOUR = dt.timedelta(hours=1)
DAY = 24 * HOUR


def opened(number: int, currency: str = "USD", side: Side = Side.CREDIT, **fields: Any) -> OpenAccount:
    return OpenAccount(id=account(number), currency=currency, normal_side=side, **fields)


def move(
    number: int, debit: int, credit: int, amount: int, currency: str = "USD", **fields: Any
) -> CreateTransfer:
    return CreateTransfer(
        id=transfer(number),
        debit_account=account(debit),
        credit_account=account(credit),
        amount=amount,
        currency=currency,
        **fields,
    )


def hold(number: int, amount: int, expires_at: dt.datetime | None = None) -> CreateTransfer:
    return move(number, ADA, CASH, amount, pending=True, expires_at=expires_at)


def life() -> list[tuple[dt.timedelta, list[Command]]]:
    """Something of everything that can happen in a book; transfers go by their numbers below."""
    entry = RecordTransaction(
        id=TransactionId(f"txn_{1:032x}"),
        postings=(
            Posting(account=account(CASH), side=Side.DEBIT, amount=9, currency="USD"),
            Posting(account=account(ADA), side=Side.CREDIT, amount=5, currency="USD"),
            Posting(account=account(BOB), side=Side.CREDIT, amount=4, currency="USD"),
        ),
        metadata={"run": "7"},
    )
    return [
        (
            0 * HOUR,
            [
                opened(CASH, side=Side.DEBIT),
                opened(ADA, metadata={"tier": "gold"}, reference="ada"),
                opened(BOB),
                opened(EURO_CASH, "EUR", Side.DEBIT),
                opened(EURO, "EUR"),
                opened(GONE),
                opened(IDLE, "GBP"),
                ChangeLimit(
                    account=account(ADA), limit=LimitRule.DEBITS_MUST_NOT_EXCEED_CREDITS, overdraft=20
                ),
                ChangeStatus(account=account(BOB), action=AccountAction.FREEZE),
                ChangeStatus(account=account(BOB), action=AccountAction.UNFREEZE),
                ChangeStatus(account=account(GONE), action=AccountAction.CLOSE),
            ],
        ),
        (HOUR, [move(1, CASH, ADA, 100), move(2, CASH, BOB, 50, effective_at=START - 3 * DAY)]),
        (HOUR, [move(3, CASH, ADA, 10, metadata={"order": "1"}, code="fee")]),
        (
            HOUR,
            [
                hold(4, 30, START + 30 * DAY),
                PostPending(id=transfer(5), pending_id=transfer(4), amount=12, remainder=Remainder.HOLD),
                hold(6, 8),
                VoidPending(id=transfer(7), pending_id=transfer(6)),
                hold(8, 5, START + 4 * HOUR),
                hold(9, 6, START + 40 * DAY),
            ],
        ),
        (
            6 * HOUR,
            [
                ReverseTransfer(id=transfer(10), original_id=transfer(1), amount=3),
                move(11, CASH, ADA, 20, linked=True, rate="0.5"),
                move(12, EURO_CASH, EURO, 10, "EUR", rate="0.5"),
                entry,
                move(13, CASH, ADA, 1),
                move(14, CASH, GONE, 2, beyond_limits=True),
                move(15, BOB, CASH, 1),
                move(16, ADA, CASH, 4_000),  # refused: beyond the limit
            ],
        ),
    ]


@pytest.fixture(scope="module")
async def book(shared_database: Database) -> BookInfo:
    made = await new_book(shared_database)
    clock = ManualClock(START)
    for step, commands in life():
        clock.advance(step)
        async with shared_database.transaction() as connection:
            outcomes = await Ledger(clock).apply(connection, made.book_id, commands)
        refused = [c for c, o in zip(commands, outcomes, strict=True) if o.status is OutcomeStatus.REFUSED]
        assert [getattr(command, "id", None) for command in refused] == [transfer(16)] * (len(commands) == 8)
    for day in (2, 1):
        async with shared_database.transaction() as connection:
            through = (START - day * DAY).date()
            await close_period(connection, made.book_id, through, closed_by="key_1", clock=clock)
    return made


async def findings(database: Database, book: BookInfo, *damage: str) -> list[Finding]:
    """What the check finds once the damage is done; all of it is taken back afterwards.

    In the damage, {book} is the book's number and {t7} the seq of transfer 7.
    """
    found: list[Finding] = []
    async with database.transaction() as connection:
        cursor = await connection.execute(
            "select id, seq from ledger.transfer where book_id = %s", (book.book_id,)
        )
        seqs = {f"t{id_.int}": seq for id_, seq in await cursor.fetchall() if id_.int < 100}
        for statement in damage:
            cursor = await connection.execute(statement.format(book=book.book_id, **seqs))
            assert cursor.rowcount >= 1, "the damage was done"
        found = await check(connection, [book])
        await connection.rollback()
    return found


async def test_without_damage_nothing_is_found(shared_database: Database, book: BookInfo) -> None:
    assert await findings(shared_database, book, "select 1") == []


IN_BOOK = "where book_id = {book}"


def update(table: str, change: str, rows: str = "true") -> str:
    return f"update ledger.{table} set {change} {IN_BOOK} and {rows}"


def delete(table: str, rows: str = "true") -> str:
    return f"delete from ledger.{table} {IN_BOOK} and {rows}"


DAMAGE = [
    (
        "debits_equal_credits, state_equals_history",
        update("account_state", "debits_posted = debits_posted + 1", "account_no = 1"),
    ),
    (
        "debits_equal_credits, pending_equals_holds, state_equals_history",
        update("account_state", "credits_pending = credits_pending + 1", "account_no = 1"),
    ),
    ("state_equals_history", update("account_state", "version = version - 1", "account_no = 2")),
    ("state_equals_history", update("account_state", "status = 2", "account_no = 2")),
    ("state_equals_history", update("account_state", "max_net_debit = 21", "account_no = 2")),
    (
        "counters_follow",
        update("transfer", "debit_debits_posted = debit_debits_posted + 1", "seq = {t2}"),
    ),
    (
        "counters_follow",
        update("transfer", "debit_debits_pending = debit_debits_pending - 1", "seq = {t8}"),
    ),
    (
        "counters_follow",
        update("transfer", "credit_credits_posted = credit_credits_posted + 1", "seq = {t1}"),
    ),
    ("counters_follow", update("transfer", "amount = amount + 1", "seq = {t3}")),
    ("seq_without_gaps", update("book_head", "seq = seq + 1")),
    ("seq_without_gaps", update("book_head", "seq = seq - 1")),
    (
        "seq_without_gaps, state_equals_history",
        f"insert into ledger.account_event select book_id, {{t3}}, account_no, 6, status, max_net_debit,"
        f" max_net_credit, (select recorded_at from ledger.transfer {IN_BOOK} and seq = {{t3}})"
        f" from ledger.account_event {IN_BOOK} and account_no = 7",
    ),
    ("recorded_in_order", update("book_head", "recorded_at = recorded_at - interval '1 second'")),
    (
        "batches_match, recorded_in_order",
        update("transfer", "recorded_at = recorded_at - interval '90 minutes'", "seq = {t3}"),
    ),
    ("batches_match", delete("batch", "last_seq = {t3}")),
    ("batches_match", update("batch", "recorded_at = recorded_at + interval '1 s'", "last_seq = {t3}")),
    ("batches_match", update("batch", "last_seq = last_seq - 1", "last_seq = {t9}")),
    (
        "within_limits",
        update("account_event", "max_net_debit = -70", "account_no = 2 and kind = 6"),
        update("account_state", "max_net_debit = -70", "account_no = 2"),
    ),
    ("groups_together", update("transfer", "group_seq = {t11}", "seq = {t15}")),
    ("groups_together", update("transfer", "group_seq = null", "seq = {t11}")),
    ("groups_together", update("transfer", "group_seq = {t3}", "seq = {t1}")),
    ("holds_match", update("hold", "expires_at = expires_at + interval '1 day'", "seq = {t9}")),
    ("holds_match", update("hold", "state = 3", "seq = {t4}")),
    ("holds_match", update("hold", "state = 4", "seq = {t6}")),
    ("holds_match", update("hold", "amount = amount - 1", "seq = {t6}")),
    ("held_resolved_once, holds_match", delete("hold", "seq = {t6}")),
    ("held_resolved_once, holds_match", update("transfer", "related_seq = {t4}", "seq = {t7}")),
    ("held_resolved_once, holds_match", update("hold", "resolved_seq = {t7}", "seq = {t4}")),
    (
        "held_resolved_once, pending_equals_holds",
        update("hold", "state = 1, resolved_seq = null", "seq = {t6}"),
    ),
    ("holds_match, pending_equals_holds", update("hold", "amount = 7", "seq = {t9}")),
    ("next_expiry_bounds", update("account_state", "next_expiry = null", "account_no = 2")),
    (
        "next_expiry_bounds",
        update("account_state", "next_expiry = next_expiry + interval '1 year'", "account_no = 1"),
    ),
    ("reversals_add_up", update("reversal", "amount = amount + 1")),
    ("reversals_add_up", delete("reversal")),
    ("reversals_add_up", "insert into ledger.reversal values ({book}, {t3}, 1)"),
    ("reversals_add_up", "insert into ledger.reversal values ({book}, 9999, 1)"),
    ("effective_days_add_up", update("effective_day", "credits = credits + 1")),
    ("effective_days_add_up", delete("effective_day", "account_no = 3")),
    ("effective_days_add_up", "insert into ledger.effective_day values ({book}, 3, '2020-01-01', 1, 0)"),
    (
        "effective_days_add_up",
        update("transfer", "effective_at = effective_at + interval '1 day'", "seq = {t2}"),
    ),
    ("transfer_metadata_equals", delete("transfer_metadata", "seq = {t3}")),
    ("transfer_metadata_equals", "insert into ledger.transfer_metadata values ({book}, 'a', 'b', {t3})"),
    ("transfer_metadata_equals", update("transfer", "metadata = '{{}}'", "seq = {t3}")),
    ("account_metadata_equals", update("account_metadata", "value = 'plain'")),
    ("account_metadata_equals", update("account", "metadata = null", "account_no = 2")),
    (
        "entries_balance",
        update("transaction", "postings = jsonb_set(postings, '{{0,amount}}', '10')"),
    ),
    ("entries_balance", update("transaction", "last_seq = last_seq - 1")),
    (
        "debits_equal_credits, transfer_accounts_resolve",
        update("account", "currency = 'USD'", "account_no = 5"),
    ),
    (
        "accounts_complete, transfer_accounts_resolve",
        update("account", "opened_seq = 999", "account_no = 5"),
    ),
    ("related_resolve", update("transfer", "related_seq = {t1}", "seq = {t3}")),
    (
        "related_resolve, reversals_add_up",
        update("transfer", "related_seq = {t4}", "seq = {t10}"),
    ),
    ("accounts_complete", update("book_head", "next_account_no = 3")),
    ("accounts_complete", delete("account_state", "account_no = 7")),
    ("accounts_complete", update("account", "opened_at = opened_at + interval '1 s'", "account_no = 7")),
    ("events_follow", update("account_event", "status = 1", "account_no = 3 and kind = 2")),
    ("events_follow", update("account_event", "max_net_debit = 5", "account_no = 3 and kind = 2")),
    ("currencies_known", delete("currency", "currency = 'GBP'")),
    ("suspense_holds", update("transfer", "terms = terms - 'beyond_limits'", "seq = {t14}")),
    ("suspense_accounts", update("account", "code = 'other'", "code = 'suspense'")),
    (
        "refused_stay_refused",
        "insert into ledger.refusal select book_id, id, false, 'x', now() from ledger.transfer"
        f" {IN_BOOK} and seq = {{t3}}",
    ),
    (
        "refused_stay_refused",
        f"insert into ledger.refusal select book_id, id, true, 'x', now() from ledger.transaction {IN_BOOK}",
    ),
    ("periods_forward", update("book_head", "closed_through = null")),
    ("periods_forward", delete("period", "closed_through = '2026-02-28'")),
    ("periods_forward", update("period", "at_seq = 99999", "closed_through = '2026-02-27'")),
    ("currency_exponent_frozen", update("currency", "exponent = 3", "currency = 'GBP'")),
    ("book_has_head", "insert into ledger.book values (4242, gen_random_uuid(), 'headless', 'test', now())"),
    ("book_has_head", "insert into ledger.book_head values (4343, 0, now(), 1, null)"),
]


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: f"{damage[0]}: {damage[1][:60]}")
async def test_damage_is_found_and_named(
    shared_database: Database, book: BookInfo, damage: tuple[str, ...]
) -> None:
    found = await findings(shared_database, book, *damage[1:])
    assert ", ".join(sorted(finding.invariant for finding in found)) == damage[0], found
    assert all(finding.rows for finding in found)


def test_every_invariant_has_been_broken_by_hand() -> None:
    broken = {name for damage in DAMAGE for name in damage[0].split(", ")}
    assert broken == {*INVARIANTS, "book_has_head", "currency_exponent_frozen"}


async def test_a_finding_shows_the_first_rows_at_fault(
    shared_database: Database, book: BookInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "ROWS_PER_FINDING", 2)
    swap = update("transfer", "credit_debits_posted = credit_debits_posted + 9", "amount > 5")
    found = {finding.invariant: finding for finding in await findings(shared_database, book, swap)}
    counters = found["counters_follow"]
    assert counters.book == book.id
    assert len(counters.rows) == 2
    seqs = [int(row["seq"]) for row in counters.rows]
    assert seqs == sorted(seqs)
    assert counters.rows[0]["account_no"] == "2"
