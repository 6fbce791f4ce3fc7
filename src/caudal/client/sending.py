"""From a call to its answer: the same bytes under the same key, until there is one or the bounds are met."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Final, TypeVar, cast
from urllib.parse import quote

import httpx
import msgspec

from caudal.client.errors import (
    CaudalError,
    InvalidRequest,
    OutcomeUnknown,
    Refused,
    TooManyRequests,
    Unavailable,
    UnexpectedAnswer,
    error_of,
)
from caudal.client.retry import SAY_NOTHING_OF_EARLIER, Retry

T = TypeVar("T")

Sleep = Callable[[float], Awaitable[object]]

log = logging.getLogger("caudal.client")

_encoder: Final = msgspec.json.Encoder()
_decoders: Final[dict[Any, msgspec.json.Decoder[Any]]] = {}


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent, alike at every attempt."""

    method: str
    path: str
    """Relative to the base URL, with its query."""
    body: bytes | None = None
    key: str | None = None
    """The idempotency key; every write has one."""
    accept: str = "application/json"

    @property
    def is_write(self) -> bool:
        """Whether it may change something."""
        return self.key is not None

    @property
    def bare_path(self) -> str:
        """For logs and messages: without the query, where a caller's own words may stand."""
        return self.path.partition("?")[0]

    def headers(self) -> dict[str, str]:
        """Those of this call alone."""
        headers = {"Accept": self.accept}
        if self.body is not None:
            headers["Content-Type"] = "application/json"
        if self.key is not None:
            headers["Idempotency-Key"] = self.key
        return headers


class Bearer(httpx.Auth):
    """Puts the API key into requests, and nowhere else."""

    __slots__ = ("_header",)

    def __init__(self, key: str) -> None:
        """Raises `ValueError` for what cannot be a key, without repeating it."""
        if not (key.isascii() and key.isprintable()) or not key or " " in key:
            raise ValueError("the API key must be printable ASCII without spaces")
        self._header = f"Bearer {key}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header; httpx hides its value when headers are printed."""
        request.headers["Authorization"] = self._header
        yield request

    def __repr__(self) -> str:
        """Without the key."""
        return "Bearer(…)"


class Sender:
    """Sends calls and repeats them within the bounds of a `Retry`."""

    def __init__(self, http: httpx.AsyncClient, retry: Retry, sleep: Sleep) -> None:
        """`http` has base URL, credential and time-outs; `sleep` waits between attempts."""
        self._http = http
        self._retry = retry
        self.sleep = sleep
        self.retries = 0
        """How many attempts were repeats."""

    async def read(self, type_: type[T], path: str, query: msgspec.Struct | None = None) -> T:
        """GET `path`, its answer as `type_`."""
        return await self._decoded(type_, Call(method="GET", path=path + query_text(query)))

    async def read_raw(self, path: str, query: msgspec.Struct, accept: str) -> bytes:
        """GET `path`, its answer's bytes in the form `accept`."""
        call = Call(method="GET", path=path + query_text(query), accept=accept)
        return (await self._send(call)).content

    async def write(
        self,
        type_: type[T],
        path: str,
        body: msgspec.Struct | None,
        *,
        key: str,
        query: msgspec.Struct | None = None,
    ) -> T:
        """POST `body` to `path` under the idempotency key `key`, its answer as `type_`."""
        if not key.isascii():
            raise InvalidRequest(
                "an idempotency key is printable ASCII: nothing was sent",
                code="invalid_idempotency_key",
                field="idempotency_key",
            )
        encoded = None if body is None else _encoded(body)
        return await self._decoded(
            type_, Call(method="POST", path=path + query_text(query), body=encoded, key=key)
        )

    async def _decoded(self, type_: type[T], call: Call) -> T:
        response = await self._send(call)
        try:
            return _decoder(type_).decode(response.content)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            # The message of a validation error names a path and types, never values.
            unexpected = UnexpectedAnswer(
                f"the answer is not what the API gives: {error}",
                code="unexpected_answer",
                status=response.status_code,
                request_id=response.headers.get("x-request-id"),
            )
            if call.is_write:
                raise _unknown(call, unexpected, 1) from error
            raise unexpected from error

    async def _send(self, call: Call) -> httpx.Response:
        """The answer to `call`, a 2xx. Raises `CaudalError`."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._retry.deadline_s
        in_doubt = False  # whether a write may have been done by an attempt whose answer was lost
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._attempt(call, deadline)
            except (Unavailable, TooManyRequests) as error:
                in_doubt = in_doubt or (call.is_write and isinstance(error, Unavailable))
                wait = self._retry.wait_s(attempt, left_s=deadline - clock(), retry_after_s=error.retry_after)
                if wait is None:
                    if in_doubt:
                        raise _unknown(call, error, attempt) from error
                    raise
                reason = error.code
            except Refused as error:
                if in_doubt and (error.problem is None or error.status in SAY_NOTHING_OF_EARLIER):
                    raise _unknown(call, error, attempt) from error
                raise
            except UnexpectedAnswer as error:
                if call.is_write:
                    raise _unknown(call, error, attempt) from error
                raise
            self.retries += 1
            log.info("%s %s again in %.2f s: %s", call.method, call.bare_path, wait, reason)
            await self.sleep(wait)

    async def _attempt(self, call: Call, deadline: float) -> httpx.Response:
        """The answer to one attempt, a 2xx. Raises `CaudalError`."""
        try:
            async with asyncio.timeout_at(deadline):
                response = await self._http.request(
                    call.method, call.path, content=call.body, headers=call.headers()
                )
        except TimeoutError:
            raise Unavailable("there was no answer within the deadline", code="no_answer") from None
        except httpx.RequestError as error:
            # The class says what happened; the text may be empty, or the operating system's.
            detail = f"there was no answer: {type(error).__name__}"
            raise Unavailable(detail, code="no_answer") from error
        if response.is_success:
            return response
        raise error_of(response)


def _unknown(call: Call, error: CaudalError, attempts: int) -> OutcomeUnknown:
    """What the caller of a write is told of which nobody knows whether it was done."""
    tries = "1 attempt" if attempts == 1 else f"{attempts} attempts"
    return OutcomeUnknown(
        f"{call.method} {call.bare_path} may have been done. The last of {tries}: {error}. "
        f"Repeat it with the key {call.key}",
        idempotency_key=call.key or "",
        status=error.status,
        problem=error.problem,
        request_id=error.request_id,
        retry_after=error.retry_after,
    )


def _decoder(type_: type[T]) -> msgspec.json.Decoder[T]:
    """The decoder of `type_`: making one walks the type, so each is made once."""
    found = _decoders.get(type_)
    if found is None:
        found = _decoders[type_] = msgspec.json.Decoder(type_)
    return cast("msgspec.json.Decoder[T]", found)


def query_text(query: msgspec.Struct | None) -> str:
    """`?name=value&metadata[key]=value`, or nothing; parameters that say nothing are left out."""
    if query is None:
        return ""
    pairs: list[tuple[str, str]] = []
    for name, value in msgspec.to_builtins(query).items():
        if isinstance(value, dict):
            pairs += [(f"{name}[{key}]", text) for key, text in value.items()]
        elif isinstance(value, bool):
            pairs.append((name, "true" if value else "false"))
        elif value is not None:
            pairs.append((name, str(value)))
    if not pairs:
        return ""
    return "?" + "&".join(f"{_quoted(name, name)}={_quoted(value, name)}" for name, value in pairs)


def segment(text: str) -> str:
    """An id or name as part of a path. Raises `ValueError` for one that would lead elsewhere."""
    if text in {"", ".", ".."}:
        raise ValueError("an id or a name is needed here")
    return _quoted(text, "id")


def _encoded(body: msgspec.Struct) -> bytes:
    """`body` as JSON. Raises `InvalidRequest`, naming the field, for a text that UTF-8 cannot hold."""
    try:
        return _encoder.encode(body)
    except UnicodeEncodeError:
        raise _not_utf8(_surrogate_in(msgspec.to_builtins(body), "")) from None


def _quoted(text: str, field: str) -> str:
    """`text` as part of a URL. Raises `InvalidRequest` naming `field` for what UTF-8 cannot hold."""
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise _not_utf8(field) from None


def _not_utf8(field: str | None) -> InvalidRequest:
    return InvalidRequest(
        "a text holds a lone surrogate, which is no character: it was not sent",
        code="lone_surrogate",
        field=field,
    )


def _surrogate_in(value: Any, path: str) -> str | None:
    """The path of the first text in `value` that holds a lone surrogate."""
    if isinstance(value, str):
        return path if _SURROGATE.search(value) else None
    children: list[tuple[Any, str]] = []
    if isinstance(value, dict):
        for key, child in value.items():
            here = f"{path}.{key}" if path else str(key)
            if _SURROGATE.search(str(key)):
                return path or None
            children.append((child, here))
    elif isinstance(value, list | tuple):
        children = [(child, f"{path}[{index}]") for index, child in enumerate(value)]
    for child, here in children:
        found = _surrogate_in(child, here)
        if found is not None:
            return found
    return None


_SURROGATE: Final = re.compile("[\ud800-\udfff]")
