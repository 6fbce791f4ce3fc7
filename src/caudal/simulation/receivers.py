"""The webhook endpoints of a run, as their customers run them: drawn from its seed. Pure."""

import enum
import random
from typing import Final

import msgspec

from caudal.simulation.plans import stream

RETRY_AFTER_S: Final = 3
"""What an endpoint asks for that has had enough for now."""

OVERLAPS_S: Final[tuple[int, ...]] = (0, 1, 2, 4)
"""How long an old secret goes on beside the new one: as short as a run needs, to see what comes after."""

SIGNATURES: Final = ("v1", "v1a")


class Manner(enum.Enum):
    """How an endpoint behaves until the callers have left; then they all do as they should."""

    HEALTHY = "healthy"
    SLOW = "slow"
    """It takes its time for every answer."""
    FLAKY = "flaky"
    """Now and then it answers 500, asks to be left alone, redirects, floods, speaks no HTTP, or hangs up."""
    BUGGY = "buggy"
    """It answers 500 to everything about some objects, until somebody mends it and asks for a replay."""
    DOWN = "down"
    """For a stretch of the run it hangs up on everybody."""
    OUTDATED = "outdated"
    """It verifies with its first secret, whatever has been rotated."""
    GONE = "gone"
    """From some moment on it answers 410."""
    DEAD = "dead"
    """Nobody has ever been there."""


ENDING: Final = frozenset({Manner.GONE, Manner.DEAD})
"""Endpoints that are disabled for what they do."""


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """One new secret."""

    after: int
    """So many scripts must have been begun."""
    overlap_s: int
    signature: str


class Receiver(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint."""

    name: str
    manner: Manner
    types: tuple[str, ...]
    ordered: bool
    concurrency: int
    signature: str
    """At first."""
    begins: int = 0
    """It is made when so many scripts have been begun."""
    pauses: int | None = None
    """When so many have been begun its owner disables it, until the callers have left; None is never."""
    rotations: tuple[Rotation, ...] = ()
    down: tuple[int, int] = (0, 0)
    """It goes down and comes up when so many scripts have been begun."""
    gone_after: int = 0
    """Webhooks that one takes which wants nothing then."""
    silent: bool = False
    """Whether a dead one takes connections and says nothing; else there are none to be had."""


_ALWAYS_THERE: Final = ENDING | {Manner.OUTDATED}
"""Those that are not disabled by their owners: who would mend one mends it."""

_EVERYTHING: Final = ("*",)
_PAYMENTS: Final = ("payment.*",)
_FILTERS: Final = (
    ("payment.created", "refund.*"),
    ("payment.succeeded", "payment.failed", "capture.*", "dispute.*"),
    ("payment.authorised", "payment.capturing", "payment.succeeded", "refund.*"),
)
_MANNERS: Final = (
    Manner.HEALTHY, Manner.HEALTHY, Manner.SLOW, Manner.FLAKY, Manner.BUGGY, Manner.DOWN, Manner.OUTDATED,
    Manner.GONE, Manner.DEAD,
)  # fmt: skip


_SMALL_RUN: Final = 1_000
"""Payments, below which endpoints of all manners at once would have most of a run be deliveries."""

_OTHERS_OF_SMALL: Final = 3


def receivers(seed: int, payments: int, faults: float) -> list[Receiver]:
    """The endpoints of a run: a healthy one that wants everything all the time, and one of each manner.

    In a small run it is three of those, and over many seeds all. They are made on the way, and most are
    disabled by their owners some time later: what happens then waits. Half of all want their events ordered,
    and a third verify `v1a`. Where nothing is to go wrong all are healthy.
    """
    draw = stream(seed, "receivers")
    manners: tuple[Manner, ...] = _MANNERS
    if payments < _SMALL_RUN:
        manners = (_MANNERS[0], *draw.sample(_MANNERS[1:], _OTHERS_OF_SMALL))
    count = len(manners)
    ordered = draw.sample([True, False] * (count // 2 + 1), count)
    signed = draw.sample([*SIGNATURES, SIGNATURES[0]] * -(-count // 3), count)
    made = []
    for place, (manner, in_order, signature) in enumerate(zip(manners, ordered, signed, strict=True)):
        start, end = (0.0, 1.0) if place == 0 else _span(draw)
        span = _Span(draw, start * payments, end * payments)
        made.append(
            Receiver(
                name=f"{manner.value}{place}",
                manner=manner if faults else Manner.HEALTHY,
                types=_EVERYTHING if place == 0 else _types(draw, manner),
                ordered=in_order or place == 0,
                concurrency=draw.choice((1, 4, 16)),
                signature=signature,
                begins=span.at(0.0),
                pauses=None if place == 0 or manner in _ALWAYS_THERE else span.at(1.0),
                rotations=_rotations(span, manner, first=place == 0),
                down=(span.at(draw.uniform(0.1, 0.3)), span.at(draw.uniform(0.6, 0.9))),
                gone_after=draw.randrange(5, max(6, payments // 8)),
                silent=draw.random() < 0.5,
            )
        )
    return made


def _types(draw: random.Random, manner: Manner) -> tuple[str, ...]:
    # Of one that is to be gone, or given up on, there must be enough.
    return _PAYMENTS if manner in (Manner.BUGGY, Manner.GONE, Manner.DEAD) else draw.choice(_FILTERS)


def _span(draw: random.Random) -> tuple[float, float]:
    """From when to when one is there while there are callers, in parts of the run."""
    start = draw.uniform(0.0, 0.7)
    return start, start + draw.uniform(0.12, 0.28)


class _Span:
    """A part of the run, in which something is to happen."""

    def __init__(self, draw: random.Random, start: float, end: float) -> None:
        self.draw = draw
        self._start = start
        self._length = end - start

    def at(self, part: float) -> int:
        """So many scripts have been begun when this part of it is over."""
        return int(self._start + part * self._length)


def _rotations(span: _Span, manner: Manner, *, first: bool) -> tuple[Rotation, ...]:
    draw, overlaps = span.draw, OVERLAPS_S
    if manner is Manner.OUTDATED:
        # Early, so that there is much to be signed when its overlap is over; and none that would end at once.
        moments, overlaps = [draw.uniform(0.1, 0.3)], OVERLAPS_S[1:3]
    elif first:
        moments = sorted(draw.uniform(0.05, 0.95) for _ in range(3))
    elif manner is Manner.DEAD or draw.random() < 0.5:
        return ()
    else:
        moments = [draw.uniform(0.1, 0.9)]
    return tuple(
        Rotation(after=span.at(moment), overlap_s=draw.choice(overlaps), signature=draw.choice(SIGNATURES))
        for moment in moments
    )


def wants(types: tuple[str, ...], type: str) -> bool:
    """Whether an event of this type is wanted: by the words of the guide, not by our own code."""
    return any(
        wanted in ("*", type) or (wanted.endswith(".*") and type.startswith(wanted[:-1])) for wanted in types
    )
