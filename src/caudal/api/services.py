"""What the endpoints work with; `caudal.app` makes and wires it."""

import msgspec

from caudal.access import Authenticator
from caudal.api.metrics import Metrics
from caudal.api.places import Room
from caudal.api.rates import RateLimits
from caudal.api.webhooks_in_metrics import Asked
from caudal.connectors import Registry
from caudal.delivery import Endpoints
from caudal.ledger import BookDirectory, Desk, Ledger
from caudal.objectives import Meter
from caudal.payments import PaymentDesk
from caudal.risk import Applications, DecisionDesk
from caudal.routing import Directory
from caudal.webhooks import Inbox
from caudal_base.clock import Clock
from caudal_base.database import Database
from caudal_base.ids import IdSource
from caudal_base.shared import Shared


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """One process's objects. They live as long as the application serves."""

    database: Database
    ledger: Ledger
    desk: Desk
    payments: PaymentDesk
    authenticator: Authenticator
    rates: RateLimits
    room: Room
    shared: Shared
    """With the other processes that serve the same socket."""
    books: BookDirectory
    clock: Clock
    ids: IdSource
    metrics: Metrics
    meter: Meter
    """Of what objectives are about."""
    partners: Registry
    routing: Directory
    inbox: Inbox
    endpoints: Endpoints
    """Of webhooks out."""
    waiting: Asked
    """Measurements that the database is asked for."""
    applications: Applications
    """What decides on what is no payment."""
    decisions: DecisionDesk
    """What decides on payments that are carried out elsewhere."""
    max_body_bytes: int
