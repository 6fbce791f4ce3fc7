"""Balances of the past and statements, on histories of two sizes: the cost must not grow with the history."""

import datetime as dt
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from caudal.bench.report import Measured
from caudal.bench.world import World
from caudal.ledger import AccountId, balance_at_recorded, get_account, open_statement, statement_lines
from caudal_base.database import Connection

ACCOUNTS: Final = 1_001
"""The first is hot: it is debited by every transfer. Each of the others is credited by every thousandth."""

YEAR: Final = dt.timedelta(days=365)
START: Final = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
NOW: Final = START + YEAR
LINES: Final = 100
"""About so many entries lie in each statement, whatever the length of the history."""

_TIMEOUT: Final = "set local statement_timeout = 0"

_INDEXES: Final = """
select indexrelid::regclass::text, pg_get_indexdef(indexrelid)
  from pg_index
 where indrelid = 'ledger.transfer'::regclass
   and not indisunique
"""

# What 1,000 uploads would have recorded, made by the database itself: i counts the transfers from 1.
_TRANSFERS: Final = """
insert into ledger.transfer
       (book_id, seq, id, recorded_at, debit_account_no, credit_account_no, amount, kind,
        debit_debits_posted, debit_credits_posted, debit_debits_pending, debit_credits_pending,
        credit_debits_posted, credit_credits_posted, credit_debits_pending, credit_credits_pending)
select %(book_id)s, %(accounts)s + i, gen_random_uuid(),
       %(start)s + ((i - 1) / 1000) * %(step)s, 1, 2 + (i - 1) %% 1000, 1, 1,
       i, 0, 0, 0,
       0, 1 + (i - 1) / 1000, 0, 0
  from generate_series(1::bigint, %(count)s::bigint) as i
"""

_BATCHES: Final = """
insert into ledger.batch (book_id, last_seq, recorded_at)
select %(book_id)s, %(accounts)s + k * 1000, %(start)s + (k - 1) * %(step)s
  from generate_series(1::bigint, %(count)s::bigint / 1000) as k
"""

_STATES: Final = """
update ledger.account_state
   set debits_posted = case when account_no = 1 then %(count)s else 0 end,
       credits_posted = case when account_no = 1 then 0 else %(count)s / 1000 end,
       version = case when account_no = 1 then %(accounts)s + %(count)s
                      else %(accounts)s + %(count)s - 1001 + account_no end
 where book_id = %(book_id)s
"""

_HEAD: Final = """
update ledger.book_head
   set seq = %(accounts)s + %(count)s,
       recorded_at = %(start)s + (%(count)s / 1000) * %(step)s
 where book_id = %(book_id)s
"""

# The opening of the accounts comes before the history, whose first year it must not be part of.
_BACKDATE_OPENINGS: Final = """
update ledger.batch
   set recorded_at = %(start)s - interval '1 day'
 where book_id = %(book_id)s
"""


async def make_history(world: World, count: int) -> list[AccountId]:
    """Give the world's book `count` transfers, spread over a year; the accounts, the hot one first."""
    accounts = await world.open_accounts(ACCOUNTS)
    values = {
        "book_id": world.book_id,
        "accounts": ACCOUNTS,
        "count": count,
        "start": START,
        "step": YEAR / (count // 1_000),
    }
    async with world.database.transaction() as connection:
        await connection.execute(_TIMEOUT)
        indexes = await (await connection.execute(_INDEXES)).fetchall()
        for name, _ in indexes:
            await connection.execute(f"drop index {name}".encode())
        for statement in (_BACKDATE_OPENINGS, _TRANSFERS, _BATCHES, _STATES, _HEAD):
            await connection.execute(statement, values)
        for _, definition in indexes:
            await connection.execute(definition.encode())
    async with world.database.connection() as connection:
        await connection.execute("set statement_timeout = 0")
        await connection.execute("vacuum analyze ledger.transfer")
        await connection.execute("reset statement_timeout")
    return accounts


async def balance_at(world: World, accounts: Sequence[AccountId], reads: int) -> Measured:
    """The balance of the hot account at random times."""

    async def read(connection: Connection) -> None:
        moment = START + YEAR * world.random.random()
        await balance_at_recorded(connection, world.book_id, accounts[0], moment)

    return await _timed(world, "balance_at", reads, read)


async def statement(world: World, accounts: Sequence[AccountId], count: int, reads: int) -> Measured:
    """Statements of ordinary accounts, over as many days as have some `LINES` entries."""
    days = max(1, round(365 * LINES / (count / 1_000)))

    async def read(connection: Connection) -> None:
        account = await get_account(connection, world.book_id, world.random.choice(accounts[1:]), now=NOW)
        first = START.date() + dt.timedelta(days=world.random.randrange(0, max(1, 365 - days)))
        through = first + dt.timedelta(days=days - 1)
        opened = await open_statement(connection, world.book_id, account, from_day=first, through_day=through)
        async for _ in statement_lines(connection, world.book_id, opened):
            pass

    return await _timed(world, "statement", reads, read)


async def _timed(
    world: World, name: str, reads: int, read: Callable[[Connection], Awaitable[None]]
) -> Measured:
    seconds = []
    async with world.database.connection() as connection:
        for _ in range(10):
            await read(connection)
        for _ in range(reads):
            start = time.perf_counter()
            await read(connection)
            seconds.append(time.perf_counter() - start)
    return Measured(name, reads, seconds, sum(seconds))
