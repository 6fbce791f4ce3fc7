"""Which handler a request goes to: by method and path, whose `*` segments are the handler's arguments."""

from collections.abc import Awaitable
from typing import Final

from caudal_base.check import check
from caudal_sandbox.messages import Handler, Request, Response, json_response

_ANY: Final = "*"


class _Node:
    __slots__ = ("children", "handlers")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.handlers: dict[str, Handler] = {}


class Router:
    """A tree of path segments. A segment that is written out goes before `*`."""

    def __init__(self) -> None:
        self._root = _Node()
        self._not_found: list[tuple[str, Handler]] = []

    def add(self, method: str, pattern: str, handler: Handler) -> None:
        """Send `method` on `pattern` (`/v1/refunds/*`) to `handler`."""
        node = self._root
        for segment in pattern.strip("/").split("/"):
            node = node.children.setdefault(segment, _Node())
        check(method not in node.handlers, f"{method} {pattern} is routed twice")
        node.handlers[method] = handler

    def otherwise(self, prefix: str, handler: Handler) -> None:
        """Send what begins with `prefix` and is not routed to `handler`: a partner words its own 404."""
        self._not_found.append((prefix, handler))

    def handle(self, request: Request) -> Response | Awaitable[Response]:
        """The answer of the handler whose route fits; 404 or 405 where there is none."""
        node = self._root
        captured: list[str] = []
        for segment in request.path.strip("/").split("/"):
            child = node.children.get(segment)
            if child is None:
                child = node.children.get(_ANY)
                if child is None:
                    return self._unrouted(request)
                captured.append(segment)
            node = child
        handler = node.handlers.get(request.method)
        if handler is None:
            return self._unrouted(request, tuple(node.handlers))
        request.segments = tuple(captured)
        return handler(request)

    def _unrouted(self, request: Request, methods: tuple[str, ...] = ()) -> Response | Awaitable[Response]:
        for prefix, handler in self._not_found:
            if request.path.startswith(prefix):
                return handler(request)
        if methods:
            allowed = ", ".join(sorted(methods))
            return json_response(405, {"error": f"only {allowed} here"}, ("allow", allowed))
        return json_response(404, {"error": f"nothing at {request.path}"})
