"""Query parameters: decoded into a struct as strictly as bodies are."""

import re
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import inspect

from caudal.api.problems import InvalidParameter, UnknownParameter

T = TypeVar("T", bound=msgspec.Struct)

MAX_PARAMETERS: Final = 64
MAX_BYTES: Final = 16_384

_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]{0,18})", re.ASCII)
_BOOLEANS: Final = {"true": True, "false": False}
_PAIR: Final = re.compile(r"([a-z_]+)\[([^\[\]]*)\]")


class QueryDecoder(Generic[T]):
    """Decodes the query strings of one endpoint.

    `name[key]=value` fills an object-valued parameter, such as `metadata[order]=17`. A parameter that is
    not known, or stands twice, is refused.
    """

    def __init__(self, type_: type[T]) -> None:
        """Of `type_`, integers, booleans, texts, times, enums and objects of texts can be given."""
        self._type = type_
        self._readers: dict[str, Callable[[str, str], Any]] = {}
        self._objects: set[str] = set()
        self._empty = type_() if all(not f.required for f in msgspec.structs.fields(type_)) else None
        info = inspect.type_info(type_)
        if isinstance(info, inspect.StructType):
            for field in info.fields:
                kinds = {type(kind) for kind in _alternatives(field.type)}
                if inspect.DictType in kinds:
                    self._objects.add(field.encode_name)
                self._readers[field.encode_name] = _reader(kinds)

    def decode(self, query: bytes) -> T:
        """The parameters in a query string; `InvalidParameter` or `UnknownParameter`, naming the field."""
        if not query and self._empty is not None:
            return self._empty
        values = self._values(query)
        try:
            return msgspec.convert(values, self._type)
        except msgspec.ValidationError as error:
            raise _typed(str(error)) from None

    def _values(self, query: bytes) -> dict[str, Any]:
        if len(query) > MAX_BYTES:
            raise InvalidParameter(f"a query has at most {MAX_BYTES} bytes")
        try:
            pairs = parse_qsl(
                query.decode("ascii"),
                keep_blank_values=True,
                strict_parsing=bool(query),
                errors="strict",
                max_num_fields=MAX_PARAMETERS,
            )
        except UnicodeDecodeError:
            raise _not_utf_8(query) from None
        except ValueError:
            raise InvalidParameter("the query is not of the form name=value&name=value, in UTF-8") from None
        values: dict[str, Any] = {}
        for name, text in pairs:
            if "\0" in text or "\0" in name:
                raise InvalidParameter("a parameter holds a NUL character", field=_printable(name))
            pair = _PAIR.fullmatch(name)
            if pair is not None and pair[1] in self._objects:
                inner = values.setdefault(pair[1], {})
                if pair[2] in inner:
                    raise InvalidParameter("this parameter is given twice", field=_printable(name))
                inner[pair[2]] = text
            elif name not in self._readers or name in self._objects:
                raise UnknownParameter("this parameter is not known", field=_printable(name))
            elif name in values:
                raise InvalidParameter("this parameter is given twice", field=name)
            else:
                values[name] = self._readers[name](name, text)
        return values


def _not_utf_8(query: bytes) -> InvalidParameter:
    """The error of a query with bytes that are not UTF-8, raw or escaped."""
    for name, text in parse_qsl(query.decode("ascii", "surrogateescape"), errors="surrogateescape"):
        if any("\ud800" <= character <= "\udfff" for character in name + text):
            return InvalidParameter("this parameter is not UTF-8", field=_printable(name))
    return InvalidParameter("the query is not of the form name=value&name=value, in UTF-8")


def _alternatives(kind: inspect.Type) -> list[inspect.Type]:
    """The types that a parameter may have, without what is said about them."""
    if isinstance(kind, inspect.Metadata):
        return _alternatives(kind.type)
    if isinstance(kind, inspect.UnionType):
        return [inner for option in kind.types for inner in _alternatives(option)]
    return [kind]


def _reader(kinds: set[type]) -> Callable[[str, str], Any]:
    if inspect.IntType in kinds:
        return _integer
    if inspect.BoolType in kinds:
        return _boolean
    return _text


def _integer(name: str, text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise InvalidParameter("expected an integer", field=name)
    return int(text)


def _boolean(name: str, text: str) -> bool:
    if text not in _BOOLEANS:
        raise InvalidParameter("expected true or false", field=name)
    return _BOOLEANS[text]


def _text(_: str, text: str) -> str:
    return text


_AT: Final = re.compile(r"(.*) - at `(?:key` in `)?\$\.?([^`]*)`", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(.*)`")


def _typed(message: str) -> InvalidParameter:
    """The error of a `msgspec.ValidationError`, which gives the path only within its message."""
    field = None
    if match := _AT.fullmatch(message):
        message, field = match[1], match[2].replace("[...]", "")
    if match := _MISSING.fullmatch(message):
        return InvalidParameter("this parameter is required", field=match[1])
    return InvalidParameter(_printable(message.replace("`", "")), field=field)


def _printable(text: str) -> str:
    text = text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
    return text[:200]
