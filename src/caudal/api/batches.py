"""`/v1/transfers/batch`: up to 8,000 commands in one request, a result each."""

from collections.abc import Sequence
from typing import Final, Literal

from caudal.api.bodies import BatchItem, NewBatch, Write
from caudal.api.fields import utc
from caudal.api.request import Request
from caudal.api.transfers import MAY_CORRECT, MAY_POST_CLOSED, allow_beyond_limits
from caudal.api.views import TransferView, View, json_answer, state_after, transfer_view
from caudal.idempotency import Answer
from caudal.ledger import (
    AccountId,
    CreateTransfer,
    Outcome,
    OutcomeStatus,
    PostPending,
    Remainder,
    ReverseTransfer,
    TransferCommand,
    TransferId,
    VoidPending,
    refuse_repeated_ids,
)
from caudal_base.strictjson import MissingField, UnknownField


class ItemError(View, frozen=True, kw_only=True):
    """Why an item was refused: as the problem that it would be by itself."""

    code: str
    detail: str
    field: str | None = None


class ItemResult(View, frozen=True, kw_only=True):
    """What became of an item."""

    status: Literal["created", "exists", "refused"]
    transfer: TransferView | None = None
    error: ItemError | None = None


class BatchView(View, frozen=True, kw_only=True):
    """The items' results, in their order, and how many there are of each kind."""

    results: tuple[ItemResult, ...]
    created: int
    exists: int
    refused: int


_OPTIONAL: Final = {
    "debit_account", "credit_account", "amount", "currency", "pending_id", "original_id", "pending",
    "expires_at", "effective_at", "if_version", "min_available", "up_to", "rate", "remainder",
    "beyond_limits",
}  # fmt: skip
"""Fields of an item that not every type has."""

_FIELDS: Final = {
    "transfer": _OPTIONAL - {"pending_id", "original_id", "remainder"},
    "post_pending": {"pending_id", "amount", "remainder", "effective_at", "beyond_limits"},
    "void_pending": {"pending_id"},
    "reversal": {"original_id", "amount", "effective_at", "beyond_limits"},
}
_REQUIRED: Final = {
    "transfer": ("debit_account", "credit_account", "amount", "currency"),
    "post_pending": ("pending_id",),
    "void_pending": ("pending_id",),
    "reversal": ("original_id",),
}
_FOREIGN: Final = {type_: tuple(sorted(_OPTIONAL - fields)) for type_, fields in _FIELDS.items()}


async def create_batch(request: Request[Write, NewBatch]) -> Answer:
    """POST /v1/transfers/batch"""
    items = request.body.transfers
    if any(item.beyond_limits for item in items):
        allow_beyond_limits(request)
    may_post_closed = MAY_POST_CLOSED in request.principal.scopes
    may_correct = MAY_CORRECT in request.principal.scopes
    last = len(items) - 1
    commands = [
        _command(
            item,
            f"transfers[{index}].",
            linked=item.linked or (request.body.atomic and index < last),
            may_post_closed=may_post_closed,
            may_correct=may_correct,
        )
        for index, item in enumerate(items)
    ]
    refuse_repeated_ids(commands)
    return await request.carry_out(
        "transfer.batch", commands, _render, dry_run=request.query.dry_run, items="transfers"
    )


def _command(
    item: BatchItem, path: str, *, linked: bool, may_post_closed: bool, may_correct: bool
) -> TransferCommand:
    _check_fields(item, path)
    id_ = TransferId(item.id)
    effective_at = utc(item.effective_at, f"{path}effective_at")
    if item.type == "transfer":
        return _creation(item, path, linked=linked, may_post_closed=may_post_closed, may_correct=may_correct)
    if item.type == "post_pending":
        return PostPending(
            id=id_,
            pending_id=TransferId(item.pending_id or ""),
            amount=item.amount,
            remainder=item.remainder or Remainder.RELEASE,
            effective_at=effective_at,
            code=item.code,
            reference=item.reference,
            metadata=item.metadata,
            beyond_limits=item.beyond_limits,
            linked=linked,
            may_post_closed=may_post_closed,
            may_correct=may_correct,
        )
    if item.type == "void_pending":
        return VoidPending(
            id=id_,
            pending_id=TransferId(item.pending_id or ""),
            code=item.code,
            reference=item.reference,
            metadata=item.metadata,
            linked=linked,
        )
    return ReverseTransfer(
        id=id_,
        original_id=TransferId(item.original_id or ""),
        amount=item.amount,
        effective_at=effective_at,
        code=item.code,
        reference=item.reference,
        metadata=item.metadata,
        beyond_limits=item.beyond_limits,
        linked=linked,
        may_post_closed=may_post_closed,
        may_correct=may_correct,
    )


def _creation(
    item: BatchItem, path: str, *, linked: bool, may_post_closed: bool, may_correct: bool
) -> CreateTransfer:
    return CreateTransfer(
        id=TransferId(item.id),
        debit_account=AccountId(item.debit_account or ""),
        credit_account=AccountId(item.credit_account or ""),
        amount=item.amount or 0,
        currency=item.currency or "",
        pending=item.pending,
        expires_at=utc(item.expires_at, f"{path}expires_at"),
        effective_at=utc(item.effective_at, f"{path}effective_at"),
        code=item.code,
        reference=item.reference,
        metadata=item.metadata,
        if_version=None if item.if_version is None else item.if_version.versions(),
        min_available=item.min_available,
        up_to=item.up_to,
        rate=item.rate,
        beyond_limits=item.beyond_limits,
        linked=linked,
        may_post_closed=may_post_closed,
        may_correct=may_correct,
    )


def _check_fields(item: BatchItem, path: str) -> None:
    """Raise where a field that the item's type needs is missing, or one that it does not have is given."""
    for name in _REQUIRED[item.type]:
        if getattr(item, name) is None:
            raise MissingField(f"a {item.type} needs this field", field=path + name)
    for name in _FOREIGN[item.type]:
        value = getattr(item, name)
        if value is not None and value is not False:
            raise UnknownField(f"a {item.type} has no such field", field=path + name)


def _render(outcomes: Sequence[Outcome]) -> Answer:
    results = tuple(_result(index, outcome) for index, outcome in enumerate(outcomes))
    counts = dict.fromkeys(OutcomeStatus, 0)
    for outcome in outcomes:
        counts[outcome.status] += 1
    view = BatchView(
        results=results,
        created=counts[OutcomeStatus.CREATED],
        exists=counts[OutcomeStatus.EXISTS],
        refused=counts[OutcomeStatus.REFUSED],
    )
    return json_answer(200, view)


def _result(index: int, outcome: Outcome) -> ItemResult:
    refusal = outcome.refusal
    if refusal is not None:
        field = None if refusal.field is None else f"transfers[{index}].{refusal.field}"
        error = ItemError(code=refusal.code, detail=refusal.detail, field=field)
        return ItemResult(status="refused", error=error)
    transfer = outcome.transfer
    view = (
        None
        if transfer is None
        else transfer_view(transfer, state=state_after(outcome), remainder=outcome.remainder)
    )
    return ItemResult(
        status="created" if outcome.status is OutcomeStatus.CREATED else "exists", transfer=view
    )
