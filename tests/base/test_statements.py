"""Several writes as one statement."""

import psycopg
import pytest

from caudal_base import arrays
from caudal_base.database import Database
from caudal_base.statements import Statement, execute, together

TABLES = "create table a (n bigint primary key); create table b (n bigint, note text)"
INTO_A = "insert into a select n + %(shift)s from unnest(%(numbers)s) as n"
INTO_B = "insert into b select n, %s from unnest(%s) as n"


@pytest.fixture
async def tables(database: Database) -> Database:
    async with database.connection() as connection:
        await connection.execute(TABLES)
    return database


def writes() -> list[Statement]:
    return [
        Statement(INTO_A, {"numbers": arrays.bigints([1, 2, 3]), "shift": 10, "not_used": "here"}),
        Statement(INTO_B, ("50 %", arrays.bigints([7]))),
    ]


async def test_all_of_them_are_done_and_the_last_one_is_counted(tables: Database) -> None:
    async with tables.transaction() as connection:
        cursor = await execute(connection, writes())
        assert cursor.rowcount == 1
    async with tables.connection() as connection:
        rows = await (
            await connection.execute("select n, null from a union all select n, note from b")
        ).fetchall()
    assert rows == [(11, None), (12, None), (13, None), (7, "50 %")]


async def test_one_that_fails_takes_the_others_with_it(tables: Database) -> None:
    twice = [*writes(), Statement(INTO_A, {"numbers": arrays.bigints([1]), "shift": 10})]
    with pytest.raises(psycopg.errors.UniqueViolation):
        async with tables.transaction() as connection:
            await execute(connection, twice)
    async with tables.connection() as connection:
        assert await (await connection.execute("select * from b")).fetchall() == []


def test_the_same_texts_make_the_same_text() -> None:
    assert together(writes())[0] is together(writes())[0]


def test_one_alone_is_itself_with_its_values_by_place() -> None:
    text, values = together([Statement("select %(b)s, %(a)s, %(b)s", {"a": 1, "b": 2})])
    assert (text, values) == (b"select $1, $2, $3", [2, 1, 2])
