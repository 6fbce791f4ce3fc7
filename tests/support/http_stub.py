"""An HTTP server at a partner's edge that answers what a test tells it to, byte by byte if need be."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    params: dict[str, str]
    """Of the query and of a form."""


@dataclass
class Reply:
    """What to answer with. `raw` goes out as it is; `drop` closes without a word; `hang` never answers."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    drop: bool = False
    hang: bool = False

    def encoded(self) -> bytes:
        """The answer's bytes."""
        if self.raw is not None:
            return self.raw
        body = json.dumps(self.body).encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **self.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {self.status} Said\r\n{lines}\r\n".encode() + body


class Stub:
    """Answers with `replies` in turn, and then with the last of them for ever."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.asked: list[Asked] = []
        self.url = ""
        self.connections = 0
        self._open: set[asyncio.StreamWriter] = set()

    def replies_with(self, *replies: Reply) -> None:
        """What the next requests are answered with."""
        self.replies = list(replies)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.asked.append(await _read(head, reader))
                reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
                if reply.drop:
                    return
                if reply.hang:
                    await reader.read()
                    return
                writer.write(reply.encoded())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self._open.discard(writer)
            writer.close()


async def _read(head: str, reader: asyncio.StreamReader) -> Asked:
    first, *lines = head.splitlines()
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
    body = (await reader.readexactly(int(headers.get("content-length", "0")))).decode()
    parts = urlsplit(target)
    return Asked(method, parts.path, headers, dict(parse_qsl(parts.query) + parse_qsl(body)))


@asynccontextmanager
async def http_stub() -> AsyncIterator[Stub]:
    """A stub that listens on a port of its own."""
    stub = Stub()
    server = await asyncio.start_server(stub._serve, "127.0.0.1", 0)
    stub.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield stub
    finally:
        server.close()
        for writer in list(stub._open):
            writer.close()
        await server.wait_closed()
