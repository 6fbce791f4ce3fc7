"""Sending a response whose body is made meanwhile, to callers who may be slow, or gone.

The server lets a body wait until the caller has taken what was sent before: so nothing piles up here. But
the body holds a database connection and a place (`caudal.api.places`), which others wait for. A caller who
takes nothing for a while, or has left, is given up, and the body with it.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, MutableMapping
from contextlib import aclosing
from typing import Any, Final, cast

from caudal.api.endpoint import Stream

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

PATIENCE_S: Final = 60.0
"""How long a caller may take to read a part of the body, of some 64 KiB."""


class CallerGone(Exception):
    """The caller has left, or reads nothing: the rest of the body is not made. Nobody is told."""


async def send_stream(
    stream: Stream,
    headers: Iterable[tuple[bytes, bytes]],
    receive: Receive,
    send: Send,
    *,
    patience_s: float = PATIENCE_S,
) -> None:
    """Send `stream`. Raises `CallerGone`: the connection must then be broken, as the body is not whole."""
    # All of them are made by generator functions; the type says what readers need.
    chunks = cast(AsyncGenerator[bytes, None], stream.chunks)
    leaving = asyncio.ensure_future(_left(receive))
    try:
        await send({"type": "http.response.start", "status": 200, "headers": list(headers)})
        async with aclosing(chunks):
            async for chunk in chunks:
                if leaving.done():
                    raise CallerGone("the caller has left")
                try:
                    async with asyncio.timeout(patience_s):
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
                except TimeoutError:
                    raise CallerGone(f"the caller has read nothing for {patience_s:.0f} s") from None
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    finally:
        leaving.cancel()


async def _left(receive: Receive) -> None:
    """Ends when the caller has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
