"""Which request is a repeat, which key is one, and which answer is final."""

import hashlib
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caudal.idempotency import (
    Answer,
    Claim,
    Follow,
    Fresh,
    InvalidIdempotencyKey,
    KeyReused,
    Overtaken,
    Replay,
    Stored,
    decide,
    fingerprint,
    is_final,
    parse_key,
    plan,
)
from caudal_base.database import Failure, classify
from caudal_base.personal import PersonalDataRefused

ONE, OTHER = b"1" * 32, b"2" * 32
ANSWER = Answer(201, (("Content-Type", "application/json"),), b'{"id":"tr_1"}')
ALICE, BOB = UUID(int=1), UUID(int=2)


@pytest.mark.parametrize("key", ["a", " ", "~" * 255, "8f14e45f-ceea-467f-a8f2-0a1d8c1d8e1e", '"quoted"'])
def test_a_key_of_1_to_255_printable_ascii_characters_is_taken_as_it_is(key: str) -> None:
    assert parse_key(key) == key


@pytest.mark.parametrize("key", [None, "", "x" * 256, "a\nb", "a\tb", "a\0b", "ñ", "\x7f", "\ud800"])
def test_any_other_key_is_refused_as_a_bad_request_that_names_the_header(key: str | None) -> None:
    with pytest.raises(InvalidIdempotencyKey) as refusal:
        parse_key(key)

    assert (refusal.value.status, refusal.value.field) == (400, "Idempotency-Key")


@pytest.mark.parametrize(
    "key",
    [
        "order-1", "42", "20261122", "1795371903", "1795371903123", "2026-11-22T18:05:03", "4242-17", "key-1",
        "8F14E45F-CEEA-467F-A8F2-0A1D8C1D8E1E", "0" * 32, f"pay_{1:032x}", f"{1:032x}-retry-2",
        "sim-7-00012345", "4155552671",
    ],
)  # fmt: skip
def test_keys_of_ids_counters_and_times_are_no_personal_data(key: str) -> None:
    assert parse_key(key) == key


@pytest.mark.parametrize(
    "key", ["jane@example.com", "card-4242424242424242", "+49 30 1234567", "DE89370400440532013000"]
)
def test_a_key_that_looks_like_personal_data_is_refused_without_being_repeated(key: str) -> None:
    with pytest.raises(PersonalDataRefused) as refusal:
        parse_key(key)

    assert (refusal.value.status, refusal.value.field) == (422, "Idempotency-Key")
    assert key not in str(refusal.value.problem())


def test_a_fingerprint_is_sha_256_over_method_path_and_body() -> None:
    expected = hashlib.sha256(b'POST\0/v1/transfers?x=1\0{"amount": 1}').digest()

    assert fingerprint("POST", "/v1/transfers?x=1", b'{"amount": 1}') == expected


parts = st.tuples(
    st.sampled_from(["POST", "PUT", "POS"]), st.text(st.characters(exclude_characters="\0")), st.binary()
)


@given(parts, parts)
def test_only_the_same_method_path_and_body_have_the_same_fingerprint(
    one: tuple[str, str, bytes], other: tuple[str, str, bytes]
) -> None:
    assert (fingerprint(*one) == fingerprint(*other)) == (one == other)


def test_what_is_final_is_what_judged_the_command() -> None:
    final = {status for status in range(100, 600) if is_final(status)}

    assert final == set(range(200, 300)) | set(range(400, 500)) - {400, 401, 408, 413, 415, 429}


def test_a_key_without_an_answer_is_fresh() -> None:
    assert decide(None, ONE) == Fresh()


def test_the_same_request_gets_the_stored_answer() -> None:
    assert decide(Stored(ONE, ANSWER), ONE) == Replay(ANSWER)


def test_another_request_under_the_key_is_refused() -> None:
    decision = decide(Stored(ONE, ANSWER), OTHER)

    assert isinstance(decision, KeyReused)
    assert (decision.status, decision.code) == (422, "idempotency_key_reused")


def test_of_repeats_in_one_batch_the_first_works_and_the_others_follow() -> None:
    claim = Claim(ALICE, "k", ONE)

    assert plan([None, claim, claim, claim], [None] * 4) == [Fresh(), Fresh(), Follow(1), Follow(1)]


def test_another_request_in_the_batch_under_the_key_of_the_first_is_refused() -> None:
    fresh, reused = plan([Claim(ALICE, "k", ONE), Claim(ALICE, "k", OTHER)], [None, None])

    assert fresh == Fresh()
    assert isinstance(reused, KeyReused)


def test_one_key_of_two_principals_is_two_keys() -> None:
    assert plan([Claim(ALICE, "k", ONE), Claim(BOB, "k", OTHER)], [None, None]) == [Fresh(), Fresh()]


def test_requests_without_a_key_are_never_repeats() -> None:
    assert plan([None, None], [None, None]) == [Fresh(), Fresh()]


def test_repeats_of_an_answered_request_each_get_the_stored_answer() -> None:
    claim = Claim(ALICE, "k", ONE)
    stored = Stored(ONE, ANSWER)

    assert plan([claim, claim], [stored, stored]) == [Replay(ANSWER), Replay(ANSWER)]


def test_an_overtaken_transaction_is_one_to_run_again() -> None:
    assert classify(Overtaken("another was first")) is Failure.TRANSIENT
