"""Meridian: an acquirer of cards in euros, pounds and kronor, as the sandbox plays it."""

from caudal.connectors.drift import Drift
from caudal.connectors.meridian.connector import API_VERSION, CAPABILITIES, Meridian
from caudal_base.settings import PartnerSettings


def create(name: str, settings: PartnerSettings, drift: Drift) -> Meridian:
    """The connector of a merchant's account. Raises `ValueError` for settings that it cannot work with."""
    return Meridian(name, settings, drift)


__all__ = ["API_VERSION", "CAPABILITIES", "Meridian", "create"]
