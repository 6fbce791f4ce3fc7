"""The ledger's pure core: `apply(book, commands, now)` carries out commands, in order, deterministically.

It is what the service runs inside a transaction, and it is the model that tests and simulations hold the
database against. Every check stands in the order of `refusals.REASONS`.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from caudal.ledger import account_rules, conversion_rules, entry_rules, hold_rules, transfer_rules
from caudal.ledger.book import Book, Savepoint, derived_id
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
from caudal.ledger.refusals import refused
from caudal.ledger.types import (
    AccountId,
    Hold,
    HoldState,
    Outcome,
    OutcomeStatus,
    Refusal,
    TransferId,
    TransferKind,
)

_HANDLERS: dict[type, Callable[[Book, Any], Outcome]] = {
    CreateTransfer: transfer_rules.create,
    PostPending: hold_rules.post,
    VoidPending: hold_rules.void,
    ReverseTransfer: hold_rules.reverse,
    RecordTransaction: entry_rules.record,
    OpenAccount: account_rules.open_account,
    ChangeStatus: account_rules.change_status,
    ChangeLimit: account_rules.change_limit,
}
_MAY_REDIRECT = (CreateTransfer, ReverseTransfer, RecordTransaction)


def apply(book: Book, commands: Sequence[Command], now: dt.datetime) -> list[Outcome]:
    """Carry out one caller's `commands` in order on `book`, recorded at `now`; one outcome per command.

    First the due holds of the accounts at hand expire. A refused command changes nothing and never fails
    its neighbours, unless they are linked: then all of the group are refused, the one that failed with its
    own reason and the others with `linked_failed`.
    """
    begin(book, commands, now)
    return carry_out(book, commands)


def begin(
    book: Book, commands: Sequence[Command], now: dt.datetime, accounts: Iterable[AccountId] = ()
) -> None:
    """Open a batch: set its time, and expire the due holds of `accounts` and those that `commands` touch."""
    book.recorded_at = max(now, book.recorded_at)
    expire(book, due_holds(book, commands, accounts))


def carry_out(book: Book, commands: Sequence[Command]) -> list[Outcome]:
    """Carry out one caller's commands in a batch that has begun. Linked groups end with the caller."""
    outcomes: list[Outcome] = []
    index, count = 0, len(commands)
    while index < count:
        command = commands[index]
        if not command.linked:
            outcomes.append(_one(book, command))
            index += 1
            continue
        end = index
        while end < count and commands[end].linked:
            end += 1
        outcomes += _open_chain(commands[index:]) if end == count else _group(book, commands[index : end + 1])
        index = end + 1
    return outcomes


def accounts_at_hand(book: Book, commands: Iterable[Command]) -> set[AccountId]:
    """The accounts that the commands name, and those of the transfers that they name."""
    accounts: set[AccountId] = set()
    for command in commands:
        match command:
            case CreateTransfer():
                accounts.add(command.debit_account)
                accounts.add(command.credit_account)
            case PostPending() | VoidPending():
                _add_accounts_of(book, command.pending_id, accounts)
            case ReverseTransfer():
                _add_accounts_of(book, command.original_id, accounts)
            case RecordTransaction():
                accounts.update(posting.account for posting in command.postings)
            case ChangeStatus() | ChangeLimit():
                accounts.add(command.account)
            case OpenAccount():
                pass
    return accounts


def _add_accounts_of(book: Book, transfer_id: TransferId, accounts: set[AccountId]) -> None:
    transfer = book.transfers.get(transfer_id)
    if transfer is not None:
        accounts.add(transfer.debit_account)
        accounts.add(transfer.credit_account)


def due_holds(book: Book, commands: Sequence[Command], accounts: Iterable[AccountId] = ()) -> list[Hold]:
    """The open holds on accounts at hand whose time has come, in the order in which they lapsed."""
    now = book.recorded_at
    due = [hold for hold in book.holds.values() if is_due(hold, now)]
    if not due:
        return []
    ids = accounts_at_hand(book, commands).union(accounts)
    at_hand = {book.accounts[id_].no for id_ in ids if id_ in book.accounts}
    return sorted((hold for hold in due if hold.debit_no in at_hand or hold.credit_no in at_hand), key=_lapse)


def _lapse(hold: Hold) -> tuple[dt.datetime | None, int]:
    return (hold.expires_at, hold.seq)


def is_due(hold: Hold, now: dt.datetime) -> bool:
    """Whether an open hold's time has passed at `now`."""
    return hold.state is HoldState.OPEN and hold.expires_at is not None and hold.expires_at <= now


def expire(book: Book, due: Iterable[Hold]) -> None:
    """Release holds whose time has passed: each is an event with a seq of its own."""
    for hold in due:
        pending = book.transfers[hold.id]
        debit, credit = book.accounts[pending.debit_account], book.accounts[pending.credit_account]
        expiry = book.move(
            TransferId(derived_id("tr", hold.id, "expiry")),
            debit,
            credit,
            hold.amount,
            TransferKind.EXPIRY,
            released=hold.amount,
            related=pending,
        )
        book.resolve(hold, HoldState.EXPIRED, expiry)


def _one(book: Book, command: Command) -> Outcome:
    # Only a posting beyond limits may have opened a suspense account before it is refused after all.
    point = Savepoint(book) if isinstance(command, _MAY_REDIRECT) and command.beyond_limits else None
    outcome = _HANDLERS[type(command)](book, command)
    if outcome.refusal is not None:
        if point is not None:
            point.restore()
        _burn(book, command, outcome.refusal)
    elif point is not None:
        point.release()
    return outcome


def _burn(book: Book, command: Command, refusal: Refusal) -> None:
    """Of a transfer or a journal entry refused for a passing reason, let the id stay refused."""
    if refusal.passing and not isinstance(command, OpenAccount | ChangeStatus | ChangeLimit):
        book.burn(command.id, refusal.code)


def _open_chain(commands: Sequence[Command]) -> list[Outcome]:
    failed = refused("linked_failed", "the linked group is not complete")
    return [failed] * (len(commands) - 1) + [
        refused("linked_chain_open", "the last command is linked to a next one, and there is none", "linked")
    ]


def _group(book: Book, commands: Sequence[Command]) -> list[Outcome]:
    """Carry out a linked group: all of it, or nothing."""
    broken = conversion_rules.conversion_refusal(commands)
    if broken is not None:
        return _all_failed(len(commands), *broken)
    point = Savepoint(book)
    book.group_seq = book.seq + 1
    outcomes: list[Outcome] = []
    for position, command in enumerate(commands):
        outcome = _HANDLERS[type(command)](book, command)
        outcomes.append(outcome)
        if outcome.refusal is not None:
            point.restore()
            _burn(book, command, outcome.refusal)
            return _all_failed(len(commands), position, outcome)
    existing = [
        position for position, outcome in enumerate(outcomes) if outcome.status is OutcomeStatus.EXISTS
    ]
    if existing and len(existing) < len(commands):
        point.restore()
        return _all_failed(
            len(commands),
            existing[0],
            refused("exists_outside_group", "it exists already, and the rest of its group does not", "id"),
        )
    book.group_seq = None
    point.release()
    return outcomes


def _all_failed(count: int, position: int, outcome: Outcome) -> list[Outcome]:
    failed = refused("linked_failed", f"command {position} of the linked group was refused")
    return [outcome if index == position else failed for index in range(count)]
