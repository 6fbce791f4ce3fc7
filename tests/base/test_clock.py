from datetime import UTC, datetime, timedelta, timezone

import pytest

from caudal_base.clock import ManualClock, SystemClock
from caudal_base.errors import InvariantError

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def test_the_system_clock_is_aware_and_in_utc() -> None:
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert now.tzinfo is UTC
    assert before <= now <= datetime.now(UTC)


def test_a_manual_clock_stands_still_until_it_is_moved() -> None:
    clock = ManualClock(NOON)
    assert clock.now() == clock.now() == NOON
    assert clock.advance(timedelta(microseconds=1)) == clock.now() == NOON + timedelta(microseconds=1)
    assert clock.advance(timedelta(hours=-1)) < NOON


def test_a_manual_clock_keeps_utc_whatever_zone_it_is_set_in() -> None:
    clock = ManualClock(NOON.astimezone(timezone(timedelta(hours=9))))
    assert clock.now() == NOON
    assert clock.now().tzinfo is UTC
    clock.set(NOON.astimezone(timezone(timedelta(hours=-3))))
    assert clock.now().tzinfo is UTC


def test_a_time_without_a_zone_is_refused() -> None:
    naive = NOON.replace(tzinfo=None)
    with pytest.raises(InvariantError):
        ManualClock(naive)
    clock = ManualClock(NOON)
    with pytest.raises(InvariantError):
        clock.set(naive)
    assert clock.now() == NOON
