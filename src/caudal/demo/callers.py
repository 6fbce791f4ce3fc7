"""The callers of the day: they come when they come, whether or not those before them have been answered.

So a server that falls behind is not spared, and a latency counts from the moment when a request was due. Who
is turned away waits as long as the answer says, and comes again with the same key.
"""

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from caudal.demo.traffic import Again, Order
from caudal.simulation import Action, Ask, Asked, Http, Manner, NoAnswer, Reply

PATH: Final = "/v1/payments"

_TIMEOUT_S: Final = 10.0
_GIVE_UP_AFTER_S: Final = 90.0
_LATER_S: Final = (0.2, 1.5)
_LONGEST_WAIT_S: Final = 5.0
_SHED: Final = frozenset({429, 503})
_REPLAYED: Final = "idempotent-replayed"
_RECENT_S: Final = 3.0
"""The latencies of so many last seconds are those that are shown."""


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One payment that was asked for, and how it went."""

    payment_id: str
    due: float
    seconds: float
    """Until its final answer."""
    status: int
    """Of that; 0: there was none."""
    shed: int
    """How often it was turned away before."""


class Callers:
    """Sends the orders of a day, and remembers every answer."""

    def __init__(self, http: Http, pauses: random.Random) -> None:
        """`pauses` spreads repeats in time; it decides nothing else."""
        self._http = http
        self._pauses = pauses
        self._tasks: set[asyncio.Task[None]] = set()
        self._recent: deque[tuple[float, float]] = deque()
        self.began = time.monotonic()
        """The opening."""
        self.asked: list[Asked] = []
        self.samples: list[Sample] = []
        self.offered = 0
        self.accepted = 0
        self.repeated = 0
        self.replayed = 0
        self.refused_again: Counter[str] = Counter()
        """Of repeats for something else, by the code of the refusal."""
        self.shed_answers = 0
        self.shed_requests = 0
        self.shed_without_retry_after = 0
        self.unanswered = 0
        self.wrongly_accepted: list[str] = []
        self.server_errors: list[str] = []

    @property
    def second(self) -> float:
        """Since the opening."""
        return time.monotonic() - self.began

    async def run(self, orders: Sequence[Order]) -> None:
        """Send each when it is due. Ends when the last was sent: `finish` waits for the answers."""
        for order in orders:
            await asyncio.sleep(max(0.0, order.due - self.second))
            self.offered += 1
            self._start(self._carry_out(order))

    async def finish(self) -> None:
        """Wait until every request has been answered, or its caller has given up."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def send(self, order: Order) -> Asked:
        """Send one until it is answered, besides all others."""
        asked = self._begin(order)
        await self._until_answered(asked)
        return asked

    def latencies(self) -> list[float]:
        """Of the requests that were answered in the last seconds, sorted."""
        while self._recent and self._recent[0][0] < self.second - _RECENT_S:
            self._recent.popleft()
        return sorted(seconds for _, seconds in self._recent)

    def _start(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _begin(self, order: Order) -> Asked:
        ask = Ask(action=Action.CREATE, key=order.key, body=order.body, manner=Manner())
        body = msgspec.json.encode(order.body)
        asked = Asked(ask=ask, payment_id=order.payment_id, path=PATH, body=body, answers=[])
        self.asked.append(asked)
        return asked

    async def _carry_out(self, order: Order) -> None:
        asked = self._begin(order)
        if order.again is Again.TOGETHER:
            self._start(self._repeat(asked))
        shed = await self._until_answered(asked)
        seconds = self.second - order.due
        status = asked.answer.status if asked.answer is not None else 0
        self.samples.append(Sample(order.payment_id, order.due, seconds, status, shed))
        self._recent.append((self.second, seconds))
        self.accepted += status == 201
        self.shed_requests += shed > 0
        if order.again in (Again.LATER, Again.OTHER_BODY, Again.OTHER_KEY) and asked.accepted:
            await asyncio.sleep(self._pauses.uniform(*_LATER_S))
            await (self._repeat(asked) if order.again is Again.LATER else self._misuse(order))

    async def _repeat(self, asked: Asked) -> None:
        self.repeated += 1
        await self._until_answered(asked)

    async def _misuse(self, order: Order) -> None:
        """Ask for another amount under the same key, or under the same id: neither may be done."""
        self.repeated += 1
        key = order.key if order.again is Again.OTHER_BODY else f"{order.key}-again"
        body = msgspec.json.encode({**order.body, "amount": order.body["amount"] + 1})
        other = Asked(ask=Ask(action=Action.CREATE, key=key, body={}, manner=Manner()),
                      payment_id=order.payment_id, path=PATH, body=body, answers=[])  # fmt: skip
        await self._until_answered(other)
        if other.accepted:
            self.wrongly_accepted.append(f"{order.payment_id} once more, {order.again.value}")
        elif other.answer is not None:
            self.refused_again[str(msgspec.json.decode(other.answer.body)["code"])] += 1

    async def _until_answered(self, asked: Asked) -> int:
        """Send until there is a final answer; how often it was turned away before."""
        shed = 0
        deadline = time.monotonic() + _GIVE_UP_AFTER_S
        while time.monotonic() < deadline:
            asked.sent += 1
            headers = f"Idempotency-Key: {asked.ask.key}\r\nContent-Type: application/json\r\n"
            try:
                reply = await self._http.request(
                    "POST", asked.path, asked.body, headers=headers, timeout_s=_TIMEOUT_S
                )
            except NoAnswer:
                self.unanswered += 1
                await asyncio.sleep(self._pauses.uniform(0.1, 0.5))
                continue
            if reply.status in _SHED:
                shed += 1
                await asyncio.sleep(self._wait(reply))
            elif reply.status >= 500:
                self.server_errors.append(f"{asked.ask.key}: {reply.body[:300].decode(errors='replace')}")
                await asyncio.sleep(1.0)
            else:
                self.replayed += _REPLAYED in reply.headers and reply.status < 300
                asked.answers.append(reply)
                break
        return shed

    def _wait(self, reply: Reply) -> float:
        """How long who was turned away stays away."""
        self.shed_answers += 1
        said = reply.headers.get("retry-after")
        self.shed_without_retry_after += said is None
        return min(float(said or 1), _LONGEST_WAIT_S) * self._pauses.uniform(1.0, 1.5)
