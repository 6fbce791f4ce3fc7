"""What partners' answers say of their clocks is noted by a worker, for the doctor."""

import asyncio
import datetime as dt
from email.utils import format_datetime

from caudal import jobs, routing
from caudal.connectors import Answer, Call, Drift, Partner, Registry
from caudal.connectors.skew import listener
from caudal.ledger import require_book_number
from caudal_base.clock import ManualClock
from caudal_base.database import Database
from caudal_base.ids import IdSource
from caudal_base.secret import Secret
from caudal_base.settings import PartnerSettings
from support.partners import CALL, DONE, Scripted
from support.routing_worlds import RoutingWorld


class Fast(Scripted):
    """A partner whose clock is ahead of ours."""

    def __init__(self, clock: ManualClock, ahead_s: int) -> None:
        super().__init__()
        self.clock = clock
        self.ahead = dt.timedelta(seconds=ahead_s)

    async def call(self, call: Call) -> Answer:
        skew = listener()
        assert skew is not None
        asked = skew.asked()
        assert asked is not None
        skew.heard(format_datetime(self.clock.now() + self.ahead, usegmt=True), asked)
        return DONE


async def test_a_clock_that_is_ahead_is_measured_by_an_answer_and_noted_by_the_job(
    shared_database: Database,
) -> None:
    world = await RoutingWorld.make(shared_database)
    async with world.database.connection() as connection:
        book = await require_book_number(connection, world.book_id)
    settings = PartnerSettings(connector="acme", book=book.name, api_key=Secret("key"))
    partner = Partner(Fast(world.clock, 90), settings, Drift("acme", world.clock), clock=world.clock)
    await partner.call(CALL)
    assert partner.stats.clock_ahead_s == 90.0
    assert listener() is None

    async def own() -> list[int]:
        return [world.book_id]

    worker = jobs.Worker(
        world.database,
        routing.handlers(Registry([partner])),
        books=own,
        clock=world.clock,
        ids=IdSource(world.clock),
        periodics=routing.PERIODICS,
        options=jobs.Options(poll_min_s=0.001, poll_max_s=0.01, upkeep_s=0.01),
    )
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(20):
        while not (noted := await world.rows("select partner, ahead_ms from routing.clock")):
            await asyncio.sleep(0.01)
    worker.stop()
    await running

    assert noted == [("acme", 90_000)]
