"""JSON from callers: decoded into a type, strictly.

JSON as commonly read is lax: of two equal keys the last wins, `5.0` and `"5"` pass for 5, unknown fields
are dropped, a NUL goes through to a database that cannot store it. Each of these is refused here, and the
error names the field as a path (`transfers[3].amount`):

    InvalidRequest
    ├── MalformedJson      not JSON
    ├── InvalidText        a text or a key that is not UTF-8, or has half of a surrogate pair
    ├── InvalidField       a value of another type, or out of its range
    ├── MissingField
    ├── UnknownField
    ├── DuplicateKey       one object says a key twice
    ├── NulCharacter       U+0000 in a string or a key
    └── TooDeep            nested more than allowed
    PayloadTooLarge
    UnsupportedMediaType

A number is finite, since msgspec refuses the rest.
"""

import json
import re
from collections.abc import Iterable
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import inspect

from caudal_base.errors import InvalidRequest, PayloadTooLarge, UnsupportedMediaType

MEDIA_TYPE: Final = "application/json"

T = TypeVar("T")


class MalformedJson(InvalidRequest):
    """The body is not JSON in UTF-8."""

    code = "malformed_json"
    title = "The body is not JSON"


class InvalidText(InvalidRequest):
    """A text or a key has bytes that are not UTF-8, or half of a surrogate pair."""

    code = "invalid_text"
    title = "A text is not Unicode"


class InvalidField(InvalidRequest):
    """A value has another type than its field, or is out of the field's range."""

    code = "invalid_field"
    title = "A field has an invalid value"


class MissingField(InvalidRequest):
    """A required field is not there."""

    code = "missing_field"
    title = "A required field is missing"


class UnknownField(InvalidRequest):
    """A field that means nothing here: most often a misspelt one."""

    code = "unknown_field"
    title = "A field is not known"


class DuplicateKey(InvalidRequest):
    """One object says the same key twice, so that readers would disagree about it."""

    code = "duplicate_key"
    title = "A key is given twice"


class NulCharacter(InvalidRequest):
    """U+0000 in a string or a key: PostgreSQL cannot store it."""

    code = "nul_character"
    title = "A text holds a NUL character"


class TooDeep(InvalidRequest):
    """Objects and arrays are nested deeper than allowed."""

    code = "too_deep"
    title = "The body is nested too deeply"


def require_json(content_type: str | None) -> None:
    """Raise `UnsupportedMediaType` unless a Content-Type header says JSON, in UTF-8 if it says a charset."""
    media_type, *parameters = (content_type or "").lower().split(";")
    charsets = [value.strip() for value in parameters if value.strip().startswith("charset=")]
    if media_type.strip() != MEDIA_TYPE or any(c not in _UTF_8 for c in charsets):
        raise UnsupportedMediaType(f"send the body as {MEDIA_TYPE} in UTF-8", field="Content-Type")


_UTF_8 = frozenset({"charset=utf-8", 'charset="utf-8"', "charset=utf8"})


class StrictDecoder(Generic[T]):
    """Decodes bodies of one type. Make one per type and keep it: making it walks the type."""

    def __init__(self, type_: type[T], *, max_bytes: int, max_depth: int = 32) -> None:
        """Refuse bodies of more than `max_bytes`, or nested deeper than `max_depth` (a scalar is 0 deep).

        Every struct within `type_` must forbid unknown fields, or `TypeError` is raised.
        """
        _require_closed_structs(type_)
        self._typed = msgspec.json.Decoder(type_, strict=True)
        self._max_bytes = max_bytes
        self._max_depth = max_depth

    def decode(self, body: bytes) -> T:
        """The value in `body`, or the errors of this module's head."""
        if len(body) > self._max_bytes:
            raise PayloadTooLarge(f"a body has at most {self._max_bytes} bytes")
        try:
            value = self._typed.decode(body)
            plain = _PLAIN.decode(body)
        except msgspec.ValidationError as error:
            raise _field_error(str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _text_error(body) or MalformedJson(_shortened(str(error))) from None
        except RecursionError:
            raise TooDeep(f"at most {self._max_depth} levels are allowed") from None
        self._require_sound(body, plain)
        return value

    def _require_sound(self, body: bytes, plain: Any) -> None:
        """Refuse what msgspec lets pass, by counting first and looking closely only in doubt.

        `distinct` counts the keys that survived decoding. At least as many were written, and each is followed
        by a colon; so if there are no more colons than that, no key was lost. There are more after a
        duplicate, or with a text such as `"a : b"`.
        """
        distinct, depth = _measure(plain)
        if depth > self._max_depth:
            raise TooDeep(f"at most {self._max_depth} levels are allowed")
        # A NUL can only be written as an escape: JSON has no raw control characters.
        doubtful = distinct != body.count(b":") and distinct != _colons_at_keys(body)
        if doubtful or (b"\\" in body and b"\\u0000" in body):
            _examine(json.loads(body, object_pairs_hook=_Pairs), "")


def _colons_at_keys(body: bytes) -> int:
    """How many colons follow a quote or white space: all those of keys, hardly any of texts and times."""
    # Looking for one byte is ten times faster than for two.
    return body.count(b'":') + sum(body.count(colon) for space, colon in _SPACED if space in body)


_SPACED: Final = ((b" ", b" :"), (b"\n", b"\n:"), (b"\t", b"\t:"), (b"\r", b"\r:"))


_PLAIN = msgspec.json.Decoder()


class _Pairs(list[tuple[str, Any]]):
    """An object as it was written: all its pairs, in order."""


def _measure(plain: Any) -> tuple[int, int]:
    """How many keys all objects of a decoded value have together, and how deep it is nested."""
    keys = depth = 0
    level: list[Any] = [plain] if plain.__class__ in _CONTAINERS else []
    while level:
        depth += 1
        below: list[Any] = []
        for node in level:
            if node.__class__ is dict:
                keys += len(node)
                children = node.values()
            else:
                children = node
            below += [child for child in children if child.__class__ in _CONTAINERS]
        level = below
    return keys, depth


_CONTAINERS: Final[frozenset[type]] = frozenset({dict, list})


def _examine(node: Any, path: str) -> None:
    """Raise for the first duplicate key or NUL in `node`, whose depth is already known to be allowed."""
    if isinstance(node, _Pairs):
        seen = set()
        for key, child in node:
            here = f"{path}.{key}" if path else key
            if "\0" in key:
                raise NulCharacter("a key holds U+0000", field=_shortened(here))
            if key in seen:
                raise DuplicateKey("this key is given twice in one object", field=_shortened(here))
            seen.add(key)
            _examine(child, here)
    elif isinstance(node, list):
        for index, child in enumerate(node):
            _examine(child, f"{path}[{index}]")
    elif isinstance(node, str) and "\0" in node:
        raise NulCharacter("a text holds U+0000", field=_shortened(path))


# Bytes that are not UTF-8 decode to lone surrogates here, and an escape may write one.
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def _text_error(body: bytes) -> InvalidText | None:
    """The error of a body that is JSON but for some text that is not Unicode: msgspec does not say which."""
    try:
        lenient = json.loads(body.decode("utf-8", "surrogateescape"), object_pairs_hook=_Pairs)
        path = _first_not_unicode(lenient, "")
    except (ValueError, RecursionError):
        return None
    if path is None:
        return None
    reason = "it has bytes that are not UTF-8, or half of a surrogate pair"
    return InvalidText(reason, field=_shortened(path) or None)


def _first_not_unicode(node: Any, path: str) -> str | None:
    """The path of the first text or key that holds a surrogate."""
    if isinstance(node, str):
        return path if _SURROGATE.search(node) else None
    children: Iterable[tuple[str, Any]] = ()
    if isinstance(node, _Pairs):
        children = ((f"{path}.{key}" if path else key, child) for key, child in node)
    elif isinstance(node, list):
        children = ((f"{path}[{index}]", child) for index, child in enumerate(node))
    for here, child in children:
        found = here if _SURROGATE.search(here) else _first_not_unicode(child, here)
        if found is not None:
            return found
    return None


# msgspec gives the path only within its message; the tests pin the forms of both.
_AT = re.compile(r"(.*) - at `(key in )?\$([^`]*)`", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`", re.DOTALL)


def _field_error(message: str) -> InvalidRequest:
    """The typed error of a `msgspec.ValidationError`."""
    path = ""
    if match := _AT.fullmatch(message):
        message = match.group(1)
        path = match.group(3).removeprefix(".").replace("[...]", "")
    prefix = f"{path}." if path else ""
    if match := _UNKNOWN.fullmatch(message):
        return UnknownField("this field is not known", field=_shortened(prefix + match.group(1)))
    if match := _MISSING.fullmatch(message):
        return MissingField("this field is required", field=_shortened(prefix + match.group(1)))
    return InvalidField(_shortened(message.replace("`", "")), field=_shortened(path) or None)


def _shortened(text: str) -> str:
    """`text` fit for an error: printable, and not as long as a caller may like."""
    text = text.encode("unicode_escape").decode("ascii") if not text.isprintable() else text
    return text if len(text) <= 200 else f"{text[:200]}…"


def _require_closed_structs(type_: Any) -> None:
    """Raise `TypeError` for a struct in `type_` that would drop unknown fields silently."""
    waiting = [inspect.type_info(type_)]
    seen: set[type] = set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, inspect.StructType):
            if node.cls in seen:
                continue
            seen.add(node.cls)
            if not node.forbid_unknown_fields:
                raise TypeError(f"{node.cls.__qualname__} does not forbid unknown fields")
        waiting.extend(_parts(node))


def _parts(node: inspect.Type) -> list[inspect.Type]:
    """The types that `node` is made of."""
    match node:
        case inspect.StructType(fields=fields):
            return [field.type for field in fields]
        case inspect.UnionType(types=types):
            return list(types)
        case inspect.Metadata(type=inner):
            return [inner]
        case inspect.DictType(key_type=key, value_type=value):
            return [key, value]
        case inspect.TupleType(item_types=types):
            return list(types)
        case inspect.ListType() | inspect.SetType() | inspect.FrozenSetType() | inspect.VarTupleType():
            return [node.item_type]
        case _:
            return []
