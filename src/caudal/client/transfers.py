"""`caudal.transfers`"""

import datetime as dt
from collections.abc import Mapping, Sequence

from caudal.client.bodies import (
    Batch,
    BatchItem,
    NewTransfer,
    PostHold,
    Reverse,
    TransfersQuery,
    VoidHold,
    Write,
)
from caudal.client.ids import TRANSFER, identify, new_idempotency_key
from caudal.client.listing import Rows
from caudal.client.sending import Sender, segment
from caudal.client.types import (
    BatchResult,
    IfVersion,
    Page,
    Remainder,
    Transfer,
    TransferDetail,
    TransferKind,
)

_PATH = "/v1/transfers"


class Transfers:
    """Moving money, holding it, and moving it back. Amounts are minor units: 1050 USD are 10.50 dollars.

    Every command has an id of its own, made here unless it is given. The same id never counts twice: with
    the same content the answer is the original, with other content `Conflict`. An id that was refused for
    a reason that may pass (a limit, a frozen account) stays refused.
    """

    def __init__(self, sender: Sender) -> None:
        """Made by `Caudal`."""
        self._sender = sender

    async def create(
        self,
        *,
        debit_account: str,
        credit_account: str,
        amount: int,
        currency: str,
        pending: bool = False,
        expires_at: dt.datetime | None = None,
        effective_at: dt.datetime | None = None,
        code: str | None = None,
        reference: str | None = None,
        metadata: Mapping[str, str] | None = None,
        if_version: IfVersion | None = None,
        min_available: int | None = None,
        up_to: bool = False,
        beyond_limits: bool = False,
        id: str | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Transfer:
        """Debit one account and credit another, or with `pending` hold the amount.

        `if_version` and `min_available` are conditions; `up_to` moves what is available, at most the amount;
        `beyond_limits` records what has happened outside already, under a scope of its own. Raises
        `Unprocessable` (`exceeds_debit_limit`), `Conflict` (`debit_account_frozen`), `InvalidRequest`.
        """
        identity = identify(TRANSFER, id, idempotency_key)
        body = NewTransfer(
            debit_account=debit_account,
            credit_account=credit_account,
            amount=amount,
            currency=currency,
            id=identity.id,
            pending=pending,
            expires_at=expires_at,
            effective_at=effective_at,
            code=code,
            reference=reference,
            metadata=metadata,
            if_version=if_version,
            min_available=min_available,
            up_to=up_to,
            beyond_limits=beyond_limits,
        )
        return await self._sender.write(Transfer, _PATH, body, key=identity.key, query=Write(dry_run=dry_run))

    async def batch(
        self,
        items: Sequence[BatchItem],
        *,
        atomic: bool = False,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> BatchResult:
        """Carry out up to 8,000 commands in order, with one result each; `atomic`: all or none.

        A refused item raises nothing: look at `refused` and the items' `status`. It does not fail its
        neighbours, unless they are `linked` or the batch is atomic. Keep the items to repeat the call: they
        hold their ids. Raises `InvalidRequest` and `Unprocessable` for a batch that is malformed or names an
        id twice, of which nothing was done.
        """
        key = new_idempotency_key() if idempotency_key is None else idempotency_key
        body = Batch(transfers=items, atomic=atomic)
        return await self._sender.write(
            BatchResult, f"{_PATH}/batch", body, key=key, query=Write(dry_run=dry_run)
        )

    async def get(self, id: str) -> TransferDetail:
        """A transfer, with what has become of it since. Raises `NotFound`."""
        return await self._sender.read(TransferDetail, f"{_PATH}/{segment(id)}")

    def list(
        self,
        *,
        account: str | None = None,
        recorded_from: dt.datetime | None = None,
        recorded_before: dt.datetime | None = None,
        code: str | None = None,
        reference: str | None = None,
        metadata: Mapping[str, str] | None = None,
        kind: TransferKind | None = None,
        group_seq: int | None = None,
        transaction: str | None = None,
        related: str | None = None,
        newest_first: bool = False,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> Rows[TransferDetail]:
        """The transfers that meet every condition, in the order of `seq`; pages of at most 1,000.

        `related` finds what resolved a hold, or reversed a transfer, by the id of that.
        """
        query = TransfersQuery(
            account=account,
            recorded_from=recorded_from,
            recorded_before=recorded_before,
            code=code,
            reference=reference,
            metadata=metadata,
            kind=kind,
            group_seq=group_seq,
            transaction=transaction,
            related=related,
            newest_first=newest_first,
            cursor=cursor,
            limit=page_size,
        )
        return Rows(self._sender, Page[TransferDetail], _PATH, query)

    async def post(
        self,
        pending_id: str,
        *,
        amount: int | None = None,
        remainder: Remainder = Remainder.RELEASE,
        effective_at: dt.datetime | None = None,
        code: str | None = None,
        reference: str | None = None,
        metadata: Mapping[str, str] | None = None,
        beyond_limits: bool = False,
        id: str | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Transfer:
        """Post a hold: whole, or `amount` of it with the `remainder` released or held anew.

        Raises `Conflict` for a hold that is no longer open, `Unprocessable` for more than it holds.
        """
        identity = identify(TRANSFER, id, idempotency_key)
        body = PostHold(
            id=identity.id,
            amount=amount,
            remainder=remainder,
            effective_at=effective_at,
            code=code,
            reference=reference,
            metadata=metadata,
            beyond_limits=beyond_limits,
        )
        path = f"{_PATH}/{segment(pending_id)}/post"
        return await self._sender.write(Transfer, path, body, key=identity.key, query=Write(dry_run=dry_run))

    async def void(
        self,
        pending_id: str,
        *,
        code: str | None = None,
        reference: str | None = None,
        metadata: Mapping[str, str] | None = None,
        id: str | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Transfer:
        """Release a hold. Raises `Conflict` for one that is no longer open."""
        identity = identify(TRANSFER, id, idempotency_key)
        body = VoidHold(id=identity.id, code=code, reference=reference, metadata=metadata)
        path = f"{_PATH}/{segment(pending_id)}/void"
        return await self._sender.write(Transfer, path, body, key=identity.key, query=Write(dry_run=dry_run))

    async def reverse(
        self,
        original_id: str,
        *,
        amount: int | None = None,
        effective_at: dt.datetime | None = None,
        code: str | None = None,
        reference: str | None = None,
        metadata: Mapping[str, str] | None = None,
        beyond_limits: bool = False,
        id: str | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Transfer:
        """Move back what a transfer moved: what is left of it, or `amount`.

        Raises `Conflict` where nothing is left, `Unprocessable` for more than is.
        """
        identity = identify(TRANSFER, id, idempotency_key)
        body = Reverse(
            id=identity.id,
            amount=amount,
            effective_at=effective_at,
            code=code,
            reference=reference,
            metadata=metadata,
            beyond_limits=beyond_limits,
        )
        path = f"{_PATH}/{segment(original_id)}/reverse"
        return await self._sender.write(Transfer, path, body, key=identity.key, query=Write(dry_run=dry_run))
