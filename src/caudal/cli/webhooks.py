"""`caudal webhooks`: `in`, what partners have sent. `endpoints` and `listen` have modules of their own."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console

from caudal import audit, webhooks
from caudal.cli import webhook_deliveries, webhook_endpoints
from caudal.cli.exits import Exit
from caudal.cli.frame import group
from caudal.cli.operator import PRINCIPAL, Operator, on_database
from caudal.cli.options import DEFAULT_LIMIT, AfterOption, BookOption, LimitOption
from caudal.cli.paging import more
from caudal.cli.setup import FIRST_BOOK
from caudal.cli.terminal import facts, table, when
from caudal.cli.webhooks_listen import listen
from caudal.webhooks import InboundState, Listed
from caudal_base import ids
from caudal_base.errors import CaudalError

app = group("What partners have sent, and where events are sent.")
inbound = group("Webhooks from partners.")
app.add_typer(inbound, name="in")
webhook_deliveries.register(webhook_endpoints.app)
app.add_typer(webhook_endpoints.app, name="endpoints")
on_database(app, "listen")(listen)

WebhooksArgument = Annotated[list[str], typer.Argument(metavar="WEBHOOK...", help="By id (`whi_…`).")]


@on_database(inbound, "list")
async def list_(
    operator: Operator,
    state: Annotated[
        InboundState | None, typer.Option(help="Only those in this state; parked ones wait for a person.")
    ] = None,
    limit: LimitOption = DEFAULT_LIMIT,
    after: AfterOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """List webhooks, the latest first."""
    found = await operator.book(book)
    before = None if after is None else ids.decode(ids.INBOUND, after, field="after")
    size = min(limit, webhooks.MAX_PAGE)
    async with operator.database.connection() as connection:
        rows = await webhooks.find(connection, found.book_id, state=state, before=before, limit=size)
    cursor = ids.encode(ids.INBOUND, rows[-1].id) if len(rows) == size else None

    def show_rows(out: Console) -> None:
        shown = table("webhook", "received", "partner", "type", "state", "reason")
        for row in rows:
            shown.add_row(
                ids.encode(ids.INBOUND, row.id), when(row.received_at), row.partner, row.type,
                row.state.value, row.reason or "",
            )  # fmt: skip
        out.print(shown if rows else "No webhooks.")
        more(out, cursor)

    operator.terminal.answer({"data": [_shape(row) for row in rows], "next_cursor": cursor}, show_rows)


@on_database(inbound, "show")
async def show(
    operator: Operator,
    webhook: Annotated[str, typer.Argument(metavar="WEBHOOK", help="By id (`whi_…`).")],
    body: Annotated[
        bool,
        typer.Option("--body", help="With what the partner sent, which may speak of persons: it is audited."),
    ] = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Show a webhook, and what became of it."""
    found = await operator.book(book)
    wanted = ids.decode(ids.INBOUND, webhook, field="webhook")
    text: str | None = None
    async with operator.database.transaction() as connection:
        row = await webhooks.get(connection, found.book_id, wanted)
        if body:
            raw = await webhooks.read_body(connection, found.book_id, wanted)
            text = None if raw is None else raw.decode("utf-8", "backslashreplace")
            record = _record(operator, found.book_id, webhook, action="webhook.read", result="shown")
            await audit.append(connection, [record])

    def show_row(out: Console) -> None:
        rows = [
            ("webhook", webhook),
            ("partner", row.partner),
            ("event", row.event_id),
            ("type", row.type),
            ("state", row.state.value),
            ("reason", row.reason),
            ("attempts", row.attempts),
            ("occurred", row.occurred_at),
            ("received", row.received_at),
            ("settled", row.settled_at),
        ]
        out.print(facts(rows))
        if body:
            out.print("The body has been removed." if text is None else text)

    operator.terminal.answer({**_shape(row), **({"body": text} if body else {})}, show_row)


@on_database(inbound, "replay")
async def replay(operator: Operator, webhook: WebhooksArgument, book: BookOption = FIRST_BOOK) -> Exit:
    """Apply parked webhooks again, from their first attempt."""
    found = await operator.book(book)
    wanted: Sequence[UUID] = [ids.decode(ids.INBOUND, one, field="webhook") for one in webhook]
    now = operator.clock.now()
    async with operator.database.transaction() as connection:
        results = await webhooks.replay(connection, found.book_id, wanted, now=now, new_ids=operator.ids)
        records = [
            _record(
                operator,
                found.book_id,
                one,
                action="webhook.replay",
                result=result.code if isinstance(result, CaudalError) else result.state.value,
            )
            for one, result in zip(webhook, results, strict=True)
        ]
        await audit.append(connection, records)
    if len(results) == 1 and isinstance(results[0], CaudalError):
        raise results[0]
    rows = [_result(one, result) for one, result in zip(webhook, results, strict=True)]

    def show_results(out: Console) -> None:
        for row in rows:
            out.print(f"{row['id']}  {row['state'] or row['error']['detail']}")

    operator.terminal.answer({"data": rows}, show_results)
    return Exit.REFUSED if any(row["error"] for row in rows) else Exit.DONE


def _record(operator: Operator, book_id: int, webhook: str, *, action: str, result: str) -> audit.Record:
    return audit.Record(
        book_id=book_id,
        at=operator.clock.now(),
        principal=PRINCIPAL,
        action=action,
        object_id=webhook,
        request_id=operator.request_id,
        result=result,
    )


def _result(webhook: str, result: Listed | CaudalError) -> dict[str, Any]:
    if isinstance(result, CaudalError):
        return {"id": webhook, "state": None, "error": result.problem()}
    return {"id": webhook, "state": result.state.value, "error": None}


def _shape(row: Listed) -> dict[str, Any]:
    """As the API has it."""
    return {
        "id": ids.encode(ids.INBOUND, row.id),
        "partner": row.partner,
        "event_id": row.event_id,
        "type": row.type,
        "state": row.state.value,
        "occurred_at": row.occurred_at,
        "received_at": row.received_at,
        "attempts": row.attempts,
        "settled_at": row.settled_at,
        "reason": row.reason,
    }
