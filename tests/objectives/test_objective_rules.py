"""Burn rates and alerts, held against the arithmetic of The Site Reliability Workbook, chapter 5."""

import datetime as dt

import msgspec
import pytest

from caudal.objectives import BURN_RULES, DEFAULTS, WINDOWS, Indicator, Objective, ObjectiveInvalid, Severity
from caudal.objectives import rules as objective_rules
from caudal.objectives.rules import budget_left, burn_rate, burns, demanded, evaluated, refuse_wrong
from caudal.objectives.types import Counts, Standing

THREE_NINES = Objective(
    name="x", indicator=Indicator.PAYMENTS_ACCEPTED, target_basis_points=9_990, window_days=30
)
NOW = dt.datetime(2026, 3, 2, 9, 30, tzinfo=dt.UTC)
MONTH = dt.timedelta(days=30)
NOTHING = Counts(0, 0)


def counted(**by_window: Counts) -> dict[str, Counts]:
    """Counts by window, `m5=` for `5m`; nothing where none is given."""
    given = {name[1:] + name[0]: counts for name, counts in by_window.items()}
    return {name: given.get(name, NOTHING) for name in WINDOWS}


@pytest.mark.parametrize(
    ("error_share", "rate", "exhausted_in"),
    [
        ((1, 1_000), 1, dt.timedelta(days=30)),
        ((2, 1_000), 2, dt.timedelta(days=15)),
        ((10, 1_000), 10, dt.timedelta(days=3)),
        ((1_000, 1_000), 1_000, dt.timedelta(minutes=43, seconds=12)),
    ],
)
def test_burn_rates_and_the_time_to_exhaustion_are_those_of_table_5_4(
    error_share: tuple[int, int], rate: int, exhausted_in: dt.timedelta
) -> None:
    bad, total = error_share
    found = burn_rate(Counts(total, bad), 9_990)
    assert found == pytest.approx(rate)
    assert MONTH / found == pytest.approx(exhausted_in, abs=dt.timedelta(seconds=1))


def test_the_rules_are_those_of_table_5_8_and_use_up_these_shares_of_a_month() -> None:
    assert [(rule.severity.value, rule.rate, rule.long, rule.long / rule.short) for rule in BURN_RULES] == [
        ("page", 14.4, dt.timedelta(hours=1), 12),
        ("page", 6, dt.timedelta(hours=6), 12),
        ("ticket", 1, dt.timedelta(days=3), 12),
    ]
    shares = [rule.rate * (rule.long / MONTH) for rule in BURN_RULES]
    assert shares == pytest.approx([0.02, 0.05, 0.10])


@pytest.mark.parametrize(
    ("rule", "seconds"), [(BURN_RULES[0], 51.84), (BURN_RULES[1], 129.6), (BURN_RULES[2], 259.2)]
)
def test_a_total_outage_is_noticed_by_the_long_window_in_seconds(
    rule: "objective_rules.BurnRule", seconds: float
) -> None:
    """Of the long window so much must be outage: (1 - target) x rate x window."""
    whole = int(rule.long.total_seconds() * 1_000)
    assert burns(Counts(whole, int(seconds * 1_000)), 9_990, rule.tenths)
    assert not burns(Counts(whole, int(seconds * 1_000) - 1), 9_990, rule.tenths)


def test_a_rate_of_exactly_the_rule_burns_whatever_floats_say() -> None:
    assert burns(Counts(10_000, 144), 9_990, 144)
    assert not burns(Counts(10_000, 143), 9_990, 144)
    assert not burns(NOTHING, 9_990, 10)


def test_somebody_is_paged_only_when_the_long_and_the_short_window_burn() -> None:
    fast = Counts(10_000, 144)
    assert demanded(THREE_NINES, counted(h1=fast, m5=fast)) is Severity.PAGE
    assert demanded(THREE_NINES, counted(h1=fast, m5=Counts(1_000, 0))) is None
    assert demanded(THREE_NINES, counted(h1=Counts(10_000, 143), m5=fast)) is None
    assert demanded(THREE_NINES, counted(h6=Counts(10_000, 60), m30=Counts(1_000, 6))) is Severity.PAGE
    assert demanded(THREE_NINES, counted(d3=Counts(10_000, 10), h6=Counts(1_000, 1))) is Severity.TICKET


def test_of_a_quiet_hour_nobody_is_told() -> None:
    nine, ten = Counts(10, 9), Counts(11, 10)
    assert demanded(THREE_NINES, counted(h1=nine, m5=nine)) is None
    assert demanded(THREE_NINES, counted(h1=ten, m5=ten)) is Severity.PAGE


def test_the_budget_that_is_left_is_told_in_basis_points() -> None:
    assert budget_left(Counts(1_000_000, 0), 9_990) == 10_000
    assert budget_left(Counts(1_000_000, 250), 9_990) == 7_500
    assert budget_left(Counts(1_000_000, 1_000), 9_990) == 0
    assert budget_left(Counts(1_000_000, 3_000), 9_990) == -20_000
    assert budget_left(NOTHING, 9_990) == 10_000


def test_an_alert_opens_at_once_rises_at_once_and_ends_when_it_has_been_quiet_for_five_minutes() -> None:
    slow = counted(d3=Counts(10_000, 10), h6=Counts(1_000, 1))
    fast = {**slow, "1h": Counts(10_000, 200), "5m": Counts(1_000, 20)}
    quiet = counted()
    standing: Standing | None = None
    seen = []
    for minute, windows in enumerate([quiet, slow, fast, fast, *[quiet] * 4, fast, *[quiet] * 6]):
        standing = evaluated(
            THREE_NINES, windows, Counts(10, 1), standing, NOW + minute * dt.timedelta(minutes=1)
        )
        seen.append(None if standing.severity is None else standing.severity.value)
    assert seen == [None, "ticket", *["page"] * 7, *["page"] * 4, None, None]
    assert standing is not None
    assert standing.since is None


def test_a_page_becomes_a_ticket_where_only_the_slow_rule_still_asks() -> None:
    slow = counted(d3=Counts(10_000, 10), h6=Counts(1_000, 1))
    fast = {**slow, "1h": Counts(10_000, 200), "5m": Counts(1_000, 20)}
    standing = evaluated(THREE_NINES, fast, NOTHING, None, NOW)
    later = NOW + dt.timedelta(minutes=5)
    standing = evaluated(THREE_NINES, slow, NOTHING, standing, later)
    assert (standing.severity, standing.since) == (Severity.TICKET, later)
    standing = evaluated(THREE_NINES, slow, NOTHING, standing, later + dt.timedelta(minutes=9))
    assert standing.since == later


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "Über"}, "name"),
        ({"name": "a" * 51}, "name"),
        ({"target_basis_points": 10_000}, "target_basis_points"),
        ({"target_basis_points": 4_999}, "target_basis_points"),
        ({"window_days": 0}, "window_days"),
        ({"window_days": 91}, "window_days"),
        ({"least_bad": 0}, "least_bad"),
        ({"within_ms": 100}, "within_ms"),
        ({"indicator": Indicator.PAYMENT_ENDS}, "within_ms"),
        ({"indicator": Indicator.PAYMENT_ENDS, "within_ms": 86_400_001}, "within_ms"),
    ],
)
def test_an_objective_that_cannot_be_is_refused_with_its_field(change: dict[str, object], field: str) -> None:
    with pytest.raises(ObjectiveInvalid) as refused:
        refuse_wrong(msgspec.structs.replace(THREE_NINES, **change))
    assert refused.value.field == field


def test_what_comes_with_the_program_can_be_and_covers_every_indicator() -> None:
    for one in DEFAULTS:
        refuse_wrong(one)
    assert {one.indicator for one in DEFAULTS} == set(Indicator)
