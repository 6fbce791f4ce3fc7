"""Values as JSON has them, for trying rules."""

import datetime as dt
from typing import Any

import pytest

from caudal.expressions import ValueUnreadable, compile
from support.expressions import ENVIRONMENT, GIVEN


def test_times_and_durations_are_texts() -> None:
    texts = {
        **GIVEN,
        "payment.created_at": "2026-03-01T13:30:15.25+01:00",
        "features.since_last": "1h30m",
        "features.mean_30d": 40,
    }

    row = ENVIRONMENT.read(texts)

    assert row == ENVIRONMENT.row({**GIVEN, "features.mean_30d": 40.0})
    assert compile("features.since_last > duration('1h')", ENVIRONMENT).evaluate(row).value is True


def test_what_is_not_named_is_missing() -> None:
    row = ENVIRONMENT.read({"payment.country": None, "features.count_1h": 5})

    assert row == tuple(5 if name == "features.count_1h" else None for name in ENVIRONMENT.names)


@pytest.mark.parametrize(
    ("name", "value", "detail"),
    [
        ("features.cuont_1h", 5, "there is no features.cuont_1h; did you mean features.count_1h?"),
        ("features.count_1h", "5", 'features.count_1h: "5" is no optional(int)'),
        ("features.count_1h", 5.0, "features.count_1h: 5 is no optional(int)"),
        ("features.count_1h", True, "features.count_1h: true is no optional(int)"),
        ("features.mean_30d", "NaN", 'features.mean_30d: "NaN" is no optional(double)'),
        ("payment.created_at", "yesterday", 'payment.created_at: "yesterday" is no timestamp'),
        ("payment.tags", ["a", 5], "payment.tags: 5 is no string"),
        ("payment.tags", "a", 'payment.tags: "a" is no list(string)'),
        ("features.since_last", 90, "features.since_last: 90 is no optional(duration)"),
    ],
)
def test_what_is_not_of_its_type_is_refused(name: str, value: Any, detail: str) -> None:
    with pytest.raises(ValueUnreadable) as caught:
        ENVIRONMENT.read({name: value})

    assert (caught.value.detail, caught.value.field) == (detail, name)


def test_a_time_of_a_row_has_a_zone() -> None:
    assert ENVIRONMENT.read({"payment.created_at": "2026-03-01T00:00:00Z"})[3].utcoffset() == dt.timedelta(0)
