"""The ledger against what a bank states: the figures are the data's, and change when the data does."""

import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from caudal.imports import SAMPLE, Comparison, NotImported, RowInvalid, Target, compare_berka, import_berka
from caudal.ledger import CreateTransfer, TransferId, accounts_by_reference, check, end_of
from caudal_base.database import Database
from support.corpus import corpus
from support.uploads import new_target

Lines = list[str]


@pytest.fixture
async def target(shared_database: Database) -> Target:
    return await new_target(shared_database)


async def compare(target: Target, directory: Path = SAMPLE) -> Comparison:
    return await compare_berka(target.database, target.book_id, directory)


def altered(directory: Path, edit: Callable[[Lines], Lines]) -> Path:
    """A copy of the sample with other transactions; the lines come without their ends, the header first."""
    copy = Path(shutil.copytree(SAMPLE, directory / "altered"))
    lines = (copy / "trans.csv").read_bytes().decode().split("\r\n")
    (copy / "trans.csv").write_bytes("\r\n".join(edit(lines)).encode())
    return copy


def with_field(line: int, field: int, value: str) -> Callable[[Lines], Lines]:
    def edit(lines: Lines) -> Lines:
        fields = lines[line].split(";")
        fields[field] = value
        return [*lines[:line], ";".join(fields), *lines[line + 1 :]]

    return edit


def figures(found: Comparison) -> dict[str, int]:
    names = ("account_days", "exact", "off_by_2_or_more", "transactions", "accounts", "posted_exactly")
    return {name: getattr(found, name) for name in names}


OF_THE_SAMPLE = {
    "account_days": 622,
    "exact": 522,
    "off_by_2_or_more": 4,
    "transactions": 766,
    "accounts": 36,
    "posted_exactly": 622,
}


async def test_the_sample_gives_its_figures(target: Target) -> None:
    await import_berka(target, SAMPLE)

    found = await compare(target)

    assert figures(found) == OF_THE_SAMPLE
    assert found.not_in_ledger == 0
    assert [(w.account, w.day.isoformat(), w.difference) for w in found.worst[:4]] == [
        ("900071", "1993-04-30", 3_480),
        ("900197", "1993-04-30", 2_740),
        ("900134", "1993-04-30", 840),
        ("900008", "1993-04-30", 360),
    ]
    assert {abs(w.difference) for w in found.worst[4:]} == {10}


async def test_the_figures_are_those_of_adding_up_the_file(target: Target) -> None:
    await import_berka(target, SAMPLE)
    ends: dict[tuple[str, str], int] = {}
    stated: dict[tuple[str, str], list[int]] = {}
    balance: dict[str, int] = {}
    for line in (SAMPLE / "trans.csv").read_text().splitlines()[1:]:
        _, account, day, type_, _, amount, state, *_ = line.replace('"', "").split(";")
        signed = int(amount.replace(".", "")) * (1 if type_ == "PRIJEM" else -1)
        ends[(account, day)] = balance[account] = balance.get(account, 0) + signed
        stated.setdefault((account, day), []).append(int(state.replace(".", "")))

    found = await compare(target)

    assert found.account_days == len(ends)
    assert found.exact == sum(end in stated[day] for day, end in ends.items())
    assert found.off_by_2_or_more == sum(
        min(abs(state - end) for state in stated[day]) >= 200 for day, end in ends.items()
    )


class TestAltered:
    """Line 1 of the file is account 900127's opening deposit of 800.00, alone on its day."""

    async def test_a_stated_balance_moves_its_day_alone(self, target: Target, tmp_path: Path) -> None:
        await import_berka(target, SAMPLE)

        found = await compare(target, altered(tmp_path, with_field(1, 6, "802.00")))

        assert figures(found) == OF_THE_SAMPLE | {"exact": 521, "off_by_2_or_more": 5}

    async def test_an_amount_that_was_imported_otherwise_shows_in_what_was_posted(
        self, target: Target, tmp_path: Path
    ) -> None:
        await import_berka(target, SAMPLE)

        found = await compare(target, altered(tmp_path, with_field(1, 5, "900.00")))

        assert figures(found) == OF_THE_SAMPLE | {"posted_exactly": 621}

    async def test_an_amount_imported_wrong_moves_every_later_day_of_its_account(
        self, target: Target, tmp_path: Path
    ) -> None:
        copy = altered(tmp_path, with_field(1, 5, "900.00"))
        await import_berka(target, copy)
        of_the_account = {
            line.split(";")[2]
            for line in (SAMPLE / "trans.csv").read_text().splitlines()
            if ";900127;" in line
        }

        found = await compare(target, copy)

        assert found.off_by_2_or_more == 4 + len(of_the_account)
        assert found.posted_exactly == found.account_days == 622

    async def test_a_row_left_out_of_the_import_shows_against_the_whole_file(
        self, target: Target, tmp_path: Path
    ) -> None:
        await import_berka(target, altered(tmp_path, lambda lines: [lines[0], *lines[2:]]))

        found = await compare(target)

        assert found.transactions == 766
        assert found.posted_exactly == 621
        assert found.off_by_2_or_more > 4

    async def test_a_row_left_out_of_the_file_is_a_day_and_a_transaction_less(
        self, target: Target, tmp_path: Path
    ) -> None:
        await import_berka(target, SAMPLE)

        found = await compare(target, altered(tmp_path, lambda lines: [lines[0], *lines[2:]]))

        assert (found.transactions, found.account_days) == (765, 621)
        # The account's next day now seems to have moved by the missing deposit as well.
        assert (found.exact, found.posted_exactly) == (521, 620)

    async def test_a_transfer_that_no_file_knows_shows(self, target: Target) -> None:
        await import_berka(target, SAMPLE)
        async with target.database.transaction() as connection:
            found = await accounts_by_reference(
                connection, target.book_id, ["berka:account:900127", "berka:cash"]
            )
            extra = CreateTransfer(
                id=TransferId("tr_" + "9" * 32),
                debit_account=found["berka:cash"].id,
                credit_account=found["berka:account:900127"].id,
                amount=1,
                currency="CZK",
                # In the last microsecond of the day of the opening deposit.
                effective_at=end_of(dt.date(1993, 1, 2)),
            )
            (outcome,) = await target.ledger.apply(connection, target.book_id, [extra])

        assert outcome.refusal is None
        assert (await compare(target)).posted_exactly == 621

    async def test_a_bad_row_is_named(self, target: Target, tmp_path: Path) -> None:
        await import_berka(target, SAMPLE)

        with pytest.raises(RowInvalid) as refusal:
            await compare(target, altered(tmp_path, with_field(5, 6, "1,00")))

        assert (refusal.value.error.line, refusal.value.field) == (6, "balance")


async def test_accounts_that_are_not_in_the_ledger_are_counted_apart(target: Target, tmp_path: Path) -> None:
    def without_one_account(lines: Lines) -> Lines:
        return [line for line in lines if ";900127;" not in line]

    await import_berka(target, altered(tmp_path, without_one_account))

    found = await compare(target)

    assert (found.accounts, found.account_days) == (36, 622)
    assert found.not_in_ledger > 0
    assert sum(bucket.account_days for bucket in found.differences) == 622 - found.not_in_ledger


async def test_nothing_imported_is_said_so(target: Target) -> None:
    with pytest.raises(NotImported):
        await compare(target)


async def test_progress_is_told_in_account_days(target: Target) -> None:
    await import_berka(target, SAMPLE)
    told: list[tuple[int, int | None]] = []

    await compare_berka(
        target.database, target.book_id, SAMPLE, progress=lambda done, total: told.append((done, total))
    )

    assert told == [(622, 622)]


async def test_the_real_bank_gives_the_figures_of_its_data(target: Target) -> None:
    directory = corpus("berka")

    report = await import_berka(target, directory)
    found = await compare(target, directory)

    assert (report.created, report.existing, report.skipped) == (49_102, 0, 0)
    assert figures(found) == {
        "account_days": 39_960,
        "exact": 23_634,
        "off_by_2_or_more": 28,
        "transactions": 49_102,
        "accounts": 1_229,
        "posted_exactly": 39_960,
    }
    async with target.database.snapshot() as connection:
        assert await check(connection) == []
