"""Claims to idempotency keys, and the answers that are kept under them."""

from datetime import timedelta
from typing import Final, TypeAlias
from uuid import UUID

import msgspec

from caudal.idempotency.errors import KeyReused

RETENTION: Final = timedelta(days=30)
"""How long an answer is kept, at least."""

Headers: TypeAlias = tuple[tuple[str, str], ...]


class Claim(msgspec.Struct, frozen=True):
    """A request's claim to its key. The key's scope is the principal and the book."""

    principal: UUID
    """The caller's lasting identity (`Principal.id`), which outlives its API keys."""
    key: str
    """As `rules.parse_key` returned it."""
    fingerprint: bytes
    """As `rules.fingerprint` computed it."""


class Answer(msgspec.Struct, frozen=True):
    """A final response, as it went over the wire and will again."""

    status: int
    """HTTP status; `rules.is_final` says which may be kept."""
    headers: Headers
    """The names and values that belong to the answer itself: `Content-Type`, `Location`."""
    body: bytes


class Stored(msgspec.Struct, frozen=True):
    """What lies under a key: whose answer, and the answer."""

    fingerprint: bytes
    answer: Answer


class Replay(msgspec.Struct, frozen=True):
    """The request was answered before: give this again, with `Idempotent-Replayed: true`."""

    answer: Answer


class Fresh(msgspec.Struct, frozen=True):
    """Nobody has used the key: do the work and store the answer."""


class Follow(msgspec.Struct, frozen=True):
    """The same request comes earlier in the batch: give that one's answer, replayed."""

    index: int
    """The place in the batch of the one that works."""


class Done(msgspec.Struct, frozen=True):
    """The work was done now, and this is its answer."""

    answer: Answer


Decision: TypeAlias = Replay | Fresh | KeyReused
"""What one request must do, by what is stored."""

Plan: TypeAlias = Replay | Fresh | Follow | KeyReused
"""What one request of a batch must do, by what is stored and by what else is in the batch."""
