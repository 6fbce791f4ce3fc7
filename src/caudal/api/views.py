"""What callers get: the ledger's objects as JSON. Fields that say nothing are left out."""

from typing import Final, Generic, TypeVar

import msgspec

from caudal.api.fields import Time
from caudal.idempotency import Answer
from caudal.ledger import (
    BY_CODE,
    HoldState,
    Metadata,
    Outcome,
    OutcomeStatus,
    Posting,
    Refusal,
    Remainder,
    Terms,
    Transaction,
    Transfer,
    TransferKind,
    Versions,
)
from caudal.rules import RuleFaultView, RuleTestedView
from caudal_base.errors import DOCUMENTATION, PROBLEM_MEDIA_TYPE

JSON: Final = ("Content-Type", "application/json")
_PROBLEM_HEADERS: Final = (("Content-Type", PROBLEM_MEDIA_TYPE),)
_JSON_HEADERS: Final = (JSON,)

_encoder: Final = msgspec.json.Encoder()

Row = TypeVar("Row")


class View(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What all answers have in common."""


class Problem(View, frozen=True, kw_only=True):
    """Problem details (RFC 9457). `code` is stable, see `/docs/errors`; `field` names the part at fault."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    field: str | None = None
    instance: str | None = None
    retry_after: int | None = None
    scope: str | None = None
    reason: str | None = None
    """Why a webhook could not be verified."""
    problems: tuple[RuleFaultView, ...] = ()
    """All that is wrong with rules of decisions, as far as it is told."""
    tests: tuple[RuleTestedView, ...] = ()
    """Tests of rules that fail."""


class TransferView(View, frozen=True, kw_only=True):
    """A transfer as it was recorded; it never changes, but for the `state` of a pending one."""

    id: str
    seq: int
    kind: TransferKind
    debit_account: str
    credit_account: str
    amount: int
    currency: str
    recorded_at: Time
    effective_at: Time | None = None
    """When it counts for value, if not when it was recorded."""
    state: HoldState | None = None
    """Of a pending transfer: where the hold stands."""
    expires_at: Time | None = None
    pending_id: str | None = None
    """The hold that it resolves."""
    original_id: str | None = None
    """The transfer that it reverses."""
    group_seq: int | None = None
    """The seq of the first member of its linked group or transaction."""
    remainder: Remainder | None = None
    remainder_id: str | None = None
    """The new hold over what a post has left."""
    code: str | None = None
    reference: str | None = None
    metadata: Metadata | None = None
    requested: int | None = None
    """With up_to, the amount that was asked for; `amount` is what moved."""
    if_version: Versions | None = None
    min_available: int | None = None
    rate: str | None = None
    beyond_limits: bool = False
    debit_redirected_from: str | None = None
    """The closed account in whose place the suspense account was debited."""
    credit_redirected_from: str | None = None


_ORIGINAL: Final = frozenset({TransferKind.REVERSAL})
_NO_TERMS: Final = Terms()


def transfer_view(
    t: Transfer, *, state: HoldState | None = None, remainder: Transfer | None = None
) -> TransferView:
    """`t` for a caller; `state` of a pending one."""
    terms = t.terms
    if t.related_id is None and terms is None:
        # What most transfers are: the long form takes twice the time.
        return TransferView(
            id=t.id, seq=t.seq, kind=t.kind, debit_account=t.debit_account, credit_account=t.credit_account,
            amount=t.amount, currency=t.currency, recorded_at=t.recorded_at, effective_at=t.effective_at,
            state=state, group_seq=t.group_seq, code=t.code, reference=t.reference, metadata=t.metadata,
        )  # fmt: skip
    terms = terms or _NO_TERMS
    reverses = t.kind in _ORIGINAL
    return TransferView(
        id=t.id, seq=t.seq, kind=t.kind, debit_account=t.debit_account, credit_account=t.credit_account,
        amount=t.amount, currency=t.currency, recorded_at=t.recorded_at, effective_at=t.effective_at,
        state=state, expires_at=terms.expires_at,
        pending_id=None if reverses else t.related_id, original_id=t.related_id if reverses else None,
        group_seq=t.group_seq, remainder=terms.remainder,
        remainder_id=None if remainder is None else remainder.id,
        code=t.code, reference=t.reference, metadata=t.metadata,
        requested=terms.requested, if_version=terms.if_version, min_available=terms.min_available,
        rate=terms.rate, beyond_limits=terms.beyond_limits,
        debit_redirected_from=terms.debit_redirected, credit_redirected_from=terms.credit_redirected,
    )  # fmt: skip


def state_after(outcome: Outcome) -> HoldState | None:
    """The state of a hold that a command has just opened; not known of one that exists already."""
    transfer = outcome.transfer
    if transfer is None or transfer.kind is not TransferKind.PENDING:
        return None
    return HoldState.OPEN if outcome.status is OutcomeStatus.CREATED else None


class TransactionView(View, frozen=True, kw_only=True):
    """A journal entry: its postings as they were given, and the transfers that carry them."""

    id: str
    first_seq: int
    last_seq: int
    recorded_at: Time
    postings: tuple[Posting, ...]
    effective_at: Time | None = None
    code: str | None = None
    reference: str | None = None
    metadata: Metadata | None = None
    template: str | None = None
    """The template that made it, as `name@version`."""
    beyond_limits: bool = False
    transfers: tuple[TransferView, ...] = ()


def transaction_view(entry: Transaction, transfers: tuple[Transfer, ...]) -> TransactionView:
    """`entry` for a caller."""
    return TransactionView(
        id=entry.id,
        first_seq=entry.first_seq,
        last_seq=entry.last_seq,
        recorded_at=entry.recorded_at,
        postings=entry.postings,
        effective_at=entry.effective_at,
        code=entry.code,
        reference=entry.reference,
        metadata=entry.metadata,
        template=entry.template,
        beyond_limits=entry.beyond_limits,
        transfers=tuple(transfer_view(transfer) for transfer in transfers),
    )


class PageView(View, Generic[Row], frozen=True, kw_only=True):
    """A page of a list, and where the next one starts; null at the end."""

    data: tuple[Row, ...]
    next_cursor: str | None


_REFERENCES: Final = frozenset({"pending_transfer_not_found", "original_not_found"})
"""Why a transfer that a command refers to is not there."""


def json_answer(status: int, value: object, *headers: tuple[str, str]) -> Answer:
    """A response with `value` as JSON."""
    return Answer(status, (JSON, *headers) if headers else _JSON_HEADERS, _encoder.encode(value))


def encode(value: object) -> bytes:
    """`value` as JSON."""
    return _encoder.encode(value)


def refusal_answer(refusal: Refusal, *, of_path: bool = False) -> Answer:
    """The response to a request of which the ledger refused the only command.

    `of_path`: what the command refers to is what the path names, so where it is not there the answer is 404.
    """
    reason = BY_CODE[refusal.code]
    status, field = int(reason.status), refusal.field
    if of_path and refusal.code in _REFERENCES:
        status, field = 404, "id"
    return problem_answer(status, refusal.code, reason.meaning, refusal.detail, field)


def problem_answer(status: int, code: str, meaning: str, detail: str, field: str | None = None) -> Answer:
    """The response to a request that was refused for the reason `code`, whose meaning a table gives."""
    problem = Problem(
        type=f"{DOCUMENTATION}#{code}",
        title=meaning[0].upper() + meaning[1:],
        status=status,
        detail=detail,
        code=code,
        field=field,
    )
    return Answer(status, _PROBLEM_HEADERS, _encoder.encode(problem))
