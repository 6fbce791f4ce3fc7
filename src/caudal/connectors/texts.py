"""Partners' free texts, as far as they may be kept."""

import re
from typing import Final

LONGEST: Final = 200

_PERSONAL: Final = re.compile(r"\S+@\S+|\b[A-Z]{2}\d{2}[A-Z0-9 ]{8,}|\d[\d -]{5,}\d")
"""What may be an e-mail address, an IBAN, or a number of a card, an account or a telephone."""


def for_operators(text: object) -> str:
    """A partner's message without what may be personal data, cut to `LONGEST`; "" where it is no text."""
    if not isinstance(text, str):
        return ""
    # Cut first: what is matched stays small, however long the partner's text is.
    return _PERSONAL.sub("…", text[: 4 * LONGEST])[:LONGEST]
