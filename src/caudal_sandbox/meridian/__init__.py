"""Meridian, an acquirer of cards as Europe has them: unlike Stripe in all but what it is for."""

from caudal_sandbox.meridian.partner import Meridian

__all__ = ["Meridian"]
