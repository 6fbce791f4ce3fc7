"""Keys are made, listed and revoked by those who may, and each of it is on record."""

import logging
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from caudal import access
from caudal.access import (
    OPERATOR,
    ApiKey,
    Caller,
    ChangeKey,
    CreateKey,
    Environment,
    GrantTooWide,
    InvalidKeyRequest,
    IssuedKey,
    KeyNotFound,
    KeyStatus,
    MissingScope,
    Principal,
    RevokeKey,
    Scope,
)
from caudal_base.clock import ManualClock
from caudal_base.database import Database
from caudal_base.errors import CaudalError, InvalidRequest
from caudal_base.ids import IdSource, encode
from support.emptying import empty

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
IDS = IdSource(ManualClock(NOW))
NEVER_MADE = UUID("0193a1b2-c3d4-7e8f-9a0b-1c2d3e4f5a6b")


@pytest.fixture
async def database(shared_database: Database) -> Database:
    """The file's database, without keys."""
    await empty(shared_database, "access.key", "audit.record")
    return shared_database


def caller(principal: Principal = OPERATOR) -> Caller:
    return Caller(principal=principal, request_id="req_1", origin="192.0.2.1")


def holder(*scopes: Scope, books: frozenset[int] | None = None) -> Caller:
    return caller(
        Principal(
            id=UUID(int=9), key_id=UUID(int=9), actor="key_9", name="n", scopes=frozenset(scopes), books=books
        )
    )


def wanted(name: str = "backend", **changes: Any) -> CreateKey:
    fields: dict[str, Any] = {
        "name": name,
        "scopes": frozenset({Scope.LEDGER_READ, Scope.LEDGER_WRITE}),
        "books": frozenset({1, 2}),
        "environment": Environment.LIVE,
    }
    return CreateKey(**{**fields, **changes})


async def create(
    database: Database, *commands: CreateKey, by: Caller | None = None
) -> Sequence[IssuedKey | CaudalError]:
    async with database.transaction() as connection:
        return await access.create_keys(connection, commands, caller=by or caller(), at=NOW, new_ids=IDS)


async def issue(database: Database, command: CreateKey | None = None) -> IssuedKey:
    (result,) = await create(database, command or wanted())
    assert isinstance(result, IssuedKey)
    return result


async def revoke(
    database: Database, *key_ids: UUID, by: Caller | None = None, at: datetime = NOW
) -> Sequence[ApiKey | CaudalError]:
    async with database.transaction() as connection:
        commands = [RevokeKey(key_id) for key_id in key_ids]
        return await access.revoke_keys(connection, commands, caller=by or caller(), at=at)


async def listed(database: Database, principal: Principal = OPERATOR) -> list[ApiKey]:
    async with database.connection() as connection:
        return list((await access.list_keys(connection, principal=principal, limit=1_000)).keys)


async def audited(database: Database) -> list[dict[str, Any]]:
    """The audit records, oldest first."""
    async with database.connection() as connection:
        cursor = await connection.execute("select leaf from audit.record order by inserted_by, id")
        return [msgspec.json.decode(row[0]) for row in await cursor.fetchall()]


async def test_a_key_is_shown_once_and_listed_without_its_secret(database: Database) -> None:
    issued = await issue(database, wanted(expires_at=NOW + timedelta(days=90)))

    assert await listed(database) == [issued.key]
    assert issued.key == ApiKey(
        id=issued.key.id,
        principal_id=issued.key.id,
        environment=Environment.LIVE,
        public_id=issued.text.reveal()[len("caudal_live_") :][:12],
        name="backend",
        scopes=frozenset({"ledger:read", "ledger:write"}),
        books=frozenset({1, 2}),
        created_at=NOW,
        created_by="operator",
        expires_at=NOW + timedelta(days=90),
        revoked_at=None,
        revoked_by=None,
        last_used_at=None,
    )


async def test_the_text_of_a_key_is_nowhere_but_in_what_create_returned(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    issued = await issue(database)
    text = issued.text.reveal()
    secret_part = text[len("caudal_live_") + 12 :]

    seen = [repr(issued), str(issued), f"{issued}", repr(issued.text), caplog.text]
    try:
        access.bearer(text)
    except CaudalError as error:
        seen += [str(error), repr(error), repr(error.problem()), "".join(traceback.format_exception(error))]
    async with database.connection() as connection:
        for columns in ("k::text from access.key as k", "convert_from(leaf, 'UTF8') from audit.record"):
            cursor = await connection.execute("select " + columns)
            seen += [row[0] for row in await cursor.fetchall()]

    assert len(seen) == 11
    assert not [place for place in seen if secret_part in place or text in place]
    with pytest.raises(TypeError):
        msgspec.json.encode(issued)


async def test_a_batch_gives_each_command_its_result_and_the_refused_harm_nobody(database: Database) -> None:
    results = await create(
        database,
        wanted("first"),
        wanted(""),
        wanted("third", succeeds=NEVER_MADE),
        wanted("fourth"),
    )

    assert [type(result) for result in results] == [IssuedKey, InvalidKeyRequest, KeyNotFound, IssuedKey]
    assert [key.name for key in await listed(database)] == ["fourth", "first"]


async def test_keys_need_the_scope_to_make_them_and_cannot_be_wider_than_their_maker(
    database: Database,
) -> None:
    maker = holder(Scope.KEYS_WRITE, Scope.LEDGER_READ, books=frozenset({1}))
    narrow = wanted(scopes=frozenset({Scope.LEDGER_READ}), books=frozenset({1}))

    (no_scope,) = await create(database, narrow, by=holder(Scope.LEDGER_READ))
    wider_scope, wider_books, fine = await create(
        database,
        msgspec.structs.replace(narrow, scopes=frozenset({Scope.LEDGER_WRITE})),
        msgspec.structs.replace(narrow, books=None),
        narrow,
        by=maker,
    )

    assert isinstance(no_scope, MissingScope)
    assert isinstance(wider_scope, GrantTooWide)
    assert isinstance(wider_books, GrantTooWide)
    assert isinstance(fine, IssuedKey)
    assert await listed(database) == [fine.key]


async def test_making_keys_is_audited_with_what_they_may_do_and_so_is_a_refusal(database: Database) -> None:
    made, _ = await create(database, wanted(), wanted(""))

    assert isinstance(made, IssuedKey)
    key_id = encode("key", made.key.id)
    records = await audited(database)
    assert [(record["action"], record["object_id"], record["result"]) for record in records] == [
        ("key.create", key_id, "created"),
        ("key.create", "keys", "invalid_key_request"),
    ]
    first = records[0]
    assert (first["principal"], first["request_id"], first["origin"]) == ("operator", "req_1", "192.0.2.1")
    assert first["details"] == {
        "books": [1, 2],
        "environment": "live",
        "expires_at": None,
        "principal": key_id,
        "requests_per_second": None,
        "scopes": ["ledger:read", "ledger:write"],
    }


async def test_a_revoked_key_stays_listed_with_who_revoked_it_and_when(database: Database) -> None:
    issued = await issue(database)

    (revoked,) = await revoke(database, issued.key.id, at=NOW + timedelta(hours=1))

    assert isinstance(revoked, ApiKey)
    assert (revoked.revoked_at, revoked.revoked_by) == (NOW + timedelta(hours=1), "operator")
    assert await listed(database) == [revoked]
    assert revoked.status(NOW) is KeyStatus.REVOKED


async def test_revoking_again_changes_nothing_and_says_so_in_the_audit_log(database: Database) -> None:
    issued = await issue(database)

    (first,) = await revoke(database, issued.key.id)
    again, once_more = await revoke(database, issued.key.id, issued.key.id, at=NOW + timedelta(days=1))

    assert first == again == once_more
    assert await listed(database) == [first]
    assert [record["result"] for record in await audited(database)][1:] == ["revoked"] + [
        "already_revoked"
    ] * 2


async def test_a_key_that_the_caller_cannot_see_is_as_good_as_none(database: Database) -> None:
    issued = await issue(database, wanted(books=frozenset({1, 2})))
    narrow = holder(Scope.KEYS_WRITE, Scope.KEYS_READ, books=frozenset({1}))

    hidden, missing = await revoke(database, issued.key.id, NEVER_MADE, by=narrow)

    assert isinstance(hidden, KeyNotFound)
    assert isinstance(missing, KeyNotFound)
    assert hidden.problem() == missing.problem()
    assert await listed(database, narrow.principal) == []
    assert await listed(database) == [issued.key]


async def test_revoking_needs_its_scope(database: Database) -> None:
    issued = await issue(database)

    (refusal,) = await revoke(database, issued.key.id, by=holder(Scope.LEDGER_READ))

    assert isinstance(refusal, MissingScope)
    assert await listed(database) == [issued.key]
    assert (await audited(database))[-1]["result"] == "missing_scope"


async def test_a_key_that_succeeds_another_has_its_principal(database: Database) -> None:
    old = await issue(database)
    new = await issue(database, wanted(succeeds=old.key.id))
    newest = await issue(database, wanted(succeeds=new.key.id))

    assert {new.key.principal_id, newest.key.principal_id} == {old.key.id}
    assert len({old.key.id, new.key.id, newest.key.id}) == 3


async def test_a_key_out_of_reach_cannot_be_succeeded(database: Database) -> None:
    old = await issue(database, wanted(books=frozenset({1, 2})))
    taker = holder(Scope.KEYS_WRITE, Scope.LEDGER_READ, books=frozenset({1}))

    (refusal,) = await create(
        database,
        wanted(scopes=frozenset({Scope.LEDGER_READ}), books=frozenset({1}), succeeds=old.key.id),
        by=taker,
    )

    assert isinstance(refusal, KeyNotFound)


async def test_listing_needs_its_scope_and_pages_newest_first(database: Database) -> None:
    for number in range(5):
        await issue(database, wanted(f"key {number}"))
    names: list[str] = []
    cursor = None
    async with database.connection() as connection:
        with pytest.raises(MissingScope):
            await access.list_keys(connection, principal=holder(Scope.LEDGER_READ).principal)
        with pytest.raises(InvalidRequest):
            await access.list_keys(connection, principal=OPERATOR, limit=0)
        with pytest.raises(InvalidRequest):
            await access.list_keys(connection, principal=OPERATOR, cursor="x")
        while names == [] or cursor is not None:
            page = await access.list_keys(connection, principal=OPERATOR, cursor=cursor, limit=2)
            names += [key.name for key in page.keys]
            cursor = page.next_cursor

    assert names == [f"key {number}" for number in (4, 3, 2, 1, 0)]


async def test_whether_any_key_works(database: Database) -> None:
    async with database.connection() as connection:
        assert not await access.has_active_key(connection, at=NOW)
        issued = await issue(database, wanted(expires_at=NOW + timedelta(days=1)))
        assert await access.has_active_key(connection, at=NOW)
        assert not await access.has_active_key(connection, at=NOW + timedelta(days=1))
        await revoke(database, issued.key.id)
        assert not await access.has_active_key(connection, at=NOW)


@pytest.mark.parametrize("size", [1, 50])
async def test_the_number_of_statements_does_not_depend_on_the_number_of_keys(
    database: Database, size: int
) -> None:
    old = await issue(database)
    async with database.transaction() as connection:
        await connection.execute("select 1")
        statements = StatementCounter(connection)
        results = await access.create_keys(
            statements, [wanted(succeeds=old.key.id)] * size, caller=caller(), at=NOW, new_ids=IDS
        )
        made = [RevokeKey(result.key.id) for result in results if isinstance(result, IssuedKey)]
        assert statements.count == 3
        await access.revoke_keys(statements, made, caller=caller(), at=NOW)
        assert statements.count == 6


class StatementCounter:
    """A connection that counts."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.count = 0

    async def execute(self, *arguments: Any, **options: Any) -> Any:
        self.count += 1
        return await self.connection.execute(*arguments, **options)


async def change(
    database: Database, key_id: UUID, rate: int | None, by: Caller | None = None
) -> ApiKey | CaudalError:
    async with database.transaction() as connection:
        command = ChangeKey(key_id=key_id, requests_per_second=rate)
        (result,) = await access.change_keys(connection, [command], caller=by or caller(), at=NOW)
    return result


async def test_a_key_may_make_more_or_fewer_requests_than_others_and_that_is_audited(
    database: Database,
) -> None:
    issued = await issue(database, wanted(requests_per_second=50))
    assert issued.key.requests_per_second == 50
    assert await listed(database) == [issued.key]

    for rate in (0, 7, None):
        changed = await change(database, issued.key.id, rate)
        assert isinstance(changed, ApiKey)
        assert changed.requests_per_second == rate
        assert await listed(database) == [changed]

    told = [(record["action"], record["result"], record["details"]) for record in await audited(database)]
    assert told[0][2]["requests_per_second"] == 50
    assert told[1:] == [("key.change", "changed", {"requests_per_second": rate}) for rate in (0, 7, None)]


async def test_a_key_that_succeeds_another_may_ask_as_much_unless_it_says_otherwise(
    database: Database,
) -> None:
    first = await issue(database, wanted(requests_per_second=50))

    like = await issue(database, wanted(succeeds=first.key.id))
    other = await issue(database, wanted(succeeds=first.key.id, requests_per_second=0))

    assert (like.key.requests_per_second, other.key.requests_per_second) == (50, 0)


@pytest.mark.parametrize("rate", [-1, 1_000_001])
async def test_a_limit_that_makes_no_sense_is_refused_and_nothing_changes(
    database: Database, rate: int
) -> None:
    issued = await issue(database)

    refused = await change(database, issued.key.id, rate)
    (made,) = await create(database, wanted(requests_per_second=rate))

    for error in (refused, made):
        assert isinstance(error, InvalidKeyRequest)
        assert error.field == "requests_per_second"
    assert await listed(database) == [issued.key]


async def test_a_key_is_changed_by_those_alone_who_may_and_whom_it_does_not_outreach(
    database: Database,
) -> None:
    issued = await issue(database)
    reader = holder(Scope.KEYS_READ)
    narrow = holder(Scope.KEYS_WRITE, books=frozenset({1}))

    assert isinstance(await change(database, issued.key.id, 5, reader), MissingScope)
    assert isinstance(await change(database, issued.key.id, 5, narrow), KeyNotFound)
    assert await listed(database) == [issued.key]
