"""What rules would have done with payments of the past: read-only, and bounded."""

import datetime as dt
from collections.abc import Mapping
from typing import Final

import msgspec

from caudal import routing
from caudal.connectors import Capabilities
from caudal.payments.partners import DIRECTIONS
from caudal.payments.queries import MAX_PAGE, PaymentFilter, list_payments
from caudal.payments.types import Payment, PaymentState
from caudal.routing import Facts, Past, Rates, Rules, Trial, Trier
from caudal_base.database import Connection
from caudal_base.errors import InvalidRequest

MAX_PAYMENTS: Final = 50_000
"""So many payments are looked at, the newest of the span: some two seconds."""

FEES_OF: Final = dt.timedelta(days=90)
"""Whose fees tell what a partner takes."""

_APPROVED: Final = frozenset(
    {PaymentState.SUCCEEDED, PaymentState.AUTHORISED, PaymentState.CAPTURING, PaymentState.RETURNED}
)
_NEVER_ROUTED: Final = frozenset({PaymentState.DECLINED, PaymentState.SCHEDULED})


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    trial: Trial
    complete: bool
    """False: there were more payments in the span than are looked at."""


async def try_rules(
    connection: Connection, book_id: int, rules: Rules, partners: Mapping[str, Capabilities], *,
    created_from: dt.datetime, created_before: dt.datetime,
) -> Tried:  # fmt: skip
    """Try rules on the payments that were created in a span.

    Raises the first of `routing.problems`: what may not be published cannot be tried either; and
    `InvalidRequest` for a span that is empty.
    """
    if created_from >= created_before:
        raise InvalidRequest("the span is empty", field="created_from")
    for problem in routing.problems(rules, partners):
        raise problem
    day = created_before.astimezone(dt.UTC).date()
    rates = Rates(await routing.report(connection, book_id, day - FEES_OF, day))
    trier = Trier(routing.compiled(rules), partners, rates)
    wanted = PaymentFilter(created_from=created_from, created_before=created_before)
    before, looked_at = None, 0
    while looked_at < MAX_PAYMENTS:
        page = await list_payments(connection, book_id, wanted, before=before, limit=MAX_PAGE)
        for payment in page.rows:
            past = past_of(payment)
            if past is not None:
                trier.take(past)
        looked_at += len(page.rows)
        before = page.next
        if before is None:
            return Tried(trial=trier.result(), complete=True)
    return Tried(trial=trier.result(), complete=False)


def past_of(payment: Payment) -> Past | None:
    """A payment as rules would have met it; None of one that never came so far."""
    direction = DIRECTIONS.get(payment.kind)
    if direction is None or payment.method is None or payment.partner is None:
        return None
    if payment.state in _NEVER_ROUTED:
        return None
    facts = Facts(
        payment_id=payment.id, direction=direction, method=payment.method, currency=payment.currency,
        amount=payment.amount, capture=payment.capture, customer=payment.customer,
        country=None if payment.context is None else payment.context.country, instrument=payment.instrument,
    )  # fmt: skip
    return Past(
        facts=facts, partner=payment.partner, named=payment.named, approved=payment.state in _APPROVED
    )
