"""`caudal models`: register models, let them decide, take them back, see how they drift."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from caudal import models, risk
from caudal.access import Scope
from caudal.cli.acting import KeyOption, acting, committed
from caudal.cli.exits import Exit
from caudal.cli.frame import Call, command, group
from caudal.cli.models_shapes import (
    show_comparison,
    show_drift,
    show_facts,
    show_history,
    show_model,
    show_models,
    show_score,
    show_serving,
)
from caudal.cli.models_train import train
from caudal.cli.operator import Operator, on_database
from caudal.cli.options import DEFAULT_LIMIT, AfterOption, BookOption, LimitOption, number_of
from caudal.cli.requests import FileArgument, read_json
from caudal.cli.setup import FIRST_BOOK
from caudal.ledger import BookInfo, Ledger
from caudal.models import Comparison, Purpose, Registered, Stage, Terms, Value
from caudal_base import ids
from caudal_base.errors import PayloadTooLarge

app = group("Models of fraud and credit: train, register, shadow, promote, roll back; how they drift.")

app.add_typer(train, name="train")

ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="`card-fraud@3`, `card-fraud` for the newest, or `mdl_…`.")
]
ModelFileArgument = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="A model file (*.caudal-model), as `caudal models train` writes."),
]
PurposeOption = Annotated[
    Purpose, typer.Option(help="Of models that decide on payments (fraud), or on applications (credit).")
]
OverrideOption = Annotated[
    str | None,
    typer.Option(metavar="REASON", help="Pass by what is missing; kept in the audit log. No personal data."),
]


@on_database(app, "register")
async def register(
    operator: Operator, file: ModelFileArgument, key_file: KeyOption = None, book: BookOption = FIRST_BOOK
) -> None:
    """Keep the model in FILE. It is loaded, tried and measured here, and decides nothing yet."""
    found, caller = await acting(operator, book, key_file, Scope.MODELS_WRITE)
    prepared = await asyncio.to_thread(models.prepare, _content(file))
    async with operator.database.transaction() as connection:
        kept = await models.register(
            connection, found.book_id, prepared, caller=caller, ledger=Ledger(operator.clock),
            at=operator.clock.now(),
        )  # fmt: skip
    await _answer(operator, found, kept)


@command(app, "check")
def check(call: Call, file: ModelFileArgument) -> Exit | None:
    """Load the model in FILE and check that it keeps to the contract: no database. 1 if it does not."""
    prepared = models.prepare(_content(file))
    measured, card = prepared.measured, prepared.file.card
    told = {
        "name": card.name, "kind": card.kind, "hash": prepared.file.hash, "inputs": len(card.inputs),
        "latency_us": measured.latency_us, "latency_p99_us": measured.latency_p99_us,
        "broken": measured.broken,
    }  # fmt: skip
    call.terminal.answer(told, lambda out: show_facts(out, told))
    return Exit.REFUSED if measured.broken else None


@on_database(app, "list")
async def list_(
    operator: Operator,
    limit: LimitOption = DEFAULT_LIMIT,
    after: AfterOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """List models, the newest first."""
    found = await operator.book(book)
    size = min(limit, 1_000)
    before = None if after is None else ids.decode(ids.MODEL, after, field="after")
    async with operator.database.connection() as connection:
        kept = await models.list_models(connection, found.book_id, before=before, limit=size)
    views = [models.model_view(one) for one in kept]
    cursor = views[-1].id if len(views) == size else None
    operator.terminal.answer(
        {"data": msgspec.to_builtins(views), "next_cursor": cursor},
        lambda out: show_models(out, views, cursor),
    )


@on_database(app, "show")
async def show(operator: Operator, model: ModelArgument, book: BookOption = FIRST_BOOK) -> None:
    """Show a model: its stage, its card, and what the gate would say of it."""
    found = await operator.book(book)
    async with operator.database.connection() as connection:
        kept = await models.get_model(connection, found.book_id, model)
        compared = await risk.compare(connection, found.book_id, kept, now=operator.clock.now())
    await _answer(operator, found, kept, compared)


@on_database(app, "compare")
async def compare(operator: Operator, model: ModelArgument, book: BookOption = FIRST_BOOK) -> None:
    """Hold a model against the champion, on decisions whose end is known: the difference, with intervals."""
    found = await operator.book(book)
    now = operator.clock.now()
    async with operator.database.connection() as connection:
        kept = await models.get_model(connection, found.book_id, model)
        compared = await risk.compare(connection, found.book_id, kept, now=now)
        missed = await models.misses(connection, found.book_id, kept, now, compared)
    told = {
        "model": kept.label, "compared": None if compared is None else msgspec.to_builtins(compared),
        "gate": missed,
    }  # fmt: skip
    operator.terminal.answer(told, lambda out: show_comparison(out, kept.label, compared, missed))


@on_database(app, "export")
async def export(
    operator: Operator,
    model: ModelArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; it must not exist.")],
    book: BookOption = FIRST_BOOK,
) -> None:
    """Write a model's file, byte for byte as it was registered."""
    found = await operator.book(book)
    async with operator.database.connection() as connection:
        kept = await models.get_model(connection, found.book_id, model)
        content = models.content_of(await models.get_file(connection, found.book_id, kept.id))
    with file.open("xb") as opened:
        opened.write(content)
    told = {"model": kept.label, "file": str(file), "bytes": len(content)}
    operator.terminal.answer(told, lambda out: show_facts(out, told))


@on_database(app, "shadow")
async def shadow(
    operator: Operator, model: ModelArgument, key_file: KeyOption = None, book: BookOption = FIRST_BOOK
) -> None:
    """Let a model score what is decided, and decide nothing: its scores are kept with the decisions."""
    await _change(operator, model, Stage.SHADOW, book, key_file, Scope.MODELS_WRITE)


@on_database(app, "challenge")
async def challenge(
    operator: Operator,
    model: ModelArgument,
    share: Annotated[int, typer.Option(min=1, max=99, help="How much of the decisions, in percent.")],
    override: OverrideOption = None,
    key_file: KeyOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Let a model decide a share, always of the same keys; by another person than registered it."""
    await _change(
        operator,
        model,
        Stage.CHALLENGER,
        book,
        key_file,
        Scope.MODELS_APPROVE,
        share=share,
        override=override,
    )  # fmt: skip


@on_database(app, "promote")
async def promote(
    operator: Operator,
    model: ModelArgument,
    override: OverrideOption = None,
    key_file: KeyOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Let a model decide, by another person than registered it: see --key-file. The gate must be passed."""
    await _change(operator, model, Stage.CHAMPION, book, key_file, Scope.MODELS_APPROVE, override=override)


@on_database(app, "retire")
async def retire(
    operator: Operator,
    model: ModelArgument,
    override: OverrideOption = None,
    key_file: KeyOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Have a model decide and score nothing any more; of the champion an override says why."""
    await _change(operator, model, Stage.RETIRED, book, key_file, Scope.MODELS_APPROVE, override=override)


@on_database(app, "rollback")
async def rollback(
    operator: Operator,
    reason: Annotated[
        str | None, typer.Option(help="Why: it is wanted, and the audit log keeps it. No personal data.")
    ] = None,
    purpose: PurposeOption = Purpose.FRAUD,
    key_file: KeyOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Let the champion before the present one decide again, from the next decision on.

    Once more goes back once further, to what was promoted before that one.
    """
    if reason is None:
        raise typer.BadParameter(
            "say why, as in --reason 'too many reviews': the audit log keeps it", param_hint="--reason"
        )
    found, caller = await acting(operator, book, key_file, Scope.MODELS_APPROVE)
    kept = await committed(
        operator,
        lambda connection: models.roll_back(
            connection, found.book_id, reason=reason, purpose=purpose, caller=caller,
            ledger=Ledger(operator.clock), at=operator.clock.now(),
        ),
    )  # fmt: skip
    await _answer(operator, found, kept)


@on_database(app, "terms")
async def terms(
    operator: Operator, file: FileArgument, key_file: KeyOption = None, book: BookOption = FIRST_BOOK
) -> None:
    """Set thresholds, fallback, gate and bounds of drift: FILE is as for POST /v1/model-serving."""
    written: Terms = read_json(operator, file, Terms)
    found, caller = await acting(operator, book, key_file, Scope.MODELS_APPROVE)
    made = await committed(
        operator,
        lambda connection: models.set_terms(
            connection, found.book_id, written, caller=caller, ledger=Ledger(operator.clock),
            at=operator.clock.now(),
        ),
    )  # fmt: skip
    view = models.serving_view(made)
    operator.terminal.answer(msgspec.to_builtins(view), lambda out: show_serving(out, view))


@on_database(app, "serving")
async def serving(
    operator: Operator,
    version: Annotated[int | None, typer.Option(help="What served then. (default: now)")] = None,
    purpose: PurposeOption = Purpose.FRAUD,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Show who decides, by which terms."""
    found = await operator.book(book)
    async with operator.database.connection() as connection:
        kept = await models.get_serving(connection, found.book_id, purpose=purpose, version=version)
    if kept is None and version:
        raise models.ModelNotFound("the book has no such version of what serves", field="version")
    view = models.serving_view(kept, purpose)
    operator.terminal.answer(msgspec.to_builtins(view), lambda out: show_serving(out, view))


@on_database(app, "history")
async def history(
    operator: Operator,
    limit: LimitOption = DEFAULT_LIMIT,
    after: AfterOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """List every change of what serves, the newest first."""
    found = await operator.book(book)
    size = min(limit, 1_000)
    async with operator.database.connection() as connection:
        kept = await models.list_serving(connection, found.book_id, before=number_of(after), limit=size)
    views = [models.serving_view(one) for one in kept]
    cursor = str(views[-1].version) if len(views) == size else None
    operator.terminal.answer(
        {"data": msgspec.to_builtins(views), "next_cursor": cursor},
        lambda out: show_history(out, views, cursor),
    )


@on_database(app, "score")
async def score(
    operator: Operator, model: ModelArgument, file: FileArgument, book: BookOption = FIRST_BOOK
) -> None:
    """Score the row in FILE, an object of names and values, and say why: nothing is decided."""
    row: dict[str, Value] = read_json(operator, file, dict[str, int | float | str | None])
    found = await operator.book(book)
    async with operator.database.connection() as connection:
        kept = await models.get_model(connection, found.book_id, model)
        content = await models.get_file(connection, found.book_id, kept.id)
    made = await asyncio.to_thread(models.score_one, content, row)
    score, reasons = made.score, made.reasons
    told = {
        "model": kept.label, "score": score.value, "raw": score.raw, "why": score.why,
        "missing": score.missing, "reasons": msgspec.to_builtins(reasons),
    }  # fmt: skip
    operator.terminal.answer(told, lambda out: show_score(out, kept, score, reasons))


@on_database(app, "drift")
async def drift(
    operator: Operator, model: ModelArgument, limit: LimitOption = 10, book: BookOption = FIRST_BOOK
) -> None:
    """Show how far scores, inputs and labels have been from those of training, the newest first."""
    found = await operator.book(book)
    async with operator.database.connection() as connection:
        kept = await models.get_model(connection, found.book_id, model)
        reports = await models.list_drift(connection, found.book_id, kept.id, limit=min(limit, 1_000))
    told = {
        "data": [{"measured_at": at, **msgspec.to_builtins(report)} for at, report in reports],
        "next_cursor": None,
    }
    operator.terminal.answer(told, lambda out: show_drift(out, reports))


async def _change(
    operator: Operator, model: str, stage: Stage, book: str, key_file: str | None, scope: Scope, **more: Any
) -> None:
    found, caller = await acting(operator, book, key_file, scope)
    async with operator.database.connection() as connection:
        wanted = await models.get_model(connection, found.book_id, model)
        compared = None
        if stage in (Stage.CHALLENGER, Stage.CHAMPION):
            compared = await risk.compare(connection, found.book_id, wanted, now=operator.clock.now())
    kept = await committed(
        operator,
        lambda connection: models.change_stage(
            connection, found.book_id, wanted.id, stage, caller=caller, ledger=Ledger(operator.clock),
            at=operator.clock.now(), compared=compared, **more,
        ),
    )  # fmt: skip
    await _answer(operator, found, kept)


async def _answer(
    operator: Operator, found: BookInfo, kept: Registered, compared: Comparison | None = None
) -> None:
    async with operator.database.connection() as connection:
        missed = await models.misses(connection, found.book_id, kept, operator.clock.now(), compared)
    view = models.model_view(kept)
    operator.terminal.answer(
        {**msgspec.to_builtins(view), "gate": missed}, lambda out: show_model(out, view, missed)
    )


def _content(file: Path) -> bytes:
    most = models.MAX_FILE_BYTES
    with file.open("rb") as opened:
        content = opened.read(most + 1)
    if len(content) > most:
        raise PayloadTooLarge(f"a model file has at most {most:,} bytes")
    return content
