"""`/v1/payments` and `/v1/payouts`: what may be asked of payments, each a command and how it is answered.

A payment that our own decision declines, or that a person has to look at, is no error: it exists, and its
state says so. What the partner makes of it is not known yet when it is created; workers and webhooks move it
on.
"""

from collections.abc import Callable
from typing import Final

from caudal import ledger
from caudal.api.bodies import Write
from caudal.api.endpoint import B, NoBody, Q
from caudal.api.fields import utc
from caudal.api.payment_bodies import CaptureBody, IncrementBody, NewPayment, NewPayout, NewRefund
from caudal.api.request import Request
from caudal.api.views import JSON, json_answer, problem_answer
from caudal.idempotency import Answer
from caudal.ledger import Actor
from caudal.payments import (
    BY_CODE,
    ApprovePayment,
    CallerCommand,
    CancelPayment,
    CapturePayment,
    ConfirmPayment,
    CreatePayment,
    DeclinePayment,
    IncrementPayment,
    Outcome,
    OutcomeStatus,
    PaymentKind,
    PaymentOrder,
    RefundPayment,
    Refusal,
    encoded,
    payment_view,
    refund_view,
)
from caudal_base import ids
from caudal_base.database import Connection
from caudal_base.errors import InvariantError

_REFERRED: Final = frozenset({"payment_not_found"})
"""What is not there where the path names it: its field is the path's."""


def refusal_answer(refusal: Refusal) -> Answer:
    """The response to a command that was refused: by the payments' rules, or by the ledger's."""
    code = refusal.code
    own = BY_CODE.get(code)
    field = "id" if code in _REFERRED else refusal.field
    if own is not None:
        return problem_answer(own.status, code, own.meaning, refusal.detail, field)
    reason = ledger.BY_CODE[code]
    return problem_answer(int(reason.status), code, reason.meaning, refusal.detail, field)


def render_created(outcome: Outcome) -> Answer:
    """The response to a payment that was asked for."""
    if outcome.refusal is not None:
        return refusal_answer(outcome.refusal)
    if outcome.payment is None:
        raise InvariantError("a payment was created without one")
    status = 200 if outcome.status is OutcomeStatus.EXISTS else 201
    body = outcome.told or encoded(payment_view(outcome.payment))
    return Answer(status, (JSON, ("Location", f"/v1/payments/{outcome.payment.id}")), body)


def render_changed(outcome: Outcome) -> Answer:
    """The response to what was asked of a payment: the payment as it stands now."""
    if outcome.refusal is not None:
        return refusal_answer(outcome.refusal)
    if outcome.payment is None:
        raise InvariantError("a command on a payment was answered without it")
    return Answer(200, (JSON,), outcome.told or encoded(payment_view(outcome.payment)))


def render_refund(outcome: Outcome) -> Answer:
    """The response to a refund that was asked for."""
    if outcome.refusal is not None:
        return refusal_answer(outcome.refusal)
    if outcome.refund is None or outcome.payment is None:
        raise InvariantError("a refund was made without one")
    view = refund_view(outcome.refund, outcome.payment.currency)
    return json_answer(201, view, ("Location", f"/v1/refunds/{view.id}"))


async def carry_out(
    request: Request[Write, B], action: str, command: CallerCommand, render: Callable[[Outcome], Answer]
) -> Answer:
    """Give `command` to the payments of the request's book; what `render` makes of its outcome is the answer.

    Or the answer that the same idempotency key got before. With `dry_run` nothing is left of it.
    """
    if request.query.dry_run:
        return await _try_out(request, command, render)
    order = PaymentOrder(
        command=command,
        actor=Actor(
            principal=request.principal.actor,
            action=action,
            request_id=request.request_id,
            origin=request.origin,
        ),
        render=render,
        claim=request.claim,
    )
    reply = await request.services.payments.carry_out(request.book_id, order)
    request.replayed = reply.replayed
    return reply.answer


async def _try_out(
    request: Request[Write, B], command: CallerCommand, render: Callable[[Outcome], Answer]
) -> Answer:
    desk = request.services.payments

    async def work(connection: Connection) -> Answer:
        return render(await desk.try_out(connection, request.book_id, command))

    return await request.once(work, dry_run=True)


def new_payment_id(request: Request[Write, B], given: str | None) -> str:
    """The caller's id, or one of ours. Raises `InvalidId` for the nil id."""
    if given is None:
        return request.new_id(ids.PAYMENT)
    ids.decode(ids.PAYMENT, given)
    return given


def path_payment_id(request: Request[Q, B]) -> str:
    """The payment that the path names. Raises `InvalidId`."""
    text = request.ids["id"]
    ids.decode(ids.PAYMENT, text)
    return text


def admit(request: Request[Q, B]) -> None:
    """Raise `Unavailable` while too many payments of the book wait already."""
    request.services.payments.admit(request.book_id)


async def create_payment(request: Request[Write, NewPayment]) -> Answer:
    """POST /v1/payments"""
    body = request.body
    body.refuse_personal_data()
    command = CreatePayment(
        id=new_payment_id(request, body.id),
        chosen=body.id is not None,
        kind=body.kind,
        customer=body.customer,
        amount=body.amount,
        currency=body.currency,
        partner=body.partner,
        method=body.method,
        instrument=body.instrument,
        capture=body.capture,
        destination=body.destination,
        reference=body.reference,
        description=body.description,
        metadata=body.metadata,
        context=None if body.context is None else body.context.checked(),
        execute_at=utc(body.execute_at, "execute_at"),
        return_url=body.return_url,
    )
    return await carry_out(request, "payment.create", command, render_created)


async def create_payout(request: Request[Write, NewPayout]) -> Answer:
    """POST /v1/payouts"""
    body = request.body
    body.refuse_personal_data()
    command = CreatePayment(
        id=new_payment_id(request, body.id),
        chosen=body.id is not None,
        kind=PaymentKind.PAYOUT,
        customer=body.customer,
        amount=body.amount,
        currency=body.currency,
        partner=body.partner,
        method=body.method,
        instrument=body.instrument,
        reference=body.reference,
        description=body.description,
        metadata=body.metadata,
        context=None if body.context is None else body.context.checked(),
        execute_at=utc(body.execute_at, "execute_at"),
    )
    return await carry_out(request, "payment.create", command, render_created)


async def capture_payment(request: Request[Write, CaptureBody]) -> Answer:
    """POST /v1/payments/{id}/capture"""
    command = CapturePayment(
        payment_id=path_payment_id(request),
        id=request.new_id(ids.CAPTURE),
        amount=request.body.amount,
        final=request.body.final,
    )
    return await carry_out(request, "payment.capture", command, render_changed)


async def increment_payment(request: Request[Write, IncrementBody]) -> Answer:
    """POST /v1/payments/{id}/increment"""
    command = IncrementPayment(
        payment_id=path_payment_id(request),
        id=request.new_id(ids.ATTEMPT),
        amount=request.body.amount,
    )
    return await carry_out(request, "payment.increment", command, render_changed)


async def cancel_payment(request: Request[Write, NoBody]) -> Answer:
    """POST /v1/payments/{id}/cancel"""
    command = CancelPayment(payment_id=path_payment_id(request), id=request.new_id(ids.ATTEMPT))
    return await carry_out(request, "payment.cancel", command, render_changed)


async def confirm_payment(request: Request[Write, NoBody]) -> Answer:
    """POST /v1/payments/{id}/confirm"""
    command = ConfirmPayment(payment_id=path_payment_id(request))
    return await carry_out(request, "payment.confirm", command, render_changed)


async def approve_payment(request: Request[Write, NoBody]) -> Answer:
    """POST /v1/payments/{id}/approve"""
    command = ApprovePayment(payment_id=path_payment_id(request))
    return await carry_out(request, "payment.approve", command, render_changed)


async def decline_payment(request: Request[Write, NoBody]) -> Answer:
    """POST /v1/payments/{id}/decline"""
    command = DeclinePayment(payment_id=path_payment_id(request))
    return await carry_out(request, "payment.decline", command, render_changed)


async def refund_payment(request: Request[Write, NewRefund]) -> Answer:
    """POST /v1/payments/{id}/refunds"""
    body = request.body
    body.refuse_personal_data()
    command = RefundPayment(
        payment_id=path_payment_id(request),
        id=request.new_id(ids.REFUND),
        amount=body.amount,
        reason=body.reason,
        metadata=body.metadata,
    )
    return await carry_out(request, "payment.refund", command, render_refund)
