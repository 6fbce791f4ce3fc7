"""What is sent about payments: bodies of POSTs and query parameters."""

import datetime as dt
from collections.abc import Mapping

from caudal.client.bodies import Body, ListQuery
from caudal.client.payment_types import (
    CaptureMode,
    DisputeState,
    Method,
    PaymentContext,
    PaymentKind,
    PaymentState,
    WaitingFor,
)


class NewPayout(Body, frozen=True, kw_only=True):
    """POST /v1/payouts"""

    customer: str
    amount: int
    currency: str
    id: str | None = None
    method: Method | None = None
    partner: str | None = None
    instrument: str | None = None
    reference: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] | None = None
    context: PaymentContext | None = None
    execute_at: dt.datetime | None = None


class NewPayment(NewPayout, frozen=True, kw_only=True):
    """POST /v1/payments"""

    kind: PaymentKind
    capture: CaptureMode = CaptureMode.AUTOMATIC
    destination: str | None = None
    return_url: str | None = None


class CapturePayment(Body, frozen=True, kw_only=True):
    """POST /v1/payments/{id}/capture"""

    amount: int | None = None
    final: bool = True


class IncrementPayment(Body, frozen=True, kw_only=True):
    """POST /v1/payments/{id}/increment"""

    amount: int


class NewRefund(Body, frozen=True, kw_only=True):
    """POST /v1/payments/{id}/refunds"""

    amount: int | None = None
    reason: str | None = None
    metadata: Mapping[str, str] | None = None


class PayoutsQuery(ListQuery, frozen=True, kw_only=True):
    """GET /v1/payouts"""

    customer: str | None = None
    reference: str | None = None
    state: PaymentState | None = None
    amount: int | None = None
    currency: str | None = None
    partner: str | None = None
    created_from: dt.datetime | None = None
    created_before: dt.datetime | None = None


class PaymentsQuery(PayoutsQuery, frozen=True, kw_only=True):
    """GET /v1/payments"""

    kind: PaymentKind | None = None
    waiting: WaitingFor | None = None


class DisputesQuery(ListQuery, frozen=True, kw_only=True):
    """GET /v1/disputes"""

    payment: str | None = None
    state: DisputeState | None = None
