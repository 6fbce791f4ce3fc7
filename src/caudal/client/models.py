"""`caudal.models`"""

import base64
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from caudal.client.bodies import ListQuery, Write
from caudal.client.ids import new_idempotency_key
from caudal.client.listing import Rows
from caudal.client.model_types import (
    Model,
    ModelComparison,
    ModelDrifts,
    ModelScore,
    ModelServing,
    ModelServingQuery,
    ModelTerms,
    NewModel,
    NewModelChallenge,
    NewModelPromotion,
    NewModelRollback,
    NewModelScoring,
)
from caudal.client.sending import Sender, segment
from caudal.client.types import Page

_MODELS = "/v1/models"
_SERVING = "/v1/model-serving"

T = TypeVar("T", Model, ModelServing)


class Models:
    """Models of fraud and credit: registered, shadowed, promoted past a gate, rolled back."""

    def __init__(self, sender: Sender) -> None:
        """Made by `Caudal`."""
        self._sender = sender

    async def register(
        self, card: Mapping[str, Any], artifact: bytes, *, hash: str | None = None,
        idempotency_key: str | None = None, dry_run: bool = False,
    ) -> Model:  # fmt: skip
        """Keep a model. It decides nothing yet.

        Raises `Unprocessable`: `model_corrupt`, `model_invalid`, `model_schema_unknown`,
        `model_hash_mismatch`.
        """
        body = NewModel(card=card, artifact=base64.b64encode(artifact).decode(), hash=hash)
        return await self._write(Model, _MODELS, body, idempotency_key, dry_run)

    def list(self, *, cursor: str | None = None, page_size: int | None = None) -> Rows[Model]:
        """Every model, the newest first."""
        return Rows(self._sender, Page[Model], _MODELS, ListQuery(cursor=cursor, limit=page_size))

    async def get(self, id: str) -> Model:
        """A model by its id, its name and version (`card-fraud@3`), or its name: the newest."""
        return await self._sender.read(Model, f"{_MODELS}/{segment(id)}")

    async def drift(self, id: str) -> ModelDrifts:
        """How far a model has drifted, each time that it was measured."""
        return await self._sender.read(ModelDrifts, f"{_MODELS}/{segment(id)}/drift")

    async def compare(self, id: str) -> ModelComparison:
        """How a model does beside the champion, on what neither was trained on and whose end is known."""
        return await self._sender.read(ModelComparison, f"{_MODELS}/{segment(id)}/comparison")

    async def score(self, id: str, row: Mapping[str, str | float | None]) -> ModelScore:
        """Have a model score a row, to try it: nothing is decided, and nothing is kept."""
        body, key = NewModelScoring(row=row), new_idempotency_key()
        return await self._sender.write(ModelScore, f"{_MODELS}/{segment(id)}/score", body, key=key)

    async def shadow(self, id: str, *, idempotency_key: str | None = None, dry_run: bool = False) -> Model:
        """Let a model score, and decide nothing. Raises `Conflict`."""
        return await self._act(id, "shadow", None, idempotency_key, dry_run)

    async def challenge(
        self, id: str, *, share: int, override: str | None = None, idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Model:  # fmt: skip
        """Let a model decide a share, in percent, of what comes: always of the same keys.

        Raises `Conflict` for who registered it, or a stage that does not allow it; `Unprocessable`
        (`model_gate_closed`), whose `problem.missing` says what the gate misses.
        """
        body = NewModelChallenge(share=share, override=override)
        return await self._act(id, "challenge", body, idempotency_key, dry_run)

    async def promote(
        self, id: str, *, override: str | None = None, idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Model:  # fmt: skip
        """Let a model decide. Raises as `challenge` does."""
        body = NewModelPromotion(override=override)
        return await self._act(id, "promote", body, idempotency_key, dry_run)

    async def retire(
        self, id: str, *, override: str | None = None, idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Model:  # fmt: skip
        """Have a model do nothing any more; of the champion `override` says why. Raises `Conflict`."""
        body = NewModelPromotion(override=override)
        return await self._act(id, "retire", body, idempotency_key, dry_run)

    async def roll_back(
        self, reason: str, *, purpose: str = "fraud", idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Model:  # fmt: skip
        """Let the champion before the present one decide again. Raises `Conflict` where there was none."""
        body = NewModelRollback(reason=reason, purpose=purpose)
        return await self._write(Model, f"{_SERVING}/rollback", body, idempotency_key, dry_run)

    async def serving(self, purpose: str = "fraud") -> ModelServing:
        """Who decides on payments (`fraud`) or applications (`credit`), by which terms."""
        return await self._sender.read(ModelServing, _SERVING, query=ModelServingQuery(purpose=purpose))

    async def set_terms(
        self, terms: ModelTerms, *, idempotency_key: str | None = None, dry_run: bool = False
    ) -> ModelServing:
        """Set thresholds, fallback, gate and bounds of drift. Raises `Unprocessable`."""
        return await self._write(ModelServing, _SERVING, terms, idempotency_key, dry_run)

    def history(self, *, cursor: str | None = None, page_size: int | None = None) -> Rows[ModelServing]:
        """All that ever served, the newest first."""
        query = ListQuery(cursor=cursor, limit=page_size)
        return Rows(self._sender, Page[ModelServing], f"{_SERVING}/history", query)

    async def _act(
        self, id: str, what: str, body: msgspec.Struct | None, key: str | None, dry_run: bool
    ) -> Model:
        return await self._write(Model, f"{_MODELS}/{segment(id)}/{what}", body, key, dry_run)

    async def _write(
        self, type_: type[T], path: str, body: msgspec.Struct | None, key: str | None, dry_run: bool
    ) -> T:
        key = key or new_idempotency_key()
        return await self._sender.write(type_, path, body, key=key, query=Write(dry_run=dry_run))
