"""Calls to a partner that mostly go wrong, and what is certain of them afterwards."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from caudal.connectors import Call, NotFound, NotSent, Refused, Reported, Status, Unknown

FAULTS: dict[str, Any] = {
    "rate_limited": 0.1,
    "unavailable": 0.1,
    "error_before": 0.1,
    "error_after": 0.1,
    "drop_before": 0.1,
    "drop_after": 0.1,
    "delay_before": 0.1,
    "delay_after": 0.1,
    "delay_ms_min": 1,
    "delay_ms_max": 60,
    "retry_after_s": 0,
    "search_lag_s": 60,
}
"""Half of all calls go wrong, and some of those that do not come after the connector has given up."""


class Caller(Protocol):
    """A connector, as far as it is called here."""

    async def call(self, call: Call, /) -> Any: ...

    async def query(self, call: Call, /) -> Any: ...


async def certainty(connector: Caller, call: Call) -> Any:
    """What a query finds once it can: a query may go wrong as any call may."""
    for _ in range(50):
        found = await connector.query(call)
        if not isinstance(found, Unknown):
            return found
    raise AssertionError("50 queries in a row went wrong")


async def some_at_a_time(
    calls: Sequence[Call], ask: Callable[[Call], Awaitable[Any]], *, at_once: int
) -> list[Any]:
    """What `ask` gives for each call, so many together."""
    given: list[Any] = []
    for at in range(0, len(calls), at_once):
        given += await asyncio.gather(*(ask(call) for call in calls[at : at + at_once]))
    return given


async def until_quiet(partner: Any) -> None:
    """Wait for the calls that the connector has given up on and the partner is still working on."""
    while any(not kept.answered for kept in partner._keys._kept):
        await asyncio.sleep(0.001)


def require_no_more_than_happened(
    calls: Sequence[Call], answers: Sequence[Any], found: Sequence[Any], effects: Mapping[str, int]
) -> None:
    """What was answered and what a query found say of each call what the partner's own book says.

    `effects` are its movements by attempt. A call that was refused or not sent is not known there.
    """
    assert {type(answer) for answer in answers} == {Reported, Refused, NotSent, Unknown}
    assert set(effects) <= {call.attempt_id for call in calls}
    for call, answer, known in zip(calls, answers, found, strict=True):
        moved = effects.get(call.attempt_id, 0)
        assert moved == (isinstance(known, Reported) and known.snapshot.status is Status.SUCCEEDED)
        if isinstance(answer, Reported):
            assert known == answer
        if isinstance(answer, Refused | NotSent):
            assert known == NotFound()
