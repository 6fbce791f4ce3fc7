"""Writing down what became of deliveries: from what a driver has at hand to rows."""

import datetime as dt
from collections.abc import Sequence
from typing import Final

import msgspec

from caudal.delivery import store_drives, store_records
from caudal.delivery.rules import Reply, Verdict
from caudal.delivery.store_drives import HELD
from caudal.delivery.store_records import AttemptRow, Row
from caudal.delivery.types import DeliveryState, Endpoint
from caudal.delivery.window import Item
from caudal_base.database import Connection

_MAX_DURATION_MS: Final = 2**31 - 1


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that has ended."""

    item: Item
    reply: Reply
    verdict: Verdict
    at: dt.datetime
    """When it began."""
    seconds: float


async def write(
    connection: Connection,
    book_id: int,
    endpoint: Endpoint,
    *,
    ended: Sequence[Ended],
    dropped: Sequence[Item],
    known: Sequence[Item],
    firsts: set[int],
    now: dt.datetime,
) -> None:
    """Write down attempts that `ended`, and those at hand (`known`) or no longer (`dropped`) that are new.

    `firsts` are the seqs of those at hand that wait for none of their object. An attempt that ended is
    the last word on its delivery, so none may be in two of the lists.
    """
    waiting = now if not endpoint.ordered else HELD
    over = {one.item.event.seq for one in ended}
    rows = [_tried(one, now) for one in _last(ended)]
    rows += [_waiting(item, waiting) for item in dropped if item.event.seq not in over]
    rows += [
        _waiting(item, now if item.event.seq in firsts else HELD)
        for item in known
        if item.event.seq not in over
    ]
    if rows:
        await store_records.record(connection, book_id, endpoint.id, rows)
    if ended:
        await store_records.record_attempts(
            connection, book_id, endpoint.id, [_attempt(one) for one in ended]
        )
    # Those at hand go out in their order anyway; who gives the claim up promotes what is left of them, and
    # who takes over from a dead driver does.
    objects = {one.item.event.object_id for one in ended if one.item.loaded}
    objects |= {item.event.object_id for item in dropped}
    if endpoint.ordered and objects:
        await store_drives.promote(connection, book_id, endpoint.id, sorted(objects), now=now)


def _last(ended: Sequence[Ended]) -> list[Ended]:
    return list({one.item.event.seq: one for one in ended}.values())


def _tried(one: Ended, now: dt.datetime) -> Row:
    verdict = one.verdict
    state = DeliveryState.FAILED
    if verdict.delivered:
        state = DeliveryState.DELIVERED
    elif verdict.next_at is not None:
        state = DeliveryState.PENDING
    return _row(
        one.item,
        state=state,
        next_at=verdict.next_at,
        ended_at=None if state is DeliveryState.PENDING else now,
        status=one.reply.status,
        error=verdict.error,
    )


def _waiting(item: Item, next_at: dt.datetime) -> Row:
    return _row(item, state=DeliveryState.PENDING, next_at=next_at, ended_at=None, status=None, error=None)


def _row(
    item: Item,
    *,
    state: DeliveryState,
    next_at: dt.datetime | None,
    ended_at: dt.datetime | None,
    status: int | None,
    error: str | None,
) -> Row:
    event = item.event
    return Row(
        seq=event.seq,
        event_id=event.id,
        type=event.type,
        object_type=event.object_type,
        object_id=event.object_id,
        state=state,
        attempts=item.attempts,
        tried=item.tried,
        next_at=next_at,
        ended_at=ended_at,
        status=status,
        error=error,
    )


def _attempt(one: Ended) -> AttemptRow:
    return AttemptRow(
        seq=one.item.event.seq,
        number=one.item.attempts,
        at=one.at,
        duration_ms=min(_MAX_DURATION_MS, round(one.seconds * 1_000)),
        status=one.reply.status,
        error=one.verdict.error,
        response=one.reply.body,
    )
