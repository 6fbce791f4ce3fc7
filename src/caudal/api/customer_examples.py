"""What the document shows of customers and products."""

from typing import Any, Final

CUSTOMER: Final = "cus_0199f3a0a1b27c3d8e4f50617283940a"
_AT: Final = "2026-03-02T09:30:15.123456Z"

Json = dict[str, Any]

NEW_PRODUCT: Final[Json] = {
    "name": "basic",
    "currencies": ["EUR"],
    "limits": [
        {"currency": "EUR", "per_payment": 500000, "per_day": 1000000},
        {"currency": "EUR", "kind": "payout", "country": "FR", "per_day": 200000},
    ],
    "fees": [
        {"kind": "pay_in", "method": "card", "flat": 25, "basis_points": 140},
        {"kind": "payout", "flat": 20},
    ],
    "review": {"timeout_s": 3600, "default": "decline"},
}
PRODUCT_VIEW: Final[Json] = {**NEW_PRODUCT, "version": 1, "created_at": _AT}
PRODUCT_LIST: Final[Json] = {"data": [PRODUCT_VIEW], "next_cursor": None}
NEW_CUSTOMER: Final[Json] = {
    "type": "person",
    "product": "basic",
    "jurisdiction": "DE",
    "reference": "C-1017",
    "name_token": "tok_4f9a0c2e71b84d5f9c3a6e8d1b7f2a90",
}
CUSTOMER_VIEW: Final[Json] = {
    **NEW_CUSTOMER,
    "id": CUSTOMER,
    "status": "active",
    "product_version": 1,
    "accounts": {"EUR": "acct_0199f3a0a1b27c3d8e4f50617283940b"},
    "created_at": _AT,
    "updated_at": _AT,
}
BLOCKED: Final[Json] = {**CUSTOMER_VIEW, "status": "blocked"}
CLOSED: Final[Json] = {**CUSTOMER_VIEW, "status": "closed"}
CUSTOMER_LIST: Final[Json] = {"data": [CUSTOMER_VIEW], "next_cursor": None}
CHANGE_PRODUCT: Final[Json] = {"product": "plus"}
CHANGED: Final[Json] = {**CUSTOMER_VIEW, "product": "plus", "product_version": 3}
