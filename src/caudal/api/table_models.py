"""The endpoints of models."""

from typing import Any, Final

from caudal.access import Scope
from caudal.api import models
from caudal.api import models_examples as examples
from caudal.api.bodies import Write
from caudal.api.declaring import action, listing, ok, reading
from caudal.api.endpoint import Endpoint, KeyUse, NoBody, NoQuery, Shape
from caudal.api.queries import PageQuery
from caudal.models import ModelView, ServingView, Terms

_TAG: Final = "Models"
_ID: Final = {"model": examples.LABEL}
_READ, _WRITE, _APPROVE = Scope.MODELS_READ, Scope.MODELS_WRITE, Scope.MODELS_APPROVE
_GATE: Final = (
    "By another than who registered it. What the gate of the book's terms misses is in `missing` of the "
    "refusal; `override` passes it by, which is audited and told. "
)

_MODELS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="POST",
        path="/v1/models",
        name="register_model",
        tag=_TAG,
        summary="Register a model",
        description="It is loaded, tried and measured, and decides nothing yet. Nothing is ever unpickled: "
        "an artifact is LightGBM's text, ONNX, or points by bins. The same content is registered once.",
        handle=models.register_model,
        query=Write,
        body=models.NewModel,
        scope=_WRITE,
        key=KeyUse.ACCEPTED,
        answers={
            201: (Shape(description="Registered.", type=ModelView, example=examples.MODEL),),
            **ok("By `dry_run`, what would be answered.", ModelView, examples.MODEL),
        },
        errors=(404, 422),
        example=examples.NEW_MODEL,
    ),
    listing(
        "/v1/models", "list_models", _TAG, "List models, the newest first", models.find_models, PageQuery,
        scope=_READ, answer="A page.", row=ModelView, example=examples.MODELS,
    ),
    reading(
        "/v1/models/{model}", "get_model", _TAG, "Read a model", models.read_model, scope=_READ,
        description="By its id, by its name and version (`card-fraud@3`), or by its name: the newest.",
        answer="The model.", view=ModelView, example=examples.MODEL, path_ids=_ID,
    ),
    reading(
        "/v1/models/{model}/drift", "get_model_drift", _TAG, "How a model drifts", models.read_drift,
        scope=_READ, description="The 50 newest measurements.", answer="The measurements.",
        view=models.ModelDriftView, example=examples.DRIFT, path_ids=_ID,
    ),
    reading(
        "/v1/models/{model}/comparison", "compare_model", _TAG, "How a model does beside the champion",
        models.read_comparison, scope=_READ,
        description="Both score up to 10,000 decisions whose end a label tells, the newest, and as many "
        "that are old enough to count as good. Left out is what either was trained on, what lacks a feature "
        "of theirs, and declines without a label. Promotion looks at the same: a model that is worse beyond "
        "chance is refused.", answer="The comparison.",
        view=models.ModelComparisonView, example=examples.COMPARISON, path_ids=_ID,
    ),
    Endpoint(
        method="POST",
        path="/v1/models/{model}/score",
        name="score_row",
        tag=_TAG,
        summary="Score a row",
        description="To try a model: nothing is decided, and nothing is kept. A model scores in any stage. "
        "What the row lacks is missing, as in decisions.",
        handle=models.score_row,
        query=NoQuery,
        body=models.NewScoring,
        scope=_READ,
        key=KeyUse.NONE,
        answers=ok("What it says, and why.", models.ModelScoreView, examples.SCORE),
        errors=(400, 404, 422, 503),
        example=examples.NEW_SCORING,
        path_ids=_ID,
    ),
    action(
        "/v1/models/{model}/shadow", "shadow_model", _TAG, "Let a model score, and decide nothing",
        models.shadow_model, scope=_WRITE,
        description="Its scores are kept with the decisions. At most 8 models are shadows at a time.",
        answer="A shadow.", view=ModelView, example=examples.MODEL_SHADOW, errors=(404, 409), path_ids=_ID,
    ),
    action(
        "/v1/models/{model}/challenge", "challenge_model", _TAG, "Let a model decide a share",
        models.challenge_model, scope=_APPROVE, description=_GATE + "The same keys always go to it.",
        body=models.NewChallenge, body_example=examples.NEW_CHALLENGE, answer="A challenger.",
        view=ModelView, example=examples.MODEL_CHALLENGER, errors=(404, 409, 422), path_ids=_ID,
    ),
    action(
        "/v1/models/{model}/promote", "promote_model", _TAG, "Let a model decide", models.promote_model,
        scope=_APPROVE, description=_GATE + "The champion before it is retired.", body=models.NewPromotion,
        body_example=examples.NEW_PROMOTION, answer="The champion.", view=ModelView,
        example=examples.MODEL_CHAMPION, errors=(404, 409, 422), path_ids=_ID,
    ),
    action(
        "/v1/models/{model}/retire", "retire_model", _TAG, "Retire a model", models.retire_model,
        scope=_APPROVE,
        description="It decides and scores nothing any more. Of the champion `override` says why.",
        body=models.NewPromotion, body_example=examples.NEW_PROMOTION, answer="Retired.", view=ModelView,
        example=examples.MODEL_RETIRED, errors=(404, 409, 422), path_ids=_ID,
    ),
)  # fmt: skip

_SERVING: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="GET",
        path="/v1/model-serving",
        name="get_model_serving",
        tag=_TAG,
        summary="Who decides, by which terms",
        handle=models.read_serving,
        query=models.ServingQuery,
        body=NoBody,
        scope=_READ,
        answers=ok("What serves now.", ServingView, examples.SERVING),
    ),
    action(
        "/v1/model-serving", "set_model_terms", _TAG, "Set thresholds, fallback, gate, bounds of drift",
        models.set_terms, scope=_APPROVE, description="All of them: what is left out is as by default.",
        body=Terms, body_example=examples.TERMS, answer="What serves now.", view=ServingView,
        example=examples.CHANGED, errors=(404, 422), path_ids={},
    ),
    action(
        "/v1/model-serving/rollback", "roll_back_model", _TAG, "Go back to the champion before",
        models.roll_back, scope=_APPROVE,
        description="From the next decision on; the gate is not asked. The present champion is retired.",
        body=models.NewRollback, body_example=examples.NEW_ROLLBACK, answer="The champion.", view=ModelView,
        example=examples.MODEL_CHAMPION, errors=(404, 409, 422), path_ids={},
    ),
    listing(
        "/v1/model-serving/history", "list_model_serving", _TAG, "List what served, the newest first",
        models.find_serving, PageQuery, scope=_READ, answer="A page.", row=ServingView,
        example=examples.HISTORY,
    ),
)  # fmt: skip

ENDPOINTS: Final = (*_MODELS, *_SERVING)
"""What the document shows of models."""
