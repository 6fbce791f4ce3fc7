"""`GET /v1/transfers`: one transfer, or lists of them."""

import msgspec

from caudal.api.endpoint import NoBody, NoQuery
from caudal.api.fields import utc
from caudal.api.paging import number, page_answer
from caudal.api.queries import TransfersQuery
from caudal.api.request import Request
from caudal.api.transfers import path_transfer_id
from caudal.api.views import TransferView, json_answer, transfer_view
from caudal.idempotency import Answer
from caudal.ledger import (
    AccountId,
    TransactionId,
    TransferDetail,
    TransferFilter,
    TransferId,
    get_transfer,
    list_transfers,
)


class TransferDetailView(TransferView, frozen=True, kw_only=True):
    """A transfer, with what has become of it since."""

    resolved_by: str | None = None
    """Of a hold: the post, void or expiry that closed it; of one that has lapsed, once it is recorded."""
    reversed_amount: int = 0
    """How much of it reversals have taken back."""
    transaction: str | None = None
    """The journal entry that it belongs to."""


def detail_view(detail: TransferDetail) -> TransferDetailView:
    """`detail` for a caller."""
    view = transfer_view(detail.transfer, state=detail.state)
    return TransferDetailView(
        **{
            **msgspec.structs.asdict(view),
            "expires_at": detail.expires_at,
            "resolved_by": detail.resolved_by,
            "reversed_amount": detail.reversed_amount,
            "transaction": detail.transaction,
        }
    )


async def read_transfer(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/transfers/{id}"""
    async with request.services.database.connection() as connection:
        detail = await get_transfer(
            connection,
            request.book_id,
            path_transfer_id(request),
            now=request.services.clock.now(),
        )
    return json_answer(200, detail_view(detail))


async def find_transfers(request: Request[TransfersQuery, NoBody]) -> Answer:
    """GET /v1/transfers"""
    query = request.query
    wanted = TransferFilter(
        account=None if query.account is None else AccountId(query.account),
        recorded_from=utc(query.recorded_from, "recorded_from"),
        recorded_before=utc(query.recorded_before, "recorded_before"),
        code=query.code,
        reference=query.reference,
        metadata=query.metadata,
        kind=query.kind,
        group_seq=query.group_seq,
        transaction=None if query.transaction is None else TransactionId(query.transaction),
        related=None if query.related is None else TransferId(query.related),
    )
    async with request.services.database.connection() as connection:
        page = await list_transfers(
            connection,
            request.book_id,
            wanted,
            now=request.services.clock.now(),
            newest_first=query.newest_first,
            cursor=number(query.cursor),
            limit=query.limit,
        )
    return page_answer([detail_view(detail) for detail in page.rows], page.next)
