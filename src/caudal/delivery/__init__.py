"""Webhooks out: events, signed and sent to endpoints, in order where asked, until they have arrived.

What is promised:

- Each event that an endpoint wants is delivered at least once, whatever dies; a repeat has the same id.
- One delivery for each endpoint and event: never two, none left out.
- Of an ordered endpoint, the events of one object go out in their order, each once the one before has arrived
  or was given up.
- An endpoint that is slow, dead or hostile costs the others nothing but its share of the machine.
- Nothing is sent to an address that was not checked: see `addresses`.
"""

from caudal.delivery.addresses import Policy, Resolve
from caudal.delivery.counts import DURATION_BOUNDS_S, DeliveryCounts
from caudal.delivery.deliverer import Deliverer
from caudal.delivery.errors import (
    DeliveryNotFound,
    EndpointAddressRefused,
    EndpointNotFound,
    EndpointStateConflict,
    EndpointUrlRefused,
    InvalidEventTypes,
    NothingChosen,
    TooManyEndpoints,
    TooManySecrets,
)
from caudal.delivery.handlers import PERIODICS, PURGE, PURGE_LOT, handlers
from caudal.delivery.log import REPLAY_LOT, DeliveryLog
from caudal.delivery.rules import JITTER, MAX_ATTEMPTS, PAUSES_S, TEST, Reply
from caudal.delivery.sending import Connection, Limits, Network
from caudal.delivery.service import MAX_ENDPOINTS, MAX_PAGE, Endpoints, endpoint_data
from caudal.delivery.signing import new_secret
from caudal.delivery.tools import Options, Tools
from caudal.delivery.types import (
    Attempt,
    Change,
    Delivery,
    DeliveryFilter,
    DeliveryState,
    DisableReason,
    Endpoint,
    EndpointStatus,
    Issued,
    NewEndpoint,
    Replayed,
    SecretInfo,
    Signature,
)

__all__ = [
    "DURATION_BOUNDS_S",
    "JITTER",
    "MAX_ATTEMPTS",
    "MAX_ENDPOINTS",
    "MAX_PAGE",
    "PAUSES_S",
    "PERIODICS",
    "PURGE",
    "PURGE_LOT",
    "REPLAY_LOT",
    "TEST",
    "Attempt",
    "Change",
    "Connection",
    "Deliverer",
    "Delivery",
    "DeliveryCounts",
    "DeliveryFilter",
    "DeliveryLog",
    "DeliveryNotFound",
    "DeliveryState",
    "DisableReason",
    "Endpoint",
    "EndpointAddressRefused",
    "EndpointNotFound",
    "EndpointStateConflict",
    "EndpointStatus",
    "EndpointUrlRefused",
    "Endpoints",
    "InvalidEventTypes",
    "Issued",
    "Limits",
    "Network",
    "NewEndpoint",
    "NothingChosen",
    "Options",
    "Policy",
    "Replayed",
    "Reply",
    "Resolve",
    "SecretInfo",
    "Signature",
    "TooManyEndpoints",
    "TooManySecrets",
    "Tools",
    "endpoint_data",
    "handlers",
    "new_secret",
]
