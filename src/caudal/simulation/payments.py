"""`caudal simulate payments`: one run, from the seed to the report."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from caudal import audit, ledger
from caudal.simulation import (
    books,
    chaos,
    healing,
    invariants,
    leaks,
    partners,
    plans,
    routed,
    routes,
    setup,
    shapes,
    store,
    world,
)
from caudal.simulation.clients import Callers
from caudal.simulation.deliveries import Endpoints
from caudal.simulation.evidence import Evidence, PartnerBook
from caudal.simulation.following import Progress
from caudal.simulation.healing import Healer
from caudal.simulation.operators import Operators
from caudal.simulation.partners import Control
from caudal.simulation.requests import Sender
from caudal.simulation.types import Finding, Parameters, Report, Victim
from caudal.simulation.world import World
from caudal_base.check import check
from caudal_base.clock import SystemClock

_CUSTOMERS: Final = 48
_FUNDING_CLIENTS: Final = 16
_FUNDED_S: Final = 120.0
_LAST_EVENTS_S: Final = 5.0

Tell = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is (0: not known)."""


async def run(parameters: Parameters, tell: Tell, directory: Path | None = None) -> Report:
    """Carry out one run and hold every invariant against what came of it.

    Everything lives in `directory` and stays there, or in a temporary directory that goes. Belongs to the
    main thread.
    """
    async with world.running(parameters.seed, directory) as (here, control):
        return await _Run(parameters, here, control, tell).carry_out()


class _Run:
    """What the parts of a run share."""

    def __init__(self, parameters: Parameters, here: World, control: Control, tell: Tell) -> None:
        self._parameters = parameters
        self._world = here
        self._control = control
        self._tell = tell
        self._phases: dict[str, float] = {}
        self._http = here.http()
        self._sender = Sender(self._http, plans.stream(parameters.seed, "pauses"))
        self._progress = Progress(self._http)
        self._callers = Callers(self._sender, self._progress, control)
        self._at = SystemClock().now()
        self._people = plans.customers(parameters.seed, _CUSTOMERS, self._at)
        seed, scale = parameters.seed, parameters.faults
        self._usual = partners.faults(seed, scale)
        self._operators = Operators(self._http, control, self._usual)
        self._endpoints = Endpoints(parameters, here)
        self._hit: list[Victim] = []
        self._cpu: dict[str, float] = {}
        self._at_rest: str | None = None
        """What did not come to an end."""

    async def carry_out(self) -> Report:
        async with self._endpoints.serving():
            return await self._carry_out()

    async def _carry_out(self) -> Report:
        started = time.monotonic()
        following = asyncio.create_task(self._progress.follow())
        try:
            with self._phase("setup"):
                await self._begin()
            with self._phase("callers"):
                await self._call_and_kill()
            try:
                await self._heal()
            except healing.NotAtRest as trouble:
                self._at_rest = str(trouble)
            with self._phase("checks"):
                evidence = await self._gather(following)
                found = self._found(evidence)
        finally:
            self._progress.stopped = True
            await following
            self._http.close()
        return await self._report(evidence, found, time.monotonic() - started)

    async def _begin(self) -> None:
        """Customers with some money, before anything goes wrong."""
        await setup.fill(self._world.database, self._world.book_id, self._people)
        seed, scale = self._parameters.seed, self._parameters.faults
        endpoints = partners.endpoints(self._world.url, self._world.shared, seed, scale)
        await self._control.call("PUT", "webhooks", endpoints)
        await self._operators.begin(routes.rule_sets(seed))
        funding = shapes.funding(seed, self._people, self._at)
        await self._callers.run(funding, _FUNDING_CLIENTS)
        for asked in self._sender.asked:
            answer = b"none" if asked.answer is None else asked.answer.body
            check(asked.accepted, f"the first payments are accepted: {answer.decode()}")
        arrived = [
            self._progress.until(script.payment_id, plans.SUCCEEDED, within_s=_FUNDED_S) for script in funding
        ]
        came = sum(known is not None for known in await asyncio.gather(*arrived))
        # On a machine that is too busy a call may run out of time before it was sent.
        enough = 2 * came > len(funding)
        check(enough, f"the first payments succeed; programs that ended by themselves: {self._world.died}")
        await self._endpoints.begin()
        await self._control.call("PUT", "faults", self._usual)

    async def _call_and_kill(self) -> None:
        count, kills = self._parameters.payments, self._parameters.kills
        scripts = shapes.scripts(self._parameters.seed, count, self._people, self._at)
        schedule = chaos.schedule(self._parameters.seed, count, kills)
        self._callers.begun = 0
        killing = asyncio.create_task(chaos.carry_out(schedule, self._world, self._callers.reached))
        acts = routes.acts(self._parameters.seed, count, self._parameters.faults)
        operating = asyncio.create_task(self._operators.carry_out(acts, self._callers.reached))
        conducting = asyncio.create_task(self._endpoints.conduct(self._callers.reached))
        telling = asyncio.create_task(self._tell_progress(count))
        await self._callers.run(scripts, self._parameters.clients)
        self._hit = await killing
        await operating
        await conducting
        telling.cancel()

    async def _tell_progress(self, count: int) -> None:
        while True:
            self._tell("payments", self._callers.begun, count)
            await asyncio.sleep(0.5)

    async def _heal(self) -> None:
        author = plans.Author(self._parameters.seed + 2_000_003, self._people, self._at)
        patience_s = self._parameters.patience_s
        healer = Healer(self._world, self._control, self._sender, author, patience_s=patience_s)
        self._tell("waiting for everything to end", 0, 0)
        with self._phase("ending"):
            await self._endpoints.calm()
            await healer.heal()
            self._cpu = healer.cpu
        with self._phase("settling"):
            await healer.settle()
        with self._phase("repeats"):
            await healer.repeat()
            await healer.rest()
        with self._phase("deliveries"):
            await self._endpoints.finish()

    async def _gather(self, following: asyncio.Task[None]) -> Evidence:
        """Look at everything from all sides."""
        self._tell("checking", 0, 0)
        database, book_id = self._world.database, self._world.book_id
        async with database.snapshot() as connection:
            findings = await ledger.check(connection)
            audited = [await audit.verify(connection, each) for each in (audit.DEPLOYMENT, book_id)]
            stored = await store.read(connection, book_id)
        await self._progress.until_caught_up(within_s=_LAST_EVENTS_S)
        self._progress.stopped = True
        await following
        book = await self._control.call("GET", "book")
        stats = await self._control.call("GET", "stats")
        return Evidence(
            asked=self._sender.asked,
            stored=stored,
            book=msgspec.convert(book, PartnerBook),
            sandbox_counts=stats["webhooks"],
            ledger=findings,
            audit_changed=sum(each.mismatched for each in audited),
            events_missed=self._progress.seqs_missed,
            events_last=self._progress.states,
            wrongly_accepted=self._callers.wrongly_accepted,
            programs_died=self._world.died,
            server_errors=self._sender.server_errors,
            acted=self._operators.acted,
            deliveries=await self._endpoints.evidence(),
            leaks=await leaks.search(database, self._world.logs, self._canaries()),
        )

    def _canaries(self) -> Mapping[str, str]:
        """What must be found nowhere, by name."""
        shared = self._world.shared.items()
        return {
            "a card number": plans.CANARY_CARD,
            "our API key": self._world.key,
            **{f"the API key of {name}": secret.api_key for name, secret in shared},
            **{f"the webhook secret of {name}": secret.webhook for name, secret in shared},
            **{f"webhook secret {n}": text for n, text in enumerate(self._endpoints.secrets)},
        }

    def _found(self, evidence: Evidence) -> tuple[Finding, ...]:
        found = invariants.broken(evidence)
        if self._at_rest is None:
            return found
        return (Finding(invariant="everything_ends", count=1, examples=(self._at_rest,)), *found)

    async def _report(self, evidence: Evidence, found: tuple[Finding, ...], seconds: float) -> Report:
        stats: dict[str, Any] = await self._control.call("GET", "stats")
        faults: Counter[str] = Counter()
        for counts in stats["calls"].values():
            faults.update(counts)
        outcomes = Counter(payment.state.value for payment in evidence.payments.values())
        return Report(
            seed=self._parameters.seed,
            payments=self._parameters.payments,
            invariants_broken=found,
            double_effects=books.double_effects(evidence),
            lost=sum(1 for _ in invariants.lost(evidence)),
            requests=len(self._sender.asked),
            sent=sum(asked.sent for asked in self._sender.asked),
            unanswered=sum(n for status, n in self._sender.statuses.items() if status == 0 or status >= 500),
            outcomes=dict(sorted(outcomes.items())),
            skipped=dict(sorted(self._callers.skipped.items())),
            kills={victim.value: count for victim, count in Counter(self._hit).items()},
            faults=dict(sorted(faults.items())),
            routes=dict(sorted(routed.routes(evidence).items())),
            reroutes=routed.reroutes(evidence),
            retries=dict(sorted(routed.retries(evidence).items())),
            publications=len(evidence.acted.published),
            outages=[f"{each.partner} {each.fault.value}" for each in evidence.acted.away],
            webhooks=dict(sorted(stats["webhooks"].items())),
            deliveries=self._endpoints.report(),
            seconds=round(seconds, 1),
            slowness=round(self._world.waiting.slowness, 2),
            phases=self._phases,
            cpu={name: round(used, 1) for name, used in self._cpu.items()},
            parameters=self._parameters,
        )

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self._phases[name] = round(time.monotonic() - started, 2)
