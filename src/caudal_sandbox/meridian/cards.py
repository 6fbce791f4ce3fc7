"""What each test card does: tokens that name their behaviour."""

from typing import Final

import msgspec

REFUSALS: Final = {
    "05": "DO_NOT_HONOUR",
    "1A": "STRONG_AUTHENTICATION_REQUIRED",
    "43": "STOLEN_CARD",
    "51": "INSUFFICIENT_FUNDS",
    "54": "EXPIRED_CARD",
    "59": "SUSPECTED_FRAUD",
    "91": "ISSUER_UNAVAILABLE",
}
"""By the response code of ISO 8583, as card schemes use it."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How a card behaves."""

    refusal: str | None = None
    pending_s: float | None = None
    """The issuer answers after so many seconds of the sandbox's clock; a negative number: never."""
    redirects: bool = False
    shown: str | None = None
    """The result code that is answered, whatever happened."""
    lost: bool = False
    """Nothing is done, whatever is answered."""
    fails: frozenset[str] = frozenset()
    """Kinds of modification that are received, and fail."""
    refund_comes_back: bool = False
    is_disputed: bool = False
    amount_off: int = 0
    currency: str | None = None
    """In place of the one that was asked for."""


CARDS: Final[dict[str, Plan]] = {
    "mtk_ok": Plan(),
    "mtk_slow": Plan(pending_s=2),
    "mtk_slow_refused": Plan(pending_s=2, refusal="51"),
    "mtk_silent": Plan(pending_s=-1),
    "mtk_3ds": Plan(redirects=True),
    "mtk_3ds_refused": Plan(redirects=True, refusal="05"),
    "mtk_refused": Plan(refusal="05"),
    "mtk_insufficient": Plan(refusal="51"),
    "mtk_stolen": Plan(refusal="43"),
    "mtk_expired": Plan(refusal="54"),
    "mtk_fraud": Plan(refusal="59"),
    "mtk_sca": Plan(refusal="1A"),
    "mtk_issuer_down": Plan(refusal="91"),
    "mtk_error": Plan(shown="ERROR", lost=True),
    "mtk_error_authorised": Plan(shown="ERROR"),
    "mtk_unheard_of": Plan(shown="ON_HOLD"),
    "mtk_capture_fails": Plan(fails=frozenset({"CAPTURE"})),
    "mtk_cancel_fails": Plan(fails=frozenset({"CANCELLATION"})),
    "mtk_refund_fails": Plan(fails=frozenset({"REFUND"})),
    "mtk_refund_comes_back": Plan(refund_comes_back=True),
    "mtk_disputed": Plan(is_disputed=True),
    "mtk_other_amount": Plan(amount_off=-1),
    "mtk_other_currency": Plan(currency="SEK"),
    # Cards of a vault, whose proxy would put their numbers here: other partners of the sandbox know them too.
    "tok_card_ok": Plan(),
    "tok_card_declined": Plan(refusal="05"),
    "tok_card_stolen": Plan(refusal="43"),
    "tok_card_3ds": Plan(redirects=True),
    "tok_card_disputed": Plan(is_disputed=True),
    "tok_card_not_stripe": Plan(),
    "tok_card_not_meridian": Plan(refusal="51"),
}


def plan_of(card: str) -> Plan | None:
    """How the card behaves; None where there is no such card.

    What follows `__` in a token tells cards of one behaviour apart: `mtk_ok__ana`.
    """
    return CARDS.get(card.partition("__")[0])
