"""What is behind each endpoint of a run: it verifies, notes what has come, and misbehaves as it was drawn."""

import enum
import hashlib
import random
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from caudal.simulation.receivers import RETRY_AFTER_S, Manner, Receiver
from caudal.simulation.verifying import GRACE_S, Keyring

REDIRECTED: Final = "/elsewhere"
"""Where redirects point to: nobody may ever come there."""

_MOST_RETRY_AFTER: Final = 2
"""Of one endpoint in a run: each is a pause of seconds."""

_BUGGY_AMONG: Final = 6
"""Of so many objects there is one that a buggy endpoint cannot take."""

_OBJECT: Final = b'"object":"'
_ID_DIGITS: Final = 32


class Way(enum.Enum):
    """How it is answered."""

    PLAIN = "plain"
    HANG_UP = "hang_up"
    """The connection ends without a word."""
    NOISE = "noise"
    """What comes back is not HTTP."""
    FLOOD = "flood"
    """A 200, and a body that does not end."""


class Reaction(msgspec.Struct, frozen=True, kw_only=True):
    """What a target does about a webhook."""

    status: int = 200
    headers: tuple[str, ...] = ()
    way: Way = Way.PLAIN
    delay_s: float = 0.0


OK: Final = Reaction()
HANG_UP: Final = Reaction(way=Way.HANG_UP, status=0)

_MISHAPS: Final = (
    (0.03, Reaction(status=500)),
    (0.01, Reaction(status=502, delay_s=0.2)),
    (0.02, Reaction(status=429, headers=(f"Retry-After: {RETRY_AFTER_S}",))),
    (0.01, Reaction(status=503, headers=(f"Retry-After: {RETRY_AFTER_S}",))),
    (0.02, Reaction(status=307, headers=(f"Location: {REDIRECTED}",))),
    (0.03, HANG_UP),
    (0.01, Reaction(way=Way.NOISE, status=0)),
    (0.01, Reaction(way=Way.FLOOD)),
)
"""What a flaky one does instead, and how often."""

_MOST_MISHAPS: Final = 0.6


class Arrival(msgspec.Struct, kw_only=True, gc=False):
    """A webhook that has come, and what was answered."""

    event: str
    """The id in its header."""
    order: int
    """Among all that came to the run's endpoints and all that was answered there."""
    at: float
    """Seconds since 1970."""
    signed_at: int
    status: int = 0
    """Of the answer that was begun; 0 is none."""
    answered: int = 0
    """The answer's place in the order; 0 is none."""
    answered_at: float = 0.0
    asked_quiet_s: int = 0
    """`Retry-After` of the answer."""

    @property
    def taken(self) -> bool:
        """Whether it was answered with a 2xx."""
        return self.answered > 0 and 200 <= self.status < 300


class Bodies:
    """What the body of each event was: all that come to any endpoint must be the same."""

    def __init__(self) -> None:
        self.digests: dict[str, bytes] = {}
        self.changed: list[str] = []
        """Events that came with another body than before."""

    def see(self, event: str, body: bytes) -> None:
        """Take note of one."""
        digest = digest_of(body)
        if self.digests.setdefault(event, digest) != digest:
            self.changed.append(event)


def digest_of(body: bytes) -> bytes:
    """What stands for a body."""
    return hashlib.blake2b(body, digest_size=16).digest()


class Target:
    """One endpoint's program."""

    def __init__(self, receiver: Receiver, draw: random.Random, bodies: Bodies, scale: float) -> None:
        """`scale` multiplies the rates of what goes wrong."""
        self.receiver = receiver
        self.keyring = Keyring()
        self.arrivals: list[Arrival] = []
        self.verified: Counter[str] = Counter()
        """What was verified, by scheme."""
        self.refused = 0
        """What bore no signature that it could verify."""
        self.unverified: list[str] = []
        """Of these, those that it must have been able to verify."""
        self.signed_by_ended: list[str] = []
        """What verified by a secret that had ended."""
        self.unsure_until = 0.0
        """Before then it need not know what signs: a secret is on its way to it, or got lost there."""
        self.down = False
        self.calm = False
        """It does as it should from now on."""
        self.quiet_until = 0.0
        self._draw = draw
        self._bodies = bodies
        self._scale = min(scale, _MOST_MISHAPS / sum(rate for rate, _ in _MISHAPS))
        self._pauses_left = _MOST_RETRY_AFTER

    def receive(
        self, headers: Mapping[str, str], body: bytes, *, now: float, order: int
    ) -> tuple[Arrival, Reaction]:
        """Look at a webhook, and say what to do about it."""
        stamp = headers.get("webhook-timestamp", "")
        arrival = Arrival(
            event=headers.get("webhook-id", ""),
            order=order,
            at=now,
            signed_at=int(stamp) if stamp.isascii() and stamp.isdigit() else 0,
        )
        self.arrivals.append(arrival)
        self._bodies.see(arrival.event, body)
        reaction = self._reaction(arrival, headers, body, now)
        return arrival, reaction

    def _reaction(self, arrival: Arrival, headers: Mapping[str, str], body: bytes, now: float) -> Reaction:
        manner = Manner.HEALTHY if self.calm else self.receiver.manner
        if self.down and not self.calm:
            return HANG_UP
        if manner is Manner.OUTDATED:
            verified = self._by_first(arrival, headers, body)
        else:
            verified = self._verified(arrival, headers, body, now)
        if not verified:
            self.refused += 1
            return Reaction(status=401)
        react = self._MANNERS.get(manner)
        return OK if react is None else react(self, body, now)

    def _verified(self, arrival: Arrival, headers: Mapping[str, str], body: bytes, now: float) -> bool:
        key = self.keyring.verified_by(headers, body, now)
        if key is None:
            # On a busy machine one may be looked at when the secret that signed it has ended meanwhile.
            was_good = self.keyring.was_good(headers, body, arrival.signed_at)
            if now > self.unsure_until and not was_good:
                self.unverified.append(f"{arrival.event} signed at {arrival.signed_at}")
            return False
        self.verified[key.signature] += 1
        return True

    def _by_first(self, arrival: Arrival, headers: Mapping[str, str], body: bytes) -> bool:
        """As one does that has slept through a rotation."""
        first = self.keyring.keys[-1]
        if not first.verify(headers, body):
            return False
        self.verified[first.signature] += 1
        if first.ends is not None and arrival.signed_at >= first.ends + GRACE_S:
            self.signed_by_ended.append(
                f"{arrival.event} signed at {arrival.signed_at}, {first.ends} was its end"
            )
        return True

    def _slowly(self, body: bytes, now: float) -> Reaction:
        return Reaction(delay_s=self._draw.uniform(0.02, 0.25))

    def _now_and_then(self, body: bytes, now: float) -> Reaction:
        chance = self._draw.random()
        for rate, mishap in _MISHAPS:
            chance -= rate * self._scale
            if chance >= 0:
                continue
            if mishap.status in (429, 503):
                if not self._pauses_left:
                    return Reaction(status=mishap.status)
                self._pauses_left -= 1
                self.quiet_until = now + RETRY_AFTER_S
            return mishap
        return OK

    def _but_some(self, body: bytes, now: float) -> Reaction:
        start = body.find(_OBJECT) + len(_OBJECT)
        end = body.find(b'"', start)
        number = int(body[end - _ID_DIGITS : end] or b"0", 16)
        return Reaction(status=500) if number % _BUGGY_AMONG == 0 else OK

    def _until_gone(self, body: bytes, now: float) -> Reaction:
        return Reaction(status=410) if len(self.arrivals) > self.receiver.gone_after else OK

    _MANNERS: Final[Mapping[Manner, Callable[["Target", bytes, float], Reaction]]] = {
        Manner.SLOW: _slowly,
        Manner.FLAKY: _now_and_then,
        Manner.BUGGY: _but_some,
        Manner.GONE: _until_gone,
    }
