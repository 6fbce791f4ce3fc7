"""A bank's files become a ledger: every row once, wherever it was stopped and whoever else writes."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from caudal.imports import SAMPLE, ImportReport, ImportStopped, Lot, OnError, RowInvalid, Target, import_berka
from caudal.ledger import (
    AccountAction,
    AccountId,
    ChangeStatus,
    OpenAccount,
    OutcomeStatus,
    Side,
    check,
    get_account_by_reference,
)
from caudal_base.database import Connection, Database
from support.histories import START
from support.uploads import balances, new_target, rows, transfer_counts, with_options

ROWS, ACCOUNTS = 766, 102
"""Of the sample: 36 customers, 62 accounts at other banks, cash, interest, fees and penalties."""

Edit = Callable[[str], str]


@pytest.fixture
async def target(shared_database: Database) -> Target:
    return await new_target(shared_database, lot=100)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SAMPLE, tmp_path / "bank"))


def edit_row(directory: Path, line: int, edit: Edit) -> None:
    path = directory / "trans.csv"
    lines = path.read_bytes().decode().split("\r\n")
    lines[line - 1] = edit(lines[line - 1])
    path.write_bytes("\r\n".join(lines).encode())


def spoil_date(row: str) -> str:
    return row.replace(";93", ";9x", 1)


async def test_every_row_is_posted_at_its_own_date_in_the_order_of_the_file(target: Target) -> None:
    report = await import_berka(target, SAMPLE)

    assert report == ImportReport(
        rows=ROWS, created=ROWS, existing=0, accounts_opened=ACCOUNTS, lots=report.lots, skipped=0
    )
    listed = await rows(
        target,
        """
        select reference, to_char(effective_at, 'YYMMDD'), amount
          from ledger.transfer where book_id = %(book)s order by seq
        """,
    )
    file = [line.split(";") for line in (SAMPLE / "trans.csv").read_text().splitlines()[1:]]
    assert listed == [(f"berka:trans:{f[0]}", f[2], int(f[5].replace(".", ""))) for f in file]


async def test_balances_are_the_sums_of_the_amounts_and_overdrafts_stand_as_they_were(target: Target) -> None:
    await import_berka(target, SAMPLE)

    expected: dict[str, int] = {}
    for line in (SAMPLE / "trans.csv").read_text().splitlines()[1:]:
        fields = line.replace('"', "").split(";")
        signed = int(fields[5].replace(".", "")) * (1 if fields[3] == "PRIJEM" else -1)
        reference = f"berka:account:{fields[1]}"
        expected[reference] = expected.get(reference, 0) + signed
    found = await balances(target)
    assert {name: amount for name, amount in found.items() if ":account:" in name} == expected
    assert min(expected.values()) < 0
    assert sum(found.values()) == 0


async def test_accounts_carry_what_the_files_say(target: Target) -> None:
    await import_berka(target, SAMPLE)

    async with target.database.connection() as connection:
        customer = await get_account_by_reference(
            connection, target.book_id, "berka:account:900008", now=START
        )
        cash = await get_account_by_reference(connection, target.book_id, "berka:cash", now=START)
    assert customer.metadata == {"owner": "910012", "frequency": "POPLATEK MESICNE"}
    assert (customer.currency, customer.normal_side, customer.code) == ("CZK", Side.CREDIT, "deposits")
    assert (customer.max_net_debit, customer.max_net_credit) == (None, None)
    assert (cash.normal_side, cash.code) == (Side.DEBIT, "cash")


async def test_the_ledger_is_sound_afterwards(target: Target) -> None:
    await import_berka(target, SAMPLE)

    async with target.database.snapshot() as connection:
        assert await check(connection) == []


async def test_a_second_run_changes_nothing(target: Target) -> None:
    await import_berka(target, SAMPLE)
    last = "select max(seq) from ledger.transfer where book_id = %(book)s"
    before = await balances(target), await rows(target, last)

    again = await import_berka(target, SAMPLE)

    assert (again.rows, again.created, again.existing, again.accounts_opened) == (ROWS, 0, ROWS, 0)
    assert (await balances(target), await rows(target, last)) == before


class Stopped(Exception):
    """Something happens in the middle of an import."""


@pytest.mark.parametrize("lots", [0, 1, 4])
async def test_stopped_in_the_middle_of_a_lot_it_goes_on_without_a_duplicate(
    target: Target, lots: int
) -> None:
    done: list[Lot] = []

    async def stop_later(_: Connection, lot: Lot) -> None:
        if len(done) == lots:
            raise Stopped
        done.append(lot)

    with pytest.raises(Stopped):
        await import_berka(with_options(target, after_lot=stop_later), SAMPLE)
    kept = sum(lot.created for lot in done)
    assert sum((await transfer_counts(target)).values()) == kept

    report = await import_berka(target, SAMPLE)

    assert (report.created, report.existing) == (ROWS - kept, kept)
    assert (await balances(target)) == (await _balances_of_one_go(target.database))


async def _balances_of_one_go(database: Database) -> dict[str, int]:
    other = await new_target(database)
    await import_berka(other, SAMPLE)
    return await balances(other)


async def test_two_imports_at_once_make_one_ledger(target: Target) -> None:
    reports = await asyncio.gather(import_berka(target, SAMPLE), import_berka(target, SAMPLE))

    assert sum(report.created for report in reports) == ROWS
    assert sum(report.accounts_opened for report in reports) == ACCOUNTS
    assert sum((await transfer_counts(target)).values()) == ROWS


async def test_an_account_that_somebody_else_opens_meanwhile_is_taken(target: Target) -> None:
    own = OpenAccount(
        id=AccountId("acct_" + "7" * 32), currency="CZK", normal_side=Side.DEBIT, reference="berka:cash"
    )
    async with target.database.transaction() as connection:
        (opened,) = await target.ledger.apply(connection, target.book_id, [own])
        # The import looks its accounts up, does not find this one, and waits for the book.
        running = asyncio.create_task(import_berka(target, SAMPLE))
        await _until_it_waits(target.database)
    report = await running

    assert opened.status is OutcomeStatus.CREATED
    assert (report.created, report.accounts_opened) == (ROWS, ACCOUNTS - 1)
    named = "select 1 from ledger.account where book_id = %(book)s and reference = 'berka:cash'"
    assert len(await rows(target, named)) == 1


async def _until_it_waits(database: Database) -> None:
    async with database.connection() as connection:
        while True:
            cursor = await connection.execute("select count(*) from pg_locks where not granted")
            if await cursor.fetchone() != (0,):
                return


async def test_lots_are_bounded_and_told_to_the_caller_in_their_transaction(target: Target) -> None:
    lots: list[Lot] = []
    told: list[tuple[int, int | None]] = []
    visible: list[int] = []

    async def after(connection: Connection, lot: Lot) -> None:
        cursor = await connection.execute(
            "select count(*) from ledger.transfer where book_id = %s", [lot.book_id]
        )
        visible.append((await cursor.fetchone() or (0,))[0])
        lots.append(lot)

    report = await import_berka(
        with_options(target, after_lot=after, progress=lambda *now: told.append(now)), SAMPLE
    )

    assert report.lots == len(lots)
    assert all(lot.rows + lot.accounts_opened <= 100 for lot in lots)
    assert [lots[0].first_line, lots[-1].last_line] == [2, ROWS + 1]
    assert [lot.first_line for lot in lots[1:]] == [lot.last_line + 1 for lot in lots[:-1]]
    done = [sum(lot.rows for lot in lots[: place + 1]) for place in range(len(lots))]
    assert visible == done
    assert told == [(count, ROWS) for count in done] + [(ROWS, ROWS)]


class TestBadRows:
    async def test_stop_imports_the_rows_before_and_nothing_of_the_row_or_behind_it(
        self, target: Target, copy: Path
    ) -> None:
        edit_row(copy, 300, spoil_date)

        with pytest.raises(ImportStopped) as stopped:
            await import_berka(target, copy)

        error = stopped.value.error
        assert (error.line, error.column, error.code) == (300, "date", "invalid_date")
        assert stopped.value.report.rows == 298
        assert sum((await transfer_counts(target)).values()) == 298

    async def test_skip_imports_all_others_and_reports_at_the_end(self, target: Target, copy: Path) -> None:
        edit_row(copy, 300, spoil_date)
        edit_row(copy, 2, lambda row: row + ";more")

        report = await import_berka(with_options(target, on_error=OnError.SKIP), copy)

        assert (report.created, report.skipped) == (ROWS - 2, 2)
        assert [(error.line, error.column, error.code) for error in report.errors] == [
            (2, None, "row_width"),
            (300, "date", "invalid_date"),
        ]

    async def test_a_corrected_file_brings_the_rest(self, target: Target, copy: Path) -> None:
        edit_row(copy, 300, spoil_date)
        with pytest.raises(ImportStopped):
            await import_berka(target, copy)

        report = await import_berka(target, SAMPLE)

        assert (report.created, report.existing) == (ROWS - 298, 298)

    async def test_bad_files_beside_the_transactions_stop_it_before_anything_is_posted(
        self, target: Target, copy: Path
    ) -> None:
        accounts = copy / "account.csv"
        accounts.write_text(accounts.read_text().replace("MESICNE", "MESICNĚ", 1))

        with pytest.raises(RowInvalid):
            await import_berka(target, copy)

        assert await rows(target, "select 1 from ledger.account where book_id = %(book)s") == []


class TestRefusedByTheLedger:
    async def test_another_amount_under_the_same_row_is_refused_and_names_the_column(
        self, target: Target, copy: Path
    ) -> None:
        await import_berka(target, SAMPLE)
        before = await balances(target)
        edit_row(copy, 2, lambda row: row.replace("0;", "1;", 1))

        with pytest.raises(ImportStopped) as stopped:
            await import_berka(target, copy)

        assert stopped.value.error.code == "exists_with_different_amount"
        assert (stopped.value.error.line, stopped.value.field) == (2, "amount")
        assert await balances(target) == before

    @pytest.mark.parametrize("on_error", OnError)
    async def test_what_was_refused_can_be_imported_once_the_cause_is_gone(
        self, target: Target, on_error: OnError
    ) -> None:
        frozen = "berka:account:900008"
        account = await _opened(target, frozen)
        await _change(target, account, AccountAction.FREEZE)
        of_frozen = sum(";900008;" in line for line in (SAMPLE / "trans.csv").read_text().splitlines())

        if on_error is OnError.STOP:
            with pytest.raises(ImportStopped) as stopped:
                await import_berka(target, SAMPLE)
            assert stopped.value.error.code == "credit_account_frozen"
            assert stopped.value.field == "account_id"
            done = stopped.value.report.created
            assert stopped.value.error.line == done + 2
        else:
            report = await import_berka(with_options(target, on_error=on_error), SAMPLE)
            assert report.skipped == of_frozen
            assert {error.column for error in report.errors} == {"account_id"}
            done = report.created
            assert done == ROWS - of_frozen
        assert await rows(target, "select 1 from ledger.refusal where book_id = %(book)s") == []

        await _change(target, account, AccountAction.UNFREEZE)
        again = await import_berka(target, SAMPLE)

        assert (again.created, again.existing) == (ROWS - done, done)


async def _opened(target: Target, reference: str) -> AccountId:
    own = OpenAccount(
        id=AccountId("acct_" + "8" * 32), currency="CZK", normal_side=Side.CREDIT, reference=reference
    )
    async with target.database.transaction() as connection:
        await target.ledger.apply(connection, target.book_id, [own])
    return own.id


async def _change(target: Target, account: AccountId, action: AccountAction) -> None:
    async with target.database.transaction() as connection:
        (outcome,) = await target.ledger.apply(
            connection, target.book_id, [ChangeStatus(account=account, action=action)]
        )
    assert outcome.refusal is None
