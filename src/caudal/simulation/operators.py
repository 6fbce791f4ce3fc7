"""Those who run it meanwhile: they write and publish rules, and drain partners; and partners are away."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec

from caudal.simulation.http import Http
from caudal.simulation.partners import Control
from caudal.simulation.routes import Act, Away, Drained, Publication
from caudal_base.clock import SystemClock

LATE: Final = dt.timedelta(seconds=3)
"""After so long every request that comes goes by what was published: two seconds, and one to spare."""

Reached = Callable[[int], Awaitable[bool]]
"""Waits until so many scripts have been begun; False: they never will be."""

Span = tuple[dt.datetime, dt.datetime]


class Acted(msgspec.Struct):
    """What was done, and when it certainly counted."""

    published: list[tuple[dt.datetime, dt.datetime, int]] = []
    """When each publication was asked for and when it had been answered, with its version."""
    drained: list[tuple[Span, str]] = []
    """From when the drain was answered until its end was asked for, and who was drained."""
    away: list[Away] = []

    def versions_in(self, start: dt.datetime, end: dt.datetime) -> set[int]:
        """Which versions some process may have gone by between two moments."""
        found = set()
        for number, (asked, _, version) in enumerate(self.published):
            over = self.published[number + 1][1] + LATE if number + 1 < len(self.published) else None
            if asked <= end and (over is None or over >= start):
                found.add(version)
        return found

    def drained_in(self, start: dt.datetime, end: dt.datetime) -> set[str]:
        """Who certainly got nothing new between two moments."""
        return {partner for (since, until), partner in self.drained if since + LATE <= start and end < until}


class Operators:
    """Acts as the schedule of a run says, through the API, whatever dies meanwhile."""

    def __init__(self, http: Http, control: Control, usual: dict[str, dict[str, Any]]) -> None:
        """`usual` is how partners behave when they are not away."""
        self._http = http
        self._control = control
        self._usual = usual
        self._asked = 0
        self._clock = SystemClock()
        self._one_by_one = {kind: asyncio.Lock() for kind in (Publication, Away, Drained)}
        self.acted = Acted()

    async def begin(self, rule_sets: Sequence[dict[str, Any]]) -> None:
        """Keep the rule sets, and let payments go by the first."""
        for rules in rule_sets:
            await self._post("/v1/routing/rule-sets", rules)
        await self._publish(1)

    async def carry_out(self, acts: Sequence[Act], reached: Reached) -> None:
        """Act as planned, as long as there are callers; return when whoever was away is back."""
        async with asyncio.TaskGroup() as tasks:
            for act in acts:
                if not await reached(act.after):
                    break
                tasks.create_task(self._act(act, reached))

    async def _act(self, act: Act, reached: Reached) -> None:
        """Do it once nothing else of its kind is being done."""
        async with self._one_by_one[type(act)]:
            await self._do(act, reached)

    async def _do(self, act: Act, reached: Reached) -> None:
        match act:
            case Publication():
                await self._publish(act.version)
            case Away():
                self.acted.away.append(act)
                await self._control.call("PUT", "faults", {act.partner: {act.fault.value: 1.0}})
                await asyncio.gather(asyncio.sleep(act.seconds), reached(act.after + act.lasts))
                await self._control.call("PUT", "faults", {act.partner: self._usual[act.partner]})
            case Drained():
                path = f"/v1/routing/partners/{act.partner}"
                await self._post(f"{path}/drain", {"reason": "simulation"})
                started = self._clock.now()
                await asyncio.sleep(act.seconds)
                self.acted.drained.append(((started, self._clock.now()), act.partner))
                await self._post(f"{path}/resume")

    async def _publish(self, version: int) -> None:
        asked = self._clock.now()
        await self._post(f"/v1/routing/rule-sets/v{version}/publish")
        self.acted.published.append((asked, self._clock.now(), version))

    async def _post(self, path: str, body: Any = None) -> None:
        """Until it is done, with one key: kills come in between."""
        self._asked += 1
        headers = f"Idempotency-Key: operators-{self._asked}\r\nContent-Type: application/json\r\n"
        content = b"" if body is None else msgspec.json.encode(body)
        await self._http.insist("POST", path, content, headers=headers)
