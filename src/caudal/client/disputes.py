"""`caudal.refunds` and `caudal.disputes`: what becomes of payments later."""

from caudal.client.listing import Rows
from caudal.client.payment_bodies import DisputesQuery
from caudal.client.payment_types import Dispute, DisputeState, Refund
from caudal.client.sending import Sender, segment
from caudal.client.types import Page

_REFUNDS = "/v1/refunds"
_DISPUTES = "/v1/disputes"


class Refunds:
    """Reading refunds; `caudal.payments.refund` makes them."""

    def __init__(self, sender: Sender) -> None:
        """Made by `Caudal`."""
        self._sender = sender

    async def get(self, id: str) -> Refund:
        """A refund as it stands. Raises `NotFound`."""
        return await self._sender.read(Refund, f"{_REFUNDS}/{segment(id)}")


class Disputes:
    """Reading disputes; they are opened and closed at the payer's bank."""

    def __init__(self, sender: Sender) -> None:
        """Made by `Caudal`."""
        self._sender = sender

    async def get(self, id: str) -> Dispute:
        """A dispute as it stands. Raises `NotFound`."""
        return await self._sender.read(Dispute, f"{_DISPUTES}/{segment(id)}")

    def list(
        self,
        *,
        payment: str | None = None,
        state: DisputeState | None = None,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> Rows[Dispute]:
        """The disputes that meet every condition, the newest first; pages of at most 1,000."""
        query = DisputesQuery(payment=payment, state=state, cursor=cursor, limit=page_size)
        return Rows(self._sender, Page[Dispute], _DISPUTES, query)
