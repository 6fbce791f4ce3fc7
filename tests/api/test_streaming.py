"""An export ends when its caller has left, or reads nothing: its place and connection are others' then."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from caudal.api.endpoint import Stream
from caudal.api.streaming import CallerGone, send_stream


class Caller:
    """Takes the parts of a body, until it is told to stop or to leave."""

    def __init__(self) -> None:
        self.taken = b""
        self.whole = False
        self.reads = asyncio.Event()
        self.reads.set()
        self.left = asyncio.Event()
        self.made = 0
        self.closed = False

    async def receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await self.reads.wait()
        self.taken += message.get("body", b"")
        self.whole = message.get("more_body") is False

    async def parts(self, *, leave_after: int = 10, stop_after: int = 10) -> AsyncIterator[bytes]:
        try:
            for number in range(5):
                if number == stop_after:
                    self.reads.clear()
                if number == leave_after:
                    self.left.set()
                    await asyncio.sleep(0)
                self.made += 1
                yield b"%d" % number
        finally:
            self.closed = True


async def send_to(caller: Caller, **when: int) -> None:
    stream = Stream("text/plain", caller.parts(**when))
    await send_stream(stream, [], caller.receive, caller.send, patience_s=0.05)


async def test_a_caller_who_reads_gets_all_of_it() -> None:
    caller = Caller()
    await send_to(caller)
    assert (caller.taken, caller.whole, caller.closed) == (b"01234", True, True)


async def test_for_a_caller_who_has_left_no_more_is_made() -> None:
    caller = Caller()
    with pytest.raises(CallerGone, match="has left"):
        await send_to(caller, leave_after=2)
    assert (caller.taken, caller.whole, caller.closed, caller.made) == (b"01", False, True, 3)


async def test_a_caller_who_reads_nothing_any_more_is_given_up() -> None:
    caller = Caller()
    with pytest.raises(CallerGone, match="read nothing"):
        await send_to(caller, stop_after=2)
    assert (caller.taken, caller.whole, caller.closed, caller.made) == (b"01", False, True, 3)
