"""What a described row becomes: amounts, sides, dates and ids, exactly, or an error with line and column."""

import datetime as dt
from pathlib import Path

import pytest

from caudal.imports import RowError, parse
from caudal.imports.csv_rules import columns_of, rows_of
from caudal.imports.reader import scan
from caudal.imports.types import Row

BASE = """
source = "acme"
account = {column = "account", normal_side = "credit", prefix = "acme:"}
other_side = {reference = "acme:clearing", normal_side = "debit"}
"""
SIGNED = BASE + 'currency = "EUR"\namount = {column = "amount"}\n'


def read(tmp_path: Path, description: str, content: str) -> list[Row | RowError]:
    file = tmp_path / "rows.csv"
    file.write_text(content)
    return list(rows_of(file, parse(description), scan(file)[0]))


def one(tmp_path: Path, description: str, header: str, row: str) -> Row:
    (item,) = read(tmp_path, description, f"{header}\n{row}\n")
    assert isinstance(item, Row), item
    return item


def error(tmp_path: Path, description: str, header: str, row: str) -> tuple[int, str | None, str]:
    (item,) = read(tmp_path, description, f"{header}\n{row}\n")
    assert isinstance(item, RowError), item
    return item.line, item.column, item.code


class TestAmounts:
    @pytest.mark.parametrize(
        ("description", "row", "debit", "credit", "amount"),
        [
            (SIGNED, "1,10.50", "clearing", "1", 1_050),
            (SIGNED, "1,-10.5", "1", "clearing", 1_050),
            (SIGNED, "1,+10", "clearing", "1", 1_000),
            (SIGNED.replace('"credit", prefix', '"debit", prefix'), "1,10", "1", "clearing", 1_000),
            (SIGNED.replace('"amount"}', '"amount", positive = "debit"}'), "1,10", "1", "clearing", 1_000),
            (SIGNED.replace('"amount"}', '"amount", positive = "debit"}'), "1,-10", "clearing", "1", 1_000),
        ],
    )
    def test_a_sign_says_the_side(
        self, tmp_path: Path, description: str, row: str, debit: str, credit: str, amount: int
    ) -> None:
        transfer = one(tmp_path, description, "account,amount", row)

        assert (transfer.debit.reference, transfer.credit.reference) == (f"acme:{debit}", f"acme:{credit}")
        assert transfer.amount == amount

    TYPED = SIGNED.replace(
        '"amount"}', '"amount", type_column = "kind", credit_types = ["IN", "REFUND"], debit_types = ["OUT"]}'
    )

    def test_a_type_says_the_side(self, tmp_path: Path) -> None:
        header = "account,amount,kind"
        assert one(tmp_path, self.TYPED, header, "1,5,REFUND").credit.reference == "acme:1"
        assert one(tmp_path, self.TYPED, header, "1,5, OUT ").debit.reference == "acme:1"
        assert error(tmp_path, self.TYPED, header, "1,5,FEE") == (2, "kind", "unknown_value")
        assert error(tmp_path, self.TYPED, header, "1,-5,OUT") == (2, "amount", "invalid_amount")

    TWO = SIGNED.replace('column = "amount"}', 'credit_column = "in", debit_column = "out"}')

    def test_the_column_that_is_filled_says_the_side(self, tmp_path: Path) -> None:
        header = "account,in,out"
        assert one(tmp_path, self.TWO, header, "1,5,").credit.reference == "acme:1"
        assert one(tmp_path, self.TWO, header, "1,0.00,5").debit.reference == "acme:1"
        assert error(tmp_path, self.TWO, header, "1,5,5") == (2, "out", "contradiction")
        assert error(tmp_path, self.TWO, header, "1,,-5") == (2, "out", "invalid_amount")
        assert error(tmp_path, self.TWO, header, "1,,") == (2, "in", "invalid_amount")

    @pytest.mark.parametrize(
        ("text", "minor"),
        [
            ("1.234.567,89", 123_456_789),
            ("1234567,89", 123_456_789),
            ("-1.234,5", -123_450),
            ("0,01", 1),
            ("90.071.992.547.409,91", 2**53 - 1),
        ],
    )
    def test_separators_are_those_of_the_description(self, tmp_path: Path, text: str, minor: int) -> None:
        description = SIGNED.replace('"amount"}', '"amount", decimal = ",", thousands = "."}')

        transfer = one(tmp_path, description, "account,amount", f'1,"{text}"')

        sign = 1 if transfer.credit.reference == "acme:1" else -1
        assert sign * transfer.amount == minor

    @pytest.mark.parametrize(
        "text",
        ["", "x", "1.5", "12.34,5", "1.2345,00", "1234.567,00", ".123,00", "1,234", "1,", "1e3", "NaN", "٣",
         "- 5", "--5", "5-", "90.071.992.547.409,92", "0", "0,00"],
    )  # fmt: skip
    def test_what_is_no_exact_amount_is_refused(self, tmp_path: Path, text: str) -> None:
        description = SIGNED.replace('"amount"}', '"amount", decimal = ",", thousands = "."}')

        assert error(tmp_path, description, "account,amount", f'1,"{text}"') == (
            2,
            "amount",
            "invalid_amount",
        )

    def test_the_currency_decides_the_decimals(self, tmp_path: Path) -> None:
        description = BASE + 'currency_column = "currency"\namount = {column = "amount"}\n'
        header = "account,amount,currency"

        assert one(tmp_path, description, header, "1,15,JPY").amount == 15
        assert one(tmp_path, description, header, "1,1.5,KWD").amount == 1_500
        assert error(tmp_path, description, header, "1,1.5,JPY") == (2, "amount", "invalid_amount")
        assert error(tmp_path, description, header, "1,1.5,XXX") == (2, "currency", "unknown_currency")
        assert error(tmp_path, description, header, "1,1.5,") == (2, "currency", "unknown_currency")


class TestDates:
    @pytest.mark.parametrize(
        ("rule", "text", "moment"),
        [
            ('{column = "on"}', "2026-02-28", dt.datetime(2026, 2, 28, tzinfo=dt.UTC)),
            ('{column = "on", format = "%d.%m.%y"}', "28.02.26", dt.datetime(2026, 2, 28, tzinfo=dt.UTC)),
            (
                '{column = "on", format = "%Y-%m-%dT%H:%M:%S%z"}',
                "2026-02-28T23:30:00-0100",
                dt.datetime(2026, 3, 1, 0, 30, tzinfo=dt.UTC),
            ),
            ("{day = 2026-01-01}", "whatever", dt.datetime(2026, 1, 1, tzinfo=dt.UTC)),
        ],
    )
    def test_a_row_counts_from_its_date(
        self, tmp_path: Path, rule: str, text: str, moment: dt.datetime
    ) -> None:
        transfer = one(tmp_path, f"{SIGNED}date = {rule}\n", "account,amount,on", f"1,5,{text}")

        assert transfer.effective_at == moment

    def test_without_a_rule_it_counts_when_it_is_recorded(self, tmp_path: Path) -> None:
        assert one(tmp_path, SIGNED, "account,amount", "1,5").effective_at is None

    @pytest.mark.parametrize("text", ["", "2026-02-30", "28.02.2026", "2026-02-28 10:00"])
    def test_what_is_no_date_is_refused(self, tmp_path: Path, text: str) -> None:
        description = SIGNED + 'date = {column = "on"}\n'

        assert error(tmp_path, description, "account,amount,on", f"1,5,{text}") == (2, "on", "invalid_date")


class TestIdentity:
    def ids(self, tmp_path: Path, description: str, content: str) -> list[str]:
        found = read(tmp_path, description, content)
        assert all(isinstance(row, Row) for row in found)
        return [row.id for row in found if isinstance(row, Row)]

    def test_named_columns_identify_a_row_whatever_else_it_says_and_wherever_it_stands(
        self, tmp_path: Path
    ) -> None:
        description = SIGNED + 'id = {columns = ["day", "no"]}\n'

        first = self.ids(tmp_path, description, "account,amount,day,no\n1,5,mon,1\n1,5,mon,2\n")
        second = self.ids(tmp_path, description, "no,day,amount,account\n2,mon,7,9\n1,mon,5,1\n1,tue,5,1\n")

        assert second[:2] == [first[1], first[0]]
        assert len({*first, *second}) == 3

    def test_parts_of_an_identity_do_not_run_together(self, tmp_path: Path) -> None:
        description = SIGNED + 'id = {columns = ["day", "no"]}\n'

        ids = self.ids(tmp_path, description, "account,amount,day,no\n1,5,1,23\n1,5,12,3\n")

        assert ids[0] != ids[1]

    def test_another_source_means_other_rows(self, tmp_path: Path) -> None:
        description = SIGNED + 'id = {columns = ["no"]}\n'
        content = "account,amount,no\n1,5,1\n"

        assert self.ids(tmp_path, description, content) != self.ids(
            tmp_path, description.replace('"acme"', '"other"'), content
        )

    def test_an_empty_identity_is_refused(self, tmp_path: Path) -> None:
        description = SIGNED + 'id = {columns = ["no"]}\n'

        assert error(tmp_path, description, "account,amount,no", "1,5, ") == (2, "no", "value_missing")

    def test_without_columns_a_row_is_known_by_its_file_and_line(self, tmp_path: Path) -> None:
        content = "account,amount\n1,5\n1,5\n"

        ids = self.ids(tmp_path, SIGNED, content)

        assert ids[0] != ids[1]
        assert ids == self.ids(tmp_path, SIGNED, content)
        assert set(ids).isdisjoint(self.ids(tmp_path, SIGNED, content + "1,5\n"))

    def test_an_opening_balance_is_known_by_its_account_and_currency(self, tmp_path: Path) -> None:
        description = 'kind = "opening_balances"\n' + SIGNED

        first = self.ids(tmp_path, description, "account,amount\n1,5\n2,5\n")
        second = self.ids(tmp_path, description, "account,amount\n2,7\n")

        assert second == first[1:]


class TestAccounts:
    def test_both_sides_may_be_named_by_the_row(self, tmp_path: Path) -> None:
        description = SIGNED.replace('reference = "acme:clearing"', 'column = "from"')

        transfer = one(tmp_path, description, "account,amount,from", "1,5, x ")

        assert (transfer.debit.reference, transfer.credit.reference) == ("x", "acme:1")

    def test_what_is_opened_carries_code_limit_and_metadata(self, tmp_path: Path) -> None:
        description = """
        source = "acme"
        currency = "KWD"
        amount = {column = "amount"}
        [account]
        column = "account"
        normal_side = "credit"
        code = "2100"
        limit = "debits_must_not_exceed_credits"
        overdraft = "0.5"
        metadata = {owner = "who", city = "where"}
        [other_side]
        reference = "clearing"
        normal_side = "debit"
        open = false
        """

        transfer = one(tmp_path, description, "account,amount,who,where", "1,5,Ada,")

        assert transfer.credit.metadata == {"owner": "Ada"}
        assert (transfer.credit.code, transfer.credit.overdraft) == ("2100", 500)
        assert transfer.credit.limit.value == "debits_must_not_exceed_credits"
        assert (transfer.credit.may_open, transfer.debit.may_open) == (True, False)

    @pytest.mark.parametrize(
        ("value", "code"), [("", "value_missing"), (" ", "value_missing"), ("x" * 251, "text_too_long")]
    )
    def test_an_account_must_be_named(self, tmp_path: Path, value: str, code: str) -> None:
        assert error(tmp_path, SIGNED, "account,amount", f"{value},5") == (2, "account", code)

    def test_the_ledgers_own_accounts_are_out_of_reach(self, tmp_path: Path) -> None:
        description = SIGNED.replace(', prefix = "acme:"', "")

        assert error(tmp_path, description, "account,amount", "system:x,5") == (
            2,
            "account",
            "reference_reserved",
        )


class TestFields:
    FIELDS = SIGNED + 'fields = {code = "kind", reference = "ref", metadata = {note = "text"}}\n'
    HEADER = "account,amount,kind,ref,text"

    def test_texts_are_kept_and_empty_ones_are_none(self, tmp_path: Path) -> None:
        full = one(tmp_path, self.FIELDS, self.HEADER, "1,5,fee, R-1 ,thanks")
        empty = one(tmp_path, self.FIELDS, self.HEADER, "1,5,,,")

        assert (full.code, full.reference, full.metadata) == ("fee", "R-1", {"note": "thanks"})
        assert (empty.code, empty.reference, empty.metadata) == (None, None, None)

    def test_texts_are_bounded(self, tmp_path: Path) -> None:
        assert error(tmp_path, self.FIELDS, self.HEADER, f"1,5,{'x' * 256},,") == (2, "kind", "text_too_long")
        assert error(tmp_path, self.FIELDS, self.HEADER, f"1,5,,,{'x' * 501}") == (2, "text", "text_too_long")

    @pytest.mark.parametrize(
        ("row", "column", "code"),
        [
            ("jane@example.com,5,,,", "account", "personal_data_refused"),
            ("1,5,4242424242424242,,", "kind", "personal_data_refused"),
            ("1,5,,+49 30 1234567,", "ref", "personal_data_refused"),
            ("1,5,,,for DE89370400440532013000", "text", "personal_data_refused"),
            (f"1,5,,pay_{7:032x},", "ref", "reference_reserved"),
        ],
    )
    def test_what_must_not_be_kept_is_refused(self, tmp_path: Path, row: str, column: str, code: str) -> None:
        assert error(tmp_path, self.FIELDS, self.HEADER, row) == (2, column, code)

    def test_every_column_is_asked_for_once(self) -> None:
        assert columns_of(parse(self.FIELDS.replace('"text"', '"kind"'))) == [
            "account",
            "amount",
            "kind",
            "ref",
        ]
