"""The public HTTP API: for each endpoint parse, call, render; nothing is decided here."""

from caudal.api.docs import document_text
from caudal.api.endpoint import Endpoint
from caudal.api.metrics import Metrics
from caudal.api.problems import MethodNotAllowed, PathNotFound, problem
from caudal.api.registry import ENDPOINTS
from caudal.api.services import Services
from caudal.api.serving import SECURITY, Route
from caudal.api.webhooks_in_metrics import watch_partners
from caudal.api.worker_metrics import worker_registry

__all__ = [
    "ENDPOINTS",
    "SECURITY",
    "Endpoint",
    "MethodNotAllowed",
    "Metrics",
    "PathNotFound",
    "Route",
    "Services",
    "document_text",
    "problem",
    "watch_partners",
    "worker_registry",
]
