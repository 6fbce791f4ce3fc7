"""What callers send, held to its form. Unknown fields are refused."""

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from caudal_sandbox.bank.types import Money, Status

Reference: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]

Remittance: TypeAlias = Annotated[str, Meta(max_length=140)]
"""Shown on the other account's statement; as long as SEPA's unstructured remittance information."""


class NewOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A transfer or a direct debit."""

    reference: Reference
    amount: Money
    account: str
    """The token of the other account."""
    remittance: Remittance | None = None


class NewRefund(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A refund of a direct debit."""

    reference: Reference
    amount: Money
    remittance: Remittance | None = None


class Cancel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Calling off an order."""

    reference: Reference | None = None
    """The caller's, of this call."""


class Move(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a test makes of an order."""

    order: str
    status: Status
    reason: str | None = None


class Return(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a test lets come back: one of the two."""

    transfer: str | None = None
    direct_debit: str | None = None
    reason: str = "MS03"
