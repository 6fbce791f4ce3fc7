"""From a presented key to a principal: refused alike for whatever reason, and soon after a revocation."""

import asyncio
import os
import traceback
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from caudal import access
from caudal.access import (
    OPERATOR,
    VALID_FOR_S,
    Authenticator,
    Caller,
    CreateKey,
    Environment,
    InvalidApiKey,
    IssuedKey,
    Principal,
    RevokeKey,
    Scope,
    authenticator,
    rules,
)
from caudal_base.clock import ManualClock
from caudal_base.database import Database
from caudal_base.errors import InvariantError, Unavailable
from caudal_base.ids import IdSource, encode
from caudal_base.secret import Secret
from support.emptying import empty

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
IDS = IdSource(ManualClock(NOW))
CALLER = Caller(principal=OPERATOR, request_id="req_1")


class Stopwatch:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


class Process:
    """An authenticator with its clocks, and how often it has asked the database."""

    def __init__(self, database: Database) -> None:
        self.clock = ManualClock(NOW)
        self.monotonic = Stopwatch()
        self.database = database
        self.authenticator = Authenticator(database, self.clock, monotonic=self.monotonic)

    def pass_time(self, seconds: float) -> None:
        self.monotonic.seconds += seconds
        self.clock.advance(timedelta(seconds=seconds))

    async def authenticate(self, text: Secret) -> Principal:
        return await self.authenticator.authenticate(text, request_id="req_7", origin="192.0.2.7")

    def lookups(self) -> int:
        return self.database.statistics().get("requests_num", 0)


@pytest.fixture
async def database(shared_database: Database) -> Database:
    """The file's database, without keys."""
    await empty(shared_database, "access.key", "audit.record")
    return shared_database


@pytest.fixture
async def process(shared_dsn: str) -> AsyncIterator[Process]:
    """An API process: an authenticator on a pool of its own."""
    opened = await Database.open(shared_dsn)
    yield Process(opened)
    await opened.close()


async def issue(database: Database, **changes: Any) -> IssuedKey:
    fields: dict[str, Any] = {
        "name": "backend",
        "scopes": frozenset({Scope.LEDGER_READ}),
        "books": frozenset({1}),
        "environment": Environment.LIVE,
    }
    command = CreateKey(**{**fields, **changes})
    async with database.transaction() as connection:
        (result,) = await access.create_keys(connection, [command], caller=CALLER, at=NOW, new_ids=IDS)
    assert isinstance(result, IssuedKey)
    return result


async def revoke(database: Database, key_id: UUID) -> None:
    async with database.transaction() as connection:
        await access.revoke_keys(connection, [RevokeKey(key_id)], caller=CALLER, at=NOW)


async def refusal(process: Process, text: Secret) -> InvalidApiKey:
    with pytest.raises(InvalidApiKey) as refused:
        await process.authenticate(text)
    return refused.value


def forged(issued: IssuedKey) -> Secret:
    """A text with the public id of a real key and a right checksum, but not its secret."""
    body = issued.text.reveal()[: len("caudal_live_") + 12] + "x" * 32
    return Secret(f"{body}_{rules.checksum(body)}")


def unknown() -> Secret:
    return rules.new_key(Environment.LIVE, os.urandom).text


async def test_a_key_is_its_principal(database: Database, process: Process) -> None:
    issued = await issue(database)

    assert await process.authenticate(issued.text) == Principal(
        id=issued.key.id,
        key_id=issued.key.id,
        actor=encode("key", issued.key.id),
        name="backend",
        scopes=frozenset({"ledger:read"}),
        books=frozenset({1}),
    )


async def test_an_admin_has_every_scope_in_its_books(database: Database, process: Process) -> None:
    issued = await issue(database, scopes=frozenset({Scope.ADMIN}))

    principal = await process.authenticate(issued.text)

    assert principal.scopes == frozenset(scope.value for scope in Scope)
    assert principal.books == frozenset({1})


async def test_a_scope_that_this_version_does_not_know_grants_nothing(
    database: Database, process: Process
) -> None:
    issued = await issue(database)
    async with database.connection() as connection:
        await connection.execute("update access.key set scopes = '{ledger:read,cards:write}'")

    assert (await process.authenticate(issued.text)).scopes == frozenset({"ledger:read"})


async def test_every_refusal_is_the_same(database: Database, process: Process) -> None:
    revoked, expired = await issue(database), await issue(database, expires_at=NOW + timedelta(seconds=5))
    await revoke(database, revoked.key.id)
    process.pass_time(5)
    texts = [Secret(""), Secret("x" * 100_000), unknown(), forged(expired), revoked.text, expired.text]

    problems = [(await refusal(process, text)).problem() for text in texts]

    assert problems == [problems[0]] * len(texts)
    assert problems[0]["status"] == 401


async def test_garbage_is_refused_without_a_look_at_the_database(
    database: Database, process: Process
) -> None:
    issued = await issue(database)
    text = issued.text.reveal()
    before = process.lookups()

    for garbage in ("", "x", text[:-1], text + "0", text[:-1] + ("0" if text[-1] != "0" else "1"), "\ud800"):
        await refusal(process, Secret(garbage))

    assert process.lookups() == before


async def test_a_verdict_is_remembered_for_a_second(database: Database, process: Process) -> None:
    issued, nobodys = await issue(database), unknown()
    await process.authenticate(issued.text)
    await refusal(process, nobodys)
    before = process.lookups()

    process.pass_time(VALID_FOR_S - 0.001)
    for _ in range(10):
        await process.authenticate(issued.text)
        await refusal(process, nobodys)
    assert process.lookups() == before

    process.pass_time(0.001)
    await process.authenticate(issued.text)
    await refusal(process, nobodys)
    assert process.lookups() == before + 2


async def test_a_revoked_key_stops_within_a_second_in_every_process(
    database: Database, process: Process
) -> None:
    other_process = Process(process.database)
    issued = await issue(database)
    await process.authenticate(issued.text)
    await other_process.authenticate(issued.text)

    await revoke(database, issued.key.id)

    for each in (process, other_process):
        each.pass_time(VALID_FOR_S)
        await refusal(each, issued.text)
    assert VALID_FOR_S <= 1


async def test_a_key_stops_at_the_moment_it_expires_though_it_was_just_verified(
    database: Database, process: Process
) -> None:
    issued = await issue(database, expires_at=NOW + timedelta(seconds=0.5))
    await process.authenticate(issued.text)

    process.pass_time(0.499)
    await process.authenticate(issued.text)
    process.pass_time(0.001)

    await refusal(process, issued.text)


async def test_two_keys_of_one_principal_work_side_by_side_until_one_is_revoked(
    database: Database, process: Process
) -> None:
    old = await issue(database)
    new = await issue(database, succeeds=old.key.id)

    by_old, by_new = await process.authenticate(old.text), await process.authenticate(new.text)
    await revoke(database, old.key.id)
    process.pass_time(VALID_FOR_S)

    assert by_old.id == by_new.id
    assert by_old.key_id != by_new.key_id
    await refusal(process, old.text)
    assert await process.authenticate(new.text) == by_new


async def test_a_thousand_requests_at_once_ask_the_database_once_or_twice(
    database: Database, process: Process
) -> None:
    keys = [await issue(database) for _ in range(5)]
    before = process.lookups()

    principals = await asyncio.gather(*[process.authenticate(keys[n % 5].text) for n in range(1_000)])

    assert [principal.key_id for principal in principals] == [keys[n % 5].key.id for n in range(1_000)]
    assert process.lookups() - before <= 2


async def test_a_caller_that_leaves_does_not_take_the_others_with_it(
    database: Database, process: Process
) -> None:
    issued = await issue(database)
    first = asyncio.create_task(process.authenticate(issued.text))
    second = asyncio.create_task(process.authenticate(issued.text))
    await asyncio.sleep(0)
    first.cancel()

    assert (await second).key_id == issued.key.id
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_database_that_is_away_is_unavailable_and_not_a_bad_key(
    database: Database, process: Process
) -> None:
    issued = await issue(database)
    await process.database.close()

    with pytest.raises(Unavailable):
        await process.authenticate(issued.text)


async def test_a_lookup_that_fails_is_told_to_those_who_wait_and_the_next_may_succeed(
    database: Database, process: Process
) -> None:
    issued = await issue(database)
    async with database.connection() as connection:
        await connection.execute("alter table access.key rename to hidden")
        with pytest.raises(InvariantError):
            await process.authenticate(issued.text)
        await connection.execute("alter table access.hidden rename to key")

    assert (await process.authenticate(issued.text)).key_id == issued.key.id


async def test_a_lookup_that_takes_longer_than_a_verdict_holds_tells_nothing(
    database: Database, process: Process
) -> None:
    issued = await issue(database)
    async with database.transaction() as connection:
        await connection.execute("lock table access.key in access exclusive mode")
        waiting = asyncio.create_task(process.authenticate(issued.text))
        await until_someone_waits(connection)
        process.pass_time(VALID_FOR_S)

    with pytest.raises(Unavailable):
        await waiting


async def until_someone_waits(connection: Any) -> None:
    while True:
        cursor = await connection.execute("select from pg_locks where locktype = 'relation' and not granted")
        if await cursor.fetchone() is not None:
            return


async def test_what_is_remembered_is_bounded(database: Database, process: Process) -> None:
    issued = await issue(database)
    await process.authenticate(issued.text)
    await asyncio.gather(*[process.authenticate(unknown()) for _ in range(900)], return_exceptions=True)
    await asyncio.gather(*[process.authenticate(unknown()) for _ in range(900)], return_exceptions=True)
    before = process.lookups()

    await process.authenticate(issued.text)

    assert process.lookups() == before
    assert len(process.authenticator._rejected.entries) == authenticator.MAX_REJECTED


async def test_more_keys_than_may_wait_are_told_to_come_back(database: Database, process: Process) -> None:
    async with database.transaction() as connection:
        await connection.execute("lock table access.key in access exclusive mode")
        tasks = [
            asyncio.create_task(process.authenticate(unknown())) for _ in range(authenticator.MAX_WAITING)
        ]
        await until_someone_waits(connection)

        with pytest.raises(Unavailable) as refused:
            await process.authenticate(unknown())

    assert refused.value.retry_after == 1
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {InvalidApiKey}


async def test_uses_are_written_down_by_the_hour_when_flushed(database: Database, process: Process) -> None:
    issued = await issue(database)
    seen = []

    for seconds in (0, 60, 3_540):
        process.pass_time(seconds)
        await process.authenticate(issued.text)
        assert process.lookups() > 0
        await process.authenticator.flush()
        async with database.connection() as connection:
            (key,) = (await access.list_keys(connection, principal=OPERATOR)).keys
        assert key.last_used_at is not None
        seen.append(key.last_used_at - NOW)

    assert seen == [timedelta(0), timedelta(0), timedelta(hours=1)]


async def test_uses_of_a_revoked_or_expired_key_come_into_the_audit_log(
    database: Database, process: Process
) -> None:
    revoked, expired = await issue(database), await issue(database, expires_at=NOW + timedelta(seconds=1))
    await revoke(database, revoked.key.id)
    for _ in range(3):
        process.pass_time(1)
        for text in (revoked.text, expired.text, forged(revoked), unknown()):
            await refusal(process, text)

    await process.authenticator.flush()
    await process.authenticator.flush()

    async with database.connection() as connection:
        cursor = await connection.execute(
            """
            select object_id, principal, recorded_at,
                   convert_from(leaf, 'UTF8')::jsonb - '{id,at,v,action,book_id,principal,object_id}'::text[]
              from audit.record
             where book_id = 0
               and action = 'key.use'
             order by object_id
            """
        )
        records = await cursor.fetchall()
    common = {"request_id": "req_7", "origin": "192.0.2.7", "details": {"count": 3}}
    assert records == [
        (
            encode("key", key.key.id),
            encode("key", key.key.id),
            NOW + timedelta(seconds=1),
            {**common, "result": result},
        )
        for key, result in ((revoked, "revoked"), (expired, "expired"))
    ]


async def test_what_could_not_be_flushed_is_kept_for_the_next_time(
    database: Database, process: Process
) -> None:
    issued = await issue(database)
    await process.authenticate(issued.text)
    async with database.connection() as connection:
        await connection.execute("alter table access.key rename to hidden")
        with pytest.raises(psycopg.errors.UndefinedTable):
            await process.authenticator.flush()
        await connection.execute("alter table access.hidden rename to key")

        await process.authenticator.flush()
        (key,) = (await access.list_keys(connection, principal=OPERATOR)).keys

    assert key.last_used_at == NOW


async def test_no_refusal_shows_what_was_presented_not_even_in_its_frames(
    database: Database, process: Process
) -> None:
    revoked = await issue(database)
    await revoke(database, revoked.key.id)

    for text in (unknown(), forged(revoked), revoked.text, Secret("caudal_live_canary")):
        refused = await refusal(process, text)
        frames = traceback.TracebackException.from_exception(refused, capture_locals=True)
        shown = [*frames.format(), repr(refused), repr(refused.problem()), repr(vars(process.authenticator))]

        assert not [place for place in shown if text.reveal()[-18:] in place]
