"""Which disputes say that a payment was fraud: those whose reason is that the payer did not make it. Pure.

Partners pass on the network's code, or have words of their own. A reason that is not known says nothing.
"""

import re
from typing import Final

from caudal.risk.types import LabelKind

_WORDS: Final = frozenset({"fraud", "fraudulent", "unrecognized", "debit_not_authorized", "unauthorized"})
"""Stripe's, of its Dispute object (`reason`), and what others say for the same."""

_CODES: Final = re.compile(
    r"10\.[1-5]"  # Visa Dispute Management Guidelines: condition 10, fraud
    r"|48(37|40|63|70|71)"  # Mastercard Chargeback Guide: not authorised or recognised
    r"|F(10|14|22|24|29|30|31)"  # American Express: fraud
    r"|UA0[1256]"  # Discover: fraud
    r"|R(05|07|10|29)"  # Nacha Operating Rules, appendix four: unauthorised debits
    r"|MD01",  # ISO 20022 external return reasons: no mandate
)


def is_fraud(reason: str | None) -> bool:
    """Whether a dispute for this reason, in the partner's words, says that it was fraud."""
    if reason is None:
        return False
    word = reason.partition(":")[0].strip()
    return word.lower() in _WORDS or _CODES.fullmatch(word.upper()) is not None


_FRAUD: Final = {
    "dispute.open": LabelKind.DISPUTE_OPENED,
    "dispute.won": LabelKind.DISPUTE_WON,
    "dispute.lost": LabelKind.DISPUTE_LOST,
}
_OTHER: Final = {
    "dispute.open": LabelKind.OTHER_DISPUTE_OPENED,
    "dispute.won": LabelKind.OTHER_DISPUTE_WON,
    "dispute.lost": LabelKind.OTHER_DISPUTE_LOST,
}


def label_of(event: str, reason: str | None) -> LabelKind | None:
    """What an event of a dispute, such as `dispute.lost`, says of its payment; None: nothing."""
    return (_FRAUD if is_fraud(reason) else _OTHER).get(event)
