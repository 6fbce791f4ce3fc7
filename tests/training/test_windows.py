"""Features of a file of payments: the same bits as the SQL that decisions are checked against."""

import datetime as dt
import json

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from caudal import features
from caudal.features import Dialect, Feature
from caudal.training import histories, windows
from caudal.training.types import DAY_US, Floats

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_ENTITIES = histories.Entities(columns=("who", "where"), amount="sum")


def drawn(most: int) -> tuple[windows.Payments, list[object], list[float]]:
    """Payments of sixty days, many at the same second; some of nobody."""
    random = np.random.default_rng(5)
    count = 600
    moments = np.sort(random.integers(0, 60 * 86_400, count) // 5_000 * 5_000) * 1_000_000 + 20_000 * DAY_US
    who = [None if one == 0 else f"c{one}" for one in random.integers(0, 12, count)]
    where = random.integers(0, 5, count).astype(float).tolist()
    return (
        windows.Payments(
            moments=moments, amounts=random.integers(1, most, count),
            frauds=np.flatnonzero(random.random(count) < 0.15), delay_us=7 * DAY_US, label="label.fraud",
        ),
        who,
        where,
    )  # fmt: skip


def by_sql(
    payments: windows.Payments, keys: list[str], declared: tuple[Feature, ...], wanted: list[int]
) -> dict[str, Floats]:
    moments, frauds = payments.moments, payments.frauds
    count = len(moments)
    known = np.concatenate([moments, moments[frauds] + payments.delay_us])
    ordinal = np.empty(len(known), dtype=np.int64)
    ordinal[np.argsort(known, kind="stable")] = np.arange(1, len(known) + 1)
    values = [json.dumps({"amount": int(one)}) for one in payments.amounts]
    tags = '{"currency": "XXX"}'
    connection = duckdb.connect()
    connection.register("events", pa.table({
        "ordinal": ordinal, "source": ["payment"] * count + ["label.fraud"] * len(frauds),
        "event_us": np.concatenate([moments, moments[frauds]]), "known_us": known,
        "entities": keys + [keys[one] for one in frauds], "tags": [tags] * len(known),
        "vals": values + [values[one] for one in frauds],
    }))  # fmt: skip
    connection.register("asked", pa.table({
        "n": np.arange(len(wanted)), "known": ordinal[wanted] - 1, "as_of_us": moments[wanted],
        "entities": [keys[one] for one in wanted], "tags": [tags] * len(wanted),
    }))  # fmt: skip
    found = {}
    for feature in declared:
        sql = features.query(feature, Dialect.DUCKDB, events="events", asked="asked")
        made: Floats = np.full(len(wanted), np.nan)
        for n, *row in connection.execute(sql).fetchall():
            as_of = _EPOCH + dt.timedelta(microseconds=int(moments[wanted[n]]))
            value = features.value(feature, row, as_of, int(payments.amounts[wanted[n]]))
            made[n] = np.nan if value is None else value
        found[feature.name] = made
    connection.close()
    return found


@pytest.mark.parametrize("most", [30_000, 10**10], ids=["cents", "sums of squares beyond 64 bits"])
def test_windows_in_memory_are_those_of_the_sql_bit_for_bit(most: int) -> None:
    payments, who, where = drawn(most)
    keys = [
        json.dumps({"merchant": str(int(place)), **({} if one is None else {"customer": one})})
        for one, place in zip(who, where, strict=True)
    ]
    of_both = histories.declared(_ENTITIES, 7 * 86_400, int(np.quantile(payments.amounts, 0.9)))
    declared = tuple(
        one
        for one in of_both
        if one.window == "7d" or one.name in {"customer_ratio_before", "merchant_count_1d"}
    )
    wanted = list(range(1, 600, 2))
    expected = by_sql(payments, keys, declared, wanted)
    for keys_of, kind in ((np.array(who, dtype=object), "customer"), (np.array(where), "merchant")):
        stretches = windows.Stretches(payments, keys_of, np.array(wanted))
        for feature in declared:
            if feature.name.startswith(kind):
                found = stretches.value(feature)
                assert np.array_equal(found, expected[feature.name], equal_nan=True), feature.name
    assert np.nansum(expected["merchant_frauds_7d"]) > 100
    assert np.isnan(expected["customer_mean_7d"]).sum() > 20
