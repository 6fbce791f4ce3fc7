"""What partners' health and figures become when batches write them."""

import datetime as dt

import pytest

from caudal import routing
from caudal.routing import Attempted, Cost, Figures, Lane, Outage, Outcome, PartnerHealth, Rates
from caudal_base.database import Database
from caudal_base.errors import InvalidRequest
from support.routing_worlds import RoutingWorld, seconds

DAY = dt.timedelta(days=1)
ALPHA = Lane("default", "alpha", "EUR", "card")
BETA = Lane("default", "beta", "EUR", "card")


@pytest.fixture
async def world(database: Database) -> RoutingWorld:
    return await RoutingWorld.make(database)


async def report(world: RoutingWorld, since: dt.datetime, through: dt.datetime) -> list[Figures]:
    async with world.database.connection() as connection:
        return await routing.report(connection, world.book_id, since.date(), through.date())


async def test_attempts_and_fees_add_up_by_lane_and_day(world: RoutingWorld) -> None:
    now = world.clock.now()
    approved, declined = Outcome.APPROVED, Outcome.SOFT_DECLINE
    ended = [
        Attempted(ALPHA, approved, 1_000), Attempted(ALPHA, approved, 500), Attempted(ALPHA, declined, 70),
        Attempted(ALPHA, Outcome.NOT_SENT, 9), Attempted(BETA, declined, 70),
    ]  # fmt: skip
    await world.write(
        routing.writes(world.book_id, now, ended=ended, costs=[Cost(ALPHA, 30), Cost(ALPHA, 15)])
    )
    await world.write(
        routing.writes(
            world.book_id, now + DAY, ended=[Attempted(ALPHA, approved, 200)], costs=[Cost(ALPHA, -5)]
        )
    )

    first, other = await report(world, now, now)
    assert (first.lane, first.approved_amount, first.cost) == (ALPHA, 1_500, 45)
    assert first.counts == {approved: 2, declined: 1, Outcome.NOT_SENT: 1}
    assert (first.approval_basis_points, first.cost_basis_points) == (6_666, 300)
    assert (other.lane, other.counts, other.approval_basis_points) == (BETA, {declined: 1}, 0)
    assert other.cost_basis_points is None
    both = await report(world, now, now + DAY)
    assert (both[0].counts[approved], both[0].approved_amount, both[0].cost) == (3, 1_700, 40)
    assert await report(world, now - DAY, now - DAY) == []
    assert Rates(both).cost("alpha", "EUR", {"card": 1_000}) == 1_000 * 40 // 1_700
    assert Rates(both).cost("beta", "EUR", {"card": 1_000}) is None


@pytest.mark.parametrize(("since", "through"), [(1, 0), (0, 366)])
async def test_a_report_is_of_a_year_at_most(world: RoutingWorld, since: int, through: int) -> None:
    now = world.clock.now()
    with pytest.raises(InvalidRequest):
        await report(world, now + since * DAY, now + through * DAY)


async def test_an_outage_lasts_as_long_as_the_latest_news_of_it_says(world: RoutingWorld) -> None:
    now = world.clock.now()

    async def down(until: float, reason: str = "breaker_open") -> None:
        outage = Outage(partner="alpha", reason=reason, since=now, until=now + seconds(until))
        await world.write(routing.writes(world.book_id, now, down=[outage, outage]))

    await down(10)
    await down(5, "unreachable")
    (outage,) = (await world.standing()).outages.values()
    assert (outage.until, outage.reason) == (now + seconds(10), "unreachable")
    world.clock.advance(seconds(9))
    assert (await world.standing()).health("alpha") is PartnerHealth.DOWN
    world.clock.advance(seconds(1))
    assert (await world.standing()).health("alpha") is PartnerHealth.RECOVERING
    await world.write(routing.writes(world.book_id, now, up=["alpha", "beta"]))
    assert (await world.standing()).outages == {}


async def test_a_process_goes_by_what_it_has_learned_itself_at_once(world: RoutingWorld) -> None:
    now = world.clock.now()
    outage = Outage(partner="alpha", reason="unreachable", since=now, until=now + seconds(10))
    world.directory = routing.Directory(world.clock, fresh_s=60.0)
    world.directory.notice(world.book_id, [outage], ())  # of a book that it has never heard of
    await world.standing()
    world.directory.notice(world.book_id, [outage], ())
    assert (await world.standing()).health("alpha") is PartnerHealth.DOWN
    world.directory.notice(world.book_id, (), {"alpha"})
    assert (await world.standing()).health("alpha") is PartnerHealth.UP


def test_a_batch_that_has_nothing_to_tell_writes_nothing(world: RoutingWorld) -> None:
    assert routing.writes(world.book_id, world.clock.now()) == []
