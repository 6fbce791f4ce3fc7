"""Stripe: card payments and direct debits, their refunds and disputes, and its payouts to our bank."""

from caudal.connectors.drift import Drift
from caudal.connectors.stripe.connector import API_VERSION, CAPABILITIES, StripeConnector
from caudal_base.settings import PartnerSettings


def create(name: str, settings: PartnerSettings, drift: Drift) -> StripeConnector:
    """A connector to the Stripe account of `settings.api_key`."""
    return StripeConnector(name, settings, drift)


__all__ = ["API_VERSION", "CAPABILITIES", "StripeConnector", "create"]
