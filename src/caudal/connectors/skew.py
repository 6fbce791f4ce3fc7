"""How far a partner's clock is from ours, by the `Date` of its answers (RFC 9110, section 6.6.1).

The tolerance of signatures and the lifetime of keys rest on both clocks. `Date` has whole seconds, and an
answer has been on its way: what that explains is no skew.
"""

import contextlib
import contextvars
import datetime as dt
import email.utils
from collections.abc import Iterator
from typing import Final

from caudal_base.clock import Clock

EVERY: Final = dt.timedelta(seconds=10)
"""Reading a date takes 10 µs: not of every answer."""

_SECOND: Final = dt.timedelta(seconds=1)

_listening: "contextvars.ContextVar[Skew | None]" = contextvars.ContextVar("skew", default=None)


class Skew:
    """What one partner's clock says, as this process has heard it last."""

    def __init__(self, clock: Clock) -> None:
        """Nothing heard yet; `clock` is ours."""
        self._clock = clock
        self.ahead_s: float | None = None
        """How far the partner's clock is ahead of ours, at least; negative: behind. None: not known."""
        self.measured_at: dt.datetime | None = None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Answers that arrive meanwhile, in this task, are the partner's."""
        token = _listening.set(self)
        try:
            yield
        finally:
            _listening.reset(token)

    def asked(self) -> dt.datetime | None:
        """The time, if the answer to what is sent now is to be listened to."""
        now = self._clock.now()
        return now if self.measured_at is None or now - self.measured_at >= EVERY else None

    def heard(self, date: str, asked: dt.datetime) -> None:
        """An answer of this `Date` has come to what was sent at `asked`; nonsense is passed over."""
        now = self._clock.now()
        try:
            said = email.utils.parsedate_to_datetime(date)
        except ValueError:
            return
        if said.tzinfo is None:
            said = said.replace(tzinfo=dt.UTC)
        self.ahead_s = max(0.0, (said - now).total_seconds()) or min(
            0.0, (said + _SECOND - asked).total_seconds()
        )
        self.measured_at = now


def listener() -> Skew | None:
    """Whose answers arrive in this task."""
    return _listening.get()
