"""`caudal audit`: the audit log."""

from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from caudal import audit
from caudal.cli.exits import Exit
from caudal.cli.frame import group
from caudal.cli.operator import Operator, on_database
from caudal.cli.options import DEFAULT_LIMIT, AfterOption, BookOption, LimitOption, moment_of
from caudal.cli.paging import more
from caudal.cli.setup import FIRST_BOOK
from caudal.cli.terminal import table, when
from caudal_base import ids

app = group("Who did what, to what, and with what result.")

DeploymentOption = Annotated[
    bool,
    typer.Option("--deployment", help="What belongs to no book: keys, and the making of books."),
]


@on_database(app, "list")
async def list_(
    operator: Operator,
    deployment: DeploymentOption = False,
    object_id: Annotated[
        str | None, typer.Option("--object", metavar="ID", help="Only what was done to this.")
    ] = None,
    principal: Annotated[
        str | None, typer.Option(metavar="WHO", help="Only what this key (`key_…`) or `operator` did.")
    ] = None,
    action: Annotated[str | None, typer.Option(help="Only this action, as `transfer.create`.")] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Recorded then or later.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Recorded before.")] = None,
    limit: LimitOption = DEFAULT_LIMIT,
    after: AfterOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """List audit records of a book, the newest first."""
    query = audit.Query(
        book_id=audit.DEPLOYMENT if deployment else (await operator.book(book)).book_id,
        object_id=object_id,
        principal=principal,
        action=action,
        since=moment_of(since, field="since"),
        until=moment_of(until, field="until"),
    )
    async with operator.database.connection() as connection:
        page = await audit.page(connection, query, cursor=after, limit=min(limit, 1_000))
    rows = [_shape(record) for record in page.records]

    def show(out: Console) -> None:
        shown = table("recorded", "who", "action", "object", "result")
        for record, row in zip(page.records, rows, strict=True):
            shown.add_row(
                when(record.recorded_at), record.principal, record.action, record.object_id, row["result"]
            )
        out.print(shown if rows else "No records.")
        more(out, page.next_cursor)

    operator.terminal.answer({"data": rows, "next_cursor": page.next_cursor}, show)


@on_database(app, "verify")
async def verify(
    operator: Operator, deployment: DeploymentOption = False, book: BookOption = FIRST_BOOK
) -> Exit:
    """Compare every record of a book with what was written; exit code 1 where one was changed."""
    book_id = audit.DEPLOYMENT if deployment else (await operator.book(book)).book_id
    async with operator.database.connection() as connection:
        found = await audit.verify(connection, book_id)
    changed = [{"id": ids.encode(ids.AUDIT, one.id), "fields": list(one.fields)} for one in found.mismatches]

    def show(out: Console) -> None:
        out.print(f"{found.checked:,} records, {found.mismatched:,} of them changed.")
        for one in changed:
            out.print(f"{one['id']}: {', '.join(one['fields'])}")

    operator.terminal.answer(
        {"checked": found.checked, "mismatched": found.mismatched, "mismatches": changed}, show
    )
    return Exit.DONE if found.mismatched == 0 else Exit.REFUSED


def _shape(record: audit.Stored) -> dict[str, Any]:
    written: dict[str, Any] = msgspec.json.decode(record.leaf)
    return {"id": ids.encode(ids.AUDIT, record.id), "recorded_at": record.recorded_at, **written}
