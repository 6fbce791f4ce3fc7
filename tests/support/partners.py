"""A connector at the partner's edge that answers what a test tells it to."""

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from caudal.connectors import (
    Answer,
    Call,
    Capabilities,
    Direction,
    Drift,
    ErrorClass,
    Found,
    Inbound,
    Method,
    Operation,
    PartnerError,
    Refused,
    Reported,
    Settlement,
    Snapshot,
    Status,
    Subject,
)
from caudal_base.settings import PartnerSettings

CALL = Call(
    attempt_id="att_1",
    payment_id="pay_1",
    operation=Operation.SUBMIT,
    direction=Direction.PAY_IN,
    method=Method.CARD,
    amount=1000,
    currency="EUR",
)
DONE = Reported(
    Snapshot(subject=Subject.PAYMENT, partner_id="p1", status=Status.SUCCEEDED, amount=1000, currency="EUR")
)
NO = Refused(PartnerError(code="no", class_=ErrorClass.HARD_DECLINE))


class Scripted:
    """A connector at the edge that answers what the test says."""

    name = "acme"
    capabilities = Capabilities(
        supported=(), key_lifetime=dt.timedelta(days=1), search_horizon=dt.timedelta(minutes=1)
    )

    def __init__(self) -> None:
        self.calls = 0
        self.answer: Callable[[], Awaitable[Any]] = self._done

    async def _done(self) -> Answer:
        return DONE

    async def call(self, call: Call) -> Answer:
        self.calls += 1
        return await self.answer()

    async def query(self, call: Call) -> Found:
        self.calls += 1
        return await self.answer()

    async def fetch(self, partner_id: str, direction: Direction) -> Found:
        self.calls += 1
        return await self.answer()

    def verify(self, headers: Mapping[str, str], body: bytes, *, now: dt.datetime) -> Sequence[Inbound]:
        return [Inbound(event_id="e", type="t", created_at=now, body=body)]

    def parse(self, inbound: Inbound) -> Sequence[Snapshot]:
        return [DONE.snapshot]

    async def settlements(self, since: dt.datetime) -> AsyncIterator[Settlement]:
        for number in range(2):
            yield Settlement(
                partner_id=f"po_{number}", amount=0, currency="EUR", arrived=True, arrived_at=since, lines=()
            )

    async def close(self) -> None:
        self.calls = -1

    def answers(self, answer: Answer | Found | Exception) -> None:
        async def give() -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

        self.answer = give


def make(name: str, settings: PartnerSettings, drift: Drift) -> Scripted:
    if settings.url is None:
        raise ValueError("url is needed")
    connector = Scripted()
    connector.name = name
    return connector
