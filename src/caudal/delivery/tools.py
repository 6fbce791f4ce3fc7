"""What all drivers of a process share."""

import datetime as dt
import random
import time
from collections.abc import Callable, Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from caudal.delivery.counts import DeliveryCounts
from caudal.delivery.sending import Network
from caudal.delivery.signing import Signer
from caudal.delivery.types import DisableReason
from caudal_base.clock import Clock
from caudal_base.database import Database


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How endpoints are driven."""

    lease_s: float = 15.0
    """How long a claim on an endpoint holds: a dead worker's endpoints are driven by another after it. The
    clocks of all workers must agree to within a few seconds."""
    beat_s: float = 3.0
    """How often a process extends its claims, all in one statement."""
    max_pending: int = 10_000
    """Deliveries that may wait for an endpoint: then it is given nothing new until some have arrived."""
    turn_s: float = 20.0
    """How long an endpoint is driven before it may go to another worker."""
    at_hand: int = 400
    """Events read ahead of an endpoint's answers, at most."""
    span: int = 5_000
    """Events looked through in one step for those that the endpoint wants."""
    linger_s: float = 0.05
    """How long what came back may wait to be recorded together with more."""
    endpoints: int = 256
    """Endpoints that one process drives at once, at most."""
    poll_min_s: float = 0.02
    poll_max_s: float = 0.2
    """The longest pause between searches for work, and so about the latest that an event is noticed."""
    books_s: float = 1.0
    """How often the list of books is read."""
    backlog_s: float = 10.0
    """How often the backlog is counted."""
    trouble_max_s: float = 5.0
    """The longest pause after a failure of our own statements."""
    grace_s: float = 20.0
    """How long requests that are out may take after `stop`."""
    disable_after: dt.timedelta = dt.timedelta(days=5)
    """An endpoint at which every attempt has failed for so long is disabled."""
    disable_after_series: int = 3
    """And one for which so many times in a row all that waited was given up."""


class Notices(Protocol):
    """Who is told what becomes of an endpoint. Each call is a transaction of its own."""

    async def disable(self, book_id: int, endpoint_id: UUID, reason: DisableReason) -> None:
        """It is to get nothing more."""

    async def behind(self, book_id: int, endpoint_id: UUID, behind: bool, /) -> None:
        """So many wait for it that it is given nothing new; or no longer."""


class Tools(msgspec.Struct, frozen=True, kw_only=True):
    """What all drivers of a process share."""

    database: Database
    clock: Clock
    network: Network
    counts: DeliveryCounts
    options: Options
    jitter: Callable[[], float] = random.random
    monotonic: Callable[[], float] = time.monotonic


class Signers(msgspec.Struct, frozen=True):
    """What signs for an endpoint, each until when."""

    all: Sequence[tuple[Signer, dt.datetime | None]]

    def at(self, now: dt.datetime) -> list[Signer]:
        """Those that sign at this moment."""
        return [sign for sign, until in self.all if until is None or until > now]
