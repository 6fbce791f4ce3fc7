"""Webhooks. In: verified over the raw bytes, stored once, answered, applied by jobs.

What is promised:

- A webhook that nothing shows to be the partner's leaves no trace but a count.
- One that was answered with 200 is stored, once, however often it comes.
- It counts as applied in the transaction of its effect, and not before.
- One that cannot be applied is tried for about an hour, then parked, where a person sees and replays it.
"""

from caudal.webhooks.errors import InboundForgotten, InboundNotFound, InboundSettled
from caudal.webhooks.handlers import FORGET, PARKED, PERIODICS, ApplyCounts, handlers
from caudal.webhooks.inbox import Inbox, InboxCounts
from caudal.webhooks.rules import KEEP_BODIES, KEEP_PARKED, MAX_ATTEMPTS, MAX_BODY_BYTES, PAUSES_S
from caudal.webhooks.service import (
    APPLY,
    MAX_PAGE,
    QUEUE,
    Apply,
    find,
    forget_bodies,
    get,
    read_body,
    receive,
    replay,
    unsettled,
)
from caudal.webhooks.types import (
    Applies,
    InboundState,
    Listed,
    NewInbound,
    Unsettled,
)

__all__ = [
    "APPLY",
    "FORGET",
    "KEEP_BODIES",
    "KEEP_PARKED",
    "MAX_ATTEMPTS",
    "MAX_BODY_BYTES",
    "MAX_PAGE",
    "PARKED",
    "PAUSES_S",
    "PERIODICS",
    "QUEUE",
    "Applies",
    "Apply",
    "ApplyCounts",
    "InboundForgotten",
    "InboundNotFound",
    "InboundSettled",
    "InboundState",
    "Inbox",
    "InboxCounts",
    "Listed",
    "NewInbound",
    "Unsettled",
    "find",
    "forget_bodies",
    "get",
    "handlers",
    "read_body",
    "receive",
    "replay",
    "unsettled",
]
