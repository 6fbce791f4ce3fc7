"""`caudal anomalies`: what is unlike an entity's own past."""

from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from caudal import anomalies
from caudal.anomalies import (
    AnomalyDetector,
    AnomalyFilter,
    AnomalyStream,
    StreamVersion,
    anomaly_view,
    explained_view,
    silence_view,
    stream_view,
)
from caudal.cli.frame import group
from caudal.cli.operator import Operator, on_database
from caudal.cli.options import DEFAULT_LIMIT, AfterOption, BookOption, LimitOption, span_of
from caudal.cli.paging import more
from caudal.cli.requests import FileArgument, read_json
from caudal.cli.setup import FIRST_BOOK
from caudal.cli.terminal import cell, facts, table
from caudal.ledger import Ledger

app = group("What is unlike an entity's own past: list it, explain it, say what is watched.")
streams = group("What is watched of whom.")
app.add_typer(streams, name="streams")

StreamOption = Annotated[str | None, typer.Option(help="Only this stream.")]
EntityOption = Annotated[str | None, typer.Option(metavar="KIND:ID", help="Only this one: customer:cus_….")]


@on_database(app, "list")
async def list_(
    operator: Operator,
    stream: StreamOption = None,
    entity: EntityOption = None,
    detector: Annotated[AnomalyDetector | None, typer.Option(help="Only what this one found.")] = None,
    limit: LimitOption = DEFAULT_LIMIT,
    after: AfterOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """List anomalies, the newest first."""
    found = await operator.book(book)
    wanted = AnomalyFilter(stream=stream, entity=entity, detector=detector)
    size = min(limit, 1_000)
    async with operator.database.connection() as connection:
        rows = await anomalies.list_anomalies(connection, found.book_id, wanted, before=after, limit=size)
    cursor = rows[-1].id if len(rows) == size else None

    def show_rows(out: Console) -> None:
        shown = table("anomaly", "at", "entity", "stream", "words")
        for row in rows:
            shown.add_row(row.id, cell(row.found.at), row.entity, row.stream, row.found.words)
        out.print(shown if rows else "No anomalies. `caudal anomalies streams` says what is watched.")
        more(out, cursor)

    data = [msgspec.to_builtins(anomaly_view(row)) for row in rows]
    operator.terminal.answer({"data": data, "next_cursor": cursor}, show_rows)


@on_database(app, "explain")
async def explain(
    operator: Operator,
    anomaly: Annotated[str, typer.Argument(metavar="ANOMALY", help="Its id (`ano_…`).")],
    book: BookOption = FIRST_BOOK,
) -> None:
    """Show an anomaly with all that it was computed of."""
    found = await operator.book(book)
    async with operator.database.connection() as connection:
        one = await anomalies.get_anomaly(connection, found.book_id, anomaly)

    def show_it(out: Console) -> None:
        out.print(one.found.words, soft_wrap=True, highlight=False)
        out.print(
            facts(
                [
                    ("anomaly", one.id), ("stream", f"{one.stream}@{one.version}"),
                    ("detector", one.found.detector.value), ("entity", one.entity), ("at", one.found.at),
                    ("event", f"{one.found.source} {one.found.event}"), ("score", one.found.score),
                    ("observed", one.found.observed),
                    ("usual", f"{one.found.usual_low:,} to {one.found.usual_high:,}"),
                    ("median", one.found.median), ("spread", one.found.spread),
                    ("time of the week", one.found.factor),
                    ("past", " ".join(f"{value:g}" for value in one.found.past[-24:])),
                    ("case", one.case or ("silenced" if one.silenced else "-")),
                ]
            )
        )  # fmt: skip

    operator.terminal.answer(msgspec.to_builtins(explained_view(one)), show_it)


@on_database(streams, "list")
async def list_streams(operator: Operator, book: BookOption = FIRST_BOOK) -> None:
    """List what is watched."""
    found = await operator.book(book)
    async with operator.database.connection() as connection:
        rows = await anomalies.list_streams(connection, found.book_id)

    def show_rows(out: Console) -> None:
        shown = table("stream", "version", "of", "what", "period", "finds", "come to event", "watched")
        for row in rows:
            shown.add_row(*_row(row))
        out.print(shown if rows else "Nothing is watched. `caudal anomalies streams declare FILE` begins.")

    operator.terminal.answer({"data": [_shape(row) for row in rows]}, show_rows)


@on_database(streams, "declare")
async def declare(operator: Operator, file: FileArgument, book: BookOption = FIRST_BOOK) -> None:
    """Watch a stream, as a file of JSON says: the next version of its name."""
    found = await operator.book(book)
    declared: AnomalyStream = read_json(operator, file, AnomalyStream)
    async with operator.database.transaction() as connection:
        kept = await anomalies.declare(
            connection, found.book_id, declared, caller=operator.caller, ledger=Ledger(operator.clock),
            at=operator.clock.now(),
        )  # fmt: skip
    operator.terminal.answer(
        _shape(kept), lambda out: out.print(f"{declared.name} is watched, version {kept.version}.")
    )


@on_database(app, "silence")
async def silence(
    operator: Operator,
    reason: Annotated[str, typer.Option(help="Why; no personal data.")],
    span: Annotated[str, typer.Option("--for", metavar="SPAN", help="For how long: 12h, 7d.")],
    stream: StreamOption = None,
    entity: EntityOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Let anomalies of a stream, an entity or both open no cases; they are kept all the same."""
    found = await operator.book(book)
    now = operator.clock.now()
    async with operator.database.transaction() as connection:
        made = await anomalies.silence(
            connection, found.book_id, stream=stream, entity=entity, until=now + span_of(span, field="for"),
            reason=reason, caller=operator.caller, ledger=Ledger(operator.clock), at=now,
        )  # fmt: skip
    shape: dict[str, Any] = msgspec.to_builtins(silence_view(made))
    operator.terminal.answer(shape, lambda out: out.print(facts([*shape.items()])))


@on_database(app, "silences")
async def silences(operator: Operator, book: BookOption = FIRST_BOOK) -> None:
    """List the silences that are not over."""
    found = await operator.book(book)
    async with operator.database.connection() as connection:
        rows = await anomalies.list_silences(connection, found.book_id, operator.clock.now())

    def show_rows(out: Console) -> None:
        shown = table("silence", "stream", "entity", "until", "reason", "by")
        for row in rows:
            shown.add_row(
                str(row.number), row.stream or "all", row.entity or "all", cell(row.until), row.reason,
                row.created_by,
            )  # fmt: skip
        out.print(shown if rows else "Nothing is silenced.")

    data = [msgspec.to_builtins(silence_view(row)) for row in rows]
    operator.terminal.answer({"data": data}, show_rows)


def _shape(one: StreamVersion) -> dict[str, Any]:
    shape: dict[str, Any] = msgspec.to_builtins(stream_view(one))
    return shape


def _row(one: StreamVersion) -> list[str]:
    declared = one.declared
    finds = [
        name
        for name, value in (
            ("level", declared.level), ("burst", declared.burst),
            ("new_counterparty", declared.new_counterparty),
        )
        if value is not None
    ]  # fmt: skip
    return [
        declared.name, str(one.version), declared.entity.value, declared.value or "count",
        declared.period.value, " ".join(finds), f"{one.through:,}", "yes" if declared.enabled else "no",
    ]  # fmt: skip
