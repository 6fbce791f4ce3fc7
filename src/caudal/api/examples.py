"""What the document shows of each endpoint: one small story, told consistently."""

import json
from typing import Any, Final

CUSTOMER: Final = "acct_0199f3a0b1c27d3e8f405162738495a6"
MERCHANT: Final = "acct_0199f3a0c2d37e4f901a2b3c4d5e6f70"
HOUSE: Final = "acct_0199f3a0d3e47f50812b3c4d5e6f7081"
TRANSFER: Final = "tr_0199f3a1c2d47e8f9a0b1c2d3e4f5a6b"
HOLD: Final = "tr_0199f3a1d3e57f90ab1c2d3e4f5a6b7c"
TRANSACTION: Final = "txn_0199f3a1e4f67a01bc2d3e4f5a6b7c8d"
BOOK: Final = "book_0199f39fa0b17c2d8e3f405162738495"
_AT: Final = "2026-03-02T09:30:15.123456Z"

Json = dict[str, Any]

NEW_TRANSFER: Final[Json] = {
    "debit_account": CUSTOMER,
    "credit_account": MERCHANT,
    "amount": 1050,
    "currency": "USD",
    "reference": "order-17",
}
TRANSFER_VIEW: Final[Json] = {
    "id": TRANSFER,
    "seq": 1017,
    "kind": "posted",
    "debit_account": CUSTOMER,
    "credit_account": MERCHANT,
    "amount": 1050,
    "currency": "USD",
    "recorded_at": _AT,
    "reference": "order-17",
}
POSTED_VIEW: Final[Json] = {
    **TRANSFER_VIEW,
    "kind": "post_pending",
    "amount": 800,
    "pending_id": HOLD,
    "remainder": "release",
}
VOIDED_VIEW: Final[Json] = {**TRANSFER_VIEW, "kind": "void_pending", "pending_id": HOLD}
REVERSAL_VIEW: Final[Json] = {
    **TRANSFER_VIEW,
    "id": "tr_0199f3a2c2d47e8f9a0b1c2d3e4f5a6b",
    "seq": 1020,
    "kind": "reversal",
    "debit_account": MERCHANT,
    "credit_account": CUSTOMER,
    "original_id": TRANSFER,
}
TRANSFER_DETAIL: Final[Json] = {**TRANSFER_VIEW, "reversed_amount": 1050}
TRANSFER_LIST: Final[Json] = {"data": [TRANSFER_DETAIL], "next_cursor": None}
BATCH: Final[Json] = {
    "transfers": [
        {"id": TRANSFER, **NEW_TRANSFER},
        {"id": "tr_0199f3a2d3e57f90ab1c2d3e4f5a6b7c", "type": "post_pending", "pending_id": HOLD},
    ]
}
BATCH_VIEW: Final[Json] = {
    "results": [
        {"status": "created", "transfer": TRANSFER_VIEW},
        {
            "status": "refused",
            "error": {
                "code": "pending_expired",
                "detail": "the hold has expired",
                "field": "transfers[1].pending_id",
            },
        },
    ],
    "created": 1,
    "exists": 0,
    "refused": 1,
}
POSTINGS: Final[list[Json]] = [
    {"account": CUSTOMER, "side": "debit", "amount": 1050, "currency": "USD"},
    {"account": MERCHANT, "side": "credit", "amount": 990, "currency": "USD"},
    {"account": HOUSE, "side": "credit", "amount": 60, "currency": "USD"},
]
NEW_TRANSACTION: Final[Json] = {"postings": POSTINGS, "reference": "order-17"}
TRANSACTION_VIEW: Final[Json] = {
    "id": TRANSACTION,
    "first_seq": 1018,
    "last_seq": 1019,
    "recorded_at": _AT,
    "postings": POSTINGS,
    "reference": "order-17",
}
NEW_ACCOUNT: Final[Json] = {
    "currency": "USD",
    "normal_side": "credit",
    "code": "customer",
    "reference": "customer-42",
    "metadata": {"plan": "basic"},
    "limit": "debits_must_not_exceed_credits",
}
ACCOUNT_VIEW: Final[Json] = {
    "id": CUSTOMER,
    **NEW_ACCOUNT,
    "status": "open",
    "balance": 12500,
    "available": 11450,
    "debits_posted": 2500,
    "credits_posted": 15000,
    "debits_pending": 1050,
    "credits_pending": 0,
    "overdraft": 0,
    "version": 1016,
    "opened_at": _AT,
}
ACCOUNT_LIST: Final[Json] = {"data": [ACCOUNT_VIEW], "next_cursor": None}
FROZEN_ACCOUNT: Final[Json] = {**ACCOUNT_VIEW, "status": "frozen"}
CLOSED_ACCOUNT: Final[Json] = {
    **ACCOUNT_VIEW,
    "status": "closed",
    "balance": 0,
    "available": 0,
    "debits_posted": 15000,
    "debits_pending": 0,
}
NEW_LIMIT: Final[Json] = {"limit": "debits_must_not_exceed_credits", "overdraft": 5000}
BALANCE_VIEW: Final[Json] = {
    "account": CUSTOMER,
    "currency": "USD",
    "normal_side": "credit",
    "balance": 12500,
    "available": 11450,
    "debits_posted": 2500,
    "credits_posted": 15000,
    "debits_pending": 1050,
    "credits_pending": 0,
    "version": 1016,
    "seq": 1017,
}
_ENTRY: Final[Json] = {
    "seq": 1017,
    "side": "debit",
    "amount": 1050,
    "balance": 11450,
    "value_at": _AT,
    "transfer": TRANSFER_VIEW,
}
ENTRY_LIST: Final[Json] = {
    "data": [
        {
            **_ENTRY,
            "debits_posted": 3550,
            "credits_posted": 15000,
            "debits_pending": 0,
            "credits_pending": 0,
        }
    ],
    "next_cursor": None,
}
STATEMENT: Final[Json] = {
    "account": CUSTOMER,
    "currency": "USD",
    "normal_side": "credit",
    "basis": "recorded",
    "from_day": "2026-03-01",
    "through_day": "2026-03-31",
    "opening_balance": 12500,
    "closing_balance": 11450,
    "through_seq": 1017,
    "lines": [_ENTRY],
}
NEW_BOOK: Final[Json] = {"name": "main", "mode": "live"}
BOOK_VIEW: Final[Json] = {"id": BOOK, "name": "main", "mode": "live", "created_at": _AT}
BOOK_LIST: Final[Json] = {"data": [BOOK_VIEW], "next_cursor": None}
NEW_TEMPLATE: Final[Json] = {
    "name": "sale",
    "definition": {
        "parameters": {
            "price": {"type": "amount"},
            "buyer": {"type": "account"},
            "seller": {"type": "account"},
            "order": {"type": "text"},
        },
        "legs": [
            {"account": "buyer", "side": "debit", "amount": {"kind": "whole", "of": "price"}},
            {
                "account": HOUSE,
                "side": "credit",
                "amount": {"kind": "percent", "of": "price", "percent": "2.9"},
            },
            {"account": "seller", "side": "credit", "amount": {"kind": "remainder", "currency_of": "price"}},
        ],
        "reference": "{order}",
    },
}
TEMPLATE_VIEW: Final[Json] = {**NEW_TEMPLATE, "version": 1, "created_at": _AT}
TEMPLATE_LIST: Final[Json] = {"data": [TEMPLATE_VIEW], "next_cursor": None}
FROM_TEMPLATE: Final[Json] = {
    "template": "sale@1",
    "parameters": {
        "price": {"amount": 1050, "currency": "USD"},
        "buyer": CUSTOMER,
        "seller": MERCHANT,
        "order": "order-17",
    },
}
TRIAL_BALANCE: Final[Json] = {
    "seq": 1017,
    "balanced": True,
    "rows": [
        {
            "code": "customer",
            "currency": "USD",
            "accounts": 2,
            "debits_posted": 3550,
            "credits_posted": 3550,
            "debits_pending": 0,
            "credits_pending": 0,
        }
    ],
    "totals": [
        {
            "currency": "USD",
            "debits_posted": 3550,
            "credits_posted": 3550,
            "debits_pending": 0,
            "credits_pending": 0,
        }
    ],
}
NEW_PERIOD: Final[Json] = {"through": "2026-02-28"}
PERIOD_VIEW: Final[Json] = {
    "closed_through": "2026-02-28",
    "closed_at": _AT,
    "closed_by": "key_0199f39fb0c17d2e8f3a405162738495",
    "at_seq": 1016,
}
PERIOD_LIST: Final[Json] = {"data": [PERIOD_VIEW], "next_cursor": None}
JOURNAL: Final[Json] = {
    "data": [
        {
            "seq": 1,
            "type": "account_event",
            "account_event": {
                "account": CUSTOMER,
                "kind": "opened",
                "status": "open",
                "recorded_at": _AT,
                "max_net_debit": 0,
            },
        },
        {"seq": 1017, "type": "transfer", "transfer": TRANSFER_VIEW},
    ],
    "next_after": 1017,
    "head": 1017,
}
JOURNAL_LINES: Final = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in JOURNAL["data"])
STATEMENT_CSV: Final = "\r\n".join(
    (
        "type,seq,transfer,recorded_at,effective_at,kind,side,amount_minor,amount,balance_minor,balance,"
        "currency,counterparty,code,reference",
        "opening,,,,2026-03-01T00:00:00.000000Z,,,,,12500,125.00,USD,,,",
        f"entry,1017,{TRANSFER},{_AT},{_AT},posted,debit,1050,10.50,11450,114.50,USD,{MERCHANT},,order-17",
        "closing,,,,2026-03-31T23:59:59.999999Z,,,,,11450,114.50,USD,,,",
        "",
    )
)
METRICS: Final = """\
# HELP caudal_http_requests_total Requests answered.
# TYPE caudal_http_requests_total counter
caudal_http_requests_total{method="POST",route="/v1/transfers",status="201"} 1017.0
# HELP caudal_database_pool_available psycopg's pool: pool_available.
# TYPE caudal_database_pool_available gauge
caudal_database_pool_available 4.0
"""
