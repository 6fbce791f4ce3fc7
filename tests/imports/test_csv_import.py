"""Described CSV files become balances and transfers, once, however often they are imported."""

from pathlib import Path

import pytest

from caudal.imports import FileUnsuitable, ImportStopped, OnError, RowError, Target, import_csv, parse
from caudal.ledger import AccountId, OpenAccount, Side
from caudal_base.database import Database
from support.uploads import balances, new_target, rows, with_options

OPENING = parse(
    """
    kind = "opening_balances"
    source = "old-core"
    currency = "EUR"
    amount = {column = "balance"}
    date = {day = 2026-01-01}
    [account]
    column = "account"
    prefix = "acme:"
    normal_side = "credit"
    limit = "debits_must_not_exceed_credits"
    """
)
PAYMENTS = parse(
    """
    source = "old-core"
    currency = "EUR"
    account = {column = "from", prefix = "acme:", normal_side = "credit", open = false}
    other_side = {column = "to", prefix = "acme:", normal_side = "credit"}
    amount = {column = "amount", positive = "debit"}
    date = {column = "day"}
    id = {columns = ["number"]}
    fields = {reference = "number", code = "kind"}
    """
)


@pytest.fixture
async def target(shared_database: Database) -> Target:
    return await new_target(shared_database, lot=5)


def write(directory: Path, name: str, *lines: str) -> Path:
    file = directory / name
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.fixture
def opening(tmp_path: Path) -> Path:
    return write(tmp_path, "opening.csv", "account,balance", "a,100.00", "b,0.00", "c,7.50")


def payments(directory: Path, *lines: str) -> Path:
    return write(directory, "payments.csv", "number,day,from,to,amount,kind", *lines)


async def test_opening_balances_open_accounts_against_equity(target: Target, opening: Path) -> None:
    report = await import_csv(target, opening, OPENING)

    assert (report.rows, report.created, report.accounts_opened) == (3, 2, 4)
    assert await balances(target) == {
        "acme:a": 10_000,
        "acme:b": 0,
        "acme:c": 750,
        "opening-balances:EUR": -10_750,
    }
    days = await rows(
        target, "select distinct effective_at::date::text from ledger.transfer where book_id = %(book)s"
    )
    assert days == [("2026-01-01",)]


async def test_transactions_move_between_the_accounts_that_they_name(
    target: Target, opening: Path, tmp_path: Path
) -> None:
    await import_csv(target, opening, OPENING)
    file = payments(tmp_path, "1,2026-01-02,a,b,40.00,rent", "2,2026-01-03,b,shop,15.50,card")

    report = await import_csv(target, file, PAYMENTS)

    assert (report.created, report.accounts_opened) == (2, 1)
    found = await balances(target)
    assert {name: found[f"acme:{name}"] for name in ("a", "b", "shop")} == {
        "a": 6_000,
        "b": 2_450,
        "shop": 1_550,
    }
    coded = "select reference, code from ledger.transfer where book_id = %(book)s and code is not null"
    assert await rows(target, coded + " order by seq") == [("1", "rent"), ("2", "card")]


async def test_the_same_rows_again_change_nothing_and_new_ones_are_added(
    target: Target, opening: Path, tmp_path: Path
) -> None:
    await import_csv(target, opening, OPENING)
    lines = [f"{number},2026-01-02,a,b,1.00,x" for number in range(1, 21)]
    await import_csv(target, payments(tmp_path, *lines[:13]), PAYMENTS)

    again = await import_csv(target, payments(tmp_path, *reversed(lines)), PAYMENTS)
    opened_again = await import_csv(target, opening, OPENING)

    assert (again.created, again.existing) == (7, 13)
    assert (opened_again.rows, opened_again.created, opened_again.existing) == (3, 0, 2)
    assert (await balances(target))["acme:b"] == 2_000


async def test_a_file_without_numbers_may_be_imported_twice_too(target: Target, tmp_path: Path) -> None:
    description = parse(
        """
        source = "till"
        currency = "EUR"
        account = {reference = "till", normal_side = "debit"}
        other_side = {reference = "sales", normal_side = "credit"}
        amount = {column = "1"}
        file = {header = false}
        """
    )
    file = write(tmp_path, "till.csv", *["2.50"] * 12)

    first = await import_csv(target, file, description)
    second = await import_csv(target, file, description)

    assert (first.created, second.created, second.existing) == (12, 0, 12)
    assert await balances(target) == {"till": -3_000, "sales": 3_000}


async def test_a_corrected_opening_balance_is_refused_not_added(
    target: Target, opening: Path, tmp_path: Path
) -> None:
    await import_csv(target, opening, OPENING)
    corrected = write(tmp_path, "corrected.csv", "account,balance", "c,8.00", "d,1.00")

    with pytest.raises(ImportStopped) as stopped:
        await import_csv(target, corrected, OPENING)

    assert (stopped.value.error.code, stopped.value.field) == ("exists_with_different_amount", "balance")
    assert (await balances(target))["acme:c"] == 750
    assert "acme:d" not in await balances(target)


async def test_an_account_that_is_there_is_found_by_its_reference(target: Target, opening: Path) -> None:
    own = OpenAccount(
        id=AccountId("acct_" + "5" * 32), currency="EUR", normal_side=Side.CREDIT, reference="acme:a"
    )
    async with target.database.transaction() as connection:
        await target.ledger.apply(connection, target.book_id, [own])

    report = await import_csv(target, opening, OPENING)

    assert report.accounts_opened == 3
    named = "select count(*) from ledger.account where book_id = %(book)s and reference = 'acme:a'"
    assert await rows(target, named) == [(1,)]


class TestErrors:
    BAD = (
        "1,2026-01-02,a,b,40.00,ok",
        "2,2026-01-32,a,b,1.00,no such day",
        "3,2026-01-02,a,b,1.00,ok",
        "4,2026-01-02,nobody,b,1.00,no such account",
        "5,2026-01-02,a,b,90.00,more than there is",
        "6,2026-01-02,a,a,1.00,to itself",
        "7,2026-01-02,a,b,1.00,ok",
        "7,2026-01-02,a,b,2.00,the number again",
    )
    AT = (
        (3, "day", "invalid_date"),
        (5, "from", "account_not_found"),
        (6, "amount", "exceeds_debit_limit"),
        (7, "to", "same_account"),
        (9, "amount", "exists_with_different_amount"),
    )

    async def test_skip_imports_what_is_right_and_names_the_rest(
        self, target: Target, opening: Path, tmp_path: Path
    ) -> None:
        await import_csv(target, opening, OPENING)

        report = await import_csv(
            with_options(target, on_error=OnError.SKIP, lot=100), payments(tmp_path, *self.BAD), PAYMENTS
        )

        assert (report.created, report.skipped) == (3, 5)
        assert sorted((e.line, e.column, e.code) for e in report.errors) == list(self.AT)
        assert (await balances(target))["acme:a"] == 10_000 - 4_200

    @pytest.mark.parametrize("lot", [2, 100])
    @pytest.mark.parametrize("bad", [1, 3, 4, 5, 7])
    async def test_stop_imports_what_stands_before_the_first_bad_row(
        self, target: Target, opening: Path, tmp_path: Path, bad: int, lot: int
    ) -> None:
        await import_csv(target, opening, OPENING)
        good = [line for index, line in enumerate(self.BAD) if index in (0, 2, 6) and index < bad]
        file = payments(tmp_path, *good, self.BAD[bad], "8,2026-01-02,a,b,1.00,behind")

        with pytest.raises(ImportStopped) as stopped:
            await import_csv(with_options(target, lot=lot), file, PAYMENTS)

        expected = self.AT[(1, 3, 4, 5, 7).index(bad)]
        error = stopped.value.error
        assert (error.line, error.column, error.code) == (len(good) + 2, *expected[1:])
        assert stopped.value.report.rows == stopped.value.report.created == len(good)
        assert stopped.value.problem()["line"] == error.line
        posted = await rows(
            target,
            """
            select reference from ledger.transfer
             where book_id = %(book)s and reference is not null
             order by seq
            """,
        )
        assert [number for (number,) in posted] == [line.split(",")[0] for line in good]

    async def test_a_refused_row_leaves_nothing_and_can_be_imported_later(
        self, target: Target, opening: Path, tmp_path: Path
    ) -> None:
        await import_csv(target, opening, OPENING)
        too_much = payments(tmp_path, "1,2026-01-02,b,c,5.00,b has nothing yet")
        skipping = with_options(target, on_error=OnError.SKIP)
        assert (await import_csv(skipping, too_much, PAYMENTS)).skipped == 1
        assert await rows(target, "select 1 from ledger.refusal where book_id = %(book)s") == []

        funded = write(tmp_path, "more.csv", "number,day,from,to,amount,kind", "0,2026-01-01,a,b,5.00,x")
        await import_csv(target, funded, PAYMENTS)

        assert (await import_csv(target, too_much, PAYMENTS)).created == 1

    async def test_an_account_in_another_currency_is_the_error_of_its_row(
        self, target: Target, tmp_path: Path
    ) -> None:
        async with target.database.transaction() as connection:
            other = OpenAccount(
                id=AccountId("acct_" + "5" * 32), currency="USD", normal_side=Side.CREDIT, reference="acme:b"
            )
            await target.ledger.apply(connection, target.book_id, [other])
        file = write(tmp_path, "mixed.csv", "account,balance", "a,1.00", "b,1.00", "c,1.00")

        report = await import_csv(with_options(target, on_error=OnError.SKIP), file, OPENING)

        assert report.created == 2
        assert [(e.line, e.column, e.code) for e in report.errors] == [(3, "account", "currency_mismatch")]

    async def test_many_errors_are_counted_and_the_first_hundred_listed(
        self, target: Target, tmp_path: Path
    ) -> None:
        file = write(tmp_path, "bad.csv", "account,balance", *["a,x"] * 250)

        report = await import_csv(with_options(target, on_error=OnError.SKIP), file, OPENING)

        assert (report.rows, report.skipped, len(report.errors)) == (0, 250, 100)
        assert isinstance(report.errors[0], RowError)

    async def test_a_column_that_is_missing_stops_it_at_once(self, target: Target, tmp_path: Path) -> None:
        with pytest.raises(FileUnsuitable) as refusal:
            await import_csv(target, write(tmp_path, "other.csv", "account,amount", "a,1"), OPENING)
        assert refusal.value.field == "balance"
