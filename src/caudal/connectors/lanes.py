"""HTTP to one partner: httpx transports with one connection each, kept in a stack.

httpx's own pool looks at every connection whenever a request begins or ends, with a system call each: at
16 calls at once that is two thirds of a call's cost (3.0 against 1.2 ms of CPU with Stripe's SDK). How many
calls are under way is bounded by the partner's guard, so a stack of free connections is all that is needed.
"""

import datetime as dt
import functools
import ssl
from collections import deque
from typing import Final

import httpx

from caudal.connectors.skew import listener

MOST_BYTES: Final = 16 * 1024 * 1024
"""Of an answer; a page of a hundred expanded balance transactions has less than one."""

CONNECT_TIMEOUT_S: Final = 3.0
"""A connection that takes longer has not come about: the call was certainly not sent."""

IDLE_S: Final = 30.0
"""A connection unused for so long is not used again: the other side may be closing it."""


class Lanes:
    """Connections to a partner, as many as were ever in use at once.

    They never retry, never redirect, and go straight to the partner: proxies of the environment are not used.
    """

    def __init__(self, timeout: dt.timedelta) -> None:
        """`timeout` bounds sending and each wait for more of an answer; connecting has a shorter one."""
        seconds = timeout.total_seconds()
        connect = min(CONNECT_TIMEOUT_S, seconds / 2)
        # The pool's is for the lane's own connection, which nobody else uses.
        self._timeout = {"connect": connect, "read": seconds, "write": seconds, "pool": seconds}
        self._tls = _trusted()
        self._free: deque[httpx.AsyncHTTPTransport] = deque()
        self._closed = False

    async def send(
        self, method: str, url: str, *, headers: dict[str, str], content: bytes = b""
    ) -> tuple[int, httpx.Headers, bytes]:
        """Status, headers and body of the answer.

        Raises `httpx.ConnectError` or `httpx.ConnectTimeout` where certainly nothing was sent, and other
        `httpx.TransportError`s where it may have been.
        """
        request = httpx.Request(
            method, url, headers=headers, content=content, extensions={"timeout": self._timeout}
        )
        lane = self._free.pop() if self._free else self._lane()
        whole = False
        skew = listener()
        asked = None if skew is None else skew.asked()
        try:
            response = await lane.handle_async_request(request)
            if skew is not None and asked is not None:
                skew.heard(response.headers.get("date", ""), asked)
            try:
                body = await _bounded(response)
            finally:
                await response.aclose()
            whole = True
        finally:
            # A call that is cancelled at some moments leaves httpx waiting for its connection for ever. The
            # lane used last is the first to be used again: with few calls the partner would never be reached
            # again. So only what has given a whole answer goes back.
            if whole and not self._closed:
                self._free.append(lane)
            else:
                await lane.aclose()
        return response.status_code, response.headers, body

    async def close(self) -> None:
        """Close the connections that are free; those in use are closed as they come back."""
        self._closed = True
        while self._free:
            await self._free.pop().aclose()

    def _lane(self) -> httpx.AsyncHTTPTransport:
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=IDLE_S)
        return httpx.AsyncHTTPTransport(verify=self._tls, limits=limits)


@functools.cache
def _trusted() -> ssl.SSLContext:
    """The machine's trusted authorities, read once: it takes some 20 ms."""
    return httpx.create_ssl_context()


async def _bounded(response: httpx.Response) -> bytes:
    parts, size = [], 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > MOST_BYTES:
            raise httpx.RemoteProtocolError(f"an answer of more than {MOST_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)
