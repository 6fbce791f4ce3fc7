"""Arrays as parameters: what PostgreSQL reads is what was given."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import psycopg
import pytest

from caudal_base import arrays
from caudal_base.database import Database

LONG = "ñ" * 5_000

CASES = [
    (arrays.uuids, "uuid[]", [UUID(int=0), UUID(int=2**128 - 1), UUID("0193a1b2-c3d4-7e8f-9a0b-1c2d3e4f5a6b")]),
    (arrays.texts, "text[]", ["", "a", "NULL", '{"quoted, \\ text"}', "ñ€😀", LONG]),
    (arrays.blobs, "bytea[]", [b"", b"\x00\xff", b"x" * 100_000]),
    (arrays.smallints, "smallint[]", [0, -1, 32_767, -32_768]),
    (arrays.bigints, "bigint[]", [0, -1, 2**63 - 1, -(2**63)]),
    (
        arrays.timestamps,
        "timestamp with time zone[]",
        [datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), datetime(2026, 2, 3, 4, 5, 6, 7, tzinfo=UTC)],
    ),
]


@pytest.mark.parametrize(("make", "kind", "values"), CASES, ids=[kind for _, kind, _ in CASES])
async def test_every_element_arrives_as_it_was_given(
    database: Database, make: Callable[[Sequence[Any]], arrays.Array], kind: str, values: list[Any]
) -> None:
    async with database.connection() as connection:
        for batch in (values, values[:1], []):
            cursor = await connection.execute(
                "select pg_typeof(%s)::text, array(select unnest(%s))", (make(batch), make(batch)), binary=True
            )
            assert await cursor.fetchone() == (kind, batch)


async def test_a_moment_in_another_zone_is_the_same_moment(database: Database) -> None:
    moment = datetime(2026, 2, 3, 4, 5, 6, 7, tzinfo=timezone(timedelta(hours=-5)))

    async with database.connection() as connection:
        cursor = await connection.execute("select unnest(%s)", (arrays.timestamps([moment]),))

        assert await cursor.fetchone() == (moment,)


async def test_a_nul_character_is_refused_by_the_database(database: Database) -> None:
    async with database.connection() as connection:
        with pytest.raises(psycopg.errors.CharacterNotInRepertoire):
            await connection.execute("select %s", (arrays.texts(["a\0b"]),))
