"""Sending requests as callers do who must not do anything twice: the same key until there is an answer.

What every caller relies on is recorded here, to be checked afterwards: how often each request was sent, and
every final answer it got.
"""

import asyncio
import datetime as dt
import itertools
import random
import time
from collections import Counter
from typing import Any, Final

import msgspec

from caudal.simulation.http import Http, NoAnswer, Reply
from caudal.simulation.plans import Ask
from caudal_base.check import check

_PATIENCE_S: Final = 5.0
"""How long a caller waits for an answer before it asks again."""

_LONGEST_PAUSE_S: Final = 1.0

_NOT_FINAL: Final = frozenset({408, 425, 429})

_REPLAYED: Final = "idempotent-replayed"

_SHOWN: Final = 200
"""Bytes of an answer in a finding."""


class Asked(msgspec.Struct, kw_only=True):
    """A request of a run, and everything that was answered to it."""

    ask: Ask
    payment_id: str
    path: str
    body: bytes
    sent: int = 0
    first_sent_at: dt.datetime | None = None
    answers: list[Reply] = []
    """Final ones: a 2xx or a 4xx."""

    @property
    def answer(self) -> Reply | None:
        """The first final one."""
        return self.answers[0] if self.answers else None

    @property
    def accepted(self) -> bool:
        """Whether it was answered with a 2xx."""
        return bool(self.answers) and self.answers[0].status < 300


class Sender:
    """Sends for all callers of a run."""

    def __init__(self, http: Http, pauses: random.Random) -> None:
        """`pauses` spreads repeats in time; it decides nothing else."""
        self._http = http
        self._pauses = pauses
        self.asked: list[Asked] = []
        self.statuses: Counter[int] = Counter()
        """Of all answers, repeats included; 0 is none."""
        self.server_errors: list[str] = []
        """Answers of 500: bugs, unlike a 503."""

    def begin(self, ask: Ask, payment_id: str, path: str, body: bytes) -> Asked:
        """Note a request before it is sent."""
        asked = Asked(ask=ask, payment_id=payment_id, path=path, body=body, answers=[])
        self.asked.append(asked)
        return asked

    async def send(self, asked: Asked, *, give_up_after_s: float = 60.0) -> Reply | None:
        """Send in the request's manner until there is a final answer; None: there was none in time."""
        manner = asked.ask.manner
        deadline = time.monotonic() + give_up_after_s
        if manner.hang_up_after_s is not None:
            await self._once(asked, manner.hang_up_after_s)
            await asyncio.sleep(manner.back_after_s)
        await asyncio.gather(*(self._until_answered(asked, deadline) for _ in range(manner.copies)))
        return asked.answer

    async def repeat(self, asked: Asked) -> None:
        """Send it again at the end, until it is answered."""
        await self._until_answered(asked, time.monotonic() + 60.0)

    async def _until_answered(self, asked: Asked, deadline: float) -> None:
        pause = 0.02
        while time.monotonic() < deadline:
            if await self._once(asked, _PATIENCE_S):
                return
            await asyncio.sleep(pause * self._pauses.uniform(0.5, 1.5))
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    async def _once(self, asked: Asked, timeout_s: float) -> bool:
        """Send once; whether the answer was final."""
        asked.sent += 1
        asked.first_sent_at = asked.first_sent_at or dt.datetime.now(dt.UTC)
        headers = f"Idempotency-Key: {asked.ask.key}\r\nContent-Type: application/json\r\n"
        try:
            reply = await self._http.request(
                "POST", asked.path, asked.body, headers=headers, timeout_s=timeout_s
            )
        except NoAnswer:
            self.statuses[0] += 1
            return False
        self.statuses[reply.status] += 1
        if reply.status >= 500 or reply.status in _NOT_FINAL or "retry-after" in reply.headers:
            if reply.status == 500:
                self.server_errors.append(f"{asked.path}: {reply.body[:300].decode(errors='replace')}")
            return False
        check(reply.status >= 200, "an answer has a status")
        asked.answers.append(reply)
        return True


def differing(asked: Asked) -> list[str]:
    """How the answers to one request differ, which they must not: in status, in a byte of the body.

    Refusals of what could not even be read are not kept, so each names its own request: they have the same
    code.
    """
    kept = any(reply.status < 300 or _REPLAYED in reply.headers for reply in asked.answers)
    return [
        f"{asked.path} {asked.ask.key}: {_shown(first)}, then {_shown(other)}"
        for first, other in itertools.pairwise(asked.answers)
        if _essence(first, kept=kept) != _essence(other, kept=kept)
    ]


def _essence(reply: Reply, *, kept: bool) -> tuple[int, Any]:
    """What must be the same whenever the request is repeated."""
    return reply.status, reply.body if kept else msgspec.json.decode(reply.body)["code"]


def _shown(reply: Reply) -> str:
    return f"{reply.status} {reply.body[:_SHOWN].decode(errors='replace')}"
