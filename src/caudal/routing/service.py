"""Rule sets, partners' health and figures. Nothing here opens or commits a transaction.

async with database.transaction() as connection:
    version = await routing.create(connection, book_id, rules, caller=caller, ledger=ledger, at=clock.now())
    await routing.publish(connection, book_id, version.version, partners, caller=caller, ledger=ledger, at=…)
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from caudal import audit, events
from caudal.access import Caller
from caudal.connectors import Capabilities, PartnerUnknown
from caudal.events import NewEvent
from caudal.ledger import Ledger
from caudal.routing import checking, store
from caudal.routing.errors import RuleSetNotFound, RulesInvalid
from caudal.routing.rules import health_of
from caudal.routing.types import (
    Attempted,
    Conditioned,
    Cost,
    Drain,
    Figures,
    Outage,
    Rules,
    Version,
)
from caudal.routing.views import partner_told, rule_set_told
from caudal_base.database import Connection
from caudal_base.errors import CaudalError, InvalidRequest
from caudal_base.personal import refuse_personal
from caudal_base.statements import Statement

MAX_PAGE: Final = 1_000
MAX_DAYS: Final = 366
MAX_REASON: Final = 200

Partners = Mapping[str, Capabilities]
"""What the partners of a book can do, by their names."""


async def create(
    connection: Connection, book_id: int, rules: Rules, *, caller: Caller, ledger: Ledger, at: dt.datetime
) -> Version:
    """Keep rules as the book's next version, a draft. Raises `BookNotFound`, `PersonalDataRefused`.

    What is wrong with them is told by `checking.problems`, and refused when they are published.
    """
    _refuse_personal_in(rules)
    recorded_at = await ledger.lock(connection, book_id)
    version = await store.insert(connection, book_id, rules, at, caller.principal.actor)
    record = _record(book_id, "routing.create", f"rules@{version}", "created", caller, at)
    await audit.append(connection, [record])
    kept = Version(version=version, rules=rules, created_at=at, created_by=caller.principal.actor)
    await events.tell(connection, book_id, [_of_rules(kept, "created", max(at, recorded_at))])
    return kept


async def publish(
    connection: Connection, book_id: int, version: int, partners: Partners, *, caller: Caller,
    ledger: Ledger, at: dt.datetime,
) -> Version | CaudalError:  # fmt: skip
    """Make a version the current one, in all processes within `directory.FRESH_S`.

    To publish an older version is to go back to it. The error is the first of `checking.problems`, or
    `RuleSetNotFound`; it leaves an audit record too. Raises `BookNotFound`.
    """
    recorded_at = await ledger.lock(connection, book_id)
    found = await store.versions(connection, book_id, [version])
    refused: CaudalError | None = None
    if not found:
        refused = RuleSetNotFound("the book has no rule set of this version", field="version")
    else:
        problems: Sequence[RulesInvalid] = checking.problems(found[0].rules, partners)
        refused = problems[0] if problems else None
    result = "published" if refused is None else refused.code
    await audit.append(
        connection, [_record(book_id, "routing.publish", f"rules@{version}", result, caller, at)]
    )
    if refused is not None:
        return refused
    await store.publish(connection, book_id, version, at, caller.principal.actor)
    current = msgspec.structs.replace(found[0], published_at=at, published_by=caller.principal.actor)
    await events.tell(connection, book_id, [_of_rules(current, "published", max(at, recorded_at))])
    return current


async def get_version(connection: Connection, book_id: int, version: int | None = None) -> Version:
    """A rule set, by default the current one. Raises `RuleSetNotFound`."""
    number = await store.current(connection, book_id) if version is None else version
    found = [] if number is None else await store.versions(connection, book_id, [number])
    if not found:
        raise RuleSetNotFound(
            "no rule set is published" if version is None else "the book has no rule set of this version",
            field="version",
        )
    return found[0]


async def list_versions(
    connection: Connection, book_id: int, *, before: int | None = None, limit: int = 50
) -> tuple[list[Version], int | None]:
    """Up to `limit` versions below `before`, the newest first, and which one is current."""
    _refuse_page(limit)
    numbers = await store.latest(connection, book_id, before=before or 2**31 - 1, limit=limit)
    found = await store.versions(connection, book_id, numbers) if numbers else []
    return found, await store.current(connection, book_id)


async def conditions(
    connection: Connection, book_id: int, partners: Sequence[str], *, at: dt.datetime
) -> list[Conditioned]:
    """The health of each of `partners`, in their order."""
    _, outages, _ = await store.standing(connection, book_id)
    drains = await store.drains(connection, book_id)
    return [
        Conditioned(
            partner=name, health=health_of(name, outages, drains, at), outage=outages.get(name),
            drain=drains.get(name),
        )
        for name in partners
    ]  # fmt: skip


async def drain(
    connection: Connection, book_id: int, partner: str, reason: str, partners: Sequence[str], *,
    caller: Caller, ledger: Ledger, at: dt.datetime,
) -> None:  # fmt: skip
    """Let a partner run dry: rules send it nothing new, and what it has goes on.

    It is told of, and again where the reason is another one. Raises `BookNotFound`, `PartnerUnknown` for one
    that is none of `partners`, `InvalidRequest` for a reason that is empty or too long,
    `PersonalDataRefused`.
    """
    _refuse_stranger(partner, partners)
    if not (1 <= len(reason) <= MAX_REASON and reason.isprintable()):
        raise InvalidRequest(f"1 to {MAX_REASON} printable characters", field="reason")
    refuse_personal(reason, "reason")
    recorded_at = await ledger.lock(connection, book_id)
    before = (await store.drains(connection, book_id)).get(partner)
    made = Drain(partner=partner, reason=reason, since=at, by=caller.principal.actor)
    await store.drain(connection, book_id, made)
    await audit.append(connection, [_record(book_id, "routing.drain", partner, "draining", caller, at)])
    if before is None or before.reason != reason:
        await _tell_partner(connection, book_id, partner, "drained", at, recorded_at)


async def resume(
    connection: Connection, book_id: int, partner: str, partners: Sequence[str], *, caller: Caller,
    ledger: Ledger, at: dt.datetime,
) -> None:  # fmt: skip
    """Send a partner new payments again; nothing, told neither, where it was not drained.

    Raises `BookNotFound`, `PartnerUnknown`.
    """
    _refuse_stranger(partner, partners)
    recorded_at = await ledger.lock(connection, book_id)
    resumed = await store.resume(connection, book_id, partner)
    result = "resumed" if resumed else "unchanged"
    await audit.append(connection, [_record(book_id, "routing.resume", partner, result, caller, at)])
    if resumed:
        await _tell_partner(connection, book_id, partner, "resumed", at, recorded_at)


async def report(connection: Connection, book_id: int, since: dt.date, through: dt.date) -> list[Figures]:
    """What became of attempts from the day `since` to the day `through`, and what they cost, by lane.

    Raises `InvalidRequest` for days in the wrong order, or more than `MAX_DAYS`.
    """
    if not since <= through < since + dt.timedelta(days=MAX_DAYS):
        raise InvalidRequest(f"1 to {MAX_DAYS} days, the first one first", field="through")
    return await store.figures(connection, book_id, since, through)


def writes(
    book_id: int, at: dt.datetime, *, ended: Sequence[Attempted] = (), costs: Sequence[Cost] = (),
    down: Sequence[Outage] = (), up: Sequence[str] = (),
) -> list[Statement]:  # fmt: skip
    """What a batch of payments writes here, beside its own: attempts that ended, fees, partners' health."""
    day = at.astimezone(dt.UTC).date()
    found = []
    if ended:
        found.append(store.attempted(book_id, day, ended))
    if costs:
        found.append(store.cost(book_id, day, costs))
    if down:
        found.append(store.down(book_id, list({each.partner: each for each in down}.values())))
    if up:
        found.append(store.up(book_id, sorted(set(up))))
    return found


def _of_rules(version: Version, what: str, at: dt.datetime) -> NewEvent:
    view = rule_set_told(version)
    return NewEvent(type=f"rule_set.{what}", object_type="rule_set", object_id=view.id, at=at, data=view)


async def _tell_partner(
    connection: Connection, book_id: int, partner: str, what: str, at: dt.datetime, recorded_at: dt.datetime
) -> None:
    """Tell of a partner as it stands after the change."""
    at = max(at, recorded_at)
    (now,) = await conditions(connection, book_id, [partner], at=at)
    view = partner_told(now)
    told = NewEvent(type=f"partner.{what}", object_type="partner", object_id=view.id, at=at, data=view)
    await events.tell(connection, book_id, [told])


def _refuse_personal_in(rules: Rules) -> None:
    refuse_personal(rules.note, "note")
    for number, rule in enumerate(rules.rules):
        for begins in rule.when.instrument:
            refuse_personal(begins, f"rules[{number}].when.instrument")


def _refuse_stranger(partner: str, partners: Sequence[str]) -> None:
    if partner not in partners:
        raise PartnerUnknown(f"no partner {partner[:64]!r} serves the book", field="partner")


def _refuse_page(limit: int) -> None:
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidRequest(f"a page has 1 to {MAX_PAGE} rows", field="limit")


def _record(
    book_id: int, action: str, object_id: str, result: str, caller: Caller, at: dt.datetime
) -> audit.Record:
    return audit.Record(
        book_id=book_id,
        at=at,
        principal=caller.principal.actor,
        action=action,
        object_id=object_id,
        request_id=caller.request_id,
        result=result,
        origin=caller.origin,
    )
