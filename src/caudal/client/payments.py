"""`caudal.payments`"""

import datetime as dt
from collections.abc import Mapping

import msgspec

from caudal.client.bodies import ListQuery, Write
from caudal.client.ids import PAYMENT, identify, new_idempotency_key
from caudal.client.listing import Rows
from caudal.client.payment_bodies import (
    CapturePayment,
    IncrementPayment,
    NewPayment,
    NewRefund,
    PaymentsQuery,
)
from caudal.client.payment_types import (
    CaptureMode,
    Method,
    Payment,
    PaymentContext,
    PaymentDetail,
    PaymentKind,
    PaymentState,
    Refund,
    WaitingFor,
)
from caudal.client.sending import Sender, segment
from caudal.client.types import Page

_PATH = "/v1/payments"


class Payments:
    """Moving customers' money: in, out, and to one another. Amounts are minor units: 1050 EUR are 10.50.

    A payment is answered before the partner has been asked; `get` and `caudal.events` tell how it goes on.
    Raises `Conflict` where its state does not allow what is asked, and `Unprocessable` where a rule does not.
    """

    def __init__(self, sender: Sender) -> None:
        """Made by `Caudal`."""
        self._sender = sender

    async def create(
        self,
        *,
        kind: PaymentKind,
        customer: str,
        amount: int,
        currency: str,
        method: Method | None = None,
        partner: str | None = None,
        instrument: str | None = None,
        capture: CaptureMode = CaptureMode.AUTOMATIC,
        destination: str | None = None,
        reference: str | None = None,
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
        context: PaymentContext | None = None,
        execute_at: dt.datetime | None = None,
        return_url: str | None = None,
        id: str | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Payment:
        """Begin a payment, or find it as it stands where it was begun under this id.

        `instrument` is what is charged or paid to: a vault token or the partner's own. `destination` is the
        customer who receives an internal payment. One that our decision is against raises nothing: its state
        is DECLINED. Raises `Unprocessable` (`exceeds_debit_limit`, `personal_data_refused`), `Conflict`
        (`customer_not_active`), `InvalidRequest`.
        """
        identity = identify(PAYMENT, id, idempotency_key)
        body = NewPayment(
            kind=kind,
            customer=customer,
            amount=amount,
            currency=currency,
            id=identity.id,
            method=method,
            partner=partner,
            instrument=instrument,
            capture=capture,
            destination=destination,
            reference=reference,
            description=description,
            metadata=metadata,
            context=context,
            execute_at=execute_at,
            return_url=return_url,
        )
        return await self._sender.write(Payment, _PATH, body, key=identity.key, query=Write(dry_run=dry_run))

    async def get(self, id: str) -> PaymentDetail:
        """A payment with its attempts, captures, refunds, disputes and transfers. Raises `NotFound`."""
        return await self._sender.read(PaymentDetail, f"{_PATH}/{segment(id)}")

    def list(
        self,
        *,
        customer: str | None = None,
        reference: str | None = None,
        kind: PaymentKind | None = None,
        state: PaymentState | None = None,
        amount: int | None = None,
        currency: str | None = None,
        partner: str | None = None,
        waiting: WaitingFor | None = None,
        created_from: dt.datetime | None = None,
        created_before: dt.datetime | None = None,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> Rows[Payment]:
        """The payments that meet every condition, the newest first; pages of at most 1,000."""
        query = PaymentsQuery(
            customer=customer,
            reference=reference,
            kind=kind,
            state=state,
            amount=amount,
            currency=currency,
            partner=partner,
            waiting=waiting,
            created_from=created_from,
            created_before=created_before,
            cursor=cursor,
            limit=page_size,
        )
        return Rows(self._sender, Page[Payment], _PATH, query)

    async def capture(
        self,
        id: str,
        *,
        amount: int | None = None,
        final: bool = True,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Payment:
        """Take what is authorised: all that is left, or `amount`; with `final` the rest is released.

        Raises `Conflict` where it is not authorised, or something else is under way; `Unprocessable` for more
        than is authorised.
        """
        body = CapturePayment(amount=amount, final=final)
        return await self._ask(id, "capture", body, idempotency_key, dry_run=dry_run)

    async def increment(
        self, id: str, *, amount: int, idempotency_key: str | None = None, dry_run: bool = False
    ) -> Payment:
        """Raise what is authorised to `amount` in total."""
        return await self._ask(
            id, "increment", IncrementPayment(amount=amount), idempotency_key, dry_run=dry_run
        )

    async def cancel(self, id: str, *, idempotency_key: str | None = None, dry_run: bool = False) -> Payment:
        """Call it off, or void what is authorised. Raises `Conflict` where that cannot be done any more."""
        return await self._ask(id, "cancel", None, idempotency_key, dry_run=dry_run)

    async def confirm(self, id: str, *, idempotency_key: str | None = None, dry_run: bool = False) -> Payment:
        """The customer has come back from the partner's page: have the partner asked now."""
        return await self._ask(id, "confirm", None, idempotency_key, dry_run=dry_run)

    async def approve(self, id: str, *, idempotency_key: str | None = None, dry_run: bool = False) -> Payment:
        """End a review with yes. Raises `Conflict` for a payment that is not in review."""
        return await self._ask(id, "approve", None, idempotency_key, dry_run=dry_run)

    async def decline(self, id: str, *, idempotency_key: str | None = None, dry_run: bool = False) -> Payment:
        """End a review with no. Raises `Conflict` for a payment that is not in review."""
        return await self._ask(id, "decline", None, idempotency_key, dry_run=dry_run)

    async def refund(
        self,
        id: str,
        *,
        amount: int | None = None,
        reason: str | None = None,
        metadata: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Refund:
        """Pay back what was captured: all that is left, or `amount`.

        Raises `Conflict` for a payment that has not succeeded or is disputed, `Unprocessable` for more than
        is left of what was captured.
        """
        key = new_idempotency_key() if idempotency_key is None else idempotency_key
        body = NewRefund(amount=amount, reason=reason, metadata=metadata)
        return await self._sender.write(
            Refund, f"{_PATH}/{segment(id)}/refunds", body, key=key, query=Write(dry_run=dry_run)
        )

    def refunds(self, id: str) -> Rows[Refund]:
        """The refunds of a payment. Raises `NotFound`."""
        return Rows(self._sender, Page[Refund], f"{_PATH}/{segment(id)}/refunds", ListQuery())

    async def _ask(
        self, id: str, action: str, body: msgspec.Struct | None, idempotency_key: str | None, *, dry_run: bool
    ) -> Payment:
        key = new_idempotency_key() if idempotency_key is None else idempotency_key
        return await self._sender.write(
            Payment, f"{_PATH}/{segment(id)}/{action}", body, key=key, query=Write(dry_run=dry_run)
        )
