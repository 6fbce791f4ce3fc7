"""Whether, where and when a payment is tried again."""

import datetime as dt
from typing import Any

import pytest

from caudal.connectors import ErrorClass
from caudal.routing import (
    CAUSES,
    DEFAULTS,
    MAX_ATTEMPTS,
    Again,
    Cause,
    PartnerHealth,
    Retry,
    Then,
    Tried,
    again,
)

NO_WAIT = dt.timedelta()
PARTNERS = ("alpha", "beta", "gamma")


def next_(cause: Cause, *tried: Tried, rows: tuple[Retry, ...] = (), code: str = "", **more: Any) -> Any:
    """What follows upon the last of `tried`, where `down` are down."""
    down = more.pop("down", ())
    return again(
        rows, cause=cause, code=code, tried=tried, partners=PARTNERS,
        health=lambda name: PartnerHealth.DOWN if name in down else PartnerHealth.UP, **more,
    )  # fmt: skip


def no(partner: str, cause: Cause | None = None) -> Tried:
    return Tried(partner, refused=True, cause=cause)


def unsent(partner: str, cause: Cause | None = None) -> Tried:
    return Tried(partner, refused=False, cause=cause)


def test_each_cause_has_one_row_that_always_stands_and_each_class_of_errors_a_cause() -> None:
    assert sorted(row.cause.value for row in DEFAULTS) == sorted(cause.value for cause in Cause)
    assert set(CAUSES) == {each.value for each in ErrorClass}


@pytest.mark.parametrize("cause", [Cause.HARD_DECLINE, Cause.INVALID, Cause.CONFLICT])
def test_some_causes_are_the_end(cause: Cause) -> None:
    assert next_(cause, no("alpha")) is None


def test_a_soft_decline_is_tried_once_elsewhere() -> None:
    assert next_(Cause.SOFT_DECLINE, no("alpha")) == Again("beta", NO_WAIT, Cause.SOFT_DECLINE)
    assert next_(Cause.SOFT_DECLINE, no("alpha"), no("beta", Cause.SOFT_DECLINE)) is None


def test_a_soft_decline_is_tried_later_where_the_table_says_so() -> None:
    row = Retry(
        cause=Cause.SOFT_DECLINE, then=Then.LATER, wait_s=3_600, times=2, codes=("insufficient_funds",)
    )
    broke = {"rows": (row,), "code": "insufficient_funds"}
    later = Again("alpha", dt.timedelta(hours=1), Cause.SOFT_DECLINE)
    first, second = no("alpha"), no("alpha", Cause.SOFT_DECLINE)
    assert next_(Cause.SOFT_DECLINE, first, **broke) == later
    assert next_(Cause.SOFT_DECLINE, first, second, **broke) == later
    assert next_(Cause.SOFT_DECLINE, first, second, second, **broke) is None
    assert next_(Cause.SOFT_DECLINE, first, rows=(row,), code="do_not_honor").partner == "beta"


def test_the_first_row_that_fits_counts() -> None:
    never = Retry(cause=Cause.SOFT_DECLINE, then=Then.NEVER, partner="alpha")
    assert next_(Cause.SOFT_DECLINE, no("alpha"), rows=(never,)) is None
    assert next_(Cause.SOFT_DECLINE, no("beta"), rows=(never,)).partner == "alpha"


def test_what_was_not_sent_goes_elsewhere_at_once_and_back_if_need_be() -> None:
    assert next_(Cause.NOT_SENT, unsent("alpha")).partner == "beta"
    assert next_(Cause.NOT_SENT, unsent("alpha"), unsent("beta", Cause.NOT_SENT)).partner == "alpha"
    assert next_(
        Cause.NOT_SENT, unsent("alpha"), unsent("beta", Cause.NOT_SENT), down=("alpha",)
    ).partner == "gamma"  # fmt: skip


def test_who_has_said_no_is_not_asked_again() -> None:
    tried = no("alpha"), unsent("beta", Cause.SOFT_DECLINE)
    assert next_(Cause.NOT_SENT, *tried).partner == "gamma"
    assert next_(Cause.NOT_SENT, *tried, down=("gamma",)) is None


def test_where_nobody_else_is_up_it_stays() -> None:
    assert next_(Cause.NOT_SENT, unsent("alpha"), down=("beta", "gamma")) is None
    assert next_(Cause.SOFT_DECLINE, no("alpha"), down=("beta", "gamma")) is None


def test_a_limited_call_waits_for_as_long_as_the_partner_says() -> None:
    wait = dt.timedelta(seconds=7)
    assert next_(Cause.RATE_LIMITED, unsent("alpha"), wait=wait) == Again("alpha", wait, Cause.RATE_LIMITED)
    elsewhere = Retry(cause=Cause.RATE_LIMITED, then=Then.ELSEWHERE)
    assert next_(Cause.RATE_LIMITED, unsent("alpha"), rows=(elsewhere,), wait=wait) == Again(
        "beta", NO_WAIT, Cause.RATE_LIMITED
    )


def test_nothing_is_tried_without_end() -> None:
    back_and_forth = [unsent(PARTNERS[n % 2], Cause.NOT_SENT) for n in range(MAX_ATTEMPTS)]
    assert next_(Cause.NOT_SENT, *back_and_forth[:-1]) is not None
    assert next_(Cause.NOT_SENT, *back_and_forth) is None
