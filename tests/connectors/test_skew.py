"""A partner's clock against ours: what the resolution of `Date` and the way explain is no skew."""

import asyncio
import datetime as dt
from email.utils import format_datetime

import pytest

from caudal.connectors.lanes import Lanes
from caudal.connectors.skew import EVERY, Skew
from caudal_base.clock import ManualClock, SystemClock

SENT = dt.datetime(2026, 3, 2, 9, 30, 15, 200_000, tzinfo=dt.UTC)


def heard(date: str, *, on_its_way_s: float = 0.5) -> float | None:
    clock = ManualClock(SENT)
    skew = Skew(clock)
    asked = skew.asked()
    assert asked == SENT
    clock.advance(dt.timedelta(seconds=on_its_way_s))
    skew.heard(date, asked)
    return skew.ahead_s


@pytest.mark.parametrize(("second", "ahead_s"), [(15, 0.0), (14, -0.2), (16, 0.3), (75, 59.3), (-45, -59.2)])
def test_a_clock_is_ahead_or_behind_by_what_nothing_else_explains(second: int, ahead_s: float) -> None:
    said = SENT.replace(second=0, microsecond=0) + dt.timedelta(seconds=second)

    assert heard(format_datetime(said, usegmt=True)) == pytest.approx(ahead_s)


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 32 Mar 2026 09:30:15 GMT"])
def test_a_date_that_is_none_says_nothing(date: str) -> None:
    assert heard(date) is None


def test_answers_are_listened_to_every_ten_seconds() -> None:
    clock = ManualClock(SENT)
    skew = Skew(clock)
    skew.heard(format_datetime(SENT, usegmt=True), SENT)
    assert skew.asked() is None
    clock.advance(EVERY)
    assert skew.asked() == SENT + EVERY


async def test_what_a_partner_answers_over_http_is_heard_by_whoever_listens() -> None:
    date = format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(hours=1), usegmt=True)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    skew, lanes = Skew(SystemClock()), Lanes(dt.timedelta(seconds=5))
    await lanes.send("GET", url, headers={})
    assert skew.ahead_s is None
    with skew.listening():
        await lanes.send("GET", url, headers={})
    await lanes.close()
    server.close()

    assert skew.ahead_s == pytest.approx(3_600, abs=30)
