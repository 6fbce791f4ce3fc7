"""`caudal transfers batch`: many commands from a file."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from caudal.cli import shapes
from caudal.cli.exits import Exit
from caudal.cli.operator import Operator, on_database
from caudal.cli.options import BookOption, DryRunOption
from caudal.cli.requests import FileArgument, carry_out_file
from caudal.cli.setup import FIRST_BOOK
from caudal.cli.terminal import money, table
from caudal.ledger import Outcome, OutcomeStatus


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    on_database(app, "batch")(batch)


async def batch(
    operator: Operator,
    file: FileArgument,
    atomic: Annotated[
        bool, typer.Option("--atomic", help="All or nothing. (default: as the file says)")
    ] = False,
    dry_run: DryRunOption = False,
    book: BookOption = FIRST_BOOK,
) -> Exit:
    """Carry out up to 8,000 commands in order: `{"transfers": [...]}`, as POST /v1/transfers/batch has them.

    One result each; exit code 1 where any was refused. Safe to repeat: what is done already exists.
    """
    changed = {"atomic": True} if atomic else {}
    outcomes = await carry_out_file(operator, book, "/v1/transfers/batch", file, dry_run=dry_run, **changed)
    counts = {status.value: sum(outcome.status is status for outcome in outcomes) for status in OutcomeStatus}
    data = {
        **({"dry_run": True} if dry_run else {}),
        "results": [_result(index, outcome) for index, outcome in enumerate(outcomes)],
        **counts,
    }

    def show(out: Console) -> None:
        if dry_run:
            out.print(Text("This would come of it; nothing was done.", "bold"))
        _show_results(out, outcomes)
        out.print(", ".join(f"{count:,} {status}" for status, count in counts.items()))

    operator.terminal.answer(data, show)
    return Exit.REFUSED if counts[OutcomeStatus.REFUSED.value] else Exit.DONE


def _result(index: int, outcome: Outcome) -> shapes.Shape:
    refusal = outcome.refusal
    if refusal is None:
        return shapes.recorded(outcome)
    error = {"code": refusal.code, "detail": refusal.detail}
    if refusal.field is not None:
        error["field"] = f"transfers[{index}].{refusal.field}"
    return {"result": outcome.status.value, "error": error}


def _show_results(out: Console, outcomes: Sequence[Outcome]) -> None:
    """A line for each item, and below them, where even narrow screens have room, why some were refused."""
    shown = table("item", "result", "amount", "transfer", right=("item", "amount"))
    for index, outcome in enumerate(outcomes):
        made = outcome.transfer
        result = Text(outcome.status.value, "" if outcome.refusal is None else "bold red")
        amount = "" if made is None else money(made.amount, made.currency)
        shown.add_row(f"{index:,}", result, amount, "" if made is None else made.id)
    out.print(shown)
    for index, outcome in enumerate(outcomes):
        if outcome.refusal is not None:
            out.print(Text(f"Item {index:,} was refused: {outcome.refusal.detail} ({outcome.refusal.code})"))
