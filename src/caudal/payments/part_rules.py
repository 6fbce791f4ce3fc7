"""The tables of refunds and of disputes: total, so that whatever a partner says has an entry."""

import enum
from collections.abc import Mapping
from typing import Final

from caudal.payments.types import DisputeState, PartState

P = PartState


class RefundEvent(enum.Enum):
    """What the partner says of a refund."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class RefundPosting(enum.Enum):
    """What a refund's transition does to the ledger."""

    NOTHING = "nothing"
    RESERVE = "reserve"
    RESERVE_FORCED = "reserve_forced"
    """Of a refund that was made at the partner's and not here: whatever the balance."""
    POST = "post"
    RELEASE = "release"
    REVERSE = "reverse"
    """It had been paid back, and came back."""
    FORCE = "force"
    """It has been paid back, though nothing was held any more."""


REFUNDS: Final[Mapping[tuple[PartState | None, RefundEvent], tuple[PartState, RefundPosting]]] = {
    (None, RefundEvent.PENDING): (P.PENDING, RefundPosting.RESERVE_FORCED),
    (None, RefundEvent.SUCCEEDED): (P.SUCCEEDED, RefundPosting.FORCE),
    (None, RefundEvent.FAILED): (P.FAILED, RefundPosting.NOTHING),
    (P.PENDING, RefundEvent.PENDING): (P.PENDING, RefundPosting.NOTHING),
    (P.PENDING, RefundEvent.SUCCEEDED): (P.SUCCEEDED, RefundPosting.POST),
    (P.PENDING, RefundEvent.FAILED): (P.FAILED, RefundPosting.RELEASE),
    (P.SUCCEEDED, RefundEvent.PENDING): (P.SUCCEEDED, RefundPosting.NOTHING),
    (P.SUCCEEDED, RefundEvent.SUCCEEDED): (P.SUCCEEDED, RefundPosting.NOTHING),
    (P.SUCCEEDED, RefundEvent.FAILED): (P.FAILED, RefundPosting.REVERSE),
    (P.FAILED, RefundEvent.PENDING): (P.FAILED, RefundPosting.NOTHING),
    (P.FAILED, RefundEvent.SUCCEEDED): (P.FAILED, RefundPosting.NOTHING),
    (P.FAILED, RefundEvent.FAILED): (P.FAILED, RefundPosting.NOTHING),
}
"""Every event in every state of a refund; None is one that was made at the partner's and not here.

A refund that has failed stays so, whatever is heard later: it is older news that was overtaken.
"""

GIVEN_UP_REFUNDS: Final[Mapping[RefundEvent, tuple[PartState, RefundPosting]]] = {
    RefundEvent.PENDING: (P.PENDING, RefundPosting.RESERVE_FORCED),
    RefundEvent.SUCCEEDED: (P.SUCCEEDED, RefundPosting.FORCE),
    RefundEvent.FAILED: (P.FAILED, RefundPosting.NOTHING),
}
"""Of a refund that failed because the partner knew nothing of it, when the partner speaks of it after all."""


class DisputePosting(enum.Enum):
    """What a dispute's transition does to the ledger."""

    NOTHING = "nothing"
    WITHDRAW = "withdraw"
    REINSTATE = "reinstate"
    BOTH = "both"
    """Opened and won before we heard of it."""


_D = DisputeState

DISPUTES: Final[Mapping[tuple[DisputeState | None, DisputeState], tuple[DisputeState, DisputePosting]]] = {
    (None, _D.INQUIRY): (_D.INQUIRY, DisputePosting.NOTHING),
    (None, _D.CLOSED): (_D.CLOSED, DisputePosting.NOTHING),
    (None, _D.OPEN): (_D.OPEN, DisputePosting.WITHDRAW),
    (None, _D.WON): (_D.WON, DisputePosting.BOTH),
    (None, _D.LOST): (_D.LOST, DisputePosting.WITHDRAW),
    (_D.INQUIRY, _D.INQUIRY): (_D.INQUIRY, DisputePosting.NOTHING),
    (_D.INQUIRY, _D.CLOSED): (_D.CLOSED, DisputePosting.NOTHING),
    (_D.INQUIRY, _D.OPEN): (_D.OPEN, DisputePosting.WITHDRAW),
    (_D.INQUIRY, _D.WON): (_D.WON, DisputePosting.NOTHING),
    (_D.INQUIRY, _D.LOST): (_D.LOST, DisputePosting.WITHDRAW),
    (_D.CLOSED, _D.INQUIRY): (_D.CLOSED, DisputePosting.NOTHING),
    (_D.CLOSED, _D.CLOSED): (_D.CLOSED, DisputePosting.NOTHING),
    (_D.CLOSED, _D.OPEN): (_D.OPEN, DisputePosting.WITHDRAW),
    (_D.CLOSED, _D.WON): (_D.WON, DisputePosting.NOTHING),
    (_D.CLOSED, _D.LOST): (_D.LOST, DisputePosting.WITHDRAW),
    (_D.OPEN, _D.INQUIRY): (_D.OPEN, DisputePosting.NOTHING),
    (_D.OPEN, _D.CLOSED): (_D.OPEN, DisputePosting.NOTHING),
    (_D.OPEN, _D.OPEN): (_D.OPEN, DisputePosting.NOTHING),
    (_D.OPEN, _D.WON): (_D.WON, DisputePosting.REINSTATE),
    (_D.OPEN, _D.LOST): (_D.LOST, DisputePosting.NOTHING),
    (_D.WON, _D.INQUIRY): (_D.WON, DisputePosting.NOTHING),
    (_D.WON, _D.CLOSED): (_D.WON, DisputePosting.NOTHING),
    (_D.WON, _D.OPEN): (_D.WON, DisputePosting.NOTHING),
    (_D.WON, _D.WON): (_D.WON, DisputePosting.NOTHING),
    (_D.WON, _D.LOST): (_D.LOST, DisputePosting.WITHDRAW),
    (_D.LOST, _D.INQUIRY): (_D.LOST, DisputePosting.NOTHING),
    (_D.LOST, _D.CLOSED): (_D.LOST, DisputePosting.NOTHING),
    (_D.LOST, _D.OPEN): (_D.LOST, DisputePosting.NOTHING),
    (_D.LOST, _D.WON): (_D.WON, DisputePosting.REINSTATE),
    (_D.LOST, _D.LOST): (_D.LOST, DisputePosting.NOTHING),
}
"""By state and by what the partner says: the new state and the posting. The last word of a partner counts."""
