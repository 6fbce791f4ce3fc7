"""HTTP requests and responses as the sandbox's handlers see them."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

import msgspec

JSON: Final = "application/json"

Headers: TypeAlias = tuple[tuple[str, str], ...]


class Request:
    """One request, its body read to the end. Header names are in lower case; the last of equals counts."""

    __slots__ = ("body", "headers", "method", "path", "query", "segments")

    def __init__(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> None:
        """`target` is what stands in the request line."""
        path, _, query = target.partition("?")
        self.method = method
        self.path = unquote(path) if "%" in path else path
        self.query = query
        """As it came: each partner has its own way of nesting parameters in it."""
        self.headers = headers
        self.body = body
        self.segments: tuple[str, ...] = ()
        """What stood in the places of the route's `*`, in order; set by the router."""


class Response:
    """An answer; or with `drop` none at all: the connection is closed instead."""

    __slots__ = ("body", "drop", "headers", "status")

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        headers: Headers = (("content-type", JSON),),
        *,
        drop: bool = False,
    ) -> None:
        """`headers` without those of the connection and the length."""
        self.status = status
        self.body = body
        self.headers = headers
        self.drop = drop

    def with_headers(self, *more: tuple[str, str]) -> "Response":
        """The same answer with more headers."""
        return Response(self.status, self.body, (*self.headers, *more), drop=self.drop)


DROPPED: Final = Response(0, drop=True)
"""No answer: the connection ends here."""

Handler: TypeAlias = Callable[[Request], Response | Awaitable[Response]]

_encoder: Final = msgspec.json.Encoder()


def json_response(status: int, value: Any, *headers: tuple[str, str]) -> Response:
    """`value` (structs, dicts, lists, plain values) as JSON."""
    return Response(status, _encoder.encode(value), (("content-type", JSON), *headers))
