"""Every reason for which the ledger refuses a command, in the order in which they are looked for.

A command that is wrong in several ways always gets the reason that stands first. The table in the docs is
generated from this one, and a test holds that the rules look for reasons in this order.
"""

import enum
from typing import Final, NamedTuple

from caudal.ledger.types import Outcome, OutcomeStatus, Refusal


class Answer(enum.IntEnum):
    """The HTTP status that a refusal has where it answers a request of its own."""

    NOT_FOUND = 404
    CONFLICT = 409
    UNPROCESSABLE = 422


class Reason(NamedTuple):
    """One row of the table of refusals."""

    code: str
    status: Answer
    passing: bool
    """Rests on the state of the book, which may change: burns the id, so that a late duplicate fails too."""
    meaning: str


_U, _C, _N = Answer.UNPROCESSABLE, Answer.CONFLICT, Answer.NOT_FOUND

REASONS: Final = (
    # The command by itself.
    Reason("linked_chain_open", _U, False, "the last command of a batch links to a next one"),
    Reason("linked_failed", _U, False, "another command of the linked group was refused"),
    Reason("amount_must_be_positive", _U, False, "amounts are at least 1 minor unit"),
    Reason("amount_too_large", _U, False, "amounts are at most 2^53 - 1 minor units"),
    Reason("unknown_currency", _U, False, "not an ISO 4217 currency with minor units"),
    Reason("same_account", _U, False, "an account cannot be on both sides of a transfer"),
    Reason("expiry_needs_pending", _U, False, "only a pending transfer has an expiry"),
    Reason("pending_has_no_effective_at", _U, False, "a hold has no value date; its post has"),
    Reason("min_available_negative", _U, False, "min_available is at least 0"),
    Reason("up_to_with_rate", _U, False, "up_to does not go with a rate"),
    Reason(
        "rate_invalid", _U, False, "a rate is a positive decimal of at most 18 digits each side of the point"
    ),
    Reason(
        "rate_needs_two_legs",
        _U,
        False,
        "a conversion is two linked transfers with one rate, in two currencies",
    ),
    Reason("rate_mismatch", _U, False, "the second leg is not the first at the rate, to the minor unit"),
    Reason("postings_missing", _U, False, "a journal entry has at least one debit and one credit"),
    Reason("postings_unbalanced", _U, False, "debits and credits of a currency differ"),
    Reason("condition_not_in_entry", _U, False, "a journal entry takes no conditions"),
    Reason(
        "reference_reserved",
        _U,
        False,
        "references that begin with `system:` are the ledger's own, with a payment's id those of payments, "
        "and so are the names of the accounts that payments keep",
    ),
    Reason("overdraft_needs_limit", _U, False, "an overdraft widens a limit; there is none"),
    # The id, before anything that depends on the book's state: a repeat gets its original's answer.
    Reason("id_already_refused", _C, False, "a command of this id was refused before, and stays refused"),
    Reason("exists_outside_group", _C, False, "a member of the group exists, and the group does not"),
    Reason("exists_with_different_kind", _C, False, "the id belongs to another kind of transfer"),
    Reason("exists_with_different_debit_account", _C, False, "the id exists with another debit account"),
    Reason("exists_with_different_credit_account", _C, False, "the id exists with another credit account"),
    Reason("exists_with_different_amount", _C, False, "the id exists with another amount"),
    Reason("exists_with_different_currency", _C, False, "the id exists with another currency"),
    Reason("exists_with_different_pending_id", _C, False, "the id exists for another hold"),
    Reason("exists_with_different_original_id", _C, False, "the id exists for another original"),
    Reason("exists_with_different_postings", _C, False, "the id exists with other postings"),
    Reason("exists_with_different_remainder", _C, False, "the id exists with another remainder"),
    Reason("exists_with_different_expires_at", _C, False, "the id exists with another expiry"),
    Reason("exists_with_different_effective_at", _C, False, "the id exists with another effective time"),
    Reason("exists_with_different_normal_side", _C, False, "the account exists with another normal side"),
    Reason("exists_with_different_limit", _C, False, "the account was opened with another limit"),
    Reason("exists_with_different_code", _C, False, "the id exists with another code"),
    Reason("exists_with_different_reference", _C, False, "the id exists with another reference"),
    Reason("exists_with_different_metadata", _C, False, "the id exists with other metadata"),
    Reason("exists_with_different_if_version", _C, False, "the id exists with another if_version"),
    Reason("exists_with_different_min_available", _C, False, "the id exists with another min_available"),
    Reason("exists_with_different_up_to", _C, False, "the id exists with another up_to"),
    Reason("exists_with_different_rate", _C, False, "the id exists with another rate"),
    Reason("exists_with_different_template", _C, False, "the id exists with another template"),
    Reason("exists_with_different_beyond_limits", _C, False, "the id exists with another beyond_limits"),
    # What the command refers to.
    Reason("expires_in_the_past", _U, True, "the expiry is not after the time of recording"),
    Reason("pending_transfer_not_found", _U, True, "no transfer has the pending id"),
    Reason("transfer_not_pending", _U, False, "the transfer is not a hold"),
    Reason("original_not_found", _U, True, "no transfer has the original's id"),
    Reason("original_not_posted", _U, False, "only what was posted can be reversed, and a reversal cannot"),
    Reason("debit_account_not_found", _U, True, "no account has the debit account's id"),
    Reason("credit_account_not_found", _U, True, "no account has the credit account's id"),
    Reason("account_not_found", _N, False, "no account has this id"),
    Reason("currency_mismatch", _U, False, "an account has another currency than the amount"),
    # What the state of the book does not allow.
    Reason("hold_of_payment", _C, False, "a payment holds it: capture, cancel or refund the payment instead"),
    Reason("pending_already_posted", _C, False, "the hold was posted before"),
    Reason("pending_already_voided", _C, False, "the hold was voided before"),
    Reason("pending_expired", _C, False, "the hold has expired"),
    Reason("transfer_of_payment", _C, False, "a payment has written it: refund or cancel the payment"),
    Reason("account_of_payments", _C, False, "payments keep the account: it moves by payments alone"),
    Reason("exceeds_pending_amount", _U, False, "more than the hold held"),
    Reason("already_reversed", _C, False, "the original has been reversed whole"),
    Reason("exceeds_original_amount", _U, False, "reversals would exceed the original in total"),
    Reason("period_closed", _C, True, "the effective date lies in a closed period"),
    Reason("debit_account_closed", _C, True, "the debit account is closed"),
    Reason("credit_account_closed", _C, True, "the credit account is closed"),
    Reason("debit_account_frozen", _C, True, "the debit account is frozen"),
    Reason("credit_account_frozen", _C, True, "the credit account is frozen"),
    Reason("debit_version_mismatch", _C, True, "the debit account has moved since the version named"),
    Reason("credit_version_mismatch", _C, True, "the credit account has moved since the version named"),
    Reason("nothing_available", _U, True, "up_to found nothing to move"),
    Reason("min_available_breached", _U, True, "an account would keep less available than min_available"),
    Reason("exceeds_debit_limit", _U, True, "the debit account's debits would exceed its limit"),
    Reason("exceeds_credit_limit", _U, True, "the credit account's credits would exceed its limit"),
    Reason("counter_overflow", _U, True, "a counter of an account would pass 2^63 - 1"),
    # Accounts.
    Reason("reference_taken", _C, False, "another account of the book has this reference"),
    Reason("limit_already_exceeded", _C, False, "the account stands beyond the new limit"),
    Reason("account_not_open", _C, False, "the account is frozen or closed"),
    Reason("account_not_frozen", _C, False, "the account is not frozen"),
    Reason("account_not_closed", _C, False, "the account is not closed"),
    Reason("account_closed", _C, False, "the account is closed"),
    Reason("account_not_empty", _C, False, "an account closes only at zero, without open holds"),
    Reason("too_many_accounts", _U, False, "a book has at most 2^31 - 1 accounts"),
)

BY_CODE: Final = {reason.code: reason for reason in REASONS}


def refused(code: str, detail: str, field: str | None = None) -> Outcome:
    """The outcome of a command refused for the reason `code`."""
    return Outcome(OutcomeStatus.REFUSED, refusal=Refusal(code, detail, field, passing=BY_CODE[code].passing))
