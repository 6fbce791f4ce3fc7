"""What merchants send, held to its form. Unknown fields are refused."""

import re
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from caudal_base.money import exponent
from caudal_sandbox.meridian.errors import Refusal
from caudal_sandbox.meridian.types import CURRENCIES, Intent

Reference: TypeAlias = Annotated[str, Meta(min_length=1, max_length=80)]

LARGEST: Final = 99_999_999_999
"""Of one amount, in minor units."""

_VALUE: Final = re.compile(r"(0|[1-9][0-9]{0,10})(?:\.([0-9]{1,4}))?", re.ASCII)


class Money(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An amount in major units, with as many places as `exponent` says."""

    value: str
    currency: str
    exponent: int

    def minor(self) -> int:
        """In minor units. Raises `Refusal`."""
        if self.currency not in CURRENCIES:
            raise Refusal(422, "M-103", "Meridian does not settle this currency")
        matched, places = _VALUE.fullmatch(self.value), exponent(self.currency)
        if matched is None or self.exponent != places or len(matched[2] or "") != places:
            raise Refusal(422, "M-102", f"a value in {self.currency} has {places} places")
        amount = int(f"{matched[1]}{matched[2] or ''}")
        if not 1 <= amount <= LARGEST:
            raise Refusal(422, "M-102", "the value is out of range")
        return amount


class NewPayment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A payment by card."""

    merchant_reference: Reference
    amount: Money
    intent: Intent
    card_token: str
    return_url: str | None = None
    statement_text: Annotated[str, Meta(max_length=22)] | None = None
    """On the payer's statement."""


class NewModification(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A capture or a refund."""

    merchant_reference: Reference
    amount: Money


class NewCancellation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A cancellation: of all that is authorised."""

    merchant_reference: Reference


class Payer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What the payer, or the issuer, of a waiting payment does."""

    psp_reference: str
    outcome: Literal["complete", "fail"] = "complete"


class OpenDispute(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A payer goes to their bank."""

    psp_reference: str
    amount: int | None = None
    """In minor units; None: all that was captured."""


class CloseDispute(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The scheme decides."""

    status: Literal["won", "lost"]
