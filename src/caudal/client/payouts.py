"""`caudal.payouts`"""

import datetime as dt
from collections.abc import Mapping

from caudal.client.bodies import Write
from caudal.client.ids import PAYMENT, identify
from caudal.client.listing import Rows
from caudal.client.payment_bodies import NewPayout, PayoutsQuery
from caudal.client.payment_types import Method, Payment, PaymentContext, PaymentState
from caudal.client.sending import Sender
from caudal.client.types import Page

_PATH = "/v1/payouts"


class Payouts:
    """Paying out to bank accounts. A payout is a payment: `caudal.payments` reads it and calls it off."""

    def __init__(self, sender: Sender) -> None:
        """Made by `Caudal`."""
        self._sender = sender

    async def create(
        self,
        *,
        customer: str,
        amount: int,
        currency: str,
        instrument: str,
        method: Method | None = None,
        partner: str | None = None,
        reference: str | None = None,
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
        context: PaymentContext | None = None,
        execute_at: dt.datetime | None = None,
        id: str | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Payment:
        """Pay `amount` of the customer's balance to the account that the token `instrument` stands for.

        Raises as `caudal.payments.create`.
        """
        identity = identify(PAYMENT, id, idempotency_key)
        body = NewPayout(
            customer=customer,
            amount=amount,
            currency=currency,
            id=identity.id,
            method=method,
            partner=partner,
            instrument=instrument,
            reference=reference,
            description=description,
            metadata=metadata,
            context=context,
            execute_at=execute_at,
        )
        return await self._sender.write(Payment, _PATH, body, key=identity.key, query=Write(dry_run=dry_run))

    def list(
        self,
        *,
        customer: str | None = None,
        reference: str | None = None,
        state: PaymentState | None = None,
        amount: int | None = None,
        currency: str | None = None,
        partner: str | None = None,
        created_from: dt.datetime | None = None,
        created_before: dt.datetime | None = None,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> Rows[Payment]:
        """The payouts that meet every condition, the newest first; pages of at most 1,000."""
        query = PayoutsQuery(
            customer=customer,
            reference=reference,
            state=state,
            amount=amount,
            currency=currency,
            partner=partner,
            created_from=created_from,
            created_before=created_before,
            cursor=cursor,
            limit=page_size,
        )
        return Rows(self._sender, Page[Payment], _PATH, query)
