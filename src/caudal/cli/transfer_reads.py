"""`caudal transfers`: look them up."""

from typing import Annotated

import typer
from rich.console import Console

from caudal import ledger
from caudal.cli import shapes
from caudal.cli.finding import find_account
from caudal.cli.operator import Operator, on_database
from caudal.cli.options import (
    DEFAULT_LIMIT,
    AfterOption,
    BookOption,
    LimitOption,
    MetadataOption,
    TransferArgument,
    metadata_of,
    moment_of,
    number_of,
)
from caudal.cli.paging import collect, more
from caudal.cli.setup import FIRST_BOOK
from caudal.cli.terminal import cell, facts, money, table, when
from caudal.ledger import TransferDetail, TransferFilter, TransferId, TransferKind


def register(app: typer.Typer) -> None:
    """Add the commands that read transfers to `app`."""
    on_database(app, "show")(show)
    on_database(app, "list")(list_)


async def show(operator: Operator, transfer: TransferArgument, book: BookOption = FIRST_BOOK) -> None:
    """Show a transfer, and what has become of it since."""
    found = await operator.book(book)
    async with operator.database.connection() as connection:
        detail = await ledger.get_transfer(
            connection, found.book_id, TransferId(transfer), now=operator.clock.now()
        )
    made = detail.transfer
    reversed_ = money(detail.reversed_amount, made.currency) if detail.reversed_amount else None
    rows = [
        ("transfer", made.id),
        ("kind", made.kind.value),
        ("amount", money(made.amount, made.currency)),
        ("debit", made.debit_account),
        ("credit", made.credit_account),
        ("state", None if detail.state is None else detail.state.value),
        ("expires", detail.expires_at),
        ("resolved by", detail.resolved_by),
        ("reversed", reversed_),
        ("of", made.related_id),
        ("transaction", detail.transaction),
        ("seq", made.seq),
        ("recorded", made.recorded_at),
        ("effective", made.effective_at),
        ("code", made.code),
        ("reference", made.reference),
        ("metadata", cell(made.metadata) if made.metadata else None),
    ]
    operator.terminal.answer(shapes.detail(detail), lambda out: out.print(facts(rows)))


async def list_(
    operator: Operator,
    account: Annotated[
        str | None, typer.Option(metavar="ACCOUNT", help="Only those of this account, on either side.")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Recorded then or later.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Recorded before.")] = None,
    kind: Annotated[TransferKind | None, typer.Option(help="Only those of this kind.")] = None,
    code: Annotated[str | None, typer.Option(help="Only those with this code.")] = None,
    reference: Annotated[str | None, typer.Option(help="Only those with this reference.")] = None,
    metadata: MetadataOption = None,
    newest: Annotated[bool, typer.Option("--newest", help="The newest first.")] = False,
    limit: LimitOption = DEFAULT_LIMIT,
    after: AfterOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """List transfers in the order of recording."""
    found, now = await operator.book(book), operator.clock.now()
    wanted = TransferFilter(
        account=None if account is None else (await find_account(operator, found, account)).id,
        recorded_from=moment_of(since, field="since"),
        recorded_before=moment_of(until, field="until"),
        kind=kind,
        code=code,
        reference=reference,
        metadata=metadata_of(metadata),
    )

    async def page(cursor: int | None, size: int) -> ledger.Page[TransferDetail]:
        async with operator.database.connection() as connection:
            return await ledger.list_transfers(
                connection, found.book_id, wanted, now=now, newest_first=newest, cursor=cursor, limit=size
            )

    rows, cursor = await collect(page, after=number_of(after), limit=limit)

    def show_rows(out: Console) -> None:
        shown = table("seq", "recorded", "kind", "state", "amount", "transfer", right=("seq", "amount"))
        for row in rows:
            made = row.transfer
            state = "" if row.state is None else row.state.value
            shown.add_row(
                str(made.seq), when(made.recorded_at), made.kind.value, state,
                money(made.amount, made.currency), made.id,
            )  # fmt: skip
        out.print(shown if rows else "No transfers.")
        more(out, cursor)

    operator.terminal.answer({"data": [shapes.detail(row) for row in rows], "next_cursor": cursor}, show_rows)
