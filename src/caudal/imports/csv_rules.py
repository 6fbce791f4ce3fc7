"""From a described CSV file's records to transfers."""

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from caudal.imports.description import AccountRule, Description, FileKind
from caudal.imports.reader import Record, Unreadable, read
from caudal.imports.rules import (
    MAX_METADATA_VALUE,
    MAX_REFERENCE,
    midnight,
    read_amount,
    read_text,
    shown,
    transfer_id_of,
)
from caudal.imports.types import Columns, Party, Row, RowError
from caudal.ledger import Metadata, Side, TransferId, begins_with_a_payment
from caudal_base.money import UnknownCurrency, exponent

Fields = Mapping[str, str]
"""A record's fields by column."""

_DIGITS: Final = re.compile(r"[+-]?[0-9]+", re.ASCII)


def rows_of(path: Path, description: Description, digest: str) -> Iterator[Row | RowError]:
    """The transfers that the file becomes, in its order; `digest` is the file's SHA-256. Raises as `read`."""
    columns = columns_of(description)
    reading = _Reading(description, digest)
    for record in read(path, description.file, columns):
        if isinstance(record, RowError):
            yield record
            continue
        try:
            yield reading.row(record, dict(zip(columns, record.fields, strict=True)))
        except Unreadable as unreadable:
            yield unreadable.at(path, record.line)


def columns_of(description: Description) -> list[str]:
    """Every column that the description names, once."""
    amount, date, fields = description.amount, description.date, description.fields
    named: list[str | None] = [
        description.currency_column,
        description.account.column,
        amount.column,
        amount.type_column,
        amount.credit_column,
        amount.debit_column,
        fields.code,
        fields.reference,
        *description.account.metadata.values(),
        *fields.metadata.values(),
    ]
    if description.other_side is not None:
        named += [description.other_side.column, *description.other_side.metadata.values()]
    if date is not None:
        named.append(date.column)
    if description.id is not None:
        named += description.id.columns
    return list(dict.fromkeys(column for column in named if column is not None))


class _Reading:
    """A description at work."""

    def __init__(self, description: Description, digest: str) -> None:
        self._description = description
        self._digest = digest
        self._date = _date_reader(description)
        amount = description.amount
        self._columns = Columns(
            id=None if description.id is None else description.id.columns[0],
            amount=amount.column or amount.credit_column,
            currency=description.currency_column,
            effective_at=None if description.date is None else description.date.column,
        )

    def row(self, record: Record, fields: Fields) -> Row:
        """The transfer of one record. Raises `Unreadable` naming the column."""
        description = self._description
        currency = _currency(description, fields)
        account = _party(description.account, fields, currency)
        other = _other_side(description, fields, currency)
        amount, side = _amount(description, fields, currency)
        if amount == 0 and description.kind is FileKind.TRANSACTIONS:
            raise Unreadable("invalid_amount", "a transaction moves more than 0", self._columns.amount)
        kept = description.fields
        return Row(
            line=record.line,
            id=self._id(record, fields, account, currency),
            debit=account if side is Side.DEBIT else other,
            credit=other if side is Side.DEBIT else account,
            amount=amount,
            currency=currency,
            columns=self._columns,
            effective_at=self._date(fields),
            code=_text(fields, kept.code),
            reference=_reference(fields, kept.reference),
            metadata=_metadata(kept.metadata, fields),
        )

    def _id(self, record: Record, fields: Fields, account: Party, currency: str) -> TransferId:
        description = self._description
        kind, source = description.kind, description.source
        if description.id is not None:
            values = []
            for column in description.id.columns:
                value = fields[column].strip()
                if not value:
                    raise Unreadable("value_missing", "what identifies the row is empty", column)
                values.append(value)
            return transfer_id_of(kind.value, source, "id", *values)
        if kind is FileKind.OPENING_BALANCES:
            return transfer_id_of(kind.value, source, "account", account.reference, currency)
        return transfer_id_of(kind.value, source, "line", self._digest, str(record.line))


def _currency(description: Description, fields: Fields) -> str:
    if description.currency_column is None:
        return description.currency or ""
    currency = fields[description.currency_column].strip()
    try:
        exponent(currency)
    except UnknownCurrency:
        detail = f"{shown(currency)} is no ISO 4217 currency"
        raise Unreadable("unknown_currency", detail, description.currency_column) from None
    return currency


def _party(rule: AccountRule, fields: Fields, currency: str) -> Party:
    reference = rule.reference
    if rule.column is not None:
        named = read_text(fields[rule.column], MAX_REFERENCE - len(rule.prefix), rule.column)
        if not named:
            raise Unreadable("value_missing", "the account is not named", rule.column)
        reference = rule.prefix + named
        if reference.startswith("system:"):
            raise Unreadable("reference_reserved", "system: accounts are the ledger's own", rule.column)
    overdraft = 0 if rule.overdraft is None else read_amount(rule.overdraft, currency, "overdraft")
    return Party(
        reference=reference or "",
        normal_side=rule.normal_side,
        code=rule.code,
        metadata=_metadata(rule.metadata, fields),
        limit=rule.limit,
        overdraft=overdraft,
        may_open=rule.open,
        column=rule.column,
    )


def _other_side(description: Description, fields: Fields, currency: str) -> Party:
    if description.other_side is not None:
        return _party(description.other_side, fields, currency)
    return Party(reference=f"opening-balances:{currency}", normal_side=Side.CREDIT, code="equity")


def _amount(description: Description, fields: Fields, currency: str) -> tuple[int, Side]:
    """How much, at least 0, and on which side of the row's account."""
    rule = description.amount
    if rule.column is None:
        return _amount_of_two(description, fields, currency)
    amount = _minor(description, fields[rule.column], currency, rule.column)
    if rule.type_column is not None:
        type_ = fields[rule.type_column].strip()
        if amount < 0:
            raise Unreadable("invalid_amount", "an amount beside a type has no sign", rule.column)
        if type_ in rule.credit_types:
            return amount, Side.CREDIT
        if type_ in rule.debit_types:
            return amount, Side.DEBIT
        raise Unreadable("unknown_value", f"{shown(type_)} is no known type", rule.type_column)
    positive = rule.positive or description.account.normal_side
    negative = Side.DEBIT if positive is Side.CREDIT else Side.CREDIT
    return (amount, positive) if amount >= 0 else (-amount, negative)


def _amount_of_two(description: Description, fields: Fields, currency: str) -> tuple[int, Side]:
    rule = description.amount
    found: list[tuple[int, Side]] = []
    for column, side in ((rule.credit_column, Side.CREDIT), (rule.debit_column, Side.DEBIT)):
        text = fields[column or ""].strip()
        amount = _minor(description, text, currency, column or "") if text else 0
        if amount < 0:
            raise Unreadable("invalid_amount", "an amount in two columns has no sign", column)
        if amount:
            found.append((amount, side))
    if len(found) > 1:
        raise Unreadable("contradiction", "both a credit and a debit", rule.debit_column)
    return found[0] if found else (0, description.account.normal_side)


def _minor(description: Description, text: str, currency: str, column: str) -> int:
    """The minor units in a text with the file's separators."""
    rule = description.amount
    units, mark, decimals = text.strip().partition(rule.decimal)
    if rule.thousands and rule.thousands in units:
        first, *groups = units.split(rule.thousands)
        if not _DIGITS.fullmatch(first) or len(first.lstrip("+-")) > 3 or any(len(g) != 3 for g in groups):
            raise Unreadable("invalid_amount", f"{shown(text)}: groups of three digits", column)
        units = first + "".join(groups)
    units = units.removeprefix("+")
    if mark and rule.decimal not in (".",) and "." in units + decimals:
        raise Unreadable("invalid_amount", f"{shown(text)} is no amount", column)
    return read_amount(f"{units}.{decimals}" if mark else units, currency, column)


def _date_reader(description: Description) -> Callable[[Fields], dt.datetime | None]:
    rule = description.date
    if rule is None:
        return lambda fields: None
    if rule.day is not None:
        always = midnight(rule.day)
        return lambda fields: always
    column, format_ = rule.column or "", rule.format

    def read_date(fields: Fields) -> dt.datetime:
        text = fields[column].strip()
        try:
            moment = dt.datetime.strptime(text, format_)  # noqa: DTZ007
        except ValueError:
            raise Unreadable("invalid_date", f"{shown(text)} is no date {format_}", column) from None
        return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)

    return read_date


def _text(fields: Fields, column: str | None) -> str | None:
    return None if column is None else read_text(fields[column], MAX_REFERENCE, column) or None


def _reference(fields: Fields, column: str | None) -> str | None:
    reference = _text(fields, column)
    if reference is not None and begins_with_a_payment(reference):
        detail = "references that begin with a payment's id are those of payments"
        raise Unreadable("reference_reserved", detail, column)
    return reference


def _metadata(columns: Mapping[str, str], fields: Fields) -> Metadata | None:
    pairs = {key: read_text(fields[column], MAX_METADATA_VALUE, column) for key, column in columns.items()}
    return {key: value for key, value in pairs.items() if value} or None
