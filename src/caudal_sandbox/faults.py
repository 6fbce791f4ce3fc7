"""What goes wrong with calls to a partner, how often, and what it is this time."""

import enum
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from caudal_sandbox.draws import Draw

Rate: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
"""Of how many calls, from 0 (none) to 1 (all)."""

Milliseconds: TypeAlias = Annotated[int, Meta(ge=0, le=600_000)]


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one partner misbehaves. All rates are 0 at first."""

    delay_before: Rate = 0
    """Calls that take long to be carried out; a repeat with the same key meets the first one in flight."""
    delay_after: Rate = 0
    """Calls that are carried out, and whose answer takes long."""
    delay_ms_min: Milliseconds = 50
    delay_ms_max: Milliseconds = 500
    rate_limited: Rate = 0
    """429 with `Retry-After`; nothing is done, nothing is kept."""
    retry_after_s: Annotated[int, Meta(ge=0, le=3_600)] = 1
    unavailable: Rate = 0
    """503 from in front of the partner; nothing is done, nothing is kept."""
    error_before: Rate = 0
    """500 and nothing is done; kept under the key, as Stripe keeps it, so that a repeat gets it again."""
    error_after: Rate = 0
    """500 although it is done; kept under the key."""
    drop_before: Rate = 0
    """The connection breaks, nothing is done."""
    drop_after: Rate = 0
    """It is done, kept under the key, and the connection breaks."""
    reads: bool = True
    """Whether GETs suffer too."""
    search_lag_s: Annotated[float, Meta(ge=0)] = 0
    """For how long, on the sandbox's clock, a search does not see what has changed."""
    key_lifetime_s: Annotated[float, Meta(ge=0)] = 86_400
    """For how long, on the sandbox's clock, a key is remembered."""


class Fault(enum.Enum):
    """What goes wrong with one call."""

    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    DROP_BEFORE = "drop_before"
    ERROR_BEFORE = "error_before"
    ERROR_AFTER = "error_after"
    DROP_AFTER = "drop_after"


class Luck(msgspec.Struct, frozen=True):
    """What one call meets: at most one fault, and delays before and after."""

    fault: Fault | None
    delay_before_s: float
    delay_after_s: float


FINE = Luck(None, 0.0, 0.0)


def is_quiet(faults: Faults) -> bool:
    """Whether nothing ever goes wrong."""
    return not (
        faults.delay_before
        or faults.delay_after
        or faults.rate_limited
        or faults.unavailable
        or faults.error_before
        or faults.error_after
        or faults.drop_before
        or faults.drop_after
    )


def luck(faults: Faults, draw: Draw) -> Luck:
    """What a call meets. The rates of faults add up: of the first that they leave room for, all happen."""
    fault: Fault | None = None
    point = draw.fraction()
    for kind in Fault:
        rate: float = getattr(faults, kind.value)
        if point < rate:
            fault = kind
            break
        point -= rate
    slow_before = draw.happens(faults.delay_before)
    slow_after = draw.happens(faults.delay_after)
    delay_s = draw.between(faults.delay_ms_min, max(faults.delay_ms_min, faults.delay_ms_max)) / 1000
    return Luck(fault, delay_s if slow_before else 0.0, delay_s if slow_after else 0.0)
