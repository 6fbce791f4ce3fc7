"""Lists and limits: what a payment's subject meets, and what follows. Pure."""

import datetime as dt
import ipaddress
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Final

from caudal.risk.errors import EntryInvalid
from caudal.risk.types import AddEntry, Bucket, Entry, ListKind, Met, RemoveEntry, SubjectKind, Used
from caudal_base import ids
from caudal_base.countries import require_country
from caudal_base.decide import APPROVED, Decision, Limit, Subject, Verdict
from caudal_base.errors import CaudalError
from caudal_base.personal import refuse_personal

ANY_COUNTRY: Final = ""

MAX_VALUE: Final = 255
MAX_REASON: Final = 200

Named = tuple[SubjectKind, str]
"""What an entry names."""

Lists = Mapping[Named, Collection[ListKind]]
"""On which lists things are."""

NOTHING_USED: Final = Used()
MET_NOTHING: Final = Met()


def named_by(subject: Subject) -> Iterator[Named]:
    """What of a payment may be on a list, the weightiest first."""
    yield SubjectKind.CUSTOMER, subject.customer_id
    if subject.instrument is not None:
        yield SubjectKind.INSTRUMENT, subject.instrument
    context = subject.context
    if context is None:
        return
    if context.card_token is not None and context.card_token != subject.instrument:
        yield SubjectKind.INSTRUMENT, context.card_token
    if context.device is not None:
        yield SubjectKind.DEVICE, context.device
    if context.ip is not None:
        yield SubjectKind.IP, plain_address(context.ip)
    if context.country is not None:
        yield SubjectKind.COUNTRY, context.country
    if context.merchant is not None:
        yield SubjectKind.MERCHANT, context.merchant


# Asked when a batch begins and again for each decision: an IPv6 address takes 15 µs to read.
@lru_cache(maxsize=4_096)
def plain_address(text: str) -> str:
    """A network address in its shortest form; what is none as it is."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text


def bounding(subject: Subject) -> Iterator[Limit]:
    """The limits that hold for a payment."""
    country = None if subject.context is None else subject.context.country
    for limit in subject.limits:
        if (
            limit.currency == subject.currency
            and (limit.kind is None or limit.kind == subject.kind)
            and (limit.country is None or limit.country == country)
        ):
            yield limit


def bucket_of(subject: Subject, limit: Limit) -> Bucket:
    """Where payments like this one are summed up for `limit`."""
    return Bucket(subject.customer_id, subject.currency, subject.kind, limit.country or ANY_COUNTRY)


def buckets_of(subject: Subject) -> set[Bucket]:
    """All sums that a payment adds to: none for a customer without limits per day."""
    return {bucket_of(subject, limit) for limit in bounding(subject) if limit.per_day is not None}


def met_by(subject: Subject, lists: Lists, used: Mapping[Bucket, Used]) -> Met:
    """Which entries and limits a payment meets. `lists` and `used` may hold more than what is about it."""
    blocked: list[str] = []
    watched: list[str] = []
    allowed: list[str] = []
    if lists:
        for named in named_by(subject):
            for kind in lists.get(named, ()):
                codes = {ListKind.BLOCK: blocked, ListKind.WATCH: watched, ListKind.ALLOW: allowed}[kind]
                codes.append(f"{_PARTICIPLES[kind]}_{named[0].value}")
    breached = [code for limit in bounding(subject) for code in _breaches(subject, limit, used)]
    if not (blocked or breached or watched or allowed):
        return MET_NOTHING
    return Met(*(tuple(dict.fromkeys(codes)) for codes in (blocked, breached, watched, allowed)))


def decide(met: Met) -> Decision:
    """Decide on a payment by lists and limits alone.

    On the block list, or beyond a limit: DECLINE, with every reason, blocks first. Else on the watch list,
    and nothing of it on the allow list: REVIEW. Else APPROVE; if the allow list made the difference, the
    reason says so.
    """
    if met.blocked or met.breached:
        return Decision(verdict=Verdict.DECLINE, reasons=met.blocked + met.breached)
    if not met.watched:
        return APPROVED
    if met.allowed:
        return Decision(verdict=Verdict.APPROVE, reasons=met.allowed)
    return Decision(verdict=Verdict.REVIEW, reasons=met.watched)


_PARTICIPLES: Final = {ListKind.BLOCK: "blocked", ListKind.WATCH: "watched", ListKind.ALLOW: "allowed"}


def _breaches(subject: Subject, limit: Limit, used: Mapping[Bucket, Used]) -> Iterator[str]:
    suffix = "" if limit.country is None else "_country"
    if limit.per_payment is not None and subject.amount > limit.per_payment:
        yield f"limit_per_payment{suffix}"
    if limit.per_day is not None:
        before = used.get(bucket_of(subject, limit), NOTHING_USED)
        if before.amount + subject.amount > limit.per_day:
            yield f"limit_per_day{suffix}"


def counts(entry_expires_at: dt.datetime | None, now: dt.datetime) -> bool:
    """Whether an entry still holds at the moment `now`."""
    return entry_expires_at is None or now < entry_expires_at


def canonical(subject: SubjectKind, value: str) -> str:
    """`value` in the form in which payments are compared with it. Raises a typed error naming `value`."""
    if not 1 <= len(value) <= MAX_VALUE or not value.isprintable():
        raise EntryInvalid(f"1 to {MAX_VALUE} printable characters", field="value")
    match subject:
        case SubjectKind.CUSTOMER if value.startswith(f"{ids.CUSTOMER}_"):
            ids.decode(ids.CUSTOMER, value, field="value")
        case SubjectKind.COUNTRY:
            require_country(value, "value")
        case SubjectKind.IP:
            try:
                return str(ipaddress.ip_address(value))
            except ValueError:
                raise EntryInvalid("one IPv4 or IPv6 address", field="value") from None
        case _:
            refuse_personal(value, "value")
    return value


def refusal_of(command: AddEntry | RemoveEntry, now: dt.datetime) -> CaudalError | None:
    """Why the command can have no effect, if so: `EntryInvalid`, `InvalidId`, `PersonalDataRefused`, …"""
    try:
        canonical(command.subject, command.value)
        if isinstance(command, AddEntry):
            if not 1 <= len(command.reason) <= MAX_REASON or not command.reason.isprintable():
                raise EntryInvalid(f"1 to {MAX_REASON} printable characters", field="reason")
            refuse_personal(command.reason, "reason")
            if not counts(command.expires_at, now):
                raise EntryInvalid("it would have expired already", field="expires_at")
    except CaudalError as refusal:
        return refusal
    return None


def entry_of(command: AddEntry, actor: str, at: dt.datetime) -> Entry:
    """The entry that a command makes."""
    return Entry(
        list=command.list,
        subject=command.subject,
        value=canonical(command.subject, command.value),
        reason=command.reason,
        created_at=at,
        created_by=actor,
        expires_at=command.expires_at,
    )
