"""The canonical form of a record, and whether a stored one is what was written.

A leaf is a JSON object in the form of RFC 8785 (JCS), restricted so that there is one way to write it:

- names sorted (all are ASCII, so every order agrees), no white space, UTF-8;
- strings escaped only where JSON demands it: `\\"`, `\\\\`, `\\b`, `\\f`, `\\n`, `\\r`, `\\t`, else `\\u00xx`
  in lower case; no NUL;
- integers only, within 2^53 - 1 of zero;
- times as RFC 3339 in UTC with six digits: `2026-01-31T23:59:59.000000Z`;
- ids in their external form, null where there is nothing; `v` is the version of this form.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from caudal.audit.types import MAX_PAGE, Mismatch, Record, Stored
from caudal_base import ids
from caudal_base.errors import InvalidRequest

FORM_VERSION: Final = 1

_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# 62 bits of a UUIDv7 remain free. The first id of a batch takes 61 random ones, which leaves room to count.
_START_MASK: Final = (1 << 61) - 1


class _Leaf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The members of a leaf in the order in which they are written: sorted."""

    action: str
    at: str
    book_id: int
    details: dict[str, Any]
    id: str
    object_id: str
    origin: str | None
    principal: str
    request_id: str
    result: str
    v: int


_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder(_Leaf)


def leaf(record: Record, record_id: UUID) -> bytes:
    """The canonical bytes of `record` under its id."""
    return _encode(record, record_id.hex, timestamp(record.at))


def leaves(records: Sequence[Record], record_ids: Sequence[str]) -> list[bytes]:
    """The canonical bytes of each record under the id at its place, given as `new_ids` does."""
    result = []
    last_at, text = None, ""
    for record, record_id in zip(records, record_ids, strict=True):
        # The records of a batch share one moment.
        if record.at is not last_at:
            last_at, text = record.at, timestamp(record.at)
        result.append(_encode(record, record_id, text))
    return result


def new_ids(records: Sequence[Record], entropy: Callable[[int], bytes]) -> list[str]:
    """A UUIDv7 of each record's moment, to the microsecond; those of one moment increase in their order.

    As 32 hexadecimal digits, which is what a leaf and a statement need: a `UUID` would take as long to make
    as all the rest of a record's way. They come from one draw of `entropy`, 61 random bits and then
    counting on: order matters here, and an audit id opens nothing that guessing it could reach.
    """
    start = int.from_bytes(entropy(8), "big") & _START_MASK
    result = []
    last_at, head = None, 0
    for number, record in enumerate(records, start):
        if record.at is not last_at:
            last_at, head = record.at, _head(record.at)
        result.append(f"{head | number:032x}")
    return result


def differences(stored: Stored) -> tuple[str, ...]:
    """The columns that contradict the leaf; `leaf` where it is no canonical record; none if all is well."""
    try:
        said = _decoder.decode(stored.leaf)
    except msgspec.DecodeError:
        return ("leaf",)
    if _encoder.encode(said) != stored.leaf or said.v != FORM_VERSION:
        return ("leaf",)
    pairs = (
        ("book_id", said.book_id, stored.book_id),
        ("id", said.id, ids.encode(ids.AUDIT, stored.id)),
        ("recorded_at", said.at, timestamp(stored.recorded_at)),
        ("principal", said.principal, stored.principal),
        ("action", said.action, stored.action),
        ("object_id", said.object_id, stored.object_id),
    )
    different = [name for name, in_leaf, in_column in pairs if in_leaf != in_column]
    if first_id_at(stored.recorded_at).int >> 62 != stored.id.int >> 62:
        different.append("id")
    return tuple(dict.fromkeys(different))


def mismatches(records: Sequence[Stored]) -> list[Mismatch]:
    """Those of `records` that are not what was written."""
    return [Mismatch(id=record.id, fields=fields) for record in records if (fields := differences(record))]


def timestamp(at: datetime) -> str:
    """`at` as RFC 3339 in UTC, always with six digits of a second."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def first_id_at(at: datetime) -> UUID:
    """The least id that a record of the moment `at` can have: greater than that of any earlier one."""
    return UUID(int=_head(at))


def checked_limit(limit: int) -> int:
    """`limit`, or `InvalidRequest` where it is not 1 to `MAX_PAGE`."""
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidRequest(f"limit must be 1 to {MAX_PAGE}", field="limit")
    return limit


def _encode(record: Record, record_id: str, at: str) -> bytes:
    return _encoder.encode(
        _Leaf(
            record.action,
            at,
            record.book_id,
            record.details,  # type: ignore[arg-type]
            f"{ids.AUDIT}_{record_id}",
            record.object_id,
            record.origin,
            record.principal,
            record.request_id,
            record.result,
            FORM_VERSION,
        )
    )


def _head(at: datetime) -> int:
    """All but the free bits of a UUIDv7: milliseconds, and behind the version how many 4096ths of the next.

    RFC 9562 section 6.2, method 3. Rounded up, so that no two microseconds share one and each has its own.
    """
    milliseconds, microseconds = divmod((at - _EPOCH) // _MICROSECOND, 1_000)
    fraction = (microseconds * 4_096 + 999) // 1_000
    return milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62
