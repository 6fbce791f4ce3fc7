"""`/v1/decisions`: what was decided, of what, why; and the same made again."""

from typing import Final

import msgspec

from caudal.api.bodies import Write
from caudal.api.customers import caller_of
from caudal.api.decision_views import (
    DecisionsQuery,
    ExplanationView,
    LinkedView,
    NewDecision,
    NewPaymentDecision,
    PastPaymentView,
    PaymentReviewCaseView,
    ReplayView,
    ReviewsQuery,
    ServedFeatureView,
    decision_view,
    reason_view,
)
from caudal.api.endpoint import B, NoBody, NoQuery, Q
from caudal.api.fields import utc
from caudal.api.paging import page_answer
from caudal.api.payment_reads import cursor_id
from caudal.api.payments import path_payment_id
from caudal.api.request import Request
from caudal.api.views import json_answer
from caudal.idempotency import Answer
from caudal.payments import (
    Payment,
    PaymentFilter,
    PaymentState,
    WaitingFor,
    get_payment,
    list_payments,
    payment_view,
)
from caudal.risk import (
    Application,
    DecisionFilter,
    explain,
    features_of,
    find_decisions,
    find_labels,
    get_decision,
    linked,
    replay,
)
from caudal_base import ids
from caudal_base.database import Connection

_HISTORY: Final = 10


async def decide(request: Request[Write, NewDecision]) -> Answer:
    """POST /v1/decisions; raises `ApplicationInvalid`, `NoModelServes`, `PersonalDataRefused`."""
    body = request.body
    application = Application(subject=body.subject, values=body.values, customer=body.customer)

    async def work(connection: Connection) -> Answer:
        record = await request.services.applications.decide(connection, request.book_id, application)
        return json_answer(201, decision_view(record, ()))

    return await request.once(work, dry_run=request.query.dry_run)


def admit(request: Request[Q, B]) -> None:
    """Raise `Unavailable` while too many decisions of the book wait already."""
    request.services.decisions.admit(request.book_id)


async def decide_payment(request: Request[Write, NewPaymentDecision]) -> Answer:
    """POST /v1/decisions/payment; raises `PaymentInvalid`, `DecisionDiffers`, `PersonalDataRefused`."""
    desk, payment, caller = request.services.decisions, request.body.checked(), caller_of(request)
    if request.query.dry_run:

        async def work(connection: Connection) -> Answer:
            made = await desk.try_out(connection, request.book_id, payment, caller)
            return json_answer(201, decision_view(made.record, made.features))

        return await request.once(work, dry_run=True)
    made = await desk.decide(request.book_id, payment, caller)
    if not made.repeated:
        return json_answer(201, decision_view(made.record, made.features))
    async with request.services.database.snapshot() as connection:
        features = await features_of(connection, request.book_id, [made.record])
    return json_answer(200, decision_view(made.record, features[made.record.id]))


async def find_reviews(request: Request[ReviewsQuery, NoBody]) -> Answer:
    """GET /v1/reviews"""
    query = request.query
    wanted = PaymentFilter(state=PaymentState.REVIEW, waiting=WaitingFor.PERSON)
    before = cursor_id(ids.PAYMENT, query.cursor)
    async with request.services.database.snapshot() as connection:
        page = await list_payments(connection, request.book_id, wanted, before=before, limit=query.limit)
        views = [await _review(connection, request.book_id, payment) for payment in page.rows]
    return page_answer(views, page.next)


async def read_review(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/reviews/{id}; raises `InvalidId`, `PaymentNotFound`."""
    payment_id = path_payment_id(request)
    async with request.services.database.snapshot() as connection:
        case = await get_payment(connection, request.book_id, payment_id)
        view = await _review(connection, request.book_id, case.payment, whole=True)
    return json_answer(200, view)


async def _review(
    connection: Connection, book_id: int, payment: Payment, *, whole: bool = False
) -> PaymentReviewCaseView:
    shown = payment_view(payment)
    if payment.decision is None:
        return PaymentReviewCaseView(payment=shown)
    told = await explain(connection, book_id, payment.decision)
    history = await _history(connection, book_id, payment) if whole else ()
    others = await linked(connection, book_id, told.record) if whole else ()
    labels = await find_labels(connection, book_id, subject=payment.id) if whole else ()
    return PaymentReviewCaseView(
        payment=shown, decision=decision_view(told.record, told.features), words=told.words,
        linked=tuple(
            LinkedView(
                decision=other.record.id, subject=other.record.subject, customer=other.record.customer,
                outcome=other.record.decided.outcome, at=other.record.at, shares=other.shares,
                labels=tuple(kind.value for kind in other.labels),
            )
            for other in others
        ),
        history=history,
        labels=tuple(f"{label.kind.value} ({label.source})" for label in labels),
    )  # fmt: skip


async def _history(connection: Connection, book_id: int, payment: Payment) -> tuple[PastPaymentView, ...]:
    """What the customer has paid before."""
    wanted = PaymentFilter(customer=payment.customer)
    page = await list_payments(connection, book_id, wanted, before=payment.id, limit=_HISTORY)
    return tuple(
        PastPaymentView(
            payment=one.id, kind=one.kind, state=one.state, amount=one.amount, currency=one.currency,
            created_at=one.created_at,
        )
        for one in page.rows
    )  # fmt: skip


async def find(request: Request[DecisionsQuery, NoBody]) -> Answer:
    """GET /v1/decisions"""
    query = request.query
    wanted = DecisionFilter(
        subject=query.subject, customer=query.customer, outcome=query.outcome, of=query.of,
        score_from=query.score_from, made_from=utc(query.made_from, "made_from"),
        made_before=utc(query.made_before, "made_before"),
    )  # fmt: skip
    before = cursor_id(ids.DECISION, query.cursor)
    async with request.services.database.snapshot() as connection:
        rows = await find_decisions(connection, request.book_id, wanted, before=before, limit=query.limit + 1)
        shown = rows[: query.limit]
        features = await features_of(connection, request.book_id, shown)
    next_ = shown[-1].id if len(rows) > len(shown) else None
    return page_answer([decision_view(row, features[row.id]) for row in shown], next_)


async def read(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/decisions/{id}; raises `DecisionNotFound`."""
    async with request.services.database.snapshot() as connection:
        record = await get_decision(connection, request.book_id, request.ids["id"])
        features = await features_of(connection, request.book_id, [record])
    return json_answer(200, decision_view(record, features[record.id]))


async def read_again(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/decisions/{id}/replay; raises `DecisionNotFound`."""
    async with request.services.database.snapshot() as connection:
        made = await replay(connection, request.book_id, request.ids["id"])
    view = ReplayView(
        id=made.record.id, same=made.same, stored=msgspec.Raw(made.stored), again=msgspec.Raw(made.made)
    )
    return json_answer(200, view)


async def read_explanation(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/decisions/{id}/explain; raises `DecisionNotFound`."""
    async with request.services.database.snapshot() as connection:
        told = await explain(connection, request.book_id, request.ids["id"])
    view = ExplanationView(
        id=told.record.id, outcome=told.record.decided.outcome, score=told.record.decided.score,
        words=told.words, reasons=tuple(reason_view(reason) for reason in told.reasons),
        features=tuple(
            ServedFeatureView(name=feature.name, value=feature.value, about=feature.about)
            for feature in told.features
        ),
    )  # fmt: skip
    return json_answer(200, view)
