"""Idempotency keys, as Stripe documents them.

The first answer of a call that was begun is kept, whatever it is, a 500 included, and given again to the
same key with the same parameters. Not kept: calls refused before they were begun (validation, rate limits)
and calls that met another with their key in flight. After `lifetime_s` a key is as good as new.
"""

import enum
from collections import deque
from hashlib import blake2b

import msgspec

from caudal_sandbox.messages import JSON, Headers, Response
from caudal_sandbox.store import Store, Table


class KeptAnswer(msgspec.Struct):
    """A key of a partner and what was answered; while it is in flight, nothing yet."""

    id: str
    """The partner and the key."""
    fingerprint: bytes
    endpoint: str
    at: float
    status: int = 0
    body: bytes = b""
    request_id: str = ""
    """Of the call that was answered first."""

    @property
    def answered(self) -> bool:
        return self.status != 0


class Clash(enum.Enum):
    """Why a key is refused."""

    IN_FLIGHT = "in_flight"
    OTHER_PARAMETERS = "other_parameters"
    OTHER_ENDPOINT = "other_endpoint"


class Keys:
    """The keys of one partner."""

    def __init__(self, store: Store, partner: str) -> None:
        self._kept: Table[KeptAnswer] = store.table(f"{partner}.key", KeptAnswer)
        self._partner = partner
        self._ages: deque[tuple[float, str]] = deque()

    def claim(
        self, key: str, *, endpoint: str, parameters: bytes, now: float, lifetime_s: float
    ) -> KeptAnswer | Clash | None:
        """The answer kept under `key`, why it is refused, or None: the key is now the caller's, in flight."""
        self._expire(now - lifetime_s)
        fingerprint = blake2b(parameters, digest_size=16).digest()
        kept = self._kept.get(key)
        # The time is asked again here: a restart forgets the order of ages, not the ages.
        if kept is None or kept.at <= now - lifetime_s:
            self._kept.put(KeptAnswer(id=key, fingerprint=fingerprint, endpoint=endpoint, at=now))
            self._ages.append((now, key))
            return None
        if kept.endpoint != endpoint:
            return Clash.OTHER_ENDPOINT
        if kept.fingerprint != fingerprint:
            return Clash.OTHER_PARAMETERS
        return kept if kept.answered else Clash.IN_FLIGHT

    def keep(self, key: str, response: Response, request_id: str) -> None:
        """The call with `key` has ended with `response`."""
        kept = self._kept.get(key)
        if kept is not None:
            kept.status, kept.body, kept.request_id = response.status, response.body, request_id
            self._kept.put(kept)

    def release(self, key: str) -> None:
        """The call with `key` was refused before it was begun: the key is free again."""
        self._kept.remove(key)

    def reload(self) -> None:
        """Take what the store holds. What was in flight when the sandbox ended had no effect, and is free."""
        for kept in list(self._kept):
            if not kept.answered:
                self._kept.remove(kept.id)
        self._ages = deque(sorted((kept.at, kept.id) for kept in self._kept))

    def _expire(self, before: float) -> None:
        while self._ages and self._ages[0][0] <= before:
            at, key = self._ages.popleft()
            kept = self._kept.get(key)
            if kept is not None and kept.at == at and kept.answered:
                self._kept.remove(key)


def replay(kept: KeptAnswer, request_id: str) -> Response:
    """The kept answer, marked as one."""
    headers: Headers = (
        ("content-type", JSON),
        ("request-id", request_id),
        ("original-request", kept.request_id),
        ("idempotent-replayed", "true"),
    )
    return Response(kept.status, kept.body, headers)
