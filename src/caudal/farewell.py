"""Answering those who come while the API takes leave: 503, at once, until the last request in work is done.

The API's processes accept nobody any more, and a connection that nobody accepts is one whose caller waits in
vain. So the process that watches over them accepts it, says that it is the wrong moment, and closes it.
"""

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator
from typing import Final

import msgspec

from caudal_base.errors import PROBLEM_MEDIA_TYPE, Unavailable

_PATIENCE_S: Final = 0.5
"""How long a caller may take to send the beginning of its request, and to take the answer."""

_MOST_BYTES: Final = 1_048_576
"""Of a request that are read: what is left unread makes the answer's connection break."""

_LOOK_EVERY_S: Final = 0.1


def answer() -> bytes:
    """What everybody is told."""
    error = Unavailable("this process is shutting down; repeat with the same key")
    body = msgspec.json.encode(error.problem())
    head = (
        "HTTP/1.1 503 Service Unavailable\r\n"
        f"content-type: {PROBLEM_MEDIA_TYPE}\r\n"
        f"content-length: {len(body)}\r\n"
        f"retry-after: {error.retry_after}\r\n"
        "cache-control: no-store\r\n"
        "connection: close\r\n"
        "\r\n"
    )
    return head.encode("ascii") + body


@contextlib.contextmanager
def farewell(listening: socket.socket) -> Iterator[None]:
    """Answer so meanwhile; after it the socket listens no more, and who comes is refused by the machine."""
    done = threading.Event()
    thread = threading.Thread(target=_answer_all, args=(listening, done), name="farewell", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        # Not only closed: whoever else holds the socket would keep a queue that nobody serves.
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)


def _answer_all(listening: socket.socket, done: threading.Event) -> None:
    told = answer()
    with selectors.DefaultSelector() as selector:
        selector.register(listening, selectors.EVENT_READ)
        while not done.is_set():
            if not selector.select(_LOOK_EVERY_S):
                continue
            try:
                connection, _ = listening.accept()
            except OSError:
                continue  # one of the API's processes was faster, or the caller has left
            with connection, contextlib.suppress(OSError):
                _answer(connection, told)


def _answer(connection: socket.socket, told: bytes) -> None:
    connection.settimeout(_PATIENCE_S)
    connection.recv(65_536)
    connection.sendall(told)
    connection.shutdown(socket.SHUT_WR)
    left = _MOST_BYTES
    while left > 0 and (read := connection.recv(65_536)):
        left -= len(read)
