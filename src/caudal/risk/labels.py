"""Labels: what becomes known of decisions later, and which decisions are old enough to be judged by it.

Nothing here opens or commits a transaction.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from caudal import audit, features, models
from caudal.access import Caller
from caudal.features import Event
from caudal.ledger import Ledger
from caudal.risk import store_labels
from caudal.risk.decision_types import Record, SubjectOf
from caudal.risk.errors import LabelInvalid
from caudal.risk.types import BAD, AddLabel, Label, LabelKind
from caudal_base import ids
from caudal_base.check import check
from caudal_base.database import Connection
from caudal_base.decide import Verdict
from caudal_base.errors import CaudalError, InvalidRequest
from caudal_base.personal import refuse_personal

MAX_LABELS: Final = 1_000
MAX_NOTE: Final = 200

FRAUD_DELAY: Final = dt.timedelta(days=120)
"""After so long without a word a payment counts as good: cardholders have 120 days to dispute one with the
card schemes (Visa Core Rules, dispute time limits; Mastercard Chargeback Guide)."""

CREDIT_DELAY: Final = dt.timedelta(days=365)
"""The same of an application: a default within a year is what scorecards predict by convention."""

LABEL_FRAUD: Final = "label.fraud"
"""The source of the events by which features know of confirmed fraud, and of disputes that are lost."""

_SAYS_FRAUD: Final = frozenset({LabelKind.FRAUD, LabelKind.DISPUTE_LOST})
_BY_PEOPLE: Final = frozenset({LabelKind.FRAUD, LabelKind.LEGITIMATE, LabelKind.REPAID, LabelKind.DEFAULTED})


class LabelDelays(msgspec.Struct, frozen=True, kw_only=True):
    """How old decisions are when their ends are known.

    Of younger ones mostly the bad ends are: those are reported, and good ones are silence.
    """

    payment: dt.timedelta = FRAUD_DELAY
    application: dt.timedelta = CREDIT_DELAY

    def after(self, of: SubjectOf) -> dt.timedelta:
        """Of what was decided on."""
        return self.application if of is SubjectOf.APPLICATION else self.payment


_DELAYS: Final = LabelDelays()


class Matured(msgspec.Struct, frozen=True, kw_only=True):
    """A decision of the past, and what is known of it."""

    record: Record
    bad: bool | None
    """Fraud, or a default; None: it is too early to say, or nobody can."""
    early: bool
    """Too early, whatever has been said."""
    kind: LabelKind | None = None
    """The newest word on it; None: nobody has said anything."""
    known_at: dt.datetime | None = None


def delays_of(label_after_days: int | None) -> LabelDelays:
    """Those that somebody declared, in days; None: nobody did."""
    if label_after_days is None:
        return LabelDelays()
    after = dt.timedelta(days=label_after_days)
    return LabelDelays(payment=after, application=after)


async def label_delays(connection: Connection, book_id: int) -> LabelDelays:
    """A book's: `label_after_days` of its terms of fraud and of credit; else 120 days, and a year."""
    declared: dict[models.Purpose, int | None] = {}
    for purpose in models.Purpose:
        serving = await models.get_serving(connection, book_id, purpose=purpose)
        declared[purpose] = None if serving is None else serving.terms.drift.label_after_days
    return LabelDelays(
        payment=delays_of(declared[models.Purpose.FRAUD]).payment,
        application=delays_of(declared[models.Purpose.CREDIT]).application,
    )


async def add_labels(
    connection: Connection, book_id: int, commands: Sequence[AddLabel], *, caller: Caller, ledger: Ledger,
    at: dt.datetime,
) -> list[Label | CaudalError]:  # fmt: skip
    """Say what has become known; one result each, in order. Confirmed fraud becomes an event of features too.

    Results: `LabelInvalid`, `PersonalDataRefused`. Each command leaves an audit record. Raises
    `InvalidRequest` for more than `MAX_LABELS`, `BookNotFound`.
    """
    if len(commands) > MAX_LABELS:
        raise InvalidRequest(f"at most {MAX_LABELS} labels at once", field="labels")
    decided = await store_labels.decided_on(connection, book_id, [one.subject for one in commands])
    source = caller.principal.actor
    results = [_label_of(one, decided.get(one.subject), source, at) for one in commands]
    await keep(connection, book_id, [one for one in results if isinstance(one, Label)], ledger=ledger, at=at)
    await audit.append(
        connection,
        [
            audit.Record(
                book_id=book_id, at=at, principal=source, action="risk.label",
                object_id=ascii(result.subject)[1:-1] if isinstance(result, Label) else "unknown",
                request_id=caller.request_id,
                result=result.kind.value if isinstance(result, Label) else result.code,
                # What was refused may be what must not be kept.
                details={"note": result.note} if isinstance(result, Label) and result.note else {},
                origin=caller.origin,
            )
            for result in results
        ],
    )  # fmt: skip
    return results


async def keep(
    connection: Connection, book_id: int, labels: Sequence[Label], *, ledger: Ledger, at: dt.datetime
) -> None:
    """Write labels, under the book's lock, and tell features of fraud: as happened with the payment."""
    if not labels:
        return
    await ledger.lock(connection, book_id)
    await store_labels.put(connection, book_id, labels)
    fraud = {label.subject for label in labels if label.kind in _SAYS_FRAUD}
    if fraud:
        known = await store_labels.payments(connection, book_id, sorted(fraud))
        events = [told_of(known[id], id, LABEL_FRAUD, at) for id in sorted(known)]
        await features.record(connection, book_id, events, ledger=ledger, at=at)


def told_of(payment: Event, id: str, source: str, known_at: dt.datetime) -> Event:
    """What became of a payment, as an event of the same entities at the payment's own time."""
    return msgspec.structs.replace(payment, id=id, source=source, known_at=max(known_at, payment.event_at))


async def find_labels(
    connection: Connection, book_id: int, *, subject: str | None = None, kind: LabelKind | None = None,
    before: Label | None = None, limit: int = 100,
) -> list[Label]:  # fmt: skip
    """Labels, those that became known last first."""
    check(1 <= limit <= MAX_LABELS, "a page has 1 to 1,000 labels")
    return await store_labels.find(
        connection, book_id, subject=subject, kind=kind, before=before, limit=limit
    )


async def matured(
    connection: Connection, book_id: int, *, made_from: dt.datetime, made_before: dt.datetime,
    now: dt.datetime, after: str | None = None, limit: int = 1_000, delays: LabelDelays = _DELAYS,
    of: SubjectOf | None = None,
) -> list[Matured]:  # fmt: skip
    """Decisions of a span in the order in which they were made, each with what is known of it by `now`.

    How one has ended is known once it is as old as `delays` say: by the newest word on it, and without one it
    was good. Of a decline without a word nobody can say; of what is younger it is too early to, also where
    there is a word, since bad ends are reported and good ones are not. Page by page, `after` a decision's id.
    """
    first = _below(made_from) if after is None else ids.decode(ids.DECISION, after, field="after")
    found = await store_labels.matured(
        connection, book_id, of=of, after=first, before=_below(made_before), known_by=now, limit=limit
    )
    return [
        _matured(record, kind, known_at, early=record.at >= now - delays.after(record.of))
        for record, kind, known_at in found
    ]


def _matured(record: Record, kind: LabelKind | None, known_at: dt.datetime | None, *, early: bool) -> Matured:
    unknown = kind is None and record.decided.outcome is Verdict.DECLINE
    bad = None if early or unknown else kind is not None and is_bad(kind)
    return Matured(record=record, bad=bad, early=early, kind=kind, known_at=known_at)


def is_bad(kind: LabelKind) -> bool:
    """Whether a word on a decision says that it came to a bad end."""
    return kind in BAD


def _below(moment: dt.datetime) -> UUID:
    return ids.uuid7(moment, bytes)


def _label_of(command: AddLabel, decided: Record | None, source: str, at: dt.datetime) -> Label | CaudalError:
    if command.kind not in _BY_PEOPLE:
        return LabelInvalid("disputes are told of by partners", field="kind")
    note = command.note
    try:
        if note is not None:
            if not 1 <= len(note) <= MAX_NOTE or not note.isprintable():
                raise LabelInvalid(f"1 to {MAX_NOTE} printable characters", field="note")
            refuse_personal(note, "note")
        event_at = at if decided is None else decided.at
        if decided is None:
            made = ids.milliseconds_of(ids.decode(ids.PAYMENT, command.subject, field="subject"))
            event_at = dt.datetime.fromtimestamp(made / 1_000, dt.UTC)
    except CaudalError as refusal:
        return refusal
    return Label(
        subject=command.subject, kind=command.kind, event_at=min(event_at, at), known_at=at, source=source,
        note=note,
    )  # fmt: skip
