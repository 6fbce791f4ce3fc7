"""Chance that can be repeated, and the faults that are drawn from it."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from caudal_sandbox.draws import Draws
from caudal_sandbox.faults import Fault, Faults, is_quiet, luck


@given(st.integers(), st.text(), st.text())
def test_a_question_has_the_same_numbers_whatever_else_was_asked(seed: int, what: str, other: str) -> None:
    busy, fresh = Draws(seed), Draws(seed)
    for number in range(3):
        busy.of(other, str(number)).fraction()
    first, second = busy.of("x", what), fresh.of("x", what)
    numbers = [first.fraction() for _ in range(40)]
    assert numbers == [second.fraction() for _ in range(40)]
    assert all(0 <= number < 1 for number in numbers)


def test_the_first_and_the_second_time_are_other_questions() -> None:
    draws = Draws(1)
    first, second = draws.of_next("x").fraction(), draws.of_next("x").fraction()
    assert first != second
    draws.forget()
    assert draws.of_next("x").fraction() == first


def test_ids_are_never_given_twice_also_after_a_restart() -> None:
    draws = Draws(1)
    made = [draws.id("pi") for _ in range(1_000)]
    draws.begin(2)
    made += [draws.id("pi") for _ in range(1_000)]
    assert len(set(made)) == 2_000
    assert Draws(1).id("pi") == made[0] != Draws(2).id("pi")


def test_a_rate_of_none_never_happens_one_of_all_always() -> None:
    draw = Draws(1).of("x")
    assert not any(draw.happens(0) for _ in range(20))
    assert all(draw.happens(1) for _ in range(20))


def test_faults_happen_as_often_as_their_rates_say() -> None:
    faults = Faults(rate_limited=0.1, error_after=0.2, drop_after=0.3, delay_before=0.5)
    met = [luck(faults, Draws(7).of("call", str(number))) for number in range(5_000)]
    counts = Counter(each.fault for each in met)
    expected = {Fault.RATE_LIMITED: 500, Fault.ERROR_AFTER: 1_000, Fault.DROP_AFTER: 1_500, None: 2_000}
    assert set(counts) == set(expected)
    assert all(abs(counts[fault] - number) < 150 for fault, number in expected.items())
    slow = [each.delay_before_s for each in met if each.delay_before_s]
    assert abs(len(slow) - 2_500) < 150
    assert all(0.05 <= delay_s < 0.5 for delay_s in slow)


def test_quiet_is_what_nothing_goes_wrong_with() -> None:
    assert is_quiet(Faults(search_lag_s=5, key_lifetime_s=3))
    assert not is_quiet(Faults(drop_after=0.001))
