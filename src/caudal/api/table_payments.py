"""The endpoints of payments, payouts and refunds."""

from typing import Any, Final

from caudal.access import Scope
from caudal.api import payment_examples as examples
from caudal.api import payment_reads, payments
from caudal.api.bodies import Write
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
from caudal.api.views import PageView
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


def _now(example: Any) -> dict[int, tuple[Shape, ...]]:
    """The answer to what is asked of a payment."""
    return {200: (Shape(description="The payment as it stands now.", type=PaymentView, example=example),)}


def _page(type_: Any, example: Any) -> dict[int, tuple[Shape, ...]]:
    return {200: (Shape(description="A page, the newest first.", type=type_, example=example),)}


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
    Endpoint(
        method="GET",
        path="/v1/payments",
        name="list_payments",
        tag=_TAG,
        summary="Find payments",
        description=_SEARCH,
        handle=payment_reads.find_payments,
        query=PaymentsQuery,
        body=NoBody,
        scope=Scope.PAYMENTS_READ,
        answers=_page(PageView[PaymentView], examples.PAYMENT_LIST),
    ),
    Endpoint(
        method="GET",
        path="/v1/payments/{id}",
        name="get_payment",
        tag=_TAG,
        summary="Read a payment",
        handle=payment_reads.read_payment,
        query=NoQuery,
        body=NoBody,
        scope=Scope.PAYMENTS_READ,
        answers={
            200: (
                Shape(
                    description="The payment, with everything that belongs to it.",
                    type=PaymentDetailView,
                    example=examples.PAYMENT_DETAIL,
                ),
            )
        },
        errors=(404,),
        path_ids=_PATH,
    ),
    Endpoint(
        method="POST",
        path="/v1/payments/{id}/capture",
        name="capture_payment",
        tag=_TAG,
        summary="Take what is authorised",
        description="Whole, or in part: with `final` false more captures may follow, else the rest is "
        "released.",
        handle=payments.capture_payment,
        query=Write,
        body=CaptureBody,
        scope=Scope.PAYMENTS_WRITE,
        key=KeyUse.REQUIRED,
        answers=_now(examples.CAPTURING_VIEW),
        refuses=True,
        example={"amount": 1050},
        path_ids=_PATH,
    ),
    Endpoint(
        method="POST",
        path="/v1/payments/{id}/increment",
        name="increment_payment",
        tag=_TAG,
        summary="Raise what is authorised",
        handle=payments.increment_payment,
        query=Write,
        body=IncrementBody,
        scope=Scope.PAYMENTS_WRITE,
        key=KeyUse.REQUIRED,
        answers=_now(examples.INCREMENTING_VIEW),
        refuses=True,
        example={"amount": 1500},
        path_ids=_PATH,
    ),
    Endpoint(
        method="POST",
        path="/v1/payments/{id}/cancel",
        name="cancel_payment",
        tag=_TAG,
        summary="Call a payment off",
        description="Before anything was sent it is `cancelled` at once; what is authorised is voided at the "
        "partner's, where the partner can; then what was held is released.",
        handle=payments.cancel_payment,
        query=Write,
        body=NoBody,
        scope=Scope.PAYMENTS_WRITE,
        key=KeyUse.REQUIRED,
        answers=_now(examples.CANCELLING_VIEW),
        refuses=True,
        path_ids=_PATH,
    ),
    Endpoint(
        method="POST",
        path="/v1/payments/{id}/confirm",
        name="confirm_payment",
        tag=_TAG,
        summary="The customer has come back",
        description="From the partner's page to which `next_action` led: the partner is asked now how it "
        "stands, without waiting for its webhook.",
        handle=payments.confirm_payment,
        query=Write,
        body=NoBody,
        scope=Scope.PAYMENTS_WRITE,
        key=KeyUse.ACCEPTED,
        answers=_now(examples.WAITING_VIEW),
        refuses=True,
        path_ids=_PATH,
    ),
    Endpoint(
        method="POST",
        path="/v1/payments/{id}/approve",
        name="approve_payment",
        tag=_TAG,
        summary="End a review with yes",
        description="Where the decision asked for it, the payment goes on. Where the partner reported "
        "something else than was asked, that counts; where it cannot be asked, it is taken as done. Of a "
        "payment that is not in review, the refund that waits for a person (`asked_at`) was paid back.",
        handle=payments.approve_payment,
        query=Write,
        body=NoBody,
        scope=Scope.PAYMENTS_REVIEW,
        key=KeyUse.REQUIRED,
        answers=_now(examples.PAYMENT_VIEW),
        refuses=True,
        path_ids=_PATH,
    ),
    Endpoint(
        method="POST",
        path="/v1/payments/{id}/decline",
        name="decline_payment",
        tag=_TAG,
        summary="End a review with no",
        description="What was held is released; what a partner took wrongly is given back. Of a payment that "
        "is not in review, the refund that waits for a person (`asked_at`) was not paid back.",
        handle=payments.decline_payment,
        query=Write,
        body=NoBody,
        scope=Scope.PAYMENTS_REVIEW,
        key=KeyUse.REQUIRED,
        answers=_now(examples.DECLINED_VIEW),
        refuses=True,
        path_ids=_PATH,
    ),
)

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
    Endpoint(
        method="GET",
        path="/v1/payments/{id}/refunds",
        name="list_refunds",
        tag="Refunds",
        summary="The refunds of a payment",
        handle=payment_reads.find_refunds,
        query=NoQuery,
        body=NoBody,
        scope=Scope.PAYMENTS_READ,
        answers={
            200: (
                Shape(
                    description="All of them.",
                    type=PageView[RefundView],
                    example=examples.REFUND_LIST,
                ),
            )
        },
        errors=(404,),
        path_ids=_PATH,
    ),
    Endpoint(
        method="GET",
        path="/v1/refunds/{id}",
        name="get_refund",
        tag="Refunds",
        summary="Read a refund",
        handle=payment_reads.read_refund,
        query=NoQuery,
        body=NoBody,
        scope=Scope.PAYMENTS_READ,
        answers={200: (Shape(description="The refund.", type=RefundView, example=examples.REFUND_VIEW),)},
        errors=(404,),
        path_ids={"id": examples.REFUND},
    ),
)

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
    Endpoint(
        method="GET",
        path="/v1/payouts",
        name="list_payouts",
        tag="Payouts",
        summary="Find payouts",
        description=_SEARCH,
        handle=payment_reads.find_payouts,
        query=PayoutsQuery,
        body=NoBody,
        scope=Scope.PAYMENTS_READ,
        answers=_page(PageView[PaymentView], examples.PAYOUT_LIST),
    ),
)

ENDPOINTS: Final = (*PAYMENTS, *REFUNDS, *PAYOUTS)
