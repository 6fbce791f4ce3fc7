"""What a repeated id means: the same content answers the original, another names the field that differs."""

import datetime as dt
from collections.abc import Iterable
from typing import Any

from caudal.ledger.book import Book, derived_id
from caudal.ledger.commands import (
    CreateTransfer,
    OpenAccount,
    PostPending,
    RecordTransaction,
    ReverseTransfer,
    VoidPending,
)
from caudal.ledger.refusals import refused
from caudal.ledger.types import (
    Account,
    Outcome,
    OutcomeStatus,
    Remainder,
    Terms,
    Transaction,
    Transfer,
    TransferId,
    TransferKind,
)

_NO_TERMS = Terms()


def _first_difference(fields: Iterable[tuple[str, Any, Any]], whose: str) -> Outcome | None:
    """The refusal for the first of `(field, asked, recorded)` that differ."""
    for field, asked, recorded in fields:
        if asked != recorded:
            return refused(f"exists_with_different_{field}", f"{whose} exists with another {field}", field)
    return None


def _exists(transfer: Transfer, remainder: Transfer | None = None) -> Outcome:
    return Outcome(OutcomeStatus.EXISTS, transfer, remainder=remainder)


def _moment(moment: dt.datetime | None) -> dt.datetime | None:
    return None if moment is None else moment.astimezone(dt.UTC)


def _common(
    command: CreateTransfer | PostPending | VoidPending | ReverseTransfer, before: Transfer
) -> list[tuple[str, Any, Any]]:
    return [
        ("code", command.code, before.code),
        ("reference", command.reference, before.reference),
        ("metadata", command.metadata or None, before.metadata or None),
    ]


def _of_kind(before: Transfer, kind: TransferKind) -> Outcome | None:
    return _first_difference([("kind", kind, before.kind)], before.id)


def existing_create(before: Transfer, command: CreateTransfer) -> Outcome:
    """The answer to a create whose id is taken by `before`."""
    terms = before.terms or _NO_TERMS
    recorded_amount = before.amount if terms.requested is None else terms.requested
    difference = _of_kind(
        before, TransferKind.PENDING if command.pending else TransferKind.POSTED
    ) or _first_difference(
        [
            ("debit_account", command.debit_account, terms.debit_redirected or before.debit_account),
            ("credit_account", command.credit_account, terms.credit_redirected or before.credit_account),
            ("amount", command.amount, recorded_amount),
            ("currency", command.currency, before.currency),
            ("expires_at", _moment(command.expires_at), _moment(terms.expires_at)),
            ("effective_at", _moment(command.effective_at), _moment(before.effective_at)),
            *_common(command, before),
            ("if_version", command.if_version, terms.if_version),
            ("min_available", command.min_available, terms.min_available),
            ("up_to", command.up_to, terms.requested is not None),
            ("rate", command.rate, terms.rate),
            ("beyond_limits", command.beyond_limits, terms.beyond_limits),
        ],
        before.id,
    )
    return difference or _exists(before)


def existing_post(book: Book, before: Transfer, command: PostPending) -> Outcome:
    """The answer to a post whose id is taken by `before`."""
    terms = before.terms or _NO_TERMS
    difference = _of_kind(before, TransferKind.POST) or _first_difference(
        [
            ("amount", command.amount, None if terms.whole else before.amount),
            ("pending_id", command.pending_id, before.related_id),
            ("remainder", command.remainder, terms.remainder or Remainder.RELEASE),
            ("effective_at", _moment(command.effective_at), _moment(before.effective_at)),
            *_common(command, before),
            ("beyond_limits", command.beyond_limits, terms.beyond_limits),
        ],
        before.id,
    )
    rest = book.transfers.get(TransferId(derived_id("tr", command.id, "remainder")))
    return difference or _exists(before, rest)


def existing_void(before: Transfer, command: VoidPending) -> Outcome:
    """The answer to a void whose id is taken by `before`."""
    difference = _of_kind(before, TransferKind.VOID) or _first_difference(
        [("pending_id", command.pending_id, before.related_id), *_common(command, before)], before.id
    )
    return difference or _exists(before)


def existing_reversal(before: Transfer, command: ReverseTransfer) -> Outcome:
    """The answer to a reversal whose id is taken by `before`."""
    terms = before.terms or _NO_TERMS
    difference = _of_kind(before, TransferKind.REVERSAL) or _first_difference(
        [
            ("amount", command.amount, None if terms.whole else before.amount),
            ("original_id", command.original_id, before.related_id),
            ("effective_at", _moment(command.effective_at), _moment(before.effective_at)),
            *_common(command, before),
            ("beyond_limits", command.beyond_limits, terms.beyond_limits),
        ],
        before.id,
    )
    return difference or _exists(before)


def existing_transaction(book: Book, before: Transaction, command: RecordTransaction) -> Outcome:
    """The answer to a journal entry whose id is taken by `before`."""
    difference = _first_difference(
        [
            ("postings", command.postings, before.postings),
            ("effective_at", _moment(command.effective_at), _moment(before.effective_at)),
            ("code", command.code, before.code),
            ("reference", command.reference, before.reference),
            ("metadata", command.metadata or None, before.metadata or None),
            ("template", command.template, before.template),
            ("beyond_limits", command.beyond_limits, before.beyond_limits),
        ],
        before.id,
    )
    if difference is not None:
        return difference
    ids = (entry_transfer_id(before.id, index) for index in range(before.last_seq - before.first_seq + 1))
    members = tuple(book.transfers[id_] for id_ in ids if id_ in book.transfers)
    return Outcome(OutcomeStatus.EXISTS, transaction=before, transfers=members)


def entry_transfer_id(transaction_id: str, index: int) -> TransferId:
    """The id of a journal entry's transfer number `index`."""
    return TransferId(derived_id("tr", transaction_id, str(index)))


def existing_account(
    before: Account,
    opened_with: tuple[int | None, int | None],
    command: OpenAccount,
    bounds: tuple[int | None, int | None],
) -> Outcome:
    """The answer to an opening whose id is taken by `before`, which was `opened_with` these bounds."""
    difference = _first_difference(
        [
            ("currency", command.currency, before.currency),
            ("normal_side", command.normal_side, before.normal_side),
            ("limit", bounds, opened_with),
            ("code", command.code, before.code),
            ("reference", command.reference, before.reference),
        ],
        before.id,
    )
    return difference or Outcome(OutcomeStatus.EXISTS, account=before)
