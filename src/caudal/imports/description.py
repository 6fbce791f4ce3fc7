"""The description of a CSV file: a small TOML that says what each column means.

kind = "transactions"
source = "acme-bank"
currency = "EUR"

[file]
delimiter = ";"
encoding = "cp1252"

[account]
column = "IBAN"
prefix = "acme:"
normal_side = "credit"

[other_side]
reference = "acme:clearing"
normal_side = "debit"

[amount]
column = "Amount"
decimal = ","

[date]
column = "Booked"
format = "%d.%m.%Y"

[id]
columns = ["Booking number"]
"""

import datetime as dt
import enum
import re
import tomllib
from pathlib import Path
from typing import Final

import msgspec

from caudal.imports.errors import DescriptionInvalid, FileUnreadable
from caudal.imports.reader import Layout
from caudal.imports.rules import MAX_REFERENCE
from caudal.ledger import LimitRule, Side
from caudal_base.errors import InvalidRequest
from caudal_base.money import currencies, parse_decimal
from caudal_base.strictjson import StrictDecoder

ENCODINGS: Final = frozenset(
    {"utf-8", "ascii", "cp1250", "cp1251", "cp1252", "iso-8859-1", "iso-8859-2", "iso-8859-15"}
)

_MAX_BYTES = 65_536
_SOURCE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}", re.ASCII)
_SYSTEM = "system:"


class FileKind(enum.Enum):
    """What the rows are."""

    TRANSACTIONS = "transactions"
    OPENING_BALANCES = "opening_balances"
    """One row an account and currency; an amount of 0 only opens the account."""


class AccountRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which account stands on a side of each row, and how it is opened where it is missing."""

    reference: str | None = None
    """The same account on every row; or else:"""
    column: str | None = None
    """The account that each row names."""
    prefix: str = ""
    """Stands before what the column says: `acme:` and `17` are the account `acme:17`."""
    normal_side: Side
    open: bool = True
    """Whether a missing account is opened; otherwise its rows are errors."""
    code: str | None = None
    limit: LimitRule = LimitRule.NONE
    overdraft: str | None = None
    """In units of the row's currency: `500.00`."""
    metadata: dict[str, str] = {}
    """Of accounts that are opened: each key's column."""


class AmountRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which column says how much, and which side of the account it goes to: one of three ways.

    Signed: `column`, and `positive` says the side of what has no minus (else the account's normal side).
    By type: `column` and `type_column`, whose values `credit_types` and `debit_types` list.
    In two columns: `credit_column` and `debit_column`, of which each row fills one.
    """

    column: str | None = None
    positive: Side | None = None
    type_column: str | None = None
    credit_types: tuple[str, ...] = ()
    debit_types: tuple[str, ...] = ()
    credit_column: str | None = None
    debit_column: str | None = None
    decimal: str = "."
    thousands: str = ""
    """Stands between groups of three digits; rows may leave it out."""


class DateRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a row counts for value: what a column says, or one day for all; in UTC unless there is a `%z`.

    Without a time of day that is midnight.
    """

    column: str | None = None
    format: str = "%Y-%m-%d"
    """As `datetime.strptime` takes it."""
    day: dt.date | None = None


class IdRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The columns whose values, together, identify a row among all files of the source."""

    columns: tuple[str, ...]


class FieldRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Columns that go into the transfer as they are; where a row leaves one empty, so does the transfer."""

    code: str | None = None
    reference: str | None = None
    metadata: dict[str, str] = {}
    """Each key's column."""


class FileRule(Layout, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the file's text is laid out."""


class Description(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a CSV file says, and how it becomes transfers."""

    kind: FileKind = FileKind.TRANSACTIONS
    source: str
    """Where the files come from: part of every row's identity. Lower-case letters, digits, `.`, `_`, `-`."""
    currency: str | None = None
    currency_column: str | None = None
    file: FileRule = FileRule()
    account: AccountRule
    other_side: AccountRule | None = None
    """Of opening balances it may be left out: then it is `opening-balances:<currency>`."""
    amount: AmountRule
    date: DateRule | None = None
    """Without one, a row counts when it is recorded."""
    id: IdRule | None = None
    """Without one, a transaction is known by the file's hash and its line, and an opening balance by its
    account and currency."""
    fields: FieldRule = FieldRule()


_decoder = StrictDecoder(Description, max_bytes=_MAX_BYTES)


def load(path: Path) -> Description:
    """The description in a TOML file. Raises `FileUnreadable`, `DescriptionInvalid` naming the field."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise FileUnreadable(f"{path}: {error.strerror}", field="description") from None
    try:
        return parse(text.decode())
    except UnicodeDecodeError:
        raise DescriptionInvalid("a description is TOML in UTF-8") from None


def parse(text: str) -> Description:
    """The description in TOML. Raises `DescriptionInvalid` naming the field."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DescriptionInvalid(f"this is not TOML: {error}") from None
    try:
        description = _decoder.decode(msgspec.json.encode(document))
    except InvalidRequest as error:
        raise DescriptionInvalid(error.detail, field=error.field) from None
    _refuse_layout(description.file)
    _refuse_identity(description)
    _refuse_account(description.account, "account", description)
    if description.other_side is not None:
        _refuse_account(description.other_side, "other_side", description)
    elif description.kind is FileKind.TRANSACTIONS:
        raise DescriptionInvalid("transactions need the account on the other side", field="other_side")
    _refuse_amount(description.amount)
    _refuse_date(description.date)
    return description


def _refuse_layout(layout: Layout) -> None:
    for name, text in (("delimiter", layout.delimiter), ("quote", layout.quote)):
        if len(text) != 1 or not text.isascii() or text in "\r\n\0":
            raise DescriptionInvalid("one ASCII character", field=f"file.{name}")
    if layout.delimiter == layout.quote:
        raise DescriptionInvalid("another character than the delimiter", field="file.quote")
    if layout.encoding not in ENCODINGS:
        raise DescriptionInvalid(f"one of {', '.join(sorted(ENCODINGS))}", field="file.encoding")
    if not 0 <= layout.skip_lines <= 1_000:
        raise DescriptionInvalid("from 0 to 1,000", field="file.skip_lines")


def _refuse_identity(description: Description) -> None:
    if not _SOURCE.fullmatch(description.source):
        raise DescriptionInvalid("lower-case letters, digits, `.`, `_` and `-`, at most 63", field="source")
    if (description.currency is None) is (description.currency_column is None):
        raise DescriptionInvalid("either a currency or a column that says it", field="currency")
    if description.currency is not None and description.currency not in currencies():
        raise DescriptionInvalid(f"{description.currency!r} is no ISO 4217 currency", field="currency")
    if description.id is not None and not description.id.columns:
        raise DescriptionInvalid("at least one column", field="id.columns")


def _refuse_account(rule: AccountRule, field: str, description: Description) -> None:
    if (rule.reference is None) is (rule.column is None):
        raise DescriptionInvalid("either a reference or a column that says it", field=field)
    if rule.reference is not None and rule.prefix:
        raise DescriptionInvalid("a prefix goes with a column", field=f"{field}.prefix")
    for part, text in (("reference", rule.reference), ("prefix", rule.prefix)):
        if text is not None and text.startswith(_SYSTEM):
            raise DescriptionInvalid(f"{_SYSTEM} is the ledger's own", field=f"{field}.{part}")
        if text is not None and len(text) > MAX_REFERENCE:
            raise DescriptionInvalid(f"at most {MAX_REFERENCE} characters", field=f"{field}.{part}")
    if rule.reference == "":
        raise DescriptionInvalid("at least one character", field=f"{field}.reference")
    if rule.overdraft is not None:
        if rule.limit is LimitRule.NONE:
            raise DescriptionInvalid("an overdraft widens a limit; there is none", field=f"{field}.overdraft")
        try:
            overdraft = parse_decimal(rule.overdraft, description.currency or "EUR")
        except InvalidRequest as error:
            raise DescriptionInvalid(error.detail, field=f"{field}.overdraft") from None
        if overdraft < 0:
            raise DescriptionInvalid("at least 0", field=f"{field}.overdraft")


def _refuse_amount(rule: AmountRule) -> None:
    if rule.column is None:
        if rule.credit_column is None or rule.debit_column is None:
            raise DescriptionInvalid("a column, or a credit_column and a debit_column", field="amount.column")
        if rule.type_column is not None:
            raise DescriptionInvalid("a type goes with one column", field="amount.type_column")
        if rule.positive is not None:
            raise DescriptionInvalid("the columns say the side", field="amount.positive")
    elif rule.credit_column is not None or rule.debit_column is not None:
        raise DescriptionInvalid("either one column or two", field="amount.column")
    elif rule.type_column is None:
        if rule.credit_types or rule.debit_types:
            raise DescriptionInvalid("types go with a type_column", field="amount.type_column")
    else:
        if rule.positive is not None:
            raise DescriptionInvalid("the type says the side", field="amount.positive")
        if not rule.credit_types and not rule.debit_types:
            raise DescriptionInvalid("which types are credits, which debits?", field="amount.credit_types")
        if set(rule.credit_types) & set(rule.debit_types):
            raise DescriptionInvalid("a type is either", field="amount.debit_types")
    if rule.decimal not in (".", ","):
        raise DescriptionInvalid("`.` or `,`", field="amount.decimal")
    if rule.thousands not in ("", ".", ",", " ", "'", "\u00a0", "\u202f") or rule.thousands == rule.decimal:
        raise DescriptionInvalid("another than the decimal separator", field="amount.thousands")


def _refuse_date(rule: DateRule | None) -> None:
    if rule is None:
        return
    if (rule.column is None) is (rule.day is None):
        raise DescriptionInvalid("either a column or a day", field="date")
    # What a format writes of a moment it must read back, or it leaves out part of the date.
    moment = dt.datetime(2031, 11, 25, tzinfo=dt.UTC)
    try:
        again = dt.datetime.strptime(moment.strftime(rule.format), rule.format)  # noqa: DTZ007
    except ValueError:
        again = None
    if again is None or again.date() != moment.date():
        raise DescriptionInvalid("a format with year, month and day", field="date.format")
