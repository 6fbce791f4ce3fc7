import json
import string
from datetime import datetime
from time import process_time
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from caudal_base import strictjson
from caudal_base.errors import CaudalError, InvalidRequest, PayloadTooLarge, UnsupportedMediaType
from caudal_base.strictjson import (
    DuplicateKey,
    InvalidField,
    InvalidText,
    MalformedJson,
    MissingField,
    NulCharacter,
    StrictDecoder,
    TooDeep,
    UnknownField,
    require_json,
)


class Transfer(msgspec.Struct, forbid_unknown_fields=True):
    amount: Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
    currency: Annotated[str, msgspec.Meta(max_length=3)] = "USD"
    metadata: dict[str, str] = {}
    effective_at: datetime | None = None
    anything: Any = None


class Batch(msgspec.Struct, forbid_unknown_fields=True):
    transfers: list[Transfer]


BATCH = StrictDecoder(Batch, max_bytes=4_000_000, max_depth=16)
ANY = StrictDecoder(dict[str, Any], max_bytes=100_000, max_depth=16)


def one(fields: str) -> bytes:
    """A batch whose second transfer has `fields`."""
    return f'{{"transfers": [{{"amount": 1}}, {{{fields}}}]}}'.encode()


def refusal(body: bytes, decoder: StrictDecoder[Any] = BATCH) -> tuple[type[CaudalError], str | None]:
    with pytest.raises(InvalidRequest) as caught:
        decoder.decode(body)
    assert caught.value.status == 400
    return type(caught.value), caught.value.field


def test_a_sound_body_is_decoded() -> None:
    body = one('"amount": 5, "metadata": {"note": "a: b", "at : x": "\\":\\u0041"}, "currency": "CZK"')
    assert BATCH.decode(body) == Batch(
        [Transfer(1), Transfer(5, "CZK", {"note": "a: b", "at : x": '":A'})],
    )


@pytest.mark.parametrize("value", ["5.0", '"5"', "1e2", "true", "null", "[5]", "0", "-1", "9007199254740992"])
def test_an_amount_is_a_positive_integer_below_2_to_the_53_and_nothing_like_it(value: str) -> None:
    assert refusal(one(f'"amount": {value}')) == (InvalidField, "transfers[1].amount")


@pytest.mark.parametrize(
    ("fields", "error", "field"),
    [
        ('"amount": 1, "amuont": 2', UnknownField, "transfers[1].amuont"),
        ('"amount": 1, "x\\n`y`": 2', UnknownField, r"transfers[1].x\n`y`"),
        ("", MissingField, "transfers[1].amount"),
        ('"amount": 1, "metadata": {"a": 1}', InvalidField, "transfers[1].metadata"),
        ('"amount": 1, "metadata": null', InvalidField, "transfers[1].metadata"),
        ('"amount": 1, "currency": "USDX"', InvalidField, "transfers[1].currency"),
        ('"amount": 1, "effective_at": "yesterday"', InvalidField, "transfers[1].effective_at"),
        ('"amount": 1, "effective_at": 5', InvalidField, "transfers[1].effective_at"),
        ('"amount": 1, "anything": 1e999', InvalidField, "transfers[1].anything"),
        ('"amount": ' + "9" * 5000, InvalidField, "transfers[1].amount"),
    ],
)
def test_the_field_at_fault_is_named_as_a_path(fields: str, error: type[CaudalError], field: str) -> None:
    assert refusal(one(fields)) == (error, field)


@pytest.mark.parametrize("body", [b"[]", b"5", b"null", b'"transfers"'])
def test_a_body_of_another_kind_is_refused_as_a_whole(body: bytes) -> None:
    assert refusal(body) == (InvalidField, None)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"transfers": [], "transfers": []}', "transfers"),
        (one('"amount": 1, "amount": 1'), "transfers[1].amount"),
        (one('"amount": 1, "metadata": {"a": "1", "b": "2", "a": "1"}'), "transfers[1].metadata.a"),
        (one('"amount": 1, "amo\\u0075nt": 2'), "transfers[1].amount"),
        (one('"amount" : 1 , "amount"\t:\n2'), "transfers[1].amount"),
        (one('"amount":1,"amount"\r\n:2'), "transfers[1].amount"),
        (one('"amount":1,"amount"\r:2'), "transfers[1].amount"),
        (one('"amount": 1, "anything": [{}, [{"k": {"k": 1, "k": 1}}]]'), "transfers[1].anything[1][0].k.k"),
        (one('"amount": 1, "metadata": {"": "1", "": "2"}'), "transfers[1].metadata."),
        (one('"amount": 1, "metadata": {"x": "\\":", "x": "\\": :"}'), "transfers[1].metadata.x"),
    ],
)
def test_a_key_that_is_given_twice_is_refused_at_any_depth_and_in_any_spelling(
    body: bytes, field: str
) -> None:
    assert refusal(body) == (DuplicateKey, field)


def test_the_same_key_in_different_objects_is_no_duplicate() -> None:
    assert len(BATCH.decode(b'{"transfers": [{"amount": 1}, {"amount": 1}]}').transfers) == 2


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ('"amount": 1, "currency": "\\u0000"', "transfers[1].currency"),
        ('"amount": 1, "metadata": {"note": "a\\u0000b"}', "transfers[1].metadata.note"),
        ('"amount": 1, "metadata": {"a\\u0000b": ""}', r"transfers[1].metadata.a\x00b"),
        ('"amount": 1, "anything": [1, ["\\\\\\u0000"]]', "transfers[1].anything[1][0]"),
    ],
)
def test_a_nul_is_refused_wherever_it_stands(fields: str, field: str) -> None:
    assert refusal(one(fields)) == (NulCharacter, field)


def test_a_backslash_before_u0000_is_no_nul() -> None:
    decoded = BATCH.decode(one('"amount": 1, "metadata": {"note": "\\\\u0000"}'))
    assert decoded.transfers[1].metadata == {"note": "\\u0000"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"transfers": []} x',
        b'{"transfers": [],}',
        b"\xef\xbb\xbf" + b'{"transfers": []}',
        b'{"transfers": [NaN]}',
        b"{'transfers': []}",
        one('"amount": 1, "currency": "\x01"'),
        one('"amount": 1, "currency": "\x00"'),
        b'{"transfers": [{"amount": 1, "currency": "\xff"}',
        b"\xff",
        b'{"transfers": []}'.decode().encode("utf-16"),
    ],
)
def test_what_is_not_json_in_utf_8_is_refused(body: bytes) -> None:
    assert refusal(body) == (MalformedJson, None)


@pytest.mark.parametrize(
    ("fields", "raw", "field"),
    [
        ('"amount": 1, "currency": "\\ud800"', b"", "transfers[1].currency"),
        ('"amount": 1, "anything": ["", "\\udc00\\ud800"]', b"", "transfers[1].anything[1]"),
        ('"amount": 1, "metadata": {"a": "\\ud83d\\ude00", "b": "\\ude00"}', b"", "transfers[1].metadata.b"),
        ('"amount": 1, "currency": "~"', b"\xff", "transfers[1].currency"),
        ('"amount": 1, "currency": "~"', b"\xed\xa0\x80", "transfers[1].currency"),
        ('"amount": 1, "anything": {"a": [1, "~"]}', b"\xc3", "transfers[1].anything.a[1]"),
        ('"amount": 1, "metadata": {"~": "x"}', b"\xc0\x80", r"transfers[1].metadata.\udcc0\udc80"),
        ('"amount": 1, "~": 1', b"\xff", r"transfers[1].\udcff"),
    ],
)
def test_a_text_that_is_not_unicode_is_refused_and_named(fields: str, raw: bytes, field: str) -> None:
    assert refusal(one(fields).replace(b"~", raw or b"~")) == (InvalidText, field)


def test_a_body_that_is_one_text_has_no_field_to_name() -> None:
    assert refusal(b'"\xff"', StrictDecoder(Any, max_bytes=100)) == (InvalidText, None)


def nested(depth: int) -> bytes:
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def test_nesting_is_allowed_up_to_the_limit_and_no_deeper() -> None:
    assert ANY.decode(nested(16))
    assert refusal(nested(17), ANY) == (TooDeep, None)
    assert refusal(nested(20_000), ANY) == (TooDeep, None)
    assert refusal(b'{"a":' * 5_000 + b"1" + b"}" * 5_000, ANY) == (TooDeep, None)
    assert refusal(one('"amount": 1, "anything": ' + "[" * 9_000 + "]" * 9_000)) == (TooDeep, None)


def test_a_field_that_holds_no_structure_takes_none_however_deep() -> None:
    assert refusal(one('"amount": ' + "[" * 9_000)) == (InvalidField, "transfers[1].amount")


def test_a_body_is_decoded_up_to_its_size_and_no_larger() -> None:
    decoder = StrictDecoder(dict[str, str], max_bytes=10)
    assert decoder.decode(b'{"a":"bc"}') == {"a": "bc"}
    with pytest.raises(PayloadTooLarge) as caught:
        decoder.decode(b'{"a":"bcd"}')
    assert caught.value.status == 413


def test_errors_stay_short_and_printable_whatever_the_caller_sends() -> None:
    with pytest.raises(UnknownField) as caught:
        BATCH.decode(one('"amount": 1, "' + "x" * 10_000 + '\x7f": 1'))
    assert len(str(caught.value.problem())) < 800
    assert caught.value.field is not None
    assert caught.value.field.isprintable()


class Open(msgspec.Struct):
    amount: int


@pytest.mark.parametrize(
    "type_",
    [Open, list[Open], dict[str, Open], Open | None, tuple[int, Open], Annotated[Open, msgspec.Meta()]],
)
def test_a_struct_that_would_drop_unknown_fields_is_a_bug(type_: Any) -> None:
    with pytest.raises(TypeError, match="Open does not forbid unknown fields"):
        StrictDecoder(type_, max_bytes=1)


@pytest.mark.parametrize(
    "header",
    [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;charset=UTF-8",
        'application/json; charset="utf-8"',
    ],
)
def test_a_body_said_to_be_json_is_read(header: str) -> None:
    require_json(header)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "text/plain",
        "application/jsonx",
        "text/json",
        "application/json; charset=latin-1",
        "application/x-www-form-urlencoded",
    ],
)
def test_a_body_said_to_be_something_else_is_not(header: str | None) -> None:
    with pytest.raises(UnsupportedMediaType) as caught:
        require_json(header)
    assert caught.value.status == 415


# Whatever a caller may write: keys and texts full of the characters that the counting looks at.
TEXTS = st.text(alphabet='ab:" \\\n\t\r/u0\u00e9', max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.lists(st.tuples(TEXTS, inner), max_size=4).map(tuple),
    max_leaves=20,
)
SPACES = st.sampled_from(["", "", "", " ", "\n", "\t", "\r\n", "  "])


def written(value: Any, draw: st.DrawFn) -> str:
    """`value` as JSON with white space anywhere and texts in any spelling; a tuple of pairs is an object."""

    def gap() -> str:
        return draw(SPACES)

    def text(content: str) -> str:
        if draw(st.booleans()):
            return '"' + "".join(f"\\u{ord(character):04x}" for character in content) + '"'
        return json.dumps(content, ensure_ascii=draw(st.booleans()))

    if isinstance(value, tuple):
        pairs = (f"{gap()}{text(key)}{gap()}:{gap()}{written(child, draw)}" for key, child in value)
        return "{" + f"{gap()},".join(pairs) + gap() + "}"
    if isinstance(value, list):
        return "[" + f"{gap()},{gap()}".join(written(child, draw) for child in value) + gap() + "]"
    return text(value) if isinstance(value, str) else json.dumps(value)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[Any, bytes]:
    value = draw(VALUES.map(lambda inner: (("root", inner),)))
    return value, written(value, draw).encode()


def repeats_a_key(value: Any) -> bool:
    if isinstance(value, tuple):
        keys = [key for key, _ in value]
        return len(set(keys)) < len(keys) or any(repeats_a_key(child) for _, child in value)
    return isinstance(value, list) and any(repeats_a_key(child) for child in value)


@given(bodies())
@example(((("root", "u0000"),), b'{"root": "\\\\u0000"}'))
def test_exactly_the_bodies_that_repeat_a_key_are_refused_for_it(case: tuple[Any, bytes]) -> None:
    value, body = case
    if repeats_a_key(value):
        assert refusal(body, ANY)[0] is DuplicateKey
    else:
        assert ANY.decode(body) == json.loads(body)


@given(st.binary(max_size=60) | st.text(alphabet=string.printable, max_size=60).map(str.encode))
def test_any_bytes_are_decoded_as_the_standard_library_does_or_refused(body: bytes) -> None:
    try:
        decoded = ANY.decode(body)
    except InvalidRequest:
        return
    assert decoded == json.loads(body)


def test_a_batch_of_8000_transfers_is_decoded_in_well_under_100_ms() -> None:
    """About 40 ms of one processor; its time is taken, since others may be using the machine too."""
    account = "acct_0193a1b2c3d47e8f9a0b1c2d3e4f5a6b"
    fields = {"amount": 1050, "metadata": {"debit": account, "credit": account, "at": "2026-05-04T12:00:00Z"}}
    body = json.dumps({"transfers": [fields] * 8_000}).encode()
    times = []
    for _ in range(5):
        started = process_time()
        assert len(BATCH.decode(body).transfers) == 8_000
        times.append(process_time() - started)
    assert min(times) < 0.1


def test_the_close_look_is_for_bodies_in_doubt_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs several times the rest, so ordinary bodies, times and addresses must not need it."""
    monkeypatch.delattr(strictjson, "_examine")
    BATCH.decode(one('"amount": 1, "effective_at": "2026-05-04T12:00:00Z"'))
    BATCH.decode(one('"amount" : 1, "metadata": {"url" :\n"https://example.com:80/", "note": "a:b"}'))
    with pytest.raises(NameError):
        BATCH.decode(one('"amount": 1, "metadata": {"note": "a : b"}'))
