"""The jobs of payments: their payloads, kinds and queues."""

from typing import ClassVar, Final

import msgspec

TIMERS: Final = "payments"
"""The queue of what waits for its time."""


def queue_of(partner: str) -> str:
    """The queue of a partner's work: a slow partner holds up nobody but itself."""
    return f"partner:{partner}"


class AttemptJob(msgspec.Struct, frozen=True):
    """Drive an attempt to its end: send it, ask about it, send it again, as its state demands."""

    KIND: ClassVar[str] = "payments.attempt"
    attempt: str


class AskJob(msgspec.Struct, frozen=True):
    """Ask the partner how a payment stands."""

    KIND: ClassVar[str] = "payments.ask"
    payment: str


class TimerJob(msgspec.Struct, frozen=True):
    """Look whether what a payment waits for has run out."""

    KIND: ClassVar[str] = "payments.timer"
    payment: str


class SettlementsJob(msgspec.Struct, frozen=True):
    """Fetch a partner's settlements."""

    KIND: ClassVar[str] = "payments.settlements"
    partner: str
