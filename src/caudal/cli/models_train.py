"""`caudal models train`: from a file or an export to a validated, explained and, with --book, kept model."""

import asyncio
import inspect
import os
import re
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.console import Console

from caudal import models
from caudal.cli import opening
from caudal.cli.extras import require_models
from caudal.cli.frame import Call, ConfigOption, JsonOption, group
from caudal.cli.operator import Operator
from caudal.cli.options import span_of
from caudal.cli.terminal import facts, table
from caudal.ledger import Ledger
from caudal_base.database import Database, Timeouts
from caudal_base.errors import InvalidRequest

train = group("Train a model on a file: checked for leaks, validated, calibrated, explained, with a report.")

DataFile = Annotated[
    Path,
    typer.Option(
        "--data", metavar="FILE",
        help="CSV with a header (also .gz), Parquet, or the directory of an export (`caudal export`).",
    ),
]  # fmt: skip
RowsOption = Annotated[
    str | None,
    typer.Option(
        metavar="KIND",
        help="Of an export: decisions, payments, history or applications. (default: decisions; credit: "
        "applications)",
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", metavar="DIR", help="With --book: the data directory of the embedded PostgreSQL.",
        show_default=False, rich_help_panel="Common options",
    ),
]  # fmt: skip
OutDir = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Where files go. (default: a folder beside the data)")
]
DelayOption = Annotated[
    str | None,
    typer.Option(metavar="SPAN", help="How long until an outcome is known: 7d. (of an export: 30d)"),
]
DescribeFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="What columns are, in words for reasons: column,text[,code] as CSV, or JSON."
    ),
]

OUTCOME_DELAY: Final = "30d"
"""Of an export: how long a decision has to come out, unless it is said."""
TRAINING_SET: Final = "training-set.parquet"

_NAME: Final = re.compile(r"[^a-z0-9]+")


def _columns(help: str) -> Any:
    return typer.Option(metavar="COLUMN", help=f"{help} May be repeated.")


def _options(
    data: DataFile,
    rows: RowsOption = None,
    name: Annotated[str | None, typer.Option(help="The model's name. (default: from the file's)")] = None,
    out: OutDir = None,
    book: Annotated[
        str | None, typer.Option(metavar="NAME", help="Register in this book; of an export, read it.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The outcome. (default: found)")
    ] = None,
    positive: Annotated[
        str | None, typer.Option(metavar="VALUE", help="Its value that is the risk. (default: found)")
    ] = None,
    time: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="When the decision was taken. (default: found)")
    ] = None,
    train_from: Annotated[
        str | None, typer.Option(metavar="TIME", help="Train from here on: a year, a day, a number.")
    ] = None,
    train_until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Train up to here, included.")
    ] = None,
    test_from: Annotated[str | None, typer.Option(metavar="TIME", help="Test from here on.")] = None,
    test_until: Annotated[str | None, typer.Option(metavar="TIME", help="Test up to here, included.")] = None,
    cross_validate: Annotated[
        bool, typer.Option("--cross-validate", help="Repeated folds, even where there is a time.")
    ] = False,
    repeats: Annotated[
        int | None, typer.Option(min=1, max=50, help="How often the folds are repeated.")
    ] = None,
    label_delay: DelayOption = None,
    leave_out: Annotated[list[str] | None, _columns("Do not train on it.")] = None,
    keep: Annotated[list[str] | None, _columns("Train on it whatever the checks say.")] = None,
    category: Annotated[list[str] | None, _columns("Its numbers are codes.")] = None,
    number: Annotated[list[str] | None, _columns("It holds numbers; what is none is missing.")] = None,
    group: Annotated[list[str] | None, _columns("Look at fairness between its groups.")] = None,
    rising: Annotated[list[str] | None, _columns("The risk must never fall with it.")] = None,
    falling: Annotated[list[str] | None, _columns("The risk must never rise with it.")] = None,
    learner: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only scorecard, ebm or lightgbm.")
    ] = None,
    entity: Annotated[
        list[str] | None,
        _columns("Fraud, a file of payments: whose histories tell, the customer first. (default: found)"),
    ] = None,
    amount: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="With --entity: what was paid.")
    ] = None,
    describe: DescribeFile = None,
    seeds: Annotated[int, typer.Option(min=1, max=20, help="Train so often, and take the means.")] = 1,
    threads: Annotated[
        int | None, typer.Option(min=1, max=256, help="(default: one for each processor)")
    ] = None,
    data_dir: DataDir = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Only its parameters matter: both commands have them."""


def _register(purpose: models.Purpose, summary: str) -> None:
    def run(
        *, data: Path, data_dir: Path | None, config: Path | None, as_json: bool, out: Path | None,
        book: str | None, **own: Any,
    ) -> None:  # fmt: skip
        call = Call(data=data_dir, config=config, as_json=as_json)
        call.log_quietly()
        require_models()
        _train(call, purpose, data, out, book, own)

    wrapper: Any = run
    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in inspect.signature(_options, eval_str=True).parameters.values()
    ]
    wrapper.__doc__ = summary
    wrapper.__signature__ = inspect.Signature(parameters)
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    train.command(purpose.value)(wrapper)


def _train(
    call: Call, purpose: models.Purpose, data: Path, out: Path | None, book: str | None, own: dict[str, Any]
) -> None:
    # The heavy libraries take seconds to import: only for those who train.
    from caudal import training

    order = _order(training, purpose, data, own)
    folder = out or data.parent / f"{order.name}-model"
    with call.terminal.progress() as progress:
        if data.is_dir():
            progress("Reading the export", 0, 0)
            order = _of_export(order, own, book, folder)
        elif own["rows"] is not None:
            raise InvalidRequest("rows are chosen of an export, and --data is a file", field="--rows")
        trained = training.train(order, progress)
    written = training.write(trained, folder)
    registered = None
    if book is not None:
        with opening.dsn(call) as dsn:
            registered = asyncio.run(_keep(call, dsn, book, trained.files))
    answer = training.summary(trained, written, registered)
    call.terminal.answer(answer, lambda console: _show(console, answer))


def _of_export(order: Any, own: dict[str, Any], book: str | None, folder: Path) -> Any:
    """The same order for what was known at each decision in the export, kept beside the models."""
    import pyarrow.parquet

    from caudal import analytics
    from caudal.analytics import lab

    credit = order.purpose is models.Purpose.CREDIT
    delay = span_of(own["label_delay"] or OUTCOME_DELAY, field="--label-delay")
    with lab.open(order.path, book=book) as history:
        found = history.training_set(
            rows=own["rows"] or ("applications" if credit else "decisions"), maturity=delay
        )
    if found.num_rows == 0:
        raise analytics.TrainingSetInvalid(
            "nothing in the export had that long to come out: other --rows, or a shorter --label-delay",
            field="--label-delay",
        )
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / TRAINING_SET
    pyarrow.parquet.write_table(found, file)
    wishes = msgspec.structs.replace(order.wishes, label_delay_days=delay.total_seconds() / 86_400)
    return msgspec.structs.replace(order, path=file, wishes=wishes)


def _order(training: Any, purpose: models.Purpose, data: Path, own: dict[str, Any]) -> Any:
    delay = own["label_delay"]
    unknown = set(own["learner"] or ()) - {"scorecard", "ebm", "lightgbm"}
    if unknown:
        raise InvalidRequest(f"no learner {', '.join(sorted(unknown))}", field="--learner")
    if bool(own["entity"]) != bool(own["amount"]):
        raise InvalidRequest("--entity and --amount go together", field="--entity")
    wishes = training.Wishes(
        **{
            key: own[key]
            for key in ("target", "positive", "time", "train_from", "train_until", "test_from", "test_until")
        },
        out_of_time=not own["cross_validate"],
        label_delay_days=0.0
        if delay is None
        else span_of(delay, field="--label-delay").total_seconds() / 86_400,
        groups=tuple(own["group"] or ()),
        **{
            key: tuple(own[key] or ())
            for key in ("leave_out", "keep", "category", "number", "rising", "falling")
        },
    )
    entities = None
    if own["entity"]:
        entities = training.Entities(columns=tuple(own["entity"]), amount=own["amount"])
    plain = _NAME.sub("-", data.name.split(".")[0].lower()).strip("-")
    return training.Order(
        path=data,
        purpose=purpose,
        name=own["name"] or (plain if plain[:1].isalpha() else f"model-{plain}")[:50],
        wishes=wishes,
        learners=tuple(own["learner"] or ()),
        entities=entities,
        described={} if own["describe"] is None else training.read_descriptions(own["describe"]),
        seeds=tuple(range(own["seeds"])),
        repeats=own["repeats"],
        threads=own["threads"] or os.cpu_count() or 1,
    )


async def _keep(
    call: Call, dsn: str, book: str, files: tuple[models.ModelFile, ...]
) -> list[models.Registered]:
    """Register the models: each as the next version of its name."""
    prepared = [await asyncio.to_thread(models.prepare, file) for file in files]
    timeouts = Timeouts(
        statement_ms=call.settings.statement_timeout_ms, lock_ms=call.settings.lock_timeout_ms
    )
    database = await Database.open(dsn, max_size=2, timeouts=timeouts)
    try:
        operator = Operator(call, database)
        found = await operator.book(book)
        caller = operator.caller
        async with database.transaction() as connection:
            return [
                await models.register(
                    connection, found.book_id, each, caller=caller, ledger=Ledger(operator.clock),
                    at=operator.clock.now(),
                )
                for each in prepared
            ]  # fmt: skip
    finally:
        await database.close()


def _show(console: Console, answer: Any) -> None:
    console.print(
        facts(
            [
                ("outcome", answer.outcome),
                ("validation", answer.validation),
                ("rows", f"{answer.rows:,} to train on, {answer.positives:,} with the risk"),
                ("left out", ", ".join(answer.left_out)),
                ("bad rows", f"{answer.bad_rows:,}" if answer.bad_rows else None),
            ]
        )
    )
    for said in answer.found:
        console.print(said)
    for each in answer.leaks:
        console.print(f"leak: {each.name}: {each.why} ({'left out' if each.left_out else 'kept'})")
    columns = ("AUC", "KS", "AP", "recall at 1 %", "calibration error", "PSI")
    figures = table("model", *columns, right=columns)
    for model in answer.models:
        figures.add_row(
            model.name + (" (recommended)" if model.recommended else ""),
            *(_interval(one) for one in (model.auc, model.ks, model.ap, model.recall_at_1_percent)),
            f"{model.calibration_error:.4f}",
            f"{model.stability:.3f}",
        )
    console.print(figures)
    if answer.daily is not None:
        _show_daily(console, answer.daily)
    for model in answer.models:
        console.print(model.registered or model.file)
    console.print(answer.report)


def _show_daily(console: Console, daily: Any) -> None:
    console.print(
        f"card precision: {daily.precision:.3f} of the {daily.looked_into} riskiest payers of a day were "
        f"defrauded that day (CP@{daily.looked_into}, mean of {daily.days} days)"
    )
    if daily.new_auc is not None:
        console.print(
            f"payers not known as defrauded: AUC {_interval(daily.new_auc)}, AP {_interval(daily.new_ap)}, "
            f"CP@{daily.looked_into} {daily.new_precision:.3f}, {daily.new_rows:,} payments"
        )


def _interval(one: Any) -> str:
    return f"{one.value:.3f} ({one.low:.3f}-{one.high:.3f})"


_register(
    models.Purpose.FRAUD,
    """Payments: LightGBM, calibrated, validated on a later time than it was trained on.

    A file in which customers and merchants come again and again is given features of their histories, as
    decisions will look them up; outcomes count in them only after --label-delay (7d).
    """,
)
_register(
    models.Purpose.CREDIT,
    """Applications: a scorecard and an EBM, with LightGBM as their challenger.

    With a column of times the last fifth is the test, unless bounds are given; else five stratified folds are
    repeated. Columns that know the outcome are named and left out.
    """,
)
