"""`/v1/models` and `/v1/model-serving`: models, which of them decide by which terms, how they drift."""

import asyncio
import base64
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from caudal import models, risk
from caudal.api.bodies import RequestBody, Write
from caudal.api.customers import caller_of
from caudal.api.endpoint import B, NoBody, NoQuery
from caudal.api.fields import Time
from caudal.api.paging import bad_cursor, number, page_answer
from caudal.api.problems import problem
from caudal.api.queries import PageQuery
from caudal.api.request import Request
from caudal.api.views import View, json_answer
from caudal.idempotency import Answer
from caudal.models import DriftReport, Purpose, Registered, Stage, Terms, Value
from caudal_base import ids
from caudal_base.database import Connection
from caudal_base.errors import CaudalError, InvalidRequest

MAX_VALUES: Final = 2_000
MAX_TEXT: Final = 255

Override = Annotated[
    str, Meta(min_length=1, max_length=200, description="Why the gate is passed by, without personal data.")
]
Artifact = Annotated[str, Meta(description="Base64: the text of LightGBM, ONNX, or a scorecard's JSON.")]


ServedPurpose = Annotated[
    Purpose, Meta(description="`fraud`: who decides on payments; `credit`: on applications.")
]


class ServingQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose serving."""

    purpose: ServedPurpose = Purpose.FRAUD


class NewModel(RequestBody, frozen=True, kw_only=True):
    """A model: its card, and its artifact."""

    card: dict[str, Any]
    """As the guide to models describes it."""
    artifact: Artifact
    hash: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None = None
    """What the content must have, where it is known."""


class NewChallenge(RequestBody, frozen=True, kw_only=True):
    """How much a challenger decides."""

    share: Annotated[int, Meta(ge=1, le=99, description="In percent.")]
    override: Override | None = None


class NewPromotion(RequestBody, frozen=True, kw_only=True):
    """That a model is to decide, or to be retired."""

    override: Override | None = None


class NewRollback(RequestBody, frozen=True, kw_only=True):
    """Why a champion is taken back."""

    reason: Annotated[str, Meta(min_length=1, max_length=200, description="Why, without personal data.")]
    purpose: ServedPurpose = Purpose.FRAUD


class DriftView(View, frozen=True, kw_only=True):
    """How far what a model meets was from its training."""

    measured_at: Time
    rows: int
    score: float | None = None
    """PSI of the score."""
    inputs: Mapping[str, float] = {}
    """CSI of each input."""
    missing: Mapping[str, float] = {}
    """By input, the part of decisions that did not have it."""
    labels: int = 0
    rate: float | None = None
    """Of the risk come true, where it is known."""
    trained_rate: float | None = None
    over: tuple[str, ...] = ()
    """What is beyond its bound, in words."""


class ModelDifferenceView(View, frozen=True, kw_only=True):
    """A measure of both models on the same decisions."""

    measure: str
    """`auc`, `ap`, or `recall_at_1_percent`: of a false-positive rate of 1 %."""
    champion: float
    challenger: float
    difference: float
    """What the model has more than the champion."""
    low: float
    """Of the difference's 95 % interval, by a paired bootstrap."""
    high: float


class ModelComparisonView(View, frozen=True, kw_only=True):
    """How a model does beside the champion, on what neither was trained on and whose end is known."""

    model: str
    champion: str | None = None
    """Not there: there is none that it could be compared with."""
    rows: int
    """Such decisions, that both gave a score for."""
    bad: int
    unscored: int = 0
    """Such decisions that one of the two gave no score for."""
    differences: tuple[ModelDifferenceView, ...] = ()
    """Empty: too few decisions for anything to be said."""
    misses: tuple[str, ...] = ()
    """All that the gate would say, not of the comparison alone."""


class NewScoring(RequestBody, frozen=True, kw_only=True):
    """What a model is to score."""

    row: dict[str, Any]
    """Values by name, as the model's inputs are called; what is not there is missing."""


class ContributionView(View, frozen=True, kw_only=True):
    """What an input did to a score."""

    name: str
    """The input; of a pair both, with `&`."""
    points: float
    """In the scale of the model's own output; what is positive raises the risk."""
    text: str
    code: str
    """The adverse-action code of a credit model, else the name."""
    statement: str | None = None
    """What an applicant is told, of a credit model."""


class ModelScoreView(View, frozen=True, kw_only=True):
    """What a model says of a row. Nothing is decided, and nothing is kept."""

    model: str
    score: float | None = None
    """The calibrated probability of the risk; not there: there is none, and `why` says why."""
    raw: float | None = None
    """The model's own output: points, or log odds."""
    why: str | None = None
    """`input_required`, `model_failed`"""
    missing: tuple[str, ...] = ()
    """Inputs that the row does not have, or not as the model takes them."""
    outcome: models.Outcome
    """What the book's terms make of it alone: without lists and rules."""
    reasons: tuple[ContributionView, ...] = ()
    """What raised the risk, the weightiest first."""


class ModelDriftView(View, frozen=True, kw_only=True):
    """What came of looking at a model's drift, the newest first."""

    data: tuple[DriftView, ...]


async def register_model(request: Request[Write, NewModel]) -> Answer:
    """POST /v1/models"""
    await request.take_long_place()
    services, body = request.services, request.body
    try:
        artifact = base64.b64decode(body.artifact, validate=True)
    except ValueError:
        raise InvalidRequest("this is no base64", field="artifact") from None
    card = msgspec.json.encode(body.card)
    file = models.read(card, artifact, expected=None)
    if body.hash is not None and body.hash != file.hash:
        raise models.ModelHashMismatch(f"card and artifact have the hash {file.hash}", field="hash")
    prepared = await asyncio.to_thread(models.prepare, file)

    async def work(connection: Connection) -> Answer:
        kept = await models.register(
            connection, request.book_id, prepared, caller=caller_of(request), ledger=services.ledger,
            at=services.clock.now(),
        )  # fmt: skip
        return json_answer(201, models.model_view(kept), ("Location", f"/v1/models/{kept.external_id}"))

    return await request.once(work, dry_run=request.query.dry_run)


async def find_models(request: Request[PageQuery, NoBody]) -> Answer:
    """GET /v1/models"""
    query = request.query
    before = None
    if query.cursor is not None:
        try:
            before = ids.decode(ids.MODEL, query.cursor)
        except ids.InvalidId:
            raise bad_cursor() from None
    async with request.services.database.connection() as connection:
        found = await models.list_models(connection, request.book_id, before=before, limit=query.limit)
    next_ = found[-1].external_id if len(found) == query.limit else None
    return page_answer([models.model_view(one) for one in found], next_)


async def read_model(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/models/{model}"""
    async with request.services.database.connection() as connection:
        found = await models.get_model(connection, request.book_id, request.ids["model"])
    return json_answer(200, models.model_view(found))


async def read_drift(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/models/{model}/drift"""
    async with request.services.database.connection() as connection:
        model = await models.get_model(connection, request.book_id, request.ids["model"])
        found = await models.list_drift(connection, request.book_id, model.id)
    return json_answer(200, ModelDriftView(data=tuple(_drift(at, report) for at, report in found)))


async def score_row(request: Request[NoQuery, NewScoring]) -> Answer:
    """POST /v1/models/{model}/score; raises `ModelNotFound`, `LibraryMissing`, `InvalidRequest`."""
    await request.take_long_place()
    row = _row_of(request.body.row)
    async with request.services.database.connection() as connection:
        model = await models.get_model(connection, request.book_id, request.ids["model"])
        file = await models.get_file(connection, request.book_id, model.id)
        serving = await models.get_serving(connection, request.book_id, purpose=model.card.purpose)
    made = await asyncio.to_thread(models.score_one, file, row)
    return json_answer(200, score_view(model, made, Terms() if serving is None else serving.terms))


def score_view(model: Registered, made: models.Scoring, terms: Terms) -> ModelScoreView:
    """What a model says of a row."""
    score = made.score
    return ModelScoreView(
        model=model.label, score=score.value, raw=score.raw, why=score.why, missing=score.missing,
        outcome=terms.fallback if score.value is None else models.outcome_of(terms, score.value),
        reasons=tuple(
            ContributionView(
                name=one.name, points=one.points, text=one.text, code=one.code, statement=one.statement
            )
            for one in made.reasons
        ),
    )  # fmt: skip


def _row_of(row: Mapping[str, Any]) -> dict[str, Value]:
    if not 1 <= len(row) <= MAX_VALUES:
        raise InvalidRequest(f"1 to {MAX_VALUES:,} values", field="row")
    for name, value in row.items():
        too_long = isinstance(value, str) and len(value) > MAX_TEXT
        if too_long or not isinstance(value, str | int | float | None):
            detail = f"a number, a text of up to {MAX_TEXT} characters, or null"
            raise InvalidRequest(detail, field=f"row.{name[:64]}")
    return dict(row)


async def read_comparison(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/models/{model}/comparison; raises `ModelNotFound`."""
    await request.take_long_place()
    now = request.services.clock.now()
    async with request.services.database.connection() as connection:
        model = await models.get_model(connection, request.book_id, request.ids["model"])
        found = await risk.compare(connection, request.book_id, model, now=now)
        missed = await models.misses(connection, request.book_id, model, now, found)
    return json_answer(200, comparison_view(model, found, missed))


def comparison_view(
    model: Registered, found: models.Comparison | None, missed: Sequence[str]
) -> ModelComparisonView:
    """How a model does beside the champion."""
    if found is None:
        return ModelComparisonView(model=model.label, rows=0, bad=0, misses=tuple(missed))
    return ModelComparisonView(
        model=model.label, champion=found.champion, rows=found.rows, bad=found.bad, unscored=found.unscored,
        differences=tuple(ModelDifferenceView(**msgspec.structs.asdict(one)) for one in found.differences),
        misses=tuple(missed),
    )  # fmt: skip


async def shadow_model(request: Request[Write, NoBody]) -> Answer:
    """POST /v1/models/{model}/shadow"""
    return await _change(request, Stage.SHADOW)


async def challenge_model(request: Request[Write, NewChallenge]) -> Answer:
    """POST /v1/models/{model}/challenge"""
    body = request.body
    return await _change(request, Stage.CHALLENGER, share=body.share, override=body.override)


async def promote_model(request: Request[Write, NewPromotion]) -> Answer:
    """POST /v1/models/{model}/promote"""
    return await _change(request, Stage.CHAMPION, override=request.body.override)


async def retire_model(request: Request[Write, NewPromotion]) -> Answer:
    """POST /v1/models/{model}/retire"""
    return await _change(request, Stage.RETIRED, override=request.body.override)


async def roll_back(request: Request[Write, NewRollback]) -> Answer:
    """POST /v1/model-serving/rollback"""
    services = request.services

    async def work(connection: Connection) -> Answer:
        return _changed(
            await models.roll_back(
                connection, request.book_id, reason=request.body.reason, purpose=request.body.purpose,
                caller=caller_of(request), ledger=services.ledger, at=services.clock.now(),
            )
        )  # fmt: skip

    return await request.once(work, dry_run=request.query.dry_run)


async def read_serving(request: Request[ServingQuery, NoBody]) -> Answer:
    """GET /v1/model-serving"""
    purpose = request.query.purpose
    async with request.services.database.connection() as connection:
        found = await models.get_serving(connection, request.book_id, purpose=purpose)
    return json_answer(200, models.serving_view(found, purpose))


async def set_terms(request: Request[Write, Terms]) -> Answer:
    """POST /v1/model-serving"""
    services = request.services

    async def work(connection: Connection) -> Answer:
        made = await models.set_terms(
            connection, request.book_id, request.body, caller=caller_of(request), ledger=services.ledger,
            at=services.clock.now(),
        )  # fmt: skip
        if isinstance(made, CaudalError):
            # An answer, and no exception: the audit record of the refusal stays. So it is of all of these.
            return problem(made)
        return json_answer(200, models.serving_view(made))

    return await request.once(work, dry_run=request.query.dry_run)


async def find_serving(request: Request[PageQuery, NoBody]) -> Answer:
    """GET /v1/model-serving/history"""
    query = request.query
    async with request.services.database.connection() as connection:
        found = await models.list_serving(
            connection, request.book_id, before=number(query.cursor), limit=query.limit
        )
    next_ = found[-1].version if len(found) == query.limit else None
    return page_answer([models.serving_view(one) for one in found], next_)


async def _change(request: Request[Write, B], stage: Stage, **more: Any) -> Answer:
    services = request.services
    compared = None
    if stage in (Stage.CHALLENGER, Stage.CHAMPION):
        await request.take_long_place()
        async with services.database.connection() as connection:
            wanted = await models.get_model(connection, request.book_id, request.ids["model"])
            compared = await risk.compare(connection, request.book_id, wanted, now=services.clock.now())

    async def work(connection: Connection) -> Answer:
        model = await models.get_model(connection, request.book_id, request.ids["model"])
        return _changed(
            await models.change_stage(
                connection, request.book_id, model.id, stage, caller=caller_of(request),
                ledger=services.ledger, at=services.clock.now(), compared=compared, **more,
            )
        )  # fmt: skip

    return await request.once(work, dry_run=request.query.dry_run)


def _changed(result: Registered | CaudalError) -> Answer:
    if isinstance(result, CaudalError):
        return problem(result)
    return json_answer(200, models.model_view(result))


def _drift(at: dt.datetime, report: DriftReport) -> DriftView:
    return DriftView(
        measured_at=at, rows=report.rows, score=report.score, inputs=report.inputs, missing=report.missing,
        labels=report.labels, rate=report.rate, trained_rate=report.trained_rate, over=report.over,
    )  # fmt: skip
