"""Making, changing, revoking and listing API keys. Nothing here opens or commits a transaction.

Every command leaves an audit record with its result, refusals included, in the book `DEPLOYMENT`.
"""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from caudal import audit
from caudal.access import rules, store
from caudal.access.errors import KeyNotFound
from caudal.access.types import (
    DEPLOYMENT,
    ApiKey,
    Caller,
    ChangeKey,
    CreateKey,
    Credential,
    IssuedKey,
    KeyPage,
    Principal,
    Refusal,
    RevokeKey,
    Scope,
)
from caudal_base import ids
from caudal_base.database import Connection
from caudal_base.errors import CaudalError, InvalidRequest
from caudal_base.ids import Entropy, IdSource

USE_PRECISION: Final = timedelta(hours=1)
"""How much later a use must be than `last_used_at` to be written."""

MAX_PAGE: Final = 1_000


async def create_keys(
    connection: Connection,
    commands: Sequence[CreateKey],
    *,
    caller: Caller,
    at: datetime,
    new_ids: IdSource,
    entropy: Entropy = secrets.token_bytes,
) -> list[IssuedKey | CaudalError]:
    """Make keys; for each command the key with its text, which nobody can get again, or why not.

    Results: `MissingScope` (`keys:write`), `InvalidKeyRequest`, `GrantTooWide`, `KeyNotFound` for `succeeds`.
    """
    wanted = {command.succeeds for command in commands if command.succeeds is not None}
    predecessors = await store.get(connection, wanted) if wanted else {}
    results: list[IssuedKey | CaudalError] = []
    made: list[Credential] = []
    for command in commands:
        try:
            earlier = _allow(command, predecessors, caller.principal, at)
        except CaudalError as refusal:
            results.append(refusal)
            continue
        new = rules.new_key(command.environment, entropy)
        key = _key(command, new.public_id, new_ids.new(), earlier, caller.principal.actor, at)
        made.append(Credential(key, new.digest))
        results.append(IssuedKey(key=key, text=new.text))
    if made:
        await store.insert(connection, made)
    records = [_created(result, caller, at) for result in results]
    await audit.append(connection, records)
    return results


async def change_keys(
    connection: Connection, commands: Sequence[ChangeKey], *, caller: Caller, at: datetime
) -> list[ApiKey | CaudalError]:
    """Set what keys may ask: once this is committed, within a second every process keeps to it.

    Results: `MissingScope` (`keys:write`), `InvalidKeyRequest`, `KeyNotFound`.
    """
    keys = await store.get(connection, {command.key_id for command in commands})
    results: list[ApiKey | CaudalError] = []
    records: list[audit.Record] = []
    for command in commands:
        outcome, details = "changed", {"requests_per_second": command.requests_per_second}
        try:
            rules.require_scope(caller.principal, Scope.KEYS_WRITE)
            rules.check_rate(command.requests_per_second)
            key = _visible(keys.get(command.key_id), caller.principal, "key_id")
        except CaudalError as refusal:
            results.append(refusal)
            outcome, details = refusal.code, {}
        else:
            changed = msgspec.structs.replace(key, requests_per_second=command.requests_per_second)
            keys[key.id] = changed
            results.append(changed)
        object_id = ids.encode(ids.KEY, command.key_id)
        records.append(_record(caller, at, "key.change", object_id, outcome, details))
    await store.limit(
        connection, {key.id: key.requests_per_second for key in results if isinstance(key, ApiKey)}
    )
    await audit.append(connection, records)
    return results


async def revoke_keys(
    connection: Connection, commands: Sequence[RevokeKey], *, caller: Caller, at: datetime
) -> list[ApiKey | CaudalError]:
    """Stop keys: once this is committed, within a second every process refuses them.

    A key that was revoked before is returned as it is. Results: `MissingScope` (`keys:write`), `KeyNotFound`.
    """
    keys = await store.get(connection, {command.key_id for command in commands})
    results: list[ApiKey | CaudalError] = []
    records: list[audit.Record] = []
    for command in commands:
        outcome: str
        try:
            rules.require_scope(caller.principal, Scope.KEYS_WRITE)
            key = _visible(keys.get(command.key_id), caller.principal, "key_id")
        except CaudalError as refusal:
            results.append(refusal)
            outcome = refusal.code
        else:
            outcome = "revoked" if key.revoked_at is None else "already_revoked"
            keys[key.id] = rules.revoked(key, at=at, by=caller.principal.actor)
            results.append(keys[key.id])
        records.append(_record(caller, at, "key.revoke", ids.encode(ids.KEY, command.key_id), outcome, {}))
    stopped = {result.id for result in results if isinstance(result, ApiKey)}
    await store.revoke(connection, stopped, at=at, by=caller.principal.actor)
    await audit.append(connection, records)
    return results


async def list_keys(
    connection: Connection, *, principal: Principal, cursor: str | None = None, limit: int = 50
) -> KeyPage:
    """The keys that reach no book beyond the principal's, newest first, revoked and expired ones included.

    `MissingScope` without `keys:read`; `InvalidRequest` for a bad cursor or limit.
    """
    rules.require_scope(principal, Scope.KEYS_READ)
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidRequest(f"limit must be 1 to {MAX_PAGE}", field="limit")
    before = None if cursor is None else ids.decode(ids.KEY, cursor, field="cursor")
    found = await store.page(connection, books=principal.books, before=before, limit=limit + 1)
    keys = tuple(found[:limit])
    return KeyPage(keys=keys, next_cursor=ids.encode(ids.KEY, keys[-1].id) if len(found) > limit else None)


async def has_active_key(connection: Connection, *, at: datetime) -> bool:
    """Whether any key works at the moment `at`; if none does, only the operator can make one."""
    return await store.any_active(connection, at)


async def record_uses(connection: Connection, uses: Mapping[UUID, datetime]) -> None:
    """Note when keys were last used, to `USE_PRECISION`."""
    if uses:
        await store.touch(connection, uses, USE_PRECISION)


async def record_refusals(connection: Connection, refusals: Sequence[Refusal]) -> None:
    """Put uses of revoked and expired keys into the audit log."""
    records = [
        audit.Record(
            book_id=DEPLOYMENT,
            at=refusal.at,
            principal=ids.encode(ids.KEY, refusal.key_id),
            action="key.use",
            object_id=ids.encode(ids.KEY, refusal.key_id),
            request_id=refusal.request_id,
            result=refusal.status.value,
            details={"count": refusal.count},
            origin=refusal.origin,
        )
        for refusal in refusals
    ]
    await audit.append(connection, records)


def _allow(
    command: CreateKey, predecessors: Mapping[UUID, ApiKey], granter: Principal, at: datetime
) -> ApiKey | None:
    """The key that the new one continues, if any; raises what forbids the key."""
    rules.require_scope(granter, Scope.KEYS_WRITE)
    rules.check_request(command, at)
    rules.check_grant(granter, command.scopes, command.books)
    if command.succeeds is None:
        return None
    return _visible(predecessors.get(command.succeeds), granter, "succeeds")


def _visible(key: ApiKey | None, principal: Principal, field: str) -> ApiKey:
    if key is None or not rules.reaches(principal, key.books):
        raise KeyNotFound("there is no such API key", field=field)
    return key


def _key(
    command: CreateKey, public_id: str, key_id: UUID, earlier: ApiKey | None, actor: str, at: datetime
) -> ApiKey:
    rate = command.requests_per_second
    return ApiKey(
        id=key_id,
        principal_id=key_id if earlier is None else earlier.principal_id,
        environment=command.environment,
        public_id=public_id,
        name=command.name,
        scopes=frozenset(scope.value for scope in command.scopes),
        books=command.books,
        created_at=at,
        created_by=actor,
        expires_at=command.expires_at,
        revoked_at=None,
        revoked_by=None,
        last_used_at=None,
        requests_per_second=earlier.requests_per_second if rate is None and earlier is not None else rate,
    )


def _created(result: IssuedKey | CaudalError, caller: Caller, at: datetime) -> audit.Record:
    if isinstance(result, CaudalError):
        return _record(caller, at, "key.create", "keys", result.code, {})
    key = result.key
    details: audit.Details = {
        "scopes": sorted(key.scopes),
        "books": None if key.books is None else sorted(key.books),
        "environment": key.environment.value,
        "principal": ids.encode(ids.KEY, key.principal_id),
        "expires_at": None if key.expires_at is None else key.expires_at.isoformat(),
        "requests_per_second": key.requests_per_second,
    }
    return _record(caller, at, "key.create", ids.encode(ids.KEY, key.id), "created", details)


def _record(
    caller: Caller, at: datetime, action: str, object_id: str, result: str, details: audit.Details
) -> audit.Record:
    return audit.Record(
        book_id=DEPLOYMENT,
        at=at,
        principal=caller.principal.actor,
        action=action,
        object_id=object_id,
        request_id=caller.request_id,
        result=result,
        details=details,
        origin=caller.origin,
    )
