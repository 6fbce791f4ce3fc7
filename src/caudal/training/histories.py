"""From a file of payments to their features, by the declarations that decisions are served with.

A file in which customers, cards or merchants come again and again says little by row: what tells is the
history of each. So the payments are laid out as the events that the live path would have recorded, features
are declared as in a book's feature set, and each row gets what a decision at its moment would have seen:
nothing of later, and outcomes only after their delay.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import pandas as pd

from caudal.features import Aggregate, Entity, Feature, Filter
from caudal.training import reading, splits, windows
from caudal.training.daily import Payers
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
_AMOUNT: Final = re.compile(r"amount|amt($|_)|(^|_)(sum|betrag|montant|importe|valor|price|paid)($|_)")
_PAYER: Final = re.compile(r"cust|client|payer|card|cc_?num|account|acct|user|orig|sender|buyer|holder|iban")
_PAID: Final = re.compile(
    r"term|merch|shop|store|seller|payee|dest|recipient|vendor|device|(^|_)(pos|ip)($|_)"
)
_LABEL: Final = "label.fraud"
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))

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
    payers: Payers


def find(table: Table, roles: Roles) -> tuple[Entities | None, str | None]:
    """The entities and the amount of a file of payments, or what is to be said where the amount is unclear.

    Entities are codes that come again some times each, but are many: customers, terminals. The amount is the
    one number that is called one, else the one with fractions that is never negative.
    """
    if roles.time is None or len(table.columns) > _MOST_COLUMNS:
        return None, None
    codes, amounts = [], []
    for name in roles.inputs:
        column = table.columns[name]
        if column.kind is ColumnKind.NUMBER and not _ordered(column, table.columns[roles.time]):
            there = column.values[np.isfinite(column.values)]
            amounts.append((name, not column.whole and bool(len(there)) and float(there.min()) >= 0))
            if not column.whole:
                continue
        elif column.kind is not ColumnKind.CATEGORY:
            continue
        # Of customers and merchants there are many; of the hours of a day, or countries, there are not.
        if max(50, table.rows // 2_000) <= len(pd.factorize(column.values)[1]) <= 0.5 * table.rows:
            codes.append(name)
    named = [name for name, _ in amounts if _AMOUNT.search(name.lower())]
    amount = next(
        (each[0] for each in (named, [one for one, fits in amounts if fits]) if len(each) == 1), None
    )
    several = [name for name in codes if name != amount]
    if not several:
        return None, None
    if amount is None:
        return None, (
            f"{', '.join(several[:5])} come again and again: if they are customers, merchants or "
            "cards, say so with --entity and --amount, so that their histories count."
        )
    paid = table.columns[amount].values
    several.sort(key=lambda name: _as_payer(name, table.columns[name].values, paid), reverse=True)
    return Entities(columns=tuple(several[:3]), amount=amount), None


def _as_payer(name: str, keys: Any, amounts: Floats) -> tuple[int, float]:
    """How much a column looks like the one of who pays: by its name, else because each pays alike.

    The second is the part of the variance of the amounts' logarithms that lies between the keys.
    """
    words = name.lower()
    named = 1 if _PAYER.search(words) else -1 if _PAID.search(words) else 0
    codes, different = pd.factorize(keys)
    there = (codes >= 0) & np.isfinite(amounts)
    logs = np.log1p(np.maximum(amounts[there], 0))
    counts = np.maximum(np.bincount(codes[there], minlength=len(different)), 1)
    means = np.bincount(codes[there], weights=logs, minlength=len(different)) / counts
    within = float(np.sum((logs - means[codes[there]]) ** 2)) / max(len(logs) - len(different), 1)
    return named, 1 - within / max(float(np.var(logs)), 1e-12)


def _ordered(column: Column, time: Column) -> bool:
    """Whether numbers are another form of the time."""
    order = np.argsort(time.values, kind="stable")
    steps = np.diff(column.values[order])
    return bool((steps >= 0).mean() > 0.99)


def declared(entities: Entities, delay_s: int, ordinary: int) -> tuple[Feature, ...]:
    """What a book's feature set declares for such payments.

    `ordinary` is the amount below which most payments are: frauds below it point at who is paid or pays
    (a terminal that is tapped), since large ones are fraud wherever they happen.
    """
    made: list[Feature] = []
    for entity in entities.kinds[: len(entities.columns)]:
        by, word = (entity,), entity.value
        for days in WINDOWS:
            window, past = f"{days}d", "in a day" if days == 1 else f"in {days} days"
            made += _of_window(by, word, window, past, _duration(delay_s), ordinary)
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


def _duration(seconds: int) -> str:
    """As declarations have it, in the largest unit that fits."""
    unit, word = next((unit, word) for unit, word in _UNITS if seconds % unit == 0)
    return f"{seconds // unit}{word}"


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
    """The features of each payment that is trained or tested on; each has an amount.

    Raises `ColumnUnknown`, `ColumnUnfit`.
    """
    for name in entities.columns:
        reading.require(table.columns, name)
    if roles.time is None:
        raise ColumnUnfit("histories need a time: name its column with --time", field="time")
    delay_s = round((wishes.label_delay_days or OUTCOME_DELAY_DAYS) * 86_400)
    order, wanted = _needed(table.columns[roles.time], wishes, delay_s / 86_400)
    moments = _microseconds(table.columns[roles.time])[order]
    scale = 1 if entities.minor_units else 100
    amounts = np.round(table.columns[entities.amount].values[order] * scale)
    ordinary = int(np.quantile(amounts, ORDINARY_SHARE))
    declarations = declared(entities, delay_s, ordinary)
    outcome = y[order]
    payments = windows.Payments(
        moments=moments, amounts=amounts.astype(np.int64), frauds=np.flatnonzero(outcome),
        delay_us=delay_s * 1_000_000, label=_LABEL,
    )  # fmt: skip
    keys = [table.columns[name].values[order] for name in entities.columns]
    found = _computed(declarations, payments, keys, wanted, progress)
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
        payers=_payers(keys[0], payments, wanted),
    )


def _payers(key: Any, payments: windows.Payments, wanted: Any) -> Payers:
    """Who paid, and who was defrauded when."""
    who = pd.factorize(key)[0].astype(np.int64)
    days = payments.moments // DAY_US
    return Payers(
        who=who[wanted], day=days[wanted], fraud_who=who[payments.frauds], fraud_day=days[payments.frauds],
        delay_days=-(-payments.delay_us // DAY_US),
    )  # fmt: skip


def _needed(time: Column, wishes: Wishes, delay_days: float) -> tuple[Any, Any]:
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


def _computed(
    declarations: Sequence[Feature],
    payments: windows.Payments,
    keys: Sequence[Any],
    wanted: Any,
    progress: Progress,
) -> dict[str, Floats]:
    """Each feature of each wanted payment, as decisions look them up."""
    found = {}
    of_each = len(declarations) // len(keys)
    for number, key in enumerate(keys):
        stretches = windows.Stretches(payments, key, wanted)
        for place, feature in enumerate(declarations[number * of_each : (number + 1) * of_each]):
            progress("Computing features", number * of_each + place, len(declarations))
            found[f"features.{feature.name}"] = stretches.value(feature)
    return found
