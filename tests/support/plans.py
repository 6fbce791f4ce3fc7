"""What a statement touches, as the server tells it, for any values and for the values at hand."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, LiteralString

import pytest
from psycopg import AsyncClientCursor

from caudal_base.database import Connection
from support.rooms import room_database

if TYPE_CHECKING:
    from conftest import Server

_EXPLAIN = "explain (analyze, buffers, format json) "


def require_known_planner(server: "Server") -> None:
    """Another version may plan otherwise for a table that is nearly empty, or for many keys, and be right."""
    if server.embedded is None:
        pytest.skip("plans are held on the embedded PostgreSQL")


@contextlib.asynccontextmanager
async def filled(server: "Server", template: str, fill: LiteralString) -> AsyncIterator[Connection]:
    """A connection to a new database with all migrations, and what `fill` puts there."""
    async with room_database(server, template) as database, database.connection() as opened:
        await opened.execute(fill)
        yield opened


class Touched:
    """How many rows a statement gave, and how many blocks it read for them."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self.plan = plan
        self.rows = plan["Actual Rows"]
        self.blocks = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        self.scanned = sorted(_scanned(plan))
        """The tables that were read whole."""


async def touched_by(connection: Connection, statement: str, values: Mapping[str, Any]) -> Touched:
    """Of the plan that the server makes for these values."""
    cursor = await connection.execute((_EXPLAIN + statement).encode(), values)
    return await _told(cursor)


async def touched_as_prepared(
    connection: Connection,
    statement: str,
    values: Mapping[str, tuple[str, Any]],
    meanwhile: LiteralString | None = None,
) -> Touched:
    """Of the plan that the server keeps for any values, once the statement is prepared; values with types.

    It is planned before `meanwhile` is carried out, and touches what is there afterwards.
    """
    places = {name: f"${place}" for place, name in enumerate(values, start=1)}
    prepared = statement % places
    types = ", ".join(type_ for type_, _ in values.values())
    async with AsyncClientCursor(connection) as cursor:
        await cursor.execute("set plan_cache_mode = force_generic_plan")
        await cursor.execute(f"prepare explained ({types}) as {prepared}".encode())
        execute = f"execute explained ({', '.join(['%s'] * len(values))})".encode()
        given = [value for _, value in values.values()]
        if meanwhile is not None:
            await cursor.execute(execute, given)
            await cursor.execute(meanwhile)
        await cursor.execute(_EXPLAIN.encode() + execute, given)
        told = await _told(cursor)
        await cursor.execute("deallocate explained")
        await cursor.execute("reset plan_cache_mode")
    return told


async def _told(cursor: Any) -> Touched:
    (told,) = (await cursor.fetchall())[0]
    return Touched((json.loads(told) if isinstance(told, str) else told)[0]["Plan"])


def _scanned(plan: Mapping[str, Any]) -> set[str]:
    found = {plan["Relation Name"]} if plan["Node Type"] == "Seq Scan" else set()
    for below in plan.get("Plans", ()):
        found |= _scanned(below)
    return found
