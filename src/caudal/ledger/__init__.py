"""The ledger: accounts, transfers, balances. Double entry, exact, in one order per book."""

from caudal.ledger.book import Book
from caudal.ledger.service import LOT, Decided, Ledger, lots, refuse_repeated_ids
from caudal.ledger.store import AccountDirectory, Load
from caudal.ledger.types import (
    Account,
    AccountAction,
    AccountCommand,
    AccountEvent,
    AccountEventKind,
    AccountId,
    AccountStatus,
    ChangeLimit,
    ChangeStatus,
    Command,
    CreateTransfer,
    Hold,
    HoldState,
    LimitRule,
    Metadata,
    OpenAccount,
    Outcome,
    OutcomeStatus,
    Posting,
    PostPending,
    RecordTransaction,
    Refusal,
    Remainder,
    ReverseTransfer,
    Side,
    Terms,
    Transaction,
    TransactionId,
    Transfer,
    TransferCommand,
    TransferId,
    TransferKind,
    Versions,
    VoidPending,
)

__all__ = [
    "LOT", "Account", "AccountAction", "AccountCommand", "AccountDirectory", "AccountEvent", "AccountEventKind",
    "AccountId", "AccountStatus", "Book", "ChangeLimit", "ChangeStatus", "Command", "CreateTransfer", "Decided",
    "Hold", "HoldState", "Ledger", "LimitRule", "Load", "Metadata", "OpenAccount", "Outcome", "OutcomeStatus",
    "PostPending", "Posting", "RecordTransaction", "Refusal", "Remainder", "ReverseTransfer", "Side", "Terms",
    "Transaction", "TransactionId", "Transfer", "TransferCommand", "TransferId", "TransferKind", "Versions",
    "VoidPending", "lots", "refuse_repeated_ids",
]  # fmt: skip
