"""The bank's rows are read strictly: what cannot be meant is refused by line and column."""

import datetime as dt
from pathlib import Path

import pytest

from caudal.imports import FileUnsuitable, RowError, RowInvalid
from caudal.imports.berka import customers_of, rows_of, transactions_of
from caudal.imports.berka_types import Customer
from caudal.imports.types import Row
from caudal.ledger import Side

ACCOUNTS = '"account_id";"district_id";"frequency";"date"\r\n'
ROLES = '"disp_id";"client_id";"account_id";"type"\r\n'
TRANSACTIONS = (
    '"trans_id";"account_id";"date";"type";"operation";"amount";"balance";"k_symbol";"bank";"account"\r\n'
)
CUSTOMERS = {"17": Customer(frequency="POPLATEK MESICNE", owner="4")}


def read(directory: Path, row: str) -> Row | RowError:
    (directory / "trans.csv").write_text(TRANSACTIONS + row + "\r\n")
    (item,) = rows_of(directory, CUSTOMERS)
    return item


@pytest.mark.parametrize(
    ("row", "debit", "credit", "code"),
    [
        ('1;17;930101;"PRIJEM";"VKLAD";700.00;700.00;"";;', "cash", "account:17", "cash_in"),
        ('1;17;930101;"VYDAJ";"VYBER";700.00;0.00;"";;', "account:17", "cash", "cash_out"),
        ('1;17;930101;"VYBER";"VYBER";700.00;0.00;" ";"";"0"', "account:17", "cash", "cash_out"),
        ('1;17;930101;"VYDAJ";"VYBER KARTOU";700.00;0.00;"";;"0"', "account:17", "cash", "card_withdrawal"),
        (
            '1;17;930101;"PRIJEM";"PREVOD Z UCTU";700.00;0.00;"DUCHOD";"BX";"40"',
            "counterparty:BX:40",
            "account:17",
            "collection",
        ),
        (
            '1;17;930101;"VYDAJ";"PREVOD NA UCET";700.00;-9.10;"SIPO";"BX";"0040"',
            "account:17",
            "counterparty:BX:40",
            "remittance",
        ),
        ('1;17;930101;"PRIJEM";"";700.00;0.00;"UROK";;', "interest_paid", "account:17", "interest"),
        (
            '1;17;930101;"VYDAJ";"VYBER";700.00;0.00;"SLUZBY";;',
            "account:17",
            "statement_fees",
            "statement_fee",
        ),
        (
            '1;17;930101;"VYDAJ";"VYBER";700.00;0.00;"SANKC. UROK";;',
            "account:17",
            "penalty_interest",
            "penalty_interest",
        ),
        ("1;17;930101;PRIJEM;VKLAD;700;700;;;", "cash", "account:17", "cash_in"),
    ],
)
def test_each_kind_of_transaction_has_its_two_accounts(
    tmp_path: Path, row: str, debit: str, credit: str, code: str
) -> None:
    transfer = read(tmp_path, row)

    assert isinstance(transfer, Row)
    assert (transfer.debit.reference, transfer.credit.reference) == (f"berka:{debit}", f"berka:{credit}")
    assert (transfer.amount, transfer.currency, transfer.code) == (70_000, "CZK", code)
    assert transfer.effective_at == dt.datetime(1993, 1, 1, tzinfo=dt.UTC)
    assert transfer.reference == "berka:trans:1"


def test_the_symbol_is_kept_as_metadata_and_a_blank_one_is_none(tmp_path: Path) -> None:
    household = read(tmp_path, '1;17;930101;"VYDAJ";"VYBER";5.00;0.00;"SIPO";"";"0"')
    blank = read(tmp_path, '1;17;930101;"VYDAJ";"VYBER";5.00;0.00;" ";"";"0"')

    assert isinstance(household, Row)
    assert isinstance(blank, Row)
    assert household.metadata == {"k_symbol": "SIPO"}
    assert blank.metadata is None


def test_the_customers_account_carries_owner_and_frequency_and_no_limit(tmp_path: Path) -> None:
    row = read(tmp_path, '1;17;930101;"PRIJEM";"VKLAD";700.00;700.00;"";;')

    assert isinstance(row, Row)
    assert row.credit.metadata == {"frequency": "POPLATEK MESICNE", "owner": "4"}
    assert (row.credit.normal_side, row.credit.limit.value) == (Side.CREDIT, "none")


def test_the_id_is_of_the_row_and_of_nothing_that_it_says(tmp_path: Path) -> None:
    one = read(tmp_path, '1;17;930101;"PRIJEM";"VKLAD";700.00;700.00;"";;')
    corrected = read(tmp_path, '1;17;940228;"PRIJEM";"";5.00;705.00;"UROK";;')
    other = read(tmp_path, '2;17;930101;"PRIJEM";"VKLAD";700.00;700.00;"";;')

    assert isinstance(one, Row)
    assert isinstance(corrected, Row)
    assert isinstance(other, Row)
    assert one.id == corrected.id == "tr_b4ae49bf99d18ca1b80a54a76f89bcd4"
    assert other.id != one.id


@pytest.mark.parametrize(
    ("row", "column", "code"),
    [
        ('x;17;930101;"PRIJEM";"VKLAD";700.00;700.00;"";;', "trans_id", "invalid_number"),
        (';17;930101;"PRIJEM";"VKLAD";700.00;700.00;"";;', "trans_id", "invalid_number"),
        ('1;;930101;"PRIJEM";"VKLAD";700.00;700.00;"";;', "account_id", "invalid_number"),
        ('1;18;930101;"PRIJEM";"VKLAD";700.00;700.00;"";;', "account_id", "unknown_account"),
        ('1;17;931301;"PRIJEM";"VKLAD";700.00;700.00;"";;', "date", "invalid_date"),
        ('1;17;930230;"PRIJEM";"VKLAD";700.00;700.00;"";;', "date", "invalid_date"),
        ('1;17;1993-01-01;"PRIJEM";"VKLAD";700.00;700.00;"";;', "date", "invalid_date"),
        ('1;17;;"PRIJEM";"VKLAD";700.00;700.00;"";;', "date", "invalid_date"),
        ('1;17;930101;"PREJEM";"VKLAD";700.00;700.00;"";;', "type", "unknown_value"),
        ('1;17;930101;"PRIJEM";"WKLAD";700.00;700.00;"";;', "operation", "unknown_value"),
        ('1;17;930101;"PRIJEM";"";700.00;700.00;"";;', "operation", "unknown_value"),
        ('1;17;930101;"PRIJEM";"";700.00;700.00;"SIPO";;', "operation", "unknown_value"),
        ('1;17;930101;"PRIJEM";"VYBER";700.00;700.00;"";;', "operation", "contradiction"),
        ('1;17;930101;"VYDAJ";"";700.00;700.00;"UROK";;', "k_symbol", "contradiction"),
        ('1;17;930101;"PRIJEM";"VKLAD";700.00;700.00;"GIFT";;', "k_symbol", "unknown_value"),
        ('1;17;930101;"PRIJEM";"VKLAD";700,00;700.00;"";;', "amount", "invalid_amount"),
        ('1;17;930101;"PRIJEM";"VKLAD";700.005;700.00;"";;', "amount", "invalid_amount"),
        ('1;17;930101;"PRIJEM";"VKLAD";7e2;700.00;"";;', "amount", "invalid_amount"),
        ('1;17;930101;"PRIJEM";"VKLAD";-700.00;700.00;"";;', "amount", "invalid_amount"),
        ('1;17;930101;"PRIJEM";"VKLAD";0.00;700.00;"";;', "amount", "invalid_amount"),
        ('1;17;930101;"PRIJEM";"VKLAD";;700.00;"";;', "amount", "invalid_amount"),
        ('1;17;930101;"PRIJEM";"VKLAD";90071992547409.92;0.00;"";;', "amount", "invalid_amount"),
        ('1;17;930101;"PRIJEM";"VKLAD";700.00;;"";;', "balance", "invalid_amount"),
        ('1;17;930101;"PRIJEM";"VKLAD";700.00;--1.00;"";;', "balance", "invalid_amount"),
        ('1;17;930101;"PRIJEM";"VKLAD";700.00;700.00;"";"BX";', "bank", "contradiction"),
        ('1;17;930101;"PRIJEM";"VKLAD";700.00;700.00;"";;"40"', "account", "contradiction"),
        ('1;17;930101;"PRIJEM";"PREVOD Z UCTU";700.00;700.00;"";;', "bank", "unknown_value"),
        ('1;17;930101;"PRIJEM";"PREVOD Z UCTU";700.00;700.00;"";"bx";"40"', "bank", "unknown_value"),
        ('1;17;930101;"PRIJEM";"PREVOD Z UCTU";700.00;700.00;"";"BX";', "account", "invalid_number"),
        ('1;17;930101;"PRIJEM";"VKLAD";700.00;700.00;"";', None, "row_width"),
        ('1;17;930101;"PRIJEM"X;"VKLAD";700.00;700.00;"";;', None, "row_malformed"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_line_and_column(
    tmp_path: Path, row: str, column: str | None, code: str
) -> None:
    error = read(tmp_path, row)

    assert isinstance(error, RowError)
    assert (error.file, error.line, error.column, error.code) == ("trans.csv", 2, column, code)


def test_columns_are_found_by_name_and_missing_ones_named(tmp_path: Path) -> None:
    (tmp_path / "trans.csv").write_text(TRANSACTIONS.replace('"balance";', ""))

    with pytest.raises(FileUnsuitable) as refusal:
        list(transactions_of(tmp_path))

    assert refusal.value.field == "balance"


class TestCustomers:
    def test_an_account_has_its_frequency_and_its_owner_but_no_other_client(self, tmp_path: Path) -> None:
        (tmp_path / "account.csv").write_text(
            ACCOUNTS + '17;1;"POPLATEK TYDNE";930101\r\n18;1;"POPLATEK PO OBRATU";930101\r\n'
        )
        (tmp_path / "disp.csv").write_text(ROLES + '1;5;17;"DISPONENT"\r\n2;4;17;"OWNER"\r\n')

        assert customers_of(tmp_path) == {
            "17": Customer(frequency="POPLATEK TYDNE", owner="4"),
            "18": Customer(frequency="POPLATEK PO OBRATU", owner=None),
        }

    def test_owners_may_be_unknown_altogether(self, tmp_path: Path) -> None:
        (tmp_path / "account.csv").write_text(ACCOUNTS + '17;1;"POPLATEK TYDNE";930101\r\n')

        assert customers_of(tmp_path)["17"].owner is None

    @pytest.mark.parametrize(
        ("accounts", "roles", "file", "column"),
        [
            ('17;1;"MONTHLY";930101', "", "account.csv", "frequency"),
            ('a;1;"POPLATEK TYDNE";930101', "", "account.csv", "account_id"),
            ('17;1;"POPLATEK TYDNE";930101', '1;4;17;"FRIEND"', "disp.csv", "type"),
            ('17;1;"POPLATEK TYDNE";930101', '1;;17;"OWNER"', "disp.csv", "client_id"),
            ('17;1;"POPLATEK TYDNE"', "", "account.csv", None),
        ],
    )
    def test_a_bad_row_is_named(
        self, tmp_path: Path, accounts: str, roles: str, file: str, column: str | None
    ) -> None:
        (tmp_path / "account.csv").write_text(ACCOUNTS + accounts)
        (tmp_path / "disp.csv").write_text(ROLES + roles)

        with pytest.raises(RowInvalid) as refusal:
            customers_of(tmp_path)

        assert (refusal.value.error.file, refusal.value.error.line) == (file, 2)
        assert refusal.value.field == column
        assert refusal.value.problem()["line"] == 2
