"""What becomes of a partner's webhook. Pure."""

import datetime as dt
from collections.abc import Sequence
from typing import Final

import msgspec

from caudal import jobs
from caudal.connectors import Inbound, RefusalReason, WebhookRefused
from caudal.payments import Applied, AppliedStatus
from caudal.webhooks.types import InboundState

PAUSES_S: Final = (0.25, 0.5, 1, 2, 5, 15, 60, 300, 600, 1_200, 1_500)
"""How long one waits for what it needs, after each attempt but the last: a little over an hour in all.

The first ones are short, since most come in the wrong order by the time of one transaction.
"""

MAX_ATTEMPTS: Final = len(PAUSES_S) + 1

RETRY: Final = jobs.RetryPolicy(max_attempts=MAX_ATTEMPTS, base_s=1.0, cap_s=900.0)
"""For attempts that ended in an exception."""

KEEP_BODIES: Final = dt.timedelta(days=30)
"""How long after its receipt the body of what has had its effect is kept."""

KEEP_PARKED: Final = dt.timedelta(days=90)
"""How long the body of what waits for a person is kept, where the settings do not say."""

MAX_BODY_BYTES: Final = 1_048_576
MAX_TEXT: Final = 255
"""Characters of a partner's event id and type."""

MAX_REASON: Final = 1_000


class Verdict(msgspec.Struct, frozen=True):
    """How an attempt ended, for the webhook and for its job."""

    state: InboundState
    outcome: jobs.Outcome = jobs.DONE
    reason: str | None = None


def refuse_unusable(inbound: Inbound) -> None:
    """Refuse an event id or type that cannot be kept. Raises `WebhookRefused`."""
    for name, text in (("id", inbound.event_id), ("type", inbound.type)):
        if not 1 <= len(text) <= MAX_TEXT or not text.isprintable():
            raise WebhookRefused(
                RefusalReason.MALFORMED, f"an event's {name} has 1 to 255 printable characters"
            )


def judge(results: Sequence[Applied], attempt: int) -> Verdict:
    """What becomes of a webhook by what came of each of its snapshots, at this attempt (1 for the first)."""
    for result in results:
        if result.status is AppliedStatus.REFUSED:
            return parked(f"refused: {result.detail or 'it contradicts what is known'}")
    for result in results:
        if result.status is AppliedStatus.WAITING:
            return waiting(result.detail or "what it speaks of is not known yet", attempt)
    return Verdict(InboundState.APPLIED if results else InboundState.IGNORED)


def waiting(reason: str, attempt: int) -> Verdict:
    """Try again later, or give up after the last attempt."""
    if attempt >= MAX_ATTEMPTS:
        return parked(f"gave up after {attempt} attempts: {reason}")
    pause = dt.timedelta(seconds=PAUSES_S[attempt - 1])
    return Verdict(InboundState.RECEIVED, jobs.Retry(reason, after=pause), _kept(reason))


def parked(reason: str) -> Verdict:
    """Set it aside for a person."""
    return Verdict(InboundState.PARKED, jobs.DONE, _kept(reason))


def _kept(reason: str) -> str:
    """`reason` as the database can hold it: cut, without NUL and lone surrogates."""
    return reason[:MAX_REASON].encode(errors="replace").decode().replace("\0", "\ufffd")
