"""Models as the API shows them, and as events tell of them."""

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from caudal.models.serving import Registered, ServingVersion, Terms
from caudal.models.types import Kind, Purpose, Stage
from caudal_base import ids

Time = Annotated[dt.datetime, Meta(tz=True)]


class View(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What all of them have in common."""


class MeasuredView(View, frozen=True, kw_only=True):
    """What registration found out about a model, on the machine that registered it."""

    latency_us: float
    """The median of a score."""
    latency_p99_us: float
    broken: tuple[str, ...] = ()
    """What of the contract of models it does not keep to."""


class ToldModelView(View, frozen=True, kw_only=True):
    """A model, but for its card, which never changes."""

    id: str
    name: str
    version: int
    """Of the name."""
    stage: Stage
    kind: Kind
    purpose: Purpose
    hash: str
    """BLAKE2b-256 over card and artifact."""
    size: int
    """Of the artifact, in bytes."""
    registered_at: Time
    registered_by: str
    share: int | None = None
    """Of a challenger: the part of decisions that it makes, in percent."""
    retired_at: Time | None = None
    misses: tuple[str, ...] = ()
    """Of an event: what was missing at the gate when it was overridden, or how it has drifted."""
    reason: str | None = None
    """Of an event: why it was overridden, or taken back."""
    by: str | None = None
    """Of an event: who did it."""


class ModelView(ToldModelView, frozen=True, kw_only=True):
    """A model with its card."""

    card: dict[str, Any]
    """As it was registered: the guide to models describes it."""
    measured: MeasuredView


class ServingView(View, frozen=True, kw_only=True):
    """What serves a purpose in a book, by which terms."""

    id: str
    version: int
    """Of the book; 0: nobody ever said anything, and these are the terms that stand then."""
    purpose: Purpose
    terms: Terms
    champion: str | None = None
    challenger: str | None = None
    share: int = 0
    """The challenger's, in percent."""
    shadows: tuple[str, ...] = ()
    what: str | None = None
    """What made this version: `terms`, `shadow`, `challenge`, `promote`, `retire`, `rollback`."""
    model: str | None = None
    reason: str | None = None
    overridden: tuple[str, ...] = ()
    at: Time | None = None
    by: str | None = None


def model_told(
    model: Registered, *, by: str | None = None, reason: str | None = None, misses: tuple[str, ...] = ()
) -> ToldModelView:
    """What is told of a model."""
    return ToldModelView(
        id=model.external_id, name=model.name, version=model.version, stage=model.stage,
        kind=model.card.kind, purpose=model.card.purpose, hash=model.hash, size=model.size,
        registered_at=model.registered_at, registered_by=model.registered_by, share=model.share,
        retired_at=model.retired_at, misses=misses, reason=reason, by=by,
    )  # fmt: skip


def model_view(model: Registered) -> ModelView:
    """A model with its card."""
    measured = model.measured
    return ModelView(
        **msgspec.structs.asdict(model_told(model)),
        card=msgspec.to_builtins(model.card),
        measured=MeasuredView(
            latency_us=measured.latency_us, latency_p99_us=measured.latency_p99_us, broken=measured.broken
        ),
    )


def serving_id(version: int) -> str:
    """The id of a version of what serves: `msv_…`."""
    return ids.encode(ids.MODEL_SERVING, UUID(int=version))


def serving_view(found: ServingVersion | None, purpose: Purpose = Purpose.FRAUD) -> ServingView:
    """What serves; version 0 where nobody ever said, of `purpose`."""
    if found is None:
        return ServingView(id=serving_id(0), version=0, purpose=purpose, terms=Terms(purpose=purpose))
    return ServingView(
        id=serving_id(found.version), version=found.version, purpose=found.purpose, terms=found.terms,
        champion=None if found.champion is None else ids.encode(ids.MODEL, found.champion),
        challenger=None if found.challenger is None else ids.encode(ids.MODEL, found.challenger),
        share=found.share, shadows=tuple(ids.encode(ids.MODEL, each) for each in found.shadows),
        what=found.what, model=None if found.model is None else ids.encode(ids.MODEL, found.model),
        reason=found.reason, overridden=found.overridden, at=found.at, by=found.by,
    )  # fmt: skip
