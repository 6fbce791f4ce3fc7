"""From ASGI to a handler and back: the same steps, in the same order, for every endpoint.

A request that is wrong in several ways always gets the error of the first of these: credential, rate, book,
scope, size, content type, query, idempotency key, body. What the ledger then refuses has an order of its own
(`caudal.ledger.refusals`).
"""

import re
import time
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, Final

import psycopg
import structlog

from caudal import access, idempotency
from caudal.access import DEPLOYMENT
from caudal.api.endpoint import RAW_BYTES, Access, Endpoint, KeyUse, NoBody, Stream
from caudal.api.objective_routes import promised
from caudal.api.parameters import QueryDecoder
from caudal.api.problems import Incomplete, RepeatedHeader, problem
from caudal.api.rates import HEADER as RATE_HEADER
from caudal.api.rates import RateLimited
from caudal.api.request import Headers, Request
from caudal.api.services import Services
from caudal.api.streaming import CallerGone, Receive, Send, send_stream
from caudal.idempotency import Answer, Claim
from caudal_base import telemetry
from caudal_base.database import translate
from caudal_base.errors import CaudalError, InvariantError, PayloadTooLarge
from caudal_base.strictjson import StrictDecoder, require_json

Scope = MutableMapping[str, Any]

MAX_DEPTH: Final = 16

_SINGLE: Final = (
    b"authorization", b"caudal-book", b"content-type", b"content-length", b"idempotency-key", b"request-id",
    b"x-request-id",
)  # fmt: skip

SECURITY: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=31536000"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)
_CLOSED: Final = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
"""Where a response says nothing else of its own."""

_REPLAYED: Final = (b"idempotent-replayed", b"true")
_LAST: Final = (b"connection", b"close")
"""The process takes leave: what comes next on this connection would find nobody."""

_PAYMENT: Final = re.compile(r"pay_(?!0{32})[0-9a-f]{32}", re.ASCII)
_MAKE_PAYMENTS: Final = frozenset({"/v1/payments", "/v1/payouts"})

log = structlog.get_logger("caudal.api")


class Route:
    """Serves one endpoint."""

    def __init__(self, endpoint: Endpoint[Any, Any], services: Services) -> None:
        """Prepare the decoders: making one walks its type."""
        self.endpoint = endpoint
        self._services = services
        self._body = StrictDecoder[Any](endpoint.body, max_bytes=services.max_body_bytes, max_depth=MAX_DEPTH)
        self._query = QueryDecoder[Any](endpoint.query)
        self._body_is_optional = endpoint.body_is_optional
        # Bound once: binding the module's logger for each request takes 8 µs.
        self._log_to = log.bind(method=endpoint.method, route=endpoint.path)
        self._observe = services.metrics.route(endpoint.method, endpoint.path)
        self._promise = promised(endpoint, services.meter)
        self._waits = endpoint.waits and endpoint.method == "GET" and endpoint.access is not Access.PUBLIC
        self._unlogged = 0
        self._shed_logged_at = -1.0

    async def serve(self, scope: Scope, receive: Receive, send: Send, path_ids: Mapping[str, str]) -> None:
        """Answer one request, whatever happens."""
        started = time.perf_counter()
        raw = scope["headers"]
        headers = dict(raw)
        request: Request[Any, Any] = Request(self._services, headers, path_ids)
        request_id = request.request_id
        try:
            try:
                if len(headers) != len(raw):
                    _refuse_repeated(raw)
                answer = await self._answer(request, scope, receive)
            except CaudalError as error:
                answer = self._failed(error, request_id)
            except psycopg.Error as error:
                answer = self._failed(translate(error), request_id, cause=error)
            except Exception as error:  # the edge: the caller gets a 500, and the log the reason
                unforeseen = InvariantError("something unforeseen happened")
                answer = self._failed(unforeseen, request_id, cause=error)
            more = self._told_with(request, scope)
            if isinstance(answer, Stream):
                status = 200
                await self._send_stream(answer, request_id, receive, send, more)
            else:
                status = answer.status
                # It is made: who is slow to read it keeps nobody from the database.
                request.leave_place()
                await send_answer(answer, request_id, send, more)
        finally:
            request.leave_place()
        seconds = time.perf_counter() - started
        self._observe(status, seconds)
        if request.replayed:
            self._services.metrics.replays.inc()
        if self._promise is not None:
            self._promise(request.book_id, status, seconds)
        self._log(request, status, seconds)
        if telemetry.is_on():
            location = None if isinstance(answer, Stream) else dict(answer.headers).get("Location")
            self._trace(request, status, seconds, location)

    async def _send_stream(
        self,
        stream: Stream,
        request_id: str,
        receive: Receive,
        send: Send,
        more: Iterable[tuple[bytes, bytes]],
    ) -> None:
        headers = [
            (b"content-type", stream.content_type.encode("latin-1")),
            (b"x-request-id", request_id.encode("ascii")),
            *SECURITY,
            *_CLOSED,
            *more,
        ]
        try:
            await send_stream(stream, headers, receive, send)
        except CallerGone as gone:
            self._log_to.info("stream_given_up", request_id=request_id, reason=str(gone))
            raise

    def _told_with(self, request: Request[Any, Any], scope: Scope) -> list[tuple[bytes, bytes]]:
        """Headers that belong to this time alone, and not to the answer."""
        more = [] if request.rate is None else [(RATE_HEADER, request.rate)]
        if request.replayed:
            more.append(_REPLAYED)
        if self._services.shared.stopping and scope.get("http_version", "1.1")[0] == "1":
            more.append(_LAST)
        return more

    def _trace(self, request: Request[Any, Any], status: int, seconds: float, location: str | None) -> None:
        """The request's span, in the trace of the payment that it is about."""
        payment = _PAYMENT.search(location or "") or _PAYMENT.search("/".join(request.ids.values()))
        telemetry.record(
            f"{self.endpoint.method} {self.endpoint.path}",
            {
                "http.request.method": self.endpoint.method,
                "http.route": self.endpoint.path,
                "http.response.status_code": status,
                "caudal.book": request.book_id,
                "caudal.replayed": request.replayed,
            },
            seconds=seconds,
            payment_id=None if payment is None else payment[0],
            first=status == 201 and not request.replayed and self.endpoint.path in _MAKE_PAYMENTS,
            traceparent=_text(request.headers.get(b"traceparent")),
        )

    async def _answer(self, request: Request[Any, Any], scope: Scope, receive: Receive) -> Answer | Stream:
        endpoint, headers = self.endpoint, request.headers
        client = scope.get("client")
        request.origin = client[0] if client else None
        if endpoint.access is not Access.PUBLIC:
            await self._authorize(request)
        if endpoint.admit is not None:
            endpoint.admit(request)
        if self._waits:
            await request.take_place(self._services.room.ordinary)
        if endpoint.raw:
            limit = min(RAW_BYTES, self._services.max_body_bytes)
            request.raw = await read_body(headers, receive, limit)
            return await endpoint.handle(request)
        raw = (
            b""
            if endpoint.method == "GET"
            else await read_body(headers, receive, self._services.max_body_bytes)
        )
        content_type = headers.get(b"content-type")
        if content_type != b"application/json" and (raw or not self._body_is_optional):
            require_json(_text(content_type))
        query: bytes = scope["query_string"]
        request.query = self._query.decode(query)
        if endpoint.key is not KeyUse.NONE:
            self._claim(request, scope, query, raw)
        if endpoint.body is not NoBody or raw:
            request.body = self._body.decode(raw or (b"{}" if self._body_is_optional else b""))
        return await endpoint.handle(request)

    async def _authorize(self, request: Request[Any, Any]) -> None:
        services, endpoint, headers = self._services, self.endpoint, request.headers
        principal = await services.authenticator.authenticate(
            access.bearer(_text(headers.get(b"authorization"))),
            request_id=request.request_id,
            origin=request.origin,
        )
        request.principal = principal
        request.rate = services.rates.take(principal)
        if endpoint.access is Access.BOOK:
            request.book_id = await self._book(request)
            if endpoint.scope is not None:
                access.require(principal, endpoint.scope, request.book_id)
        elif endpoint.scope is not None:
            access.require_scope(principal, endpoint.scope)

    async def _book(self, request: Request[Any, Any]) -> int:
        """The number of the request's book: the key's only one, or the one that the header names."""
        named = request.headers.get(b"caudal-book")
        if named is None:
            return access.choose_book(request.principal, None)
        return access.choose_book(request.principal, await number_of(self._services, request, _text(named)))

    def _claim(self, request: Request[Any, Any], scope: Scope, query: bytes, raw: bytes) -> None:
        key = request.headers.get(b"idempotency-key")
        if key is None and self.endpoint.key is KeyUse.ACCEPTED:
            return
        text = idempotency.parse_key(_text(key))
        if getattr(request.query, "dry_run", False):
            return  # nothing is done, so nothing is to be remembered
        path = scope["path"] if not query else f"{scope['path']}?{query.decode('ascii', 'replace')}"
        request.claim = Claim(
            request.principal.id, text, idempotency.fingerprint(self.endpoint.method, path, raw)
        )

    def _failed(self, error: CaudalError, request_id: str, cause: Exception | None = None) -> Answer:
        self._services.metrics.failed(error.code)
        if error.status == 503:
            reason = cause or error.__cause__
            if reason is None:
                self._shed(error)
            else:
                self._log_to.warning(
                    "request_not_served", request_id=request_id, reason=type(reason).__name__
                )
        elif error.status >= 500:
            self._log_to.error(
                "request_failed",
                request_id=request_id,
                code=error.code,
                exc_info=cause or error,
            )
        answer = problem(error, request_id)
        if isinstance(error, RateLimited):
            return Answer(answer.status, (*answer.headers, *error.headers), answer.body)
        return answer

    def _shed(self, error: CaudalError) -> None:
        """Log that requests are turned away: once a second, since a line for each would cost more than it."""
        self._unlogged += 1
        now = time.monotonic()
        if now >= self._shed_logged_at + 1.0:
            self._log_to.warning("requests_shed", count=self._unlogged, reason=error.detail)
            self._shed_logged_at, self._unlogged = now, 0

    def _log(self, request: Request[Any, Any], status: int, seconds: float) -> None:
        # A line costs 40 µs of the 100 that a transfer may take: what went well is told at DEBUG only, and
        # what was shed for all together.
        write = self._log_to.debug if status < 400 or status == 503 else self._log_to.info
        write(
            "request",
            status=status,
            ms=round(seconds * 1000, 2),
            request_id=request.request_id,
            book=request.book_id or None,
            replayed=request.replayed or None,
        )


async def number_of(services: Services, request: Request[Any, Any], name: str | None) -> int:
    """The number of the book that a caller names by id or name.

    A caller that is bound to certain books does not learn whether others exist.
    """
    async with services.database.connection() as connection:
        try:
            return (await services.books.require(connection, name or "")).book_id
        except CaudalError:
            if request.principal.books is not None:
                access.choose_book(request.principal, DEPLOYMENT)
            raise


async def read_body(headers: Headers, receive: Receive, limit: int) -> bytes:
    """The whole body. Raises `PayloadTooLarge` as soon as it is known to be."""
    length = headers.get(b"content-length")
    if length is not None and length.isdigit() and int(length) > limit:
        raise PayloadTooLarge(f"a body has at most {limit} bytes")
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Incomplete("the connection ended before the body did")
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise PayloadTooLarge(f"a body has at most {limit} bytes")
        if not message.get("more_body", False):
            return b"".join((*parts, part)) if parts else part
        parts.append(part)


async def send_answer(
    answer: Answer, request_id: str, send: Send, more: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """Send a response that is complete; `more` are headers that belong to this time alone."""
    headers = [
        (b"content-length", b"%d" % len(answer.body)),
        (b"x-request-id", request_id.encode("ascii")),
        *SECURITY,
        *more,
    ]
    own = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    headers += own
    if len(own) < 3 or not any(name == b"cache-control" for name, _ in own):
        headers += _CLOSED
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


def _refuse_repeated(raw: Any) -> None:
    seen = set()
    for name, _ in raw:
        if name in _SINGLE and name in seen:
            raise RepeatedHeader("this header may stand once", field=name.decode("ascii"))
        seen.add(name)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")
