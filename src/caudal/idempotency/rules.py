"""Which request is a repeat, and what becomes of it."""

import hashlib
import re
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from caudal.idempotency.errors import InvalidIdempotencyKey, KeyReused
from caudal.idempotency.types import Claim, Decision, Follow, Fresh, Plan, Replay, Stored
from caudal_base.personal import refuse_personal

MAX_KEY: Final = 255
"""The longest key, in characters."""

HEADER: Final = "Idempotency-Key"

_IDENTIFIER: Final = re.compile(
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
    r"|(?:[a-z]{2,8}_)?[0-9a-f]{32}"
)
"""What most keys are, and what no personal data looks like: told from it in a third of a microsecond."""

_FRESH: Final = Fresh()

_NOT_FINAL: Final = frozenset({400, 401, 408, 413, 415, 429})
"""Client errors that say nothing about the command: malformed, not let in, or to be sent again as it is."""


def parse_key(header: str | None) -> str:
    """The key in the header `Idempotency-Key`: 1 to 255 printable ASCII characters, taken as they are.

    Raises `InvalidIdempotencyKey` otherwise, also where there is none, and `PersonalDataRefused` where it
    looks like personal data: keys are kept, and nobody would look for it there.
    """
    if header is None:
        raise InvalidIdempotencyKey(f"this request needs the header {HEADER}", field=HEADER)
    if not (0 < len(header) <= MAX_KEY and header.isascii() and header.isprintable()):
        raise InvalidIdempotencyKey(
            f"{HEADER} must be 1 to {MAX_KEY} printable ASCII characters", field=HEADER
        )
    if _IDENTIFIER.fullmatch(header) is None:
        refuse_personal(header, HEADER)
    return header


def fingerprint(method: str, path: str, body: bytes) -> bytes:
    """What makes two requests the same: SHA-256 over method, path with query, and the body's raw bytes.

    A zero byte ends method and path; neither can hold one (RFC 9112 section 3).
    """
    digest = hashlib.sha256(f"{method}\0{path}\0".encode(errors="surrogatepass"))
    digest.update(body)
    return digest.digest()


def is_final(status: int) -> bool:
    """Whether a response of this HTTP status is stored and replayed.

    Every 2xx, and each 4xx that judged the command. Not 401, 413, 415, 429, nor malformed requests (400,
    408): nothing was decided, and the same request may pass. Not 5xx: the outcome is unknown.
    """
    return 200 <= status < 300 or (400 <= status < 500 and status not in _NOT_FINAL)


def decide(stored: Stored | None, fingerprint: bytes) -> Decision:
    """What a request with `fingerprint` must do, given what lies under its key."""
    if stored is None:
        return _FRESH
    if stored.fingerprint != fingerprint:
        return _reused()
    return Replay(stored.answer)


def plan(claims: Sequence[Claim | None], stored: Sequence[Stored | None]) -> list[Plan]:
    """What each request of a batch must do, in order; `stored` is what lies under each one's key.

    Of repeats within the batch the first works and the others follow it. A request without a key (None) is
    fresh.
    """
    result: list[Plan] = []
    first_of: dict[tuple[UUID, str], tuple[int, bytes]] = {}
    for index, (claim, found) in enumerate(zip(claims, stored, strict=True)):
        if claim is None:
            result.append(_FRESH)
            continue
        decision: Plan = decide(found, claim.fingerprint)
        if decision is _FRESH:
            first, first_fingerprint = first_of.setdefault(
                (claim.principal, claim.key), (index, claim.fingerprint)
            )
            if first != index:
                decision = Follow(first) if claim.fingerprint == first_fingerprint else _reused()
        result.append(decision)
    return result


def _reused() -> KeyReused:
    return KeyReused("this key was used with another method, path or body", field=HEADER)
