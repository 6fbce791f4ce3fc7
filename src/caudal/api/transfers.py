"""`/v1/transfers`: one transfer, and what becomes of a hold."""

from collections.abc import Sequence
from typing import Final

from caudal import access
from caudal.access import Scope
from caudal.api.bodies import NewTransfer, PostHold, Reverse, VoidHold, Write
from caudal.api.endpoint import B, Q
from caudal.api.fields import utc
from caudal.api.request import Request
from caudal.api.views import json_answer, refusal_answer, state_after, transfer_view
from caudal.idempotency import Answer
from caudal.ledger import (
    AccountId,
    CreateTransfer,
    Outcome,
    OutcomeStatus,
    PostPending,
    ReverseTransfer,
    TransferId,
    VoidPending,
)
from caudal_base import ids
from caudal_base.check import check

MAY_POST_CLOSED: Final = Scope.LEDGER_POST_CLOSED_PERIOD
MAY_CORRECT: Final = Scope.LEDGER_CORRECT


def new_transfer_id(request: Request[Q, B], given: str | None) -> TransferId:
    """The caller's id, or one of ours."""
    return TransferId(given or request.new_id(ids.TRANSFER))


def path_transfer_id(request: Request[Q, B]) -> TransferId:
    """The transfer that the path names. Raises `InvalidId`."""
    text = request.ids["id"]
    ids.decode(ids.TRANSFER, text)
    return TransferId(text)


def allow_beyond_limits(request: Request[Q, B]) -> None:
    """Raise `MissingScope` unless the caller may record past limits."""
    access.require(request.principal, Scope.LEDGER_BEYOND_LIMITS, request.book_id)


def render(outcomes: Sequence[Outcome]) -> Answer:
    """The response to one transfer command."""
    (outcome,) = outcomes
    return _answer(outcome)


def render_of_path(outcomes: Sequence[Outcome]) -> Answer:
    """The response to a command about the transfer that the path names."""
    (outcome,) = outcomes
    if outcome.refusal is not None:
        return refusal_answer(outcome.refusal, of_path=True)
    return _answer(outcome)


def _answer(outcome: Outcome) -> Answer:
    if outcome.refusal is not None:
        return refusal_answer(outcome.refusal)
    transfer = outcome.transfer
    check(transfer is not None, "a transfer command was answered without a transfer")
    view = transfer_view(transfer, state=state_after(outcome), remainder=outcome.remainder)  # type: ignore[arg-type]
    status = 201 if outcome.status is OutcomeStatus.CREATED else 200
    return json_answer(status, view, ("Location", f"/v1/transfers/{view.id}"))


async def create_transfer(request: Request[Write, NewTransfer]) -> Answer:
    """POST /v1/transfers"""
    body = request.body
    if body.beyond_limits:
        allow_beyond_limits(request)
    command = CreateTransfer(
        id=new_transfer_id(request, body.id),
        debit_account=AccountId(body.debit_account),
        credit_account=AccountId(body.credit_account),
        amount=body.amount,
        currency=body.currency,
        pending=body.pending,
        expires_at=utc(body.expires_at, "expires_at"),
        effective_at=utc(body.effective_at, "effective_at"),
        code=body.code,
        reference=body.reference,
        metadata=body.metadata,
        if_version=None if body.if_version is None else body.if_version.versions(),
        min_available=body.min_available,
        up_to=body.up_to,
        rate=body.rate,
        beyond_limits=body.beyond_limits,
        may_post_closed=MAY_POST_CLOSED in request.principal.scopes,
        may_correct=MAY_CORRECT in request.principal.scopes,
    )
    return await request.carry_out("transfer.create", (command,), render, dry_run=request.query.dry_run)


async def post_hold(request: Request[Write, PostHold]) -> Answer:
    """POST /v1/transfers/{id}/post"""
    body = request.body
    if body.beyond_limits:
        allow_beyond_limits(request)
    command = PostPending(
        id=new_transfer_id(request, body.id),
        pending_id=path_transfer_id(request),
        amount=body.amount,
        remainder=body.remainder,
        effective_at=utc(body.effective_at, "effective_at"),
        code=body.code,
        reference=body.reference,
        metadata=body.metadata,
        beyond_limits=body.beyond_limits,
        may_post_closed=MAY_POST_CLOSED in request.principal.scopes,
        may_correct=MAY_CORRECT in request.principal.scopes,
    )
    return await request.carry_out("transfer.post", (command,), render_of_path, dry_run=request.query.dry_run)


async def void_hold(request: Request[Write, VoidHold]) -> Answer:
    """POST /v1/transfers/{id}/void"""
    body = request.body
    command = VoidPending(
        id=new_transfer_id(request, body.id),
        pending_id=path_transfer_id(request),
        code=body.code,
        reference=body.reference,
        metadata=body.metadata,
    )
    return await request.carry_out("transfer.void", (command,), render_of_path, dry_run=request.query.dry_run)


async def reverse_transfer(request: Request[Write, Reverse]) -> Answer:
    """POST /v1/transfers/{id}/reverse"""
    body = request.body
    if body.beyond_limits:
        allow_beyond_limits(request)
    command = ReverseTransfer(
        id=new_transfer_id(request, body.id),
        original_id=path_transfer_id(request),
        amount=body.amount,
        effective_at=utc(body.effective_at, "effective_at"),
        code=body.code,
        reference=body.reference,
        metadata=body.metadata,
        beyond_limits=body.beyond_limits,
        may_post_closed=MAY_POST_CLOSED in request.principal.scopes,
        may_correct=MAY_CORRECT in request.principal.scopes,
    )
    return await request.carry_out(
        "transfer.reverse", (command,), render_of_path, dry_run=request.query.dry_run
    )
