"""What a batch of commands needs to know of its book, and what this process knows already."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from caudal.ledger.book import Book
from caudal.ledger.commands import (
    ChangeLimit,
    ChangeStatus,
    Command,
    CreateTransfer,
    OpenAccount,
    PostPending,
    RecordTransaction,
    ReverseTransfer,
    VoidPending,
)
from caudal.ledger.comparison import entry_transfer_id
from caudal.ledger.hold_rules import remainder_id
from caudal.ledger.suspense import suspense_reference
from caudal.ledger.types import Account, AccountId, Side


class Identity(NamedTuple):
    """What never changes of an account."""

    no: int
    currency: str
    normal_side: Side
    kept: bool


_NOBODY: Final[Mapping[AccountId, Identity]] = {}


class AccountDirectory:
    """Accounts' identities, remembered in this process. They never change: nothing is to be invalidated.

    Saves the look-up by UUID, and the join, on the way of a transfer. Bounded per book: the oldest leave.
    """

    def __init__(self, capacity: int = 100_000) -> None:
        """Keep at most `capacity` identities (about 250 bytes each)."""
        self._capacity = capacity
        self._known: dict[int, dict[AccountId, Identity]] = {}

    def of_book(self, book_id: int) -> Mapping[AccountId, Identity]:
        """The identities of a book's accounts that some committed transaction has shown."""
        return self._known.get(book_id, _NOBODY)

    def remember(self, book_id: int, accounts: Iterable[Account]) -> None:
        """Keep identities. Only of committed accounts."""
        known = self._known.setdefault(book_id, {})
        for account in accounts:
            known[account.id] = Identity(account.no, account.currency, account.normal_side, account.kept)
        while len(known) > self._capacity:
            del known[next(iter(known))]


class Needs:
    """What a batch of commands needs to know of its book."""

    def __init__(self, commands: Iterable[Command]) -> None:
        """Collect the ids, references and accounts that the commands name."""
        self.transfer_ids: list[str] = []
        self.referenced_ids: list[str] = []
        self.transaction_ids: list[str] = []
        self.accounts: set[AccountId] = set()
        self.references: set[str] = set()
        self.opened: list[AccountId] = []
        self.whole: set[AccountId] = set()
        """Accounts of which more than the moving part is asked for."""
        add_id, add_account = self.transfer_ids.append, self.accounts.add
        for command in commands:
            if isinstance(command, CreateTransfer):
                add_id(command.id)
                add_account(command.debit_account)
                add_account(command.credit_account)
                if command.beyond_limits:
                    self.references.add(suspense_reference(command.currency))
            else:
                self._add(command)

    def _add(self, command: Command) -> None:
        match command:
            case PostPending():
                self.transfer_ids += (command.id, remainder_id(command.id))
                self.referenced_ids.append(command.pending_id)
            case VoidPending():
                self.transfer_ids.append(command.id)
                self.referenced_ids.append(command.pending_id)
            case ReverseTransfer():
                self.transfer_ids.append(command.id)
                self.referenced_ids.append(command.original_id)
            case RecordTransaction():
                self._add_entry(command)
            case OpenAccount():
                self.whole.add(command.id)
                self.opened.append(command.id)
                if command.reference is not None:
                    self.references.add(command.reference)
            case ChangeStatus() | ChangeLimit():
                self.whole.add(command.account)

    def _add_entry(self, command: RecordTransaction) -> None:
        self.transaction_ids.append(command.id)
        self.transfer_ids += [entry_transfer_id(command.id, index) for index in range(len(command.postings))]
        self.accounts.update(posting.account for posting in command.postings)
        if command.beyond_limits:
            self.references.update(suspense_reference(posting.currency) for posting in command.postings)

    def add_suspense(self, currencies: Iterable[str]) -> None:
        """Name the suspense accounts of these currencies too: for commands beyond limits that may follow."""
        self.references.update(suspense_reference(currency) for currency in currencies)

    def add_suspense_of(self, book: Book, commands: Iterable[Command]) -> set[str]:
        """The suspense accounts that reversals beyond limits may need, known once their originals are."""
        currencies = {
            book.transfers[command.original_id].currency
            for command in commands
            if isinstance(command, ReverseTransfer)
            and command.beyond_limits
            and command.original_id in book.transfers
        }
        return {suspense_reference(currency) for currency in currencies} - self.references
