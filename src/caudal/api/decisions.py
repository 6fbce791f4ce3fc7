"""`/v1/decisions`: what was decided, of what, why; and the same made again."""

import msgspec

from caudal.api.decision_views import (
    DecisionsQuery,
    ExplanationView,
    ReplayView,
    ServedFeatureView,
    decision_view,
    reason_view,
)
from caudal.api.endpoint import NoBody, NoQuery
from caudal.api.fields import utc
from caudal.api.paging import page_answer
from caudal.api.payment_reads import cursor_id
from caudal.api.request import Request
from caudal.api.views import json_answer
from caudal.idempotency import Answer
from caudal.risk import DecisionFilter, explain, features_of, find_decisions, get_decision, replay
from caudal_base import ids


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
