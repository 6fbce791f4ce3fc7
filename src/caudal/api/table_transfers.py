"""The endpoints of transfers and transactions."""

from typing import Any, Final

from caudal.access import Scope
from caudal.api import batches, examples, transactions, transfer_reads, transfers
from caudal.api.bodies import NewBatch, NewTransaction, NewTransfer, PostHold, Reverse, VoidHold, Write
from caudal.api.declaring import listing, reading
from caudal.api.endpoint import Endpoint, KeyUse, Shape
from caudal.api.queries import TransfersQuery
from caudal.api.views import TransactionView, TransferView

_TAG: Final = "Transfers"
_EXISTS: Final = "The same was done before under this id; this is the original."


def _done(description: str, type_: Any, example: Any) -> dict[int, tuple[Shape, ...]]:
    """The answers of a command: done now, or before under the same id."""
    return {
        201: (Shape(description=description, type=type_, example=example, headers=_LOCATION),),
        200: (Shape(description=_EXISTS, type=type_, example=example, headers=_LOCATION),),
    }


_LOCATION: Final = {"Location": "Where it can be read again."}


def _done_to(
    verb: str, summary: str, description: str, handle: Any, body: Any, *, answer: str, example: Any,
    body_example: Any, transfer: str,
) -> Endpoint[Any, Any]:  # fmt: skip
    """A command about a transfer, which is a transfer too."""
    return Endpoint(
        method="POST",
        path=f"/v1/transfers/{{id}}/{verb}",
        name=f"{verb}_transfer",
        tag=_TAG,
        summary=summary,
        description=description,
        handle=handle,
        query=Write,
        body=body,
        scope=Scope.LEDGER_WRITE,
        key=KeyUse.REQUIRED,
        answers=_done(answer, TransferView, example),
        refuses=True,
        example=body_example,
        path_ids={"id": transfer},
    )


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
    listing(
        "/v1/transfers", "list_transfers", _TAG, "Find transfers", transfer_reads.find_transfers,
        TransfersQuery,
        description="In the order of `seq`. A page may be shorter than asked, and even empty, and still have "
        "a `next_cursor`.",
        scope=Scope.LEDGER_READ, answer="A page.", row=transfer_reads.TransferDetailView,
        example=examples.TRANSFER_LIST, errors=(404,),
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
    reading(
        "/v1/transfers/{id}", "get_transfer", _TAG, "Read a transfer", transfer_reads.read_transfer,
        scope=Scope.LEDGER_READ, answer="The transfer, with what has become of it since.",
        view=transfer_reads.TransferDetailView, example=examples.TRANSFER_DETAIL,
        path_ids={"id": examples.TRANSFER},
    ),
    _done_to(
        "post", "Post a hold", "Whole, or in part with the rest released or held anew.", transfers.post_hold,
        PostHold, answer="Posted.", example=examples.POSTED_VIEW, body_example={"amount": 800},
        transfer=examples.HOLD,
    ),
    _done_to(
        "void", "Release a hold", "", transfers.void_hold, VoidHold, answer="Released.",
        example=examples.VOIDED_VIEW, body_example={}, transfer=examples.HOLD,
    ),
    _done_to(
        "reverse", "Move back what a transfer moved",
        "Whole what is left of it, or a part; reversals never exceed the original in total.",
        transfers.reverse_transfer, Reverse, answer="Reversed.", example=examples.REVERSAL_VIEW,
        body_example={}, transfer=examples.TRANSFER,
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
    reading(
        "/v1/transactions/{id}", "get_transaction", "Transactions", "Read a journal entry",
        transactions.read_transaction, scope=Scope.LEDGER_READ, answer="The entry.", view=TransactionView,
        example=examples.TRANSACTION_VIEW, path_ids={"id": examples.TRANSACTION},
    ),
)  # fmt: skip
