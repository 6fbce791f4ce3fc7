"""`caudal keys`: API keys."""

import re
from typing import Annotated, Any, Final
from uuid import UUID

import typer
from rich.console import Console
from rich.text import Text

from caudal import access
from caudal.access import ApiKey, ChangeKey, CreateKey, Environment, IssuedKey, RevokeKey, Scope
from caudal.cli.frame import Call, command, group
from caudal.cli.operator import Operator, on_database
from caudal.cli.options import DEFAULT_LIMIT, AfterOption, LimitOption, YesOption, span_of
from caudal.cli.paging import more
from caudal.cli.setup import FIRST_BOOK
from caudal.cli.terminal import cell, facts, table
from caudal.ledger import BookInfo, BookMode, list_books
from caudal_base import ids

app = group("API keys: create, list, change, revoke.")

_DEFAULT: Final = "default"
_NAMED_KEY: Final = "The key's id (`key_…`) or its `public_id`, as `keys list` shows them."

_PUBLIC_ID: Final = re.compile(r"[0-9A-Za-z]{1,32}", re.ASCII)


@on_database(app, "create")
async def create(
    operator: Operator,
    name: Annotated[str, typer.Argument(help="What people call it; no personal data.")],
    scope: Annotated[
        list[Scope] | None,
        typer.Option(
            help="What it may do; may be repeated. `caudal keys scopes` explains them.", show_choices=False
        ),
    ] = None,
    book: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A book that it reaches; may be repeated. (default: main)"),
    ] = None,
    all_books: Annotated[
        bool, typer.Option("--all-books", help="It reaches every book, those to come included.")
    ] = False,
    expires_in: Annotated[
        str | None, typer.Option(metavar="SPAN", help="How long it works: 12h, 90d. (default: for ever)")
    ] = None,
    succeeds: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="Rotation: the key (id or `public_id`) whose identity it continues; both work.",
        ),
    ] = None,
    requests_per_second: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="What it may ask of the API; 0 is as much as comes. (default: CAUDAL_REQUESTS_PER_SECOND, "
            "or as the key that it succeeds)",
        ),
    ] = None,
) -> None:
    """Make an API key, and show its text: this once, since it is stored nowhere.

    The text says `live` where the key reaches a live book, else `test`.
    """
    now = operator.clock.now()
    earlier = None if succeeds is None else await _key_id(operator, succeeds, field="succeeds")
    async with operator.database.transaction() as connection:
        directory = await list_books(connection)
        reached = None if all_books else [await operator.book(one) for one in book or [FIRST_BOOK]]
        command = CreateKey(
            name=name,
            scopes=frozenset(scope or ()),
            books=None if reached is None else frozenset(one.book_id for one in reached),
            environment=_environment(directory if reached is None else reached),
            expires_at=None if expires_in is None else now + span_of(expires_in, field="expires_in"),
            succeeds=earlier,
            requests_per_second=requests_per_second,
        )
        (issued,) = await access.create_keys(
            connection, [command], caller=operator.caller, at=now, new_ids=operator.ids
        )
    if not isinstance(issued, IssuedKey):
        raise issued
    _show_once(operator, issued, {one.book_id: one.name for one in directory})


def _show_once(operator: Operator, issued: IssuedKey, names: dict[int, str]) -> None:
    text = issued.text.reveal()

    def show(out: Console) -> None:
        out.print(Text(text, "bold"), soft_wrap=True)
        out.print(Text("Keep it: it is not shown again.\n", "dim"))
        out.print(facts(_rows(operator, issued.key, names)))

    operator.terminal.answer({**_shape(operator, issued.key, names), "text": text}, show)


@on_database(app, "list")
async def list_(operator: Operator, limit: LimitOption = DEFAULT_LIMIT, after: AfterOption = None) -> None:
    """List API keys, the newest first, without their texts."""
    async with operator.database.connection() as connection:
        page = await access.list_keys(
            connection, principal=access.OPERATOR, cursor=after, limit=min(limit, 1_000)
        )
        names = {one.book_id: one.name for one in await list_books(connection)}
    now = operator.clock.now()

    def show(out: Console) -> None:
        shown = table("key", "public id", "name", "status", "books", "scopes", "created", "last used")
        for key in page.keys:
            shown.add_row(
                ids.encode(ids.KEY, key.id), key.public_id, key.name, key.status(now).value,
                _books(key, names), " ".join(sorted(key.scopes)),
                cell(key.created_at), cell(key.last_used_at),
            )  # fmt: skip
        out.print(shown if page.keys else "No keys. `caudal keys create` makes one.")
        more(out, page.next_cursor)

    data = [_shape(operator, key, names) for key in page.keys]
    operator.terminal.answer({"data": data, "next_cursor": page.next_cursor}, show)


@on_database(app, "change")
async def change(
    operator: Operator,
    key: Annotated[str, typer.Argument(metavar="KEY", help=_NAMED_KEY)],
    requests_per_second: Annotated[
        str,
        typer.Option(
            metavar="N",
            help="What it may ask; 0 is as much as comes, `default` as the settings say.",
        ),
    ],
) -> None:
    """Let a key make more requests, or fewer: within a second every process keeps to it."""
    rate = _rate(requests_per_second)
    key_id = await _key_id(operator, key, field="key")
    async with operator.database.transaction() as connection:
        (result,) = await access.change_keys(
            connection,
            [ChangeKey(key_id=key_id, requests_per_second=rate)],
            caller=operator.caller,
            at=operator.clock.now(),
        )
        names = {one.book_id: one.name for one in await list_books(connection)}
    if not isinstance(result, ApiKey):
        raise result
    operator.terminal.answer(
        _shape(operator, result, names), lambda out: out.print(facts(_rows(operator, result, names)))
    )


@on_database(app, "revoke")
async def revoke(
    operator: Operator,
    key: Annotated[str, typer.Argument(metavar="KEY", help=_NAMED_KEY)],
    yes: YesOption = False,
) -> None:
    """Stop a key, for good: within a second every process refuses it."""
    key_id = await _key_id(operator, key, field="key")
    operator.terminal.confirm(f"Revoke {key}? Whoever uses it is refused from now on.", yes=yes)
    async with operator.database.transaction() as connection:
        (result,) = await access.revoke_keys(
            connection, [RevokeKey(key_id)], caller=operator.caller, at=operator.clock.now()
        )
        names = {one.book_id: one.name for one in await list_books(connection)}
    if not isinstance(result, ApiKey):
        raise result
    operator.terminal.answer(
        _shape(operator, result, names), lambda out: out.print(facts(_rows(operator, result, names)))
    )


@command(app, "scopes")
def scopes(call: Call) -> None:
    """List what keys can be allowed to do."""

    def show(out: Console) -> None:
        shown = table("scope", "what it permits")
        for one in Scope:
            shown.add_row(one.value, one.description)
        out.print(shown)

    call.terminal.answer(
        {"data": [{"scope": one.value, "description": one.description} for one in Scope]}, show
    )


def _rate(text: str) -> int | None:
    """Requests in a second; None as the settings say. Raises `InvalidKeyRequest`."""
    if text == _DEFAULT:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        detail = f"requests in a second are a number, or {_DEFAULT}: not {text}"
        raise access.InvalidKeyRequest(detail, field="requests_per_second")
    return int(text)


def _allowance(key: ApiKey) -> str:
    match key.requests_per_second:
        case None:
            return "as the settings say"
        case 0:
            return "as many as come"
        case rate:
            return f"{rate} a second"


async def _key_id(operator: Operator, named: str, *, field: str) -> UUID:
    """The key of this id or public id. Raises `InvalidId` for what is neither, `KeyNotFound`."""
    if not _PUBLIC_ID.fullmatch(named):
        return ids.decode(ids.KEY, named, field=field)
    cursor: str | None = None
    async with operator.database.connection() as connection:
        while True:
            page = await access.list_keys(connection, principal=access.OPERATOR, cursor=cursor, limit=1_000)
            for key in page.keys:
                if key.public_id == named:
                    return key.id
            cursor = page.next_cursor
            if cursor is None:
                raise access.KeyNotFound(f"No key has the public id {named}.", field=field)


def _environment(books: list[BookInfo]) -> Environment:
    return Environment.LIVE if any(one.mode is BookMode.LIVE for one in books) else Environment.TEST


def _books(key: ApiKey, names: dict[int, str]) -> str:
    if key.books is None:
        return "all"
    return " ".join(names.get(number, str(number)) for number in sorted(key.books))


def _rows(operator: Operator, key: ApiKey, names: dict[int, str]) -> list[tuple[str, Any]]:
    return [
        ("key", ids.encode(ids.KEY, key.id)),
        ("public id", key.public_id),
        ("name", key.name),
        ("status", key.status(operator.clock.now()).value),
        ("books", _books(key, names)),
        ("scopes", " ".join(sorted(key.scopes))),
        ("requests", _allowance(key)),
        ("created", key.created_at),
        ("expires", key.expires_at),
        ("revoked", key.revoked_at),
    ]


def _shape(operator: Operator, key: ApiKey, names: dict[int, str]) -> dict[str, Any]:
    return {
        "id": ids.encode(ids.KEY, key.id),
        "name": key.name,
        "status": key.status(operator.clock.now()).value,
        "environment": key.environment.value,
        "public_id": key.public_id,
        "books": None if key.books is None else [names.get(number, "") for number in sorted(key.books)],
        "scopes": sorted(key.scopes),
        "requests_per_second": key.requests_per_second,
        "created_at": key.created_at,
        "created_by": key.created_by,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
    }
