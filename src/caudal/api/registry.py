"""All endpoints, in the order in which the document shows them."""

from typing import Any, Final

from caudal.api import docs
from caudal.api.endpoint import Endpoint

ENDPOINTS: Final[tuple[Endpoint[Any, Any], ...]] = (*docs.DESCRIBED, *docs.ENDPOINTS)
