"""`caudal events`: what has changed."""

import asyncio
import sys
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from caudal import events
from caudal.cli.frame import group
from caudal.cli.operator import Operator, on_database
from caudal.cli.options import DEFAULT_LIMIT, AfterOption, BookOption, LimitOption, number_of
from caudal.cli.paging import more
from caudal.cli.setup import FIRST_BOOK
from caudal.cli.terminal import facts, table, when
from caudal.events import Event
from caudal_base import ids

app = group("What has changed: list it, show it, follow it.")

TypeOption = Annotated[
    str | None, typer.Option("--type", help="Only those of this type, as `payment.succeeded`.")
]
ObjectOption = Annotated[
    str | None, typer.Option("--object", metavar="ID", help="Only those about this object.")
]

_POLL_S = 0.5


@on_database(app, "list")
async def list_(
    operator: Operator,
    type: TypeOption = None,
    object: ObjectOption = None,
    limit: LimitOption = DEFAULT_LIMIT,
    after: AfterOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """List events in the order in which they happened."""
    found = await operator.book(book)
    rows: list[Event] = []
    place = number_of(after) or 0
    async with operator.database.connection() as connection:
        while True:
            size = min(limit - len(rows), events.MAX_PAGE)
            page = await events.find(
                connection, found.book_id, type=type, object=object, after=place, limit=size
            )
            rows += page.events
            place = page.next_after
            if len(rows) >= limit or place >= page.head:
                break
    cursor = str(place) if place < page.head else None

    def show_rows(out: Console) -> None:
        shown = table("seq", "at", "type", "object", "event", right=("seq",))
        for row in rows:
            shown.add_row(str(row.seq), when(row.at), row.type, row.object_id, ids.encode(ids.EVENT, row.id))
        out.print(shown if rows else "No events.")
        more(out, cursor)

    operator.terminal.answer({"data": [_shape(row) for row in rows], "next_cursor": cursor}, show_rows)


@on_database(app, "show")
async def show(
    operator: Operator,
    event: Annotated[str, typer.Argument(metavar="EVENT", help="The event's id (`evt_…`).")],
    book: BookOption = FIRST_BOOK,
) -> None:
    """Show an event with the object as it was after the change."""
    found = await operator.book(book)
    event_id = ids.decode(ids.EVENT, event, field="event")
    async with operator.database.connection() as connection:
        row = await events.get(connection, found.book_id, event_id)

    def show_event(out: Console) -> None:
        out.print(
            facts(
                [
                    ("event", event),
                    ("seq", row.seq),
                    ("type", row.type),
                    ("object", row.object_id),
                    ("at", row.at),
                ]
            )
        )
        out.print(msgspec.json.format(bytes(row.data), indent=2).decode())

    operator.terminal.answer(_shape(row), show_event)


@on_database(app, "tail")
async def tail(
    operator: Operator,
    type: TypeOption = None,
    object: ObjectOption = None,
    after: Annotated[
        str | None,
        typer.Option("--after", metavar="SEQ", help="From behind this one on. (default: only what is new)"),
    ] = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Print events as they happen, until interrupted; with --json one object a line."""
    found = await operator.book(book)
    place = number_of(after)
    async with operator.database.connection() as connection:
        if place is None:
            place = (await events.find(connection, found.book_id, limit=1)).head
    while True:
        async with operator.database.connection() as connection:
            page = await events.find(connection, found.book_id, type=type, object=object, after=place)
        for row in page.events:
            sys.stdout.write(_line(row, as_json=operator.terminal.as_json) + "\n")
        sys.stdout.flush()
        place = page.next_after
        if place >= page.head:
            await asyncio.sleep(_POLL_S)


def _line(row: Event, *, as_json: bool) -> str:
    if as_json:
        return msgspec.json.encode(_shape(row)).decode()
    return f"{row.seq}  {when(row.at)}  {row.type}  {row.object_id}"


def _shape(row: Event) -> dict[str, Any]:
    """As the API has it."""
    return msgspec.structs.asdict(events.envelope(row))
