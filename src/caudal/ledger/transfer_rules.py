"""The rules of transfers and holds: create, post, void, reverse."""

import datetime as dt
import decimal
import re
from collections.abc import Sequence
from typing import Final

from caudal.ledger.book import SYSTEM_REFERENCE, Book, derived_id
from caudal.ledger.comparison import existing_create, existing_post, existing_reversal, existing_void
from caudal.ledger.refusals import refused
from caudal.ledger.types import (
    COUNTER_MAX,
    Account,
    AccountEventKind,
    AccountId,
    AccountStatus,
    Command,
    CreateTransfer,
    HoldState,
    Outcome,
    OutcomeStatus,
    PostPending,
    Remainder,
    ReverseTransfer,
    Side,
    Terms,
    Transfer,
    TransferId,
    TransferKind,
    Versions,
    VoidPending,
)
from caudal_base.check import check
from caudal_base.money import MAX_AMOUNT, currencies, exponent

CURRENCIES: Final = currencies()
_RATE = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)
# Enum members as globals: in Python 3.11 looking one up on its class costs more than all else a check does.
_OPEN: Final = AccountStatus.OPEN
_CREDIT: Final = Side.CREDIT
_CREATED: Final = OutcomeStatus.CREATED
_PENDING: Final = TransferKind.PENDING
_POSTED: Final = TransferKind.POSTED

_POSTED_KINDS: Final = frozenset({TransferKind.POSTED, TransferKind.POST})


def available(account: Account) -> int:
    """What may still be taken from an account's balance, in minor units, if nothing may go below zero.

    Of an account whose balance grows by credits: posted credits less posted and pending debits; of one whose
    balance grows by debits the mirror image. Money on its way in is not money to spend.
    """
    if account.normal_side is _CREDIT:
        return account.credits_posted - account.debits_posted - account.debits_pending
    return account.debits_posted - account.credits_posted - account.credits_pending


def debit_headroom(account: Account) -> int | None:
    """How much may still be debited under the account's limit; None where it has no limit on debits."""
    if account.max_net_debit is None:
        return None
    return account.max_net_debit - (account.debits_posted + account.debits_pending - account.credits_posted)


def credit_headroom(account: Account) -> int | None:
    """How much may still be credited under the account's limit; None where it has no limit on credits."""
    if account.max_net_credit is None:
        return None
    return account.max_net_credit - (account.credits_posted + account.credits_pending - account.debits_posted)


# ------------------------------------------------------------------------------------------------- create


def create(book: Book, command: CreateTransfer) -> Outcome:
    """A posted transfer or a hold."""
    amount = command.amount
    wrong = wrong_create(command)
    if wrong is not None:
        return wrong
    if command.rate is not None and book.group_seq is None:
        return refused("rate_needs_two_legs", "a rate belongs to two linked transfers", "rate")
    before = _known(book, command.id)
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
    if book.closed_through is not None and not command.pending:
        closed = _period_refusal(book, command.effective_at, may_post_closed=command.may_post_closed)
        if closed is not None:
            return closed
    redirected: tuple[AccountId | None, AccountId | None] = (None, None)
    if command.beyond_limits:
        debit, credit, redirected = _redirect(book, command.id, debit, credit)
    if not debit.status is _OPEN is credit.status:
        unfit = _status_refusal(debit, credit, beyond_limits=command.beyond_limits)
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
            return refused(
                "up_to_with_rate", "a leg of a conversion has a fixed amount", "up_to"
            )
        if _rate(command.rate) is None:
            return refused("rate_invalid", "not a positive decimal number", "rate")
    return None


def wrong_amount(amount: int, field: str = "amount") -> Outcome | None:
    """Refuse an amount that is not from 1 to 2^53 - 1."""
    if amount < 1:
        return refused("amount_must_be_positive", f"{amount} is not positive", field)
    if amount > MAX_AMOUNT:
        return refused("amount_too_large", f"{amount} is more than 2^53 - 1", field)
    return None


def _known(book: Book, transfer_id: TransferId) -> Transfer | Outcome | None:
    """The transfer that has this id already, or the refusal of an id that was burned."""
    before = book.transfers.get(transfer_id)
    if before is not None:
        return before
    reason = book.refused_ids.get(transfer_id)
    if reason is not None:
        return refused("id_already_refused", f"refused before: {reason}", "id")
    return None


def _currency_mismatch(currency: str, debit: Account, credit: Account) -> Outcome:
    field, account = ("debit_account", debit) if debit.currency != currency else ("credit_account", credit)
    return refused(
        "currency_mismatch", f"the account is in {account.currency}, the amount in {currency}", field
    )


def _period_refusal(book: Book, effective_at: dt.datetime | None, *, may_post_closed: bool) -> Outcome | None:
    if book.closed_through is None or may_post_closed:
        return None
    day = (effective_at or book.recorded_at).astimezone(dt.UTC).date()
    if day > book.closed_through:
        return None
    return refused("period_closed", f"closed through {book.closed_through.isoformat()}", "effective_at")


def _status_refusal(debit: Account, credit: Account, *, beyond_limits: bool) -> Outcome | None:
    if debit.status is AccountStatus.CLOSED:
        return refused("debit_account_closed", "the account is closed", "debit_account")
    if credit.status is AccountStatus.CLOSED:
        return refused("credit_account_closed", "the account is closed", "credit_account")
    if beyond_limits:
        return None
    if debit.status is AccountStatus.FROZEN:
        return refused("debit_account_frozen", "the account is frozen", "debit_account")
    if credit.status is AccountStatus.FROZEN:
        return refused("credit_account_frozen", "the account is frozen", "credit_account")
    return None


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
    """The most that `up_to` may move: available balances with their overdrafts, limits, and what must stay."""
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


def limit_refusal(debit: Account, credit: Account, amount: int, *, beyond_limits: bool) -> Outcome | None:
    """Refuse what an account's limit or the width of its counters does not allow."""
    if not beyond_limits:
        headroom = debit.max_net_debit
        if headroom is not None and amount > headroom - (
            debit.debits_posted + debit.debits_pending - debit.credits_posted
        ):
            return refused(
                "exceeds_debit_limit", f"{max(0, debit_headroom(debit) or 0)} may be debited", "amount"
            )
        headroom = credit.max_net_credit
        if headroom is not None and amount > headroom - (
            credit.credits_posted + credit.credits_pending - credit.debits_posted
        ):
            return refused(
                "exceeds_credit_limit", f"{max(0, credit_headroom(credit) or 0)} may be credited", "amount"
            )
    # Posting a hold moves pending to posted, so their sum is what must fit.
    if debit.debits_posted + debit.debits_pending + amount > COUNTER_MAX:
        return refused("counter_overflow", "the account's debits would pass 2^63 - 1", "debit_account")
    if credit.credits_posted + credit.credits_pending + amount > COUNTER_MAX:
        return refused("counter_overflow", "the account's credits would pass 2^63 - 1", "credit_account")
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


# --------------------------------------------------------------------------------------- post, void, reverse


def post(book: Book, command: PostPending) -> Outcome:
    """Post a hold, whole or in part; the rest is released or held anew."""
    wrong = None if command.amount is None else wrong_amount(command.amount)
    if wrong is not None:
        return wrong
    before = _known(book, command.id)
    if before is not None:
        return before if isinstance(before, Outcome) else existing_post(book, before, command)
    pending = book.transfers.get(command.pending_id)
    if pending is None:
        return refused("pending_transfer_not_found", "no such transfer in this book", "pending_id")
    unfit = _hold_refusal(book, pending)
    if unfit is not None:
        return unfit
    hold = book.holds[pending.id]
    amount = hold.amount if command.amount is None else command.amount
    if amount > hold.amount:
        return refused("exceeds_pending_amount", f"the hold is of {hold.amount}", "amount")
    debit, credit = book.accounts[pending.debit_account], book.accounts[pending.credit_account]
    unfit = _period_refusal(
        book, command.effective_at, may_post_closed=command.may_post_closed
    ) or _status_refusal(debit, credit, beyond_limits=command.beyond_limits)
    if unfit is not None:
        return unfit
    rest = hold.amount - amount if command.remainder is Remainder.HOLD else 0
    alone = book.group_seq is None and rest > 0
    if alone:
        book.group_seq = book.seq + 1
    terms = Terms(
        whole=command.amount is None,
        remainder=command.remainder if command.remainder is not Remainder.RELEASE else None,
        beyond_limits=command.beyond_limits,
    )
    posted = book.move(
        command.id, debit, credit, amount, TransferKind.POST, released=hold.amount, related=pending,
        effective_at=command.effective_at, code=command.code, reference=command.reference,
        metadata=command.metadata, terms=terms if terms != Terms() else None,
    )  # fmt: skip
    book.resolve(hold, HoldState.POSTED, posted)
    remainder = None
    if rest:
        remainder = book.move(
            remainder_id(command.id), debit, credit, rest, TransferKind.PENDING,
            code=pending.code, reference=pending.reference, metadata=pending.metadata,
            # Posted beside the very hold it stays from: within whatever limit that one was.
            terms=None if hold.expires_at is None else Terms(expires_at=hold.expires_at),
        )  # fmt: skip
        book.hold(remainder, hold.expires_at, debit, credit)
    if alone:
        book.group_seq = None
    return Outcome(OutcomeStatus.CREATED, posted, remainder=remainder)


def remainder_id(post_id: TransferId) -> TransferId:
    """The id of the hold that a partial post leaves behind."""
    return TransferId(derived_id("tr", post_id, "remainder"))


def void(book: Book, command: VoidPending) -> Outcome:
    """Release a hold. Possible on frozen accounts too: it gives back what was reserved."""
    before = _known(book, command.id)
    if before is not None:
        return before if isinstance(before, Outcome) else existing_void(before, command)
    pending = book.transfers.get(command.pending_id)
    if pending is None:
        return refused("pending_transfer_not_found", "no such transfer in this book", "pending_id")
    unfit = _hold_refusal(book, pending)
    if unfit is not None:
        return unfit
    hold = book.holds[pending.id]
    voided = book.move(
        command.id, book.accounts[pending.debit_account], book.accounts[pending.credit_account],
        hold.amount, TransferKind.VOID, released=hold.amount, related=pending,
        code=command.code, reference=command.reference, metadata=command.metadata,
    )  # fmt: skip
    book.resolve(hold, HoldState.VOIDED, voided)
    return Outcome(OutcomeStatus.CREATED, voided)


def _hold_refusal(book: Book, pending: Transfer) -> Outcome | None:
    if pending.kind is not TransferKind.PENDING:
        return refused("transfer_not_pending", "the transfer is not a hold", "pending_id")
    match book.holds[pending.id].state:
        case HoldState.OPEN:
            return None
        case HoldState.POSTED:
            return refused("pending_already_posted", "the hold was posted before", "pending_id")
        case HoldState.VOIDED:
            return refused("pending_already_voided", "the hold was voided before", "pending_id")
        case HoldState.EXPIRED:
            return refused("pending_expired", "the hold has expired", "pending_id")


def reverse(book: Book, command: ReverseTransfer) -> Outcome:
    """Post back what a transfer posted, never more of it than there was."""
    wrong = None if command.amount is None else wrong_amount(command.amount)
    if wrong is not None:
        return wrong
    before = _known(book, command.id)
    if before is not None:
        return before if isinstance(before, Outcome) else existing_reversal(before, command)
    original = book.transfers.get(command.original_id)
    if original is None:
        return refused("original_not_found", "no such transfer in this book", "original_id")
    if original.kind not in _POSTED_KINDS:
        return refused("original_not_posted", "there is nothing posted to take back", "original_id")
    done = book.reversals.get(original.id)
    left = original.amount - (0 if done is None else done.amount)
    if left == 0:
        return refused("already_reversed", "it has been reversed whole", "original_id")
    amount = left if command.amount is None else command.amount
    if amount > left:
        return refused("exceeds_original_amount", f"{left} of the original is left to reverse", "amount")
    closed = _period_refusal(book, command.effective_at, may_post_closed=command.may_post_closed)
    if closed is not None:
        return closed
    debit, credit = book.accounts[original.credit_account], book.accounts[original.debit_account]
    redirected: tuple[AccountId | None, AccountId | None] = (None, None)
    if command.beyond_limits:
        debit, credit, redirected = _redirect(book, command.id, debit, credit)
    unfit = _status_refusal(debit, credit, beyond_limits=command.beyond_limits) or limit_refusal(
        debit, credit, amount, beyond_limits=command.beyond_limits
    )
    if unfit is not None:
        return unfit
    terms = Terms(
        whole=command.amount is None,
        beyond_limits=command.beyond_limits,
        debit_redirected=redirected[0],
        credit_redirected=redirected[1],
    )
    reversal = book.move(
        command.id, debit, credit, amount, TransferKind.REVERSAL, related=original,
        effective_at=command.effective_at, code=command.code, reference=command.reference,
        metadata=command.metadata, terms=terms if terms != Terms() else None,
    )  # fmt: skip
    book.reverse(original, amount)
    return Outcome(OutcomeStatus.CREATED, reversal)


# ------------------------------------------------------------------------------------------------ suspense


def _redirect(
    book: Book, command_id: str, debit: Account, credit: Account
) -> tuple[Account, Account, tuple[AccountId | None, AccountId | None]]:
    """Put the suspense account in the place of a closed one, for what has happened all the same."""
    debit_closed, credit_closed = debit.status is AccountStatus.CLOSED, credit.status is AccountStatus.CLOSED
    if debit_closed == credit_closed:
        return debit, credit, (None, None)
    suspense = suspense_account(book, command_id, debit.currency)
    if debit_closed:
        return suspense, credit, (debit.id, None)
    return debit, suspense, (None, credit.id)


def suspense_account(book: Book, command_id: str, currency: str) -> Account:
    """The book's suspense account of a currency, opened when it is first needed."""
    reference = suspense_reference(currency)
    known = book.references.get(reference)
    if known is not None:
        return book.accounts[known]
    account = Account(
        no=book.next_account_no,
        id=AccountId(derived_id("acct", command_id, reference)),
        currency=currency,
        normal_side=Side.CREDIT,
        code="suspense",
        reference=reference,
        opened_at=book.recorded_at,
    )
    return add_account(book, account)


def suspense_reference(currency: str) -> str:
    """The reference by which a currency's suspense account is found."""
    return f"{SYSTEM_REFERENCE}suspense:{currency}"


def add_account(book: Book, account: Account) -> Account:
    """Enter a new account into the book."""
    check(account.no == book.next_account_no, "account numbers are handed out in order")
    book.next_account_no += 1
    book.accounts[account.id] = account
    book.openings[account.id] = (account.max_net_debit, account.max_net_credit)
    if account.reference is not None:
        book.references[account.reference] = account.id
    book.new_accounts.append(account)
    book.note(account, AccountEventKind.OPENED)
    return account


# ---------------------------------------------------------------------------------------------- conversion


def conversion_refusal(commands: Sequence[Command]) -> tuple[int, Outcome] | None:
    """Refuse a linked group in which a rate stands without making two legs of one conversion.

    Returns the position of the command at fault and its refusal.
    """
    legs = [
        (position, command)
        for position, command in enumerate(commands)
        if isinstance(command, CreateTransfer) and command.rate is not None
    ]
    if not legs:
        return None
    for position, leg in legs:
        wrong = wrong_create(leg)
        if wrong is not None:
            return position, wrong
    (position, first), *others = legs
    second = others[0][1] if others else first
    rate = _rate(first.rate or "")
    if len(legs) != 2 or rate is None or second.rate != first.rate or first.currency == second.currency:
        detail = "two transfers of two currencies must carry the same rate"
        return position, refused("rate_needs_two_legs", detail, "rate")
    with decimal.localcontext() as context:
        context.prec = 60
        scale = decimal.Decimal(10) ** (exponent(second.currency) - exponent(first.currency))
        if abs(first.amount * rate * scale - second.amount) >= 1:
            detail = f"{first.amount} at {first.rate} is not {second.amount}"
            return others[0][0], refused("rate_mismatch", detail, "rate")
    return None


def _rate(text: str) -> decimal.Decimal | None:
    if not _RATE.fullmatch(text):
        return None
    rate = decimal.Decimal(text)
    return rate if rate > 0 else None
