"""The forms of the values of payments in bodies and parameters."""

import ipaddress
import re
from typing import Annotated, Final

from msgspec import Meta

from caudal_base.countries import require_country
from caudal_base.strictjson import InvalidField

MAX_URL: Final = 2_048

_HEX: Final = "[0-9a-f]{32}$"
_INSTRUMENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}", re.ASCII)
_URL: Final = re.compile(r"https?://[!-~]+", re.ASCII)

# The length beside the pattern: `$` also matches before a line's end.
CustomerIdText = Annotated[
    str, Meta(pattern=f"^cus_{_HEX}", min_length=36, max_length=36, description="A customer's id.")
]
PaymentIdText = Annotated[
    str, Meta(pattern=f"^pay_{_HEX}", min_length=36, max_length=36, description="A payment's id.")
]
PartnerName = Annotated[
    str,
    Meta(
        description="A partner by the name that the settings give it.",
        min_length=1,
        max_length=63,
        extra_json_schema={"examples": ["stripe"]},
    ),
]
Instrument = Annotated[
    str,
    Meta(
        description="What is charged or paid to: a vault token (`tok_…`), or the partner's own (`pm_…`). "
        "Never a card or account number.",
        min_length=1,
        max_length=255,
        extra_json_schema={"pattern": f"^{_INSTRUMENT.pattern}$", "examples": ["pm_card_visa"]},
    ),
]
Description = Annotated[
    str, Meta(description="Words of your own, without personal data.", min_length=1, max_length=500)
]
Reason = Annotated[
    str, Meta(description="Why, in your words, without personal data.", min_length=1, max_length=255)
]
ReturnUrl = Annotated[
    str,
    Meta(
        description="Where the customer's browser comes back to from a redirect.",
        min_length=8,
        max_length=MAX_URL,
        extra_json_schema={"pattern": f"^{_URL.pattern}$", "examples": ["https://shop.example/paid"]},
    ),
]
Device = Annotated[
    str, Meta(description="Your own id of the customer's device.", min_length=1, max_length=255)
]
Ip = Annotated[
    str,
    Meta(
        description="The customer's network address, IPv4 or IPv6.",
        min_length=2,
        max_length=45,
        extra_json_schema={"pattern": "^[0-9A-Fa-f:.]+$", "examples": ["203.0.113.7"]},
    ),
]
Merchant = Annotated[str, Meta(description="Your own id of who is paid.", min_length=1, max_length=255)]
CardToken = Annotated[
    str,
    Meta(
        description="A vault token of the card.",
        min_length=6,
        max_length=68,
        extra_json_schema={"pattern": "^tok_[a-z0-9_]{2,64}$"},
    ),
]
Country = Annotated[
    str,
    Meta(
        description="ISO 3166-1 alpha-2: where the payment is made.",
        min_length=2,
        max_length=2,
        extra_json_schema={"pattern": "^[A-Z]{2}$", "examples": ["DE"]},
    ),
]


def require_instrument(text: str | None) -> None:
    """Raise `InvalidField` unless `text` has the form of a token."""
    if text is not None and not _INSTRUMENT.fullmatch(text):
        raise InvalidField("an instrument is of letters, digits, - and _", field="instrument")


def require_url(text: str | None, field: str) -> None:
    """Raise `InvalidField` unless `text` is an address that a browser can be sent to."""
    if text is not None and not _URL.fullmatch(text):
        raise InvalidField("an address begins with https:// or http://", field=field)


def require_ip(text: str | None, field: str) -> None:
    """Raise `InvalidField` unless `text` is a network address."""
    if text is None:
        return
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise InvalidField("this is no IPv4 or IPv6 address", field=field) from None


def require_country_code(text: str | None, field: str) -> None:
    """Raise `UnknownCountry` unless `text` is a country's code."""
    if text is not None:
        require_country(text, field)
