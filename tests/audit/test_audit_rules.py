"""The canonical form: what a record may hold, and the one way in which it is written."""

import enum
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from caudal.audit import RecordRefused, Stored, leaf, rules
from caudal.audit.types import MAX_DETAILS_BYTES, MAX_INTEGER, Record
from caudal_base import ids
from caudal_base.secret import Secret

AT = datetime(2026, 1, 31, 23, 59, 59, 120, tzinfo=UTC)
ID = UUID("019c167f-c818-71ec-8101-010101010101")

FIELDS: dict[str, Any] = {
    "book_id": 7,
    "at": AT,
    "principal": "key_0193a1b2c3d47e8f9a0b1c2d3e4f5a6b",
    "action": "transfer.create",
    "object_id": "tr_0193a1b2c3d47e8f9a0b1c2d3e4f5a6c",
    "request_id": "req_0193a1b2c3d47e8f9a0b1c2d3e4f5a6d",
    "result": "posted",
    "details": {"currency": "USD", "amount": 1050, "linked": False, "of": None, "codes": ["b", "a"]},
    "origin": "192.0.2.1",
}


def record(**changes: Any) -> Record:
    return Record(**{**FIELDS, **changes})


def stored(**changes: Any) -> Stored:
    names = ("book_id", "principal", "action", "object_id")
    columns = {name: FIELDS[name] for name in names}
    return Stored(**{"id": ID, "recorded_at": AT, "leaf": leaf(record(), ID), **columns, **changes})


def test_a_leaf_is_sorted_json_without_white_space() -> None:
    assert leaf(record(), ID) == (
        b'{"action":"transfer.create","at":"2026-01-31T23:59:59.000120Z","book_id":7,'
        b'"details":{"amount":1050,"codes":["b","a"],"currency":"USD","linked":false,"of":null},'
        b'"id":"aud_019c167fc81871ec8101010101010101","object_id":"tr_0193a1b2c3d47e8f9a0b1c2d3e4f5a6c",'
        b'"origin":"192.0.2.1","principal":"key_0193a1b2c3d47e8f9a0b1c2d3e4f5a6b",'
        b'"request_id":"req_0193a1b2c3d47e8f9a0b1c2d3e4f5a6d","result":"posted","v":1}'
    )


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.from_regex(r"\A[A-Za-z_]\w{0,5}\Z", alphabet=st.characters(codec="ascii")), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@given(value=values)
def test_strings_and_order_are_those_of_rfc_8785(value: Any) -> None:
    # Python's json escapes as RFC 8785 does, and sorting by code point agrees for ASCII names.
    expected = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    try:
        made = record(details={"value": value})
    except RecordRefused:
        reject()  # too deep or too long

    assert b'"details":{"value":' + expected + b"}" in leaf(made, ID)
    assert rules.differences(stored(leaf=leaf(made, ID))) == ()


def test_the_order_of_the_names_given_does_not_matter() -> None:
    backwards = dict(reversed(FIELDS["details"].items()))

    assert leaf(record(details=backwards), ID) == leaf(record(), ID)


def test_a_moment_is_written_in_utc_whatever_its_zone() -> None:
    elsewhere = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))

    assert leaf(record(at=elsewhere), ID) == leaf(record(), ID)


class Text(str):
    __slots__ = ()


class Kind(enum.StrEnum):
    POSTED = "posted"


@pytest.mark.parametrize(
    ("details", "complaint"),
    [
        ({"key": Secret("canary")}, "details.key is of type Secret"),
        ({"list": [1, {"key": Secret("canary")}]}, "details.list[1].key is of type Secret"),
        ({"text": Text("canary")}, "details.text is of type Text"),
        ({"kind": Kind.POSTED}, "details.kind is of type Kind"),
        ({"rate": 1.0}, "details.rate is of type float"),
        ({"raw": b"canary"}, "details.raw is of type bytes"),
        ({"at": AT}, "details.at is of type datetime"),
        ({"id": ID}, "details.id is of type UUID"),
        ({"amount": MAX_INTEGER + 1}, "details.amount is beyond 2^53 - 1"),
        ({"amount": -MAX_INTEGER - 1}, "details.amount is beyond 2^53 - 1"),
        ({"text": "a\0b"}, "details.text holds a NUL character"),
        ({"text": "\ud800"}, "details.text is not Unicode text"),
        ({"ñ": 1}, "a name in details is no ASCII identifier"),
        ({"a.b": 1}, "a name in details is no ASCII identifier"),
        ({1: 1}, "a name in details is no ASCII identifier"),
        ({"a": {"b": {"c": {"d": {}}}}}, "details.a.b.c.d is nested too deep"),
        ({"a": [[[[]]]]}, "details.a[0][0][0] is nested too deep"),
        ({"text": "x" * MAX_DETAILS_BYTES}, f"details take more than {MAX_DETAILS_BYTES} bytes"),
        ({"text": "\x01" * 400}, f"details take more than {MAX_DETAILS_BYTES} bytes"),
    ],
)
def test_details_that_have_no_canonical_form_are_refused_without_being_shown(
    details: Any, complaint: str
) -> None:
    with pytest.raises(RecordRefused) as refusal:
        record(details=details)

    assert refusal.value.detail.startswith(complaint)
    assert "canary" not in repr(refusal.value)


@pytest.mark.parametrize("name", ["principal", "action", "object_id", "request_id", "result", "origin"])
@pytest.mark.parametrize("text", ["", "x" * 256, "a\nb", "ñ", "a\0b"])
def test_the_other_texts_are_short_printable_ascii(name: str, text: str) -> None:
    with pytest.raises(RecordRefused, match=name):
        record(**{name: text})


@pytest.mark.parametrize("change", [{"book_id": -1}, {"book_id": 2**31}, {"at": AT.replace(tzinfo=None)}])
def test_a_book_and_a_moment_must_exist(change: dict[str, Any]) -> None:
    with pytest.raises(RecordRefused):
        record(**change)


def test_ids_of_a_batch_increase_and_carry_their_moments() -> None:
    later = AT + timedelta(microseconds=1)
    records = [record()] * 300 + [record(at=later)] * 300

    made = [UUID(digits) for digits in rules.new_ids(records, lambda length: b"\xff" * length)]

    assert made == sorted(made)
    assert len(set(made)) == 600
    assert {(each.version, each.variant) for each in made} == {(7, "specified in RFC 4122")}
    assert {ids.milliseconds_of(each) for each in made} == {int(AT.timestamp()) * 1_000}
    assert made[299] < rules.first_id_at(later) < made[300]


def test_every_microsecond_has_ids_of_its_own_in_their_order() -> None:
    moments = [AT + timedelta(microseconds=number) for number in range(3_000)]

    heads = [rules.first_id_at(moment) for moment in moments]

    assert heads == sorted(set(heads))
    assert [ids.milliseconds_of(head) for head in heads] == [
        ids.milliseconds_of(ids.uuid7(moment, bytes)) for moment in moments
    ]


def test_a_record_that_is_as_it_was_written_shows_no_difference() -> None:
    assert rules.differences(stored()) == ()


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"book_id": 8}, ("book_id",)),
        ({"id": UUID(int=ID.int + 1)}, ("id",)),
        ({"recorded_at": AT + timedelta(microseconds=1)}, ("recorded_at", "id")),
        ({"principal": "operator"}, ("principal",)),
        ({"action": "transfer.void"}, ("action",)),
        ({"object_id": "tr_0"}, ("object_id",)),
        ({"leaf": b"{}"}, ("leaf",)),
        ({"leaf": b"not json"}, ("leaf",)),
        ({"leaf": b"\xff"}, ("leaf",)),
        ({"leaf": leaf(record(), ID) + b" "}, ("leaf",)),
        ({"leaf": leaf(record(), ID).replace(b'"v":1', b'"v":2')}, ("leaf",)),
        ({"leaf": leaf(record(), ID).replace(b'"v":1', b'"v":1,"w":1')}, ("leaf",)),
        ({"leaf": leaf(record(), ID).replace(b'"book_id":7', b'"book_id":8')}, ("book_id",)),
    ],
)
def test_a_record_that_was_altered_names_what_differs(
    change: dict[str, Any], fields: tuple[str, ...]
) -> None:
    assert rules.differences(stored(**change)) == fields


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        record().result = "voided"  # type: ignore[misc]
    assert msgspec.structs.asdict(record()) == FIELDS
