"""`caudal webhooks endpoints`: what was sent, and sending it again."""

from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from caudal import delivery, events
from caudal.cli.operator import Operator, on_database
from caudal.cli.options import DEFAULT_LIMIT, AfterOption, BookOption, LimitOption, moment_of, number_of
from caudal.cli.paging import more
from caudal.cli.setup import FIRST_BOOK
from caudal.cli.terminal import facts, table, when
from caudal.cli.webhook_endpoints import EndpointArgument, YesOption, changed, endpoints_of, id_of
from caudal.delivery import DeliveryFilter, DeliveryState
from caudal_base import ids
from caudal_base.database import Connection
from caudal_base.errors import InvalidRequest


def register(app: typer.Typer) -> None:
    """Add the commands about deliveries to `app`."""
    on_database(app, "replay")(replay)
    on_database(app, "deliveries")(deliveries)
    on_database(app, "delivery")(show_delivery)


async def replay(
    operator: Operator,
    endpoint: EndpointArgument,
    event: Annotated[
        list[str] | None, typer.Option(help="This event (`evt_…`). May be repeated.", show_default=False)
    ] = None,
    since: Annotated[str | None, typer.Option(help="What was recorded from then on.")] = None,
    until: Annotated[str | None, typer.Option(help="What was recorded before then.")] = None,
    failed_only: Annotated[bool, typer.Option("--failed-only", help="Only what was given up.")] = False,
    yes: YesOption = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Send events again: named ones, those of a stretch of time, or all."""
    log = endpoints_of(operator).log
    begin, end = moment_of(since, field="since"), moment_of(until, field="until")
    if event and (since or until or failed_only):
        raise InvalidRequest("name events, or say which; not both", field="event")
    if not (event or since or until or failed_only):
        operator.terminal.confirm(f"Send everything to {endpoint} again?", yes=yes)
    count, after = 0, 0
    with operator.terminal.progress() as progress:
        while True:

            async def work(connection: Connection, book_id: int, after: int = after) -> delivery.Replayed:
                if event:
                    wanted = [ids.decode(ids.EVENT, one, field="event") for one in event]
                    return await log.replay_events(connection, book_id, id_of(endpoint), wanted)
                return await log.replay_range(
                    connection, book_id, id_of(endpoint), since=begin, until=end, failed_only=failed_only,
                    after=after,
                )  # fmt: skip

            done = await changed(operator, book, "replay", id_of(endpoint), work)
            count += done.count
            progress("events on their way", count, 0)
            if done.next_after is None:
                break
            after = done.next_after
    operator.terminal.answer(
        {"replayed": count},
        lambda out: out.print(f"{count:,} {'event is' if count == 1 else 'events are'} on the way."),
    )


async def deliveries(
    operator: Operator,
    endpoint: EndpointArgument,
    state: Annotated[DeliveryState | None, typer.Option(help="Only those in this state.")] = None,
    type: Annotated[str | None, typer.Option(help="Only those of events of this type.")] = None,
    limit: LimitOption = DEFAULT_LIMIT,
    after: AfterOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """List what was sent to an endpoint, the latest events first."""
    found = await operator.book(book)
    wanted = DeliveryFilter(state=state, type=type, before=number_of(after))
    size = min(limit, delivery.MAX_PAGE)
    async with operator.database.connection() as connection:
        rows = await endpoints_of(operator).log.find(
            connection, found.book_id, id_of(endpoint), wanted, limit=size
        )
    cursor = str(rows[-1].seq) if len(rows) == size else None

    def show_rows(out: Console) -> None:
        shown = table("event", "type", "state", "attempts", "next", "error", right=("attempts",))
        for row in rows:
            next_at = "" if row.next_at is None else when(row.next_at)
            shown.add_row(
                ids.encode(ids.EVENT, row.event_id), row.type, row.state.value, str(row.attempts), next_at,
                row.error or "",
            )  # fmt: skip
        out.print(shown if rows else "No deliveries.")
        more(out, cursor)

    operator.terminal.answer(
        {"data": [_delivery_shape(row) for row in rows], "next_cursor": cursor}, show_rows
    )


async def show_delivery(
    operator: Operator,
    endpoint: EndpointArgument,
    event: Annotated[str, typer.Argument(metavar="EVENT", help="By id (`evt_…`).")],
    book: BookOption = FIRST_BOOK,
) -> None:
    """Show a delivery: what was sent, and what was answered."""
    found = await operator.book(book)
    async with operator.database.connection() as connection:
        row, told, attempts = await endpoints_of(operator).log.read(
            connection, found.book_id, id_of(endpoint), ids.decode(ids.EVENT, event, field="event")
        )
    body = events.body_of(told).decode()
    tries = [
        {**msgspec.structs.asdict(one), "response": one.response.decode("utf-8", "replace")}
        for one in attempts
    ]

    def show_row(out: Console) -> None:
        out.print(
            facts([("event", event), ("type", row.type), ("state", row.state.value), ("error", row.error)])
        )
        shown = table("attempt", "at", "ms", "status", "error", "answer", right=("attempt", "ms", "status"))
        for one in attempts:
            shown.add_row(
                str(one.number), when(one.at), str(one.duration_ms), str(one.status or ""), one.error or "",
                one.response.decode("utf-8", "replace"),
            )  # fmt: skip
        out.print(shown)
        out.print(body)

    operator.terminal.answer({**_delivery_shape(row), "request": body, "tries": tries}, show_row)


def _delivery_shape(row: delivery.Delivery) -> dict[str, Any]:
    """As the API has it."""
    return {
        "event": ids.encode(ids.EVENT, row.event_id),
        "seq": row.seq,
        "type": row.type,
        "object": ids.encode(events.PREFIXES[row.object_type], row.object_id),
        "state": row.state.value,
        "attempts": row.attempts,
        "next_at": row.next_at,
        "ended_at": row.ended_at,
        "status": row.status,
        "error": row.error,
    }
