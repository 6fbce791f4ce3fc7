"""Balances: what four counters say, and of which moment.

A book has two orders. By *recording*, a transfer counts from its place in the journal on, its `seq`, and so
from its `recorded_at`; limits go by this order, and its past never changes. By *value*, a transfer counts
from its `effective_at`, or where it has none from its `recorded_at`; a transfer recorded today may change
the balance of last week. Holds have no value: a balance by value is of posted amounts alone.
"""

import datetime as dt
from typing import Generic, TypeVar

import msgspec

from caudal.ledger.types import Account, AccountId, Side

ROWS_PER_PAGE_MAX = 1_000
"""No list returns more rows at once."""

Row = TypeVar("Row")


class Page(msgspec.Struct, Generic[Row], frozen=True):
    """Some rows of a list, and where the next ones start: None when there are no more for now.

    A page may be shorter than asked, and even empty, and still have a `next`: a list by several conditions
    looks at a bounded number of rows a page.
    """

    rows: tuple[Row, ...]
    next: int | None


class Counters(msgspec.Struct, frozen=True):
    """Sums of all that was posted to and is held on an account, in minor units."""

    debits_posted: int = 0
    credits_posted: int = 0
    debits_pending: int = 0
    credits_pending: int = 0


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """An account's counters at one moment, in minor units of its currency."""

    account: AccountId
    currency: str
    normal_side: Side
    debits_posted: int
    credits_posted: int
    debits_pending: int
    credits_pending: int
    version: int
    """The seq that had last touched the account; 0 before it was opened."""
    seq: int
    """The book's last seq at that moment: all up to it is counted, and nothing after."""

    @property
    def posted(self) -> int:
        """The posted balance: positive on the account's normal side."""
        return net(self.normal_side, self.debits_posted, self.credits_posted)

    @property
    def available(self) -> int:
        """The posted balance less what is held out of it: money on its way in is not money to spend."""
        held = self.debits_pending if self.normal_side is Side.CREDIT else self.credits_pending
        return self.posted - held


class ValueBalance(msgspec.Struct, frozen=True, kw_only=True):
    """What was posted to an account with value up to a moment, in minor units of its currency."""

    account: AccountId
    currency: str
    normal_side: Side
    effective_at: dt.datetime
    """The moment; what has value at this very microsecond is counted."""
    debits_posted: int
    credits_posted: int
    seq: int
    """The book's last seq when this was read: transfers recorded later may still change the balance."""

    @property
    def posted(self) -> int:
        """The posted balance by value: positive on the account's normal side."""
        return net(self.normal_side, self.debits_posted, self.credits_posted)


def net(normal_side: Side, debits: int, credits: int) -> int:
    """The balance of an account that grows on `normal_side`."""
    return debits - credits if normal_side is Side.DEBIT else credits - debits


def balance_of(account: Account, seq: int) -> Balance:
    """The balance that `account` shows, in a book whose last seq is `seq`."""
    return Balance(
        account=account.id,
        currency=account.currency,
        normal_side=account.normal_side,
        debits_posted=account.debits_posted,
        credits_posted=account.credits_posted,
        debits_pending=account.debits_pending,
        credits_pending=account.credits_pending,
        version=account.version,
        seq=seq,
    )


def start_of(day: dt.date) -> dt.datetime:
    """The first moment of a day. Days are UTC's."""
    return dt.datetime.combine(day, dt.time.min, dt.UTC)


def end_of(day: dt.date) -> dt.datetime:
    """The last moment of a day: the ledger counts in microseconds."""
    return dt.datetime.combine(day, dt.time.max, dt.UTC)
