"""What a process knows of each book's routing: read again once it is stale, not for each payment."""

import datetime as dt
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

import msgspec

from caudal.routing import store
from caudal.routing.rules import Plan, compiled, health_of
from caudal.routing.types import Outage, PartnerHealth
from caudal_base.clock import Clock
from caudal_base.database import Connection

FRESH_S: Final = 2.0
"""How long after a publication, a drain or an outage every process goes by it, at the latest."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A book's routing at a moment. One batch goes by one of these from its beginning to its end."""

    version: int | None = None
    """Of the rule set; None: there are no rules, and the first partner that can do a payment gets it."""
    plan: Plan | None = None
    outages: Mapping[str, Outage] = {}
    drained: frozenset[str] = frozenset()
    at: dt.datetime = dt.datetime.min.replace(tzinfo=dt.UTC)
    """When it was read."""

    def health(self, partner: str) -> PartnerHealth:
        """Whether rules send a partner anything new."""
        return health_of(partner, self.outages, self.drained, self.at)


NOTHING: Final = Standing()


class Directory:
    """The standing of every book that this process has to do with. Belongs to one event loop."""

    def __init__(
        self, clock: Clock, fresh_s: float = FRESH_S, *, monotonic: Callable[[], float] = time.monotonic,
        capacity: int = 1_000,
    ) -> None:  # fmt: skip
        """Keep the plans of `capacity` rule sets at most; the oldest known leave first."""
        self._clock = clock
        self._fresh_s = fresh_s
        self._monotonic = monotonic
        self._capacity = capacity
        self._known: dict[int, tuple[Standing, float]] = {}
        self._plans: dict[tuple[int, int], Plan] = {}

    async def load(self, connection: Connection, book_id: int) -> Standing:
        """How a book stands: at most `fresh_s` ago, and so at most one statement in that time.

        Not for use inside a pipeline whose answers others still wait for.
        """
        known = self._known.get(book_id)
        now = self._monotonic()
        if known is not None and now - known[1] < self._fresh_s:
            return known[0]
        version, outages, drained = await store.standing(connection, book_id)
        standing = Standing(
            version=version,
            plan=None if version is None else await self._plan(connection, book_id, version),
            outages=outages,
            drained=drained,
            at=self._clock.now(),
        )
        self._known[book_id] = standing, now
        return standing

    def forget(self, book_id: int) -> None:
        """What is known of a book is not true any more: this process has changed it."""
        self._known.pop(book_id, None)

    def notice(self, book_id: int, down: Sequence[Outage], up: Collection[str]) -> None:
        """Go at once by what this process has learned of partners itself."""
        known = self._known.get(book_id)
        if known is None:
            return
        outages = {name: outage for name, outage in known[0].outages.items() if name not in up}
        outages |= {outage.partner: outage for outage in down}
        self._known[book_id] = msgspec.structs.replace(known[0], outages=outages), known[1]

    async def _plan(self, connection: Connection, book_id: int, version: int) -> Plan:
        """Versions never change, so each is read and compiled once."""
        plan = self._plans.get((book_id, version))
        if plan is None:
            (found,) = await store.versions(connection, book_id, [version])
            plan = self._plans[book_id, version] = compiled(found.rules)
            while len(self._plans) > self._capacity:
                del self._plans[next(iter(self._plans))]
        return plan
