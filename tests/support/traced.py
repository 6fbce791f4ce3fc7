"""A partner that takes every card payment, and tells by a signed webhook how it ended."""

from collections.abc import Sequence

import msgspec

from caudal.connectors import Answer, Call, Drift, Inbound, Reported, Snapshot, Status
from caudal_base.secret import Secret
from caudal_base.settings import PartnerSettings
from support.payment_worlds import CAPABILITIES
from support.programmable import done
from support.webhooks import SECRET, Acme


class Accepting(Acme):
    """What it is asked for is pending until its webhook comes; see `support.webhooks.Acme`."""

    capabilities = CAPABILITIES

    async def call(self, call: Call) -> Answer:
        return Reported(done(call, status=Status.PENDING, captured=None))

    def parse(self, inbound: Inbound) -> Sequence[Snapshot]:
        return [msgspec.structs.replace(one, amount=1_050, captured=1_050) for one in super().parse(inbound)]


def create(name: str, settings: PartnerSettings, drift: Drift) -> Accepting:
    """As settings name it: `support.traced:create`."""
    return Accepting(name, settings)


def accepting(book: str) -> PartnerSettings:
    """Its settings, for a book."""
    return PartnerSettings(
        connector="support.traced:create", book=book, api_key=Secret("key"), webhook_secrets=[Secret(SECRET)]
    )
