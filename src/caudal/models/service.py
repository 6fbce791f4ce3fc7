"""Models from registration to retirement. Nothing here opens or commits a transaction.

    prepared = await asyncio.to_thread(models.prepare, content)     # checks, loads, measures: no database
    async with database.transaction() as connection:
        kept = await models.register(connection, book_id, prepared, caller=…, ledger=ledger, at=clock.now())
        await models.change_stage(connection, book_id, kept.id, Stage.SHADOW, caller=…, …)

What is refused leaves an audit record too: such refusals are results, so that the caller commits them.
"""

import datetime as dt
import re
from typing import Any, Final
from uuid import UUID

import msgspec

from caudal import audit, events
from caudal.access import Caller
from caudal.events import NewEvent
from caudal.ledger import Ledger
from caudal.models import format as model_format
from caudal.models import gate, moves, store, trial
from caudal.models.comparing import Comparison
from caudal.models.drift import DriftReport
from caudal.models.errors import ModelNotFound, NothingToRollBack
from caudal.models.moves import Move
from caudal.models.serving import (
    Measured,
    Registered,
    ServingVersion,
    Terms,
    refuse_terms,
    stage_of,
)
from caudal.models.types import ModelFile, Purpose, Stage
from caudal.models.views import model_told, serving_id, serving_view
from caudal_base import ids
from caudal_base.clock import ManualClock
from caudal_base.database import Connection
from caudal_base.errors import CaudalError, InvalidRequest
from caudal_base.ids import IdSource
from caudal_base.personal import refuse_personal

MAX_PAGE: Final = 1_000
MAX_REASON: Final = 200

_LABEL: Final = re.compile(r"([a-z][a-z0-9_-]{0,62})(?:@([1-9][0-9]{0,8}))?", re.ASCII)
_TOLD: Final = {
    Stage.SHADOW: "shadowed",
    Stage.CHALLENGER: "challenging",
    Stage.CHAMPION: "promoted",
    Stage.RETIRED: "retired",
}


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A model that was loaded, tried and measured on this machine."""

    file: ModelFile
    measured: Measured


def prepare(content: bytes | ModelFile) -> Prepared:
    """Check, load, try and measure a model: a second or two, without the database.

    Models that are run by a library are tried in a process of their own, which they may end.

    Raises `ModelCorrupt`, `ModelSchemaUnknown`, `ModelHashMismatch`, `ModelInvalid`, `LibraryMissing`.
    """
    file = content if isinstance(content, ModelFile) else model_format.unpack(content)
    return Prepared(file=file, measured=trial.try_model(file))


async def register(
    connection: Connection, book_id: int, prepared: Prepared, *, caller: Caller, ledger: Ledger,
    at: dt.datetime,
) -> Registered:  # fmt: skip
    """Keep a model as the next version of its name; one that is there already is answered as it is.

    Raises `BookNotFound`.
    """
    recorded_at = await ledger.lock(connection, book_id)
    known = await store.by_hash(connection, book_id, prepared.file.hash)
    if known is not None:
        await _audit(connection, book_id, "models.register", known.label, "unchanged", caller, at)
        return await _staged(connection, book_id, known)
    moment = max(at, recorded_at)
    id = IdSource(ManualClock(moment)).new()
    version = await store.insert(
        connection, book_id, id, prepared.file, prepared.measured, at=at, by=caller.principal.actor,
        registrar=caller.principal.id,
    )  # fmt: skip
    kept = Registered(
        id=id, name=prepared.file.card.name, version=version, hash=prepared.file.hash,
        card=prepared.file.card, measured=prepared.measured, registered_at=at,
        registered_by=caller.principal.actor, registrar=caller.principal.id,
        size=len(prepared.file.artifact), stage=Stage.REGISTERED,
    )  # fmt: skip
    await _audit(connection, book_id, "models.register", kept.label, "registered", caller, at)
    await events.tell(connection, book_id, [_of_model(kept, "registered", moment)])
    return kept


async def change_stage(
    connection: Connection, book_id: int, id: UUID, stage: Stage, *, caller: Caller, ledger: Ledger,
    at: dt.datetime, share: int | None = None, override: str | None = None,
    compared: Comparison | None = None,
) -> Registered | CaudalError:  # fmt: skip
    """Let a model be a shadow, a challenger with a `share` in percent, the champion, or retired.

    Who lets it decide is another than who registered it, and it must pass the gate, or `override` says why
    not: that is audited, and told. `compared` is how it does beside the champion (`risk.compare`). The error
    is `ModelNotFound`, `StageRefused`, `SamePerson`, `GateClosed`, or `InvalidRequest` for a share or reason
    that cannot be. Raises `BookNotFound`.
    """
    recorded_at = await ledger.lock(connection, book_id)
    action = f"models.{moves.VERBS[stage]}"
    found = await store.get(connection, book_id, id)
    if found is None:
        refused: CaudalError = ModelNotFound("the book has no such model", field="id")
        await _audit(connection, book_id, action, ids.encode(ids.MODEL, id), refused.code, caller, at)
        return refused
    serving = await store.serving(connection, book_id, found.card.purpose)
    model = await _staged(connection, book_id, found, serving)
    try:
        _refuse_reason(override, "override")
        move = moves.move(
            model, serving, stage, share=share, override=override, by=caller.principal.id, at=at,
            compared=compared,
        )  # fmt: skip
    except CaudalError as error:
        await _audit(connection, book_id, action, model.label, error.code, caller, at)
        return error
    kept = await _carry_out(connection, book_id, move, model, serving, caller, at, override)
    details: dict[str, Any] = {"version": kept.version, "missed": list(move.overridden)}
    if override is not None and move.overridden:
        details["override"] = override
    await _audit(connection, book_id, action, model.label, stage.value, caller, at, details)
    moment = max(at, recorded_at)
    told = []
    for one, what in ((model.id, _TOLD[stage]), (move.displaced, "retired")):
        if one is not None:
            changed = await _model(connection, book_id, one, kept)
            told.append(_of_model(changed, what, moment, caller, override, move.overridden))
    await events.tell(connection, book_id, told)
    return await _model(connection, book_id, id, kept)


async def roll_back(
    connection: Connection, book_id: int, *, reason: str, caller: Caller, ledger: Ledger, at: dt.datetime,
    purpose: Purpose = Purpose.FRAUD,
) -> Registered | CaudalError:  # fmt: skip
    """Let the champion before the present one decide again, at once: the gate has nothing to say.

    The present one is retired. Once more goes back once further, to what was promoted before that one. The
    error is `NothingToRollBack`, or `InvalidRequest` for a reason that cannot be. Raises `BookNotFound`.
    """
    recorded_at = await ledger.lock(connection, book_id)
    serving = await store.serving(connection, book_id, purpose)
    champion = None if serving is None else serving.champion
    earlier = moves.before(await store.champions(connection, book_id, purpose))
    try:
        _refuse_reason(reason, "reason")
        if serving is None or earlier is None:
            raise NothingToRollBack("no champion was promoted before the present one")
    except CaudalError as error:
        await _audit(connection, book_id, "models.rollback", "champion", error.code, caller, at)
        return error
    model = await _model(connection, book_id, earlier, serving)
    move = moves.back(serving, earlier)
    kept = await _carry_out(connection, book_id, move, model, serving, caller, at, reason)
    await _audit(
        connection, book_id, "models.rollback", model.label, "champion", caller, at,
        {"version": kept.version, "reason": reason},
    )  # fmt: skip
    moment = max(at, recorded_at)
    back = await _model(connection, book_id, earlier, kept)
    told = [_of_model(back, "promoted", moment, caller, reason)]
    if champion is not None:
        taken = await _model(connection, book_id, champion, kept)
        told.append(_of_model(taken, "retired", moment, caller, reason))
    await events.tell(connection, book_id, told)
    return back


async def set_terms(
    connection: Connection, book_id: int, terms: Terms, *, caller: Caller, ledger: Ledger, at: dt.datetime
) -> ServingVersion | CaudalError:
    """Set thresholds, fallback, gate and bounds of drift of a purpose. The error is `ServingInvalid`.

    Raises `BookNotFound`.
    """
    recorded_at = await ledger.lock(connection, book_id)
    try:
        refuse_terms(terms)
    except CaudalError as error:
        await _audit(connection, book_id, "models.terms", "serving", error.code, caller, at)
        return error
    before = await store.serving(connection, book_id, terms.purpose)
    made = msgspec.structs.replace(
        moves.next_of(before, terms.purpose), terms=terms, what="terms", model=None, reason=None,
        overridden=(), at=at, by=caller.principal.actor,
    )  # fmt: skip
    made = await store.serve(connection, book_id, made)
    await _audit(connection, book_id, "models.terms", f"serving@{made.version}", "set", caller, at)
    moment = max(at, recorded_at)
    told = NewEvent(
        type="model_serving.changed", object_type="model_serving",
        object_id=serving_id(made.version), at=moment, data=serving_view(made),
    )  # fmt: skip
    await events.tell(connection, book_id, [told])
    return made


async def get_model(connection: Connection, book_id: int, reference: str) -> Registered:
    """A model by its id (`mdl_…`), its name and version (`card-fraud@3`), or its name: the newest.

    Raises `ModelNotFound`.
    """
    match = _LABEL.fullmatch(reference)
    if reference.startswith(f"{ids.MODEL}_"):
        found = await store.get(connection, book_id, ids.decode(ids.MODEL, reference))
    elif match is None:
        raise ModelNotFound("a model is called mdl_…, name@3, or name", field="id")
    else:
        found = await store.by_name(connection, book_id, match[1], int(match[2]) if match[2] else None)
    if found is None:
        raise ModelNotFound("the book has no such model", field="id")
    return await _staged(connection, book_id, found)


async def get_registered(connection: Connection, book_id: int, id: UUID) -> Registered:
    """A model by its id, inside. Raises `ModelNotFound`."""
    return await _model(connection, book_id, id, None)


async def list_models(
    connection: Connection, book_id: int, *, before: UUID | None = None, limit: int = 50
) -> list[Registered]:
    """Up to `limit` models that were registered before one, the newest first."""
    _refuse_page(limit)
    serving = {purpose: await store.serving(connection, book_id, purpose) for purpose in Purpose}
    found = await store.page(connection, book_id, before=before, limit=limit)
    return [await _staged(connection, book_id, model, serving[model.card.purpose]) for model in found]


async def get_file(connection: Connection, book_id: int, id: UUID) -> ModelFile:
    """A model whole, with its artifact. Raises `ModelNotFound`, `ModelHashMismatch`."""
    for _, _, _, hash_, card, artifact in await store.contents(connection, book_id, [id]):
        return model_format.read(card, artifact, expected=hash_)
    raise ModelNotFound("the book has no such model", field="id")


async def get_serving(
    connection: Connection, book_id: int, *, purpose: Purpose = Purpose.FRAUD, version: int | None = None
) -> ServingVersion | None:
    """What serves a purpose, or what a version was; None: nobody ever said, or there is no such version."""
    if version is not None:
        return await store.served(connection, book_id, version)
    return await store.serving(connection, book_id, purpose)


async def list_serving(
    connection: Connection, book_id: int, *, before: int | None = None, limit: int = 50
) -> list[ServingVersion]:
    """Up to `limit` versions of what served, below `before`, the newest first."""
    _refuse_page(limit)
    return await store.history(connection, book_id, before=before, limit=limit)


async def misses(
    connection: Connection, book_id: int, model: Registered, at: dt.datetime,
    compared: Comparison | None = None,
) -> list[str]:  # fmt: skip
    """What a model does not meet of the book's gate; `compared` is how it does beside the champion."""
    serving = await store.serving(connection, book_id, model.card.purpose)
    terms = Terms() if serving is None else serving.terms
    return gate.misses(model, terms.gate, at, compared)


async def note_drift(
    connection: Connection, book_id: int, id: UUID, report: DriftReport, *, ledger: Ledger,
    at: dt.datetime,
) -> None:  # fmt: skip
    """Keep what came of `look`, which needs no lock, and tell of drift as it begins.

    Told is where something is over its bound that was not so the last time: not the same with each look.
    Raises `BookNotFound`, `ModelNotFound`.
    """
    recorded_at = await ledger.lock(connection, book_id)
    model = await _model(connection, book_id, id, None)
    last = await store.drifts(connection, book_id, id, before=at, limit=1)
    await store.note_drift(connection, book_id, id, report, at)
    known = {_what(text) for text in last[0][1].over} if last else set()
    if not known.issuperset(map(_what, report.over)):
        moment = max(at, recorded_at)
        told = _of_model(model, "drifted", moment, missed=report.over)
        await events.tell(connection, book_id, [told])


def _what(over: str) -> str:
    """What has drifted: `score`, `input payment.amount`, `label`."""
    return over.partition(":")[0]


async def list_drift(
    connection: Connection, book_id: int, id: UUID, *, before: dt.datetime | None = None, limit: int = 50
) -> list[tuple[dt.datetime, DriftReport]]:
    """What came of looking at a model's drift, and when, the newest first."""
    _refuse_page(limit)
    latest = dt.datetime.max.replace(tzinfo=dt.UTC)
    return await store.drifts(connection, book_id, id, before=before or latest, limit=limit)


async def _carry_out(
    connection: Connection, book_id: int, move: Move, model: Registered, serving: ServingVersion | None,
    caller: Caller, at: dt.datetime, reason: str | None,
) -> ServingVersion:  # fmt: skip
    made = msgspec.structs.replace(
        moves.next_of(serving, model.card.purpose), champion=move.champion, challenger=move.challenger,
        share=move.share, shadows=move.shadows, what=move.what, model=model.id, reason=reason,
        overridden=move.overridden, at=at, by=caller.principal.actor,
    )  # fmt: skip
    made = await store.serve(connection, book_id, made)
    for id in move.retired:
        await store.retire(connection, book_id, id, at)
    if model.retired_at is not None and model.id not in move.retired:
        await store.retire(connection, book_id, model.id, None)
    return made


async def _model(
    connection: Connection, book_id: int, id: UUID, serving: ServingVersion | None
) -> Registered:
    found = await store.get(connection, book_id, id)
    if found is None:
        raise ModelNotFound("the book has no such model", field="id")
    return await _staged(connection, book_id, found, serving)


async def _staged(
    connection: Connection, book_id: int, model: Registered, serving: ServingVersion | None = None
) -> Registered:
    """The model with its stage."""
    now = serving or await store.serving(connection, book_id, model.card.purpose)
    stage = stage_of(model.id, now, model.retired_at)
    since = None
    if stage is Stage.SHADOW:
        since = await store.shadow_since(connection, book_id, model.id)
    share = now.share if now is not None and stage is Stage.CHALLENGER else None
    return msgspec.structs.replace(model, stage=stage, share=share, shadow_since=since)


def _of_model(
    model: Registered, what: str, at: dt.datetime, caller: Caller | None = None, reason: str | None = None,
    missed: tuple[str, ...] = (),
) -> NewEvent:  # fmt: skip
    by = None if caller is None else caller.principal.actor
    data = model_told(model, by=by, reason=reason, misses=missed)
    return NewEvent(type=f"model.{what}", object_type="model", object_id=data.id, at=at, data=data)


def _refuse_reason(reason: str | None, field: str) -> None:
    if reason is None:
        return
    if not (1 <= len(reason) <= MAX_REASON and reason.isprintable()):
        raise InvalidRequest(f"1 to {MAX_REASON} printable characters", field=field)
    refuse_personal(reason, field)


def _refuse_page(limit: int) -> None:
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidRequest(f"a page has 1 to {MAX_PAGE} rows", field="limit")


async def _audit(
    connection: Connection, book_id: int, action: str, object_id: str, result: str, caller: Caller,
    at: dt.datetime, details: audit.Details | None = None,
) -> None:  # fmt: skip
    record = audit.Record(
        book_id=book_id, at=at, principal=caller.principal.actor, action=action, object_id=object_id,
        request_id=caller.request_id, result=result, details=details or {}, origin=caller.origin,
    )  # fmt: skip
    await audit.append(connection, [record])
