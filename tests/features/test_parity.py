"""History replayed online is history read offline, to the bit: on PostgreSQL, DuckDB, and by the letter."""

import datetime as dt
import json
import random
import struct
from collections.abc import Sequence
from typing import Any

import pytest

from caudal.features import offline, rules
from caudal.features.online import Lookup
from caudal.features.plan import Asked, Kept, Plan, Planned, own_value
from caudal.features.types import Aggregate, Entity, Event, Feature, FeatureSet, Filter, Kind, Sums, Value
from caudal_base.database import Database

BEGUN = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
BOOK = 1

CARD, CUSTOMER, MERCHANT = (Entity.CARD,), (Entity.CUSTOMER,), (Entity.MERCHANT,)
EUROS = Filter(where={"currency": ("EUR",)})

DECLARED = FeatureSet(
    features=(
        Feature(name="card_count_1h", by=CARD, aggregate=Aggregate.COUNT, window="1h"),
        Feature(name="card_count_30d", by=CARD, aggregate=Aggregate.COUNT, window="30d"),
        Feature(name="card_sum_6h", by=CARD, aggregate=Aggregate.SUM, value="amount", window="6h", of=EUROS),
        Feature(
            name="card_mean_6h", by=CARD, aggregate=Aggregate.MEAN, value="amount", window="6h", of=EUROS
        ),
        Feature(
            name="card_stddev_7d", by=CARD, aggregate=Aggregate.STDDEV, value="amount", window="7d", of=EUROS
        ),
        Feature(
            name="card_ratio_7d", by=CARD, aggregate=Aggregate.RATIO, value="amount", window="7d", of=EUROS
        ),
        Feature(name="card_since_1d", by=CARD, aggregate=Aggregate.SINCE_LAST, window="1d"),
        Feature(
            name="card_min_1h",
            by=CARD,
            aggregate=Aggregate.MIN,
            value="amount",
            window="1h",
            same=("currency",),
        ),
        Feature(name="card_max_7d", by=CARD, aggregate=Aggregate.MAX, value="amount", window="7d", of=EUROS),
        Feature(
            name="card_max_delayed",
            by=CARD,
            aggregate=Aggregate.MAX,
            value="amount",
            window="1d",
            delay="2h",
            of=EUROS,
        ),
        Feature(
            name="card_merchants_1d", by=CARD, aggregate=Aggregate.DISTINCT, value="merchant", window="1d"
        ),
        Feature(
            name="merchant_frauds_7d",
            by=MERCHANT,
            aggregate=Aggregate.COUNT,
            window="7d",
            delay="1d",
            of=Filter(source=("fraud",)),
        ),
        Feature(
            name="pair_sum_1d",
            by=(Entity.CUSTOMER, Entity.MERCHANT),
            aggregate=Aggregate.SUM,
            value="amount",
            window="1d",
            same=("currency",),
        ),
        Feature(
            name="customer_large_1d",
            by=CUSTOMER,
            aggregate=Aggregate.COUNT,
            window="1d",
            of=Filter(at_least={"amount": 5_000}, below={"amount": 90_000}),
        ),
    )
)


def plan() -> Plan:
    series = {rules.identity(rules.series_of(each)): rules.series_of(each) for each in DECLARED.features}
    return Plan(1, DECLARED, [Kept(n, each, True) for n, each in enumerate(series.values(), 1)])


def history(seed: int, count: int) -> list[Event]:
    """Payments and frauds as they became known: in order, late, at one moment, hours apart."""
    draw = random.Random(seed)
    at, found = BEGUN, []
    for number in range(count):
        at += dt.timedelta(microseconds=draw.choice([0, 1, 999, draw.randrange(3 * 3_600_000_000)]))
        late = draw.choice([0, 0, 0, 0, 1, draw.randrange(90), draw.randrange(40 * 86_400)])
        fraud = draw.random() < 0.25
        entities = {"customer": f"c{draw.randrange(3)}", "card": f"k{draw.randrange(3)}"}
        if draw.random() < 0.9:
            entities["merchant"] = f"m{draw.randrange(4)}"
        found.append(
            Event(
                id=str(number),
                source="fraud" if fraud else "payment",
                event_at=at - dt.timedelta(seconds=late),
                known_at=at,
                entities=entities,
                tags={"currency": draw.choice(["EUR", "EUR", "USD"])},
                values={"amount": draw.randrange(1, 100_000) if draw.randrange(40) else 2**53 - 1},
            )
        )
    return found


def asked_of(event: Event) -> Asked:
    return Asked(event.entities, event.tags, event.values)


def by_the_letter(planned: Planned, known: Sequence[Event], asked: Asked, as_of: dt.datetime) -> Value:
    """What the declaration says, computed event by event."""
    feature, series = planned.feature, planned.kept.series
    key = rules.key_of(series, asked.entities, asked.tags)
    if key is None:
        return None
    until = as_of - planned.delay if planned.delay else None
    after = as_of - planned.delay - planned.window
    own = [
        e for e in known if rules.matches(series.of, e) and rules.key_of(series, e.entities, e.tags) == key
    ]
    if series.kind is Kind.EXTREMES:
        after = dt.datetime.fromtimestamp(
            (rules.bucket_of(after, series.grain_s) + 1) * series.grain_s, dt.UTC
        )
        inside = [e for e in own if e.event_at >= after]
        if until is not None:
            last = rules.bucket_of(until, series.grain_s)
            inside = [e for e in inside if rules.bucket_of(e.event_at, series.grain_s) <= last]
        values = [e.values["amount"] for e in inside]
        return (min if feature.aggregate is Aggregate.MIN else max)(values, default=None)
    inside = [e for e in own if e.event_at > after and (until is None or e.event_at <= until)]
    if feature.aggregate is Aggregate.DISTINCT:
        return len({e.entities["merchant"] for e in inside if "merchant" in e.entities})
    values = [0 if series.value is None else e.values[series.value] for e in inside]
    if feature.aggregate is Aggregate.SINCE_LAST:
        newest = max((e.event_at for e in inside), default=None)
        return None if newest is None else rules.seconds_between(newest, as_of)
    sums = Sums(len(values), sum(values), sum(value * value for value in values))
    return rules.value_of(feature, sums, None, as_of, own_value(feature, asked))


async def replay(
    database: Database, events: Sequence[Event], sizes: Sequence[int]
) -> list[tuple[Value, ...]]:
    """Each event decided on and then recorded, in batches: what was served for each."""
    served: list[tuple[Value, ...]] = []
    made, at = plan(), 0
    for size in sizes:
        batch = events[at : at + size]
        at += size
        asked = [asked_of(event) for event in batch]
        lookup = Lookup(made, BOOK, batch[0].known_at, asked)
        async with database.transaction() as connection:
            await lookup.queue(connection)
            await lookup.arrive()
            for event, each in zip(batch, asked, strict=True):
                served.append(lookup.vector(each))
                lookup.add(event)
            await lookup.write(connection)
    return served


def bits(value: Value) -> Any:
    return struct.pack(">d", value) if isinstance(value, float) else value


def sizes_of(seed: int, count: int) -> list[int]:
    draw, found = random.Random(seed), []
    while count:
        found.append(min(count, draw.choice([1, 1, 2, 7, 20])))
        count -= found[-1]
    return found


def rows_of(
    events: Sequence[Event], sizes: Sequence[int]
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """The two relations that the offline statements read."""
    known = [
        (
            n,
            e.source,
            us(e.event_at),
            us(e.known_at),
            json.dumps(dict(e.entities)),
            json.dumps(dict(e.tags)),
            json.dumps(dict(e.values)),
        )
        for n, e in enumerate(events, 1)
    ]
    asked, at = [], 0
    for size in sizes:
        as_of = us(events[at].known_at)
        asked += [(n + 1, n, as_of, known[n][4], known[n][5]) for n in range(at, at + size)]
        at += size
    return known, asked


def us(moment: dt.datetime) -> int:
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def moments(events: Sequence[Event], sizes: Sequence[int]) -> list[dt.datetime]:
    found: list[dt.datetime] = []
    for size in sizes:
        found += [events[len(found)].known_at] * size
    return found


async def offline_postgresql(database: Database, known: Any, asked: Any) -> list[dict[int, tuple[Any, ...]]]:
    events = (
        "(select (x ->> 0)::bigint as ordinal, x ->> 1 as source, (x ->> 2)::bigint as event_us,"
        " (x ->> 3)::bigint as known_us, (x ->> 4)::json as entities, (x ->> 5)::json as tags,"
        " (x ->> 6)::json as vals from json_array_elements(current_setting('t.events')::json) x)"
    )
    questions = (
        "(select (x ->> 0)::bigint as n, (x ->> 1)::bigint as known, (x ->> 2)::bigint as as_of_us,"
        " (x ->> 3)::json as entities, (x ->> 4)::json as tags"
        " from json_array_elements(current_setting('t.asked')::json) x)"
    )
    found = []
    async with database.transaction() as connection:
        for name, rows in (("t.events", known), ("t.asked", asked)):
            await connection.execute("select set_config(%s, %s, true)", (name, json.dumps(rows)))
        for feature in DECLARED.features:
            text = offline.query(feature, offline.Dialect.POSTGRESQL, events=events, asked=questions)
            cursor = await connection.execute(text.encode())
            found.append({row[0]: row[1:] for row in await cursor.fetchall()})
    return found


def offline_duckdb(known: Any, asked: Any) -> list[dict[int, tuple[Any, ...]]]:
    duckdb = pytest.importorskip("duckdb", reason="duckdb absent: pip install caudal[models]")
    connection = duckdb.connect()
    connection.execute(
        "create table events (ordinal bigint, source text, event_us bigint, known_us bigint,"
        " entities json, tags json, vals json)"
    )
    connection.execute(
        "create table asked (n bigint, known bigint, as_of_us bigint, entities json, tags json)"
    )
    connection.executemany("insert into events values (?, ?, ?, ?, ?, ?, ?)", known)
    connection.executemany("insert into asked values (?, ?, ?, ?, ?)", asked)
    return [
        {
            row[0]: row[1:]
            for row in connection.execute(
                offline.query(feature, offline.Dialect.DUCKDB, events="events", asked="asked")
            ).fetchall()
        }
        for feature in DECLARED.features
    ]


def vectors(
    found: list[dict[int, tuple[Any, ...]]], events: Sequence[Event], at: Sequence[dt.datetime]
) -> list[Any]:
    return [
        tuple(
            None if n not in rows else offline.value(feature, rows[n], as_of, event.values["amount"])
            for feature, rows in zip(DECLARED.features, found, strict=True)
        )
        for n, (event, as_of) in enumerate(zip(events, at, strict=True), 1)
    ]


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_online_is_offline_bit_for_bit(database: Database, seed: int) -> None:
    events = history(seed, 240)
    sizes = sizes_of(seed, len(events))
    at = moments(events, sizes)
    made = plan()

    served = await replay(database, events, sizes)
    letter = [
        tuple(by_the_letter(planned, events[:n], asked_of(event), as_of) for planned in made.features)
        for n, (event, as_of) in enumerate(zip(events, at, strict=True))
    ]
    known, asked = rows_of(events, sizes)
    postgresql = vectors(await offline_postgresql(database, known, asked), events, at)

    for name, ours, theirs, again in zip(
        made.names,
        zip(*served, strict=True),
        zip(*letter, strict=True),
        zip(*postgresql, strict=True),
        strict=True,
    ):
        assert [bits(v) for v in ours] == [bits(v) for v in theirs], name
        assert [bits(v) for v in again] == [bits(v) for v in theirs], name
        assert len({bits(v) for v in theirs}) > 2, f"{name} says something"
    duckdb = vectors(offline_duckdb(known, asked), events, at)
    assert [[bits(v) for v in row] for row in duckdb] == [[bits(v) for v in row] for row in letter]
