import datetime as dt

import pytest
from structlog.testing import capture_logs

from caudal.connectors import Drift, DriftKind, Reading, Status
from caudal_base.clock import ManualClock

NOW = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)
TABLE = {"succeeded": Status.SUCCEEDED, "failed": Status.FAILED}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def drift(clock: ManualClock) -> Drift:
    return Drift("acme", clock)


def test_what_is_as_documented_is_read_and_counts_nothing(drift: Drift) -> None:
    fields = {
        "id": "pay_1", "amount": 0, "currency": "eur", "status": "failed", "made": 1795348800, "note": None,
        "parts": [{"n": 1}], "fee": {"amount": 3}, "charge": "ch_1", "refund": {"id": "re_1"},
    }  # fmt: skip
    reading = Reading(drift, "payment", fields)

    assert reading.text("id") == "pay_1"
    assert reading.integer("amount") == 0
    assert reading.currency() == "EUR"
    assert reading.mapped("status", TABLE, Status.UNKNOWN) is Status.FAILED
    assert reading.moment("made") == NOW
    assert [reading.optional_text("note"), reading.optional_integer("absent")] == [None, None]
    assert [part.integer("n") for part in reading.optional_objects("parts")] == [1]
    fee = reading.optional_object("fee")
    assert fee is not None
    assert fee.integer("amount") == 3
    assert reading.reference("charge") == ("ch_1", None)
    refund_id, refund = reading.reference("refund")
    assert refund_id == "re_1"
    assert refund is not None
    assert not reading.broken
    assert drift.counts == {}


def test_a_value_that_no_table_knows_is_counted_and_becomes_the_safe_one(drift: Drift) -> None:
    reading = Reading(drift, "payment", {"status": "teleported"})
    assert reading.mapped("status", TABLE, Status.UNKNOWN) is Status.UNKNOWN
    assert not reading.broken
    assert drift.counts == {(DriftKind.UNKNOWN_VALUE, "payment.status", "teleported"): 1}


def test_what_is_missing_or_of_another_type_breaks_the_reading(drift: Drift) -> None:
    fields = {"amount": "12", "currency": 978, "flag": True, "empty": ""}
    for read, meaningless in (
        (lambda it: it.text("id"), ""),
        (lambda it: it.integer("amount"), 0),
        (lambda it: it.integer("flag"), 0),
        (lambda it: it.currency(), "XXX"),
        (lambda it: it.text("empty"), ""),
        (lambda it: it.mapped("status", TABLE, Status.UNKNOWN), Status.UNKNOWN),
    ):
        reading = Reading(drift, "payment", fields)
        assert read(reading) == meaningless
        assert reading.broken
    assert drift.counts == {
        (DriftKind.MISSING, "payment.id", ""): 1,
        (DriftKind.UNEXPECTED_TYPE, "payment.amount", "str"): 1,
        (DriftKind.UNEXPECTED_TYPE, "payment.flag", "bool"): 1,
        (DriftKind.UNEXPECTED_TYPE, "payment.currency", "int"): 1,
        (DriftKind.MISSING, "payment.empty", ""): 1,
        (DriftKind.MISSING, "payment.status", ""): 1,
    }


def test_amounts_are_bounded_and_currencies_known(drift: Drift) -> None:
    fields = {"most": 2**53 - 1, "least": -(2**53) + 1, "more": 2**53, "less": -(2**53), "currency": "abc"}
    reading = Reading(drift, "payment", fields)
    assert [reading.integer("most"), reading.integer("least")] == [2**53 - 1, -(2**53) + 1]
    assert not reading.broken
    for field in ("more", "less"):
        reading = Reading(drift, "payment", fields)
        assert reading.integer(field) == 0
        assert reading.broken
    reading = Reading(drift, "payment", fields)
    assert reading.currency() == "XXX"
    assert reading.broken
    assert drift.counts == {
        (DriftKind.CONTRADICTION, "payment.more", "out_of_range"): 1,
        (DriftKind.CONTRADICTION, "payment.less", "out_of_range"): 1,
        (DriftKind.UNKNOWN_VALUE, "payment.currency", "ABC"): 1,
    }


def test_optional_things_of_another_type_are_counted_and_left_out(drift: Drift) -> None:
    fields = {
        "text": 1,
        "integer": "1",
        "object": [],
        "list": {},
        "parts": [1, {"n": 1}],
        "at": 1.5,
        "ref": 5,
    }
    reading = Reading(drift, "payment", fields)
    assert reading.optional_text("text") is None
    assert reading.optional_integer("integer") is None
    assert reading.optional_object("object") is None
    assert reading.optional_objects("list") == []
    assert len(reading.optional_objects("parts")) == 1
    assert reading.optional_moment("at") is None
    assert reading.reference("ref") == (None, None)
    assert not reading.broken
    assert sum(drift.counts.values()) == 7


def test_times_out_of_all_bounds_are_no_crash(drift: Drift) -> None:
    reading = Reading(drift, "event", {"early": -(10**20), "late": 10**20})
    assert reading.moment("early") == dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    assert reading.moment("late").year == 9999


def test_only_what_looks_like_a_code_is_kept(drift: Drift) -> None:
    for value in ("Zoë Müller", "a" * 65, "ana@example.com", "x y"):
        drift.record(DriftKind.UNKNOWN_VALUE, "payment.status", value)
    assert drift.counts == {(DriftKind.UNKNOWN_VALUE, "payment.status", "(other)"): 4}


def test_different_drifts_are_bounded_in_number(drift: Drift) -> None:
    for number in range(1000):
        drift.record(DriftKind.UNKNOWN_VALUE, "payment.status", f"s{number}")
    assert len(drift.counts) == 201
    assert drift.counts[DriftKind.UNKNOWN_VALUE, "(other)", "(other)"] == 800


def test_the_same_drift_is_logged_once_an_hour_and_another_at_once(drift: Drift, clock: ManualClock) -> None:
    with capture_logs() as logged:
        for _ in range(3):
            drift.record(DriftKind.MISSING, "payment.id")
        drift.record(DriftKind.MISSING, "payment.amount")
        clock.advance(dt.timedelta(hours=1))
        drift.record(DriftKind.MISSING, "payment.id")
    assert [(entry["event"], entry["partner"], entry["field"], entry["count"]) for entry in logged] == [
        ("partner_drift", "acme", "payment.id", 1),
        ("partner_drift", "acme", "payment.amount", 1),
        ("partner_drift", "acme", "payment.id", 4),
    ]
