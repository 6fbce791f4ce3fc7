"""The rules of what refers to an earlier transfer: posting and voiding a hold, and reversal."""

import re
from typing import Final

from caudal.ledger.admission import (
    kept_refusal,
    known,
    limit_refusal,
    period_refusal,
    status_refusal,
    wrong_amount,
)
from caudal.ledger.book import Book, derived_id
from caudal.ledger.commands import PostPending, ReverseTransfer, VoidPending
from caudal.ledger.comparison import existing_post, existing_reversal, existing_void
from caudal.ledger.refusals import refused
from caudal.ledger.suspense import redirect
from caudal.ledger.types import (
    AccountId,
    HoldState,
    Outcome,
    OutcomeStatus,
    Remainder,
    Terms,
    Transfer,
    TransferId,
    TransferKind,
)
from caudal_base import ids

_POSTED_KINDS: Final = frozenset({TransferKind.POSTED, TransferKind.POST})

_PAYMENT: Final = re.compile(rf"{ids.PAYMENT}_[0-9a-f]{{32}}")


def begins_with_a_payment(reference: str) -> bool:
    """Whether `reference` begins with a payment's id. Payments' own transfers have such references."""
    return _PAYMENT.match(reference) is not None


def post(book: Book, command: PostPending) -> Outcome:
    """Post a hold, whole or in part; the rest is released or held anew."""
    wrong = None if command.amount is None else wrong_amount(command.amount)
    if wrong is not None:
        return wrong
    before = known(book, command.id)
    if before is not None:
        return before if isinstance(before, Outcome) else existing_post(book, before, command)
    pending = book.transfers.get(command.pending_id)
    if pending is None:
        return refused("pending_transfer_not_found", "no such transfer in this book", "pending_id")
    unfit = _hold_refusal(book, pending, command.reference)
    if unfit is not None:
        return unfit
    hold = book.holds[pending.id]
    debit, credit = book.accounts[pending.debit_account], book.accounts[pending.credit_account]
    unfit = kept_refusal(book, command.id, debit, credit, may_correct=command.may_correct, field="pending_id")
    if unfit is not None:
        return unfit
    amount = hold.amount if command.amount is None else command.amount
    if amount > hold.amount:
        return refused("exceeds_pending_amount", f"the hold is of {hold.amount}", "amount")
    unfit = period_refusal(
        book, command.effective_at, may_post_closed=command.may_post_closed
    ) or status_refusal(debit, credit, beyond_limits=command.beyond_limits)
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
    before = known(book, command.id)
    if before is not None:
        return before if isinstance(before, Outcome) else existing_void(before, command)
    pending = book.transfers.get(command.pending_id)
    if pending is None:
        return refused("pending_transfer_not_found", "no such transfer in this book", "pending_id")
    unfit = _hold_refusal(book, pending, command.reference)
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


def _hold_refusal(book: Book, pending: Transfer, reference: str | None) -> Outcome | None:
    if pending.kind is not TransferKind.PENDING:
        return refused("transfer_not_pending", "the transfer is not a hold", "pending_id")
    payment = pending.reference
    # What a payment holds is its own to resolve: it would wait for a hold that is gone.
    if payment is not None and payment != reference and _PAYMENT.fullmatch(payment):
        return refused("hold_of_payment", f"the hold is that of {payment}", "pending_id")
    match book.holds[pending.id].state:
        case HoldState.OPEN:
            return None
        case HoldState.POSTED:
            return refused("pending_already_posted", "the hold was posted before", "pending_id")
        case HoldState.VOIDED:
            return refused("pending_already_voided", "the hold was voided before", "pending_id")
        case HoldState.EXPIRED:
            return refused("pending_expired", "the hold has expired", "pending_id")


def _of_payment_refusal(book: Book, original: Transfer, command: ReverseTransfer) -> Outcome | None:
    """Refuse to take back what a payment has written, but to correct: the payment would not know of it."""
    if original.reference is None or not begins_with_a_payment(original.reference):
        return None
    if command.may_correct:
        book.corrected.add(command.id)
        return None
    return refused("transfer_of_payment", f"the transfer is that of {original.reference}", "original_id")


def reverse(book: Book, command: ReverseTransfer) -> Outcome:
    """Post back what a transfer posted, never more of it than there was."""
    wrong = None if command.amount is None else wrong_amount(command.amount)
    if wrong is not None:
        return wrong
    before = known(book, command.id)
    if before is not None:
        return before if isinstance(before, Outcome) else existing_reversal(before, command)
    original = book.transfers.get(command.original_id)
    if original is None:
        return refused("original_not_found", "no such transfer in this book", "original_id")
    if original.kind not in _POSTED_KINDS:
        return refused("original_not_posted", "there is nothing posted to take back", "original_id")
    debit, credit = book.accounts[original.credit_account], book.accounts[original.debit_account]
    unfit = _of_payment_refusal(book, original, command) or kept_refusal(
        book, command.id, debit, credit, may_correct=command.may_correct, field="original_id"
    )
    if unfit is not None:
        return unfit
    done = book.reversals.get(original.id)
    left = original.amount - (0 if done is None else done.amount)
    if left == 0:
        return refused("already_reversed", "it has been reversed whole", "original_id")
    amount = left if command.amount is None else command.amount
    if amount > left:
        return refused("exceeds_original_amount", f"{left} of the original is left to reverse", "amount")
    closed = period_refusal(book, command.effective_at, may_post_closed=command.may_post_closed)
    if closed is not None:
        return closed
    redirected: tuple[AccountId | None, AccountId | None] = (None, None)
    if command.beyond_limits:
        debit, credit, redirected = redirect(book, command.id, debit, credit)
    unfit = status_refusal(debit, credit, beyond_limits=command.beyond_limits) or limit_refusal(
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
