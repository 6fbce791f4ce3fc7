"""Several writes as one statement: a round of parsing, binding and waiting less for each of them.

PostgreSQL runs data-modifying parts of a WITH to their ends, in no order that can be told, all on one
snapshot (documentation, "Data-Modifying Statements in WITH"). So the statements must write to different
rows and read nothing that another of them writes.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from psycopg import AsyncCursor, AsyncRawCursor
from psycopg.rows import TupleRow

from caudal_base.database import Connection

_NAMED = re.compile(r"%\((\w+)\)s")


class Statement(NamedTuple):
    """A statement and its values, by name (`%(name)s`) or by place (`%s`)."""

    text: str
    values: Mapping[str, Any] | Sequence[Any]


def together(statements: Sequence[Statement]) -> tuple[bytes, list[Any]]:
    """One statement that does what all of `statements` do, with its values; the last one counts its rows."""
    values: list[Any] = []
    for text, own in statements:
        values += [own[name] for name in _by_place(text)[1]] if isinstance(own, Mapping) else own
    return _combined(tuple(text for text, _ in statements)), values


@lru_cache(maxsize=1024)
def _combined(texts: tuple[str, ...]) -> bytes:
    """The combined text; of a few dozen combinations at most, which the driver comes to know as prepared.

    With PostgreSQL's own placeholders, `$1` and so on: the driver parses a text with `%s` anew each time
    once it is longer than 4,096 characters, at 15 ms for each thousand such statements.
    """
    *parts, last = (_by_place(text)[0] for text in texts)
    text = last
    if parts:
        ctes = ",\n".join(f"part_{number} as ({part})" for number, part in enumerate(parts))
        text = f"with {ctes}\n{last}"
    numbers = itertools.count(1)
    return re.sub("%s|%%", lambda found: f"${next(numbers)}" if found[0] == "%s" else "%", text).encode()


async def execute(connection: Connection, statements: Sequence[Statement]) -> AsyncCursor[TupleRow]:
    """Send all of `statements` as one; in a pipeline this does not wait. The cursor is of the last one."""
    cursor = AsyncRawCursor(connection)
    return await cursor.execute(*together(statements))


@lru_cache(maxsize=1024)
def _by_place(text: str) -> tuple[str, tuple[str, ...]]:
    """The text with its values by place, and their names in that order; none where it has no names."""
    return _NAMED.sub("%s", text), tuple(_NAMED.findall(text))
