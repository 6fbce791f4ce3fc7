"""Identifiers: UUIDv7 inside, prefixed text outside.

A UUIDv7 (RFC 9562 section 5.7) starts with its time in milliseconds, so ids sort by when they were made
and land next to one another in an index. Outside, an id is its kind's prefix, `_`, and 32 lower-case
hexadecimal digits: `tr_0193a1b2c3d47e8f9a0b1c2d3e4f5a6b`. It sorts the same way as text.
"""

import hashlib
import json
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, SafeUUID

from caudal_base.check import check
from caudal_base.clock import Clock
from caudal_base.errors import InvalidRequest

BOOK: Final = "book"
ACCOUNT: Final = "acct"
TRANSFER: Final = "tr"
TRANSACTION: Final = "txn"
KEY: Final = "key"
REQUEST: Final = "req"
JOB: Final = "job"
AUDIT: Final = "aud"
CUSTOMER: Final = "cus"
PAYMENT: Final = "pay"
ATTEMPT: Final = "att"
CAPTURE: Final = "cap"
REFUND: Final = "re"
DISPUTE: Final = "dp"
SETTLEMENT: Final = "set"
EVENT: Final = "evt"
INBOUND: Final = "whi"
ENDPOINT: Final = "whe"
OBJECTIVE: Final = "obj"
RULE_SET: Final = "rls"
PARTNER: Final = "ptr"
PRODUCT: Final = "prd"
DECISION: Final = "dec"
CASE: Final = "case"
ANOMALY: Final = "ano"
MODEL: Final = "mdl"
MODEL_SERVING: Final = "msv"
RISK_RULE_SET: Final = "rrs"
RISK_RULE: Final = "rru"

PREFIXES: Final = frozenset(
    {
        BOOK, ACCOUNT, TRANSFER, TRANSACTION, KEY, REQUEST, JOB, AUDIT, CUSTOMER, PAYMENT, ATTEMPT, CAPTURE,
        REFUND, DISPUTE, SETTLEMENT, EVENT, INBOUND, ENDPOINT, OBJECTIVE, RULE_SET, PARTNER, PRODUCT,
        DECISION, CASE, ANOMALY, MODEL, MODEL_SERVING, RISK_RULE_SET, RISK_RULE,
    }
)  # fmt: skip
"""Every prefix in use: one per kind of thing."""

Entropy = Callable[[int], bytes]
"""Gives so many unpredictable bytes, like `os.urandom`."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VERSION_7 = 0x7 << 76
_VERSION_8 = 0x8 << 76
_VARIANT = 0b10 << 62
_RANDOM_BITS = 74
_RANDOM_LIMIT = 1 << _RANDOM_BITS
_RAND_B_BITS = 62
_RAND_B_MASK = (1 << _RAND_B_BITS) - 1
_MILLISECONDS_LIMIT = 1 << 48
_POOL_BYTES = 4_096
_UNKNOWN: Final = SafeUUID.unknown
_set: Final = object.__setattr__  # a UUID lets nobody else set anything


class InvalidId(InvalidRequest):
    """A text that is no id of the kind that is wanted here."""

    code = "invalid_id"
    title = "This is not an id of the expected kind"


def uuid7(at: datetime, entropy: Entropy) -> UUID:
    """A UUIDv7 of the moment `at` (aware), its 74 random bits from `entropy`."""
    return _compose(_milliseconds(at), _random(entropy))


class IdSource:
    """Makes UUIDv7s that strictly increase within this process, whatever its clock does.

    Within one millisecond, or while the clock stands behind an id already given, the random part grows by
    a random step (RFC 9562 section 6.2, method 2): ids stay ordered and cannot be guessed from the last.
    """

    def __init__(self, clock: Clock, entropy: Entropy = os.urandom) -> None:
        """`entropy` decides the random bits; a seeded one makes the ids repeatable."""
        self._clock = clock
        self._entropy = _Pool(entropy).take
        self._lock = threading.Lock()
        self._last_milliseconds = -1
        self._last_random = 0

    def new(self) -> UUID:
        """The next id: greater than every id that this source gave before."""
        milliseconds = _milliseconds(self._clock.now())
        with self._lock:
            if milliseconds > self._last_milliseconds:
                random = _random(self._entropy)
            else:
                milliseconds = self._last_milliseconds
                random = self._last_random + 1 + int.from_bytes(self._entropy(4), "big")
                if random >= _RANDOM_LIMIT:
                    milliseconds += 1
                    random = _random(self._entropy)
            self._last_milliseconds = milliseconds
            self._last_random = random
        return _compose(milliseconds, random)


class _Pool:
    """Draws entropy in larger pieces: a call to the system for each id costs more than the id."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._pool = b""
        self._used = 0

    def take(self, count: int) -> bytes:
        end = self._used + count
        if end > len(self._pool):
            self._pool, self._used, end = self._entropy(_POOL_BYTES), 0, count
        found = self._pool[self._used : end]
        self._used = end
        return found


def encode(prefix: str, uuid: UUID) -> str:
    """The external form of `uuid` as an id of the kind `prefix`."""
    return f"{prefix}_{uuid.int:032x}"


def decode(prefix: str, text: str, *, field: str = "id") -> UUID:
    """The UUID in `text`, which must be an id of the kind `prefix`, exactly as `encode` writes it.

    Raises `InvalidId` naming `field` for another prefix, capitals, wrong length, or the nil UUID. Other
    versions than 7 are taken: callers may make transfer ids of their own.
    """
    head = len(prefix) + 1
    digits = text[head:]
    try:
        raw = bytes.fromhex(digits)
    except ValueError:
        raw = b""
    # fromhex skips spaces and takes capitals; only the canonical form survives the way back.
    if len(raw) != 16 or raw.hex() != digits or text[:head] != f"{prefix}_":
        raise InvalidId(f"expected {prefix}_ and 32 lower-case hexadecimal digits", field=field)
    value = int.from_bytes(raw, "big")
    if value == 0:
        raise InvalidId("the nil id names nothing", field=field)
    return UUID(int=value)


def of_names(prefix: str, *names: str) -> str:
    """The id of what `names` alone identify: the same at every time, in every process.

    A UUIDv8 made of a SHA-256 (RFC 9562, section 5.8 and appendix B.2): there is no time in it.
    """
    digest = hashlib.sha256(json.dumps(names).encode()).digest()
    value = int.from_bytes(digest[:16], "big") & ~(0xF << 76 | 0b11 << 62) | _VERSION_8 | _VARIANT
    return f"{prefix}_{value:032x}"


def milliseconds_of(uuid: UUID) -> int:
    """The time in a UUIDv7, in milliseconds since 1970."""
    return uuid.int >> 80


def _milliseconds(at: datetime) -> int:
    # Integer arithmetic: timestamp() is a float and rounds some milliseconds down.
    since = at - _EPOCH
    milliseconds = since.days * 86_400_000 + since.seconds * 1_000 + since.microseconds // 1_000
    check(0 <= milliseconds < _MILLISECONDS_LIMIT, "the clock is outside what a UUIDv7 can hold")
    return milliseconds


def _random(entropy: Entropy) -> int:
    return int.from_bytes(entropy(10), "big") & (_RANDOM_LIMIT - 1)


def _compose(milliseconds: int, random: int) -> UUID:
    rand_a = random >> _RAND_B_BITS
    rand_b = random & _RAND_B_MASK
    # As UUID(int=…) does, without finding out which of six ways it was called in: a third of the time.
    uuid = object.__new__(UUID)
    _set(uuid, "int", milliseconds << 80 | _VERSION_7 | rand_a << 64 | _VARIANT | rand_b)
    _set(uuid, "is_safe", _UNKNOWN)
    return uuid
