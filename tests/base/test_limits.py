import pytest
from hypothesis import given
from hypothesis import strategies as st

from caudal_base.limits import Breaker, BreakerState, TokenBucket


def test_a_bucket_lets_a_burst_through_and_then_its_rate() -> None:
    bucket = TokenBucket(4, burst=2, now=0.0)
    assert [bucket.take(0.0) for _ in range(5)] == [0.0, 0.0, 0.25, 0.5, 0.75]


def test_a_bucket_fills_with_time_and_no_further_than_its_burst() -> None:
    bucket = TokenBucket(10, burst=3, now=0.0)
    for _ in range(3):
        bucket.take(0.0)
    assert bucket.delay(0.0) == pytest.approx(0.1)
    assert bucket.delay(0.1) == pytest.approx(0.0)
    assert [bucket.take(100.0) for _ in range(4)] == pytest.approx([0.0, 0.0, 0.0, 0.1])


def test_a_bursts_default_is_what_a_second_allows_and_at_least_one() -> None:
    assert [TokenBucket(2, now=0.0).delay(0.0), TokenBucket(0.1, now=0.0).delay(0.0)] == [0.0, 0.0]
    slow = TokenBucket(0.1, now=0.0)
    slow.take(0.0)
    assert slow.delay(0.0) == pytest.approx(10.0)


def test_a_pause_holds_all_calls_also_where_there_is_no_rate() -> None:
    for rate in (None, 1000.0):
        bucket = TokenBucket(rate, now=0.0)
        bucket.pause(7.0)
        bucket.pause(3.0)
        assert [bucket.delay(0.0), bucket.take(5.0), bucket.delay(7.0)] == [7.0, 2.0, 0.0]


def test_a_clock_that_goes_back_gives_no_tokens() -> None:
    bucket = TokenBucket(1, burst=1, now=10.0)
    bucket.take(10.0)
    assert bucket.delay(5.0) == bucket.delay(10.0) == 1.0


@given(
    st.floats(0.5, 50),
    st.integers(1, 20),
    st.lists(st.floats(0, 3), min_size=1, max_size=60),
)
def test_no_window_ever_sees_more_than_its_rate_and_one_burst(
    rate: float, burst: int, gaps: list[float]
) -> None:
    bucket = TokenBucket(rate, burst=burst, now=0.0)
    now, starts = 0.0, []
    for gap in gaps:
        now += gap
        starts.append(now + bucket.take(now))
    assert starts == sorted(starts)
    for first in range(len(starts)):
        for last in range(first, len(starts)):
            assert last - first + 1 <= burst + rate * (starts[last] - starts[first]) + 1e-6


def broken(*, at: float = 0.0, failures: int = 3) -> Breaker:
    breaker = Breaker(failures)
    for _ in range(failures):
        assert breaker.admit(at)
        breaker.failed(at)
    return breaker


def test_a_breaker_opens_after_so_many_failures_in_a_row() -> None:
    breaker = Breaker(3)
    for outcome in (breaker.failed, breaker.failed, lambda now: breaker.succeeded(), breaker.failed):
        outcome(0.0)
    breaker.failed(0.0)
    assert breaker.state(0.0) is BreakerState.CLOSED
    breaker.failed(0.0)
    assert breaker.state(0.0) is BreakerState.OPEN
    assert not breaker.admit(1.9)


def test_an_open_breaker_lets_one_call_at_a_time_try() -> None:
    breaker = broken()
    assert breaker.state(2.0) is BreakerState.HALF_OPEN
    assert breaker.admit(2.0)
    assert not breaker.admit(2.0)
    breaker.succeeded()
    assert breaker.state(2.0) is BreakerState.CLOSED
    assert breaker.admit(2.0)
    assert breaker.admit(2.0)


def test_a_failed_try_keeps_it_open_for_twice_as_long_up_to_a_minute() -> None:
    breaker, now, waits = broken(), 0.0, []
    for _ in range(7):
        wait = breaker.retry_after(now)
        waits.append(wait)
        now += wait
        assert breaker.admit(now)
        breaker.failed(now)
    assert waits == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]


def test_a_try_that_is_given_up_leaves_room_for_the_next() -> None:
    breaker = broken()
    assert breaker.admit(2.0)
    breaker.abandoned()
    assert breaker.admit(2.0)


def test_late_failures_do_not_prolong_and_a_late_success_closes() -> None:
    breaker = broken()
    breaker.failed(1.0)
    assert breaker.state(2.0) is BreakerState.HALF_OPEN
    breaker.succeeded()
    assert breaker.state(2.0) is BreakerState.CLOSED
