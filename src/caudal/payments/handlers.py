"""The work of payments in the background: attempts are driven, timers run, settlements are fetched.

Calls to partners stand outside of any transaction, between two that are short: one commits the attempts as
submitting, the other records what came of the calls. Answers that arrive together are recorded together.
"""

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec
import structlog

from caudal import jobs
from caudal.connectors import (
    Answer,
    CannotAsk,
    Found,
    NotSent,
    PartnerUnavailable,
    Registry,
    Reported,
    Unknown,
)
from caudal.jobs import DONE, Later
from caudal.payments import driving, store
from caudal.payments.commands import Answered, Command, Heard, Looked, Send, Settle, TimeOut
from caudal.payments.driving import Step
from caudal.payments.jobs import TIMERS, AskJob, AttemptJob, SettlementsJob, TimerJob, queue_of
from caudal.payments.outcomes import Outcome, OutcomeStatus
from caudal.payments.partners import DIRECTIONS
from caudal.payments.rules import FINAL
from caudal.payments.service import Payments
from caudal.payments.types import LIVE_ATTEMPTS, Attempt, AttemptState, Case, PaymentState
from caudal_base.database import Connection

GATHER_S: Final = 0.02
"""How long answers are gathered before they are recorded, so that one commit serves many."""

SETTLEMENTS_EVERY: Final = dt.timedelta(minutes=15)

SETTLEMENTS_BACK: Final = dt.timedelta(days=7)
"""How far back settlements are asked for each time: partners post late."""

_ALWAYS: Final = jobs.RetryPolicy(max_attempts=1_000_000, base_s=1.0, cap_s=60.0)
"""An attempt may never be given up by its job: only by what the partner says, or a person."""

_log = structlog.get_logger("caudal.payments")


class _Settlements(msgspec.Struct, frozen=True):
    """The payload of the periodic job that asks for settlements."""


class Attempts:
    """Drives attempts."""

    def __init__(self, payments: Payments, registry: Registry) -> None:
        """`registry` holds the partners to be called."""
        self._payments = payments
        self._registry = registry

    async def run(self, work: jobs.Work[AttemptJob]) -> None:
        """Take each attempt one step further."""
        jobs_of = {job.payload.attempt: job for job in work.jobs}
        async with work.database.connection() as connection:
            cases = await _cases(connection, work.book_id, attempts=list(jobs_of))
        at_hand = {a.id: (case, a) for case in cases for a in case.attempts if a.id in jobs_of}
        todo = {id_: driving.step(case, attempt) for id_, (case, attempt) in at_hand.items()}
        idle = [id_ for id_ in jobs_of if todo.get(id_, Step.LEAVE) is Step.LEAVE]
        sending = [id_ for id_, what in todo.items() if what is Step.SEND]
        gathered = _Gathered(self._payments, work)
        if idle:
            await gathered.end({jobs_of[id_].id: DONE for id_ in idle})
        if sending:
            sending = await self._mark(work, sending)
            at_hand |= await self._reread(work, sending)
        tasks = [self._send(gathered, jobs_of[id_], *at_hand[id_]) for id_ in sending]
        tasks += [
            self._look(gathered, jobs_of[id_], *at_hand[id_])
            for id_, what in todo.items()
            if what is Step.LOOK
        ]
        if tasks:
            async with asyncio.TaskGroup() as group:
                group.create_task(gathered.record(len(tasks)))
                for task in tasks:
                    group.create_task(task)

    async def _mark(self, work: jobs.Work[AttemptJob], attempts: Sequence[str]) -> list[str]:
        """Commit attempts as submitting; those that still are to be sent."""
        async with work.database.transaction() as connection:
            outcomes = await self._payments.carry_out(
                connection, work.book_id, [Send(attempt_id=id_) for id_ in attempts]
            )
        return [id_ for id_, o in zip(attempts, outcomes, strict=True) if o.status is OutcomeStatus.APPLIED]

    async def _reread(
        self, work: jobs.Work[AttemptJob], attempts: Sequence[str]
    ) -> dict[str, tuple[Case, Attempt]]:
        async with work.database.connection() as connection:
            cases = await _cases(connection, work.book_id, attempts=attempts)
        return {a.id: (case, a) for case in cases for a in case.attempts if a.id in attempts}

    async def _send(
        self, gathered: "_Gathered", job: jobs.Job[AttemptJob], case: Case, attempt: Attempt
    ) -> None:
        answer: Answer = await self._registry.get(attempt.partner).call(driving.call_of(case, attempt))
        await gathered.add(job, Answered(attempt_id=attempt.id, answer=answer), answer)

    async def _look(
        self, gathered: "_Gathered", job: jobs.Job[AttemptJob], case: Case, attempt: Attempt
    ) -> None:
        partner = self._registry.get(attempt.partner)
        call = driving.call_of(case, attempt)
        found: Found = await partner.query(call)
        known = isinstance(found, Reported)
        if not known and driving.resend(attempt, partner.capabilities, gathered.work.clock.now()):
            marked = await self._mark(gathered.work, [attempt.id])
            if marked:
                again = await self._reread(gathered.work, marked)
                await self._send(gathered, job, *again[attempt.id])
                return
        await gathered.add(job, Looked(attempt_id=attempt.id, found=found), found)


class _Gathered:
    """Answers on their way into the database, many to a transaction, each with the end of its job."""

    def __init__(self, payments: Payments, work: jobs.Work[AttemptJob]) -> None:
        self.work = work
        self._payments = payments
        self._waiting: asyncio.Queue[tuple[jobs.Job[AttemptJob], Command, Answer | Found]] = asyncio.Queue()

    async def add(self, job: jobs.Job[AttemptJob], command: Command, answer: Answer | Found) -> None:
        """An answer has come."""
        await self._waiting.put((job, command, answer))

    async def end(self, outcomes: dict[UUID, jobs.Outcome]) -> None:
        """End jobs of which nothing is to be recorded."""
        async with self.work.database.transaction() as connection:
            await self.work.finish(connection, outcomes)

    async def record(self, count: int) -> None:
        """Record `count` answers, as they come."""
        while count:
            batch = [await self._waiting.get()]
            if count > 1:
                await asyncio.sleep(GATHER_S)
            while not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            await self._write(batch)
            count -= len(batch)

    async def _write(self, batch: Sequence[tuple[jobs.Job[AttemptJob], Command, Answer | Found]]) -> None:
        work = self.work
        async with work.database.transaction() as connection:
            outcomes = await self._payments.carry_out(
                connection, work.book_id, [command for _, command, _ in batch]
            )
            partners = await self._payments.partners(connection, work.book_id)
            now = work.clock.now()
            ends: dict[UUID, jobs.Outcome] = {}
            for (job, _, answer), outcome in zip(batch, outcomes, strict=True):
                attempt = outcome.attempt
                capabilities = None if attempt is None else partners.capabilities(attempt.partner)
                poll = None if capabilities is None else capabilities.poll_after
                ends[job.id] = _next(outcome, answer, now, poll or dt.timedelta(minutes=10))
            await work.finish(connection, ends)


def _next(outcome: Outcome, answer: Answer | Found, now: dt.datetime, poll: dt.timedelta) -> jobs.Outcome:
    """When an attempt's job goes on."""
    attempt, payment = outcome.attempt, outcome.payment
    if attempt is None or payment is None:
        return DONE
    if attempt.state is AttemptState.CREATED:
        wait = answer.retry_after if isinstance(answer, NotSent) else None
        return Later(now + (wait or driving.NOT_SENT_PAUSE))
    if attempt.state in LIVE_ATTEMPTS:
        if payment.state is PaymentState.REVIEW or attempt.asked_at is not None:
            return DONE
        if isinstance(answer, Unknown | NotSent):
            _log.info("outcome_unknown", attempt=attempt.id, partner=attempt.partner, reason=attempt.note)
        return Later(now + driving.pause(attempt))
    if attempt.state is AttemptState.ACCEPTED:
        waits = driving.waits(Case(payment=payment), attempt)
        return Later(now + poll) if waits else DONE
    return DONE


async def _cases(connection: Connection, book_id: int, *, attempts: Sequence[str]) -> list[Case]:
    known = store.Known()
    known.attempts.update(attempts)
    found = await store.find(connection, book_id, known)
    return await store.load(connection, book_id, sorted(found))


class Asks:
    """Asks partners how payments stand, and runs their timers."""

    def __init__(self, payments: Payments, registry: Registry) -> None:
        self._payments = payments
        self._registry = registry

    async def ask(self, work: jobs.Work[AskJob]) -> None:
        """Ask once; again later where the payment is still with the partner."""
        wanted = {job.payload.payment: job for job in work.jobs}
        async with work.database.connection() as connection:
            cases = await store.load(connection, work.book_id, list(wanted))
        found = await asyncio.gather(*(self._fetch(case) for case in cases))
        heard = [
            Heard(partner=case.payment.partner or "", snapshot=answer.snapshot)
            for case, answer in zip(cases, found, strict=True)
            if isinstance(answer, Reported)
        ]
        async with work.database.transaction() as connection:
            await self._payments.carry_out(connection, work.book_id, heard)
            after = await store.load(connection, work.book_id, list(wanted))
            open_ = {c.payment.id for c in after if c.payment.state is PaymentState.PROCESSING}
            again = Later(work.clock.now() + dt.timedelta(minutes=1))
            ends = {job.id: again if id_ in open_ else DONE for id_, job in wanted.items()}
            # Several jobs may ask about one payment: one asks for all.
            ends |= {job.id: DONE for job in work.jobs if job.id not in ends}
            await work.finish(connection, ends)

    async def _fetch(self, case: Case) -> Found:
        payment = case.payment
        if payment.partner is None or payment.partner_id is None:
            return Unknown("the partner has not named it yet")
        partner, begun = self._registry.get(payment.partner), case.begun
        found = await partner.fetch(payment.partner_id, DIRECTIONS[payment.kind])
        if isinstance(found, CannotAsk) and begun is not None:
            # It looks payments up by our reference only.
            return await partner.query(driving.call_of(case, begun))
        return found

    async def time_out(self, work: jobs.Work[TimerJob]) -> None:
        """Look whether what payments wait for has come or run out."""
        async with work.database.transaction() as connection:
            wanted = list(dict.fromkeys(job.payload.payment for job in work.jobs))
            outcomes = await self._payments.carry_out(
                connection, work.book_id, [TimeOut(payment_id=id_) for id_ in wanted]
            )
            by_payment = dict(zip(wanted, outcomes, strict=True))
            await work.finish(
                connection,
                {job.id: _later(by_payment[job.payload.payment], work.clock.now()) for job in work.jobs},
            )


def _later(outcome: Outcome, now: dt.datetime) -> jobs.Outcome:
    """A timer that came too early waits on: the time was moved, or clocks differ."""
    payment = outcome.payment
    if payment is None or payment.state in FINAL:
        return DONE
    when = payment.execute_at if payment.state is PaymentState.SCHEDULED else payment.expires_at
    return Later(when) if when is not None and when > now else DONE


class Settlements:
    """Fetches what partners have paid out to us."""

    def __init__(self, payments: Payments, registry: Registry) -> None:
        self._payments = payments
        self._registry = registry

    async def run(self, work: jobs.Work[SettlementsJob]) -> None:
        """Fetch the settlements of the jobs' partners."""
        since = work.clock.now() - SETTLEMENTS_BACK
        for name in dict.fromkeys(job.payload.partner for job in work.jobs):
            await self._fetch(work, name, since)
        async with work.database.transaction() as connection:
            await work.finish(connection, {job.id: DONE for job in work.jobs})

    async def periodic(self, work: jobs.Work[_Settlements]) -> None:
        """Fetch the settlements of all partners of the book."""
        async with work.database.connection() as connection:
            partners = await self._payments.partners(connection, work.book_id)
        for name in partners.names:
            try:
                await self._fetch(work, name, work.clock.now() - SETTLEMENTS_BACK)
            except PartnerUnavailable as error:
                # The next period asks again, and what was settled waits.
                _log.warning("settlements_not_fetched", partner=name, reason=str(error))
        async with work.database.transaction() as connection:
            await work.finish(connection, {job.id: DONE for job in work.jobs})

    async def _fetch(
        self, work: "jobs.Work[SettlementsJob] | jobs.Work[_Settlements]", name: str, since: dt.datetime
    ) -> None:
        async for settlement in self._registry.get(name).settlements(since):
            async with work.database.transaction() as connection:
                command = Settle(partner=name, settlement=settlement)
                await self._payments.carry_out(connection, work.book_id, [command])


SETTLEMENTS: Final = "payments.settlements.all"


def handlers(payments: Payments, registry: Registry) -> list[jobs.AnyHandler]:
    """What each kind of job of payments does."""
    attempts, asks = Attempts(payments, registry), Asks(payments, registry)
    settlements = Settlements(payments, registry)
    return [
        jobs.Handler(AttemptJob.KIND, AttemptJob, attempts.run, max_batch=50, retry=_ALWAYS),
        jobs.Handler(AskJob.KIND, AskJob, asks.ask, max_batch=50, retry=_ALWAYS),
        jobs.Handler(TimerJob.KIND, TimerJob, asks.time_out, max_batch=100, retry=_ALWAYS),
        jobs.Handler(SettlementsJob.KIND, SettlementsJob, settlements.run, max_batch=1),
        jobs.Handler(SETTLEMENTS, _Settlements, settlements.periodic, max_batch=1, on_dead=jobs.OnDead.SKIP),
    ]


PERIODICS: Final = (
    jobs.Periodic(name=SETTLEMENTS, kind=SETTLEMENTS, every=SETTLEMENTS_EVERY, payload=_Settlements()),
)


def queues(registry: Registry) -> dict[str, int]:
    """The queues of payments, with how many claims of each may be in work at once."""
    return {TIMERS: 1, **{queue_of(partner.name): 2 for partner in registry}}
