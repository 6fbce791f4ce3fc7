"""A description says what each column means; one that contradicts itself is refused by its field."""

import re
from pathlib import Path

import pytest

from caudal.imports import DescriptionInvalid, FileUnreadable, load, parse

WHOLE = """
source = "acme-bank"
currency = "EUR"
[account]
column = "IBAN"
prefix = "acme:"
normal_side = "credit"
limit = "debits_must_not_exceed_credits"
overdraft = "500.00"
[account.metadata]
owner = "Owner"
[other_side]
reference = "acme:clearing"
normal_side = "debit"
[file]
delimiter = ";"
encoding = "cp1252"
[amount]
column = "Amount"
decimal = ","
thousands = "."
[date]
column = "Booked"
format = "%d.%m.%Y"
[id]
columns = ["Number"]
[fields]
code = "Kind"
[fields.metadata]
note = "Text"
"""


TYPED = 'column = "A"\ntype_column = "T"\ncredit_types = ["C"]'


def changed(before: str, after: str) -> str:
    assert before in WHOLE
    return WHOLE.replace(before, after)


def test_a_whole_description_is_read(tmp_path: Path) -> None:
    (tmp_path / "acme.toml").write_text(WHOLE)

    description = load(tmp_path / "acme.toml")

    assert (description.source, description.currency, description.kind.value) == (
        "acme-bank",
        "EUR",
        "transactions",
    )
    assert description.account.overdraft == "500.00"
    assert description.fields.metadata == {"note": "Text"}


def test_opening_balances_need_no_other_side() -> None:
    description = parse(
        'kind = "opening_balances"\nsource = "a"\ncurrency = "EUR"\n'
        'account = {column = "A", normal_side = "debit"}\namount = {column = "B"}\n'
    )
    assert description.other_side is None


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("source = ", None),
        ("", "source"),
        (changed('source = "acme-bank"', 'source = "Acme Bank"'), "source"),
        (changed('source = "acme-bank"', "source = 7"), "source"),
        (changed('currency = "EUR"', 'currency = "EURO"'), "currency"),
        (changed('currency = "EUR"', ""), "currency"),
        (changed('currency = "EUR"', 'currency = "EUR"\ncurrency_column = "C"'), "currency"),
        (changed('currency = "EUR"', 'currency = "EUR"\ncurency = "C"'), "curency"),
        (changed('normal_side = "credit"', ""), "account.normal_side"),
        (changed('normal_side = "credit"', 'normal_side = "left"'), "account.normal_side"),
        (changed('column = "IBAN"', ""), "account"),
        (changed('column = "IBAN"', 'column = "IBAN"\nreference = "x"'), "account"),
        (changed('prefix = "acme:"', 'prefix = "system:"'), "account.prefix"),
        (changed('overdraft = "500.00"', 'overdraft = "500.005"'), "account.overdraft"),
        (changed('overdraft = "500.00"', 'overdraft = "-1"'), "account.overdraft"),
        (changed('overdraft = "500.00"', "overdraft = 500.0"), "account.overdraft"),
        (changed('limit = "debits_must_not_exceed_credits"', ""), "account.overdraft"),
        (changed('reference = "acme:clearing"', 'reference = ""'), "other_side.reference"),
        (changed('reference = "acme:clearing"', 'reference = "system:x"'), "other_side.reference"),
        (changed('reference = "acme:clearing"', f'reference = "{"x" * 256}"'), "other_side.reference"),
        (changed('reference = "acme:clearing"', 'reference = "x"\nprefix = "y"'), "other_side.prefix"),
        (
            changed('[other_side]\nreference = "acme:clearing"\nnormal_side = "debit"', ""),
            "other_side",
        ),
        (changed('delimiter = ";"', 'delimiter = ";;"'), "file.delimiter"),
        (changed('delimiter = ";"', 'delimiter = "\\n"'), "file.delimiter"),
        (changed('delimiter = ";"', 'quote = ","'), "file.quote"),
        (changed('encoding = "cp1252"', 'encoding = "utf-16"'), "file.encoding"),
        (changed('encoding = "cp1252"', "skip_lines = -1"), "file.skip_lines"),
        (changed('column = "Amount"', ""), "amount.column"),
        (changed('column = "Amount"', 'credit_column = "In"'), "amount.column"),
        (changed('column = "Amount"', 'column = "Amount"\ncredit_column = "In"'), "amount.column"),
        (
            changed('column = "Amount"', 'credit_column = "In"\ndebit_column = "Out"\npositive = "debit"'),
            "amount.positive",
        ),
        (
            changed('column = "Amount"', 'credit_column = "In"\ndebit_column = "Out"\ntype_column = "T"'),
            "amount.type_column",
        ),
        (changed('column = "Amount"', 'column = "Amount"\ncredit_types = ["C"]'), "amount.type_column"),
        (changed('column = "Amount"', 'column = "Amount"\ntype_column = "T"'), "amount.credit_types"),
        (
            changed('column = "Amount"', TYPED + '\ndebit_types = ["C"]'),
            "amount.debit_types",
        ),
        (
            changed('column = "Amount"', TYPED + '\npositive = "credit"'),
            "amount.positive",
        ),
        (changed('decimal = ","', 'decimal = ";"'), "amount.decimal"),
        (changed('thousands = "."', 'thousands = ","'), "amount.thousands"),
        (changed('thousands = "."', 'thousands = "_"'), "amount.thousands"),
        (changed('column = "Booked"', 'column = "Booked"\nday = 2026-01-01'), "date"),
        (changed('column = "Booked"', ""), "date"),
        (changed('format = "%d.%m.%Y"', 'format = "%d.%m."'), "date.format"),
        (changed('format = "%d.%m.%Y"', 'format = "%Q"'), "date.format"),
        (changed('columns = ["Number"]', "columns = []"), "id.columns"),
    ],
)  # fmt: skip
def test_what_does_not_work_is_refused_by_its_field(text: str, field: str | None) -> None:
    with pytest.raises(DescriptionInvalid) as refusal:
        parse(text)

    assert refusal.value.field == field


def test_the_guides_example_works() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "imports.md").read_text()
    (example,) = re.findall(r"```toml\n(.*?)```", guide, re.DOTALL)

    assert parse(example).account.metadata == {"owner": "Customer"}


def test_a_file_that_is_no_text_or_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable):
        load(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"source = \xff")
    with pytest.raises(DescriptionInvalid):
        load(tmp_path / "bytes.toml")
