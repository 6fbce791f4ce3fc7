import json
from typing import Any

import pytest

from caudal_base import errors
from caudal_base.errors import CaudalError, NotFound, TooManyRequests, Unavailable, Unprocessable


class AccountFrozen(Unprocessable):
    code = "account_frozen"
    title = "The account is frozen"


def test_an_error_is_a_problem_details_object() -> None:
    error = AccountFrozen("frozen since Monday", field="transfers[3].debit_account_id", account_id="acct_1")
    assert error.problem("/v1/transfers/batch") == {
        "type": "/docs/errors#account_frozen",
        "title": "The account is frozen",
        "status": 422,
        "detail": "frozen since Monday",
        "code": "account_frozen",
        "field": "transfers[3].debit_account_id",
        "instance": "/v1/transfers/batch",
        "account_id": "acct_1",
    }


def test_members_that_say_nothing_are_left_out() -> None:
    assert NotFound("no such account").problem() == {
        "type": "/docs/errors#not_found",
        "title": "Not found",
        "status": 404,
        "detail": "no such account",
        "code": "not_found",
    }


def test_an_error_that_passes_says_when_to_come_back() -> None:
    assert Unavailable("the queue is full").retry_after == 1
    assert Unavailable("the queue is full").problem()["retry_after"] == 1
    assert TooManyRequests("slow down", retry_after=30).problem()["retry_after"] == 30
    assert CaudalError("broken").retry_after is None


@pytest.mark.parametrize("member", ["type", "status", "code", "title", "instance"])
def test_extension_members_cannot_hide_the_standard_ones(member: str) -> None:
    with pytest.raises(TypeError, match=member):
        CaudalError("broken", **dict[str, Any]({member: "x"}))


def test_every_class_has_a_code_of_its_own_and_the_status_it_is_named_for() -> None:
    classes = {
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, CaudalError) and value is not CaudalError
    }
    assert len({error.code for error in classes}) == len(classes)
    assert {error.__name__: error.status for error in classes} == {
        "InvalidRequest": 400,
        "Unauthenticated": 401,
        "Forbidden": 403,
        "NotFound": 404,
        "Conflict": 409,
        "PayloadTooLarge": 413,
        "UnsupportedMediaType": 415,
        "Unprocessable": 422,
        "TooManyRequests": 429,
        "InvariantError": 500,
        "Unavailable": 503,
    }
    for error in classes:
        assert f"{error.status}  {error.code}" in " ".join((errors.__doc__ or "").split(" "))


def test_a_problem_is_json() -> None:
    assert json.loads(json.dumps(AccountFrozen("frozen").problem()))["status"] == 422
