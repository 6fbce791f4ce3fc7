"""What of streams and silences is refused, and what an anomaly becomes. Pure."""

import datetime as dt
import math
from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID, uuid5

from caudal.anomalies.detecting import LENGTH_S
from caudal.anomalies.errors import AnomalySilenceInvalid, AnomalyStreamInvalid
from caudal.anomalies.types import AnomalyStream, Found, Silence
from caudal.features import Event, is_name, problems_of_filter, seconds_of
from caudal_base import ids
from caudal_base.personal import refuse_personal

MAX_STREAMS: Final = 20
"""Of a book: each event is held against every one of them."""

MAX_SILENCE: Final = dt.timedelta(days=366)
MAX_TEXT: Final = 255

_COOL_DOWN_S: Final = (3_600, 30 * 86_400)
_WINDOW_S: Final = (60, 6 * 3_600)
_SAME: Final = 4
_NAMESPACE: Final = UUID("6f6f1c2d-3e4b-5a89-87a8-b9c0d1e2f304")


def refuse_wrong(stream: AnomalyStream) -> None:
    """Raise `AnomalyStreamInvalid` for the first thing that is wrong, and `PersonalDataRefused`."""
    for field, problem in _problems(stream):
        raise AnomalyStreamInvalid(problem, field=field)
    refuse_personal(stream.about, "about")


def _problems(stream: AnomalyStream) -> Iterator[tuple[str, str]]:
    if not is_name(stream.name):
        yield "name", "a lower-case word of at most 63 letters, digits and underscores"
    yield from problems_of_filter(stream.of)
    if stream.value is not None and not is_name(stream.value):
        yield "value", "a value of events, such as `amount`"
    if len(stream.same) > _SAME or len(set(stream.same)) < len(stream.same):
        yield "same", f"at most {_SAME} tags, each once"
    if any(not is_name(tag) for tag in stream.same):
        yield "same", "tags of events, such as `currency`"
    if stream.value == "amount" and "currency" not in stream.same:
        yield "same", "amounts are added up within a currency: it needs `currency`"
    if not 10 <= stream.warm_up <= 1_000:
        yield "warm_up", "10 to 1,000 periods"
    if not _is_span(stream.cool_down, *_COOL_DOWN_S):
        yield "cool_down", "1h to 30d"
    if not (1 <= len(stream.about) <= 63 and stream.about.isprintable()):
        yield "about", "what the events are, in 1 to 63 characters"
    yield from _problems_of_detectors(stream)


def _problems_of_detectors(stream: AnomalyStream) -> Iterator[tuple[str, str]]:
    level, burst, new = stream.level, stream.burst, stream.new_counterparty
    if level is None and burst is None and new is None:
        yield "level", "a stream finds something: `level`, `burst` or `new_counterparty`"
    if level is not None and not (math.isfinite(level.score) and 3.0 <= level.score <= 100.0):
        yield "level.score", "3 to 100"
    if burst is not None:
        if stream.value is not None:
            yield "burst", "bursts are of events: a stream with a value has none"
        if not _is_span(burst.window, _WINDOW_S[0], min(_WINDOW_S[1], LENGTH_S[stream.period])):
            yield "burst.window", "1m to 6h, and no longer than the period"
        if not 1_000 <= burst.odds <= 10**12:
            yield "burst.odds", "1,000 to 10^12"
        if not 2 <= burst.at_least <= 400:
            yield "burst.at_least", "2 to 400"
    if new is not None:
        if stream.value is None:
            yield "new_counterparty", "how large a payment is, a value says: the stream has none"
        if new.counterparty is stream.entity:
            yield "new_counterparty.counterparty", "another than the stream's own entity"
        if not (math.isfinite(new.times) and 1.0 <= new.times <= 1_000.0):
            yield "new_counterparty.times", "1 to 1,000"
        if not 5 <= new.history <= 10_000:
            yield "new_counterparty.history", "5 to 10,000 events"


def refuse_silence(
    *, stream: str | None, entity: str | None, until: dt.datetime, reason: str, now: dt.datetime
) -> None:
    """Raise `AnomalySilenceInvalid` or `PersonalDataRefused`."""
    if stream is None and entity is None:
        raise AnomalySilenceInvalid("of a stream, of an entity, or of both", field="stream")
    if stream is not None and not is_name(stream):
        raise AnomalySilenceInvalid("a stream's name", field="stream")
    if entity is not None and not (entity.isprintable() and len(entity) <= MAX_TEXT and ":" in entity):
        raise AnomalySilenceInvalid("a kind and an id: `customer:cus_…`", field="entity")
    if not now < until <= now + MAX_SILENCE:
        raise AnomalySilenceInvalid("a moment to come, within a year", field="until")
    if not (1 <= len(reason) <= MAX_TEXT and reason.isprintable()):
        raise AnomalySilenceInvalid(f"1 to {MAX_TEXT} printable characters", field="reason")
    refuse_personal(reason, "reason")


def key_of(stream: AnomalyStream, event: Event) -> str | None:
    """Whose past an event belongs to: the entity, and the tags that are kept apart. None: nobody's.

    An event without the stream's entity, one of its tags, its value or (where it needs one) its counterparty
    is left out.
    """
    entity = event.entities.get(stream.entity.value)
    if not entity or any(not event.tags.get(tag) for tag in stream.same):
        return None
    if stream.value is not None and stream.value not in event.values:
        return None
    return "|".join([entity, *(event.tags[tag] for tag in stream.same)])


def counterparty_of(stream: AnomalyStream, event: Event) -> UUID | None:
    """With whom an event was, as it is kept; None where the stream does not ask, or there is nobody."""
    if stream.new_counterparty is None:
        return None
    value = event.entities.get(stream.new_counterparty.counterparty.value)
    return None if not value else uuid5(_NAMESPACE, value)


def entity_of(stream: AnomalyStream, event: Event) -> str:
    """`customer:cus_…`"""
    return f"{stream.entity.value}:{event.entities[stream.entity.value]}"


def id_of(book_id: int, stream: AnomalyStream, version: int, ordinal: int, found: Found) -> str:
    """An anomaly's id: whoever computes it again finds the same."""
    return ids.of_names(
        ids.ANOMALY, str(book_id), stream.name, str(version), str(ordinal), found.detector.value
    )


def is_silenced(silences: Sequence[Silence], stream: str, entity: str, at: dt.datetime) -> bool:
    """Whether an anomaly that became known `at` opens no case."""
    return any(
        one.stream in (None, stream) and one.entity in (None, entity) and at < one.until for one in silences
    )


def _is_span(text: str, least_s: int, most_s: int) -> bool:
    try:
        return least_s <= seconds_of(text) <= most_s
    except ValueError:
        return False
