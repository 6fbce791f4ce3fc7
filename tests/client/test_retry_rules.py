import datetime as dt

import pytest

from caudal.client import Retry, new_account_id, new_idempotency_key, new_transaction_id, new_transfer_id
from caudal.client.bodies import AccountsQuery, TransfersQuery, Write
from caudal.client.errors import retry_after_s
from caudal.client.ids import Identity, identify
from caudal.client.sending import query_text, segment

NOW = dt.datetime(2026, 3, 2, 9, 30, tzinfo=dt.UTC)


def most() -> float:
    return 1.0


def test_the_longest_wait_doubles_up_to_a_bound() -> None:
    retry = Retry(attempts=100, first_wait_s=0.1, longest_wait_s=0.5)

    waits = [retry.wait_s(attempt, left_s=60, draw=most) for attempt in (1, 2, 3, 4, 99)]

    assert waits == [0.1, 0.2, 0.4, 0.5, 0.5]


def test_the_jitter_is_full() -> None:
    assert Retry().wait_s(1, left_s=60, draw=lambda: 0.0) == 0.0
    assert Retry(first_wait_s=2.0).wait_s(1, left_s=60, draw=lambda: 0.25) == 0.5


def test_retry_after_comes_before_the_jitter() -> None:
    assert Retry(first_wait_s=2.0).wait_s(1, left_s=60, retry_after_s=10, draw=lambda: 0.25) == 10.5


def test_after_the_last_attempt_and_at_the_deadline_there_is_no_wait() -> None:
    retry = Retry(attempts=3, first_wait_s=1.0)

    assert retry.wait_s(2, left_s=60, draw=most) == 2.0
    assert retry.wait_s(3, left_s=60, draw=most) is None
    assert retry.wait_s(2, left_s=2.0, draw=most) is None
    assert retry.wait_s(1, left_s=60, retry_after_s=59.0, draw=most) is None


@pytest.mark.parametrize(
    "bounds",
    [{"attempts": 0}, {"deadline_s": 0}, {"first_wait_s": 0}, {"first_wait_s": 2.0, "longest_wait_s": 1.0}],
)
def test_bounds_that_bound_nothing_are_refused(bounds: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        Retry(**bounds)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("120", 120.0),
        ("Mon, 02 Mar 2026 09:30:30 GMT", 30.0),
        ("Mon, 02 Mar 2026 09:30:30 -0000", 30.0),
        ("Mon, 02 Mar 2026 09:29:00 GMT", 0.0),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("²", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header, NOW) == seconds


def test_ids_sort_by_when_they_were_made_and_are_version_7() -> None:
    before = int(dt.datetime.now(dt.UTC).timestamp() * 1000)
    made = [new_transfer_id() for _ in range(1_000)]
    after = int(dt.datetime.now(dt.UTC).timestamp() * 1000)

    times = [int(id_[3:15], 16) for id_ in made]
    assert times == sorted(times)
    assert before <= times[0] <= times[-1] <= after
    assert {id_[15] for id_ in made} == {"7"}
    assert {id_[19] for id_ in made} == set("89ab")
    assert len(set(made)) == 1_000


def test_ids_have_the_prefix_of_their_kind() -> None:
    assert new_account_id()[:5] == "acct_"
    assert new_transaction_id()[:4] == "txn_"
    assert len(new_idempotency_key()) <= 255


def test_the_key_of_a_command_without_any_holds_its_id() -> None:
    made = identify("tr", None, None)

    assert made.id is not None
    assert identify("tr", None, made.key) == made


def test_what_the_caller_gives_is_taken() -> None:
    id_ = new_transfer_id()

    assert identify("tr", id_, "k") == Identity(id_, "k")
    assert identify("tr", None, "k") == Identity(None, "k")
    assert identify("tr", None, id_) == Identity(None, id_)
    assert identify("tr", id_, None).id == id_
    assert identify("tr", id_, None).key != identify("tr", id_, None).key


def test_queries_hold_only_what_was_said() -> None:
    assert query_text(None) == query_text(Write()) == ""
    assert query_text(Write(dry_run=True)) == "?dry_run=true"
    assert (
        query_text(AccountsQuery(metadata={"order": "a&b=ü"}, limit=2))
        == "?limit=2&metadata%5Border%5D=a%26b%3D%C3%BC"
    )
    moment = dt.datetime(2026, 3, 2, 9, 30, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    assert query_text(TransfersQuery(recorded_from=moment)) == (
        "?recorded_from=2026-03-02T09%3A30%3A00%2B01%3A00"
    )


def test_a_part_of_a_path_leads_nowhere_else() -> None:
    assert segment("a/../b?c") == "a%2F..%2Fb%3Fc"
    for text in ("", ".", ".."):
        with pytest.raises(ValueError):
            segment(text)
