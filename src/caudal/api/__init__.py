"""The public HTTP API: for each endpoint parse, call, render; nothing is decided here."""

from caudal.api.decision_metrics import Decisions
from caudal.api.described_metrics import Described, described
from caudal.api.docs import document_text
from caudal.api.endpoint import Endpoint
from caudal.api.event_types import FAMILIES, EventFamily
from caudal.api.metrics import Metrics
from caudal.api.places import Places, Room
from caudal.api.problems import MethodNotAllowed, PathNotFound, problem
from caudal.api.rates import RateLimited, RateLimits
from caudal.api.registry import ENDPOINTS
from caudal.api.schemas import schemas_of
from caudal.api.services import Services
from caudal.api.serving import SECURITY, Route
from caudal.api.webhooks_in_metrics import watch_rooms
from caudal.api.worker_metrics import worker_registry

__all__ = [
    "ENDPOINTS",
    "FAMILIES",
    "SECURITY",
    "Decisions",
    "Described",
    "Endpoint",
    "EventFamily",
    "MethodNotAllowed",
    "Metrics",
    "PathNotFound",
    "Places",
    "RateLimited",
    "RateLimits",
    "Room",
    "Route",
    "Services",
    "described",
    "document_text",
    "problem",
    "schemas_of",
    "watch_rooms",
    "worker_registry",
]
