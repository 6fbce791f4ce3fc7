"""The jobs of webhooks: applying what came in, and removing bodies that have served.

A webhook leaves `received` in the transaction of its effect, in which its job ends too. Where that
transaction fails, nothing of it has happened, and jobs tries each webhook alone: one that is broken never
fails its neighbours.
"""

import datetime as dt
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec
import structlog

from caudal import events, jobs
from caudal.connectors import PartnerUnknown, Registry, Snapshot
from caudal.events import NewEvent
from caudal.ledger import Ledger
from caudal.payments import Applied
from caudal.webhooks import rules, service, store
from caudal.webhooks.rules import Verdict
from caudal.webhooks.types import Applies, InboundState, Stored
from caudal_base import ids, telemetry
from caudal_base.database import Connection, Failure, classify
from caudal_base.ids import IdSource

FORGET: Final = "webhooks.forget"

PARKED: Final = "webhook.parked"
"""The event of a webhook that waits for a person."""

_FORGET_EVERY: Final = dt.timedelta(hours=1)
_MAX_BATCH: Final = 100
_NUL: Final = rb"\u0000"
"""As JSON has it."""
_PASSING: Final = frozenset({Failure.LOST, Failure.TRANSIENT})

_log = structlog.get_logger("caudal.webhooks")


class Nothing(msgspec.Struct, frozen=True):
    """The payload of a job that its kind and book say all about."""


class ApplyCounts(msgspec.Struct, kw_only=True):
    """How attempts at applying ended, by partner, since this process started."""

    ended: dict[tuple[str, str], int] = {}
    """By partner and the state in which the webhook is now."""


PERIODICS: Final = (
    jobs.Periodic(
        name=FORGET, kind=FORGET, every=_FORGET_EVERY, payload=Nothing(), offset=dt.timedelta(minutes=20)
    ),
)


def handlers(
    partners: Registry,
    payments: Applies,
    ledger: Ledger,
    new_ids: IdSource,
    counts: ApplyCounts | None = None,
    *,
    keep_parked: dt.timedelta = rules.KEEP_PARKED,
) -> list[jobs.AnyHandler]:
    """What each kind of job does. Bodies of parked webhooks go after `keep_parked`."""
    applying = _Applying(partners, payments, ledger, new_ids, counts or ApplyCounts())
    return [
        jobs.Handler(service.APPLY, service.Apply, applying.run, max_batch=_MAX_BATCH, retry=rules.RETRY),
        jobs.Handler(FORGET, Nothing, _forgetting(keep_parked), max_batch=1, on_dead=jobs.OnDead.SKIP),
    ]


class _Applying:
    """Applies a batch of webhooks of one book."""

    def __init__(
        self,
        partners: Registry,
        payments: Applies,
        ledger: Ledger,
        new_ids: IdSource,
        counts: ApplyCounts,
    ) -> None:
        self._partners = partners
        self._payments = payments
        self._ledger = ledger
        self._ids = new_ids
        self._counts = counts

    async def run(self, work: jobs.Work[service.Apply]) -> None:
        try:
            await self._apply(work)
        except jobs.ClaimLost:
            raise
        except Exception as error:
            # A job that failed shares no call with others, and its last attempt must not end in silence.
            hopeless = len(work.jobs) == 1 and work.jobs[0].attempt >= rules.MAX_ATTEMPTS
            if not hopeless or classify(error) in _PASSING:
                raise
            _log.error("webhook_not_applied", job=work.jobs[0].id, exc_info=error)
            await self._give_up(work, jobs.describe(error))

    async def _apply(self, work: jobs.Work[service.Apply]) -> None:
        attempts = {job.payload.inbound: job.attempt for job in work.jobs}
        async with work.database.transaction() as connection:
            stored = await store.lock_received(connection, work.book_id, list(attempts))
            verdicts = await self._judged(connection, work.book_id, stored, attempts)
            await self._settle(connection, work, stored, verdicts)
        self._count(stored, verdicts)

    async def _judged(
        self, connection: Connection, book_id: int, stored: Sequence[Stored], attempts: Mapping[UUID, int]
    ) -> dict[UUID, Verdict]:
        """Apply what the webhooks say, partner by partner, and judge each by what came of it."""
        verdicts: dict[UUID, Verdict] = {}
        said: dict[str, list[tuple[UUID, Sequence[Snapshot]]]] = {}
        # In the order of the events, as far as they came together: so fewer wait for one another.
        for one in sorted(stored, key=lambda one: (one.inbound.created_at, one.received_at, one.id)):
            snapshots = self._parsed(one, attempts[one.id])
            if isinstance(snapshots, Verdict):
                verdicts[one.id] = snapshots
            else:
                said.setdefault(one.partner, []).append((one.id, snapshots))
        for partner, parts in said.items():
            everything = [snapshot for _, snapshots in parts for snapshot in snapshots]
            results: list[Applied] = []
            took = 0.0
            if everything:
                began = time.perf_counter()
                results = await self._payments.apply_snapshots(connection, book_id, partner, everything)
                took = time.perf_counter() - began
            left = iter(results)
            for id, snapshots in parts:
                of_one = [next(left) for _ in snapshots]
                verdicts[id] = rules.judge(of_one, attempts[id])
                if telemetry.is_on():
                    _note(id, partner, of_one, verdicts[id], took)
        return verdicts

    def _parsed(self, one: Stored, attempt: int) -> Sequence[Snapshot] | Verdict:
        try:
            partner = self._partners.get(one.partner)
        except PartnerUnknown:
            # Another process may have been started with other settings.
            return rules.waiting("the settings of this worker do not name the partner", attempt)
        try:
            snapshots = partner.parse(one.inbound)
        except Exception as error:
            # A connector must not raise here; if it does, only this webhook is the worse for it.
            _log.error("webhook_not_read", partner=one.partner, webhook=one.id, exc_info=error)
            return rules.parked(f"not understood: {jobs.describe(error)}")
        # None of our names holds a NUL, and the database cannot be asked about one.
        if _NUL in msgspec.json.encode(snapshots):
            return rules.parked("not understood: a text of it holds a NUL")
        return snapshots

    async def _settle(
        self,
        connection: Connection,
        work: jobs.Work[service.Apply],
        stored: Sequence[Stored],
        verdicts: Mapping[UUID, Verdict],
    ) -> None:
        """Write the verdicts down, tell of what was parked, and end the jobs."""
        now = work.clock.now()
        attempts = {job.payload.inbound: job.attempt for job in work.jobs}
        if verdicts:
            ended = [(id, attempts[id], verdict) for id, verdict in verdicts.items()]
            await store.settle(connection, work.book_id, ended, now=now)
        await self._tell(connection, work.book_id, stored, verdicts, now=now)
        # A webhook that is not there any more as received has been seen to by another job.
        nothing = Verdict(InboundState.APPLIED)
        await work.finish(
            connection, {job.id: verdicts.get(job.payload.inbound, nothing).outcome for job in work.jobs}
        )

    async def _tell(
        self,
        connection: Connection,
        book_id: int,
        stored: Sequence[Stored],
        verdicts: Mapping[UUID, Verdict],
        *,
        now: dt.datetime,
    ) -> None:
        parked = [one for one in stored if verdicts[one.id].state is InboundState.PARKED]
        if not parked:
            return
        async with connection.pipeline():
            load = await self._ledger.begin(connection, book_id, ())
            book = await load.finish()
        for one in parked:
            reason = verdicts[one.id].reason
            _log.error("webhook_parked", partner=one.partner, webhook=one.id, reason=reason)
        at = max(now, book.recorded_at)
        told = [_parked_event(one, verdicts[one.id].reason, at) for one in parked]
        await events.append(connection, book_id, told, self._ids)

    async def _give_up(self, work: jobs.Work[service.Apply], reason: str) -> None:
        """Park the one webhook of a job whose last attempt failed."""
        wanted = work.jobs[0].payload.inbound
        verdict = rules.parked(f"gave up after {work.jobs[0].attempt} attempts: {reason}")
        async with work.database.transaction() as connection:
            stored = await store.lock_received(connection, work.book_id, [wanted])
            verdicts = {one.id: verdict for one in stored}
            await self._settle(connection, work, stored, verdicts)
        self._count(stored, verdicts)

    def _count(self, stored: Sequence[Stored], verdicts: Mapping[UUID, Verdict]) -> None:
        for one in stored:
            key = (one.partner, verdicts[one.id].state.value)
            self._counts.ended[key] = self._counts.ended.get(key, 0) + 1


def _note(id: UUID, partner: str, results: Sequence[Applied], verdict: Verdict, seconds: float) -> None:
    """A webhook that was applied, in the traces of the payments that it is about."""
    told: dict[str, telemetry.Value] = {
        "caudal.webhook": ids.encode(ids.INBOUND, id),
        "caudal.partner": partner,
        "caudal.webhook.state": verdict.state.value,
    }
    for payment in dict.fromkeys(result.payment_id for result in results):
        if payment is not None:
            telemetry.note("webhook in", told, payment_id=payment, seconds=seconds)


def _parked_event(one: Stored, reason: str | None, at: dt.datetime) -> NewEvent:
    id = ids.encode(ids.INBOUND, one.id)
    return NewEvent(
        type=PARKED,
        object_type="webhook",
        object_id=id,
        at=at,
        data={
            "id": id,
            "partner": one.partner,
            "event_id": one.inbound.event_id,
            "type": one.inbound.type,
            "state": InboundState.PARKED.value,
            "reason": reason,
            "occurred_at": one.inbound.created_at,
            "received_at": one.received_at,
        },
    )


def _forgetting(keep_parked: dt.timedelta) -> Callable[[jobs.Work[Nothing]], Awaitable[None]]:
    """Remove what may go, a lot to a transaction; the job ends with the last one."""

    async def forget(work: jobs.Work[Nothing]) -> None:
        more = True
        while more:
            async with work.database.transaction() as connection:
                now = work.clock.now()
                more = await service.forget_bodies(connection, work.book_id, now=now, keep_parked=keep_parked)
                if not more:
                    await work.finish(connection, {job.id: jobs.DONE for job in work.jobs})

    return forget
