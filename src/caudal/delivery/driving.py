"""Driving one endpoint: reading on in the events, sending, recording what came of it.

While requests are out, one loop (`Drive.run`) waits until enough has come back, and then does everything with
the database in one transaction: renew the claim, write what became of deliveries and those at hand that are
not known yet, find those that are due again, read on. So a delivery that arrives at its first attempt is
written once, and an endpoint that answers fast costs a transaction for some hundred events.
"""

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec
import structlog

from caudal import events
from caudal.delivery import recording, rules, store_claims, store_drives
from caudal.delivery.lanes import Claim, Lanes
from caudal.delivery.lease import Lease
from caudal.delivery.reading import Reader
from caudal.delivery.recording import Ended
from caudal.delivery.rules import Reply, Verdict
from caudal.delivery.tools import Notices, Tools
from caudal.delivery.types import DisableReason
from caudal.delivery.waiting import RECOUNT, Waiting
from caudal.delivery.window import Item, Window
from caudal_base import database
from caudal_base.database import Failure, classify

_log = structlog.get_logger("caudal.delivery")

_PASSING: Final = frozenset({Failure.LOST, Failure.TRANSIENT})


class ClaimLost(Exception):
    """Another worker drives the endpoint now."""


class Drive:
    """Drives one endpoint under one claim. Runs once."""

    def __init__(self, tools: Tools, claim: Claim, notices: Notices) -> None:
        """Nothing is sent before `run`. `notices` hear that the endpoint must be disabled, or is behind."""
        self._tools = tools
        self._notices = notices
        self._claim = claim
        self._endpoint = claim.endpoint
        self._window = Window(ordered=claim.endpoint.ordered)
        self._lease = Lease(claim.until, tools.monotonic, self._lost)
        self._lanes = Lanes(tools, claim, self._window, self._lease, answered=self._answered)
        self._bell = self._lanes.bell
        self._began = tools.monotonic()
        claimed = claim.claimed
        self._reader = Reader(
            tools.options, claim.book_id, claim.endpoint, through_seq=claimed.through_seq,
            tests_only=claimed.quiet,
        )  # fmt: skip
        self._waiting = Waiting(count=claimed.pending, oldest=claimed.oldest_pending)
        self._counted_at = claimed.counted_at
        self._parked = 0
        """How many wait in the database and are not at hand."""
        self._behind = claimed.behind
        """Whether it was told that too many wait."""
        self._dropped: list[Item] = []
        """No longer at hand, and not known to the database yet."""
        self._ended: list[Ended] = []
        self._first_ended = 0.0
        self._closing = False
        self._taken_over = False
        """Whether what a dead driver left has been seen to."""
        self._disable: DisableReason | None = None
        self._claim_lost = False

    @property
    def breaker_open(self) -> bool:
        """Whether the endpoint failed so often that it is left alone for a while."""
        return self._lanes.breaker_open

    @property
    def book_id(self) -> int:
        """Whose endpoint it is."""
        return self._claim.book_id

    @property
    def held(self) -> tuple[UUID, UUID]:
        """The endpoint and the token of the claim."""
        return self._endpoint.id, self._claim.token

    @property
    def held_until(self) -> float:
        """When the claim ends, on the monotonic clock."""
        return self._lease.until

    def extended(self, until: float, revision: int) -> None:
        """The claim holds until then; the endpoint has been changed so many times."""
        self._lease.extend(until)
        if revision != self._claim.claimed.revision:
            self.stop()

    def told(self, head: int) -> None:
        """The book's last event is this: read on, if there is room for more."""
        self._reader.head = max(self._reader.head, head)
        if self._has_room():
            self._bell.set()

    def stop(self) -> None:
        """Send nothing more; `run` returns when what is out has come back."""
        self._close()
        self._bell.set()

    async def run(self) -> None:
        """Drive until there is nothing to do, the turn is over or `stop`. Then the claim is given up.

        Raises what the database does. The claim then stays until it expires, which is a pause for whatever
        was wrong.
        """
        try:
            while await self._recorded():
                self._lanes.pump()
                await self._tell_whether_behind()
                await self._wait()
            await self._tell_whether_behind()
        except ClaimLost:
            _log.warning("webhook_claim_lost", endpoint=self._endpoint.id, book_id=self._claim.book_id)
        finally:
            self._lease.close()
            await self._lanes.end()
        if self._disable is not None:
            await self._notices.disable(self._claim.book_id, self._endpoint.id, self._disable)
            # Not before: whoever had the claim meanwhile would send more.
            async with self._tools.database.transaction() as connection:
                await self._release(connection, self._reader.through)

    def _close(self) -> None:
        self._closing = True
        self._lanes.close()

    def _lost(self) -> None:
        """The claim was not renewed in time: what is out is cut off, since another may drive now."""
        self._closing = self._claim_lost = True
        self._lanes.cut_off()
        self._bell.set()

    def _has_room(self) -> bool:
        """Whether it would take more at once than there is at hand, and there is more."""
        if self._window.waiting or not self._reader.behind or self._closing or self._is_full():
            return False
        at_hand = self._window.out + len(self._ended)
        return at_hand <= self._reader.at_hand // 2 and self._lanes.could_take_more

    def _is_full(self) -> bool:
        """Whether so many wait in the database that nothing more is read."""
        return self._parked >= self._tools.options.max_pending

    def _answered(self, item: Item, reply: Reply, at: dt.datetime, seconds: float) -> Verdict:
        """An attempt has ended: what follows from it, which is written with the next step."""
        tools = self._tools
        item.attempts += 1
        item.tried += 1
        verdict = rules.judge(reply, item.tried, now=tools.clock.now(), jitter=tools.jitter())
        tools.counts.count(reply, seconds)
        if verdict.gone:
            self._disable = DisableReason.GONE
            self._close()
        over = verdict.next_at is None
        tools.counts.given_up += over and not verdict.delivered
        self._dropped += [one for one in self._window.back(item, over=over) if not one.stored]
        if not self._ended:
            self._first_ended = tools.monotonic()
        self._ended.append(Ended(item=item, reply=reply, verdict=verdict, at=at, seconds=seconds))
        if len(self._ended) in (1, self._reader.at_hand // 4):
            self._bell.set()
        return verdict

    # Waiting

    async def _wait(self) -> None:
        """Return when there is a reason for another step."""
        while True:
            self._bell.clear()
            if self._claim_lost:
                raise ClaimLost
            if self._lanes.failure is not None:
                raise self._lanes.failure
            seconds = self._pause()
            if seconds <= 0:
                return
            try:
                async with asyncio.timeout(seconds):
                    await self._bell.wait()
            except TimeoutError:
                self._lanes.pump()
            else:
                self._lanes.pump()

    def _pause(self) -> float:
        """For how many seconds there will be no reason for a step, if nothing happens."""
        options = self._tools.options
        now = self._tools.monotonic()
        out = self._window.out or self._lanes.open
        if not out and (self._closing or not self._window.waiting):
            return 0.0
        if out and self._has_room():
            return 0.0
        # The deliverer extends the lease before that; where it cannot, a step tries.
        reasons = [self._lease.until - options.lease_s / 2 - now]
        if self._ended:
            full = len(self._ended) >= self._reader.at_hand // 4
            reasons.append(0.0 if full else self._first_ended + options.linger_s - now)
        if self._window.waiting and not self._lanes.open:
            held_for = self._lanes.held_for(now)
            if held_for is not None:
                reasons.append(held_for)
        return min(reasons)

    # The database

    async def _recorded(self) -> bool:
        """One step with the database; whether there is more to do. Tries again while it is away."""
        pause = 0.05
        while True:
            ended, self._ended = self._ended, []
            dropped, self._dropped = self._dropped, []
            known = self._window.unstored()
            try:
                return await self._step(ended, dropped, known)
            except Exception as error:
                self._ended = ended + self._ended
                self._dropped = dropped + self._dropped
                self._tools.counts.troubles += 1
                if classify(error) not in _PASSING or not self._lease.allows(self._tools.monotonic() + pause):
                    raise
                _log.warning("webhooks_not_recorded", endpoint=self._endpoint.id, exc_info=error)
                await asyncio.sleep(pause * (0.5 + 0.5 * self._tools.jitter()))
                pause = min(2 * pause, self._tools.options.trouble_max_s)

    async def _step(self, ended: list[Ended], dropped: list[Item], known: list[Item]) -> bool:
        """One transaction. What is read in it counts only once it is committed."""
        tools, claim, moment = self._tools, self._claim, self._tools.monotonic()
        now = tools.clock.now()
        firsts = {item.event.seq for item in known if self._window.first_of(item)}
        waiting = self._waiting.after(
            [(one.item, one.verdict.next_at is None) for one in ended], [*dropped, *_still(known, ended)]
        )
        async with tools.database.transaction() as connection:
            renewed = await self._renewed(connection, ended, waiting, now)
            if claim.claimed.abandoned and not self._taken_over:
                await store_drives.promote_all(connection, claim.book_id, self._endpoint.id, now=now)
            await recording.write(
                connection, claim.book_id, self._endpoint, ended=ended, dropped=dropped, known=known,
                firsts=firsts, now=now,
            )  # fmt: skip
            counted_at = self._counted_at
            if renewed.uncounted or waiting.count is None or self._is_stale(waiting, now):
                waiting, counted_at = await self._counted(connection, now), now
            await self._judge_failing(connection, renewed, ended, waiting, now)
            changed = renewed.revision != claim.claimed.revision
            if changed or self._over(moment):
                self._close()
            found = await self._more(connection, waiting, now)
            nothing = not (found.fresh or found.held or self._dropped or self._ended or self._window.out)
            more = not self._closing and (self._window.waiting > 0 or found.goes_on)
            done = nothing and not more
            if done and self._disable is None:
                await self._release(connection, found.through)
        self._taken_over = True
        self._lease.extend(moment + tools.options.lease_s)
        self._waiting, self._counted_at, self._parked = waiting, counted_at, found.parked
        for item in known:
            item.stored = True
        self._reader.through = found.through
        self._reader.learn(ended)
        free, behind = self._reader.still_first(found.fresh, self._ended)
        self._dropped += [*found.held, *(item for item in behind if not item.stored)]
        self._window.add(free)
        return not done

    async def _release(self, connection: database.Connection, through_seq: int) -> None:
        """Give the claim up. Those at hand have waited for one another here: now they do in the database."""
        book_id, now = self.book_id, self._tools.clock.now()
        if self._endpoint.ordered and self._window.waiting:
            await store_drives.promote_all(connection, book_id, self._endpoint.id, now=now)
        await store_claims.release(connection, book_id, *self.held, through_seq=through_seq)

    async def _renewed(
        self, connection: database.Connection, ended: list[Ended], waiting: Waiting, now: dt.datetime
    ) -> store_claims.Renewed:
        """Go on under the claim: with all that was read before being written in this transaction."""
        renewed = await store_claims.renew(
            connection,
            self._claim.book_id,
            self._endpoint.id,
            self._claim.token,
            through_seq=self._reader.through,
            succeeded=any(one.verdict.delivered for one in ended),
            failed=any(not one.verdict.delivered for one in ended),
            pending=waiting.count,
            oldest_pending=waiting.oldest,
            quiet_until=max((at for one in ended if (at := one.verdict.quiet_until)), default=None),
            now=now,
            until=now + dt.timedelta(seconds=self._tools.options.lease_s),
        )
        if renewed is None:
            raise ClaimLost
        return renewed

    async def _judge_failing(
        self,
        connection: database.Connection,
        renewed: store_claims.Renewed,
        ended: list[Ended],
        waiting: Waiting,
        now: dt.datetime,
    ) -> None:
        """Disable it where it has failed for too long and failed again now, or was given up several times.

        That it failed once is forgotten when nothing is left to be tried: what was not asked for long may be
        well again, and its next failure is the first of another series.
        """
        failing = renewed.failing_since
        if failing is None:
            return
        failed = any(not one.verdict.delivered for one in ended)
        if failed and now - failing >= self._tools.options.disable_after:
            self._disable = self._disable or DisableReason.FAILING
        elif waiting.count == 0 and self._disable is None:
            given_up = any(not one.verdict.delivered and one.verdict.next_at is None for one in ended)
            place, most = (self.book_id, self._endpoint.id), self._tools.options.disable_after_series
            if await store_claims.forget_failing(connection, *place, given_up=given_up) >= most:
                self._disable = DisableReason.FAILING

    def _is_stale(self, waiting: Waiting, now: dt.datetime) -> bool:
        """Whether the oldest of what waits may have arrived long ago."""
        return bool(waiting.count) and (self._counted_at is None or now - self._counted_at >= RECOUNT)

    async def _counted(self, connection: database.Connection, now: dt.datetime) -> Waiting:
        count, oldest = await store_drives.count(connection, self._claim.book_id, self._endpoint.id, now=now)
        return Waiting(count=count, oldest=oldest)

    def _over(self, moment: float) -> bool:
        """Whether the turn is over, or there is nothing more to be sent there, for good or for now."""
        if self._disable is not None or self._lanes.quiet:
            return True
        # Whoever came next would not know of the breaker: it stays here as long as it is open.
        return moment > self._began + self._tools.options.turn_s and not self.breaker_open

    async def _more(self, connection: database.Connection, waiting: Waiting, now: dt.datetime) -> "_Found":
        """What is due again, and what comes next in the events; as many as there is room for.

        Nothing comes next while too many wait: they have the book's events to wait in.
        """
        reader, window = self._reader, self._window
        # All that was at hand as this step began is written by now.
        parked = (waiting.count or 0) - window.waiting - window.out
        full = parked >= self._tools.options.max_pending
        head = await (await events.queue_head(connection, self._claim.book_id)).finish()
        reader.head = max(reader.head, head)
        found = _Found(through=reader.through, goes_on=reader.behind and not full, parked=parked)
        if self._closing or (self.breaker_open and (window.out or window.waiting)):
            return found
        due = await reader.due(connection, window, self._ended, now)
        if full:
            return msgspec.structs.replace(found, fresh=due)
        through, fresh, held = await reader.next(connection, window, self._ended, due)
        return _Found(
            through=through, goes_on=through < reader.head, parked=parked, fresh=[*due, *fresh], held=held
        )

    async def _tell_whether_behind(self) -> None:
        """Tell it once when so many wait that nothing more is read, and once when half of them are gone."""
        most = self._tools.options.max_pending
        if not self._behind and self._is_full():
            behind = True
        elif self._behind and self._parked <= most // 2:
            behind = False
        else:
            return
        await self._notices.behind(self._claim.book_id, self._endpoint.id, behind)
        self._behind = behind


class _Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a step has read."""

    through: int
    goes_on: bool
    """Whether there is more to be read."""
    parked: int
    """How many wait in the database and are not at hand."""
    fresh: Sequence[Item] = ()
    held: Sequence[Item] = ()
    """Held up by earlier ones that wait in the database."""


def _still(known: list[Item], ended: list[Ended]) -> list[Item]:
    """Those at hand that have not ended meanwhile."""
    over = {one.item.event.seq for one in ended}
    return [item for item in known if item.event.seq not in over]
