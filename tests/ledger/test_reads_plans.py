"""What reads cost does not grow with history: their plans, at 100,000 transfers through one hot account.

Every statement that a read sends is explained as it runs, both as the server plans it for the values at hand
and as it plans it for any values once the statement is prepared.
"""

import datetime as dt
import re
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg import AsyncClientCursor, sql

from caudal.ledger import (
    AccountFilter,
    Basis,
    Now,
    TransferFilter,
    TransferKind,
    balance_at_effective,
    balance_at_recorded,
    balance_at_seq,
    balance_now,
    end_of,
    get_account,
    get_account_by_reference,
    get_transaction,
    get_transfer,
    list_accounts,
    list_entries,
    list_transfers,
    open_statement,
    queries_accounts,
    queries_transfers,
    read_journal,
    trial_balance_accounts,
)
from caudal.ledger.queries_entries import posted_entries
from caudal.ledger.queries_trial import AtEffectiveDay, AtSeq
from caudal.ledger.queries_values import ValueStreams
from caudal.ledger.types import TransactionId
from caudal_base import arrays
from caudal_base.database import Connection, Database
from support.histories import START
from support.ledgers import account, new_book, transfer
from support.plans import require_known_planner


@pytest.fixture(scope="module", autouse=True)
def _planner_that_is_known(server: Any) -> None:
    require_known_planner(server)


ROWS = 100_000
PER_BATCH = 100
MIDDLE = START + dt.timedelta(minutes=ROWS // PER_BATCH // 2)
LAST = START + dt.timedelta(minutes=ROWS // PER_BATCH)

# Account 1 is on one side of everything, 2 to 1,000 of 20,000 take turns on the other; every other transfer
# is backdated, up to 400 days; one batch of 100 a minute. The counters add up to nothing: plans do not mind.
FILL = """
insert into ledger.account
select 1, n, lpad(to_hex(n), 32, '0')::uuid, 'USD', 'credit', (n %% 500)::text, 'ref-' || n,
       jsonb_build_object('tier', (n %% 500)::text), %(start)s, n
  from generate_series(1, 20000) n;

insert into ledger.account_metadata
select 1, 'tier', (n %% 500)::text, n
  from generate_series(1, 20000) n;

insert into ledger.account_state
select 1, n, n, 5, 5, 5, 5, null, null, 1, case when n < 3 then %(start)s end
  from generate_series(1, 20000) n;

insert into ledger.account_event
select 1, case when n > 1000 then n + 200000 else n end, n, 1, 1, null, null, %(start)s
  from generate_series(1, 20000) n;

insert into ledger.transfer
select 1, 1000 + n, lpad(to_hex(n), 32, '0')::uuid, %(start)s + (n - 1) / 100 * interval '1 minute',
       case when n %% 2 = 0 then 1 else 2 + n %% 999 end, case when n %% 2 = 0 then 2 + n %% 999 else 1 end,
       1 + n %% 900, case when n %% 50 = 7 then 2 else 1 end, n, n, 0, 0, n, n, 0, 0, null,
       case when n %% 10 < 2 then 1000 + n - n %% 10 end,
       case when n %% 4 < 2
            then %(start)s - (n %% 400) * interval '1 day' - (n %% 86400) * interval '1 second' end,
       case when n %% 10 = 0 then 'fee' end, case when n %% 3 = 0 then 'order-' || n / 30 end,
       case when n %% 10 = 0 then jsonb_build_object('shop', (n %% 1000)::text) end, null
  from generate_series(1, 100000) n;

insert into ledger.hold
select 1, seq, debit_account_no, credit_account_no, amount, case when seq %% 500 = 7 then 1 else 3 end,
       recorded_at + interval '1 year', case when seq %% 500 = 7 then null else seq + 1 end
  from ledger.transfer
 where kind = 2;

insert into ledger.reversal
select 1, 1000 + n, 1
  from generate_series(20, 100000, 20) n;

insert into ledger.transfer_metadata
select 1, 'shop', metadata ->> 'shop', seq
  from ledger.transfer
 where metadata is not null;

insert into ledger.transaction
select 1, 1000 + n, 1001 + n, lpad(to_hex(n), 32, '0')::uuid, %(start)s, '[]',
       null, null, null, null, null, false
  from generate_series(10, 100000, 10) n;

insert into ledger.batch
select 1, 1000 + n * 100, %(start)s + (n - 1) * interval '1 minute'
  from generate_series(1, 1000) n;

insert into ledger.effective_day
select 1, n, %(start)s::date - d, 1, 1
  from generate_series(1, 100) n
 cross join generate_series(0, 399) d;

update ledger.book_head
   set seq = 101000,
       recorded_at = %(start)s + interval '999 minutes',
       next_account_no = 20001;
"""


@pytest.fixture(scope="module")
async def large(shared_database: Database) -> Database:
    book = await new_book(shared_database)
    assert book.book_id == 1
    async with shared_database.transaction() as connection, AsyncClientCursor(connection) as cursor:
        await cursor.execute(FILL, {"start": START})
    async with shared_database.connection() as connection:
        await connection.execute("analyze")
    return shared_database


class Cost(NamedTuple):
    """What a statement looked at: rows in its busiest node, pages in all, and tables read from end to end."""

    rows: int
    pages: int
    read_whole: set[str]
    statement: str


SMALL = {"book", "book_head", "currency"}
"""Tables of some rows, of which the server rightly reads the one page."""


_EXPLAIN = "explain (analyze, buffers, timing off, format json) "


class Explainer:
    """Stands in for a connection: explains each statement in both ways before it runs it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.costs: list[Cost] = []

    async def execute(self, statement: str, values: Mapping[str, Any]) -> psycopg.AsyncCursor[Any]:
        await self._note(_EXPLAIN + statement, values)
        if not any(isinstance(value, arrays.Array) for value in values.values()):
            await self._explain_prepared(statement, values)
        return await self._connection.execute(statement, values)  # type: ignore[arg-type]

    async def _explain_prepared(self, statement: str, values: Mapping[str, Any]) -> None:
        names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
        prepared = re.sub(r"%\((\w+)\)s", lambda match: f"${names.index(match[1]) + 1}", statement)
        await self._connection.execute("set plan_cache_mode = force_generic_plan")
        await self._connection.execute(f"prepare explained as {prepared}")  # type: ignore[arg-type]
        arguments = ", ".join(sql.Literal(values[name]).as_string(self._connection) for name in names)
        await self._note(f"{_EXPLAIN} execute explained ({arguments})")
        await self._connection.execute("deallocate explained")
        await self._connection.execute("reset plan_cache_mode")

    async def _note(self, statement: str, values: Mapping[str, Any] | None = None) -> None:
        cursor = await self._connection.execute(statement, values)  # type: ignore[arg-type]
        row = await cursor.fetchone()
        assert row is not None
        plan = row[0][0]["Plan"]
        nodes = list(_nodes(plan))
        self.costs.append(
            Cost(
                rows=max(int(_looked_at(node)) for node in nodes),
                pages=plan["Shared Hit Blocks"] + plan["Shared Read Blocks"],
                read_whole={
                    node["Relation Name"]
                    for node in nodes
                    if node["Node Type"] == "Seq Scan" and node["Actual Loops"]
                }
                - SMALL,
                statement=statement,
            )
        )


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _looked_at(node: dict[str, Any]) -> float:
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return float((node["Actual Rows"] + removed) * node["Actual Loops"])


Read = Callable[[Any], Coroutine[Any, Any, Any]]
HOT, COLD = account(1), account(500)
PAGE = 100


def account_reads() -> dict[str, tuple[Read, int, int]]:
    """Reads by name, each with the most rows that a step of it may look at, and the most pages."""
    reads: dict[str, tuple[Read, int, int]] = {
        "account by reference": (lambda c: get_account_by_reference(c, 1, "ref-7", now=START), 1, 40),
        "accounts": (lambda c: list_accounts(c, 1, AccountFilter(), now=START, after=300), PAGE, 600),
        "accounts by code": (
            lambda c: list_accounts(c, 1, AccountFilter(code="7"), now=START, limit=9),
            9,
            200,
        ),
        "accounts by metadata": (
            lambda c: list_accounts(c, 1, AccountFilter(metadata={"tier": "7"}), now=START, limit=9),
            9,
            200,
        ),
    }
    for name, id_ in (("hot", HOT), ("cold", COLD)):
        moments = {"the middle": MIDDLE, "the end": LAST, "long before": START - dt.timedelta(days=100)}
        reads |= {
            f"{name} balance now": (lambda c, id_=id_: balance_now(c, 1, id_, now=START), 1, 40),
            f"{name} balance at a seq": (lambda c, id_=id_: balance_at_seq(c, 1, id_, 40_000), 2, 40),
            f"{name} balance at a recorded time": (
                lambda c, id_=id_: balance_at_recorded(c, 1, id_, MIDDLE),
                2,
                40,
            ),
        }
        for when, moment in moments.items():
            # 400 days at most are added up, half of them at most from the nearer end.
            reads[f"{name} balance by value at the end of the day of {when}"] = (
                lambda c, id_=id_, moment=moment: balance_at_effective(c, 1, id_, end_of(moment.date())),
                210,
                100,
            )
    return reads


def history_reads() -> dict[str, tuple[Read, int, int]]:
    """As `account_reads`, of transfers, entries, statements and the book."""
    reads: dict[str, tuple[Read, int, int]] = {
        "transfer": (lambda c: get_transfer(c, 1, transfer(40_000), now=START), 1, 60),
        "transaction": (lambda c: get_transaction(c, 1, TransactionId(f"txn_{4000:032x}")), 10, 60),
        "journal": (lambda c: read_journal(c, 1, after=40_000, limit=PAGE), PAGE, 1_500),
        "trial balance by account": (
            lambda c: trial_balance_accounts(c, 1, Now(START), after=500, limit=9),
            20,
            600,
        ),
        "trial balance at a seq": (
            lambda c: trial_balance_accounts(c, 1, AtSeq(40_000), after=500, limit=9),
            40,
            600,
        ),
        "trial balance by value": (
            lambda c: trial_balance_accounts(c, 1, AtEffectiveDay(START.date()), after=500, limit=9),
            3_600,
            900,
        ),
    }
    filters = {
        "all": TransferFilter(),
        "of the hot account": TransferFilter(account=HOT),
        "of a cold account": TransferFilter(account=COLD),
        "by code": TransferFilter(code="fee"),
        "by reference": TransferFilter(reference="order-1500"),
        "by metadata": TransferFilter(metadata={"shop": "0"}),
        "of a time": TransferFilter(recorded_from=MIDDLE, recorded_before=MIDDLE + dt.timedelta(minutes=2)),
        "of a group": TransferFilter(group_seq=41_000),
        "of a transaction": TransferFilter(transaction=TransactionId(f"txn_{4000:032x}")),
        "that resolved one": TransferFilter(related=transfer(40_000)),
    }
    for name, wanted in filters.items():
        for newest in (False, True):
            reads[f"transfers {name}, {'newest' if newest else 'oldest'} first"] = (
                lambda c, wanted=wanted, newest=newest: list_transfers(
                    c, 1, wanted, now=START, newest_first=newest, limit=PAGE
                ),
                2 * PAGE,
                4_000,
            )
    return reads


def judge(costs: list[Cost], rows: int, pages: int) -> None:
    assert costs
    for cost in costs:
        assert cost.read_whole == set(), cost
        assert cost.rows <= rows, cost
        assert cost.pages <= pages, cost


@pytest.mark.parametrize("name", [*account_reads(), *history_reads()])
async def test_a_read_costs_what_it_gives_whatever_the_history(large: Database, name: str) -> None:
    read, rows, pages = {**account_reads(), **history_reads()}[name]
    async with large.connection() as connection:
        explainer = Explainer(connection)
        await read(explainer)
    judge(explainer.costs, rows, pages)


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("id_", [HOT, COLD])
async def test_a_page_of_entries_is_a_merge_of_two_walks(
    large: Database, id_: Any, newest_first: bool
) -> None:
    async with large.connection() as connection:
        shown = await get_account(connection, 1, id_, now=START)
        explainer = Explainer(connection)
        stand_in: Any = explainer
        await list_entries(stand_in, 1, shown, newest_first=newest_first, cursor=60_000, limit=PAGE)
        await posted_entries(stand_in, 1, shown, after=60_000, through=90_000, limit=PAGE)
    judge(explainer.costs, 2 * PAGE, 2_500)


@pytest.mark.parametrize("basis", Basis)
async def test_a_statement_opens_by_seeks(large: Database, basis: Basis) -> None:
    day = START.date() - dt.timedelta(days=30)
    async with large.connection() as connection:
        shown = await get_account(connection, 1, HOT, now=START)
        explainer: Any = Explainer(connection)
        for through in (day, START.date()):
            await open_statement(explainer, 1, shown, from_day=day, through_day=through, basis=basis)
    judge(explainer.costs, 420, 150)


async def test_a_statement_by_value_is_a_merge_of_four_walks(large: Database) -> None:
    async with large.connection() as connection:
        shown = await get_account(connection, 1, HOT, now=START)
        explainer: Any = Explainer(connection)
        streams = ValueStreams(
            1,
            shown,
            value_from=START - dt.timedelta(days=200),
            value_through=LAST,
            through_seq=101_000,
            rows_per_fetch=PAGE,
        )
        entries = streams.merged(explainer)
        for _ in range(2 * PAGE):
            await anext(entries)
        await entries.aclose()
    # Every second transfer has no value date of its own, so a fetch walks past as many as it gives.
    judge(explainer.costs, 4 * PAGE, 2_500)


async def test_a_list_by_a_condition_that_nothing_meets_stops_looking(
    large: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries_transfers, "SCAN_MAX", 1_000)
    monkeypatch.setattr(queries_accounts, "SCAN_MAX", 100)
    async with large.connection() as connection:
        explainer: Any = Explainer(connection)
        page = await list_transfers(
            explainer, 1, TransferFilter(kind=TransferKind.EXPIRY, account=HOT), now=START
        )
        assert (page.rows, page.next) == ((), 2_000)
        judge(explainer.costs, 2_000, 2_000)
        explainer.costs.clear()
        accounts = await list_accounts(explainer, 1, AccountFilter(currency="EUR"), now=START)
        assert (accounts.rows, accounts.next) == ((), 100)
        judge(explainer.costs, 200, 600)
