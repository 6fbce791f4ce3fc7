"""A batch that a partner has paid out to our bank account, as events tell of it."""

import datetime as dt

from caudal.connectors import Settlement
from caudal.payments import postings
from caudal.payments.views import Time, View
from caudal_base import ids


class SettlementView(View, frozen=True, kw_only=True):
    """What a partner has paid out to our bank account, with what it says is in it."""

    id: str
    """Follows from the partner and its id."""
    partner: str
    partner_id: str
    """The partner's id of it."""
    amount: int
    """Net, in minor units; negative where the partner has drawn on the account."""
    currency: str
    lines: int
    """How many charges, refunds, disputes and fees it is made of."""
    recorded_at: Time
    arrived_at: Time | None = None
    """When it reached the bank, as the partner says."""
    transfer: str | None = None
    """The ledger's transfer that posted it; not there: nothing was left to be paid."""


def settlement_view(partner: str, settlement: Settlement, recorded_at: dt.datetime) -> SettlementView:
    """What is told of a settlement."""
    transfer = postings.settlement_transfer_id(partner, settlement.partner_id)
    return SettlementView(
        id=ids.of_names(ids.SETTLEMENT, partner, settlement.partner_id),
        partner=partner,
        partner_id=settlement.partner_id,
        amount=settlement.amount,
        currency=settlement.currency,
        lines=len(settlement.lines),
        recorded_at=recorded_at,
        arrived_at=settlement.arrived_at,
        transfer=transfer if settlement.amount else None,
    )
