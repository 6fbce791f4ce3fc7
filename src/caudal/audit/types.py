"""Audit records, and how they are asked for."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

import msgspec

from caudal.audit.errors import RecordRefused

DEPLOYMENT: Final = 0
"""The `book_id` of what belongs to no book: keys, books themselves."""

MAX_BOOK_ID: Final = 2**31 - 1

MAX_TEXT: Final = 255
"""The longest text outside the details, in characters."""

MAX_DETAILS_BYTES: Final = 2_048
"""The most that a record's details may take as canonical JSON."""

MAX_DEPTH: Final = 4
"""How deep details may be nested; the object itself is depth 1."""

MAX_INTEGER: Final = 2**53 - 1
"""The largest integer that every JSON reader keeps (RFC 7493 section 2.2)."""

MAX_PAGE: Final = 1_000
"""The most records that one page holds."""

Value: TypeAlias = str | int | bool | Sequence["Value"] | Mapping[str, "Value"] | None

Details: TypeAlias = Mapping[str, Value]
"""What else there is to say: strings, integers, booleans, null, lists and objects of them. Names are ASCII
identifiers. No floats, no secrets, and no personal data: people have ids, and the ids go here."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One command and what became of it.

    Making one raises `RecordRefused` where something cannot stand in the log, so that the command at fault
    fails before its batch is written.
    """

    book_id: int
    """The book it happened in, or `DEPLOYMENT`."""
    at: datetime
    """When it was recorded; aware."""
    principal: str
    """Who: the API key's id (`key_…`), or the name of what acts by itself (`operator`, `expiry`)."""
    action: str
    """What, as `noun.verb`: `transfer.create`."""
    object_id: str
    """To what: the external id of the object, or what names it."""
    request_id: str
    """In the course of what: the request's id (`req_…`), or the job's."""
    result: str
    """What became of it: a state such as `posted`, or the code of the refusal."""
    details: Details = {}
    origin: str | None = None
    """From where: the caller's network address. None for what came from inside."""

    def __post_init__(self) -> None:
        if not 0 <= self.book_id <= MAX_BOOK_ID:
            raise RecordRefused("book_id is out of range")
        if self.at.tzinfo is None:
            raise RecordRefused("at has no time zone")
        for text in (self.principal, self.action, self.object_id, self.request_id, self.result):
            if not _is_short_ascii(text):
                raise RecordRefused(_names_of_unfit(self))
        if self.origin is not None and not _is_short_ascii(self.origin):
            raise RecordRefused(f"origin must be 1 to {MAX_TEXT} printable ASCII characters")
        if self.details:
            _inspect(self.details)


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A record as it lies in the log."""

    book_id: int
    id: UUID
    """A UUIDv7 of `recorded_at`, to the microsecond; later records of one batch have greater ids."""
    recorded_at: datetime
    principal: str
    action: str
    object_id: str
    leaf: bytes
    """The record itself, as `rules.leaf` wrote it."""


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Which records of a book are wanted; None is any."""

    book_id: int
    object_id: str | None = None
    principal: str | None = None
    action: str | None = None
    since: datetime | None = None
    """The earliest `recorded_at`."""
    until: datetime | None = None
    """The first `recorded_at` that is too late."""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Some records, newest first, and where to go on."""

    records: tuple[Stored, ...]
    next_cursor: str | None
    """Give it to the next call; None when there is no more."""


class Mismatch(msgspec.Struct, frozen=True, kw_only=True):
    """A record that is not what was written."""

    id: UUID
    fields: tuple[str, ...]
    """The columns that differ from the leaf; `leaf` where the leaf itself is no canonical record."""


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What a check of the log found."""

    checked: int
    mismatches: tuple[Mismatch, ...]
    """The first of them, in the order of their ids."""
    mismatched: int
    """How many there are in all."""


_CANONICAL_TYPES = frozenset({str, int, bool, list, tuple, dict, type(None)})

_encoder = msgspec.json.Encoder()


def _is_short_ascii(text: str) -> bool:
    return 0 < len(text) <= MAX_TEXT and text.isascii() and text.isprintable()


def _names_of_unfit(record: Record) -> str:
    names = ("principal", "action", "object_id", "request_id", "result")
    unfit = ", ".join(name for name in names if not _is_short_ascii(getattr(record, name)))
    return f"{unfit}: must be 1 to {MAX_TEXT} printable ASCII characters"


def _inspect(details: Details) -> None:
    _inspect_object(details, "details", 1)
    if len(_encoder.encode(details)) > MAX_DETAILS_BYTES:
        raise RecordRefused(f"details take more than {MAX_DETAILS_BYTES} bytes")


def _inspect_object(value: Mapping[str, Value], place: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise RecordRefused(f"{place} is nested too deep")
    for name, member in value.items():
        if type(name) is not str or not name.isascii() or not name.isidentifier():
            raise RecordRefused(f"a name in {place} is no ASCII identifier")
        _inspect_value(member, f"{place}.{name}", depth)


def _inspect_value(value: Value, place: str, depth: int) -> None:
    # Exact types: a subclass of str may be a secret, and an enum's text may change under a reader.
    if type(value) not in _CANONICAL_TYPES:
        raise RecordRefused(f"{place} is of type {type(value).__name__}, which has no canonical form")
    if isinstance(value, str):
        _inspect_text(value, place)
    elif isinstance(value, int):
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise RecordRefused(f"{place} is beyond 2^53 - 1")
    elif isinstance(value, Mapping):
        _inspect_object(value, place, depth + 1)
    elif value is not None:
        _inspect_list(value, place, depth + 1)


def _inspect_list(values: Sequence[Value], place: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise RecordRefused(f"{place} is nested too deep")
    for index, value in enumerate(values):
        _inspect_value(value, f"{place}[{index}]", depth)


def _inspect_text(text: str, place: str) -> None:
    if "\0" in text:
        raise RecordRefused(f"{place} holds a NUL character")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise RecordRefused(f"{place} is not Unicode text") from None
