"""The job that notes how partners' clocks stand against this worker's, for `caudal doctor`."""

import datetime as dt
from typing import Final

import msgspec

from caudal import jobs
from caudal.connectors import Registry
from caudal.ledger import require_book_number
from caudal.routing import store
from caudal.routing.types import PartnerClock

NOTE: Final = "routing.clocks"

_EVERY: Final = dt.timedelta(minutes=1)
_MOST_MS: Final = 2**31 - 1


class Nothing(msgspec.Struct, frozen=True):
    """The payload of a job that its kind and book say all about."""


PERIODICS: Final = (jobs.Periodic(name=NOTE, kind=NOTE, every=_EVERY, payload=Nothing()),)


def handlers(partners: Registry) -> list[jobs.AnyHandler]:
    """What each kind of job does; `partners` are those that this process calls."""

    async def note(work: jobs.Work[Nothing]) -> None:
        async with work.database.transaction() as connection:
            book = await require_book_number(connection, work.book_id)
            heard = []
            for partner in partners.of_book(book.name):
                stats = partner.stats
                if stats.clock_ahead_s is not None and stats.clock_measured_at is not None:
                    ahead = max(-_MOST_MS, min(_MOST_MS, round(stats.clock_ahead_s * 1_000)))
                    heard.append(
                        PartnerClock(
                            partner=partner.name, ahead_ms=ahead, measured_at=stats.clock_measured_at
                        )
                    )
            await store.note_clocks(connection, work.book_id, heard)
            await work.finish(connection, {job.id: jobs.DONE for job in work.jobs})

    return [jobs.Handler(NOTE, Nothing, note, max_batch=1, on_dead=jobs.OnDead.SKIP)]
