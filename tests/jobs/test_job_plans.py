"""At size: what a claim, an end or a look costs does not grow with what is done, parked, or not yet due."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from caudal.jobs import State, store, store_operators, store_upkeep
from caudal_base import arrays
from caudal_base.database import Database

BOOK = 1

FILL = """
insert into jobs.job
       (book_id, id, queue, kind, key, state, alone, attempts, run_at, enqueued_at, ended_at, payload)
select 1, gen_random_uuid(), 'default', 'note', %(key)s, %(state)s, false, 0,
       %(now)s::timestamptz + %(due)s * interval '1 second' + place * interval '1 microsecond', %(now)s,
       case when %(state)s in ('dead', 'skipped', 'cancelled')
            then %(now)s::timestamptz + place * interval '1 microsecond' end, '{}'
  from generate_series(1, %(count)s) as place
"""

HISTORY: Mapping[str, tuple[State, int, str | None]] = {
    "set aside": (State.SKIPPED, 0, None),
    "not yet due": (State.READY, 3_600, None),
    "parked behind one key": (State.PARKED, -7_200, "k"),
}


class Sized:
    """A database with so many jobs in it."""

    def __init__(self, database: Database, desk: Any) -> None:
        self.database = database
        self.desk = desk

    async def fill(
        self, count: int, state: State = State.READY, *, due: int = -60, key: str | None = None
    ) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(
                FILL,
                {
                    "count": count,
                    "state": state.value,
                    "due": due,
                    "key": key,
                    "now": self.desk.clock.now(),
                },
            )

    async def analyze(self) -> None:
        async with self.database.connection() as connection:
            await connection.execute("analyze jobs.job")

    async def explain(self, statement: str, **parameters: Any) -> tuple[int, int, str]:
        """What it costs, by its generic plan: blocks touched, rows returned by its scans; and the plan."""
        async with self.database.connection() as connection:
            await connection.execute("begin")
            await connection.execute("set local plan_cache_mode = force_generic_plan")
            cursor = await connection.execute(
                f"explain (analyze, buffers, format json) {statement}", parameters, prepare=True
            )
            row = await cursor.fetchone()
            await connection.execute("rollback")
        assert row is not None
        plan = row[0][0]["Plan"]
        blocks = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        return blocks, sum(_rows(plan)), json.dumps(plan)

    async def claim(self, limit: int = 100) -> tuple[int, int, str]:
        now = self.desk.clock.now()
        return await self.explain(
            store.CLAIM,
            book_id=BOOK,
            queue="default",
            limit=limit,
            now=now,
            until=now + timedelta(minutes=1),
            claim=self.desk.ids.new(),
        )


def _nodes(plan: Any) -> list[Any]:
    return [plan, *(node for child in plan.get("Plans", []) for node in _nodes(child))]


def _rows(plan: Any) -> list[float]:
    """What the scans of the table read, also what they then threw away."""
    return [
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in _nodes(plan)
        if node.get("Relation Name") == "job" and "Scan" in node["Node Type"]
    ]


@pytest.fixture
async def sized(dsn: str, desk: Any) -> Any:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute("alter table jobs.job set (autovacuum_enabled = false)")
        # Statistics of an empty table, as right after an installation: the worst for the planner.
        await connection.execute("analyze jobs.job")
    database = await Database.open(dsn)
    yield Sized(database, desk)
    await database.close()


async def test_a_claim_costs_the_same_whatever_has_piled_up(sized: Sized) -> None:
    await sized.fill(1, State.DEAD, due=-9_000, key="k")
    await sized.fill(1_000)
    await sized.analyze()
    base, _, _ = await sized.claim()
    for state, due, key in HISTORY.values():
        await sized.fill(20_000, state, due=due, key=key)
    await sized.analyze()
    blocks, rows, plan = await sized.claim()
    assert "job_ready_idx" in plan
    assert rows <= 200  # read once to be locked, once to be updated
    assert blocks <= base * 2.5  # an index of sixty times the rows is a level or two deeper


async def test_a_claim_of_keyed_jobs_looks_up_each_key_once(sized: Sized) -> None:
    for key in "abcdefghij":
        await sized.fill(20, State.PARKED, due=-9_000, key=key)
    await sized.fill(100, key="z")
    await sized.fill(20_000, State.PARKED, due=-9_000, key="y")
    await sized.analyze()
    _, rows, plan = await sized.claim()
    assert "job_key_idx" in plan
    assert "job_running_key" in plan
    assert rows <= 400


@pytest.mark.parametrize("count", [1_000, 20_000])
async def test_with_the_statistics_of_an_empty_table_no_statement_reads_the_book_for_each_job(
    sized: Sized, count: int
) -> None:
    """From PostgreSQL 17 on they read only their jobs; before, at worst the book once."""
    await sized.fill(count, key="k")
    async with sized.database.connection() as connection:
        book = count if connection.info.server_version < 170_000 else 0
        cursor = await connection.execute("select id from jobs.job order by seq limit 100")
        ids = [row[0] for row in await cursor.fetchall()]
    now = sized.desk.clock.now()
    _, rows, plan = await sized.claim()
    assert "job_ready_idx" in plan
    assert rows <= 500 + book  # each is locked, looked for in its key twice, and updated
    _, rows, _ = await sized.explain(
        store.SETTLE,
        book_id=BOOK,
        claim=UUID(int=1),
        ids=arrays.uuids(ids),
        states=arrays.texts(["ready"] * 100),
        run_ats=arrays.timestamps([now] * 100),
        attempts=arrays.integers([1] * 100),
        alone=arrays.booleans([False] * 100),
        losses=arrays.integers([0] * 100),
        errors=arrays.texts([None] * 100),
        ended_ats=arrays.timestamps([None] * 100),
    )
    assert rows <= 100 + book
    _, rows, _ = await sized.explain(store.BEGIN, book_id=BOOK, ids=arrays.uuids(ids), claim=UUID(int=1))
    assert rows <= 100 + book
    heads = arrays.uuids([ids[0]] * 99)
    _, rows, _ = await sized.explain(store.PARK, book_id=BOOK, ids=arrays.uuids(ids[1:]), behind=heads)
    assert rows <= 300 + 3 * book  # the head, then each job to be locked, and again to be parked


async def test_ending_jobs_reads_only_them_and_the_first_of_their_keys(sized: Sized) -> None:
    await sized.fill(20_000, State.PARKED, due=-9_000, key="k")
    await sized.fill(20_000, State.SKIPPED)
    await sized.analyze()
    ids = arrays.uuids([sized.desk.ids.new() for _ in range(100)])
    _, rows, plan = await sized.explain(store.DELETE_DONE, book_id=BOOK, ids=ids, claim=UUID(int=1))
    assert "job_pkey" in plan
    assert rows == 0
    _, rows, plan = await sized.explain(
        store.PROMOTE, book_id=BOOK, queues=arrays.texts(["default"]), keys=arrays.texts(["k"])
    )
    assert "job_key_idx" in plan
    assert rows <= 2


async def test_the_search_for_expired_claims_reads_only_what_runs(sized: Sized) -> None:
    await sized.fill(20_000, State.SKIPPED)
    await sized.fill(20_000, State.READY)
    await sized.analyze()
    _, rows, plan = await sized.explain(
        store_upkeep.RELEASE_EXPIRED, book_id=BOOK, now=sized.desk.clock.now(), limit=1_000
    )
    assert "job_running_key" in plan
    assert rows == 0


async def test_a_page_of_dead_letters_is_read_in_their_order(sized: Sized) -> None:
    await sized.fill(20_000, State.READY)
    await sized.fill(20_000, State.DEAD)
    await sized.analyze()
    now = sized.desk.clock.now()
    _, rows, plan = await sized.explain(
        store_operators.LIST_ENDED,
        book_id=BOOK,
        states=arrays.texts(["dead"]),
        kind=None,
        after_at=now,
        after_id=UUID(int=0),
        limit=50,
    )
    assert "job_ended_idx" in plan
    assert rows <= 50


async def test_an_operators_action_reads_only_its_jobs_and_the_first_of_their_keys(sized: Sized) -> None:
    await sized.fill(20_000, State.PARKED, due=-9_000, key="k")
    await sized.analyze()
    async with sized.database.connection() as connection:
        cursor = await connection.execute("select id from jobs.job order by seq desc limit 3")
        ids = [row[0] for row in await cursor.fetchall()]
    _, rows, _ = await sized.explain(store_operators.LOCK, book_id=BOOK, ids=arrays.uuids(ids))
    assert rows <= 10
