"""Connections to partners, whatever becomes of the calls on them."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator

import httpx
import pytest

from caudal.connectors.lanes import Lanes

STEPS = 60
"""Of the event loop: more than a call on this machine takes from its beginning to its answer."""


class Answering:
    """A server that answers every request, and counts its connections."""

    def __init__(self) -> None:
        self.connections = 0
        self.url = ""
        self.broken = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                body = b"{" if self.broken else b"{}"
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n" + body)
                await writer.drain()
                if self.broken:
                    break
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Answering]:
    answering = Answering()
    listening = await asyncio.start_server(answering.serve, "127.0.0.1", 0)
    answering.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
    yield answering
    listening.close()


@pytest.fixture
async def lanes() -> AsyncIterator[Lanes]:
    made = Lanes(dt.timedelta(seconds=2))
    yield made
    await made.close()


async def get(lanes: Lanes, server: Answering) -> bytes:
    status, _, body = await lanes.send("GET", server.url, headers={"host": "partner"})
    assert status == 200
    return body


async def test_calls_one_after_the_other_share_a_connection(lanes: Lanes, server: Answering) -> None:
    for _ in range(3):
        assert await get(lanes, server) == b"{}"

    assert server.connections == 1


async def test_a_call_that_broke_off_leaves_no_connection_behind(lanes: Lanes, server: Answering) -> None:
    server.broken = True
    with pytest.raises(httpx.RemoteProtocolError):
        await get(lanes, server)
    server.broken = False

    assert await get(lanes, server) == b"{}"
    assert server.connections == 2


@pytest.mark.parametrize("warm", [False, True])
async def test_at_whatever_step_a_call_is_cancelled_the_next_one_is_answered(
    server: Answering, warm: bool
) -> None:
    for steps in range(STEPS):
        lanes = Lanes(dt.timedelta(seconds=2))
        if warm:
            await get(lanes, server)
        call = asyncio.create_task(get(lanes, server))
        for _ in range(steps):
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait({call})

        assert await get(lanes, server) == b"{}"
        await lanes.close()
