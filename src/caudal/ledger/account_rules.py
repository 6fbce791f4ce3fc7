"""The rules of accounts: opening, freezing, closing, limits."""

import re

import msgspec

from caudal.ledger.admission import CURRENCIES, credit_headroom, debit_headroom
from caudal.ledger.book import SYSTEM_REFERENCE, Book, is_kept
from caudal.ledger.commands import (
    AccountAction,
    ChangeLimit,
    ChangeStatus,
    OpenAccount,
)
from caudal.ledger.comparison import existing_account
from caudal.ledger.refusals import refused
from caudal.ledger.suspense import add_account
from caudal.ledger.types import (
    Account,
    AccountEventKind,
    AccountStatus,
    LimitRule,
    Outcome,
    OutcomeStatus,
)
from caudal_base.money import MAX_AMOUNT

_LARGEST_ACCOUNT_NO = 2**31 - 1
_OF_PAYMENTS = re.compile(r"(partner:[^:]+:(clearing|fees)|bank:settlement|fees:income):[A-Z]{3}")
"""The references of the accounts that payments keep."""

Bounds = tuple[int | None, int | None]


def bounds_of(limit: LimitRule, overdraft: int) -> Bounds:
    """The largest net debit and net credit that a limit allows; None is no bound."""
    match limit:
        case LimitRule.NONE:
            return (None, None)
        case LimitRule.DEBITS_MUST_NOT_EXCEED_CREDITS:
            return (overdraft, None)
        case LimitRule.CREDITS_MUST_NOT_EXCEED_DEBITS:
            return (None, overdraft)


def limit_of(account: Account) -> tuple[LimitRule, int]:
    """An account's limit and overdraft, as a caller states them."""
    if account.max_net_debit is not None:
        return LimitRule.DEBITS_MUST_NOT_EXCEED_CREDITS, account.max_net_debit
    if account.max_net_credit is not None:
        return LimitRule.CREDITS_MUST_NOT_EXCEED_DEBITS, account.max_net_credit
    return LimitRule.NONE, 0


def _wrong_limit(limit: LimitRule, overdraft: int) -> Outcome | None:
    if overdraft < 0:
        return refused("amount_must_be_positive", "an overdraft is at least 0", "overdraft")
    if overdraft > MAX_AMOUNT:
        return refused("amount_too_large", "an overdraft is at most 2^53 - 1", "overdraft")
    if overdraft and limit is LimitRule.NONE:
        return refused("overdraft_needs_limit", "an overdraft widens a limit; there is none", "overdraft")
    return None


def open_account(book: Book, command: OpenAccount) -> Outcome:
    """Open an account, or answer the one that the same command opened before."""
    wrong = _wrong_limit(command.limit, command.overdraft)
    if wrong is not None:
        return wrong
    if command.currency not in CURRENCIES:
        return refused("unknown_currency", f"{command.currency!r} is no ISO 4217 currency", "currency")
    if command.reference is not None and command.reference.startswith(SYSTEM_REFERENCE):
        return refused("reference_reserved", f"{SYSTEM_REFERENCE} is reserved", "reference")
    if command.reference is not None and not book.for_payments and _OF_PAYMENTS.fullmatch(command.reference):
        return refused("reference_reserved", "an account that payments keep has this reference", "reference")
    bounds = bounds_of(command.limit, command.overdraft)
    before = book.accounts.get(command.id)
    if before is not None:
        return existing_account(before, book.openings[command.id], command, bounds)
    if command.reference is not None and command.reference in book.references:
        return refused("reference_taken", "another account has this reference", "reference")
    if book.next_account_no > _LARGEST_ACCOUNT_NO:
        return refused("too_many_accounts", "this book is full", None)
    account = add_account(
        book,
        Account(
            no=book.next_account_no,
            id=command.id,
            currency=command.currency,
            normal_side=command.normal_side,
            max_net_debit=bounds[0],
            max_net_credit=bounds[1],
            code=command.code,
            reference=command.reference,
            metadata=command.metadata,
            opened_at=book.recorded_at,
            kept=is_kept(command.id, command.reference),
        ),
    )
    return _done(account)


def _done(account: Account) -> Outcome:
    return Outcome(OutcomeStatus.CREATED, account=msgspec.structs.replace(account))


def change_status(book: Book, command: ChangeStatus) -> Outcome:
    """Freeze, unfreeze, close or reopen. What is so already is answered as done."""
    account = book.accounts.get(command.account)
    if account is None:
        return refused("account_not_found", "no such account in this book", "account")
    target, kind = _TRANSITIONS[command.action]
    if account.status is target and command.action not in (AccountAction.UNFREEZE, AccountAction.REOPEN):
        return Outcome(OutcomeStatus.EXISTS, account=msgspec.structs.replace(account))
    match command.action, account.status:
        case AccountAction.FREEZE, AccountStatus.CLOSED:
            return refused("account_closed", "a closed account cannot be frozen", "account")
        case AccountAction.UNFREEZE, AccountStatus.OPEN:
            return Outcome(OutcomeStatus.EXISTS, account=msgspec.structs.replace(account))
        case AccountAction.UNFREEZE, AccountStatus.CLOSED:
            return refused("account_not_frozen", "the account is closed", "account")
        case AccountAction.REOPEN, AccountStatus.OPEN:
            return Outcome(OutcomeStatus.EXISTS, account=msgspec.structs.replace(account))
        case AccountAction.REOPEN, AccountStatus.FROZEN:
            return refused("account_not_closed", "the account is frozen, not closed", "account")
        case AccountAction.CLOSE, _:
            if account.kept:
                return refused("account_of_payments", "payments go on needing it", "account")
            if not _is_empty(account):
                return refused("account_not_empty", "its balance is not zero, or a hold is open", "account")
        case _:
            pass
    book.remember(account)
    account.status = target
    book.note(account, kind)
    return _done(account)


_TRANSITIONS = {
    AccountAction.FREEZE: (AccountStatus.FROZEN, AccountEventKind.FROZEN),
    AccountAction.UNFREEZE: (AccountStatus.OPEN, AccountEventKind.UNFROZEN),
    AccountAction.CLOSE: (AccountStatus.CLOSED, AccountEventKind.CLOSED),
    AccountAction.REOPEN: (AccountStatus.OPEN, AccountEventKind.REOPENED),
}


def _is_empty(account: Account) -> bool:
    return account.debits_posted == account.credits_posted and not (
        account.debits_pending or account.credits_pending
    )


def change_limit(book: Book, command: ChangeLimit) -> Outcome:
    """Give an account another limit, within which it must stand already."""
    wrong = _wrong_limit(command.limit, command.overdraft)
    if wrong is not None:
        return wrong
    account = book.accounts.get(command.account)
    if account is None:
        return refused("account_not_found", "no such account in this book", "account")
    bounds = bounds_of(command.limit, command.overdraft)
    if bounds == (account.max_net_debit, account.max_net_credit):
        return Outcome(OutcomeStatus.EXISTS, account=msgspec.structs.replace(account))
    would_be = msgspec.structs.replace(account, max_net_debit=bounds[0], max_net_credit=bounds[1])
    if min(debit_headroom(would_be) or 0, credit_headroom(would_be) or 0) < 0:
        return refused("limit_already_exceeded", "the account stands beyond this limit", "limit")
    book.remember(account)
    account.max_net_debit, account.max_net_credit = bounds
    book.note(account, AccountEventKind.LIMIT_CHANGED)
    return _done(account)
