"""How models change places: from which stage to which, by whom, and what it takes. Pure."""

import datetime as dt
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from caudal.models import gate
from caudal.models.comparing import Comparison
from caudal.models.errors import GateClosed, SamePerson, StageRefused
from caudal.models.serving import Registered, ServingVersion, Terms
from caudal.models.types import Purpose, Stage
from caudal_base.errors import InvalidRequest

MAX_SHADOWS: Final = 8
"""Each scores every decision."""

VERBS: Final = {
    Stage.REGISTERED: "register",
    Stage.SHADOW: "shadow",
    Stage.CHALLENGER: "challenge",
    Stage.CHAMPION: "promote",
    Stage.RETIRED: "retire",
}

FROM: Final = {
    Stage.SHADOW: frozenset({Stage.REGISTERED, Stage.CHALLENGER, Stage.RETIRED}),
    Stage.CHALLENGER: frozenset({Stage.SHADOW, Stage.CHALLENGER}),
    Stage.CHAMPION: frozenset({Stage.SHADOW, Stage.CHALLENGER}),
    Stage.RETIRED: frozenset({Stage.REGISTERED, Stage.SHADOW, Stage.CHALLENGER}),
}
"""By stage, from which it is reached. By an override also from `registered`, and a champion retires."""

_BEGINNING: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """What serves after a change."""

    what: str
    champion: UUID | None
    challenger: UUID | None
    share: int
    shadows: tuple[UUID, ...]
    retired: tuple[UUID, ...] = ()
    displaced: UUID | None = None
    """Another model that had its place."""
    overridden: tuple[str, ...] = ()
    """What the gate missed."""


def next_of(serving: ServingVersion | None, purpose: Purpose) -> ServingVersion:
    """What serves a purpose next, as yet unchanged and without a number."""
    if serving is None:
        return ServingVersion(version=0, terms=Terms(purpose=purpose), what="terms", at=_BEGINNING, by="")
    return msgspec.structs.replace(serving, version=0)


def move(
    model: Registered, serving: ServingVersion | None, stage: Stage, *, share: int | None,
    override: str | None, by: UUID, at: dt.datetime, compared: Comparison | None = None,
) -> Move:  # fmt: skip
    """What serves once a model has a stage.

    Raises `StageRefused`, `SamePerson`, `GateClosed`, and `InvalidRequest` for a share that cannot be.
    """
    now = next_of(serving, model.card.purpose)
    _refuse_step(model, stage, override)
    spare_us = now.terms.deadline_ms * 1_000 // 2
    if stage is Stage.SHADOW and model.measured.latency_us > spare_us:
        raise StageRefused(
            f"a score takes {model.measured.latency_us:,.0f} µs; all shadows of a batch have {spare_us:,}",
            field="stage",
        )
    wanted = stage is Stage.CHALLENGER
    if (share is not None) != wanted or (share is not None and not 1 <= share <= 99):
        raise InvalidRequest("a challenger, and no other, has a share of 1 to 99 percent", field="share")
    missed: tuple[str, ...] = ()
    if stage in (Stage.CHALLENGER, Stage.CHAMPION):
        if by == model.registrar:
            raise SamePerson(f"{model.registered_by} registered it, and cannot let it decide", field="id")
        missed = tuple(gate.misses(model, now.terms.gate, at, compared))
        if model.stage is Stage.REGISTERED:
            missed = (*missed, "shadow: it never was one")
        if missed and override is None:
            raise GateClosed("; ".join(missed), missing=list(missed))
    return _placed(model.id, now, stage, share, missed)


def _placed(id: UUID, now: ServingVersion, stage: Stage, share: int | None, missed: tuple[str, ...]) -> Move:
    champion = None if now.champion == id else now.champion
    challenger = None if now.challenger == id else now.challenger
    shadows = tuple(each for each in now.shadows if each != id)
    displaced: UUID | None = None
    match stage:
        case Stage.SHADOW:
            if len(shadows) >= MAX_SHADOWS:
                raise StageRefused(f"there are {MAX_SHADOWS} shadows already", field="stage")
            shadows = (*shadows, id)
        case Stage.CHALLENGER:
            if champion is None:
                raise StageRefused("there is no champion to challenge", field="stage")
            challenger, displaced = id, challenger
        case Stage.CHAMPION:
            champion, displaced = id, champion
    retired = [id] if stage is Stage.RETIRED else []
    return Move(
        what=VERBS[stage], champion=champion, challenger=challenger,
        share=0 if challenger is None else share or now.share, shadows=shadows,
        retired=(*retired, *([] if displaced is None else [displaced])), displaced=displaced,
        overridden=missed,
    )  # fmt: skip


def before(champions: Sequence[tuple[str, UUID]]) -> UUID | None:
    """Who is the champion again once the last one is taken back; None: nobody was promoted before it.

    `champions` are the changes so far, as `promote` or `rollback`, each with who was the champion from then
    on. What was taken back is not gone back to, unless it has been promoted once more.
    """
    standing: list[UUID] = []
    for what, champion in champions:
        if what == "rollback" and champion in standing:
            while standing[-1] != champion:
                standing.pop()
        elif not standing or standing[-1] != champion:
            standing.append(champion)
    return standing[-2] if len(standing) > 1 else None


def back(serving: ServingVersion, earlier: UUID) -> Move:
    """What serves once the champion before the present one is it again."""
    champion = serving.champion
    challenger = None if serving.challenger == earlier else serving.challenger
    return Move(
        what="rollback", champion=earlier, challenger=challenger,
        share=serving.share if challenger is not None else 0,
        shadows=tuple(each for each in serving.shadows if each != earlier),
        retired=() if champion is None else (champion,), displaced=champion,
    )  # fmt: skip


def _refuse_step(model: Registered, stage: Stage, override: str | None) -> None:
    if stage is Stage.REGISTERED:
        raise StageRefused("a model is registered once", field="stage")
    if model.stage in FROM[stage]:
        return
    if override is not None:
        if stage is Stage.CHAMPION and model.stage is Stage.REGISTERED:
            return
        if stage is Stage.RETIRED and model.stage is Stage.CHAMPION:
            return
    raise StageRefused(f"it is {model.stage.value}, and cannot be {stage.value} from there", field="stage")
