"""The endpoints of disputes."""

from typing import Any, Final

from caudal.access import Scope
from caudal.api import payment_examples as examples
from caudal.api import payment_reads
from caudal.api.endpoint import Endpoint, NoBody, NoQuery, Shape
from caudal.api.payment_bodies import DisputesQuery
from caudal.api.views import PageView
from caudal.payments import DisputeView

_TAG: Final = "Disputes"

ENDPOINTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="GET",
        path="/v1/disputes",
        name="list_disputes",
        tag=_TAG,
        summary="Find disputes",
        description="Disputes are opened and closed at the payer's bank. While one is open, and once it is "
        "lost, its amount is taken from the customer's balance.",
        handle=payment_reads.find_disputes,
        query=DisputesQuery,
        body=NoBody,
        scope=Scope.PAYMENTS_READ,
        answers={
            200: (
                Shape(
                    description="A page, the newest first.",
                    type=PageView[DisputeView],
                    example=examples.DISPUTE_LIST,
                ),
            )
        },
    ),
    Endpoint(
        method="GET",
        path="/v1/disputes/{id}",
        name="get_dispute",
        tag=_TAG,
        summary="Read a dispute",
        handle=payment_reads.read_dispute,
        query=NoQuery,
        body=NoBody,
        scope=Scope.PAYMENTS_READ,
        answers={200: (Shape(description="The dispute.", type=DisputeView, example=examples.DISPUTE_VIEW),)},
        errors=(404,),
        path_ids={"id": examples.DISPUTE},
    ),
)
