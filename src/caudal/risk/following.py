"""What becomes of payments, as features and labels come to know of it: from the book's own events, in order.

A job reads on from where it stopped, in the transaction of what it writes; so each event counts once, however
often the job dies. It is some seconds behind: a decision knows what was known when it was made, and training
goes by the same. Payments that were made before anything was published come to be known in the same way.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from caudal import events, features, jobs
from caudal.features import Event
from caudal.ledger import Ledger
from caudal.risk import facts, store_behind, store_decisions, store_labels, store_links
from caudal.risk.dispute_reasons import label_of
from caudal.risk.labels import keep, told_of
from caudal.risk.types import Behind, Label
from caudal_base.database import Connection
from caudal_base.decide import Context, Subject, Verdict

FOLLOW: Final = "risk.follow"
FOLLOW_EVERY: Final = dt.timedelta(seconds=5)
LOT: Final = 500
"""Events of the book that are read in one transaction, while its payments wait."""

_PATTERNS: Final = ("payment.%", "dispute.%")
_ENDS: Final = frozenset({"payment.succeeded", "payment.failed", "payment.returned"})
DISPUTE_OPENED: Final = "dispute.opened"
"""The source of the event by which features know of a dispute."""


class _Decision(msgspec.Struct):
    verdict: Verdict
    id: str | None = None


class _Told(msgspec.Struct):
    """What is read of a payment or a dispute."""

    id: str
    amount: int
    currency: str
    payment: str | None = None
    kind: str = ""
    customer: str = ""
    created_at: dt.datetime | None = None
    method: str | None = None
    partner: str | None = None
    instrument: str | None = None
    context: Context | None = None
    decision: _Decision | None = None
    reason: str | None = None
    """Of a dispute: what the payer claims, in the partner's words."""


_decode: Final = msgspec.json.Decoder(_Told).decode


async def follow(
    connection: Connection, book_id: int, *, ledger: Ledger, at: dt.datetime, limit: int = LOT
) -> bool:
    """Take in the next `limit` events of a book; whether there may be more. For a job, a transaction each.

    A book for which nothing is published is not followed: its events wait.
    """
    stamp = await store_decisions.stamp_of(await store_decisions.queue_stamp(connection, book_id))
    if not any(stamp):
        return False
    after = await store_labels.followed(connection, book_id)
    head = await (await events.queue_head(connection, book_id)).finish()
    if head <= after:
        return False
    found = await events.matching(connection, book_id, _PATTERNS, after=after, through=head, limit=limit)
    if found:
        await _take_in(connection, book_id, found, ledger=ledger, at=at)
    more = len(found) == limit
    await store_labels.followed_to(connection, book_id, found[-1].seq if more else head)
    return more


async def behind(connection: Connection, book_id: int) -> Behind:
    """How far features and labels are behind the book's events. One statement."""
    return await store_behind.behind(connection, book_id)


async def _take_in(
    connection: Connection, book_id: int, found: Sequence[events.Event], *, ledger: Ledger, at: dt.datetime
) -> None:
    told = [(event, _decode(event.data)) for event in found]
    # Other processes' clocks may be ahead: nothing is known before it has happened.
    at = max(at, *(event.at for event in found))
    about = {one.payment or one.id for _, one in told}
    known = await store_labels.payments(connection, book_id, sorted(about))
    new: list[Event] = []
    labels: list[Label] = []
    for event, one in told:
        if event.object_type == "payment":
            if one.id not in known and one.decision is not None and one.decision.id is None:
                # Decided on while there was nothing that would have kept it as an event.
                known[one.id] = _payment(one, event.at, at)
                new.append(known[one.id])
            if event.type in _ENDS and one.id in known:
                new.append(msgspec.structs.replace(
                    known[one.id], source=event.type, event_at=event.at, known_at=at
                ))  # fmt: skip
        elif one.payment is not None and (kind := label_of(event.type, one.reason)) is not None:
            payment = known.get(one.payment)
            if payment is not None and event.type == "dispute.open":
                new.append(told_of(payment, one.id, DISPUTE_OPENED, at))
            happened = event.at if payment is None else payment.event_at
            labels.append(
                Label(
                    subject=one.payment, kind=kind, event_at=min(happened, at),
                    known_at=at, source=one.id, note=one.reason,
                )
            )  # fmt: skip
    for start in range(0, len(new), 1_000):
        await features.record(connection, book_id, new[start : start + 1_000], ledger=ledger, at=at)
    await keep(connection, book_id, labels, ledger=ledger, at=at)


def _payment(one: _Told, at: dt.datetime, known_at: dt.datetime) -> Event:
    """A payment that nobody has kept as an event, from what was told of it."""
    subject = Subject(
        payment_id=one.id, kind=one.kind, customer_id=one.customer, amount=one.amount, currency=one.currency,
        method=one.method, partner=one.partner, instrument=one.instrument, context=one.context, limits=(),
    )  # fmt: skip
    verdict = Verdict.APPROVE if one.decision is None else one.decision.verdict
    event = facts.event_of(subject, facts.asked_of(subject), verdict, at)
    return msgspec.structs.replace(event, known_at=known_at)


class Following:
    """The job that follows a book."""

    def __init__(self, ledger: Ledger) -> None:
        """`ledger` takes the book's lock."""
        self._ledger = ledger

    async def run(self, work: jobs.Work[Any]) -> None:
        """Follow to the end, a lot to a transaction, so that payments get in between."""
        await self._link(work)
        more = True
        while more:
            async with work.database.transaction() as connection:
                more = await follow(connection, work.book_id, ledger=self._ledger, at=work.clock.now())
                if not more:
                    await work.finish(connection, {job.id: jobs.DONE for job in work.jobs})

    async def _link(self, work: jobs.Work[Any]) -> None:
        async with work.database.connection() as connection:
            more = await store_links.unnumbered(connection, work.book_id)
        while more:
            async with work.database.transaction() as connection:
                async with connection.pipeline():
                    await (await self._ledger.begin(connection, work.book_id, ())).finish()
                more = await store_links.number(connection, work.book_id, LOT)
        more = True
        while more:
            async with work.database.transaction() as connection:
                more = await store_links.link(connection, work.book_id, LOT)

    async def fill(self, work: jobs.Work[Any]) -> None:
        """Count the history of features that are new, in the same way."""
        more = True
        while more:
            async with work.database.transaction() as connection:
                more = await features.fill(connection, work.book_id, ledger=self._ledger)
                if not more:
                    await work.finish(connection, {job.id: jobs.DONE for job in work.jobs})
