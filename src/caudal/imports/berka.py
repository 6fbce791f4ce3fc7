"""The bank's files, read: customers once, transactions as a stream."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from caudal.imports import berka_rules as rules
from caudal.imports.berka_types import (
    ACCOUNTS_FILE,
    DISPOSITIONS_FILE,
    TRANSACTIONS_FILE,
    Customer,
    Transaction,
)
from caudal.imports.errors import RowInvalid
from caudal.imports.reader import Layout, Record, Unreadable, read
from caudal.imports.types import Row, RowError

_LAYOUT = Layout(delimiter=";")

Parsed = TypeVar("Parsed")


def customers_of(directory: Path) -> dict[str, Customer]:
    """Every account of `account.csv`, with its owner where there is a `disp.csv`.

    These files must be right as a whole: raises `RowInvalid`, `FileUnreadable`, `FileUnsuitable`.
    """
    owners: dict[str, str] = {}
    dispositions = directory / DISPOSITIONS_FILE
    if dispositions.exists():
        roles = _all(dispositions, rules.DISPOSITION_COLUMNS, rules.disposition_of)
        owners = {account: client for account, client, owns in roles if owns}
    accounts = _all(directory / ACCOUNTS_FILE, rules.ACCOUNT_COLUMNS, rules.account_of)
    return {number: Customer(frequency=frequency, owner=owners.get(number)) for number, frequency in accounts}


def rows_of(directory: Path, customers: Mapping[str, Customer]) -> Iterator[Row | RowError]:
    """The transfers that `trans.csv` becomes, in its order. Raises as `reader.read`."""
    path = directory / TRANSACTIONS_FILE
    for record in read(path, _LAYOUT, rules.TRANSACTION_COLUMNS):
        if isinstance(record, RowError):
            yield record
            continue
        try:
            yield rules.row_of(rules.transaction_of(record), customers)
        except Unreadable as unreadable:
            yield unreadable.at(path, record.line)


def transactions_of(directory: Path) -> Iterator[Transaction]:
    """The transactions of `trans.csv`, in its order. Raises `RowInvalid` at the first that is none."""
    return _all(directory / TRANSACTIONS_FILE, rules.TRANSACTION_COLUMNS, rules.transaction_of)


def _all(path: Path, columns: tuple[str, ...], parse: Callable[[Record], Parsed]) -> Iterator[Parsed]:
    for record in read(path, _LAYOUT, columns):
        if isinstance(record, RowError):
            raise RowInvalid(record)
        try:
            parsed = parse(record)
        except Unreadable as unreadable:
            raise RowInvalid(unreadable.at(path, record.line)) from None
        yield parsed
