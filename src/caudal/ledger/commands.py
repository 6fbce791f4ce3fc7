"""What may be asked of a book: transfers, journal entries, and changes of accounts.

As in `types`, no command can be part of a reference cycle (`gc=False`).
"""

import datetime as dt
import enum
from typing import TypeAlias

import msgspec

from caudal.ledger.types import (
    AccountId,
    LimitRule,
    Metadata,
    Posting,
    Remainder,
    Side,
    TransactionId,
    TransferId,
    Versions,
)


class CreateTransfer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Move an amount from the credit side of one account to another: debit one, credit the other."""

    id: TransferId
    debit_account: AccountId
    credit_account: AccountId
    amount: int
    currency: str
    pending: bool = False
    expires_at: dt.datetime | None = None
    """Of a pending transfer: when the hold lapses by itself."""
    effective_at: dt.datetime | None = None
    """When it counts for value, past or future; None is when it is recorded. Not for pending transfers."""
    code: str | None = None
    reference: str | None = None
    metadata: Metadata | None = None
    if_version: Versions | None = None
    min_available: int | None = None
    """Each account whose balance the transfer lowers must keep at least this much available."""
    up_to: bool = False
    """Move what is available on the accounts that the transfer lowers, at most the amount."""
    rate: str | None = None
    """Of the two legs of a conversion: units of the second leg's currency per unit of the first's."""
    beyond_limits: bool = False
    """What the outside world has already done: passes limits and freezes, and goes to suspense if closed."""
    linked: bool = False
    """Succeeds or fails together with the next command."""
    may_post_closed: bool = False
    """The caller holds the scope to record into a closed period. An authority, not content."""
    may_correct: bool = False
    """The caller holds the scope to move what payments keep and have written. An authority, not content."""


class PostPending(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Post a hold: whole (amount None) or in part."""

    id: TransferId
    pending_id: TransferId
    amount: int | None = None
    remainder: Remainder = Remainder.RELEASE
    effective_at: dt.datetime | None = None
    code: str | None = None
    reference: str | None = None
    metadata: Metadata | None = None
    beyond_limits: bool = False
    linked: bool = False
    may_post_closed: bool = False
    may_correct: bool = False


class VoidPending(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Release a hold."""

    id: TransferId
    pending_id: TransferId
    code: str | None = None
    reference: str | None = None
    metadata: Metadata | None = None
    linked: bool = False


class ReverseTransfer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Move back what a transfer moved: whole what is left of it (amount None) or a part."""

    id: TransferId
    original_id: TransferId
    amount: int | None = None
    effective_at: dt.datetime | None = None
    code: str | None = None
    reference: str | None = None
    metadata: Metadata | None = None
    beyond_limits: bool = False
    linked: bool = False
    may_post_closed: bool = False
    may_correct: bool = False


class RecordTransaction(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An n:n journal entry: all of its postings, or none. Debits equal credits in every currency."""

    id: TransactionId
    postings: tuple[Posting, ...]
    effective_at: dt.datetime | None = None
    code: str | None = None
    reference: str | None = None
    metadata: Metadata | None = None
    template: str | None = None
    """The template and version that the postings were made from, as `name@version`."""
    beyond_limits: bool = False
    linked: bool = False
    may_post_closed: bool = False
    may_correct: bool = False


class OpenAccount(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Open an account."""

    id: AccountId
    currency: str
    normal_side: Side
    code: str | None = None
    """The chart of accounts' code."""
    reference: str | None = None
    """The caller's own name for it, unique in the book."""
    metadata: Metadata | None = None
    limit: LimitRule = LimitRule.NONE
    overdraft: int = 0
    linked: bool = False


class AccountAction(enum.Enum):
    """What may be done to an account's status."""

    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    CLOSE = "close"
    REOPEN = "reopen"


class ChangeStatus(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Freeze, unfreeze, close or reopen an account."""

    account: AccountId
    action: AccountAction
    linked: bool = False


class ChangeLimit(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Give an account another limit. Refused where the account already stands beyond it."""

    account: AccountId
    limit: LimitRule
    overdraft: int = 0
    linked: bool = False


TransferCommand: TypeAlias = CreateTransfer | PostPending | VoidPending | ReverseTransfer | RecordTransaction
AccountCommand: TypeAlias = OpenAccount | ChangeStatus | ChangeLimit
Command: TypeAlias = TransferCommand | AccountCommand
