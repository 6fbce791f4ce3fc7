"""The pure rules: pauses, ends, periods, and what may be kept of an error."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caudal.jobs import (
    DEPLOYMENT,
    DONE,
    ClaimLost,
    Dead,
    Later,
    OnDead,
    Periodic,
    Retry,
    RetryPolicy,
    State,
    rules,
)
from caudal.jobs.types import Claimed, Settlement
from caudal_base.errors import Conflict, InvariantError

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
POLICY = RetryPolicy(max_attempts=5, base_s=2.0, cap_s=10.0)


def job(*, attempt: int = 1, alone: bool = False, losses: int = 0, seq: int = 1) -> Claimed:
    return Claimed(
        book_id=1,
        id=UUID(int=seq),
        seq=seq,
        queue="default",
        kind="note",
        key=None,
        attempt=attempt,
        alone=alone,
        losses=losses,
        run_at=NOW - timedelta(minutes=1),
        enqueued_at=NOW - timedelta(minutes=2),
        payload="{}",
    )


def settle(claimed: Claimed, outcome: object, *, on_dead: OnDead = OnDead.BLOCK) -> Settlement | None:
    return rules.settle(claimed, outcome, policy=POLICY, on_dead=on_dead, now=NOW, jitter=0.0)  # type: ignore[arg-type]


# Pauses


@pytest.mark.parametrize(
    ("attempt", "shortest", "longest"), [(1, 1.0, 2.0), (2, 2.0, 4.0), (3, 4.0, 8.0), (4, 5.0, 10.0)]
)
def test_a_pause_doubles_up_to_the_cap_and_half_of_it_is_chance(
    attempt: int, shortest: float, longest: float
) -> None:
    assert rules.retry_delay(POLICY, attempt, 0.0) == timedelta(seconds=shortest)
    assert rules.retry_delay(POLICY, attempt, 1.0) == timedelta(seconds=longest)


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_a_pause_is_never_nothing_and_never_over_the_cap(attempt: int, jitter: float) -> None:
    pause = rules.retry_delay(RetryPolicy(), attempt, jitter)
    assert timedelta(seconds=0.5) <= pause <= timedelta(seconds=900)


def test_attempts_count_from_one() -> None:
    with pytest.raises(InvariantError):
        rules.retry_delay(POLICY, 0, 0.0)


# Ends


def test_a_job_that_is_done_leaves_nothing() -> None:
    assert settle(job(), DONE) is None


def test_a_failed_attempt_is_tried_again_after_the_policys_pause() -> None:
    assert settle(job(attempt=2), Retry("no answer")) == Settlement(
        id=UUID(int=1),
        state=State.READY,
        run_at=NOW + timedelta(seconds=2),
        attempts=2,
        alone=False,
        losses=0,
        error="no answer",
        ended_at=None,
    )


def test_a_handler_may_name_the_pause() -> None:
    settlement = settle(job(), Retry("busy", after=timedelta(hours=1)))
    assert settlement is not None
    assert settlement.run_at == NOW + timedelta(hours=1)


@pytest.mark.parametrize("on_dead", OnDead)
@pytest.mark.parametrize(("attempt", "outcome"), [(5, Retry("broken")), (1, Dead("broken"))])
def test_the_last_attempt_and_a_dead_job_end_as_the_handler_declares(
    attempt: int, outcome: object, on_dead: OnDead
) -> None:
    assert settle(job(attempt=attempt), outcome, on_dead=on_dead) == Settlement(
        id=UUID(int=1),
        state=State.DEAD if on_dead is OnDead.BLOCK else State.SKIPPED,
        run_at=NOW - timedelta(minutes=1),
        attempts=attempt,
        alone=False,
        losses=0,
        error="broken",
        ended_at=NOW,
    )


def test_too_early_is_no_failure_and_attempts_count_from_the_start_again() -> None:
    settlement = settle(job(attempt=5, alone=True), Later(NOW + timedelta(days=1)))
    assert settlement == Settlement(
        id=UUID(int=1),
        state=State.READY,
        run_at=NOW + timedelta(days=1),
        attempts=0,
        alone=False,
        losses=0,
        error=None,
        ended_at=None,
    )


def test_a_job_given_back_is_as_if_it_had_not_been_claimed() -> None:
    settlement = rules.given_back(job(attempt=3, alone=True))
    assert (settlement.state, settlement.attempts, settlement.alone) == (State.READY, 2, True)
    assert settlement.run_at == NOW - timedelta(minutes=1)
    assert settlement.error is None


def test_a_job_that_may_have_broken_its_call_is_isolated() -> None:
    settlement = rules.isolated(settle(job(), Retry("raised")))
    assert settlement is not None
    assert settlement.alone
    assert rules.isolated(None) is None


@pytest.mark.parametrize("state", State)
def test_only_what_is_skipped_or_cancelled_lets_its_key_go_on(state: State) -> None:
    assert rules.lets_past(state) is (state in {State.SKIPPED, State.CANCELLED})


def test_calls_are_cut_to_size_oldest_first_and_the_isolated_go_alone() -> None:
    jobs = [job(seq=seq, alone=seq in {2, 5}) for seq in (6, 5, 4, 3, 2, 1)]
    cut = [[each.seq for each in lot] for lot in rules.lots(jobs, 3)]
    assert cut == [[1, 3, 4], [6], [2], [5]]


GONE = psycopg.OperationalError("the connection is closed")
LOST = ClaimLost("1 of 2 jobs are no longer this claim's")
BROKEN = ZeroDivisionError()


@pytest.mark.parametrize(
    ("raised", "cause"),
    [
        (LOST, LOST),
        ([LOST], LOST),
        ([LOST, GONE], GONE),
        ([GONE, LOST, BROKEN], BROKEN),
        ([LOST, [GONE, [BROKEN]]], BROKEN),
    ],
)
def test_of_errors_at_once_what_says_most_of_the_jobs_counts(raised: Any, cause: Exception) -> None:
    def made(of: Any) -> Exception:
        return ExceptionGroup("at once", [made(each) for each in of]) if isinstance(of, list) else of

    assert rules.cause(made(raised)) is cause


def test_with_each_claim_that_was_lost_a_call_has_a_quarter_of_the_jobs() -> None:
    jobs = [job(seq=seq, losses=losses) for losses in (0, 1, 2, 3, 4, 60) for seq in range(64)]
    cut = [(lot[0].losses, len(lot)) for lot in rules.lots(jobs, 64)]
    assert sorted(set(cut)) == [(0, 64), (1, 16), (2, 4), (3, 1), (4, 1), (60, 1)]
    assert sum(size for _, size in cut) == len(jobs)


# Periods


@pytest.mark.parametrize(
    ("every", "offset", "start"),
    [
        (timedelta(hours=1), timedelta(0), datetime(2024, 5, 1, 12, tzinfo=UTC)),
        (timedelta(days=1), timedelta(0), datetime(2024, 5, 1, tzinfo=UTC)),
        (timedelta(days=1), timedelta(hours=2), datetime(2024, 5, 1, 2, tzinfo=UTC)),
        (timedelta(days=1), timedelta(hours=13), datetime(2024, 4, 30, 13, tzinfo=UTC)),
        (timedelta(seconds=7), timedelta(0), datetime(2024, 5, 1, 11, 59, 56, tzinfo=UTC)),
    ],
)
def test_a_period_begins_at_a_multiple_of_its_length_since_1970_plus_the_offset(
    every: timedelta, offset: timedelta, start: datetime
) -> None:
    assert rules.period_start(every, offset, NOW) == start


@given(
    st.timedeltas(timedelta(microseconds=1), timedelta(days=400)),
    st.timedeltas(timedelta(0), timedelta(days=400)),
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
)
def test_every_moment_is_in_exactly_the_period_that_began_last(
    every: timedelta, offset: timedelta, moment: datetime
) -> None:
    start = rules.period_start(every, offset, moment)
    assert start <= moment < start + every
    assert rules.period_start(every, offset, start) == start


def test_a_period_has_a_length() -> None:
    with pytest.raises(InvariantError):
        rules.period_start(timedelta(0), timedelta(0), NOW)


@pytest.mark.parametrize(("per_book", "books"), [(True, [1, 2]), (False, [DEPLOYMENT])])
def test_a_periodic_job_belongs_to_every_book_or_to_the_deployment(per_book: bool, books: list[int]) -> None:
    periodic = Periodic(name="n", kind="k", every=timedelta(1), payload=POLICY, per_book=per_book)
    assert [book for book in (DEPLOYMENT, 1, 2) if rules.belongs(periodic, book)] == books


# Errors


def test_our_own_errors_are_kept_with_their_words() -> None:
    assert rules.describe(Conflict("account is frozen")) == "conflict: account is frozen"


def test_of_other_errors_the_type_and_place_are_kept_but_never_the_message() -> None:
    try:
        raise ValueError("4111 1111 1111 1111")
    except ValueError as error:
        text = rules.describe(error)
    assert text.startswith("ValueError in test_of_other_errors")
    assert "test_job_rules.py:" in text
    assert "4111" not in text


def test_of_the_databases_errors_the_sqlstate_is_kept() -> None:
    error = psycopg.errors.UniqueViolation("Key (email)=(someone@example.com) already exists")
    assert rules.describe(error) == "UniqueViolation 23505"


def test_an_error_is_kept_as_the_database_can_hold_it() -> None:
    settlement = settle(job(), Retry("\0" + "é" * 2_000 + "\ud800"))
    assert settlement is not None
    assert settlement.error is not None
    assert settlement.error[0] == "\ufffd"
    assert len(settlement.error) == rules.MAX_ERROR_LENGTH
    kept = settle(job(), Retry("\ud800"))
    assert kept is not None
    assert kept.error == "?"
