"""How callers of the simulation send: again with the same key until there is a final answer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from caudal.simulation import plans
from caudal.simulation.http import Http, NoAnswer
from caudal.simulation.plans import Action, Ask, Manner
from caudal.simulation.requests import Asked, Sender, differing
from support import simulated

Answer = Callable[[bytes], Awaitable[bytes | None]]
"""What a server does with a request: answers, or hangs up."""


def http_answer(status: int, body: bytes = b"{}", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[Http]:
    """A server on one port, and the way to it."""

    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                content = await answer(head + await reader.readexactly(length))
                if content is None:
                    break
                writer.write(content)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    http = Http(server.sockets[0].getsockname()[1], {})
    try:
        yield http
    finally:
        http.close()
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections)


def replying(*answers: bytes | None) -> tuple[Answer, list[bytes]]:
    """Gives these answers in turn, the last one for good; and the list of what it was asked."""
    asked: list[bytes] = []

    async def answer(request: bytes) -> bytes | None:
        asked.append(request)
        return answers[min(len(asked), len(answers)) - 1]

    return answer, asked


async def sent(http: Http, manner: Manner | None = None) -> tuple[Sender, Asked]:
    sender = Sender(http, plans.stream(1, "pauses"))
    ask = Ask(action=Action.CREATE, key="key_1", body={}, manner=manner or Manner())
    asked = sender.begin(ask, "pay_1", "/v1/payments", b"{}")
    await sender.send(asked, give_up_after_s=10)
    return sender, asked


@pytest.mark.parametrize(
    "first",
    [
        None,
        http_answer(503),
        http_answer(500),
        http_answer(429),
        http_answer(409, b"{}", "Retry-After: 1"),
    ],
)
async def test_what_is_not_final_is_asked_again_with_the_same_key(first: bytes | None) -> None:
    answer, requests = replying(first, http_answer(201))
    async with serving(answer) as http:
        _, asked = await sent(http)
    assert [reply.status for reply in asked.answers] == [201]
    assert (asked.sent, len(requests)) == (2, 2)
    assert all(b"Idempotency-Key: key_1\r\n" in request for request in requests)


@pytest.mark.parametrize("status", [200, 201, 400, 404, 409, 422])
async def test_a_2xx_and_a_4xx_are_final(status: int) -> None:
    answer, requests = replying(http_answer(status))
    async with serving(answer) as http:
        _, asked = await sent(http)
    assert (len(requests), asked.accepted) == (1, status < 300)


async def test_copies_are_all_sent_and_all_answers_kept() -> None:
    answer, requests = replying(http_answer(201))
    async with serving(answer) as http:
        _, asked = await sent(http, Manner(copies=3))
    assert (len(requests), len(asked.answers)) == (3, 3)


async def test_whoever_hangs_up_comes_back() -> None:
    gone = asyncio.Event()

    async def answer(request: bytes) -> bytes | None:
        if not gone.is_set():
            gone.set()
            await asyncio.Event().wait()
        return http_answer(201)

    async with serving(answer) as http:
        sender, asked = await sent(http, Manner(hang_up_after_s=0.05))
        assert (asked.sent, len(asked.answers)) == (2, 1)
        assert sender.statuses == {0: 1, 201: 1}


async def test_a_500_is_kept_as_a_bug() -> None:
    answer, _ = replying(http_answer(500, b"oh"), http_answer(201))
    async with serving(answer) as http:
        sender, _ = await sent(http)
    assert sender.server_errors == ["/v1/payments: oh"]


async def test_a_server_that_is_not_there_gives_no_answer() -> None:
    answer, _ = replying(None)
    async with serving(answer) as http:
        pass
    with pytest.raises(NoAnswer):
        await http.request("GET", "/", timeout_s=1)


def test_kept_answers_must_be_equal_to_the_byte() -> None:
    first, other = simulated.reply(201, b'{"a":1}'), simulated.reply(201, b'{"a": 1}')
    assert differing(simulated.asked(Action.CREATE, first, first)) == []
    assert len(differing(simulated.asked(Action.CREATE, first, other))) == 1


def test_refusals_that_are_not_kept_must_have_the_same_code() -> None:
    first = simulated.reply(422, b'{"code": "x", "request_id": "req_1"}')
    again = simulated.reply(422, b'{"code": "x", "request_id": "req_2"}')
    another = simulated.reply(422, b'{"code": "y"}')
    assert differing(simulated.asked(Action.CREATE, first, again)) == []
    assert len(differing(simulated.asked(Action.CREATE, first, another))) == 1
    kept = simulated.reply(422, b'{"code": "x", "request_id": "req_2"}', replayed=True)
    assert len(differing(simulated.asked(Action.CREATE, first, kept))) == 1


async def test_who_insists_asks_until_there_is_an_answer_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = [None, http_answer(503), http_answer(200, b"[]")]

    async def answer(request: bytes) -> bytes | None:
        return answers.pop(0) if answers else None

    async with serving(answer) as http:
        assert (await http.insist("GET", "/")).body == b"[]"
        monkeypatch.setattr("caudal.simulation.http.INSIST_S", 0.2)
        with pytest.raises(NoAnswer, match="was not answered"):
            await http.insist("GET", "/")
