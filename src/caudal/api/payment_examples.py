"""What the document shows of payments: a card payment that is captured, refunded in part, and disputed."""

from typing import Any, Final

from caudal.api import customer_examples, examples

Json = dict[str, Any]

CUSTOMER: Final = customer_examples.CUSTOMER
FRIEND: Final = "cus_0199f3a0a1c27d3e8f405162738495a6"
PAYMENT: Final = "pay_0199f3a5b1c27d3e8f405162738495a6"
PAYOUT: Final = "pay_0199f3a5b2d37e4f901a2b3c4d5e6f70"
INTERNAL: Final = "pay_0199f3a5b3e47f50812b3c4d5e6f7081"
ATTEMPT: Final = "att_0199f3a5b4f57061923c4d5e6f708192"
CAPTURE: Final = "cap_0199f3a5b5067172a34d5e6f708192a3"
REFUND: Final = "re_0199f3a5b6177283b45e6f708192a3b4"
DISPUTE: Final = "dp_0199f3a5b7287394c56f708192a3b4c5"
_AT: Final = "2026-03-02T09:30:15.123456Z"
_THEN: Final = "2026-03-02T09:30:15.823456Z"

NEW_PAYMENT: Final[Json] = {
    "kind": "pay_in",
    "customer": CUSTOMER,
    "amount": 1050,
    "currency": "EUR",
    "method": "card",
    "instrument": "pm_card_visa",
    "reference": "order-17",
    "context": {"device": "browser-42", "country": "DE"},
}
PAYMENT_VIEW: Final[Json] = {
    "id": PAYMENT,
    "kind": "pay_in",
    "state": "processing",
    "customer": CUSTOMER,
    "amount": 1050,
    "currency": "EUR",
    "authorised_amount": 0,
    "captured_amount": 0,
    "refunded_amount": 0,
    "refunding_amount": 0,
    "disputed_amount": 0,
    "fee_amount": 0,
    "capture": "automatic",
    "created_at": _AT,
    "updated_at": _AT,
    "partner": "stripe",
    "method": "card",
    "instrument": "pm_card_visa",
    "reference": "order-17",
    "context": {"device": "browser-42", "country": "DE"},
    "decision": {"verdict": "approve"},
}
_AUTHORISED: Final[Json] = {
    **PAYMENT_VIEW,
    "capture": "manual",
    "authorised_amount": 1050,
    "partner_id": "pi_3RfJ2",
    "updated_at": _THEN,
    "expires_at": "2026-03-09T09:30:15.823456Z",
}
CAPTURING_VIEW: Final[Json] = {**_AUTHORISED, "state": "capturing"}
INCREMENTING_VIEW: Final[Json] = {**_AUTHORISED, "state": "incrementing"}
CANCELLING_VIEW: Final[Json] = {**_AUTHORISED, "state": "cancelling"}
WAITING_VIEW: Final[Json] = {
    **PAYMENT_VIEW,
    "state": "requires_action",
    "partner_id": "pi_3RfJ2",
    "return_url": "https://shop.example/paid",
    "next_action": {"type": "redirect", "url": "https://hooks.stripe.com/redirect/authenticate/src_1"},
    "expires_at": "2026-03-02T10:30:15.823456Z",
}
DECLINED_VIEW: Final[Json] = {
    **PAYMENT_VIEW,
    "state": "declined",
    "decision": {"verdict": "review", "reasons": ["limit_per_day"]},
}
PAYMENT_LIST: Final[Json] = {"data": [PAYMENT_VIEW], "next_cursor": PAYMENT}
CAPTURE_VIEW: Final[Json] = {
    "id": CAPTURE,
    "payment": PAYMENT,
    "amount": 1050,
    "final": True,
    "state": "succeeded",
    "created_at": _AT,
    "updated_at": _THEN,
    "transfer": examples.TRANSFER,
}
NEW_REFUND: Final[Json] = {"amount": 300, "reason": "one item was missing"}
REFUND_VIEW: Final[Json] = {
    "id": REFUND,
    "payment": PAYMENT,
    "amount": 300,
    "currency": "EUR",
    "state": "pending",
    "created_at": _AT,
    "updated_at": _AT,
    "reason": "one item was missing",
}
REFUND_LIST: Final[Json] = {"data": [REFUND_VIEW], "next_cursor": None}
DISPUTE_VIEW: Final[Json] = {
    "id": DISPUTE,
    "payment": PAYMENT,
    "partner": "stripe",
    "partner_id": "dp_1RfJ2",
    "amount": 1050,
    "currency": "EUR",
    "state": "open",
    "created_at": _THEN,
    "updated_at": _THEN,
}
DISPUTE_LIST: Final[Json] = {"data": [DISPUTE_VIEW], "next_cursor": None}
PAYMENT_DETAIL: Final[Json] = {
    **_AUTHORISED,
    "state": "succeeded",
    "captured_amount": 1050,
    "refunding_amount": 300,
    "fee_amount": 30,
    "attempts": [
        {
            "id": ATTEMPT,
            "operation": "submit",
            "state": "succeeded",
            "partner": "stripe",
            "amount": 1050,
            "created_at": _AT,
            "updated_at": _THEN,
            "partner_id": "pi_3RfJ2",
            "submitted_at": _AT,
            "sends": 1,
        }
    ],
    "captures": [CAPTURE_VIEW],
    "refunds": [REFUND_VIEW],
    "disputes": [],
    "transfers": [{**examples.TRANSFER_VIEW, "currency": "EUR", "reference": PAYMENT}],
}
NEW_PAYOUT: Final[Json] = {
    "customer": CUSTOMER,
    "amount": 20000,
    "currency": "EUR",
    "instrument": "tok_bank_ok",
    "description": "withdrawal",
}
PAYOUT_VIEW: Final[Json] = {
    **{name: PAYMENT_VIEW[name] for name in PAYMENT_VIEW if name not in ("reference", "context")},
    **NEW_PAYOUT,
    "id": PAYOUT,
    "kind": "payout",
    "partner": "bank",
    "method": "bank_transfer",
}
PAYOUT_LIST: Final[Json] = {"data": [PAYOUT_VIEW], "next_cursor": None}
