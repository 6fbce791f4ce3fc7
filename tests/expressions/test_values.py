"""What expressions give, as the language definition of CEL has it; differences are in the last tests."""

import datetime as dt
from typing import Any

import pytest

from caudal.expressions import BOOL, DOUBLE, DURATION, INT, STRING, TIMESTAMP, Type, list_of
from support.expressions import NOON, value


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("0x1F + 1", 32),
        ("-9223372036854775808 + 1", -(2**63) + 1),
        ("7 / 2", 3),
        ("-7 / 2", -3),
        ("7 / -2", -3),
        ("-7 % 3", -1),
        ("7 % -3", 1),
        ("2 + 3 * 4 - 6 / 2", 11),
        ("(2 + 3) * 4", 20),
        ("10 - 4 - 3", 3),
        ("- -5", 5),
        ("features.count_1h + features.count_24h", 27),
        ("payment.amount_minor % 1000", 500),
        ("payment.amount_minor / 1000", 12),
        ("-features.count_1h", -7),
        ("size('αβγ')", 3),
        ("'αβγ'.size()", 3),
        ("payment.tags.size()", 2),
        ("size({'a': 1, 'b': 2})", 2),
        ("int(-3.9)", -3),
        ("int('-42')", -42),
        ("int(7u)", 7),
        ("int(timestamp('1970-01-01T00:01:00Z'))", 60),
        ("[10, 20, 30][1]", 20),
        ("{'DE': 1, 'FR': 2}[payment.country]", 1),
        ("{'DE': 1, 'FR': 2}.FR", 2),
        ("{1: 5, 2: 6}[features.count_1h - 5]", 6),
        ("true ? 1 : 2", 1),
        ("false ? 1 : true ? 2 : 3", 2),
        ("math.abs(-5)", 5),
        ("math.greatest(3, features.count_1h, 5)", 7),
        ("math.least(3, features.count_1h, 5)", 3),
        ("coalesce(features.count_1h, 0)", 7),
        ("features.count_1h.orValue(0)", 7),
    ],
)
def test_whole_numbers(source: str, expected: int) -> None:
    found = value(source, INT)

    assert (found, type(found)) == (expected, int)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (".5 + 1.5e1", 15.5),
        ("7.0 / 2.0", 3.5),
        ("7 / 2.0", 3.5),
        ("1e3", 1000.0),
        ("features.mean_30d * 2", 81.0),
        ("2 * features.mean_30d", 81.0),
        ("-features.mean_30d", -40.5),
        ("double(features.sum_24h) / double(features.count_24h)", 4500.0),
        ("double('1.25')", 1.25),
        ("double(3u)", 3.0),
        ("math.abs(-2.5)", 2.5),
        ("math.ceil(1.2)", 2.0),
        ("math.floor(-1.2)", -2.0),
        ("math.round(2.5)", 3.0),
        ("math.round(-2.5)", -3.0),
        ("math.round(0.49999999999999994)", 0.0),
        ("math.greatest(1, features.mean_30d)", 40.5),
        ("true ? 1 : 2.5", 1.0),
        ("features.recent[2]", 60.5),
        ("[1, 2.5][0]", 1.0),
        ("{'transfer': 0.5, 'payout': 2}[payment.kind]", 0.5),
        ("5", 5.0),
    ],
)
def test_doubles_among_which_written_whole_numbers_become_double(source: str, expected: float) -> None:
    found = value(source, DOUBLE)

    assert (found, type(found)) == (expected, float)


@pytest.mark.parametrize(
    "source",
    [
        "1 < 2",
        "1 < 1.5",
        "2u > 1",
        "1 == 1.0",
        "9007199254740993 != 9007199254740992.0",
        "features.count_1h >= 6.9",
        "features.mean_30d > 40",
        "'a' < 'b'",
        "'Z' < 'a'",
        "false < true",
        "[1, 2] == [1, 2]",
        "[1, 2] != [2, 1]",
        "[1] == [1.0]",
        "'ab' + 'c' == 'abc'",
        "payment.tags + ['x'] == ['new', 'web', 'x']",
        "payment.country in ['DE', 'FR']",
        "!(payment.country in ['RU', 'KP'])",
        "'web' in payment.tags",
        "2 in [1.0, 2.0]",
        "'a' in {'a': 1}",
        "!('x' in [])",
        "payment.country.startsWith('D') && payment.country.endsWith('E')",
        "'needle in hay'.contains('in')",
        "'Ärger'.lower() == 'ärger' && 'ä'.upper() == 'Ä'",
        "string(5) + string(true) == '5true'",
        "'\\u00e9\\x41\\101\\t' == 'éAA\t'",
        "r'\\d' == '\\\\d'",
        "'''it's''' == \"it's\"",
        "payment.kind == 'transfer' // this is not compared",
        "has(features.count_1h)",
        "features.count_1h != null",
        "payment.tags.all(t, t.size() == 3)",
        "payment.tags.exists(t, t == 'web')",
        "payment.tags.exists_one(t, t.startsWith('w'))",
        "!payment.tags.exists_one(t, t.size() == 3)",
        "features.recent.filter(x, x > 15.0) == [20.0, 60.5]",
        "features.recent.map(x, x * 2) == [20, 40, 121]",
        "features.recent.all(x, payment.tags.exists(t, double(t.size()) < x))",
        "features.mean_30d / 4.5 == 9.0 && 364.5 / (features.mean_30d / 4.5) == 40.5",
        "true || false && false",
        "!false && true",
        "true ? true : false",
    ],
)
def test_what_is_true(source: str) -> None:
    assert value(source) is True


@pytest.mark.parametrize(
    ("source", "result", "expected"),
    [
        ("duration('1h30m')", DURATION, dt.timedelta(minutes=90)),
        ("duration('-1.5h')", DURATION, dt.timedelta(minutes=-90)),
        ("duration('250ms')", DURATION, dt.timedelta(milliseconds=250)),
        ("duration('0')", DURATION, dt.timedelta(0)),
        ("duration('1h') + duration('1m') - duration('1s')", DURATION, dt.timedelta(seconds=3659)),
        ("timestamp('2026-03-01T12:30:15.25Z')", TIMESTAMP, NOON),
        ("timestamp('2026-03-01T13:30:15.250+01:00')", TIMESTAMP, NOON),
        ("timestamp(0)", TIMESTAMP, dt.datetime(1970, 1, 1, tzinfo=dt.UTC)),
        ("payment.created_at - duration('30m')", TIMESTAMP, NOON - dt.timedelta(minutes=30)),
        ("duration('30m') + payment.created_at", TIMESTAMP, NOON + dt.timedelta(minutes=30)),
        ("payment.created_at - timestamp('2026-03-01T00:00:00Z')", DURATION, dt.timedelta(seconds=45_015.25)),
        ("features.since_last < duration('2h')", BOOL, True),
        ("features.since_last.getHours()", INT, 1),
        ("features.since_last.getMinutes()", INT, 90),
        ("duration('-1500ms').getSeconds()", INT, -1),
        ("payment.created_at.getFullYear()", INT, 2026),
        ("payment.created_at.getMonth()", INT, 2),
        ("payment.created_at.getDate()", INT, 1),
        ("payment.created_at.getDayOfMonth()", INT, 0),
        ("payment.created_at.getDayOfWeek()", INT, 0),
        ("payment.created_at.getDayOfYear()", INT, 59),
        ("payment.created_at.getHours()", INT, 12),
        ("payment.created_at.getHours('+05:45')", INT, 18),
        ("payment.created_at.getHours('-08:00')", INT, 4),
        ("timestamp('2026-07-01T12:00:00Z').getHours('Europe/Berlin')", INT, 14),
        ("payment.created_at.getMinutes()", INT, 30),
        ("payment.created_at.getSeconds()", INT, 15),
        ("payment.created_at.getMilliseconds()", INT, 250),
        ("payment.tags", list_of(STRING), ["new", "web"]),
        ("payment.country + '!'", STRING, "DE!"),
    ],
)
def test_times_and_other_types(source: str, result: Type, expected: Any) -> None:
    assert value(source, result) == expected
