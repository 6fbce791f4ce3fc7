"""`caudal disputes`: what payers ask their banks for back."""

from typing import Annotated

import typer
from rich.console import Console

from caudal.cli.frame import group
from caudal.cli.operator import Operator, on_database
from caudal.cli.options import DEFAULT_LIMIT, AfterOption, BookOption, LimitOption
from caudal.cli.paging import more
from caudal.cli.payment_calls import ask, ask_for_rows
from caudal.cli.payment_shapes import dispute_rows, show_dispute
from caudal.cli.setup import FIRST_BOOK
from caudal.payments import DisputeState, DisputeView
from caudal_base import ids

app = group("What payers ask their banks for back: list it, show it.")


@on_database(app, "list")
async def list_(
    operator: Operator,
    payment: Annotated[
        str | None, typer.Option(metavar="PAYMENT", help="Only those about this payment.")
    ] = None,
    state: Annotated[DisputeState | None, typer.Option(help="Only those in this state.")] = None,
    limit: LimitOption = DEFAULT_LIMIT,
    after: AfterOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """List disputes, the newest first."""
    found = await operator.book(book)
    query = {"payment": payment, "state": state, "cursor": after}
    rows, cursor = await ask_for_rows(operator, found, "/v1/disputes", DisputeView, query=query, limit=limit)

    def show_rows(out: Console) -> None:
        out.print(dispute_rows(rows) if rows else "No disputes.")
        more(out, cursor)

    operator.terminal.answer({"data": rows, "next_cursor": cursor}, show_rows)


@on_database(app, "show")
async def show(
    operator: Operator,
    dispute: Annotated[str, typer.Argument(metavar="DISPUTE", help="The dispute's id (`dp_…`).")],
    book: BookOption = FIRST_BOOK,
) -> None:
    """Show a dispute."""
    ids.decode(ids.DISPUTE, dispute, field="dispute")
    found = await operator.book(book)
    made = await ask(operator, found, "GET", "/v1/disputes/{id}", DisputeView, named=dispute)
    operator.terminal.answer(made, lambda out: show_dispute(out, made))
