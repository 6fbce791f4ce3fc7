"""Looks at a day twice a second: what waits, how partners are, how fast it goes; and tells of it."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from caudal import routing
from caudal.bench import percentile
from caudal.demo import partners, store
from caudal.demo.callers import Callers
from caudal.demo.deployment import Deployment
from caudal.demo.schedule import AFTER, Day
from caudal.demo.types import Backlog, Live
from caudal_base.clock import SystemClock

Tell = Callable[[Live], None]

EVERY_S: Final = 0.5
_OVER_S: Final = 3.0
"""Rates are those of so many last seconds."""


class Watch:
    """Watches one day."""

    def __init__(self, deployment: Deployment, callers: Callers, day: Day, tell: Tell) -> None:
        """`tell` is told of each look."""
        self._deployment = deployment
        self._callers = callers
        self._day = day
        self._tell = tell
        self._counts: deque[tuple[float, int, int, int]] = deque()
        self._curve: list[float] = []
        self._events_before = 0
        self._arrived_before = 0
        self.backlog: list[Backlog] = []

    async def run(self) -> None:
        """Look until cancelled."""
        world, sink = self._deployment.world, self._deployment.sink
        async with world.database.connection() as connection:
            self._events_before = (await store.waiting(connection, world.book_id)).events
        self._arrived_before = len(sink.delays)
        while True:
            await self.look()
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Look once."""
        world, sink, callers = self._deployment.world, self._deployment.sink, self._callers
        async with world.database.connection() as connection:
            waits = await store.waiting(connection, world.book_id)
            conditions = await routing.conditions(
                connection, world.book_id, partners.NAMES, at=SystemClock().now()
            )
        second = callers.second
        told, arrived = waits.events - self._events_before, len(sink.delays) - self._arrived_before
        found = Backlog(
            second=second,
            jobs=waits.jobs,
            open=waits.open,
            unknown=waits.unknown,
            webhooks=max(0, told - arrived),
            health={each.partner: each.health.value for each in conditions},
        )
        self.backlog.append(found)
        self._counts.append((second, callers.offered, callers.accepted, len(sink.ended)))
        while self._counts[0][0] < second - _OVER_S and len(self._counts) > 2:
            self._counts.popleft()
        self._tell(self._live(found))

    def _live(self, found: Backlog) -> Live:
        callers, sink, day = self._callers, self._deployment.sink, self._day
        offered, accepted, finished = self._rates()
        self._curve.append(accepted)
        latencies = callers.latencies() or [0.0]
        phase = day.phase(found.second)
        return Live(
            second=found.second,
            of=day.seconds,
            clock=day.clock(found.second),
            phase=AFTER if phase is None else phase.name,
            offered_per_second=offered,
            accepted_per_second=accepted,
            finished_per_second=finished,
            p50_ms=percentile(latencies, 0.5) * 1e3,
            p99_ms=percentile(latencies, 0.99) * 1e3,
            jobs=found.jobs,
            open=found.open,
            unknown=found.unknown,
            health=found.health,
            webhooks=len(sink.delays),
            webhooks_waiting=found.webhooks,
            shed=callers.shed_answers,
            repeated=callers.repeated,
            offered=callers.offered,
            accepted=callers.accepted,
            curve=tuple(self._curve),
        )

    def _rates(self) -> tuple[float, float, float]:
        """Offered, accepted and finished payments a second, of the last seconds."""
        first, last = self._counts[0], self._counts[-1]
        seconds = last[0] - first[0]
        if seconds <= 0:
            return 0.0, 0.0, 0.0
        offered, accepted, finished = ((last[at] - first[at]) / seconds for at in (1, 2, 3))
        return offered, accepted, finished
