"""What is missing stays missing, unless the rest decides; and why it is, is said."""

import datetime as dt
from typing import Any

import pytest

from caudal.expressions import DOUBLE, INT, STRING, TIMESTAMP, Cause, Type
from support.expressions import missing, outcome, value

NAN = float("nan")
INFINITY = float("inf")


@pytest.mark.parametrize(
    "source",
    [
        "features.count_1h > 5",
        "features.count_1h == 5",
        "features.count_1h != 5",
        "features.count_1h in [1, 2]",
        "!(features.count_1h > 5)",
        "features.count_1h + 1 > 0",
        "features.count_1h > 5 && payment.amount_minor > 0",
        "features.count_1h > 5 || payment.amount_minor < 0",
        "features.count_1h > 5 ? true : true",
        "[features.count_1h, 1] == [1, 1]",
        "[1, 2].exists(x, x == features.count_1h)",
        "[1, 2].filter(x, x == features.count_1h).size() == 0",
        "{'a': features.count_1h}['a'] == 1",
        "-features.count_1h < 0",
    ],
)
def test_a_condition_over_a_missing_value_is_missing(source: str) -> None:
    assert missing(source, count_1h=None) == "features.count_1h is missing"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("features.count_1h > 5 || payment.amount_minor > 0", True),
        ("payment.amount_minor > 0 || features.count_1h > 5", True),
        ("features.count_1h > 5 && payment.amount_minor < 0", False),
        ("payment.amount_minor < 0 && features.count_1h > 5", False),
        ("payment.amount_minor > 0 ? true : features.count_1h > 5", True),
        ("[1, 2].exists(x, x == 2 || x == features.count_1h)", True),
        ("[1, 2].all(x, x == 2 && x == features.count_1h)", False),
        ("has(features.count_1h)", False),
        ("features.count_1h == null", True),
        ("null != features.count_1h", False),
        ("has(features.count_1h) && features.count_1h > 5", False),
        ("coalesce(features.count_1h, 0) == 0", True),
        ("coalesce(features.count_1h, features.count_24h, 0) == 20", True),
        ("features.count_1h.orValue(-1) == -1", True),
        ("(features.count_1h > 5).orValue(true)", True),
    ],
)
def test_what_decides_without_it_decides(source: str, *, expected: bool) -> None:
    assert value(source, count_1h=None) is expected


@pytest.mark.parametrize(
    ("source", "changed", "sentence"),
    [
        ("features.mean_30d > 1.0", {"mean_30d": NAN}, "features.mean_30d is not a finite number"),
        ("features.mean_30d < 1.0", {"mean_30d": -INFINITY}, "features.mean_30d is not a finite number"),
        ("features.stddev_30d < 1.0", {"stddev_30d": NAN}, "features.stddev_30d is not a finite number"),
        ("features.recent.all(x, x > 0)", {"recent": [1.0, NAN]}, "features.recent is not a finite number"),
        ("features.recent.all(x, x > 0)", {"recent": [1.0, None]}, "features.recent is missing"),
        ("payment.tags.size() > 0", {"tags": ["x"] * 6}, "payment.tags is too long"),
        ("payment.amount_minor > 0", {"amount_minor": None}, "payment.amount_minor is missing"),
        ("payment.created_at > timestamp(0)", {"created_at": 5}, "payment.created_at is not of its type"),
        (
            "payment.created_at > timestamp(0)",
            {"created_at": dt.datetime(2026, 1, 1)},
            "payment.created_at is not of its type",
        ),
        (
            "payment.created_at != timestamp(0)",
            {"created_at": dt.datetime(2026, 1, 1)},
            "payment.created_at is not of its type",
        ),
        ("payment.amount_minor != 0", {"amount_minor": "many"}, "payment.amount_minor is not of its type"),
        ("payment.amount_minor == 1", {"amount_minor": True}, "payment.amount_minor is not of its type"),
        ("payment.is_first", {"is_first": "yes"}, "payment.is_first is not of its type"),
        (
            "payment.is_first || true && payment.is_first",
            {"is_first": 1},
            "payment.is_first is not of its type",
        ),
        ("payment.country != 'DE'", {"country": 5}, "payment.country is not of its type"),
        ("payment.amount_minor > 0", {"amount_minor": "many"}, "payment.amount_minor is not of its type"),
    ],
)
def test_values_that_cannot_be_used_are_as_good_as_missing(
    source: str, changed: dict[str, Any], sentence: str
) -> None:
    assert missing(source, **changed) == sentence


@pytest.mark.parametrize(
    ("source", "result", "cause", "subject"),
    [
        ("payment.amount_minor / (features.count_1h - 7)", INT, Cause.DIVISION_BY_ZERO, None),
        ("payment.amount_minor % (features.count_1h - 7)", INT, Cause.DIVISION_BY_ZERO, None),
        ("features.mean_30d / (features.mean_30d - 40.5)", DOUBLE, Cause.DIVISION_BY_ZERO, None),
        ("payment.amount_minor * 1000000000000000", INT, Cause.OVERFLOW, None),
        ("9223372036854775807 + features.count_1h", INT, Cause.OVERFLOW, None),
        ("-9223372036854775808 / (6 - features.count_1h)", INT, Cause.OVERFLOW, None),
        ("-(-9223372036854775801 - features.count_1h)", INT, Cause.OVERFLOW, None),
        ("features.mean_30d * 1e308", DOUBLE, Cause.OVERFLOW, None),
        ("features.mean_30d / 1e-308", DOUBLE, Cause.OVERFLOW, None),
        ("int(features.mean_30d * 1e18)", INT, Cause.OVERFLOW, None),
        ('payment.created_at + duration("80000000h")', TIMESTAMP, Cause.OVERFLOW, None),
        ("features.recent[3]", DOUBLE, Cause.NO_SUCH_KEY, None),
        ("features.recent[-1]", DOUBLE, Cause.NO_SUCH_KEY, None),
        ('{"FR": 1}[payment.country]', INT, Cause.NO_SUCH_KEY, None),
        ("int(payment.country)", INT, Cause.UNREADABLE, None),
        ("timestamp(payment.country)", TIMESTAMP, Cause.UNREADABLE, None),
        ("1 + int(payment.country)", INT, Cause.UNREADABLE, "int(payment.country)"),
    ],
)
def test_operations_without_a_result_say_which_and_why(
    source: str, result: Type, cause: Cause, subject: str | None
) -> None:
    found = outcome(source, result).missing

    assert found is not None
    assert (found.cause, found.subject) == (cause, subject or source)


def test_a_text_that_grows_too_long_is_missing() -> None:
    doubled = " + ".join(["payment.country"] * 5)

    assert value(doubled, STRING, country="x" * 800) == "x" * 4_000
    assert missing(doubled, STRING, country="x" * 820).endswith("is too long")


def test_a_missing_value_and_a_division_by_zero_are_absorbed_alike() -> None:
    assert value("payment.amount_minor / (features.count_1h - 7) > 1 || true") is True
    assert value("coalesce(payment.amount_minor / (features.count_1h - 7), 0) == 0") is True
