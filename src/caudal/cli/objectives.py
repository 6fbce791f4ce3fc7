"""`caudal objectives`: what is promised of the service, how it stands, and who else is to be told."""

from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from caudal import objectives
from caudal.cli.exits import Exit
from caudal.cli.frame import group
from caudal.cli.operator import Operator, on_database
from caudal.cli.options import BookOption
from caudal.cli.setup import FIRST_BOOK
from caudal.cli.terminal import cell, facts, table
from caudal.ledger import Ledger
from caudal.objectives import Indicator, Objective, ObjectiveNotFound, Severity, Watched, objective_view
from caudal_base.errors import InvalidRequest

app = group("What is promised of the service, and how fast the budget for failures burns.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The objective, by its name.")]


@on_database(app, "list")
async def list_(operator: Operator, book: BookOption = FIRST_BOOK) -> Exit | None:
    """List the objectives and how they stand; exit code 1 where an alert to page somebody is open."""
    found = await operator.book(book)
    async with operator.database.connection() as connection:
        watched = await objectives.watched(connection, found.book_id)

    def show_rows(out: Console) -> None:
        shown = table(
            "objective", "target", "window", "counted", "bad", "budget left", "burns 1h", "alert",
            right=("target", "window", "counted", "bad", "budget left", "burns 1h"),
        )  # fmt: skip
        for one in watched:
            shown.add_row(*_row(one))
        out.print(shown)

    answer = {"data": [msgspec.to_builtins(objective_view(one)) for one in watched]}
    operator.terminal.answer(answer, show_rows)
    return Exit.REFUSED if any(one.severity is Severity.PAGE for one in watched) else None


@on_database(app, "show")
async def show(operator: Operator, name: NameArgument, book: BookOption = FIRST_BOOK) -> None:
    """Show an objective, how it stands, and its earlier versions."""
    found = await operator.book(book)
    async with operator.database.connection() as connection:
        one = await objectives.get(connection, found.book_id, name)
        history = await objectives.history(connection, found.book_id, name)
    versions = [
        {
            "version": version.number,
            "target_basis_points": version.objective.target_basis_points,
            "within_ms": version.objective.within_ms or None,
            "enabled": version.objective.enabled,
            "set_at": version.created_at,
            "set_by": version.created_by,
        }
        for version in history
    ]
    shape = {**_shape(one), "versions": versions}

    def show_one(out: Console) -> None:
        out.print(facts(_facts(one)))
        if versions:
            shown = table("version", "target", "within", "watched", "set", "by")
            for version in history:
                shown.add_row(
                    str(version.number), _percent(version.objective.target_basis_points),
                    _within(version.objective), "yes" if version.objective.enabled else "no",
                    cell(version.created_at), version.created_by,
                )  # fmt: skip
            out.print(shown)

    operator.terminal.answer(shape, show_one)


@on_database(app, "set")
async def set_(
    operator: Operator,
    name: NameArgument,
    target: Annotated[
        str | None, typer.Option("--target", metavar="PERCENT", help="What must not be bad, as `99.9`.")
    ] = None,
    within_ms: Annotated[
        int | None, typer.Option("--within-ms", help="What is in time; for indicators that know a time.")
    ] = None,
    window_days: Annotated[int | None, typer.Option("--window-days", help="How long it holds for.")] = None,
    least_bad: Annotated[
        int | None, typer.Option("--least-bad", help="Nobody is told while fewer were bad.")
    ] = None,
    indicator: Annotated[
        Indicator | None, typer.Option("--indicator", help="What is counted; needed for a new name.")
    ] = None,
    watch: Annotated[
        bool | None, typer.Option("--watch/--no-watch", help="Whether it is evaluated, and told of.")
    ] = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Set an objective: what is not named stays as it is. It is evaluated so within a minute."""
    found = await operator.book(book)
    changes: dict[str, Any] = {
        "target_basis_points": None if target is None else _basis_points(target),
        "within_ms": within_ms,
        "window_days": window_days,
        "least_bad": least_bad,
        "indicator": indicator,
        "enabled": watch,
    }
    given = {field: value for field, value in changes.items() if value is not None}
    async with operator.database.transaction() as connection:
        try:
            known = (await objectives.get(connection, found.book_id, name)).version.objective
            wanted = msgspec.structs.replace(known, **given)
        except ObjectiveNotFound:
            if indicator is None or target is None:
                raise InvalidRequest(
                    "a new objective needs --indicator and --target", field="indicator"
                ) from None
            wanted = Objective(name=name, **given)
        kept = await objectives.put(
            connection,
            found.book_id,
            wanted,
            caller=operator.caller,
            ledger=Ledger(operator.clock),
            at=operator.clock.now(),
        )
    operator.terminal.answer(_shape(kept), lambda out: out.print(facts(_facts(kept))))


@on_database(app, "prometheus")
async def prometheus(operator: Operator, book: BookOption = FIRST_BOOK) -> None:
    """Print the objectives' alerts as a rule file for Prometheus."""
    found = await operator.book(book)
    async with operator.database.connection() as connection:
        watched = await objectives.watched(connection, found.book_id)
    text = objectives.rule_file(found.book_id, found.name, [one.version.objective for one in watched])
    operator.terminal.answer(
        {"rules": text}, lambda out: out.print(text, end="", soft_wrap=True, markup=False, highlight=False)
    )


def _shape(one: Watched) -> dict[str, Any]:
    shape: dict[str, Any] = msgspec.to_builtins(objective_view(one))
    return shape


def _row(one: Watched) -> list[Any]:
    objective, standing = one.version.objective, one.standing
    name = f"{objective.name} {_within(objective)}".rstrip()
    window = f"{objective.window_days} d"
    target = _percent(objective.target_basis_points)
    if standing is None:
        return [name, target, window, "", "", "", "", "" if objective.enabled else "not watched"]
    return [
        name, target, window, f"{standing.total:,}", f"{standing.bad:,}",
        f"{standing.budget_left_basis_points / 100:.1f} %", f"{standing.burn_rates.get('1h', 0.0):.2f}",
        "" if standing.severity is None else standing.severity.value,
    ]  # fmt: skip


def _facts(one: Watched) -> list[tuple[str, Any]]:
    objective, standing = one.version.objective, one.standing
    rows: list[tuple[str, Any]] = [
        ("objective", objective.name),
        ("counted", objective.indicator.value),
        ("in time", _within(objective) or "-"),
        ("target", _percent(objective.target_basis_points)),
        ("window", f"{objective.window_days} days"),
        ("told from", f"{objective.least_bad:,} bad"),
        ("watched", "yes" if objective.enabled else "no"),
        ("version", one.version.number),
    ]
    if standing is None:
        return rows
    burning = ", ".join(f"{rate:.2f} in {window}" for window, rate in standing.burn_rates.items())
    rows += [
        ("evaluated", standing.evaluated_at),
        ("in its window", f"{standing.total:,}, of which {standing.bad:,} bad"),
        ("budget left", f"{standing.budget_left_basis_points / 100:.2f} %"),
        ("burn rates", burning),
    ]
    if standing.severity is not None:
        rows += [("alert", standing.severity.value), ("since", standing.since)]
    return rows


def _within(objective: Objective) -> str:
    if not objective.within_ms:
        return ""
    if objective.within_ms % 60_000 == 0:
        return f"in {objective.within_ms // 60_000} min"
    if objective.within_ms % 1_000 == 0:
        return f"in {objective.within_ms // 1_000} s"
    return f"in {objective.within_ms} ms"


def _percent(basis_points: int) -> str:
    return f"{basis_points / 100:g} %"


def _basis_points(text: str) -> int:
    """`99.9` as 9990. Raises `InvalidRequest`."""
    whole, _, part = text.strip().removesuffix("%").strip().partition(".")
    if not (whole.isascii() and whole.isdigit() and len(whole) <= 3 and len(part) <= 2) or (
        part and not (part.isascii() and part.isdigit())
    ):
        raise InvalidRequest("a target is a percentage such as 99.9, to two places", field="target")
    return int(whole) * 100 + int(part.ljust(2, "0") or 0)
