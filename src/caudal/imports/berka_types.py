"""What stands in the files of the bank that Petr Berka and Marta Sochorová published (PKDD'99).

`;`-separated with a header, dates YYMMDD, amounts in Czech crowns. The words of the columns are Czech.
"""

import datetime as dt
import enum
from typing import Final

import msgspec

from caudal.ledger import Side

CURRENCY: Final = "CZK"
ACCOUNTS_FILE: Final = "account.csv"
DISPOSITIONS_FILE: Final = "disp.csv"
TRANSACTIONS_FILE: Final = "trans.csv"


class Kind(enum.Enum):
    """What a transaction is; the code of its transfer."""

    CASH_IN = "cash_in"
    """VKLAD"""
    CASH_OUT = "cash_out"
    """VYBER"""
    CARD_WITHDRAWAL = "card_withdrawal"
    """VYBER KARTOU: cash by card"""
    COLLECTION = "collection"
    """PREVOD Z UCTU: from an account at another bank"""
    REMITTANCE = "remittance"
    """PREVOD NA UCET: to an account at another bank"""
    INTEREST = "interest"
    """UROK: credited by the bank"""
    STATEMENT_FEE = "statement_fee"
    """SLUZBY"""
    PENALTY_INTEREST = "penalty_interest"
    """SANKC. UROK: for a balance below zero"""


SIDES: Final = {"PRIJEM": Side.CREDIT, "VYDAJ": Side.DEBIT, "VYBER": Side.DEBIT}
"""`type`: the side of the customer's account."""

KIND_BY_SYMBOL: Final = {
    "UROK": Kind.INTEREST,
    "SLUZBY": Kind.STATEMENT_FEE,
    "SANKC. UROK": Kind.PENALTY_INTEREST,
}
"""`k_symbol`, where it says more than `operation`: a fee is a VYBER too, and no cash."""

KIND_BY_OPERATION: Final = {
    "VKLAD": Kind.CASH_IN,
    "VYBER": Kind.CASH_OUT,
    "VYBER KARTOU": Kind.CARD_WITHDRAWAL,
    "PREVOD Z UCTU": Kind.COLLECTION,
    "PREVOD NA UCET": Kind.REMITTANCE,
}

SIDE_OF_KIND: Final = {
    Kind.CASH_IN: Side.CREDIT,
    Kind.COLLECTION: Side.CREDIT,
    Kind.INTEREST: Side.CREDIT,
    Kind.CASH_OUT: Side.DEBIT,
    Kind.CARD_WITHDRAWAL: Side.DEBIT,
    Kind.REMITTANCE: Side.DEBIT,
    Kind.STATEMENT_FEE: Side.DEBIT,
    Kind.PENALTY_INTEREST: Side.DEBIT,
}
"""The side of the customer's account on which a kind stands."""

SYMBOLS: Final = frozenset({*KIND_BY_SYMBOL, "SIPO", "POJISTNE", "DUCHOD", "UVER"})
"""`k_symbol`: beside those above household, insurance, pension, loan payment."""

FREQUENCIES: Final = frozenset({"POPLATEK MESICNE", "POPLATEK TYDNE", "POPLATEK PO OBRATU"})
"""`frequency`: statements monthly, weekly, after each transaction."""

ROLES: Final = frozenset({"OWNER", "DISPONENT"})


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `trans.csv`."""

    line: int
    number: str
    account: str
    day: dt.date
    kind: Kind
    amount: int
    """In haléř (hundredths of a crown), more than 0."""
    stated: int
    """The bank's own balance of the account after it, in haléř."""
    symbol: str | None
    counterparty: tuple[str, str] | None
    """Bank and account, of collections and remittances."""

    @property
    def signed(self) -> int:
        """What it adds to the account's balance, in haléř."""
        return self.amount if SIDE_OF_KIND[self.kind] is Side.CREDIT else -self.amount


class Customer(msgspec.Struct, frozen=True, kw_only=True):
    """What the other files say of an account."""

    frequency: str
    owner: str | None
    """The client's number."""
