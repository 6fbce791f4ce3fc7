"""Driving one endpoint: reading on in the events, sending, recording what came of it.

While requests are out, one loop (`Drive.run`) waits until enough has come back, and then does everything with
the database in one transaction: renew the claim, write what became of deliveries and those at hand that are
not known yet, find those that are due again, read on. So a delivery that arrives at its first attempt is
written once, and an endpoint that answers fast costs a transaction for some hundred events.
"""

import asyncio
import datetime as dt
from typing import Final
from uuid import UUID

import msgspec
import structlog

from caudal import events
from caudal.delivery import recording, rules, signing, store_drives
from caudal.delivery.recording import Ended
from caudal.delivery.rules import Reply
from caudal.delivery.sending import Connection
from caudal.delivery.store_drives import Claimed
from caudal.delivery.tools import Disable, Signers, Tools
from caudal.delivery.types import DisableReason, Endpoint
from caudal.delivery.window import Item, Window
from caudal_base import database, ids, telemetry
from caudal_base.database import Failure, classify
from caudal_base.limits import Breaker, BreakerState

_log = structlog.get_logger("caudal.delivery")

_PASSING: Final = frozenset({Failure.LOST, Failure.TRANSIENT})

_MARGIN_S: Final = 2.0
"""A request goes out only if its time-out ends so long before the claim does."""


class ClaimLost(Exception):
    """Another worker drives the endpoint now."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint that is ours to drive, with what was known when it was claimed."""

    book_id: int
    token: UUID
    until: float
    """On the monotonic clock."""
    claimed: Claimed
    endpoint: Endpoint
    signers: Signers


class Drive:
    """Drives one endpoint under one claim. Runs once."""

    def __init__(self, tools: Tools, claim: Claim, disable: Disable) -> None:
        """Nothing happens before `run`. `disable` is called where the endpoint is to get nothing more."""
        self._tools = tools
        self._disable_endpoint = disable
        self._claim = claim
        self._endpoint = claim.endpoint
        self._patterns = rules.patterns(claim.endpoint.types)
        self._window = Window(ordered=claim.endpoint.ordered)
        self._breaker = Breaker()
        self._until = claim.until
        self._began = tools.monotonic()
        self._read = claim.claimed.through_seq
        """Up to where the events have been read."""
        self._head = 0
        self._dropped: list[Item] = []
        """No longer at hand, and not known to the database yet."""
        self._ended: list[Ended] = []
        self._first_ended = 0.0
        self._lanes: set[asyncio.Task[None]] = set()
        self._connections: list[Connection] = []
        self._quiet_until: dt.datetime | None = None
        self._closing = False
        self._taken_over = False
        """Whether what a dead driver left has been seen to."""
        self._disable: DisableReason | None = None
        self._failure: BaseException | None = None
        self._bell = asyncio.Event()

    @property
    def breaker_open(self) -> bool:
        """Whether the endpoint failed so often that it is left alone for a while."""
        return self._breaker.state(self._tools.monotonic()) is not BreakerState.CLOSED

    @property
    def under_way(self) -> int:
        """Requests that are out."""
        return self._window.out

    def stop(self) -> None:
        """Send nothing more; `run` returns when what is out has come back."""
        self._closing = True
        self._bell.set()

    async def run(self) -> None:
        """Drive until there is nothing to do, the turn is over or `stop`. Then the claim is given up.

        Raises what the database does. The claim then stays until it expires, which is a pause for whatever
        was wrong.
        """
        try:
            while await self._recorded():
                self._pump()
                await self._wait()
        except ClaimLost:
            _log.warning("webhook_claim_lost", endpoint=self._endpoint.id, book_id=self._claim.book_id)
        finally:
            for lane in self._lanes:
                lane.cancel()
            if self._lanes:
                await asyncio.wait(self._lanes)
            for connection in self._connections:
                connection.close()
        if self._disable is not None:
            await self._disable_endpoint(self._claim.book_id, self._endpoint.id, self._disable)

    # Sending

    def _pump(self) -> None:
        """Start as many lanes as there is work and room for."""
        now = self._tools.monotonic()
        state = self._breaker.state(now)
        if state is BreakerState.OPEN:
            return
        room = self._endpoint.concurrency - len(self._lanes)
        if state is BreakerState.HALF_OPEN:
            room = 0 if self._lanes else 1  # one call finds out whether it is back
        for _ in range(min(room, self._window.waiting)):
            if not self._may_send(now):
                return
            connection = (
                self._connections.pop()
                if self._connections
                else Connection(self._tools.network, self._endpoint.url)
            )
            lane = asyncio.get_running_loop().create_task(self._lane(connection))
            self._lanes.add(lane)
            lane.add_done_callback(self._lane_ended)

    def _may_send(self, now: float) -> bool:
        """Whether a request may go out now, as far as it is not for the breaker to say."""
        lasting = self._tools.network.limits.total_s + _MARGIN_S
        quiet = self._quiet_until is not None and self._quiet_until > self._tools.clock.now()
        held = quiet or self._closing or self._disable is not None or now + lasting > self._until
        return self._window.ready and not held

    async def _lane(self, connection: Connection) -> None:
        """Send one after the other over one connection, as long as there are any."""
        monotonic = self._tools.monotonic
        try:
            while self._may_send(monotonic()) and self._breaker.admit(monotonic()):
                item = self._window.take()
                began, at = monotonic(), self._tools.clock.now()
                self._tools.counts.under_way += 1
                try:
                    reply = await self._post(connection, item, at)
                finally:
                    self._tools.counts.under_way -= 1
                self._came_back(item, reply, at, monotonic() - began)
        finally:
            self._connections.append(connection)

    async def _post(self, connection: Connection, item: Item, at: dt.datetime) -> Reply:
        """One attempt, as a span of the trace of the payment that it tells of."""
        event = item.event
        if not telemetry.is_on():
            return await connection.post(self._headers(item, at), item.body)
        told: dict[str, telemetry.Value] = {
            "caudal.event.type": event.type,
            "caudal.event.id": ids.encode(ids.EVENT, event.id),
            "caudal.endpoint": ids.encode(ids.ENDPOINT, self._endpoint.id),
            "caudal.book": self._claim.book_id,
        }
        payment = event.object_id if event.object_type == "payment" else None
        with telemetry.span("webhook out", told, payment_id=payment) as span:
            reply = await connection.post(self._headers(item, at), item.body)
            span.say("http.response.status_code", reply.status or 0)
            return reply

    def _lane_ended(self, lane: asyncio.Task[None]) -> None:
        self._lanes.discard(lane)
        if not lane.cancelled() and lane.exception() is not None:
            # A bug of ours: the drive must not go on without a lane that it counts on.
            self._failure = lane.exception()
        self._bell.set()

    def _headers(self, item: Item, at: dt.datetime) -> list[tuple[str, str]]:
        message_id = ids.encode(ids.EVENT, item.event.id)
        signers = self._claim.signers.at(at)
        return signing.headers(signers, message_id, int(at.timestamp()), item.body)

    def _came_back(self, item: Item, reply: rules.Reply, at: dt.datetime, seconds: float) -> None:
        tools = self._tools
        item.attempts += 1
        item.tried += 1
        verdict = rules.judge(reply, item.tried, now=tools.clock.now(), jitter=tools.jitter())
        tools.counts.count(reply, seconds)
        now = tools.monotonic()
        if verdict.delivered:
            self._breaker.succeeded()
        else:
            self._breaker.failed(now)
        if verdict.gone:
            self._disable, self._closing = DisableReason.GONE, True
        if verdict.quiet_until is not None:
            self._quiet_until = max(verdict.quiet_until, self._quiet_until or verdict.quiet_until)
        over = verdict.next_at is None
        tools.counts.given_up += over and not verdict.delivered
        self._dropped += [one for one in self._window.back(item, over=over) if not one.stored]
        if not self._ended:
            self._first_ended = now
        self._ended.append(Ended(item=item, reply=reply, verdict=verdict, at=at, seconds=seconds))
        if len(self._ended) in (1, tools.options.at_hand // 4):
            self._bell.set()

    # Waiting

    async def _wait(self) -> None:
        """Return when there is a reason for another step."""
        while True:
            self._bell.clear()
            if self._failure is not None:
                raise self._failure
            seconds = self._pause()
            if seconds <= 0:
                return
            try:
                async with asyncio.timeout(seconds):
                    await self._bell.wait()
            except TimeoutError:
                self._pump()
            else:
                self._pump()

    def _pause(self) -> float:
        """For how many seconds there will be no reason for a step, if nothing happens."""
        options = self._tools.options
        now = self._tools.monotonic()
        if not self._window.out and not self._lanes and (self._closing or not self._window.waiting):
            return 0.0
        reasons = [self._until - options.lease_s / 2 - now]
        if self._ended:
            full = len(self._ended) >= options.at_hand // 4
            reasons.append(0.0 if full else self._first_ended + options.linger_s - now)
        if self._window.waiting and not self._lanes:
            if self._breaker.state(now) is BreakerState.OPEN:
                reasons.append(max(0.001, self._breaker.retry_after(now)))
            elif self._quiet_until is not None:
                left = (self._quiet_until - self._tools.clock.now()).total_seconds()
                reasons.append(max(0.001, left))
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
                if classify(error) not in _PASSING or self._tools.monotonic() + pause > self._until:
                    raise
                _log.warning("webhooks_not_recorded", endpoint=self._endpoint.id, exc_info=error)
                await asyncio.sleep(pause * (0.5 + 0.5 * self._tools.jitter()))
                pause = min(2 * pause, self._tools.options.trouble_max_s)

    async def _step(self, ended: list[Ended], dropped: list[Item], known: list[Item]) -> bool:
        tools, claim, moment = self._tools, self._claim, self._tools.monotonic()
        now = tools.clock.now()
        firsts = {item.event.seq for item in known if self._window.first_of(item)}
        async with tools.database.transaction() as connection:
            renewed = await self._renewed(connection, ended, now)
            if claim.claimed.abandoned and not self._taken_over:
                await store_drives.promote_all(connection, claim.book_id, self._endpoint.id, now=now)
            await recording.write(
                connection, claim.book_id, self._endpoint, ended=ended, dropped=dropped, known=known,
                firsts=firsts, now=now,
            )  # fmt: skip
            failing = renewed.failing_since
            if failing is not None and now - failing >= tools.options.disable_after:
                self._disable = self._disable or DisableReason.FAILING
            changed = renewed.revision != claim.claimed.revision
            self._closing = self._closing or changed or self._over(moment)
            fresh: list[Item] = [] if self._closing else await self._more(connection, now)
            nothing = not (fresh or self._dropped or self._ended or self._window.out)
            more = not self._closing and (self._window.waiting > 0 or self._read < self._head)
            done = nothing and not more
            if done:
                await store_drives.release(
                    connection, claim.book_id, self._endpoint.id, claim.token, through_seq=self._read
                )
        self._taken_over = True
        self._until = moment + tools.options.lease_s
        for item in known:
            item.stored = True
        self._window.add(self._still_first(fresh))
        return not done

    async def _renewed(
        self, connection: database.Connection, ended: list[Ended], now: dt.datetime
    ) -> store_drives.Renewed:
        """Go on under the claim: with all that was read before being written in this transaction."""
        renewed = await store_drives.renew(
            connection,
            self._claim.book_id,
            self._endpoint.id,
            self._claim.token,
            through_seq=self._read,
            succeeded=any(one.verdict.delivered for one in ended),
            failed=any(not one.verdict.delivered for one in ended),
            now=now,
            until=now + dt.timedelta(seconds=self._tools.options.lease_s),
        )
        if renewed is None:
            raise ClaimLost
        return renewed

    def _still_first(self, fresh: list[Item]) -> list[Item]:
        """Of what was just read, that which is not behind one that failed in the meantime."""
        if not self._endpoint.ordered:
            return fresh
        failed = {one.item.event.object_id for one in self._ended if one.verdict.next_at is not None}
        self._dropped += [item for item in fresh if item.event.object_id in failed and not item.stored]
        return [item for item in fresh if item.event.object_id not in failed]

    def _over(self, moment: float) -> bool:
        """Whether the turn is over, or there is nothing more to be sent there."""
        if self._disable is not None:
            return True
        # Whoever came next would not know of the breaker: it stays here as long as it is open.
        return moment > self._began + self._tools.options.turn_s and not self.breaker_open

    async def _more(self, connection: database.Connection, now: dt.datetime) -> list[Item]:
        """What is due again, and what comes next in the events; as many as there is room for."""
        tools, book_id = self._tools, self._claim.book_id
        self._head = await (await events.queue_head(connection, book_id)).finish()
        at_hand = self._window.seqs()
        room = tools.options.at_hand - len(at_hand) - len(self._ended)
        if room < tools.options.at_hand // 4 or (self.breaker_open and at_hand):
            return []
        taken = [*at_hand, *(one.item.event.seq for one in self._ended)]
        due = await store_drives.due(connection, book_id, self._endpoint.id, known=taken, now=now, limit=room)
        told = {event.seq: event for event in await events.by_seq(connection, book_id, [d.seq for d in due])}
        items = [
            Item(
                event=told[one.seq],
                body=events.body_of(told[one.seq]),
                attempts=one.attempts,
                tried=one.tried,
                stored=True,
                loaded=True,
            )
            for one in due
        ]
        room -= len(items)
        if room > 0 and self._read < self._head:
            items += await self._read_on(connection, room)
        return items

    async def _read_on(self, connection: database.Connection, room: int) -> list[Item]:
        """The next events that the endpoint wants."""
        book_id = self._claim.book_id
        through = min(self._head, self._read + self._tools.options.span)
        found = await events.matching(
            connection, book_id, self._patterns, after=self._read, through=through, limit=room
        )
        self._read = found[-1].seq if len(found) == room else through
        items = [Item(event=one, body=events.body_of(one)) for one in found if one.type != rules.TEST]
        if not self._endpoint.ordered or not items:
            return items
        # Those behind one that waits in the database, and is not at hand, wait there with it.
        names = sorted({item.event.object_id for item in items})
        # What has arrived meanwhile, and is not written down yet, holds up nothing.
        over = [one.item.event.seq for one in self._ended if one.verdict.next_at is None]
        busy = await store_drives.busy(
            connection, book_id, self._endpoint.id, names, known=[*self._window.seqs(), *over]
        )
        behind = {name for name in names if UUID(hex=name[-32:]) in busy}
        self._dropped += [item for item in items if item.event.object_id in behind]
        return [item for item in items if item.event.object_id not in behind]
