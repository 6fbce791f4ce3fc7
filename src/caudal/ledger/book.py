"""The part of a book that a batch works on, and the three things that may be done to it.

The rules change a book only through `move`, `release` and `note`, so that every change takes a seq, leaves
a row, and can be taken back when a linked group fails.
"""

import datetime as dt
import hashlib
from typing import Final

import msgspec

from caudal.ledger.types import (
    Account,
    AccountEvent,
    AccountEventKind,
    AccountId,
    Hold,
    HoldState,
    Terms,
    Transaction,
    TransactionId,
    Transfer,
    TransferId,
    TransferKind,
)
from caudal_base.check import check

SYSTEM_REFERENCE: Final = "system:"
"""References that begin so belong to accounts that the ledger opens for itself."""


_OWN: Final = "acct_" + "0" * 32
"""From which the ids of a book's own accounts are derived, the same in every book."""
_KEPT: Final = _OWN[: len("acct_") + 12] + "7"
"""How all of them begin; ids that callers choose seldom do."""

# Globals: see transfer_rules.
_PENDING: Final = TransferKind.PENDING
_MOVES_NOTHING: Final = (TransferKind.VOID, TransferKind.EXPIRY)


class Reversed(msgspec.Struct, kw_only=True):
    """How much of a transfer has been reversed."""

    original_seq: int
    amount: int = 0


class Book(msgspec.Struct, kw_only=True):
    """A book's head, and of its contents what the commands at hand refer to.

    A store loads just that; a model keeps everything. The rules cannot tell the difference.
    """

    seq: int = 0
    """The last one handed out."""
    recorded_at: dt.datetime
    """When the last batch was recorded; never goes back."""
    closed_through: dt.date | None = None
    next_account_no: int = 1
    accounts: dict[AccountId, Account] = msgspec.field(default_factory=dict)
    references: dict[str, AccountId] = msgspec.field(default_factory=dict)
    """Accounts by the caller's reference, as far as commands name one; and the suspense accounts."""
    transfers: dict[TransferId, Transfer] = msgspec.field(default_factory=dict)
    transactions: dict[TransactionId, Transaction] = msgspec.field(default_factory=dict)
    holds: dict[TransferId, Hold] = msgspec.field(default_factory=dict)
    reversals: dict[TransferId, Reversed] = msgspec.field(default_factory=dict)
    refused_ids: dict[str, str] = msgspec.field(default_factory=dict)
    """Burned transfer and transaction ids, with the reason."""
    openings: dict[AccountId, tuple[int | None, int | None]] = msgspec.field(default_factory=dict)
    """The limits with which accounts were opened, of accounts that commands would open again."""

    # What the batch adds.
    new_transfers: list[Transfer] = msgspec.field(default_factory=list)
    new_events: list[AccountEvent] = msgspec.field(default_factory=list)
    new_accounts: list[Account] = msgspec.field(default_factory=list)
    new_transactions: list[Transaction] = msgspec.field(default_factory=list)
    new_holds: list[Hold] = msgspec.field(default_factory=list)
    new_refusals: dict[str, str] = msgspec.field(default_factory=dict)
    rechecked: list[Account] = msgspec.field(default_factory=list)
    """Accounts whose `next_expiry` had come, and was determined anew."""
    undo: list[tuple[Account | Hold | Reversed, Account | Hold | Reversed]] | None = None
    """Inside a savepoint: what was changed, each with its state before."""
    for_payments: bool = False
    """The batch is that of payments, which move money on the accounts that they keep."""
    corrected: set[str] = msgspec.field(default_factory=set)
    """Ids of commands that have moved, by the authority to correct, what payments keep."""
    group_seq: int | None = None
    """While a linked group or a journal entry is carried out: the seq of its first member."""

    def move(
        self,
        transfer_id: TransferId,
        debit: Account,
        credit: Account,
        amount: int,
        kind: TransferKind,
        *,
        released: int = 0,
        related: Transfer | None = None,
        effective_at: dt.datetime | None = None,
        code: str | None = None,
        reference: str | None = None,
        metadata: dict[str, str] | None = None,
        terms: Terms | None = None,
    ) -> Transfer:
        """Record a transfer: `released` leaves the pending counters, `amount` enters those of its kind."""
        if self.undo is not None:
            self.remember(debit)
            self.remember(credit)
        if kind is _PENDING:
            debit.debits_pending += amount
            credit.credits_pending += amount
        else:
            if released:
                debit.debits_pending -= released
                credit.credits_pending -= released
                check(debit.debits_pending >= 0 <= credit.credits_pending, "more was released than was held")
            if kind not in _MOVES_NOTHING:
                debit.debits_posted += amount
                credit.credits_posted += amount
        self.seq = seq = self.seq + 1
        debit.version = credit.version = seq
        transfer = Transfer(
            seq, transfer_id, self.recorded_at, debit.no, credit.no, debit.id, credit.id, debit.currency,
            amount, kind,
            (debit.debits_posted, debit.credits_posted, debit.debits_pending, debit.credits_pending),
            (credit.debits_posted, credit.credits_posted, credit.debits_pending, credit.credits_pending),
            None if related is None else related.seq,
            None if related is None else related.id,
            self.group_seq, effective_at, code, reference, metadata, terms,
        )  # fmt: skip
        self.new_transfers.append(transfer)
        self.transfers[transfer_id] = transfer
        return transfer

    def hold(
        self, transfer: Transfer, expires_at: dt.datetime | None, debit: Account, credit: Account
    ) -> None:
        """Open the hold of a pending transfer."""
        hold = Hold(
            seq=transfer.seq,
            id=transfer.id,
            debit_no=debit.no,
            credit_no=credit.no,
            amount=transfer.amount,
            expires_at=expires_at,
        )
        self.new_holds.append(hold)
        self.holds[transfer.id] = hold
        if expires_at is not None:
            # A bound that stays too early after a roll-back costs one look-up, no more.
            for account in (debit, credit):
                if account.next_expiry is None or expires_at < account.next_expiry:
                    account.next_expiry = expires_at

    def resolve(self, hold: Hold, state: HoldState, by: Transfer) -> None:
        """Close a hold; it can be done once."""
        check(hold.state is HoldState.OPEN, "a hold is resolved at most once")
        self.remember(hold)
        hold.state = state
        hold.resolved_seq = by.seq

    def reverse(self, original: Transfer, amount: int) -> None:
        """Count `amount` as reversed of `original`."""
        reversed_ = self.reversals.setdefault(original.id, Reversed(original_seq=original.seq))
        self.remember(reversed_)
        reversed_.amount += amount
        check(reversed_.amount <= original.amount, "a transfer is never reversed for more than its amount")

    def note(self, account: Account, kind: AccountEventKind) -> AccountEvent:
        """Record what became of an account, as it stands now (`remember` it before the change)."""
        self.seq += 1
        account.version = self.seq
        event = AccountEvent(
            self.seq,
            account.no,
            account.id,
            kind,
            account.status,
            account.max_net_debit,
            account.max_net_credit,
            self.recorded_at,
        )
        self.new_events.append(event)
        return event

    def burn(self, command_id: str, reason: str) -> None:
        """Let the id of a refused command stay refused."""
        self.refused_ids[command_id] = reason
        self.new_refusals[command_id] = reason

    def remember(self, thing: "Account | Hold | Reversed") -> None:
        """Inside a savepoint: keep the state of what is about to change."""
        if self.undo is not None:
            self.undo.append((thing, msgspec.structs.replace(thing)))


class Savepoint:
    """A point to which a book can be taken back. Refusals are kept: they survive their group's roll-back."""

    def __init__(self, book: Book) -> None:
        """From here on the book remembers what it changes, until `restore` or `release`."""
        self._book = book
        self._outermost = book.undo is None
        if book.undo is None:
            book.undo = []
        self._mark = len(book.undo)
        self._head = (book.seq, book.next_account_no, book.group_seq)
        self._transfers = len(book.new_transfers)
        self._events = len(book.new_events)
        self._accounts = len(book.new_accounts)
        self._transactions = len(book.new_transactions)
        self._holds = len(book.new_holds)

    def restore(self) -> None:
        """Take back everything since, and forget the point."""
        book = self._book
        check(book.undo is not None, "a savepoint is restored or released once")
        undo = book.undo or []
        while len(undo) > self._mark:
            changed, before = undo.pop()
            for name in changed.__struct_fields__:
                setattr(changed, name, getattr(before, name))
        book.seq, book.next_account_no, book.group_seq = self._head
        for transfer in book.new_transfers[self._transfers :]:
            del book.transfers[transfer.id]
        for hold in book.new_holds[self._holds :]:
            del book.holds[hold.id]
        for account in book.new_accounts[self._accounts :]:
            del book.accounts[account.id]
            del book.openings[account.id]
            if account.reference is not None:
                del book.references[account.reference]
        for transaction in book.new_transactions[self._transactions :]:
            del book.transactions[transaction.id]
        del book.new_transfers[self._transfers :]
        del book.new_holds[self._holds :]
        del book.new_accounts[self._accounts :]
        del book.new_transactions[self._transactions :]
        del book.new_events[self._events :]
        self.release()

    def release(self) -> None:
        """Keep everything since, and forget the point."""
        if self._outermost:
            self._book.undo = None


def own_account_id(reference: str) -> AccountId:
    """The id of the account of this reference that payments keep: the same in every book."""
    return AccountId(derived_id("acct", _OWN, reference))


def is_kept(account: AccountId, reference: str | None) -> bool:
    """Whether payments keep the account of this id and reference."""
    return account.startswith(_KEPT) and reference is not None and account == own_account_id(reference)


def derived_id(prefix: str, source_id: str, label: str) -> str:
    """An id that follows from another one, shaped as a UUIDv7 of the same millisecond.

    A repeat of the same command makes the same id, in whichever process it runs.
    """
    digits = source_id.partition("_")[2]
    digest = hashlib.blake2b(f"{source_id}/{label}".encode(), digest_size=10).hexdigest()
    variant = "89ab"[int(digest[3], 16) & 3]
    return f"{prefix}_{digits[:12]}7{digest[0:3]}{variant}{digest[4:19]}"
