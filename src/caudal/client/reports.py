"""What is told of accounts and books over time: entries, statements, trial balances, periods, the journal."""

import datetime as dt

from caudal.client.types import (
    AccountEventKind,
    AccountStatus,
    Answer,
    Basis,
    Counters,
    RowType,
    Side,
    Transfer,
)


class Entry(Counters, frozen=True, kw_only=True):
    """A transfer as one of its accounts sees it, with the account's counters after it."""

    seq: int
    side: Side
    amount: int
    """What it moved between posted balances; 0 for holds, voids and expiries."""
    balance: int
    """The posted balance after it."""
    value_at: dt.datetime
    transfer: Transfer


class StatementLine(Answer, frozen=True, kw_only=True):
    """An entry, with the posted balance after it in the statement's own order."""

    seq: int
    side: Side
    amount: int
    balance: int
    value_at: dt.datetime
    transfer: Transfer


class Statement(Answer, frozen=True, kw_only=True):
    """What was posted on an account from one day through another, both in UTC.

    Balances are posted ones, positive on the normal side.
    """

    account: str
    currency: str
    normal_side: Side
    basis: Basis
    from_day: dt.date
    through_day: dt.date
    opening_balance: int
    closing_balance: int
    through_seq: int
    """What is recorded later is not in it."""
    lines: tuple[StatementLine, ...]


class CodeTotals(Counters, frozen=True, kw_only=True):
    """All accounts of one chart code and currency together."""

    code: str | None
    """None is of those without one."""
    currency: str
    accounts: int
    """How many."""


class CurrencyTotals(Counters, frozen=True, kw_only=True):
    """All accounts of one currency together: debits equal credits."""

    currency: str


class TrialBalance(Answer, frozen=True, kw_only=True):
    """A book's accounts by chart code, and their totals by currency."""

    seq: int
    """The last seq that is counted."""
    balanced: bool
    rows: tuple[CodeTotals, ...]
    totals: tuple[CurrencyTotals, ...]


class Period(Answer, frozen=True, kw_only=True):
    """A close: all days up to and including `closed_through` are shut."""

    closed_through: dt.date
    closed_at: dt.datetime
    closed_by: str
    at_seq: int
    """The book's last seq at the time."""


class AccountEvent(Answer, frozen=True, kw_only=True):
    """An account's opening, or a change of its status or limit."""

    account: str
    kind: AccountEventKind
    status: AccountStatus
    recorded_at: dt.datetime
    max_net_debit: int | None = None
    """By how much debits may exceed credits; None is without bound."""
    max_net_credit: int | None = None


class JournalRow(Answer, frozen=True, kw_only=True):
    """A transfer or an account event, in its place in the book's order."""

    seq: int
    type: RowType
    transfer: Transfer | None = None
    account_event: AccountEvent | None = None


class JournalPage(Answer, frozen=True, kw_only=True):
    """A stretch of the journal. What was seen never changes."""

    data: tuple[JournalRow, ...]
    next_after: int
    """Where the next stretch starts."""
    head: int
    """The book's last seq: how far there is to go."""
