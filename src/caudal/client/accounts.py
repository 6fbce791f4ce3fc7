"""`caudal.accounts`"""

import datetime as dt
from collections.abc import Mapping

import msgspec

from caudal.client.bodies import (
    AccountsQuery,
    BalanceQuery,
    EntriesQuery,
    NewAccount,
    NewLimit,
    StatementQuery,
    Write,
)
from caudal.client.ids import ACCOUNT, identify, new_idempotency_key
from caudal.client.listing import Rows
from caudal.client.reports import Entry, Statement
from caudal.client.sending import Sender, segment
from caudal.client.types import Account, AccountStatus, Balance, Basis, Limit, Page, Side

_PATH = "/v1/accounts"


class Accounts:
    """Opening, finding, freezing and closing accounts, and what they have seen."""

    def __init__(self, sender: Sender) -> None:
        """Made by `Caudal`."""
        self._sender = sender

    async def open(
        self,
        *,
        currency: str,
        normal_side: Side,
        code: str | None = None,
        reference: str | None = None,
        metadata: Mapping[str, str] | None = None,
        limit: Limit = Limit.NONE,
        overdraft: int = 0,
        id: str | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Account:
        """Open an account, or find it as it was opened before under this id.

        `reference` is your own name for it, unique in the book; `overdraft`, in minor units, is by how much
        `limit` may be passed. Raises `Conflict` for a reference that is taken, or an id with other content.
        """
        identity = identify(ACCOUNT, id, idempotency_key)
        body = NewAccount(
            currency=currency,
            normal_side=normal_side,
            id=identity.id,
            code=code,
            reference=reference,
            metadata=metadata,
            limit=limit,
            overdraft=overdraft,
        )
        return await self._sender.write(Account, _PATH, body, key=identity.key, query=Write(dry_run=dry_run))

    async def get(self, id: str) -> Account:
        """An account as it stands. Raises `NotFound`."""
        return await self._sender.read(Account, f"{_PATH}/{segment(id)}")

    def list(
        self,
        *,
        code: str | None = None,
        reference: str | None = None,
        currency: str | None = None,
        status: AccountStatus | None = None,
        metadata: Mapping[str, str] | None = None,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> Rows[Account]:
        """The accounts that meet every condition, in the order of their opening; pages of at most 1,000."""
        query = AccountsQuery(
            code=code,
            reference=reference,
            currency=currency,
            status=status,
            metadata=metadata,
            cursor=cursor,
            limit=page_size,
        )
        return Rows(self._sender, Page[Account], _PATH, query)

    async def balance(
        self,
        id: str,
        *,
        at_seq: int | None = None,
        at_recorded: dt.datetime | None = None,
        at_effective: dt.datetime | None = None,
    ) -> Balance:
        """A balance: now, or at one moment of the past.

        By what was recorded (`at_seq`, `at_recorded`) it never changes; by value (`at_effective`) a later
        transfer may still count earlier. Raises `NotFound`, and `InvalidRequest` for two moments.
        """
        query = BalanceQuery(at_seq=at_seq, at_recorded=at_recorded, at_effective=at_effective)
        return await self._sender.read(Balance, f"{_PATH}/{segment(id)}/balance", query)

    def entries(
        self,
        id: str,
        *,
        newest_first: bool = False,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> Rows[Entry]:
        """All that has touched an account, holds included, each with the counters after it."""
        query = EntriesQuery(newest_first=newest_first, cursor=cursor, limit=page_size)
        return Rows(self._sender, Page[Entry], f"{_PATH}/{segment(id)}/entries", query)

    async def statement(
        self, id: str, *, from_day: dt.date, through_day: dt.date, basis: Basis = Basis.RECORDED
    ) -> Statement:
        """What was posted from one day through another, both in UTC and both included.

        Raises `NotFound`, and `Unprocessable` for days in the wrong order.
        """
        query = StatementQuery(from_day=from_day, through_day=through_day, basis=basis)
        return await self._sender.read(Statement, f"{_PATH}/{segment(id)}/statement", query)

    async def statement_csv(
        self, id: str, *, from_day: dt.date, through_day: dt.date, basis: Basis = Basis.RECORDED
    ) -> bytes:
        """The same as CSV in UTF-8, for spreadsheets."""
        query = StatementQuery(from_day=from_day, through_day=through_day, basis=basis)
        return await self._sender.read_raw(f"{_PATH}/{segment(id)}/statement", query, "text/csv")

    async def freeze(self, id: str, *, idempotency_key: str | None = None, dry_run: bool = False) -> Account:
        """Let no new transfers through; open holds may be voided, and expire. `Conflict` if it is closed."""
        return await self._change(id, "freeze", None, idempotency_key, dry_run=dry_run)

    async def unfreeze(
        self, id: str, *, idempotency_key: str | None = None, dry_run: bool = False
    ) -> Account:
        """Let transfers through again; also answers if none were kept back. `Conflict` if it is closed."""
        return await self._change(id, "unfreeze", None, idempotency_key, dry_run=dry_run)

    async def close(self, id: str, *, idempotency_key: str | None = None, dry_run: bool = False) -> Account:
        """Close an account at zero without open holds. Raises `Conflict` for any other."""
        return await self._change(id, "close", None, idempotency_key, dry_run=dry_run)

    async def reopen(self, id: str, *, idempotency_key: str | None = None, dry_run: bool = False) -> Account:
        """Open a closed account again; also answers if it is open. Raises `Conflict` if it is frozen."""
        return await self._change(id, "reopen", None, idempotency_key, dry_run=dry_run)

    async def set_limit(
        self,
        id: str,
        *,
        limit: Limit,
        overdraft: int = 0,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Account:
        """Give an account another limit. Raises `Conflict` where it stands beyond it already."""
        body = NewLimit(limit=limit, overdraft=overdraft)
        return await self._change(id, "limit", body, idempotency_key, dry_run=dry_run)

    async def _change(
        self,
        id: str,
        action: str,
        body: msgspec.Struct | None,
        idempotency_key: str | None,
        *,
        dry_run: bool,
    ) -> Account:
        key = new_idempotency_key() if idempotency_key is None else idempotency_key
        path = f"{_PATH}/{segment(id)}/{action}"
        return await self._sender.write(Account, path, body, key=key, query=Write(dry_run=dry_run))
