"""The bank's rows: from text to values, strictly, and from values to transfers."""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Final

from caudal.imports.berka_types import (
    CURRENCY,
    FREQUENCIES,
    KIND_BY_OPERATION,
    KIND_BY_SYMBOL,
    ROLES,
    SIDE_OF_KIND,
    SIDES,
    SYMBOLS,
    Customer,
    Kind,
    Transaction,
)
from caudal.imports.reader import Record, Unreadable
from caudal.imports.rules import midnight, read_amount, shown, transfer_id_of
from caudal.imports.types import Columns, Party, Row
from caudal.ledger import Side

TRANSACTION_COLUMNS: Final = (
    "trans_id", "account_id", "date", "type", "operation", "amount", "balance", "k_symbol", "bank", "account",
)  # fmt: skip
ACCOUNT_COLUMNS: Final = ("account_id", "frequency")
DISPOSITION_COLUMNS: Final = ("client_id", "account_id", "type")

_NUMBER = re.compile(r"[0-9]{1,12}", re.ASCII)
_DATE = re.compile(r"([0-9]{2})([0-9]{2})([0-9]{2})", re.ASCII)
_BANK = re.compile(r"[A-Z]{2}", re.ASCII)
_COLUMNS: Final = Columns(id="trans_id", amount="amount", effective_at="date")


def transaction_of(record: Record) -> Transaction:
    """The transaction in a record of `TRANSACTION_COLUMNS`. Raises `Unreadable` naming the column."""
    number, account, date, type_, operation, amount, balance, symbol, bank, counterparty = record.fields
    kind, symbol = _kind(type_, operation, symbol.strip())
    minor = read_amount(amount, CURRENCY, "amount")
    if minor < 1:
        raise Unreadable("invalid_amount", f"{shown(amount)}: an amount is more than 0", "amount")
    return Transaction(
        line=record.line,
        number=_number(number, "trans_id"),
        account=_number(account, "account_id"),
        day=_day(date),
        kind=kind,
        amount=minor,
        stated=read_amount(balance, CURRENCY, "balance"),
        symbol=symbol or None,
        counterparty=_counterparty(kind, bank, counterparty),
    )


def account_of(record: Record) -> tuple[str, str]:
    """The number and the frequency in a record of `ACCOUNT_COLUMNS`. Raises `Unreadable`."""
    number, frequency = record.fields
    if frequency not in FREQUENCIES:
        raise Unreadable("unknown_value", f"{shown(frequency)} is no known frequency", "frequency")
    return _number(number, "account_id"), frequency


def disposition_of(record: Record) -> tuple[str, str, bool]:
    """Account, client, and whether it owns it, in a record of `DISPOSITION_COLUMNS`. Raises `Unreadable`."""
    client, account, role = record.fields
    if role not in ROLES:
        raise Unreadable("unknown_value", f"{shown(role)} is no known role", "type")
    return _number(account, "account_id"), _number(client, "client_id"), role == "OWNER"


def account_reference(number: str) -> str:
    """The reference of the ledger account of a bank account."""
    return f"berka:account:{number}"


def row_of(transaction: Transaction, customers: Mapping[str, Customer]) -> Row:
    """The transfer that a transaction becomes: the customer's account on one side, its cause on the other.

    Raises `Unreadable` for an account that is in no other file.
    """
    customer = customers.get(transaction.account)
    if customer is None:
        raise Unreadable(
            "unknown_account", f"no account {transaction.account} is in account.csv", "account_id"
        )
    own = Party(
        reference=account_reference(transaction.account),
        normal_side=Side.CREDIT,
        code="deposits",
        metadata=_described(customer),
        column="account_id",
    )
    other = _other_side(transaction)
    credited = SIDE_OF_KIND[transaction.kind] is Side.CREDIT
    return Row(
        line=transaction.line,
        id=transfer_id_of("berka", transaction.number),
        debit=other if credited else own,
        credit=own if credited else other,
        amount=transaction.amount,
        currency=CURRENCY,
        columns=_COLUMNS,
        effective_at=midnight(transaction.day),
        code=transaction.kind.value,
        reference=f"berka:trans:{transaction.number}",
        metadata=None if transaction.symbol is None else {"k_symbol": transaction.symbol},
    )


def _described(customer: Customer) -> dict[str, str]:
    described = {"frequency": customer.frequency}
    if customer.owner is not None:
        described["owner"] = customer.owner
    return described


_OWN_ACCOUNTS: Final = {
    Kind.CASH_IN: Party(reference="berka:cash", normal_side=Side.DEBIT, code="cash", column="operation"),
    Kind.CASH_OUT: Party(reference="berka:cash", normal_side=Side.DEBIT, code="cash", column="operation"),
    Kind.CARD_WITHDRAWAL: Party(
        reference="berka:cash", normal_side=Side.DEBIT, code="cash", column="operation"
    ),
    Kind.INTEREST: Party(
        reference="berka:interest_paid", normal_side=Side.DEBIT, code="interest_paid", column="k_symbol"
    ),
    Kind.STATEMENT_FEE: Party(
        reference="berka:statement_fees", normal_side=Side.CREDIT, code="fees_earned", column="k_symbol"
    ),
    Kind.PENALTY_INTEREST: Party(
        reference="berka:penalty_interest", normal_side=Side.CREDIT, code="interest_earned", column="k_symbol"
    ),
}
"""The bank's own accounts, on the other side of what is not with another bank."""


def _other_side(transaction: Transaction) -> Party:
    if transaction.counterparty is None:
        return _OWN_ACCOUNTS[transaction.kind]
    bank, account = transaction.counterparty
    return Party(
        reference=f"berka:counterparty:{bank}:{account}",
        normal_side=Side.DEBIT,
        code="other_banks",
        metadata={"bank": bank},
        column="account",
    )


def _kind(type_: str, operation: str, symbol: str) -> tuple[Kind, str]:
    side = SIDES.get(type_)
    if side is None:
        raise Unreadable("unknown_value", f"{shown(type_)} is no known type", "type")
    if symbol and symbol not in SYMBOLS:
        raise Unreadable("unknown_value", f"{shown(symbol)} is no known symbol", "k_symbol")
    if operation and operation not in KIND_BY_OPERATION:
        raise Unreadable("unknown_value", f"{shown(operation)} is no known operation", "operation")
    kind = KIND_BY_SYMBOL.get(symbol) or KIND_BY_OPERATION.get(operation)
    if kind is None:
        raise Unreadable("unknown_value", "there is no operation, and k_symbol names no fee", "operation")
    if SIDE_OF_KIND[kind] is not side:
        column = "k_symbol" if symbol in KIND_BY_SYMBOL else "operation"
        raise Unreadable("contradiction", f"{kind.value} does not go with the type {type_}", column)
    return kind, symbol


def _counterparty(kind: Kind, bank: str, account: str) -> tuple[str, str] | None:
    """Bank and account; other transactions than collections and remittances have none, or `0`."""
    if kind not in (Kind.COLLECTION, Kind.REMITTANCE):
        if bank:
            raise Unreadable("contradiction", f"{kind.value} is with no other bank", "bank")
        if account not in ("", "0"):
            raise Unreadable("contradiction", f"{kind.value} is with no other account", "account")
        return None
    if not _BANK.fullmatch(bank):
        raise Unreadable("unknown_value", f"{shown(bank)} is no bank's two letters", "bank")
    return bank, _number(account, "account")


def _number(text: str, column: str) -> str:
    if not _NUMBER.fullmatch(text):
        raise Unreadable("invalid_number", f"{shown(text)} is no number of 1 to 12 digits", column)
    # Leading zeros would make two accounts of one.
    return text.lstrip("0") or "0"


def _day(text: str) -> dt.date:
    match = _DATE.fullmatch(text)
    if match is not None:
        year, month, day = (int(part) for part in match.groups())
        try:
            return dt.date(1900 + year, month, day)
        except ValueError:
            pass
    raise Unreadable("invalid_date", f"{shown(text)} is no date YYMMDD", "date")
