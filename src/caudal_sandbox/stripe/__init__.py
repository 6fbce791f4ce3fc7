"""Stripe's API for one account in test mode, as its official SDK sees it."""

from caudal_sandbox.stripe.account import API_VERSION
from caudal_sandbox.stripe.partner import Stripe

__all__ = ["API_VERSION", "Stripe"]
