"""Arrays as parameters: what PostgreSQL reads is what was given."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import psycopg
import pytest

from caudal_base import arrays
from caudal_base.database import Database

LONG = "ñ" * 5_000

EARLY, LATE = (
    datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2026, 2, 3, 4, 5, 6, 7, tzinfo=UTC),
)
SOME = UUID("0193a1b2-c3d4-7e8f-9a0b-1c2d3e4f5a6b")

CASES = [
    (arrays.uuids, "uuid[]", [UUID(int=0), UUID(int=2**128 - 1), SOME]),
    (arrays.texts, "text[]", ["", "a", "NULL", '{"quoted, \\ text"}', "ñ€😀", LONG]),
    (arrays.texts, "text[]", [None, "a", None]),
    (arrays.texts, "text[]", [None, None]),
    (arrays.blobs, "bytea[]", [b"", b"\x00\xff", b"x" * 100_000]),
    (arrays.smallints, "smallint[]", [0, -1, 32_767, -32_768]),
    (arrays.integers, "integer[]", [0, -1, 2**31 - 1, -(2**31), None]),
    (arrays.bigints, "bigint[]", [0, -1, 2**63 - 1, -(2**63)]),
    (arrays.bigints, "bigint[]", [1, None, 3]),
    (arrays.bigints, "bigint[]", [None, None]),
    (arrays.booleans, "boolean[]", [True, False]),
    (arrays.dates, "date[]", [date(1993, 1, 1), date(2000, 1, 1), date(2026, 11, 22)]),
    (arrays.timestamps, "timestamp with time zone[]", [EARLY, LATE]),
    (arrays.timestamps, "timestamp with time zone[]", [None, LATE]),
    (arrays.timestamps, "timestamp with time zone[]", [None, None]),
]


@pytest.fixture
async def database(shared_database: Database) -> Database:
    """The file's: nothing is written to it."""
    return shared_database


@pytest.mark.parametrize(
    ("make", "kind", "values"), CASES, ids=[f"{kind}-{place}" for place, (_, kind, _) in enumerate(CASES)]
)
async def test_every_element_arrives_as_it_was_given(
    database: Database, make: Callable[[Sequence[Any]], arrays.Array], kind: str, values: list[Any]
) -> None:
    async with database.connection() as connection:
        for batch in (values, values[:1], values[:1] * 3, []):
            cursor = await connection.execute(
                "select pg_typeof(%s)::text, array(select unnest(%s))",
                (make(batch), make(batch)),
                binary=True,
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


async def test_external_ids_arrive_as_their_uuids(database: Database) -> None:
    async with database.connection() as connection:
        cursor = await connection.execute("select %s", (arrays.hex_uuids([f"tr_{SOME.hex}", SOME.hex]),))
        assert await cursor.fetchone() == ([SOME, SOME],)


async def test_json_texts_arrive_as_documents(database: Database) -> None:
    async with database.connection() as connection:
        cursor = await connection.execute("select %s", (arrays.jsonbs([b'{"a": [1, "\xc3\xb1"]}', None]),))
        assert await cursor.fetchone() == ([{"a": [1, "ñ"]}, None],)
