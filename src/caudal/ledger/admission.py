"""What stands in the way of a transfer: the checks that creating, posting and reversing have in common."""

import datetime as dt
import decimal
import re
from typing import Final

from caudal.ledger.book import Book
from caudal.ledger.refusals import refused
from caudal.ledger.types import COUNTER_MAX, Account, AccountStatus, Outcome, Side, Transfer, TransferId
from caudal_base.money import MAX_AMOUNT, currencies

CURRENCIES: Final = currencies()

_RATE = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)
_CREDIT: Final = Side.CREDIT


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


def wrong_amount(amount: int, field: str = "amount") -> Outcome | None:
    """Refuse an amount that is not from 1 to 2^53 - 1."""
    if amount < 1:
        return refused("amount_must_be_positive", f"{amount} is not positive", field)
    if amount > MAX_AMOUNT:
        return refused("amount_too_large", f"{amount} is more than 2^53 - 1", field)
    return None


def known(book: Book, transfer_id: TransferId) -> Transfer | Outcome | None:
    """The transfer that has this id already, or the refusal of an id that was burned."""
    before = book.transfers.get(transfer_id)
    if before is not None:
        return before
    reason = book.refused_ids.get(transfer_id)
    if reason is not None:
        return refused("id_already_refused", f"refused before: {reason}", "id")
    return None


def kept_refusal(
    book: Book,
    command_id: str,
    debit: Account,
    credit: Account,
    *,
    may_correct: bool,
    field: str | None = None,
) -> Outcome | None:
    """Refuse to move money on an account that payments keep, but to correct: which is noted."""
    if book.for_payments or not (debit.kept or credit.kept):
        return None
    if may_correct:
        book.corrected.add(command_id)
        return None
    at_fault = "debit_account" if debit.kept else "credit_account"
    return refused("account_of_payments", "payments keep the account", field or at_fault)


def period_refusal(book: Book, effective_at: dt.datetime | None, *, may_post_closed: bool) -> Outcome | None:
    if book.closed_through is None or may_post_closed:
        return None
    day = (effective_at or book.recorded_at).astimezone(dt.UTC).date()
    if day > book.closed_through:
        return None
    return refused("period_closed", f"closed through {book.closed_through.isoformat()}", "effective_at")


def status_refusal(debit: Account, credit: Account, *, beyond_limits: bool) -> Outcome | None:
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


def parse_rate(text: str) -> decimal.Decimal | None:
    """The rate that a text states exactly; None for anything but a positive decimal number."""
    if not _RATE.fullmatch(text):
        return None
    rate = decimal.Decimal(text)
    return rate if rate > 0 else None
