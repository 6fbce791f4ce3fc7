"""The rules of new transfers: posted ones and holds."""

from typing import Final

from caudal.ledger.admission import (
    CURRENCIES,
    available,
    credit_headroom,
    debit_headroom,
    kept_refusal,
    known,
    limit_refusal,
    parse_rate,
    period_refusal,
    status_refusal,
    wrong_amount,
)
from caudal.ledger.book import Book
from caudal.ledger.commands import CreateTransfer
from caudal.ledger.comparison import existing_create
from caudal.ledger.refusals import refused
from caudal.ledger.suspense import redirect
from caudal.ledger.types import (
    Account,
    AccountId,
    AccountStatus,
    Outcome,
    OutcomeStatus,
    Side,
    Terms,
    TransferKind,
    Versions,
)

# Enum members as globals: in Python 3.11 looking one up on its class costs more than all else a check does.
_OPEN: Final = AccountStatus.OPEN
_CREDIT: Final = Side.CREDIT
_CREATED: Final = OutcomeStatus.CREATED
_PENDING: Final = TransferKind.PENDING
_POSTED: Final = TransferKind.POSTED


def create(book: Book, command: CreateTransfer) -> Outcome:
    """A posted transfer or a hold."""
    amount = command.amount
    wrong = wrong_create(command)
    if wrong is not None:
        return wrong
    if command.rate is not None and book.group_seq is None:
        return refused("rate_needs_two_legs", "a rate belongs to two linked transfers", "rate")
    before = known(book, command.id)
    if before is not None:
        return before if isinstance(before, Outcome) else existing_create(before, command)
    if command.expires_at is not None and command.expires_at <= book.recorded_at:
        return refused("expires_in_the_past", "the hold would have lapsed already", "expires_at")
    debit = book.accounts.get(command.debit_account)
    if debit is None:
        return refused("debit_account_not_found", "no such account in this book", "debit_account")
    credit = book.accounts.get(command.credit_account)
    if credit is None:
        return refused("credit_account_not_found", "no such account in this book", "credit_account")
    if not debit.currency == command.currency == credit.currency:
        return _currency_mismatch(command.currency, debit, credit)
    if debit.kept or credit.kept:
        unfit = kept_refusal(book, command.id, debit, credit, may_correct=command.may_correct)
        if unfit is not None:
            return unfit
    if book.closed_through is not None and not command.pending:
        closed = period_refusal(book, command.effective_at, may_post_closed=command.may_post_closed)
        if closed is not None:
            return closed
    redirected: tuple[AccountId | None, AccountId | None] = (None, None)
    if command.beyond_limits:
        debit, credit, redirected = redirect(book, command.id, debit, credit)
    if not debit.status is _OPEN is credit.status:
        unfit = status_refusal(debit, credit, beyond_limits=command.beyond_limits)
        if unfit is not None:
            return unfit
    if command.if_version is not None:
        unfit = _version_refusal(command.if_version, debit, credit)
        if unfit is not None:
            return unfit
    if command.up_to:
        amount = min(amount, _movable(command, debit, credit))
        if amount <= 0:
            return refused("nothing_available", "nothing is available to move", "up_to")
    elif command.min_available is not None:
        unfit = _min_available_refusal(command.min_available, amount, debit, credit)
        if unfit is not None:
            return unfit
    unfit = limit_refusal(debit, credit, amount, beyond_limits=command.beyond_limits)
    if unfit is not None:
        return unfit
    transfer = book.move(
        command.id, debit, credit, amount,
        _PENDING if command.pending else _POSTED,
        effective_at=command.effective_at, code=command.code, reference=command.reference,
        metadata=command.metadata, terms=_terms_of_create(command, redirected),
    )  # fmt: skip
    if command.pending:
        book.hold(transfer, command.expires_at, debit, credit)
    return Outcome(_CREATED, transfer)


def wrong_create(command: CreateTransfer) -> Outcome | None:
    """What is wrong with a transfer by itself, whatever the state of the book."""
    wrong = wrong_amount(command.amount)
    if wrong is not None:
        return wrong
    if command.currency not in CURRENCIES:
        return refused("unknown_currency", f"{command.currency!r} is no ISO 4217 currency", "currency")
    if command.debit_account == command.credit_account:
        return refused("same_account", "debit and credit account are the same", "credit_account")
    if command.pending:
        if command.effective_at is not None:
            return refused(
                "pending_has_no_effective_at", "the post of a hold has a value date", "effective_at"
            )
    elif command.expires_at is not None:
        return refused("expiry_needs_pending", "a posted transfer does not expire", "expires_at")
    if command.min_available is not None and command.min_available < 0:
        return refused(
            "min_available_negative", "an account can always keep less than nothing", "min_available"
        )
    if command.rate is not None:
        if command.up_to:
            return refused("up_to_with_rate", "a leg of a conversion has a fixed amount", "up_to")
        if parse_rate(command.rate) is None:
            return refused("rate_invalid", "not a positive decimal number", "rate")
    return None


def _currency_mismatch(currency: str, debit: Account, credit: Account) -> Outcome:
    field, account = ("debit_account", debit) if debit.currency != currency else ("credit_account", credit)
    return refused(
        "currency_mismatch", f"the account is in {account.currency}, the amount in {currency}", field
    )


def _version_refusal(wanted: Versions, debit: Account, credit: Account) -> Outcome | None:
    if wanted.debit is not None and wanted.debit != debit.version:
        return refused(
            "debit_version_mismatch", f"the account is at version {debit.version}", "if_version.debit"
        )
    if wanted.credit is not None and wanted.credit != credit.version:
        return refused(
            "credit_version_mismatch", f"the account is at version {credit.version}", "if_version.credit"
        )
    return None


def _lowered(debit: Account, credit: Account) -> list[Account]:
    """The accounts whose balance a transfer from `debit` to `credit` makes smaller."""
    lowered = [debit] if debit.normal_side is Side.CREDIT else []
    return [*lowered, credit] if credit.normal_side is Side.DEBIT else lowered


def _movable(command: CreateTransfer, debit: Account, credit: Account) -> int:
    """The most that `up_to` may move, by available balances with overdrafts, limits, and what must stay."""
    bounds = [command.amount]
    if not command.beyond_limits:
        bounds += [room for room in (debit_headroom(debit), credit_headroom(credit)) if room is not None]
    for account in _lowered(debit, credit):
        limited = account.max_net_debit if account is debit else account.max_net_credit
        if limited is None:
            bounds.append(available(account))
        if command.min_available is not None:
            bounds.append(available(account) - command.min_available)
    return min(bounds)


def _min_available_refusal(keep: int, amount: int, debit: Account, credit: Account) -> Outcome | None:
    for account in _lowered(debit, credit):
        if available(account) - amount < keep:
            return refused(
                "min_available_breached",
                f"{available(account)} is available on {account.id}",
                "min_available",
            )
    return None


def _terms_of_create(
    command: CreateTransfer, redirected: tuple[AccountId | None, AccountId | None]
) -> Terms | None:
    if (
        command.expires_at is None
        and command.if_version is None
        and command.min_available is None
        and not command.up_to
        and command.rate is None
        and not command.beyond_limits
    ):
        return None
    return Terms(
        requested=command.amount if command.up_to else None,
        expires_at=command.expires_at,
        if_version=command.if_version,
        min_available=command.min_available,
        rate=command.rate,
        beyond_limits=command.beyond_limits,
        debit_redirected=redirected[0],
        credit_redirected=redirected[1],
    )
