"""The vocabulary of imports: rows that will be transfers, what became of them, and how far it is."""

import datetime as dt
import enum
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import msgspec

from caudal.ledger import LimitRule, Metadata, Side, TransferId
from caudal_base.database import Connection

ERRORS_KEPT: Final = 100
"""So many row errors are listed in a report; all are counted."""

Progress: TypeAlias = Callable[[int, int | None], None]
"""Told how many are done, and of how many (None where that is not known)."""


class OnError(enum.Enum):
    """What a row that cannot be imported means for those behind it."""

    STOP = "stop"
    """They are not imported."""
    SKIP = "skip"
    """They are, and the row is reported at the end."""


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """An account as a row knows it: found by its reference, or opened so."""

    reference: str
    normal_side: Side
    code: str | None = None
    metadata: Metadata | None = None
    limit: LimitRule = LimitRule.NONE
    overdraft: int = 0
    """In minor units."""
    may_open: bool = True
    column: str | None = None
    """The file's column that names it."""


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """Which columns of its file a row's parts stand in, for errors."""

    id: str | None = None
    amount: str | None = None
    currency: str | None = None
    effective_at: str | None = None


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer to be. An amount of 0 only opens the accounts."""

    line: int
    """The line of the file on which it begins, counted from 1."""
    id: TransferId
    debit: Party
    credit: Party
    amount: int
    """In minor units."""
    currency: str
    columns: Columns
    effective_at: dt.datetime | None = None
    code: str | None = None
    reference: str | None = None
    metadata: Metadata | None = None


class RowError(msgspec.Struct, frozen=True, kw_only=True):
    """Why a row is not imported."""

    file: str
    line: int
    code: str
    """Stable: one of the reading (`invalid_amount`), or the ledger's reason for refusing the transfer."""
    detail: str
    column: str | None = None

    def text(self) -> str:
        """For people: where, and what."""
        where = f"{self.file}, line {self.line}"
        return f"{where}{f', column {self.column}' if self.column else ''}: {self.detail}"


class Lot(msgspec.Struct, frozen=True, kw_only=True):
    """What one transaction of an import did."""

    book_id: int
    file: str
    first_line: int
    last_line: int
    rows: int
    created: int
    existing: int
    """Rows that an earlier run had imported."""
    accounts_opened: int


AfterLot: TypeAlias = Callable[[Connection, Lot], Awaitable[None]]
"""Called in each lot's transaction, after its writes: for the audit record of whoever imports."""


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did, all lots together."""

    rows: int = 0
    """Rows that are now in the ledger: created, existing, or of no amount."""
    created: int = 0
    existing: int = 0
    accounts_opened: int = 0
    lots: int = 0
    skipped: int = 0
    errors: tuple[RowError, ...] = ()
    """Of the skipped rows the first ones, at most `ERRORS_KEPT`."""
