"""Connectors whose instrument is a token of the vault: what it stands for is put in its place here.

The vault's proxy will do so, on the way to the partner.
"""

from typing import Any, cast

import msgspec

from caudal.connectors import Answer, Call, Drift
from caudal.connectors.meridian import create as create_meridian
from caudal.connectors.stripe import create as create_stripe
from caudal_base.settings import PartnerSettings

TOKEN = "tok_a_card"
"""Stripe declines it softly, Meridian takes it."""

STRIPE, MERIDIAN = "support.kill_partners:stripe", "support.kill_partners:meridian"


class _Exchanging:
    def __init__(self, connector: Any, card: str) -> None:
        self._connector = connector
        self._card = card

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connector, name)

    async def call(self, call: Call) -> Answer:
        changed = msgspec.structs.replace(call, instrument=self._card)
        return cast(Answer, await self._connector.call(changed))


def stripe(name: str, settings: PartnerSettings, drift: Drift) -> Any:
    """Stripe, for which the token is a card without cover."""
    return _Exchanging(create_stripe(name, settings, drift), "pm_card_visa_chargeDeclinedInsufficientFunds")


def meridian(name: str, settings: PartnerSettings, drift: Drift) -> Any:
    """Meridian, for which it is a good one."""
    return _Exchanging(create_meridian(name, settings, drift), "mtk_ok")
