"""The endpoints of payments, payouts and refunds."""

from typing import Any, Final

from caudal.access import Scope
from caudal.api import payment_examples as examples
from caudal.api import payment_reads, payments
from caudal.api.bodies import Write
from caudal.api.declaring import action, listing, reading
from caudal.api.endpoint import Endpoint, KeyUse, NoBody, NoQuery, Shape
from caudal.api.payment_bodies import (
    CaptureBody,
    IncrementBody,
    NewPayment,
    NewPayout,
    NewRefund,
    PaymentsQuery,
    PayoutsQuery,
)
from caudal.api.payment_views import PaymentDetailView
from caudal.payments import PaymentView, RefundView

_TAG: Final = "Payments"
_EXISTS: Final = "The same was asked before under this id; this is the payment as it stands."
_LOCATION: Final = {"Location": "Where it can be read again."}
_PATH: Final = {"id": examples.PAYMENT}
_SEARCH: Final = (
    "An index serves `reference`, `customer`, `amount`, `state` (any but `succeeded`) and the kinds `payout` "
    "and `internal`, the first of them that is given, and the times. The other conditions, and a second one "
    "of these, are looked for among the next 5,000 payments that it finds: such a page may be short or empty "
    "and have a `next_cursor` all the same, with which the search goes on."
)


def _created(example: Any) -> dict[int, tuple[Shape, ...]]:
    """The answers to a payment that is asked for: new, or there already under the same id."""
    made = "It exists; its state says how far it is."
    return {
        201: (Shape(description=made, type=PaymentView, example=example, headers=_LOCATION),),
        200: (Shape(description=_EXISTS, type=PaymentView, example=example, headers=_LOCATION),),
    }


def _find(
    path: str, name: str, tag: str, summary: str, handle: Any, query: Any, example: Any
) -> Endpoint[Any, Any]:
    """A list of payments."""
    return listing(
        path, name, tag, summary, handle, query, description=_SEARCH, scope=Scope.PAYMENTS_READ,
        row=PaymentView, example=example,
    )  # fmt: skip


def _ask(
    verb: str, summary: str, description: str, handle: Any, example: Any, *, body: Any = NoBody,
    body_example: Any = None, scope: Scope = Scope.PAYMENTS_WRITE, key: KeyUse = KeyUse.REQUIRED,
) -> Endpoint[Any, Any]:  # fmt: skip
    """Something that is asked of a payment."""
    return action(
        f"/v1/payments/{{id}}/{verb}", f"{verb}_payment", _TAG, summary, handle, description=description,
        scope=scope, answer="The payment as it stands now.", view=PaymentView, example=example, body=body,
        body_example=body_example, key=key, refuses=True, path_ids=_PATH,
    )  # fmt: skip


PAYMENTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="POST",
        path="/v1/payments",
        name="create_payment",
        tag=_TAG,
        summary="Move a customer's money",
        description="In from a card or bank account (`pay_in`), out to a bank account (`payout`), or to "
        "another customer (`internal`). A payment through a partner is answered before the partner has been "
        "asked: it is `processing`, and events tell how it goes on. One that was decided against is "
        "`declined`, and one that a person must look at is in `review`.",
        handle=payments.create_payment,
        query=Write,
        body=NewPayment,
        scope=Scope.PAYMENTS_WRITE,
        key=KeyUse.REQUIRED,
        answers=_created(examples.PAYMENT_VIEW),
        refuses=True,
        example=examples.NEW_PAYMENT,
        hot=True,
        admit=payments.admit,
    ),
    _find(
        "/v1/payments", "list_payments", _TAG, "Find payments",
        payment_reads.find_payments, PaymentsQuery, examples.PAYMENT_LIST,
    ),
    reading(
        "/v1/payments/{id}", "get_payment", _TAG, "Read a payment", payment_reads.read_payment,
        scope=Scope.PAYMENTS_READ, answer="The payment, with everything that belongs to it.",
        view=PaymentDetailView, example=examples.PAYMENT_DETAIL, path_ids=_PATH,
    ),
    _ask(
        "capture", "Take what is authorised",
        "Whole, or in part: with `final` false more captures may follow, else the rest is released.",
        payments.capture_payment, examples.CAPTURING_VIEW, body=CaptureBody, body_example={"amount": 1050},
    ),
    _ask(
        "increment", "Raise what is authorised", "",
        payments.increment_payment, examples.INCREMENTING_VIEW, body=IncrementBody,
        body_example={"amount": 1500},
    ),
    _ask(
        "cancel", "Call a payment off",
        "Before anything was sent it is `cancelled` at once; what is authorised is voided at the partner's, "
        "where the partner can; then what was held is released.",
        payments.cancel_payment, examples.CANCELLING_VIEW,
    ),
    _ask(
        "confirm", "The customer has come back",
        "From the partner's page to which `next_action` led: the partner is asked now how it stands, without "
        "waiting for its webhook.",
        payments.confirm_payment, examples.WAITING_VIEW, key=KeyUse.ACCEPTED,
    ),
    _ask(
        "approve", "End a review with yes",
        "Where the decision asked for it, the payment goes on. Where the partner reported something else "
        "than was asked, that counts; where it cannot be asked, it is taken as done. Of a payment that is "
        "not in review, the refund that waits for a person (`asked_at`) was paid back.",
        payments.approve_payment, examples.PAYMENT_VIEW, scope=Scope.PAYMENTS_REVIEW,
    ),
    _ask(
        "decline", "End a review with no",
        "What was held is released; what a partner took wrongly is given back. Of a payment that is not in "
        "review, the refund that waits for a person (`asked_at`) was not paid back.",
        payments.decline_payment, examples.DECLINED_VIEW, scope=Scope.PAYMENTS_REVIEW,
    ),
)  # fmt: skip

REFUNDS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="POST",
        path="/v1/payments/{id}/refunds",
        name="create_refund",
        tag="Refunds",
        summary="Pay back what was captured",
        description="Whole what is left of it, or a part; refunds that have not failed never exceed what was "
        "captured. The amount leaves the customer's balance at once.",
        handle=payments.refund_payment,
        query=Write,
        body=NewRefund,
        scope=Scope.PAYMENTS_WRITE,
        key=KeyUse.REQUIRED,
        answers={
            201: (
                Shape(
                    description="It is on its way.",
                    type=RefundView,
                    example=examples.REFUND_VIEW,
                    headers=_LOCATION,
                ),
            )
        },
        refuses=True,
        example=examples.NEW_REFUND,
        path_ids=_PATH,
    ),
    listing(
        "/v1/payments/{id}/refunds", "list_refunds", "Refunds", "The refunds of a payment",
        payment_reads.find_refunds, NoQuery, scope=Scope.PAYMENTS_READ, answer="All of them.",
        row=RefundView, example=examples.REFUND_LIST, errors=(404,), path_ids=_PATH,
    ),
    reading(
        "/v1/refunds/{id}", "get_refund", "Refunds", "Read a refund", payment_reads.read_refund,
        scope=Scope.PAYMENTS_READ, answer="The refund.", view=RefundView, example=examples.REFUND_VIEW,
        path_ids={"id": examples.REFUND},
    ),
)  # fmt: skip

PAYOUTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="POST",
        path="/v1/payouts",
        name="create_payout",
        tag="Payouts",
        summary="Pay out to a bank account",
        description="A payment of kind `payout`, to be read and cancelled as one: the amount is held until "
        "the partner has sent it. It may still come back, and is `returned` then.",
        handle=payments.create_payout,
        query=Write,
        body=NewPayout,
        scope=Scope.PAYMENTS_WRITE,
        key=KeyUse.REQUIRED,
        answers=_created(examples.PAYOUT_VIEW),
        refuses=True,
        example=examples.NEW_PAYOUT,
        hot=True,
        admit=payments.admit,
    ),
    _find(
        "/v1/payouts", "list_payouts", "Payouts", "Find payouts",
        payment_reads.find_payouts, PayoutsQuery, examples.PAYOUT_LIST,
    ),
)  # fmt: skip

ENDPOINTS: Final = (*PAYMENTS, *REFUNDS, *PAYOUTS)
