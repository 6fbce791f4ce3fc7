"""Webhooks on their way: signed, sent, repeated until taken; and all that goes wrong with them on the way.

A delivery is one event for one partner's endpoint. It is tried until a 2xx, with growing pauses in real time.
What the endpoint's behaviour adds (copies, forgeries) is sent beside it and never repeated.
"""

import asyncio
import enum
import heapq
import itertools
import time
from collections import Counter
from collections.abc import Coroutine, Sequence
from typing import Final, Protocol

import msgspec

from caudal_sandbox.draws import Draw, Draws
from caudal_sandbox.faults import Milliseconds, Rate
from caudal_sandbox.messages import JSON
from caudal_sandbox.outbound import Client, Unreachable
from caudal_sandbox.store import Store, Table

AT_ONCE: Final = 16
"""Deliveries of one partner under way at a time."""

ATTEMPTS: Final = 25
FIRST_PAUSE_S: Final = 0.2
LAST_PAUSE_S: Final = 30.0

HELD_S: Final = 1.0
"""A delivery that others are to overtake waits for one to do so, and no longer than this."""

STALE_S: Final = 3_600


class Endpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a partner's events go, and how badly. All rates are 0 at first."""

    url: str | None = None
    """None: nothing is sent."""
    secrets: tuple[str, ...] = ()
    """Each signs; several while one replaces the other."""
    old_secrets: tuple[str, ...] = ()
    events: tuple[str, ...] | None = None
    """Types with `*` as wildcard; None is the partner's default."""
    duplicate: Rate = 0
    """Events that come twice."""
    delay: Rate = 0
    delay_ms_min: Milliseconds = 50
    delay_ms_max: Milliseconds = 500
    reorder: Rate = 0
    """Events that a later one overtakes."""
    forge: Rate = 0
    """Events beside which a forgery comes: another's signature, a changed body, or an old time."""
    old_secret: Rate = 0
    """Events whose first try is signed with the old secrets alone."""
    before_response: Rate = 0
    """Calls whose events arrive before the answer to the call."""


class Delivery(msgspec.Struct):
    """An event on its way."""

    id: str
    partner: str
    event_id: str
    type: str
    body: bytes
    tries: int = 0


class Signer(Protocol):
    """What the sender must know of a partner."""

    @property
    def name(self) -> str: ...

    @property
    def endpoint(self) -> Endpoint: ...

    @property
    def signs_time(self) -> bool: ...

    @property
    def acknowledgement(self) -> bytes: ...

    def seal(
        self, event_id: str, body: bytes, secrets: Sequence[str], at: int
    ) -> tuple[list[tuple[str, str]], bytes]:
        """The headers and the body that are sent, signed at the time `at`, in seconds since 1970."""
        ...

    def tampered(self, body: bytes) -> bytes:
        """A signed body that was changed on its way."""
        ...


class _Forgery(enum.Enum):
    OTHER_SECRET = 0
    CHANGED_BODY = 1
    OLD_TIME = 2


class _Lane:
    """The deliveries of one partner."""

    def __init__(self, signer: Signer) -> None:
        self.signer = signer
        self.due: list[tuple[float, int, Delivery]] = []
        self.held: list[Delivery] = []
        self.active = 0
        self.armed: asyncio.TimerHandle | None = None


class Sender:
    """Sends the events of all partners."""

    def __init__(self, store: Store, draws: Draws) -> None:
        self.counts: Counter[str] = Counter()
        self._waiting: Table[Delivery] = store.table("delivery", Delivery)
        self._store = store
        self._draws = draws
        self._client = Client()
        self._lanes: dict[str, _Lane] = {}
        self._order = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flying: set[str] = set()
        self._made = 0

    def add(self, signer: Signer) -> None:
        """Send the events of this partner too."""
        self._lanes[signer.name] = _Lane(signer)

    def send(
        self, partner: str, event_id: str, type: str, body: bytes, *, queue: bool = True
    ) -> Delivery | None:
        """Put an event on its way; without `queue` it waits for `now`. None: nobody listens."""
        lane = self._lanes[partner]
        endpoint = lane.signer.endpoint
        if endpoint.url is None:
            return None
        self._made += 1
        delivery = self._waiting.put(
            Delivery(id=f"{self._made}", partner=partner, event_id=event_id, type=type, body=body)
        )
        if not queue:
            return delivery
        draw = self._draws.of("webhook", partner, event_id)
        pause_s = (
            draw.between(endpoint.delay_ms_min, max(endpoint.delay_ms_min, endpoint.delay_ms_max)) / 1000
        )
        delayed, reordered = draw.happens(endpoint.delay), draw.happens(endpoint.reorder)
        if reordered:
            self.counts["held"] += 1
            lane.held.append(delivery)
            pause_s = HELD_S
        self._queue(lane, delivery, pause_s if delayed or reordered else 0.0)
        return delivery

    async def now(self, deliveries: Sequence[Delivery]) -> None:
        """Try these at once, and return when each has been tried."""
        await asyncio.gather(
            *(self._deliver(self._lanes[delivery.partner], delivery) for delivery in deliveries)
        )

    async def flush(self, *, within_s: float = 10.0) -> int:
        """Try everything that waits, whatever it waits for, until all is delivered; what is left by then."""
        deadline = time.monotonic() + within_s
        while len(self._waiting) and time.monotonic() < deadline:
            before = len(self._waiting)
            for lane in self._lanes.values():
                while lane.due:
                    _, _, delivery = heapq.heappop(lane.due)
                    if self._is_idle(delivery):
                        await self._deliver(lane, delivery)
            if self._tasks:
                await asyncio.wait(list(self._tasks), timeout=max(0.0, deadline - time.monotonic()))
            elif len(self._waiting) >= before:
                break
        self._store.flush()
        return len(self._waiting)

    @property
    def waiting(self) -> int:
        """Events that have not been taken yet."""
        return len(self._waiting)

    def reload(self) -> None:
        """Go on with what the store holds."""
        for lane in self._lanes.values():
            lane.due.clear()
            lane.held.clear()
        self._made = max((int(delivery.id) for delivery in self._waiting), default=self._made)
        for delivery in list(self._waiting):
            if delivery.partner in self._lanes:
                self._queue(self._lanes[delivery.partner], delivery, 0.0)

    async def close(self) -> None:
        """Break off what is under way; it waits for the next start."""
        for lane in self._lanes.values():
            if lane.armed is not None:
                lane.armed.cancel()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._client.close()

    def _queue(self, lane: _Lane, delivery: Delivery, pause_s: float) -> None:
        heapq.heappush(lane.due, (time.monotonic() + pause_s, next(self._order), delivery))
        self._pump(lane)

    def _pump(self, lane: _Lane) -> None:
        """Start what is due, as far as there is room; come again when the next one is."""
        if lane.armed is not None:
            lane.armed.cancel()
            lane.armed = None
        now = time.monotonic()
        while lane.due and lane.due[0][0] <= now and lane.active < AT_ONCE:
            _, _, delivery = heapq.heappop(lane.due)
            if self._is_idle(delivery):
                lane.active += 1
                self._start(self._run(lane, delivery))
        if lane.due and lane.active < AT_ONCE:
            wait_s = max(0.0, lane.due[0][0] - now)
            lane.armed = asyncio.get_running_loop().call_later(wait_s, self._pump, lane)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _is_idle(self, delivery: Delivery) -> bool:
        """Whether it still waits, and is not under way. What overtook others stands in the queue twice."""
        return self._waiting.get(delivery.id) is not None and delivery.id not in self._flying

    async def _run(self, lane: _Lane, delivery: Delivery) -> None:
        try:
            await self._deliver(lane, delivery)
        finally:
            lane.active -= 1
        self._pump(lane)

    async def _deliver(self, lane: _Lane, delivery: Delivery) -> None:
        """One try, with what comes beside it the first time."""
        self._flying.add(delivery.id)
        try:
            taken = await self._try(lane.signer, delivery)
        finally:
            self._flying.discard(delivery.id)
        if taken:
            self._waiting.remove(delivery.id)
            self.counts["delivered"] += 1
            held, lane.held = lane.held, []
            for overtaken in held:
                self._queue(lane, overtaken, 0.0)
        elif delivery.tries >= ATTEMPTS:
            self._waiting.remove(delivery.id)
            self.counts["given_up"] += 1
        else:
            self.counts["repeated"] += 1
            self._waiting.put(delivery)
            self._queue(lane, delivery, min(FIRST_PAUSE_S * 2 ** (delivery.tries - 1), LAST_PAUSE_S))
        self._store.flush()

    async def _try(self, signer: Signer, delivery: Delivery) -> bool:
        """Send it, and the first time what the endpoint's behaviour adds; whether it was taken."""
        endpoint = signer.endpoint
        delivery.tries += 1
        if delivery.tries > 1:
            return await self._post(signer, delivery, endpoint.secrets)
        draw = self._draws.of("try", delivery.partner, delivery.event_id)
        old_secret, twice, forged = (
            draw.happens(rate) for rate in (endpoint.old_secret, endpoint.duplicate, endpoint.forge)
        )
        if old_secret and endpoint.old_secrets:
            self.counts["old_secret"] += 1
            return await self._post(signer, delivery, endpoint.old_secrets)
        posts = [self._post(signer, delivery, endpoint.secrets)]
        if twice:
            self.counts["duplicated"] += 1
            posts.append(self._post(signer, delivery, endpoint.secrets))
        if forged:
            self.counts["forged"] += 1
            posts.insert(0, self._forge(signer, delivery, draw))
        return (await asyncio.gather(*posts))[1 if forged else 0]

    async def _forge(self, signer: Signer, delivery: Delivery, draw: Draw) -> bool:
        """Send what must be refused; count what was not."""
        kind = _Forgery(int(draw.between(0, len(_Forgery))))
        secrets, at = signer.endpoint.secrets, int(time.time())
        if kind is _Forgery.OTHER_SECRET or (kind is _Forgery.OLD_TIME and not signer.signs_time):
            secrets = ("whsec_" + draw.token(),)
        elif kind is _Forgery.OLD_TIME:
            at -= STALE_S
        headers, sent = signer.seal(delivery.event_id, delivery.body, secrets, at)
        if kind is _Forgery.CHANGED_BODY:
            sent = signer.tampered(sent)
        taken = await self._send(signer, headers, sent)
        if taken:
            self.counts["forgeries_taken"] += 1
        return taken

    async def _post(self, signer: Signer, delivery: Delivery, secrets: Sequence[str]) -> bool:
        headers, body = signer.seal(delivery.event_id, delivery.body, secrets, int(time.time()))
        return await self._send(signer, headers, body)

    async def _send(self, signer: Signer, headers: list[tuple[str, str]], body: bytes) -> bool:
        url = signer.endpoint.url
        if url is None:
            return False
        try:
            status, answer = await self._client.post(url, [("content-type", JSON), *headers], body)
        except Unreachable:
            self.counts["unreachable"] += 1
            return False
        self.counts[f"status_{status}"] += 1
        return 200 <= status < 300 and signer.acknowledgement in answer
