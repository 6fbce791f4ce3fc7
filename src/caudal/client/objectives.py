"""`caudal.objectives`: what is promised of the service, and how it stands."""

import datetime as dt
from collections.abc import Mapping, Sequence

from caudal.client.bodies import Body, Write
from caudal.client.ids import new_idempotency_key
from caudal.client.sending import Sender, segment
from caudal.client.types import Answer, OpenEnum

_PATH = "/v1/objectives"


class ObjectiveIndicator(OpenEnum):
    """What is counted: of so many, how many were bad."""

    PAYMENTS_ACCEPTED = "payments_accepted"
    ACCEPT_LATENCY = "accept_latency"
    LEDGER_READS = "ledger_reads"
    PAYMENT_ENDS = "payment_ends"
    WEBHOOK_IN_APPLIED = "webhook_in_applied"
    WEBHOOK_DELIVERED = "webhook_delivered"
    ATTEMPT_KNOWN = "attempt_known"


class ObjectiveSeverity(OpenEnum):
    """How soon somebody should look."""

    TICKET = "ticket"
    """In the next days."""
    PAGE = "page"
    """Now."""


class ObjectiveStanding(Answer, frozen=True, kw_only=True):
    """How an objective stands, as of the last minute."""

    evaluated_at: dt.datetime
    total: int
    """Counted in the objective's window."""
    bad: int
    budget_left_basis_points: int
    """Of the window's budget: 10000 is untouched, 0 used up; below 0 the promise is broken."""
    burn_rates: Mapping[str, float]
    """By window: `5m`, `30m`, `1h`, `6h`, `3d`. At 1 the budget is used up exactly at the window's end."""
    severity: ObjectiveSeverity | None = None
    """Of the alert that is open."""
    since: dt.datetime | None = None
    """When the alert was opened, or last changed its severity."""


class ServiceObjective(Answer, frozen=True, kw_only=True):
    """What is promised of an indicator, and how it stands."""

    id: str
    name: str
    version: int
    """0: it comes with the program, and nobody has set it."""
    indicator: ObjectiveIndicator
    target_basis_points: int
    """Of all that is counted, the share that must not be bad: 9990 is 99.9 %."""
    window_days: int
    least_bad: int
    """Nobody is told while fewer were bad."""
    enabled: bool
    within_ms: int | None = None
    """What counts as in time, of the indicators that know a time."""
    set_at: dt.datetime | None = None
    set_by: str | None = None
    standing: ObjectiveStanding | None = None
    """None: it has not been evaluated yet, or is not watched."""


class _Objectives(Answer, frozen=True):
    data: Sequence[ServiceObjective]


class NewObjective(Body, frozen=True, kw_only=True):
    """What is to be promised of an indicator."""

    indicator: ObjectiveIndicator
    target_basis_points: int
    within_ms: int | None = None
    window_days: int | None = None
    least_bad: int | None = None
    enabled: bool | None = None


class Objectives:
    """Service-level objectives of the book: what is promised, and how fast the budget for failures burns."""

    def __init__(self, sender: Sender) -> None:
        """Made by `Caudal`."""
        self._sender = sender

    async def list(self) -> Sequence[ServiceObjective]:
        """All objectives of the book by name, those included that come with the program."""
        return (await self._sender.read(_Objectives, _PATH)).data

    async def get(self, name: str) -> ServiceObjective:
        """The objective of this name. Raises `NotFound`."""
        return await self._sender.read(ServiceObjective, f"{_PATH}/{segment(name)}")

    async def set(
        self,
        name: str,
        objective: NewObjective,
        *,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> ServiceObjective:
        """Set an objective: the next version of its name, which may be new; evaluated so within a minute.

        Raises `Unprocessable` (`objective_invalid`).
        """
        key = new_idempotency_key() if idempotency_key is None else idempotency_key
        path = f"{_PATH}/{segment(name)}"
        return await self._sender.write(
            ServiceObjective, path, objective, key=key, query=Write(dry_run=dry_run)
        )
