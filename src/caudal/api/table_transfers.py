"""The endpoints of transfers and transactions."""

from typing import Any, Final

from caudal.access import Scope
from caudal.api import batches, examples, transactions, transfer_reads, transfers
from caudal.api.bodies import NewBatch, NewTransaction, NewTransfer, PostHold, Reverse, VoidHold, Write
from caudal.api.endpoint import Endpoint, KeyUse, NoBody, NoQuery, Shape
from caudal.api.queries import TransfersQuery
from caudal.api.views import PageView, TransactionView, TransferView

_TAG: Final = "Transfers"
_EXISTS: Final = "The same was done before under this id; this is the original."


def _done(description: str, type_: Any, example: Any) -> dict[int, tuple[Shape, ...]]:
    """The answers of a command: done now, or before under the same id."""
    return {
        201: (Shape(description=description, type=type_, example=example, headers=_LOCATION),),
        200: (Shape(description=_EXISTS, type=type_, example=example, headers=_LOCATION),),
    }


_LOCATION: Final = {"Location": "Where it can be read again."}

ENDPOINTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="POST",
        path="/v1/transfers",
        name="create_transfer",
        tag=_TAG,
        summary="Record a transfer, or hold an amount",
        description="With `pending` the amount is held until it is posted, voided, or expires.",
        handle=transfers.create_transfer,
        query=Write,
        body=NewTransfer,
        scope=Scope.LEDGER_WRITE,
        key=KeyUse.REQUIRED,
        answers=_done("Recorded.", TransferView, examples.TRANSFER_VIEW),
        refuses=True,
        example=examples.NEW_TRANSFER,
        hot=True,
    ),
    Endpoint(
        method="GET",
        path="/v1/transfers",
        name="list_transfers",
        tag=_TAG,
        summary="Find transfers",
        description="In the order of `seq`. A page may be shorter than asked, and even empty, and still have "
        "a `next_cursor`.",
        handle=transfer_reads.find_transfers,
        query=TransfersQuery,
        body=NoBody,
        scope=Scope.LEDGER_READ,
        answers={
            200: (
                Shape(
                    description="A page.",
                    type=PageView[transfer_reads.TransferDetailView],
                    example=examples.TRANSFER_LIST,
                ),
            )
        },
        errors=(404,),
    ),
    Endpoint(
        method="POST",
        path="/v1/transfers/batch",
        name="create_batch",
        tag=_TAG,
        summary="Carry out up to 8,000 commands",
        description="In order, with one result each. A refused item does not fail its neighbours, unless "
        "they are `linked` or the batch is `atomic`. A batch that is malformed, or names an id twice, is "
        "refused as a whole.",
        handle=batches.create_batch,
        query=Write,
        body=NewBatch,
        scope=Scope.LEDGER_WRITE,
        key=KeyUse.REQUIRED,
        answers={
            200: (
                Shape(description="Each item's result.", type=batches.BatchView, example=examples.BATCH_VIEW),
            )
        },
        errors=(422,),
        example=examples.BATCH,
    ),
    Endpoint(
        method="GET",
        path="/v1/transfers/{id}",
        name="get_transfer",
        tag=_TAG,
        summary="Read a transfer",
        handle=transfer_reads.read_transfer,
        query=NoQuery,
        body=NoBody,
        scope=Scope.LEDGER_READ,
        answers={
            200: (
                Shape(
                    description="The transfer, with what has become of it since.",
                    type=transfer_reads.TransferDetailView,
                    example=examples.TRANSFER_DETAIL,
                ),
            )
        },
        errors=(404,),
        path_ids={"id": examples.TRANSFER},
    ),
    Endpoint(
        method="POST",
        path="/v1/transfers/{id}/post",
        name="post_transfer",
        tag=_TAG,
        summary="Post a hold",
        description="Whole, or in part with the rest released or held anew.",
        handle=transfers.post_hold,
        query=Write,
        body=PostHold,
        scope=Scope.LEDGER_WRITE,
        key=KeyUse.REQUIRED,
        answers=_done("Posted.", TransferView, examples.POSTED_VIEW),
        refuses=True,
        example={"amount": 800},
        path_ids={"id": examples.HOLD},
    ),
    Endpoint(
        method="POST",
        path="/v1/transfers/{id}/void",
        name="void_transfer",
        tag=_TAG,
        summary="Release a hold",
        handle=transfers.void_hold,
        query=Write,
        body=VoidHold,
        scope=Scope.LEDGER_WRITE,
        key=KeyUse.REQUIRED,
        answers=_done("Released.", TransferView, examples.VOIDED_VIEW),
        refuses=True,
        example={},
        path_ids={"id": examples.HOLD},
    ),
    Endpoint(
        method="POST",
        path="/v1/transfers/{id}/reverse",
        name="reverse_transfer",
        tag=_TAG,
        summary="Move back what a transfer moved",
        description="Whole what is left of it, or a part; reversals never exceed the original in total.",
        handle=transfers.reverse_transfer,
        query=Write,
        body=Reverse,
        scope=Scope.LEDGER_WRITE,
        key=KeyUse.REQUIRED,
        answers=_done("Reversed.", TransferView, examples.REVERSAL_VIEW),
        refuses=True,
        example={},
        path_ids={"id": examples.TRANSFER},
    ),
    Endpoint(
        method="POST",
        path="/v1/transactions",
        name="create_transaction",
        tag="Transactions",
        summary="Record a journal entry",
        description="All of its postings or none; debits equal credits in every currency. Instead of "
        "postings, a template and its parameters can be given.",
        handle=transactions.create_transaction,
        query=Write,
        body=NewTransaction,
        scope=Scope.LEDGER_WRITE,
        key=KeyUse.REQUIRED,
        answers=_done("Recorded.", TransactionView, examples.TRANSACTION_VIEW),
        refuses=True,
        example=examples.NEW_TRANSACTION,
    ),
    Endpoint(
        method="GET",
        path="/v1/transactions/{id}",
        name="get_transaction",
        tag="Transactions",
        summary="Read a journal entry",
        handle=transactions.read_transaction,
        query=NoQuery,
        body=NoBody,
        scope=Scope.LEDGER_READ,
        answers={
            200: (Shape(description="The entry.", type=TransactionView, example=examples.TRANSACTION_VIEW),)
        },
        errors=(404,),
        path_ids={"id": examples.TRANSACTION},
    ),
)
