"""Requests per key: what it may, what it is told, and that others do not feel it."""

import multiprocessing
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from uuid import UUID

import httpx
import pytest

from caudal.access import OPERATOR, Principal
from caudal.api import RateLimited, RateLimits
from caudal.app import create_app
from caudal_base.settings import Settings
from caudal_base.shared import PROBES, SLOTS, Shared
from support.deliveries import SEALING_KEY
from support.worlds import World, new_book, new_key, problem

if TYPE_CHECKING:
    from conftest import Server


class Time:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def holder(number: int, own: int | None = None) -> Principal:
    """Who has the key of this number, and what it may."""
    return Principal(
        id=OPERATOR.id, key_id=UUID(int=number), actor="", name="", scopes=frozenset(), books=None,
        requests_per_second=own,
    )  # fmt: skip


ONE, OTHER = holder(1 << 10), holder(2 << 10)


def let_through(limits: RateLimits, who: Principal, tries: int = 50) -> int:
    """How many of so many requests pass."""
    passed = 0
    for _ in range(tries):
        try:
            limits.take(who)
        except RateLimited:
            continue
        passed += 1
    return passed


def test_a_silent_key_may_make_the_burst_at_once_and_then_its_rate() -> None:
    time = Time()
    limits = RateLimits(10, 2, Shared(), monotonic=time)

    assert let_through(limits, ONE) == 20
    time.now += 0.5
    assert let_through(limits, ONE) == 5
    time.now += 3_600
    assert let_through(limits, ONE) == 20
    assert limits.refused == 30 + 45 + 30


def test_one_key_takes_nothing_from_another() -> None:
    limits = RateLimits(10, 2, Shared(), monotonic=Time())

    assert let_through(limits, ONE) == 20
    assert let_through(limits, OTHER) == 20


def test_what_a_key_may_by_itself_goes_before_what_the_settings_say() -> None:
    limits = RateLimits(10, 1, Shared(), monotonic=Time())

    assert let_through(limits, holder(4 << 10, own=3)) == 3
    assert let_through(limits, holder(5 << 10, own=30)) == 30
    assert let_through(limits, holder(6 << 10, own=0)) == 50


def test_where_the_settings_have_no_limit_a_key_may_have_one() -> None:
    limits = RateLimits(0, 1, Shared(), monotonic=Time())

    assert let_through(limits, ONE) == 50
    assert limits.take(ONE) is None
    assert let_through(limits, holder(4 << 10, own=3)) == 3


def test_it_is_told_what_is_left_and_when_it_is_whole_again() -> None:
    time = Time()
    limits = RateLimits(2, 2, Shared(), monotonic=time)

    assert [limits.take(ONE) for _ in range(4)] == [
        b'"key";r=3;t=1', b'"key";r=2;t=2', b'"key";r=1;t=2', b'"key";r=0;t=3',
    ]  # fmt: skip
    with pytest.raises(RateLimited) as refused:
        limits.take(ONE)

    assert refused.value.headers == (("RateLimit-Policy", '"key";q=4;w=2'), ("RateLimit", '"key";r=0;t=2'))
    assert refused.value.retry_after == 1
    time.now += refused.value.retry_after
    assert let_through(limits, ONE, 5) == 2


def _take_three(limits: RateLimits) -> None:
    for _ in range(3):
        limits.take(ONE)


def test_processes_that_serve_together_count_together() -> None:
    limits = RateLimits(10, 1, Shared())
    process = multiprocessing.get_context("fork").Process(target=_take_three, args=(limits,))
    process.start()
    process.join()
    assert process.exitcode == 0

    # What comes back in the meantime is one token in a tenth of a second.
    assert int(str(limits.take(ONE)).split("r=")[1].split(";")[0]) in range(6, 10)
    assert let_through(limits, ONE) < 10


def test_a_key_that_finds_no_place_among_busier_ones_is_let_through() -> None:
    time = Time()
    shared = Shared()
    limits = RateLimits(1, 1, shared, monotonic=time)
    # Their numbers fall on one place.
    crowd = [holder((7 + number * SLOTS) << 1) for number in range(PROBES + 1)]

    assert [let_through(limits, one, 3) for one in crowd] == [1] * PROBES + [3]
    time.now += 2
    assert let_through(limits, crowd[-1], 3) == 1


@pytest.fixture
async def world(server: "Server", migrated_template: str) -> AsyncIterator[World]:
    """An API whose keys may make two requests at once, and one a second."""
    name = server.create_database(template=migrated_template)
    settings = Settings(sealing_key=SEALING_KEY, requests_per_second=1, request_burst_s=2)
    application = create_app(settings, dsn=server.dsn(name))
    async with application.running() as services:
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
            book = await new_book(services)
            yield World(http, services, book, await new_key(services, frozenset({book.book_id})))
    server.drop_database(name)


async def refused(world: World) -> httpx.Response:
    """The first answer that is over: more than a second may go by between two."""
    while (answer := await world.post("/v1/accounts", {"nonsense": True})).status_code != 429:
        assert answer.status_code == 400
    return answer


async def test_a_key_that_is_over_is_told_when_to_come_again_and_others_are_served(world: World) -> None:
    books = frozenset({world.book.book_id})
    other = World(world.http, world.services, world.book, await new_key(world.services, books))

    answer = await refused(world)

    assert problem(answer) == (429, "rate_limited", None)
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["ratelimit-policy"] == '"key";q=2;w=2'
    assert answer.headers["ratelimit"] in ('"key";r=0;t=1', '"key";r=0;t=2')
    served = await other.get("/v1/accounts")
    assert (served.status_code, served.headers["ratelimit"]) == (200, '"key";r=1;t=2')
    assert (await world.http.get("/health/live")).status_code == 200
    measured = world.services.metrics.text().decode()
    assert f"caudal_rate_limited_total {float(world.services.rates.refused)}" in measured


async def test_what_was_refused_so_is_not_kept_under_its_idempotency_key(world: World) -> None:
    await refused(world)
    body = {"currency": "USD", "normal_side": "credit"}
    answers = [await world.post("/v1/accounts", body, key="again")]
    while answers[-1].status_code == 429:
        answers.append(await world.post("/v1/accounts", body, key="again"))

    assert answers[-1].status_code == 201
    assert "idempotent-replayed" not in answers[-1].headers
