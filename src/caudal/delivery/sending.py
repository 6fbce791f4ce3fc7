"""One connection to an endpoint: POST after POST over HTTP/1.1, everything bounded, nothing followed.

The protocol is h11's. A connection goes to an address that was checked (`addresses`), with the name in SNI
and `Host`; it is used for a minute at most, then the name is asked for again.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Sequence
from typing import Final, cast

import h11
import msgspec

from caudal.delivery.addresses import Policy, Resolve, Target, checked, system_resolve
from caudal.delivery.errors import EndpointAddressRefused, EndpointUrlRefused
from caudal.delivery.rules import KEPT_RESPONSE_BYTES, Reply

MAX_HEADER_BYTES: Final = 16_384
MAX_RESPONSE_BYTES: Final = 65_536
"""Of an answer's body: after so many the connection is closed. Its status counts all the same."""

MAX_ADDRESSES: Final = 3
"""Of a name, tried one after the other."""

USER_AGENT: Final = "Caudal-Webhooks/1"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How long things may take, in seconds."""

    connect_s: float = 5.0
    """To resolve the name, connect and agree on TLS."""
    total_s: float = 15.0
    """An attempt as a whole: Standard Webhooks 1.0.0, "Request timeouts", wants 15 to 30."""
    reuse_s: float = 60.0
    """How long a connection is used."""


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """How endpoints are reached."""

    policy: Policy
    tls: ssl.SSLContext = msgspec.field(default_factory=ssl.create_default_context)
    resolve: Resolve = system_resolve
    limits: Limits = Limits()


class Connection:
    """At most one connection to one endpoint, opened when it is needed. For one POST at a time."""

    def __init__(self, network: Network, url: str) -> None:
        """Opens nothing. The URL is looked at as late as everything else: the rules may have changed."""
        self._network = network
        self._url = url
        self._target: Target | None = None
        self._exchange: _Exchange | None = None
        self._until = 0.0

    async def post(self, headers: Sequence[tuple[str, str]], body: bytes) -> Reply:
        """Send one webhook. Never raises for what the other side does: that is in the answer."""
        limits = self._network.limits
        try:
            async with asyncio.timeout(limits.total_s):
                return await self._post(headers, body)
        except TimeoutError:
            return self._failed("it did not answer in time")
        except (EndpointAddressRefused, EndpointUrlRefused) as error:
            return self._failed(f"{error.code}: {error.detail}")
        except ssl.SSLError as error:
            return self._failed(f"TLS: {error.reason or type(error).__name__}")
        except h11.RemoteProtocolError:
            return self._failed("it does not speak HTTP")
        except OSError as error:
            return self._failed(f"no connection: {error.strerror or type(error).__name__}")
        except asyncio.CancelledError:
            self.close()
            raise

    def close(self) -> None:
        """Close what is open."""
        if self._exchange is not None:
            self._exchange.close()
            self._exchange = None

    def _failed(self, why: str) -> Reply:
        self.close()
        return Reply(error=why)

    async def _post(self, headers: Sequence[tuple[str, str]], body: bytes) -> Reply:
        loop = asyncio.get_running_loop()
        exchange = self._exchange
        if exchange is not None and (exchange.spent or loop.time() > self._until):
            self.close()
            exchange = None
        reused = exchange is not None
        target = self._target or self._network.policy.target(self._url)
        self._target = target
        if exchange is None:
            exchange = await self._connected(target)
        request = h11.Request(
            method="POST",
            target=target.path,
            headers=[
                ("Host", target.authority),
                ("User-Agent", USER_AGENT),
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(body))),
                *headers,
            ],
        )
        try:
            return await exchange.post(request, body)
        except _ClosedBeforeAnswer:
            self.close()
            if not reused:
                return Reply(error="it closed the connection without an answer")
        # It had closed an idle connection as we wrote: the webhook's id makes a second sending harmless.
        exchange = await self._connected(target)
        try:
            return await exchange.post(request, body)
        except _ClosedBeforeAnswer:
            return self._failed("it closed the connection without an answer")

    async def _connected(self, target: Target) -> "_Exchange":
        loop, network = asyncio.get_running_loop(), self._network
        refused: OSError | None = None
        async with asyncio.timeout(network.limits.connect_s):
            for address in (await checked(target, network.policy, network.resolve))[:MAX_ADDRESSES]:
                try:
                    _, exchange = await loop.create_connection(
                        _Exchange,
                        address,
                        target.port,
                        ssl=network.tls if target.secure else None,
                        server_hostname=target.host if target.secure else None,
                    )
                except ssl.SSLError:
                    raise
                except OSError as error:
                    refused = error
                    continue
                self._exchange = exchange
                self._until = loop.time() + network.limits.reuse_s
                return exchange
        raise refused or OSError("the name has no address")


class _ClosedBeforeAnswer(Exception):
    """The connection ended and not a byte of an answer had come."""


class _Exchange(asyncio.Protocol):
    """An open connection."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEADER_BYTES)
        self._transport: asyncio.Transport | None = None
        self._answered: asyncio.Future[Reply] | None = None
        self._head: h11.Response | None = None
        self._kept = bytearray()
        self._length = 0
        self._heard = False
        self.spent = False
        """Whether it can be used no more."""

    async def post(self, request: h11.Request, body: bytes) -> Reply:
        """Raises `_ClosedBeforeAnswer`, `h11.RemoteProtocolError`."""
        if self._transport is None or self.spent:
            raise _ClosedBeforeAnswer
        self._answered = asyncio.get_running_loop().create_future()
        self._head, self._length, self._heard = None, 0, False
        self._kept.clear()
        head = self._http.send(request)
        content = self._http.send(h11.Data(data=body))
        self._http.send(h11.EndOfMessage())
        self._transport.write((head or b"") + (content or b""))
        try:
            return await self._answered
        finally:
            self._answered = None

    def close(self) -> None:
        self.spent = True
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._heard = True
        if self._answered is None or self._answered.done():
            # Nobody asked: whatever this is, it is not the answer to the next request.
            self.close()
            return
        try:
            self._http.receive_data(data)
            self._read()
        except h11.RemoteProtocolError as error:
            self._end(error)

    def eof_received(self) -> bool:
        if self._answered is not None and not self._answered.done() and self._heard:
            with contextlib.suppress(h11.RemoteProtocolError):
                self._http.receive_data(b"")
                self._read()
        self.spent = True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(_ClosedBeforeAnswer() if not self._heard else h11.RemoteProtocolError("cut short"))

    def _read(self) -> None:
        """Take in what has come."""
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return
            if isinstance(event, h11.Response):
                self._head = event
            elif isinstance(event, h11.Data):
                self._length += len(event.data)
                self._kept += event.data[: max(0, KEPT_RESPONSE_BYTES - len(self._kept))]
                if self._length > MAX_RESPONSE_BYTES:
                    self._answer()
                    self.close()
                    return
            elif isinstance(event, h11.EndOfMessage):
                self._answer()
                if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
                    self._http.start_next_cycle()
                else:
                    self.close()
                return
            elif isinstance(event, h11.ConnectionClosed):
                return

    def _answer(self) -> None:
        if self._answered is None or self._answered.done() or self._head is None:
            return
        after = next((value for name, value in self._head.headers if name == b"retry-after"), None)
        self._answered.set_result(
            Reply(
                status=self._head.status_code,
                retry_after=None if after is None else after.decode("latin-1")[:100],
                body=bytes(self._kept),
            )
        )

    def _end(self, error: Exception) -> None:
        self.close()
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(error)
