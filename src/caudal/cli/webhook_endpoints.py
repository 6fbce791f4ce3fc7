"""`caudal webhooks endpoints`: where events are sent, and what became of it."""

from collections.abc import Awaitable, Callable, Collection
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console

from caudal import audit, delivery, events
from caudal.cli.frame import group
from caudal.cli.operator import PRINCIPAL, Operator, on_database
from caudal.cli.options import (
    DEFAULT_LIMIT,
    AfterOption,
    BookOption,
    LimitOption,
    span_of,
)
from caudal.cli.paging import more
from caudal.cli.setup import FIRST_BOOK
from caudal.cli.terminal import facts, table
from caudal.delivery import (
    Change,
    DisableReason,
    Endpoint,
    Endpoints,
    Issued,
    NewEndpoint,
    Policy,
    Signature,
)
from caudal.ledger import Ledger
from caudal_base import ids
from caudal_base.database import Connection
from caudal_base.sealing import Sealing
from caudal_base.settings import Environment

app = group("Where events are sent, and what became of it.")

EndpointArgument = Annotated[str, typer.Argument(metavar="ENDPOINT", help="By id (`whe_…`).")]
TypesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--type", help="Types of events that it wants: `payment.*`. May be repeated.", show_default=False
    ),
]
ConcurrencyOption = Annotated[
    int | None, typer.Option(min=1, max=64, help="Webhooks under way at once, at most.")
]
DescriptionOption = Annotated[str | None, typer.Option(help="For people.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def endpoints_of(operator: Operator, *, types: Collection[str] = ()) -> Endpoints:
    """What makes and changes endpoints, under the settings of this command; of these `types`, where given."""
    settings = operator.call.settings
    return Endpoints(
        Ledger(operator.clock),
        operator.clock,
        operator.ids,
        Sealing(settings.sealing_key, settings.data_dir),
        Policy(development=settings.env is Environment.DEVELOPMENT),
        types=types,
    )


def event_types() -> Collection[str]:
    """All types that events have."""
    # Here, since the other commands on endpoints need not wait for the whole API to be loaded.
    from caudal.api import FAMILIES

    return [type_ for family in FAMILIES for type_ in family.types]


@on_database(app, "list")
async def list_(
    operator: Operator,
    limit: LimitOption = DEFAULT_LIMIT,
    after: AfterOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """List webhook endpoints, the latest first."""
    found = await operator.book(book)
    before = None if after is None else ids.decode(ids.ENDPOINT, after, field="after")
    size = min(limit, delivery.MAX_PAGE)
    async with operator.database.connection() as connection:
        rows = await endpoints_of(operator).find(connection, found.book_id, before=before, limit=size)
    cursor = ids.encode(ids.ENDPOINT, rows[-1].id) if len(rows) == size else None

    def show_rows(out: Console) -> None:
        shown = table("endpoint", "status", "types", "url", "through", right=("through",))
        for row in rows:
            shown.add_row(
                ids.encode(ids.ENDPOINT, row.id), row.status.value, " ".join(row.types), row.url,
                str(row.delivered_through),
            )  # fmt: skip
        out.print(shown if rows else "No webhook endpoints.")
        more(out, cursor)

    operator.terminal.answer({"data": [_shape(row) for row in rows], "next_cursor": cursor}, show_rows)


@on_database(app, "show")
async def show(operator: Operator, endpoint: EndpointArgument, book: BookOption = FIRST_BOOK) -> None:
    """Show a webhook endpoint."""
    found = await operator.book(book)
    async with operator.database.connection() as connection:
        row = await endpoints_of(operator).get(connection, found.book_id, id_of(endpoint))
    _answer(operator, row)


@on_database(app, "create")
async def create(
    operator: Operator,
    url: Annotated[str, typer.Argument(metavar="URL", help="https:// and a public host.")],
    type: TypesOption = None,
    ordered: Annotated[
        bool, typer.Option("--ordered", help="The events of one object come in their order.")
    ] = False,
    concurrency: ConcurrencyOption = None,
    signature: Annotated[Signature, typer.Option(help="HMAC (v1) or ed25519 (v1a).")] = Signature.V1,
    description: DescriptionOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Send events to a URL from now on. The secret is shown once."""
    endpoints = endpoints_of(operator, types=event_types())
    await endpoints.look_up(url)
    new = NewEndpoint(
        id=operator.ids.new(),
        url=url,
        types=tuple(type or ["*"]),
        ordered=ordered,
        concurrency=concurrency or 16,
        signature=signature,
        description=description,
    )
    issued = await changed(
        operator,
        book,
        "create",
        new.id,
        lambda connection, book_id: endpoints.create(connection, book_id, new),
    )
    _answer_issued(operator, issued)


@on_database(app, "change")
async def change(
    operator: Operator,
    endpoint: EndpointArgument,
    url: Annotated[str | None, typer.Option(help="Send there instead.")] = None,
    type: TypesOption = None,
    ordered: Annotated[
        bool | None, typer.Option("--ordered/--unordered", help="Whether an object's events come in order.")
    ] = None,
    concurrency: ConcurrencyOption = None,
    description: DescriptionOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Change a webhook endpoint; what is not named stays as it is."""
    endpoints = endpoints_of(operator, types=() if type is None else event_types())
    if url is not None:
        await endpoints.look_up(url)
    wanted = Change(
        url=url,
        types=None if type is None else tuple(type),
        ordered=ordered,
        concurrency=concurrency,
        description=description,
    )
    row = await changed(
        operator,
        book,
        "change",
        id_of(endpoint),
        lambda connection, book_id: endpoints.change(connection, book_id, id_of(endpoint), wanted),
    )
    _answer(operator, row)


@on_database(app, "enable")
async def enable(operator: Operator, endpoint: EndpointArgument, book: BookOption = FIRST_BOOK) -> None:
    """Deliver again, from where it stopped."""
    endpoints = endpoints_of(operator)
    row = await changed(
        operator,
        book,
        "enable",
        id_of(endpoint),
        lambda connection, book_id: endpoints.enable(connection, book_id, id_of(endpoint)),
    )
    _answer(operator, row)


@on_database(app, "disable")
async def disable(operator: Operator, endpoint: EndpointArgument, book: BookOption = FIRST_BOOK) -> None:
    """Deliver nothing for now."""
    endpoints = endpoints_of(operator)

    async def work(connection: Connection, book_id: int) -> Endpoint:
        await endpoints.disable(connection, book_id, id_of(endpoint), DisableReason.REQUESTED)
        return await endpoints.get(connection, book_id, id_of(endpoint))

    _answer(operator, await changed(operator, book, "disable", id_of(endpoint), work))


@on_database(app, "delete")
async def delete(
    operator: Operator, endpoint: EndpointArgument, yes: YesOption = False, book: BookOption = FIRST_BOOK
) -> None:
    """Remove a webhook endpoint for good."""
    operator.terminal.confirm(f"Remove {endpoint} with its secrets?", yes=yes)
    endpoints = endpoints_of(operator)
    await changed(
        operator,
        book,
        "delete",
        id_of(endpoint),
        lambda connection, book_id: endpoints.delete(connection, book_id, id_of(endpoint)),
    )
    operator.terminal.answer(
        {"id": endpoint, "deleted": True}, lambda out: out.print(f"{endpoint} is removed.")
    )


@on_database(app, "rotate-secret")
async def rotate_secret(
    operator: Operator,
    endpoint: EndpointArgument,
    overlap: Annotated[str, typer.Option(help="How long the old one signs too: 15m, 12h, 7d.")] = "1d",
    signature: Annotated[Signature | None, typer.Option(help="By default as before.")] = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Give a webhook endpoint a new secret, shown once."""
    endpoints, span = endpoints_of(operator), span_of(overlap, field="overlap")
    issued = await changed(
        operator,
        book,
        "rotate_secret",
        id_of(endpoint),
        lambda connection, book_id: endpoints.rotate(
            connection, book_id, id_of(endpoint), signature=signature, overlap=span
        ),
    )
    _answer_issued(operator, issued)


@on_database(app, "test")
async def send_test(operator: Operator, endpoint: EndpointArgument, book: BookOption = FIRST_BOOK) -> None:
    """Send a test event, whatever the endpoint filters."""
    endpoints = endpoints_of(operator)
    event = await changed(
        operator,
        book,
        "test",
        id_of(endpoint),
        lambda connection, book_id: endpoints.test(connection, book_id, id_of(endpoint)),
    )
    told = events.envelope(event)
    operator.terminal.answer(told, lambda out: out.print(f"{told.id} is on its way."))


Result = Any


async def changed(
    operator: Operator,
    book: str,
    what: str,
    id: UUID,
    work: Callable[[Connection, int], Awaitable[Result]],
) -> Result:
    """Do `work` in a transaction of its own, with a record in the audit log."""
    found = await operator.book(book)
    async with operator.database.transaction() as connection:
        result = await work(connection, found.book_id)
        record = audit.Record(
            book_id=found.book_id,
            at=operator.clock.now(),
            principal=PRINCIPAL,
            action=f"webhook_endpoint.{what}",
            object_id=ids.encode(ids.ENDPOINT, id),
            request_id=operator.request_id,
            result="done",
        )
        await audit.append(connection, [record])
    return result


def _answer(operator: Operator, row: Endpoint) -> None:
    operator.terminal.answer(_shape(row), lambda out: out.print(facts(_facts(row))))


def _answer_issued(operator: Operator, issued: Issued) -> None:
    """The endpoint with its new secret."""
    secret = None if issued.secret is None else issued.secret.reveal()
    rows = [*_facts(issued.endpoint), ("secret", secret)]

    def show_row(out: Console) -> None:
        out.print(facts(rows))
        if secret is not None:
            out.print("Keep the secret: it is not shown again.")

    operator.terminal.answer({**_shape(issued.endpoint), "secret": secret}, show_row)


def _facts(row: Endpoint) -> list[tuple[str, Any]]:
    shown = _shape(row)
    keys = [one.public_key for one in row.secrets if one.public_key is not None]
    return [
        ("endpoint", shown["id"]),
        ("url", row.url),
        ("types", " ".join(row.types)),
        ("ordered", "yes" if row.ordered else None),
        ("concurrency", row.concurrency),
        ("status", row.status.value),
        ("reason", shown["reason"]),
        ("created", row.created_at),
        ("failing since", row.failing_since),
        ("behind since", row.behind_since),
        ("quiet until", row.quiet_until),
        ("public key", " ".join(keys)),
    ]


def _shape(row: Endpoint) -> dict[str, Any]:
    """As the API has it."""
    secrets = [
        {
            "signature": one.signature.value,
            "public_key": one.public_key,
            "created_at": one.created_at,
            "expires_at": one.expires_at,
        }
        for one in row.secrets
    ]
    return {
        **delivery.endpoint_data(row),
        "quiet_until": row.quiet_until,
        "delivered_through": row.delivered_through,
        "secrets": secrets,
    }


def id_of(endpoint: str) -> UUID:
    """An endpoint's id. Raises `InvalidId`."""
    return ids.decode(ids.ENDPOINT, endpoint, field="endpoint")
