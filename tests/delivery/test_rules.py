"""When a delivery is tried again, which URLs and addresses are taken, what is kept in order. Pure."""

import contextlib
import datetime as dt
import ipaddress
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caudal.delivery import (
    JITTER,
    MAX_ATTEMPTS,
    PAUSES_S,
    EndpointAddressRefused,
    EndpointUrlRefused,
    InvalidEventTypes,
    Policy,
    Reply,
)
from caudal.delivery.addresses import is_public
from caudal.delivery.rules import judge, patterns, refuse_wrong_types, retry_after
from caudal.delivery.window import Item, Window
from caudal.events import Event

NOW = dt.datetime(2026, 3, 2, 9, 30, 15, tzinfo=dt.UTC)
PRODUCTION, DEVELOPMENT = Policy(development=False), Policy(development=True)


def seconds(moment: dt.datetime | None) -> float | None:
    return None if moment is None else (moment - NOW).total_seconds()


# Trying again


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_2xx_is_a_success(status: int) -> None:
    verdict = judge(Reply(status=status), 1, now=NOW, jitter=0.0)
    assert (verdict.delivered, verdict.error, verdict.next_at) == (True, None, None)


@pytest.mark.parametrize("status", [100, 199, 301, 302, 307, 308, 400, 401, 404, 429, 500, 502, 504])
def test_everything_else_is_a_failure(status: int) -> None:
    verdict = judge(Reply(status=status), 1, now=NOW, jitter=0.0)
    assert (verdict.delivered, verdict.error) == (False, f"it answered {status}")
    assert seconds(verdict.next_at) == 5


def test_the_schedule_is_that_of_the_specification_and_ends() -> None:
    waits = [
        seconds(judge(Reply(status=500), tried, now=NOW, jitter=0.0).next_at)
        for tried in range(1, MAX_ATTEMPTS + 1)
    ]
    assert waits == [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400, None]


@given(st.integers(1, MAX_ATTEMPTS - 1), st.floats(0, 1, exclude_max=True))
def test_jitter_only_ever_makes_a_pause_longer_and_by_a_fifth_at_most(tried: int, jitter: float) -> None:
    wait = seconds(judge(Reply(error="no"), tried, now=NOW, jitter=jitter).next_at)
    assert wait is not None
    assert PAUSES_S[tried - 1] <= wait <= PAUSES_S[tried - 1] * (1 + JITTER)


def test_410_is_the_end_at_once() -> None:
    verdict = judge(Reply(status=410), 1, now=NOW, jitter=0.0)
    assert (verdict.gone, verdict.next_at, verdict.delivered) == (True, None, False)


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_respected_where_it_asks_for_more_than_the_schedule(status: int) -> None:
    longer = judge(Reply(status=status, retry_after="3600"), 1, now=NOW, jitter=0.0)
    shorter = judge(Reply(status=status, retry_after="1"), 2, now=NOW, jitter=0.0)

    assert (seconds(longer.next_at), seconds(longer.quiet_until)) == (3_600, 3_600)
    assert (seconds(shorter.next_at), seconds(shorter.quiet_until)) == (300, 1)


def test_other_answers_have_no_say_in_when_to_come_back() -> None:
    verdict = judge(Reply(status=500, retry_after="3600"), 1, now=NOW, jitter=0.0)
    assert (seconds(verdict.next_at), verdict.quiet_until) == (5, None)


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("999999999999999999999", 86_400),
        ("Mon, 02 Mar 2026 10:30:15 GMT", 3_600),
        ("Mon, 02 Mar 2020 10:30:15 GMT", 0),
        ("Mon, 02 Mar 2099 10:30:15 GMT", 86_400),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("٣", None),
    ],
)
def test_what_a_retry_after_may_say(header: str, wait: int | None) -> None:
    assert seconds(retry_after(header, NOW)) == wait


@given(st.text(max_size=40))
def test_whatever_a_retry_after_says_it_is_a_day_at_most(header: str) -> None:
    moment = retry_after(header, NOW)
    assert moment is None or NOW <= moment <= NOW + dt.timedelta(days=1)


# Filters


@pytest.mark.parametrize("type_", ["*", "payment.*", "payment.succeeded", "webhook_endpoint.secret_rotated"])
def test_a_type_or_a_family_of_types_may_be_asked_for(type_: str) -> None:
    refuse_wrong_types([type_])


@pytest.mark.parametrize("types", [[], [""], ["*.*"], ["pay%"], ["Payment.*"], ["payment"], ["*"] * 51])
def test_what_is_no_type_is_refused(types: list[str]) -> None:
    with pytest.raises(InvalidEventTypes):
        refuse_wrong_types(types)


def test_an_underscore_stands_for_itself_alone() -> None:
    assert patterns(["webhook_endpoint.*", "*"]) == [r"webhook\_endpoint.%", "%"]


# Addresses


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
        "169.254.169.254", "100.64.0.1", "100.127.255.255", "192.0.0.8", "192.0.2.1", "198.18.0.1",
        "198.51.100.1", "203.0.113.7", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
        "168.63.129.16", "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:8.8.8.8",
        "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1",
        "2002:7f00:1::", "3fff::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1",
    ],
)  # fmt: skip
def test_what_is_not_of_the_public_internet_is_refused(text: str) -> None:
    address = ipaddress.ip_address(text)
    assert not is_public(address)
    with pytest.raises(EndpointAddressRefused):
        PRODUCTION.require([ipaddress.ip_address("8.8.8.8"), address])


@pytest.mark.parametrize("text", ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111"])
def test_what_is_of_the_public_internet_is_taken(text: str) -> None:
    PRODUCTION.require([ipaddress.ip_address(text)])


def test_development_takes_this_machine_and_no_other_inside() -> None:
    DEVELOPMENT.require([ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")])
    for inside in ("10.0.0.1", "169.254.169.254", "fd00::1", "::ffff:127.0.0.1"):
        with pytest.raises(EndpointAddressRefused):
            DEVELOPMENT.require([ipaddress.ip_address(inside)])


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "ftp://shop.example/", "https://", "https:///path", "https://shop.example:0/",
        "https://shop.example:99999/", "https://user:secret@shop.example/", "https://shop.example/#part",
        "https://shop.example/a b", "https://shop.exämple/", "https://shop.example/\n", "https://[::1",
        "https://shop.example\\@127.0.0.1/", "//shop.example/", "https://a" + "a" * 2_048,
    ],
)  # fmt: skip
def test_what_is_no_url_to_send_to_is_refused(url: str) -> None:
    for policy in (PRODUCTION, DEVELOPMENT):
        with pytest.raises(EndpointUrlRefused):
            policy.target(url)


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/", "https://[::1]:8443/", "https://169.254.169.254/latest"]
)
def test_a_literal_address_inside_is_refused_at_once(url: str) -> None:
    with pytest.raises(EndpointAddressRefused):
        PRODUCTION.target(url)


def test_plain_http_is_for_development() -> None:
    assert DEVELOPMENT.target("http://127.0.0.1:8080/hook").port == 8080
    with pytest.raises(EndpointUrlRefused):
        PRODUCTION.target("http://shop.example/")


def test_a_url_is_taken_apart_as_it_is_written() -> None:
    target = PRODUCTION.target("https://Shop.Example.:8443/hooks/a%20b?x=1&y=")
    assert (target.host, target.port, target.secure) == ("shop.example", 8443, True)
    assert (target.path, target.authority) == ("/hooks/a%20b?x=1&y=", "shop.example:8443")
    assert PRODUCTION.target("https://shop.example").path == "/"
    assert PRODUCTION.target("https://shop.example").authority == "shop.example"


@given(st.text(max_size=60))
def test_any_text_is_a_target_or_a_typed_refusal(text: str) -> None:
    with contextlib.suppress(EndpointUrlRefused, EndpointAddressRefused):
        PRODUCTION.target(text)


# What is at hand


def item(seq: int, about: int = 1) -> Item:
    event = Event(
        seq=seq,
        id=UUID(int=seq),
        type="payment.succeeded",
        version=1,
        object_type="payment",
        object_id=f"pay_{about:032x}",
        at=NOW,
        data=msgspec.Raw(b"{}"),
    )
    return Item(event=event, body=b"")


def test_without_an_order_all_may_be_out_at_once() -> None:
    window = Window(ordered=False)
    window.add([item(1), item(2)])
    first, second = window.take(), window.take()
    assert (first.event.seq, second.event.seq, window.ready, window.out) == (1, 2, False, 2)
    assert list(window.back(first, over=False)) == []


def test_in_order_the_next_of_an_object_waits_for_the_one_before() -> None:
    window = Window(ordered=True)
    window.add([item(1), item(2), item(3, about=2)])
    first, other = window.take(), window.take()
    assert (first.event.seq, other.event.seq, window.ready, window.waiting) == (1, 3, False, 1)
    assert list(window.back(first, over=True)) == []
    assert window.take().event.seq == 2


def test_one_that_is_to_be_tried_again_takes_those_behind_it_along() -> None:
    window = Window(ordered=True)
    window.add([item(1), item(2), item(3), item(4, about=2)])
    first = window.take()
    behind = window.back(first, over=False)
    assert [one.event.seq for one in behind] == [2, 3]
    assert (window.take().event.seq, window.ready, window.waiting) == (4, False, 0)


def test_an_earlier_one_that_comes_late_goes_first() -> None:
    window = Window(ordered=True)
    window.add([item(5)])
    window.add([item(2)])
    assert window.take().event.seq == 2


@given(
    st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["take", "over", "again"])), max_size=60),
)
def test_of_an_object_never_two_are_out_and_never_a_later_one_before_an_earlier(
    steps: list[tuple[int, str]],
) -> None:
    window, out = Window(ordered=True), list[Item]()
    done: dict[str, int] = {}
    for seq, (about, step) in enumerate(steps, start=1):
        window.add([item(seq, about)])
        if step == "take" and window.ready:
            taken = window.take()
            name = taken.event.object_id
            assert all(one.event.object_id != name for one in out)
            assert taken.event.seq > done.get(name, 0)
            out.append(taken)
        elif out:
            back = out.pop(0)
            behind = window.back(back, over=step == "over")
            done[back.event.object_id] = back.event.seq
            assert step != "over" or not behind
    assert window.out == len(out)
    assert len(window.seqs()) == window.waiting + window.out
