"""The endpoints of disputes."""

from typing import Any, Final

from caudal.access import Scope
from caudal.api import payment_examples as examples
from caudal.api import payment_reads
from caudal.api.declaring import listing, reading
from caudal.api.endpoint import Endpoint
from caudal.api.payment_bodies import DisputesQuery
from caudal.payments import DisputeView

_TAG: Final = "Disputes"

ENDPOINTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    listing(
        "/v1/disputes", "list_disputes", _TAG, "Find disputes", payment_reads.find_disputes, DisputesQuery,
        description="Disputes are opened and closed at the payer's bank. While one is open, and once it is "
        "lost, its amount is taken from the customer's balance.",
        scope=Scope.PAYMENTS_READ, row=DisputeView, example=examples.DISPUTE_LIST,
    ),
    reading(
        "/v1/disputes/{id}", "get_dispute", _TAG, "Read a dispute", payment_reads.read_dispute,
        scope=Scope.PAYMENTS_READ, answer="The dispute.", view=DisputeView, example=examples.DISPUTE_VIEW,
        path_ids={"id": examples.DISPUTE},
    ),
)  # fmt: skip
