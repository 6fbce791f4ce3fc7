import itertools
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caudal_base import ids
from caudal_base.clock import ManualClock, SystemClock
from caudal_base.errors import InvariantError
from caudal_base.ids import IdSource, InvalidId, decode, encode, uuid7

START = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))
PREFIXES = st.sampled_from(sorted(ids.PREFIXES))


def seeded(seed: int) -> Callable[[int], bytes]:
    return random.Random(seed).randbytes


def test_the_example_of_rfc_9562_appendix_a_6() -> None:
    at = datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)
    rand_a, rand_b = 0xCC3, 0x18C4DC0C0C07398F
    entropy = (rand_a << 62 | rand_b).to_bytes(10, "big")
    assert uuid7(at, lambda count: entropy[:count]) == UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")


@given(MOMENTS, st.binary(min_size=10, max_size=10))
def test_a_uuid7_has_its_version_its_variant_and_its_millisecond(at: datetime, entropy: bytes) -> None:
    made = uuid7(at, lambda _: entropy)
    assert made.version == 7
    assert made.variant == RFC_4122
    elapsed = at - datetime(1970, 1, 1, tzinfo=UTC)
    assert ids.milliseconds_of(made) == elapsed // timedelta(milliseconds=1)


@pytest.mark.parametrize("at", [datetime(1969, 12, 31, tzinfo=UTC)])
def test_a_time_that_does_not_fit_is_refused(at: datetime) -> None:
    with pytest.raises(InvariantError):
        uuid7(at, seeded(1))


@given(st.lists(st.integers(-5_000, 5_000), max_size=50), st.integers())
def test_ids_increase_whatever_the_clock_does(steps_us: list[int], seed: int) -> None:
    clock = ManualClock(START)
    source = IdSource(clock, seeded(seed))
    made = [source.new()]
    for step in steps_us:
        clock.advance(timedelta(microseconds=step))
        made.append(source.new())
    assert made == sorted(set(made))
    texts = [encode("tr", id_) for id_ in made]
    assert texts == sorted(texts)


def test_ids_of_one_millisecond_do_not_follow_one_another_by_one() -> None:
    source = IdSource(ManualClock(START), seeded(1))
    made = [source.new().int for _ in range(100)]
    steps = {later - earlier for earlier, later in itertools.pairwise(made)}
    assert len(steps) == 99


def test_when_the_random_bits_run_out_the_time_goes_on() -> None:
    source = IdSource(ManualClock(START), lambda count: b"\xff" * count)
    first, second = source.new(), source.new()
    assert first.int & (1 << 62) - 1 == (1 << 62) - 1
    assert ids.milliseconds_of(second) == ids.milliseconds_of(first) + 1


def test_the_same_seed_and_clock_give_the_same_ids() -> None:
    one, other = (IdSource(ManualClock(START), seeded(7)) for _ in range(2))
    assert [one.new() for _ in range(10)] == [other.new() for _ in range(10)]


def test_by_default_ids_are_of_now_and_unpredictable() -> None:
    one, other = IdSource(SystemClock()), IdSource(SystemClock())
    assert one.new().int & (1 << 62) - 1 != other.new().int & (1 << 62) - 1


@given(PREFIXES, st.uuids().filter(lambda uuid: uuid.int != 0))
def test_what_is_encoded_decodes(prefix: str, uuid: UUID) -> None:
    text = encode(prefix, uuid)
    assert text == f"{prefix}_{uuid.hex}"
    assert decode(prefix, text) == uuid


HEX = "0193a1b2c3d47e8f9a0b1c2d3e4f5a6b"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tr_",
        HEX,
        f"acct_{HEX}",
        f"txn_{HEX}",
        f"TR_{HEX}",
        f"tr-{HEX}",
        f"tr_{HEX.upper()}",
        f"tr_{HEX[:-1]}",
        f"tr_{HEX}0",
        f"tr_{HEX}00",
        f"tr_{HEX[:-1]}g",
        f"tr_ {HEX[:-1]}",
        f"tr_{HEX[:8]} {HEX[8:]}",
        f"tr_{HEX}\n",
        f" tr_{HEX}",
        f"tr_{UUID(HEX)}",
        f"tr_{HEX[:-1]}\u0661",
        f"tr_{HEX[:-2]}_1",
        f"tr_{'0' * 32}",
    ],
)
def test_only_the_canonical_form_decodes(text: str) -> None:
    with pytest.raises(InvalidId) as caught:
        decode("tr", text, field="transfers[0].id")
    assert caught.value.problem()["field"] == "transfers[0].id"
    assert caught.value.status == 400


@given(PREFIXES, st.text(max_size=40))
def test_any_text_decodes_to_an_id_that_encodes_to_it_or_is_refused(prefix: str, text: str) -> None:
    try:
        uuid = decode(prefix, text)
    except InvalidId:
        return
    assert encode(prefix, uuid) == text


def test_callers_may_bring_other_versions_than_7() -> None:
    own = uuid4()
    assert decode("tr", encode("tr", own)) == own
