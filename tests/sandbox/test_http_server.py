"""The sandbox's own HTTP server: what it reads, what it refuses, and that it can hang up."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from caudal_sandbox.http import MAX_BODY, MAX_HEAD, Connection
from caudal_sandbox.messages import DROPPED, Request, Response, json_response
from caudal_sandbox.outbound import Client, Unreachable
from caudal_sandbox.routing import Router
from caudal_sandbox.serving import listen

Wire = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def handle(request: Request) -> Response:
    """Says back what came."""
    match request.path:
        case "/drop":
            return DROPPED
        case "/bug":
            raise ValueError("a bug")
        case "/teapot":
            return json_response(418, {})
    return Response(200, b"%s %s|%s" % (request.method.encode(), request.path.encode(), request.body))


async def slowly(request: Request) -> Response:
    """The same, in the next turns of the loop."""
    await asyncio.sleep(0.001)
    return handle(request)


@pytest.fixture(params=["at once", "later"])
async def port(request: pytest.FixtureRequest) -> AsyncIterator[int]:
    """A server that answers at once, or takes its time."""
    connections: set[Connection] = set()
    answer = handle if request.param == "at once" else slowly
    listening = listen("127.0.0.1", 0)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(answer, connections), sock=listening
    )
    yield listening.getsockname()[1]
    server.close()
    for connection in list(connections):
        connection.abort()


async def talk(port: int, *sent: bytes) -> bytes:
    """Everything that comes back until the server hangs up; the pieces are sent one by one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in sent:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.002)  # so that they arrive apart: no condition to wait for
    try:
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()


LAST = b"GET /last HTTP/1.1\r\nconnection: close\r\n\r\n"


class TestReading:
    async def test_requests_follow_one_another_on_one_connection_in_order(self, port: int) -> None:
        first = b"POST /first HTTP/1.1\r\nContent-Length: 2\r\n\r\nab"
        answers = await talk(port, first + first + LAST)
        assert answers.count(b"HTTP/1.1 200 OK") == 3
        assert (
            answers.index(b"POST /first|ab")
            < answers.rindex(b"POST /first|ab")
            < answers.index(b"GET /last|")
        )

    async def test_a_request_may_come_in_pieces(self, port: int) -> None:
        answers = await talk(
            port, b"POST /a HT", b"TP/1.1\r\nconnection: close\r\ncontent-le", b"ngth: 3\r\n\r\na", b"bc"
        )
        assert b"POST /a|abc" in answers

    async def test_a_body_may_come_in_chunks(self, port: int) -> None:
        head = b"POST /c HTTP/1.1\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
        answers = await talk(port, head, b"3\r\nabc\r\n", b"2;x=y\r\nde\r\n0\r\n\r\n")
        assert b"POST /c|abcde" in answers

    async def test_who_asks_first_is_told_to_go_on(self, port: int) -> None:
        head = b"POST /e HTTP/1.1\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n"
        answers = await talk(port, head, b"x")
        assert answers.startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert answers.endswith(b"POST /e|x")

    async def test_paths_are_decoded(self, port: int) -> None:
        assert b"GET /a b|" in await talk(port, b"GET /a%20b HTTP/1.1\r\nconnection: close\r\n\r\n")


class TestRefusing:
    @pytest.mark.parametrize(
        ("sent", "status"),
        [
            (b"nonsense\r\n\r\n", 400),
            (b"GET / HTTP/1.0\r\n\r\n", 505),
            (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nspace : x\r\n\r\n", 400),
            (b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", 400),
            (b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % (MAX_BODY + 1), 413),
            (b"POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n", 501),
            (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n", 501),
            (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", 400),
            (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nfffffff\r\n", 413),
            (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc", 400),
            (b"GET / HTTP/1.1\r\nx: " + b"y" * MAX_HEAD + b"\r\n\r\n", 431),
        ],
    )
    async def test_what_is_no_request_ends_the_connection(self, port: int, sent: bytes, status: int) -> None:
        answer = await talk(port, sent)
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert b"connection: close" in answer

    async def test_hanging_up_sends_nothing(self, port: int) -> None:
        assert await talk(port, b"GET /drop HTTP/1.1\r\n\r\n" + LAST) == b""

    async def test_a_bug_is_a_500_and_does_not_end_the_connection(self, port: int) -> None:
        answers = await talk(port, b"GET /bug HTTP/1.1\r\n\r\n" + LAST)
        assert answers.startswith(b"HTTP/1.1 500 ")
        assert answers.endswith(b"GET /last|")


class TestClient:
    async def test_posts_on_connections_that_it_keeps(self, port: int) -> None:
        client = Client()
        url = f"http://127.0.0.1:{port}"
        answers = [await client.post(f"{url}{path}", [], b"x") for path in ("/", "/teapot")]
        assert [status for status, _ in answers] == [200, 418]
        assert all(answer.startswith(b"HTTP/1.1 ") for _, answer in answers)
        client.close()

    async def test_no_answer_is_unreachable(self, port: int) -> None:
        client = Client()
        for url in (f"http://127.0.0.1:{port}/drop", "http://127.0.0.1:1/", "ftp://127.0.0.1/"):
            with pytest.raises(Unreachable):
                await client.post(url, [], b"")
        client.close()

    async def test_an_answer_that_takes_too_long_is_unreachable(self) -> None:
        client = Client(timeout_s=0.05)
        with listen("127.0.0.1", 0) as silent, pytest.raises(Unreachable):
            await client.post(f"http://127.0.0.1:{silent.getsockname()[1]}/", [], b"")
        client.close()


class TestRouting:
    def test_written_out_goes_before_any(self) -> None:
        router = Router()
        seen: list[tuple[str, ...]] = []

        def note(request: Request) -> Response:
            seen.append(request.segments)
            return Response(200)

        for pattern in ("/v1/things/*", "/v1/things/search", "/v1/things/*/close"):
            router.add("GET", pattern, note)
        for path in ("/v1/things/a", "/v1/things/search", "/v1/things/a/close"):
            assert answered(router, "GET", path) == 200
        assert seen == [("a",), (), ("a",)]
        assert answered(router, "POST", "/v1/things/a") == 405
        assert answered(router, "GET", "/v1/other") == 404


def answered(router: Router, method: str, path: str) -> int:
    """The status of an answer that comes at once."""
    response = router.handle(Request(method, path, {}, b""))
    assert isinstance(response, Response)
    return response.status
