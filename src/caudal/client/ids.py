"""Ids that the caller makes: UUIDv7 (RFC 9562 section 5.7), so that they sort by when they were made.

Make one and keep it before the call, and any process can repeat the call: the same id never counts twice.
"""

import os
import time
from typing import Final, NamedTuple

ACCOUNT: Final = "acct"
TRANSFER: Final = "tr"
TRANSACTION: Final = "txn"
CUSTOMER: Final = "cus"
PAYMENT: Final = "pay"

_VERSION_7: Final = 0x7 << 76
_VARIANT: Final = 0b10 << 62


def new_account_id() -> str:
    """`acct_…`"""
    return new_id(ACCOUNT)


def new_transfer_id() -> str:
    """`tr_…`"""
    return new_id(TRANSFER)


def new_transaction_id() -> str:
    """`txn_…`"""
    return new_id(TRANSACTION)


def new_customer_id() -> str:
    """`cus_…`"""
    return new_id(CUSTOMER)


def new_payment_id() -> str:
    """`pay_…`"""
    return new_id(PAYMENT)


def new_idempotency_key() -> str:
    """A key that nobody else has; unlike an id it may be anything of 1 to 255 printable ASCII characters."""
    return new_id("idem")


def new_id(prefix: str) -> str:
    """`prefix`, `_`, and the 32 hexadecimal digits of a new UUIDv7."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    rand_a, rand_b = random & 0xFFF, (random >> 12) & ((1 << 62) - 1)
    return f"{prefix}_{milliseconds << 80 | _VERSION_7 | rand_a << 64 | _VARIANT | rand_b:032x}"


class Identity(NamedTuple):
    """By what a command is known again."""

    id: str | None
    """None leaves the id to the API, which makes the same for each repeat under the key."""
    key: str


_KEY_OF_ID: Final = "id:"
"""How a key begins that was made from an id: no key of a caller's own is taken for one by accident."""


def identify(prefix: str, id: str | None, idempotency_key: str | None) -> Identity:
    """The id and the key of a command, of which the caller gave both, either, or none.

    Where both are ours the key holds the id: a caller that repeats with nothing but the key of an
    `OutcomeUnknown` sends the same bytes.
    """
    if id is not None:
        return Identity(id, new_idempotency_key() if idempotency_key is None else idempotency_key)
    if idempotency_key is None:
        id = new_id(prefix)
        return Identity(id, _KEY_OF_ID + id)
    if idempotency_key.startswith(f"{_KEY_OF_ID}{prefix}_"):
        return Identity(idempotency_key.removeprefix(_KEY_OF_ID), idempotency_key)
    return Identity(None, idempotency_key)
