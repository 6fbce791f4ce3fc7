"""Endpoints that are slow, dead or hostile: a recorded failure, and nothing for the others to feel."""

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from caudal import audit, events
from caudal.delivery import DisableReason, EndpointStatus, Issued, Limits, Policy
from caudal_base import ids
from caudal_base.database import Database
from support.deliveries import IMPATIENT, OK, Listener, Outbox, answer, log_of, new_outbox, until


async def failed_with(outbox: Outbox, issued: Issued) -> str:
    """Why the one delivery has failed; it must be one that is tried again in five seconds."""
    (row,) = await log_of(outbox, issued)
    assert (row["state"], row["attempts"]) == ("pending", 1)
    assert row["next_at"] == outbox.clock.now() + dt.timedelta(seconds=5)
    return str(row["error"])


async def never(_: object) -> bytes:
    await asyncio.Event().wait()
    raise AssertionError


async def raw(
    respond: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> asyncio.Server:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await respond(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    return await asyncio.start_server(connected, "127.0.0.1", 0)


def url_of(server: asyncio.Server) -> str:
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def looked(outbox: Outbox) -> None:
    """Wait until whoever delivers has looked often enough to have found something."""
    for _ in range(5):
        outbox.counts.unread.clear()
        await until(lambda: outbox.book.book_id in outbox.counts.unread)


# One that behaves badly


async def test_one_that_never_answers_is_given_up_at_the_time_out(outbox: Outbox, listener: Listener) -> None:
    outbox.limits = IMPATIENT
    listener.answer = never
    issued = await outbox.endpoint(listener.url)
    await outbox.tell(1)

    await outbox.settled()

    assert await failed_with(outbox, issued) == "it did not answer in time"
    assert outbox.counts.attempts == {"none": 1}


async def test_one_that_answers_byte_by_byte_has_no_more_time_than_others(outbox: Outbox) -> None:
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.02)

    outbox.limits = IMPATIENT
    async with await raw(drip) as server:
        issued = await outbox.endpoint(url_of(server))
        await outbox.tell(1)
        await outbox.settled()
        assert await failed_with(outbox, issued) == "it did not answer in time"


async def test_of_a_gigabyte_no_more_is_read_than_is_bounded(outbox: Outbox) -> None:
    written = 0

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
        while written < 2**30:
            writer.write(b"x" * 65_536)
            await writer.drain()
            written += 65_536

    async with await raw(flood) as server:
        issued = await outbox.endpoint(url_of(server))
        await outbox.tell(1)
        await outbox.settled()

        (row,) = await log_of(outbox, issued)
        assert (row["state"], row["status"]) == ("delivered", 200)
        assert written < 32 * 2**20
        async with outbox.database.connection() as connection:
            book_id = outbox.book.book_id
            page = await events.find(connection, book_id, type="payment.succeeded")
            (_, _, (attempt,)) = await outbox.endpoints.log.read(
                connection, book_id, issued.endpoint.id, page.events[0].id
            )
        assert attempt.response == b"x" * 2_048


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "it closed the connection without an answer"),
        (b"220 mail.example ESMTP\r\n", "it does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"a" * 100_000, "it does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", "it does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "it does not speak HTTP"),
    ],
)
async def test_what_is_no_answer_is_none(outbox: Outbox, said: bytes, why: str) -> None:
    async def respond(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()

    async with await raw(respond) as server:
        issued = await outbox.endpoint(url_of(server))
        await outbox.tell(1)
        await outbox.settled()
        assert await failed_with(outbox, issued) == why


async def test_redirects_are_failures_and_are_not_followed(outbox: Outbox, listener: Listener) -> None:
    async with Listener().serving() as inside:
        listener.answer = lambda _: answer(307, f"Location: {inside.url}")
        issued = await outbox.endpoint(listener.url)
        await outbox.tell(1)

        await outbox.settled()

        assert await failed_with(outbox, issued) == "it answered 307"
        assert inside.connections == 0


async def test_nobody_there(outbox: Outbox, listener: Listener) -> None:
    async with Listener().serving() as gone:
        url = gone.url
    issued = await outbox.endpoint(url)
    await outbox.tell(1)

    await outbox.settled()

    assert (await failed_with(outbox, issued)).startswith("no connection: ")


async def test_a_kept_connection_that_was_closed_meanwhile_is_no_failure(
    outbox: Outbox, listener: Listener
) -> None:
    listener.answer = lambda _: OK
    issued = await outbox.endpoint(listener.url, concurrency=1)
    async with outbox.delivering():
        await outbox.tell(1)
        await until(lambda: len(listener.received) == 1)
    listener.answer = lambda got: OK if got.event["seq"] != 3 else answer(200, "Connection: close")
    await outbox.tell(1, 1, 1)

    await outbox.settled()

    assert [row["attempts"] for row in await log_of(outbox, issued)] == [1, 1, 1, 1]


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of `hooks.test` and its key, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks.test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.test")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


@pytest.fixture
async def secure(certificate: Path) -> AsyncIterator[Listener]:
    """A server with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with Listener().serving(context) as listener:
        yield listener


async def here(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


async def test_over_tls_the_name_is_asked_for_and_checked(
    delivery_database: Database, secure: Listener, certificate: Path
) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    outbox = await new_outbox(delivery_database, more={"resolve": here, "tls": trusting})
    right = await outbox.endpoint(f"https://hooks.test:{secure.port}/")
    wrong = await outbox.endpoint(f"https://other.test:{secure.port}/")
    await outbox.tell(1)

    await outbox.settled()

    assert [row["state"] for row in await log_of(outbox, right)] == ["delivered"]
    assert secure.received[0].headers["host"] == f"hooks.test:{secure.port}"
    assert await failed_with(outbox, wrong) == "TLS: CERTIFICATE_VERIFY_FAILED"


async def test_a_certificate_that_nobody_vouches_for_is_a_failure(
    delivery_database: Database, secure: Listener
) -> None:
    outbox = await new_outbox(delivery_database, more={"resolve": here})
    issued = await outbox.endpoint(f"https://hooks.test:{secure.port}/")
    await outbox.tell(1)

    await outbox.settled()

    assert await failed_with(outbox, issued) == "TLS: CERTIFICATE_VERIFY_FAILED"
    assert secure.received == []


async def test_one_that_speaks_no_tls_is_a_failure(delivery_database: Database) -> None:
    async def greeted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP" + bytes([13, 10]))
        await writer.drain()
        await reader.read()
        writer.close()

    outbox = await new_outbox(delivery_database, more={"resolve": here})
    async with await asyncio.start_server(greeted, "127.0.0.1", 0) as server:
        issued = await outbox.endpoint(url_of(server).replace("http://127.0.0.1", "https://hooks.test"))
        await outbox.tell(1)
        await outbox.settled()

    assert (await failed_with(outbox, issued)).startswith("TLS: ")


# Addresses


async def test_a_name_that_comes_to_mean_something_inside_is_not_called(
    delivery_database: Database, listener: Listener
) -> None:
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    outbox = await new_outbox(delivery_database, more={"resolve": rebinding})
    outbox.limits = Limits(reuse_s=0.0)
    issued = await outbox.endpoint(f"http://rebinding.test:{listener.port}/", concurrency=1)
    await outbox.tell(1)
    await outbox.settled()
    assert (len(listener.received), len(asked)) == (1, 1)

    await outbox.tell(1)
    await outbox.settled()

    rows = await log_of(outbox, issued)
    assert [row["state"] for row in rows] == ["delivered", "pending"]
    assert str(rows[1]["error"]).startswith("webhook_address_refused")
    assert (len(listener.received), len(asked)) == (1, 2)


async def test_one_bad_address_among_good_ones_is_enough(
    delivery_database: Database, listener: Listener
) -> None:
    async def both(host: str, port: int) -> list[str]:
        return ["127.0.0.1", "10.0.0.1"]

    outbox = await new_outbox(delivery_database, more={"resolve": both})
    issued = await outbox.endpoint(f"http://both.test:{listener.port}/")
    await outbox.tell(1)

    await outbox.settled()

    assert (await failed_with(outbox, issued)).startswith("webhook_address_refused")
    assert listener.connections == 0


async def test_outside_development_nothing_goes_to_this_machine_whatever_was_allowed_before(
    outbox: Outbox, listener: Listener
) -> None:
    issued = await outbox.endpoint(listener.url)
    await outbox.tell(1)
    outbox.policy = Policy(development=False)

    await outbox.settled()

    assert (await failed_with(outbox, issued)).startswith("webhook_url_refused")
    assert listener.connections == 0


# The others


async def test_one_that_never_answers_holds_up_nobody_else(outbox: Outbox, listener: Listener) -> None:
    outbox.limits = IMPATIENT
    async with Listener(answer=never).serving() as dead:
        await outbox.endpoint(dead.url, concurrency=4)
        await outbox.endpoint(listener.url)
        async with outbox.delivering():
            await outbox.tell(*range(1, 301))
            await until(lambda: len(listener.received) == 300)
            assert 0 < len(dead.received) <= 12


async def test_of_a_dead_one_only_little_is_read(outbox: Outbox, listener: Listener) -> None:
    """What it is not sent it need not be read, and written down as waiting."""
    outbox.limits = IMPATIENT
    async with Listener(answer=never).serving() as dead:
        issued = await outbox.endpoint(dead.url, concurrency=4)
        await outbox.endpoint(listener.url)
        async with outbox.delivering():
            await outbox.tell(*range(1, 301))
            await until(lambda: len(listener.received) == 300)
            await until(lambda: outbox.counts.attempts.get("none", 0) >= 4)

    assert len(await log_of(outbox, issued)) <= 32


async def test_no_more_go_out_at_once_than_the_endpoint_takes(outbox: Outbox, listener: Listener) -> None:
    async def slowly(_: object) -> bytes:
        await asyncio.sleep(0.005)
        return OK

    listener.answer = slowly
    await outbox.endpoint(listener.url, concurrency=3)
    await outbox.tell(*range(1, 31))

    await outbox.settled()

    assert listener.most_at_once == 3


async def test_one_that_fails_ten_times_in_a_row_is_left_alone_and_tried_with_one(
    outbox: Outbox, listener: Listener
) -> None:
    back = False
    listener.answer = lambda _: OK if back else answer(500)
    issued = await outbox.endpoint(listener.url, concurrency=1)
    await outbox.tell(*range(1, 31))

    async with outbox.delivering():
        await until(lambda: outbox.counts.open_breakers == 1)
        assert len(listener.received) == 10
        back = True
        await until(lambda: len(listener.received) == 30)
        await until(lambda: outbox.counts.open_breakers == 0)
    states = [row["state"] for row in await log_of(outbox, issued)]
    assert (states.count("pending"), states.count("delivered")) == (10, 20)


# Disabling


async def test_while_it_is_being_disabled_nobody_takes_it_over(outbox: Outbox, listener: Listener) -> None:
    """The book's lock, which that waits for, may be held for long; all workers look for something to do."""
    listener.answer = lambda _: answer(410)
    issued = await outbox.endpoint(listener.url, concurrency=1)
    await outbox.tell(1, 2)
    async with outbox.database.transaction() as connection:
        await outbox.endpoints._locked(connection, outbox.book.book_id)
        async with outbox.delivering(), outbox.delivering():
            await until(lambda: len(listener.received) == 1)
            await looked(outbox)
            assert len(listener.received) == 1
            await connection.rollback()
    await outbox.settled()

    assert len(listener.received) == 1
    async with outbox.database.connection() as connection:
        endpoint = await outbox.endpoints.get(connection, outbox.book.book_id, issued.endpoint.id)
    assert (endpoint.status, endpoint.reason) == (EndpointStatus.DISABLED, DisableReason.GONE)


async def test_410_disables_the_endpoint_and_says_so(outbox: Outbox, listener: Listener) -> None:
    listener.answer = lambda _: answer(410)
    issued = await outbox.endpoint(listener.url)
    await outbox.tell(1)

    await outbox.deliver(lambda: outbox.counts.disabled == {"gone": 1})

    (row,) = await log_of(outbox, issued)
    assert (row["state"], row["attempts"], row["status"]) == ("failed", 1, 410)
    async with outbox.database.connection() as connection:
        book_id = outbox.book.book_id
        endpoint = await outbox.endpoints.get(connection, book_id, issued.endpoint.id)
        told = await events.find(connection, book_id, type="webhook_endpoint.disabled")
        query = audit.Query(book_id=book_id, object_id=ids.encode(ids.ENDPOINT, issued.endpoint.id))
        records = (await audit.page(connection, query, limit=10)).records
    assert (endpoint.status, endpoint.reason) == (EndpointStatus.DISABLED, DisableReason.GONE)
    assert [event.object_id for event in told.events] == [ids.encode(ids.ENDPOINT, endpoint.id)]
    assert [(one.action, one.principal) for one in records] == [("webhook_endpoint.disable", "delivery")]


async def test_one_that_only_failed_for_five_days_is_disabled_and_goes_on_where_it_stopped(
    outbox: Outbox, listener: Listener
) -> None:
    listener.answer = lambda _: answer(500)
    issued = await outbox.endpoint(listener.url)
    await outbox.tell(1)
    await outbox.settled()
    outbox.clock.advance(dt.timedelta(days=4, hours=23))
    await outbox.tell(2)
    await outbox.settled()
    assert outbox.counts.disabled == {}

    outbox.clock.advance(dt.timedelta(hours=1))
    await outbox.tell(3)
    await outbox.deliver(lambda: outbox.counts.disabled == {"failing": 1})
    await outbox.tell(4)
    await outbox.settled()
    before = len(listener.received)
    listener.answer = lambda _: OK
    async with outbox.database.transaction() as connection:
        await outbox.endpoints.enable(connection, outbox.book.book_id, issued.endpoint.id)
    outbox.clock.advance(dt.timedelta(days=1))
    await outbox.settled()

    assert len(listener.received) > before
    assert {row["state"] for row in await log_of(outbox, issued)} == {"delivered"}
    assert len(await log_of(outbox, issued)) == 4


async def test_a_success_in_between_begins_the_five_days_anew(outbox: Outbox, listener: Listener) -> None:
    await outbox.endpoint(listener.url)
    for day in range(8):
        listener.answer = (lambda _: OK) if day == 4 else (lambda _: answer(500))
        await outbox.tell(day + 1)
        await outbox.settled()
        outbox.clock.advance(dt.timedelta(days=1))

    assert outbox.counts.disabled == {}


async def test_failures_of_long_ago_disable_nothing_that_has_not_been_tried_since(
    outbox: Outbox, listener: Listener
) -> None:
    issued = await outbox.endpoint(listener.url)
    async with outbox.database.transaction() as connection:
        await connection.execute(
            "update delivery.drive set failing_since = %s", (outbox.clock.now() - dt.timedelta(days=6),)
        )
        await outbox.endpoints.test(connection, outbox.book.book_id, issued.endpoint.id)

    await outbox.settled()

    assert (len(listener.received), outbox.counts.disabled) == (1, {})
    assert [row["state"] for row in await log_of(outbox, issued)] == ["delivered"]


@pytest.mark.parametrize("first", [200, 500])
@pytest.mark.parametrize("tested", [False, True])
async def test_after_a_schedule_that_ran_out_and_a_long_silence_the_count_begins_anew(
    outbox: Outbox, listener: Listener, first: int, tested: bool
) -> None:
    listener.answer = lambda _: answer(500)
    issued = await outbox.endpoint(listener.url)
    await outbox.tell(1)
    await outbox.settled()
    while (next_at := (await log_of(outbox, issued))[0]["next_at"]) is not None:
        outbox.clock.set(next_at)
        await outbox.settled()
    outbox.clock.advance(dt.timedelta(days=10))
    listener.answer = lambda _: answer(first)

    if tested:
        async with outbox.database.transaction() as connection:
            await outbox.endpoints.test(connection, outbox.book.book_id, issued.endpoint.id)
    else:
        await outbox.tell(2)
    await outbox.settled()

    assert outbox.counts.disabled == {}
    assert (await log_of(outbox, issued))[-1]["state"] == ("delivered" if first == 200 else "pending")
    async with outbox.database.connection() as connection:
        endpoint = await outbox.endpoints.get(connection, outbox.book.book_id, issued.endpoint.id)
    assert endpoint.failing_since == (None if first == 200 else outbox.clock.now())


async def an_event_that_is_given_up(outbox: Outbox, issued: Issued, seq: int) -> None:
    """Its whole schedule, then a week's rest."""
    await outbox.tell(seq)
    await outbox.settled()
    while (next_at := (await log_of(outbox, issued))[-1]["next_at"]) is not None:
        outbox.clock.set(next_at)
        await outbox.settled()
    outbox.clock.advance(dt.timedelta(days=7))


async def test_one_with_an_event_a_week_is_disabled_when_three_in_a_row_were_given_up(
    outbox: Outbox, listener: Listener
) -> None:
    listener.answer = lambda _: answer(500)
    issued = await outbox.endpoint(listener.url)
    await an_event_that_is_given_up(outbox, issued, 1)
    await an_event_that_is_given_up(outbox, issued, 2)
    assert outbox.counts.disabled == {}
    await an_event_that_is_given_up(outbox, issued, 3)
    assert outbox.counts.disabled == {"failing": 1}

    async with outbox.database.transaction() as connection:
        endpoint = await outbox.endpoints.get(connection, outbox.book.book_id, issued.endpoint.id)
        assert (endpoint.status, endpoint.reason) == (EndpointStatus.DISABLED, DisableReason.FAILING)
        await outbox.endpoints.enable(connection, outbox.book.book_id, issued.endpoint.id)
    assert {row["state"] for row in await log_of(outbox, issued)} == {"failed"}
    await an_event_that_is_given_up(outbox, issued, 4)
    assert outbox.counts.disabled == {"failing": 1}, "enabled, it is counted anew"


async def test_what_arrives_in_between_makes_those_given_up_none_in_a_row(
    outbox: Outbox, listener: Listener
) -> None:
    issued = await outbox.endpoint(listener.url)
    for seq in range(1, 6):
        listener.answer = (lambda _: OK) if seq == 3 else (lambda _: answer(500))
        await an_event_that_is_given_up(outbox, issued, seq)

    assert outbox.counts.disabled == {}


# When it asks for patience


async def test_after_429_nothing_is_sent_until_it_may_be(outbox: Outbox, listener: Listener) -> None:
    listener.answer = lambda got: answer(429, "Retry-After: 7200") if got.event["seq"] == 2 else OK
    issued = await outbox.endpoint(listener.url, concurrency=1)
    await outbox.tell(1, 2, 3)
    async with outbox.delivering():
        await until(lambda: len(listener.received) == 1)
    (first, *others) = await log_of(outbox, issued)
    assert first["next_at"] == outbox.clock.now() + dt.timedelta(hours=2)
    assert [row["attempts"] for row in others] == [0, 0]


async def test_also_by_whoever_drives_it_next_and_about_what_happens_next(
    outbox: Outbox, listener: Listener
) -> None:
    listener.answer = lambda _: answer(503, "Retry-After: 60")
    issued = await outbox.endpoint(listener.url)
    await outbox.tell(1)
    await outbox.settled()
    listener.answer = lambda _: OK
    await outbox.tell(2)
    outbox.clock.advance(dt.timedelta(seconds=59))
    async with outbox.delivering():
        await looked(outbox)
    assert listener.seqs == [2]

    outbox.clock.advance(dt.timedelta(seconds=1))
    await outbox.settled()

    assert sorted(listener.seqs) == [2, 2, 3]
    assert {row["state"] for row in await log_of(outbox, issued)} == {"delivered"}


async def test_unless_its_owner_enables_it_anew(outbox: Outbox, listener: Listener) -> None:
    listener.answer = lambda _: answer(429, "Retry-After: 3600")
    issued = await outbox.endpoint(listener.url)
    book_id, endpoint_id = outbox.book.book_id, issued.endpoint.id
    await outbox.tell(1)
    await outbox.settled()
    listener.answer = lambda _: OK
    await outbox.tell(2)
    async with outbox.database.transaction() as connection:
        await outbox.endpoints.disable(connection, book_id, endpoint_id, DisableReason.REQUESTED)
        await outbox.endpoints.enable(connection, book_id, endpoint_id)
    await outbox.settled()

    assert listener.seqs == [2, 3]


async def test_a_test_is_sent_at_once_all_the_same_and_nothing_else_with_it(
    outbox: Outbox, listener: Listener
) -> None:
    listener.answer = lambda _: answer(429, "Retry-After: 3600")
    issued = await outbox.endpoint(listener.url)
    book_id, endpoint_id = outbox.book.book_id, issued.endpoint.id
    await outbox.tell(1)
    await outbox.settled()
    asked = outbox.clock.now() + dt.timedelta(hours=1)
    await outbox.tell(2)
    listener.answer = lambda _: answer(500)
    async with outbox.database.transaction() as connection:
        quiet = await outbox.endpoints.get(connection, book_id, endpoint_id)
        event = await outbox.endpoints.test(connection, book_id, endpoint_id)
    await outbox.deliver(lambda: len(listener.received) == 2)

    assert (quiet.quiet_until, listener.seqs) == (asked, [2, event.seq])
    # It was tried: what follows waits as the rest does.
    outbox.clock.advance(dt.timedelta(minutes=10))
    async with outbox.delivering():
        await looked(outbox)
    assert listener.seqs == [2, event.seq]

    outbox.clock.set(asked)
    listener.answer = lambda _: OK
    await outbox.settled()
    assert sorted(listener.seqs) == [2, 2, 3, event.seq, event.seq]
    async with outbox.database.connection() as connection:
        assert (await outbox.endpoints.get(connection, book_id, endpoint_id)).quiet_until is None


async def test_a_schedule_that_is_over_ends_the_delivery(outbox: Outbox, listener: Listener) -> None:
    listener.answer = lambda _: answer(500)
    issued = await outbox.endpoint(listener.url)
    await outbox.tell(1)
    began, times = outbox.clock.now(), []
    while True:
        await outbox.settled()
        (row,) = await log_of(outbox, issued)
        times.append((outbox.clock.now() - began).total_seconds())
        if row["next_at"] is None:
            break
        outbox.clock.set(row["next_at"])

    # The times of Standard Webhooks' own table.
    assert times == [0, 5, 305, 2_105, 9_305, 27_305, 63_305, 113_705, 185_705, 272_105]
    assert (row["state"], row["attempts"]) == ("failed", 10)
    assert outbox.counts.given_up == 1
