"""From a file of payments to their features, by the declarations that decisions are served with.

A file in which customers, cards or merchants come again and again says little by row: what tells is the
history of each. So the payments are laid out as the events that the live path would have recorded, features
are declared as in a book's feature set, and each row gets what a decision at its moment would have seen:
nothing of later, and outcomes only after their delay.
"""

import datetime as dt
import json
from collections.abc import Callable, Sequence
from typing import Any, Final

import duckdb
import msgspec
import numpy as np
import pyarrow as pa

from caudal import features
from caudal.features import Aggregate, Dialect, Entity, Feature, Filter
from caudal.training import reading, splits
from caudal.training.errors import ColumnUnfit
from caudal.training.types import DAY_US, Column, ColumnKind, Floats, Roles, Table, Wishes

WINDOWS: Final = (1, 7, 30)
"""Days."""
OUTCOME_DELAY_DAYS: Final = 7
"""Unless another is said: how long it takes until a fraud is known."""
ORDINARY_SHARE: Final = 0.9
"""Of all payments: below the amount that so many stay below, one is usual."""
_MOST_COLUMNS: Final = 16
"""A file with more columns was made of histories already."""
_BEFORE_DAYS: Final = 14
"""How far back the mean lies that a run of frauds has not raised yet."""
_LABEL: Final = "label.fraud"
_TAGS: Final = '{"currency": "XXX"}'
"""A file has amounts of one currency, whichever (ISO 4217 has this one for none)."""
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

Progress = Callable[[str, int, int], None]


class Entities(msgspec.Struct, frozen=True, kw_only=True):
    """Which columns are whose history, and what was paid."""

    columns: tuple[str, ...]
    """The customer (or card) first, then the merchant (or terminal), then the device."""
    amount: str
    kinds: tuple[Entity, ...] = (Entity.CUSTOMER, Entity.MERCHANT, Entity.DEVICE)
    """What the columns are in the declarations, in their order."""
    minor_units: bool = False
    """Amounts are whole cents already."""


class Histories(msgspec.Struct, frozen=True, kw_only=True):
    """A table of features in the place of one of payments."""

    table: Table
    y: Any
    roles: Roles
    features: tuple[Feature, ...]
    shares: tuple[tuple[str, str], ...]
    """Inputs that are one feature over another."""


def find(table: Table, roles: Roles) -> Entities | None:
    """The entities and the amount of a file of payments; None where it does not look like one.

    Entities are codes that come again some times each, but are many: customers, terminals. The amount is the
    one number with fractions that is never negative. Nothing is taken for one that the names do not forbid.
    """
    if roles.time is None or len(table.columns) > _MOST_COLUMNS:
        return None
    codes, amounts = [], []
    for name in roles.inputs:
        column = table.columns[name]
        if column.kind is ColumnKind.CATEGORY:
            different = len({one for one in column.values.tolist() if one is not None})
        else:
            there = column.values[np.isfinite(column.values)]
            different = len(np.unique(there))
            if column.kind is ColumnKind.NUMBER and not column.whole and len(there) and there.min() >= 0:
                amounts.append((different, name))
                continue
            if not column.whole or _ordered(column, table.columns[roles.time]):
                continue
        if 50 <= different <= 0.5 * table.rows:
            codes.append((different, name))
    if not codes or len(amounts) != 1:
        return None
    # Of customers and merchants there are many; of the hours of a day, or countries, there are not.
    several = [name for different, name in codes if different >= max(50, table.rows // 2_000)]
    return Entities(columns=tuple(several[:3]), amount=amounts[0][1]) if several else None


def _ordered(column: Column, time: Column) -> bool:
    """Whether numbers are another form of the time."""
    order = np.argsort(time.values, kind="stable")
    steps = np.diff(column.values[order])
    return bool((steps >= 0).mean() > 0.99)


def declared(entities: Entities, delay_days: int, ordinary: int) -> tuple[Feature, ...]:
    """What a book's feature set declares for such payments.

    `ordinary` is the amount below which most payments are: frauds below it point at who is paid or pays
    (a terminal that is tapped), since large ones are fraud wherever they happen.
    """
    made: list[Feature] = []
    for entity in entities.kinds[: len(entities.columns)]:
        by, word = (entity,), entity.value
        for days in WINDOWS:
            window, past = f"{days}d", "in a day" if days == 1 else f"in {days} days"
            made += _of_window(by, word, window, past, f"{delay_days}d", ordinary)
        about = f"of the {word}"
        made += [
            Feature(
                name=f"{word}_{name}", by=by, aggregate=aggregate, value=value, window=window, delay=delay,
                same=_same(value), about=f"{what} {about}",
            )
            for name, aggregate, value, window, delay, what in (
                ("stddev_7d", Aggregate.STDDEV, "amount", "7d", "0s", "spread of amounts in 7 days"),
                ("stddev_30d", Aggregate.STDDEV, "amount", "30d", "0s", "spread of amounts in 30 days"),
                ("max_7d", Aggregate.MAX, "amount", "7d", "0s", "largest amount in 7 days"),
                (
                    "ratio_before", Aggregate.RATIO, "amount", "30d", f"{_BEFORE_DAYS}d",
                    "amount against the former mean",
                ),
                ("since_last", Aggregate.SINCE_LAST, None, "30d", "0s", "seconds since the last payment"),
            )
        ]  # fmt: skip
    return tuple(made)


def _of_window(
    by: tuple[Entity, ...], word: str, window: str, past: str, delay: str, ordinary: int
) -> list[Feature]:
    """The features of an entity that are there for each window."""
    below = {"amount": ordinary}
    kinds: tuple[tuple[str, Aggregate, str | None, Filter | None, str], ...] = (
        ("count", Aggregate.COUNT, None, None, f"payments of the {word}"),
        ("mean", Aggregate.MEAN, "amount", None, f"mean amount of the {word}"),
        ("ratio", Aggregate.RATIO, "amount", None, f"amount against the {word}'s mean"),
        ("known", Aggregate.COUNT, None, Filter(), f"payments of the {word} whose outcome is known,"),
        ("frauds", Aggregate.COUNT, None, Filter(source=(_LABEL,)), f"frauds of the {word}, as far as known"),
        ("usual_known", Aggregate.COUNT, None, Filter(below=below), f"usual amounts of the {word}, as known"),
        (
            "usual_frauds", Aggregate.COUNT, None, Filter(source=(_LABEL,), below=below),
            f"frauds of usual amounts of the {word}",
        ),
    )  # fmt: skip
    return [
        Feature(
            name=f"{word}_{name}_{window}", by=by, aggregate=aggregate, value=value, of=of or Filter(),
            same=_same(value),
            window=window, delay="0s" if of is None else delay, about=f"{about} {past}",
        )
        for name, aggregate, value, of, about in kinds
    ]  # fmt: skip


def _same(value: str | None) -> tuple[str, ...]:
    """Amounts of one currency add up."""
    return ("currency",) if value == "amount" else ()


def shares(entities: Entities) -> tuple[tuple[str, str], ...]:
    """Of what is known of an entity, the share of fraud: a numerator and a denominator each.

    Not a mean over outcomes: whoever serves the features learns of frauds, and of nothing that was none.
    """
    return tuple(
        (f"features.{entity.value}_{kind}frauds_{days}d", f"features.{entity.value}_{kind}known_{days}d")
        for entity in entities.kinds[: len(entities.columns)]
        for days in WINDOWS
        for kind in ("", "usual_")
    )


def build(
    table: Table, roles: Roles, entities: Entities, y: Any, wishes: Wishes, progress: Progress
) -> Histories:
    """The features of each payment that is trained or tested on. Raises `ColumnUnknown`, `ColumnUnfit`."""
    for name in (*entities.columns, entities.amount):
        reading.require(table.columns, name)
    if roles.time is None:
        raise ColumnUnfit("histories need a time: name its column with --time", field="time")
    delay = int(wishes.label_delay_days) or OUTCOME_DELAY_DAYS
    order, wanted = _needed(table.columns[roles.time], wishes, delay)
    moments = _microseconds(table.columns[roles.time])[order]
    scale = 1 if entities.minor_units else 100
    amounts = np.round(table.columns[entities.amount].values[order] * scale)
    if not np.all(np.isfinite(amounts)):
        raise ColumnUnfit(f"{entities.amount} is missing in some rows", field=entities.amount)
    ordinary = int(np.quantile(amounts, ORDINARY_SHARE))
    declarations = declared(entities, delay, ordinary)
    outcome = y[order]
    keys = _keys(table, entities, order)
    found = _computed(declarations, moments, amounts, outcome, keys, wanted, delay, progress)
    names = {"payment.amount": amounts[wanted], **found}
    columns = {
        name: Column(name=name, kind=ColumnKind.NUMBER, values=values, whole=name == "payment.amount")
        for name, values in names.items()
    }
    kept = order[wanted]
    others = {
        name: table.columns[name] for name in (roles.time, roles.target, *_others(table, roles, entities))
    }
    for name, column in others.items():
        columns[name] = msgspec.structs.replace(column, values=column.values[kept])
    made = Table(
        columns=columns,
        rows=len(kept),
        numbers=table.numbers[kept],
        hash=table.hash,
        bad_rows=table.bad_rows,
        bad_count=table.bad_count,
    )
    left_out = dict.fromkeys(entities.columns, "an entity: its history is in the features")
    left_out[entities.amount] = "it is payment.amount, in minor units"
    inputs = (*names, *(name for name in others if name not in {roles.time, roles.target}))
    said = (
        f"The file is of payments: histories by {', '.join(entities.columns)}, amounts in {entities.amount}."
    )
    return Histories(
        table=made,
        y=outcome[wanted],
        roles=msgspec.structs.replace(
            roles, inputs=inputs, left_out={**roles.left_out, **left_out}, found=(*roles.found, said)
        ),
        features=declarations,
        shares=shares(entities),
    )


def _needed(time: Column, wishes: Wishes, delay_days: int) -> tuple[Any, Any]:
    """The payments in the order of time, less those too old or too late to matter; and which of them are
    trained or tested on: the others only make histories.
    """
    order = np.argsort(time.values, kind="stable")
    within, first, last = splits.asked_for(time, order, wishes)
    day = 1.0 if time.kind is ColumnKind.DATE else 86_400.0
    values = time.values[order]
    matter = (values >= first - (max(WINDOWS) + max(delay_days, _BEFORE_DAYS)) * day) & (values <= last)
    return order[matter], np.flatnonzero(within[matter])


def _others(table: Table, roles: Roles, entities: Entities) -> list[str]:
    """Columns that are inputs beside the histories: the leak check has yet to see them."""
    taken = {*entities.columns, entities.amount}
    time = table.columns[roles.time or ""]
    return [
        name
        for name in roles.inputs
        if name not in taken
        and not (table.columns[name].kind is ColumnKind.NUMBER and _ordered(table.columns[name], time))
    ]


def _microseconds(time: Column) -> Any:
    """Dates since 1970; plain numbers are seconds since whenever."""
    scale = DAY_US if time.kind is ColumnKind.DATE else 1_000_000
    return np.round(time.values * scale).astype(np.int64)


def _keys(table: Table, entities: Entities, order: Any) -> list[Any]:
    """JSON objects of the entities of each payment, in the order of time."""
    parts = []
    for entity, name in zip(entities.kinds, entities.columns, strict=False):
        column = table.columns[name]
        texts = (
            column.values
            if column.kind is ColumnKind.CATEGORY
            else np.array(
                [reading.as_text(one) if one == one else None for one in column.values], dtype=object
            )
        )
        parts.append((entity.value, texts[order].tolist()))
    rows = zip(*(values for _, values in parts), strict=True)
    words = [word for word, _ in parts]
    return [
        json.dumps({word: value for word, value in zip(words, row, strict=True) if value is not None})
        for row in rows
    ]


def _computed(
    declarations: Sequence[Feature],
    moments: Any,
    amounts: Floats,
    outcome: Any,
    keys: Sequence[str],
    wanted: Any,
    delay_days: int,
    progress: Progress,
) -> dict[str, Floats]:
    """Each feature of each wanted payment, by the SQL that is the same as what decisions look up."""
    connection = duckdb.connect()
    _lay_out(connection, moments, amounts, outcome, keys, wanted, delay_days)
    as_of = [_EPOCH + dt.timedelta(microseconds=int(moment)) for moment in moments[wanted]]
    own = [int(amount) for amount in amounts[wanted]]
    found = {}
    for number, feature in enumerate(declarations):
        progress("Computing features", number, len(declarations))
        values: Floats = np.full(len(wanted), np.nan)
        sql = features.query(feature, Dialect.DUCKDB, events="events", asked="asked")
        for n, *row in connection.execute(sql).fetchall():
            value = features.value(feature, row, as_of[n], own[n])
            if value is not None:
                values[n] = value
        found[f"features.{feature.name}"] = values
    connection.close()
    return found


def _lay_out(
    connection: Any,
    moments: Any,
    amounts: Floats,
    outcome: Any,
    keys: Sequence[str],
    wanted: Any,
    delay_days: int,
) -> None:
    """Payments and, after their delay, frauds, numbered in the order in which they became known."""
    count, frauds = len(moments), np.flatnonzero(outcome)
    known = np.concatenate([moments, moments[frauds] + delay_days * DAY_US])
    order = np.argsort(known, kind="stable")
    ordinal = np.empty(len(known), dtype=np.int64)
    ordinal[order] = np.arange(1, len(known) + 1)
    values = [f'{{"amount": {int(amount)}}}' for amount in amounts]
    event_rows = pa.table(
        {
            "ordinal": ordinal,
            "source": pa.array(["payment"] * count + [_LABEL] * len(frauds)),
            "event_us": np.concatenate([moments, moments[frauds]]),
            "known_us": known,
            "entities": pa.array([*keys, *(keys[int(place)] for place in frauds)]),
            "tags": pa.array([_TAGS] * len(known)),
            "vals": pa.array([*values, *(values[int(place)] for place in frauds)]),
        }
    )
    asked_rows = pa.table(
        {
            "n": np.arange(len(wanted)),
            "known": ordinal[wanted] - 1,
            "as_of_us": moments[wanted],
            "entities": pa.array([keys[place] for place in wanted]),
            "tags": pa.array([_TAGS] * len(wanted)),
        }
    )
    connection.register("events_given", event_rows)
    connection.register("asked_given", asked_rows)
    connection.execute("create table events as select * from events_given")
    connection.execute("create table asked as select * from asked_given")
