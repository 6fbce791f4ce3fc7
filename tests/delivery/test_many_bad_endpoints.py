"""All that is bad at once beside one that is good; and what bad ones say of when to come back."""

import asyncio
import contextlib
import datetime as dt
import email.utils
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from caudal.delivery import Issued
from support.deliveries import IMPATIENT, OK, Listener, Outbox, answer, log_of, until

Respond = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
DAY = dt.timedelta(days=1)


@contextlib.asynccontextmanager
async def answering(respond: Respond) -> AsyncIterator[str]:
    """The URL of a server that reads the head of a request and then does as it likes."""

    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await reader.readuntil(b"\r\n\r\n")
            await respond(reader, writer)
        writer.close()
        tasks.discard(task)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def never(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Not closed: broken off, so that the other side gets a reset."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def reset_within_the_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nab")
    await writer.drain()
    await reset(reader, writer)


async def drip_of_headers(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-A: 1\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


async def nothing_but_continue(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.001)


async def gigabyte(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 500 X\r\nContent-Length: 1073741824\r\n\r\n")
    for _number in range(16_384):
        writer.write(b"x" * 65_536)
        await writer.drain()


async def greeting(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example ESMTP\r\n")
    await writer.drain()


BAD: dict[str, tuple[Respond, str]] = {
    "never": (never, "it did not answer in time"),
    "reset": (reset, "it closed the connection without an answer"),
    "reset_within_the_answer": (reset_within_the_answer, "it does not speak HTTP"),
    "drip_of_headers": (drip_of_headers, "it did not answer in time"),
    "nothing_but_continue": (nothing_but_continue, "it did not answer in time"),
    "gigabyte": (gigabyte, "it answered 500"),
    "greeting": (greeting, "it does not speak HTTP"),
}


async def errors_of(outbox: Outbox, issued: Issued) -> set[str | None]:
    return {row["error"] for row in await log_of(outbox, issued)}


async def test_bad_endpoints_fail_each_in_its_way_and_a_good_one_gets_everything_at_once(
    outbox: Outbox, listener: Listener
) -> None:
    outbox.limits = IMPATIENT
    async with contextlib.AsyncExitStack() as stack:
        urls = {name: await stack.enter_async_context(answering(how)) for name, (how, _) in BAD.items()}
        inside = await stack.enter_async_context(Listener().serving())
        elsewhere = await stack.enter_async_context(
            Listener(answer=lambda _: answer(302, f"Location: {inside.url}")).serving()
        )
        bad = {name: await outbox.endpoint(url) for name, url in urls.items()}
        redirecting = await outbox.endpoint(elsewhere.url)
        await outbox.endpoint(listener.url)
        async with outbox.delivering():
            await outbox.tell(*range(1, 6))
            await until(lambda: len(listener.received) == 5)
            await until(lambda: outbox.counts.attempts.get("2xx") == 5)
            # The good one did not wait for those that are still out.
            assert outbox.counts.under_way > 0
        await outbox.settled()

        for name, (_, why) in BAD.items():
            assert await errors_of(outbox, bad[name]) == {why}, name
            assert {row["state"] for row in await log_of(outbox, bad[name])} == {"pending"}, name
        assert await errors_of(outbox, redirecting) == {"it answered 302"}
        assert inside.connections == 0
        assert sorted(listener.seqs) == sorted(set(listener.seqs))


def _http_date(moment: dt.datetime) -> str:
    return email.utils.format_datetime(moment.astimezone(dt.UTC), usegmt=True)


@pytest.mark.parametrize(
    ("said", "pause"),
    [
        ("120", dt.timedelta(minutes=2)),
        ("in two hours", dt.timedelta(hours=2)),
        ("99999999999999999999", DAY),
        ("in a hundred years", DAY),
        ("yesterday", dt.timedelta(seconds=5)),
        ("soon", dt.timedelta(seconds=5)),
        ("-1", dt.timedelta(seconds=5)),
    ],
)
async def test_a_retry_after_is_kept_to_as_far_as_it_makes_sense(
    outbox: Outbox, listener: Listener, said: str, pause: dt.timedelta
) -> None:
    now = outbox.clock.now().replace(microsecond=0)
    outbox.clock.set(now + dt.timedelta(seconds=1))
    now = outbox.clock.now()
    dates = {
        "in two hours": now + dt.timedelta(hours=2),
        "in a hundred years": now + 36_500 * DAY,
        "yesterday": now - DAY,
    }
    header = _http_date(dates[said]) if said in dates else said
    listener.answer = lambda _: answer(503, f"Retry-After: {header}")
    issued = await outbox.endpoint(listener.url)
    await outbox.tell(1)
    await outbox.settled()

    (row,) = await log_of(outbox, issued)
    assert row["next_at"] == now + pause
    listener.answer = lambda _: OK
    outbox.clock.set(row["next_at"])
    await outbox.settled()
    assert [row["state"] for row in await log_of(outbox, issued)] == ["delivered"]
