"""Why a condition holds, in words."""

import datetime as dt
from typing import Any

import pytest

from caudal.expressions import Reason, compile, explain
from caudal.expressions.rendering import render_value
from support.expressions import ENVIRONMENT, GIVEN, NOON


def words(source: str, **changed: Any) -> list[str]:
    values = {name: changed.get(name.split(".")[1], value) for name, value in GIVEN.items()}
    return [reason.text for reason in explain(compile(source, ENVIRONMENT), values)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("features.count_1h > 5", ["features.count_1h = 7 > 5"]),
        (
            "features.count_1h > 5 && payment.amount_minor > 10000",
            ["features.count_1h = 7 > 5", "payment.amount_minor = 12500 > 10000"],
        ),
        ("features.count_1h > 9 || payment.amount_minor > 10000", ["payment.amount_minor = 12500 > 10000"]),
        ("features.count_24h > features.count_1h", ["features.count_24h = 20 > 7 (features.count_1h)"]),
        ("5 < features.count_1h", ["5 < 7 (features.count_1h)"]),
        (
            "double(payment.amount_minor) > features.mean_30d * 3.0",
            ["double(payment.amount_minor) = 12500 > 121.5 (features.mean_30d * 3.0)"],
        ),
        ("!(features.count_1h > 9)", ["features.count_1h = 7 <= 9"]),
        (
            "!(features.count_1h > 9 || payment.country == 'FR')",
            ["features.count_1h = 7 <= 9", 'payment.country = "DE" != "FR"'],
        ),
        ("payment.country in ['DE', 'FR']", ['payment.country = "DE" in ["DE", "FR"]']),
        ("!(payment.country in ['FR'])", ['payment.country = "DE" not in ["FR"]']),
        ("has(payment.country)", ["payment.country is present"]),
        ("!payment.is_first", ["payment.is_first = false"]),
        (
            "payment.country.startsWith('D')",
            ['payment.country.startsWith("D") with payment.country = "DE"'],
        ),
        (
            "payment.tags.exists(t, t == 'web')",
            ['payment.tags.exists(t, t == "web") with payment.tags = ["new", "web"]'],
        ),
        (
            "has(payment.country) ? features.count_1h > 5 : features.count_24h > 5",
            ["payment.country is present", "features.count_1h = 7 > 5"],
        ),
        (
            "payment.created_at.getHours() >= 12 && features.since_last < duration('2h')",
            [
                "payment.created_at.getHours() = 12 >= 12",
                'features.since_last = 1h30m < duration("2h")',
            ],
        ),
        ("features.mean_30d > 40", ["features.mean_30d = 40.5 > 40"]),
        ("true", []),
    ],
)
def test_the_parts_that_decided_are_told(source: str, expected: list[str]) -> None:
    assert words(source) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1 + 0.2, "0.3"),
        (dt.timedelta(0), "0s"),
        (dt.timedelta(days=3, seconds=1), "72h1s"),
        (dt.timedelta(milliseconds=-250), "-0.25s"),
        (NOON.astimezone(dt.timezone(dt.timedelta(hours=1))), "2026-03-01T12:30:15.250000Z"),
        (True, "true"),
        ("x" * 81, f'"{"x" * 80}…"'),
        (list(range(11)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, … 1 more]"),
        ([1, "a\n"], '[1, "a\\n"]'),
    ],
)
def test_values_are_written_for_people(value: Any, text: str) -> None:
    assert render_value(value) == text


def test_what_is_missing_is_told_as_missing() -> None:
    assert words("!has(features.count_1h)", count_1h=None) == ["features.count_1h is missing"]
    assert words("features.count_1h == null", count_1h=None) == ["features.count_1h is missing"]
    assert words("coalesce(features.count_1h, 0) < 3", count_1h=None) == [
        "coalesce(features.count_1h, 0) = 0 < 3"
    ]


def test_a_condition_that_does_not_hold_tells_what_fails() -> None:
    assert words("features.count_1h > 9 && payment.amount_minor > 1") == ["features.count_1h = 7 <= 9"]
    assert words("features.count_1h > 9", count_1h=None) == []


def test_a_reason_has_its_part_and_values_for_programs() -> None:
    (reason,) = explain(compile("features.count_24h-features.count_1h>5", ENVIRONMENT), GIVEN)

    assert reason == Reason(
        text="features.count_24h - features.count_1h = 13 > 5",
        source="features.count_24h - features.count_1h > 5",
        values=(("features.count_1h", 7), ("features.count_24h", 20)),
    )
