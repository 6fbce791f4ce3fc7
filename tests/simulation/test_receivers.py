"""The endpoints that are drawn from a seed: the same again, of every manner, and enough of everything."""

import sys

import pytest

from caudal.simulation.receivers import ENDING, Manner, Receiver, receivers, wants
from caudal.simulation.verifying import VerifierMissing, require_verifier

SEEDS = range(1, 40)


def drawn(seed: int) -> dict[Manner, Receiver]:
    return {each.manner: each for each in receivers(seed, 1_000, 1.0)}


def test_a_seed_draws_the_same_again_and_another_others() -> None:
    assert receivers(7, 1_000, 1.0) == receivers(7, 1_000, 1.0)
    assert receivers(7, 1_000, 1.0) != receivers(8, 1_000, 1.0)


@pytest.mark.parametrize("seed", SEEDS)
def test_there_is_one_of_each_manner_and_everything_arrives_at_one(seed: int) -> None:
    made = receivers(seed, 1_000, 1.0)
    assert {each.manner for each in made} == set(Manner)
    assert (made[0].manner, made[0].types, made[0].ordered) == (Manner.HEALTHY, ("*",), True)
    assert len({each.name for each in made}) == len(made)
    assert 4 <= sum(each.ordered for each in made) <= 6
    assert sum(each.signature == "v1a" for each in made) == 3


@pytest.mark.parametrize("seed", SEEDS)
def test_secrets_are_rotated_on_their_way_and_early_where_nobody_notices(seed: int) -> None:
    made = receivers(seed, 1_000, 1.0)
    assert len(made[0].rotations) == 3
    afters = [rotation.after for rotation in made[0].rotations]
    assert afters == sorted(afters)
    (slept_through,) = drawn(seed)[Manner.OUTDATED].rotations
    assert 0 <= slept_through.after < 800
    assert slept_through.overlap_s > 0
    assert drawn(seed)[Manner.DEAD].rotations == ()


@pytest.mark.parametrize("seed", SEEDS)
def test_one_goes_down_and_comes_up_and_one_goes_for_good(seed: int) -> None:
    down = drawn(seed)[Manner.DOWN]
    assert down.begins <= down.down[0] < down.down[1] <= (down.pauses or 1_100)
    assert 5 <= drawn(seed)[Manner.GONE].gone_after <= 124


def test_endpoints_come_on_the_way_and_some_are_disabled_by_their_owners() -> None:
    made = [each for seed in SEEDS for each in receivers(seed, 1_000, 1.0)]
    assert all((each.begins, each.pauses) == (0, None) for each in made[::9])
    others = [each for place, each in enumerate(made) if place % 9]
    assert len({each.begins for each in others}) > 100
    assert max(each.begins for each in others) <= 700
    paused = [each for each in others if each.pauses is not None]
    assert len(paused) == len(others) * 5 / 8
    assert all(each.begins < (each.pauses or 0) < 1_000 for each in paused)
    assert not any(each.manner in ENDING for each in paused)


def test_where_nothing_is_to_go_wrong_all_are_healthy() -> None:
    assert {each.manner for each in receivers(3, 1_000, 0.0)} == {Manner.HEALTHY}


def test_few_payments_will_do() -> None:
    assert len(receivers(3, 1, 1.0)) == 4


def test_a_small_run_has_some_of_the_manners_and_many_of_them_all() -> None:
    made = [receivers(seed, 500, 1.0) for seed in SEEDS]
    assert {len(each) for each in made} == {4}
    assert {each[0].types for each in made} == {("*",)}
    assert {receiver.manner for each in made for receiver in each[1:]} == set(Manner)


@pytest.mark.parametrize(
    ("types", "type", "wanted"),
    [
        (("*",), "payment.created", True),
        (("payment.*",), "payment.created", True),
        (("payment.*",), "payments.created", False),
        (("payment.created",), "payment.created", True),
        (("payment.created",), "payment.created_twice", False),
        (("refund.*", "payment.failed"), "payment.failed", True),
        (("refund.*", "payment.failed"), "payment.created", False),
    ],
)
def test_a_filter_is_what_the_guide_says(types: tuple[str, ...], type: str, wanted: bool) -> None:
    assert wants(types, type) is wanted


def test_without_the_library_that_verifies_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "standardwebhooks", None)
    with pytest.raises(VerifierMissing, match=r"pip install 'caudal\[simulation\]'"):
        require_verifier()
