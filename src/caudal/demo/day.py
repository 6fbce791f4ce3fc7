"""`caudal demo day`: from the opening to the report."""

import asyncio
import contextlib
import datetime as dt
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from caudal import audit, ledger, routing
from caudal.bench import machine
from caudal.demo import checks, closing, figures, partners, store
from caudal.demo.callers import Callers
from caudal.demo.closing import Feed, NotAtRest
from caudal.demo.deployment import Deployment, running
from caudal.demo.figures import Noted
from caudal.demo.schedule import PHASES, Day
from caudal.demo.traffic import orders
from caudal.demo.types import (
    CURRENCY,
    MARKET,
    SHOP,
    AccountFigures,
    Duplicates,
    Live,
    Parameters,
    Report,
    Shed,
    Webhooks,
)
from caudal.demo.watching import Watch
from caudal.simulation import Evidence, PartnerBook, Stored, read_stored, search_leaks, stream
from caudal_base.check import check
from caudal_base.clock import SystemClock

_FUNDED_WITHIN_S: Final = 30.0
_LOOK_EVERY_S: Final = 0.05

Told = Callable[[str], None]
"""Told what is being done before and after the day."""


async def run(
    parameters: Parameters, tell: Callable[[Live], None], told: Told, directory: Path | None = None
) -> Report:
    """One trading day, from its setting up to its checks.

    `tell` sees how the day goes, twice a second. Everything lives in `directory` and stays there, or in a
    temporary directory that goes. Belongs to the main thread.
    """
    started = time.monotonic()
    told("starting PostgreSQL, the API, workers and the partners' sandbox")
    async with running(parameters, directory) as deployment:
        trading = _Trading(parameters, deployment, told)
        try:
            await trading.prepare()
            told("the opening")
            await trading.trade(tell)
            await trading.close()
            told("checking")
            return await trading.report(started)
        finally:
            trading.end()


class _Trading:
    """What the parts of a day share."""

    def __init__(self, parameters: Parameters, deployment: Deployment, told: Told) -> None:
        self._parameters = parameters
        self._deployment = deployment
        self._told = told
        self._day = Day(parameters.seconds, parameters.rate)
        self._http = deployment.world.http()
        self._callers = Callers(self._http, stream(parameters.seed, "pauses"))
        self._feed = Feed(deployment)
        at = SystemClock().now()
        self._before, self._orders = orders(
            parameters.seed, self._day, deployment.shop, deployment.market, at
        )
        self._opened_at = at
        self._backlog: Watch | None = None
        self._not_at_rest: str | None = None
        self._cpu: dict[str, float] = {}

    async def prepare(self) -> None:
        """Give both accounts money, before anything goes wrong."""
        asked = [await self._callers.send(order) for order in self._before]
        for each in asked:
            answer = b"none" if each.answer is None else each.answer.body
            check(each.accepted, f"the first payments are accepted: {answer.decode()}")
        deadline = time.monotonic() + _FUNDED_WITHIN_S
        while not self._deployment.sink.ended >= {order.payment_id for order in self._before}:
            check(time.monotonic() < deadline, "the first payments succeed, and webhooks say so")
            await asyncio.sleep(_LOOK_EVERY_S)
        self._deployment.sink.ended.clear()
        await self._behave(partners.NAMES, partners.WELL)

    async def trade(self, tell: Callable[[Live], None]) -> None:
        """The day itself."""
        before = self._deployment.world.cpu()
        self._callers.began = time.monotonic()
        self._opened_at = SystemClock().now()
        watch = self._backlog = Watch(self._deployment, self._callers, self._day, tell)
        async with _beside(watch.run()):
            async with _beside(self._falter()):
                await self._callers.run(self._orders)
                await asyncio.sleep(max(0.0, self._day.seconds - self._callers.second))
            await self._callers.finish()
            await self._behave(partners.NAMES, partners.FLAWLESS)
            with self._resting():
                await closing.rest(self._deployment, self._feed, lambda _: None)
            await watch.look()
        after = self._deployment.world.cpu()
        self._cpu = {name: round(used - before.get(name, 0.0), 1) for name, used in after.items()}

    async def close(self) -> None:
        """Partners settle."""
        if self._not_at_rest is None:
            self._told("partners settle")
            with self._resting():
                await closing.settle(self._deployment, self._feed, self._told)

    def end(self) -> None:
        """Hang up."""
        self._http.close()

    @contextlib.contextmanager
    def _resting(self) -> Iterator[None]:
        try:
            yield
        except NotAtRest as trouble:
            self._not_at_rest = str(trouble)

    async def _falter(self) -> None:
        """One partner goes down and comes back, as the phases say."""
        down = False
        for phase in PHASES:
            await asyncio.sleep(max(0.0, self._day.second(phase.begins) - self._callers.second))
            if phase.outage is not down:
                down = phase.outage
                await self._behave([partners.FALTERS], partners.DOWN if down else partners.WELL)

    async def _behave(self, names: Sequence[str], how: Mapping[str, float]) -> None:
        await self._deployment.control.call("PUT", "faults", partners.faults(names, how))

    async def report(self, started: float) -> Report:
        """Everything that the day was."""
        world, callers, sink = self._deployment.world, self._callers, self._deployment.sink
        today = SystemClock().now().date()
        async with world.database.snapshot() as connection:
            found = await ledger.check(connection)
            audited = [await audit.verify(connection, each) for each in (audit.DEPLOYMENT, world.book_id)]
            stored = await read_stored(connection, world.book_id)
            lanes = await routing.report(connection, world.book_id, today - dt.timedelta(days=1), today)
            accounts = await self._accounts(connection, stored)
        stats = await self._deployment.control.call("GET", "stats")
        evidence = await self._evidence(found, sum(each.mismatched for each in audited), stored, stats)
        seen = checks.Seen(
            not_at_rest=self._not_at_rest, samples=callers.samples, events=self._feed.events,
            arrived=sink.delays, order=sink.order,
        )  # fmt: skip
        ended = figures.ends(self._feed.events, self._opened_at)
        mine = {order.payment_id for order in self._orders}
        payments = {name: each for name, each in stored.payments.items() if name in mine}
        attempts = {name: each for name, each in stored.attempts.items() if each.payment_id in mine}
        backlog = [] if self._backlog is None else self._backlog.backlog
        faults: Counter[str] = Counter()
        for counts in stats["calls"].values():
            faults.update(counts)
        return Report(
            parameters=self._parameters,
            machine=machine(),
            payments=len(payments),
            outcomes=dict(Counter(each.state.value for each in payments.values()).most_common()),
            phases=figures.phases(self._day, callers.samples, ended),
            routes=figures.routes(payments.values(), attempts.values()),
            lanes=figures.lanes(lanes),
            retries=dict(Counter(a.retried.cause for a in attempts.values() if a.retried).most_common()),
            sent_again=sum(max(0, each.sends - 1) for each in attempts.values()),
            duplicates=Duplicates(
                sent=callers.repeated, replayed=callers.replayed,
                refused=dict(callers.refused_again.most_common()),
            ),
            shed=self._shed(),
            unanswered=callers.unanswered,
            unknowns=figures.unknowns(self._noted(), attempts),
            webhooks=self._webhooks(),
            partner_webhooks=stats["webhooks"],
            faults=dict(faults.most_common()),
            accounts=accounts,
            invariants=checks.invariants(seen, evidence),
            after_s=round(max([0.0, *(ended[name] - self._day.seconds for name in mine & ended.keys())]), 2),
            seconds=round(time.monotonic() - started, 1),
            cpu=self._cpu,
            series=figures.series(self._day, callers.samples, ended, payments, backlog),
        )  # fmt: skip

    async def _evidence(
        self, found: list[ledger.Finding], audit_changed: int, stored: Stored, stats: dict[str, Any]
    ) -> Evidence:
        world, shared = self._deployment.world, self._deployment.shared
        canaries = {
            "our API key": world.key,
            **{f"the API key of {name}": each.api_key for name, each in shared.items()},
            **{f"the webhook secret of {name}": each.webhook for name, each in shared.items()},
        }
        book = await self._deployment.control.call("GET", "book")
        return Evidence(
            asked=self._callers.asked,
            stored=stored,
            book=msgspec.convert(book, PartnerBook),
            sandbox_counts=stats["webhooks"],
            ledger=found,
            audit_changed=audit_changed,
            events_missed=checks.missed(self._feed.events),
            events_last=checks.last_states(self._feed.events),
            wrongly_accepted=self._callers.wrongly_accepted,
            programs_died=world.died,
            server_errors=self._callers.server_errors,
            leaks=await search_leaks(world.database, self._deployment.logs, canaries),
        )

    async def _accounts(self, connection: Any, stored: Stored) -> list[AccountFigures]:
        names = {SHOP: self._deployment.shop, MARKET: self._deployment.market}
        references = {name: f"customer:{id_}:{CURRENCY}" for name, id_ in names.items()}
        counts = await store.transfers(connection, self._deployment.world.book_id, list(references.values()))
        return [
            AccountFigures(
                name=name,
                reference=reference,
                transfers=counts.get(reference, 0),
                debits=stored.balances[reference].debits,
                credits=stored.balances[reference].credits,
                balance=-stored.balances[reference].net_debit,
            )
            for name, reference in references.items()
        ]

    def _shed(self) -> Shed:
        callers = self._callers
        return Shed(
            answers=callers.shed_answers,
            requests=callers.shed_requests,
            accepted_later=sum(1 for s in callers.samples if s.shed and s.status == 201),
            without_retry_after=callers.shed_without_retry_after,
        )

    def _webhooks(self) -> Webhooks:
        sink = self._deployment.sink
        return Webhooks(
            events=self._feed.to_deliver,
            arrived=len(sink.delays),
            attempts=sink.attempts.total(),
            retried=sum(1 for count in sink.attempts.values() if count > 1),
            refused=sink.refused,
            delay=figures.percentiles(sink.delays.values()),
        )

    def _noted(self) -> Iterator[Noted]:
        """What workers have written down of calls whose outcome they did not know."""
        for log in self._deployment.worker_logs:
            for line in log.read_text().splitlines():
                if '"outcome_unknown"' in line:
                    yield msgspec.json.decode(line, type=Noted)


@contextlib.asynccontextmanager
async def _beside(work: Any) -> AsyncIterator[None]:
    """Something that runs beside the block, is cancelled at its end, and whose failure is the block's."""
    task: asyncio.Task[None] = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
