"""Who acts from the command line, and how what was refused is told once its audit record is kept."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer

from caudal.access import Authenticator, Caller, Scope, require
from caudal.cli.operator import Operator
from caudal.ledger import BookInfo
from caudal_base.database import Connection
from caudal_base.errors import CaudalError
from caudal_base.secret import Secret

T = TypeVar("T")

KeyOption = Annotated[
    str | None,
    typer.Option(
        "--key-file",
        metavar="FILE",
        help="Act as the owner of the API key in this file, by its scopes. (default: as the operator)",
    ),
]

_MOST_KEY: Final = 1_024


async def acting(
    operator: Operator, book: str, key_file: str | None, scope: Scope
) -> tuple[BookInfo, Caller]:
    """The book, and who acts in it: the operator, or the owner of a key, which must permit `scope` there.

    Raises `BookNotFound`, `InvalidApiKey`, `MissingScope`, `BookOutOfReach`, and `OSError` for a file that
    cannot be read.
    """
    found = await operator.book(book)
    if key_file is None:
        return found, operator.caller
    key = _key_in(key_file)
    authenticator = Authenticator(operator.database, operator.clock)
    principal = await authenticator.authenticate(key, request_id=operator.request_id)
    await authenticator.flush()
    require(principal, scope, found.book_id)
    return found, Caller(principal=principal, request_id=operator.request_id)


async def committed(operator: Operator, work: Callable[[Connection], Awaitable[T | CaudalError]]) -> T:
    """What came of `work`; a refusal is raised after the commit, so that its audit record stays."""
    async with operator.database.transaction() as connection:
        result = await work(connection)
    if isinstance(result, CaudalError):
        raise result
    return result


def _key_in(file: str) -> Secret:
    if file == "-":
        return Secret(sys.stdin.read(_MOST_KEY).strip())
    with Path(file).open(encoding="utf-8", errors="replace") as opened:
        return Secret(opened.read(_MOST_KEY).strip())
