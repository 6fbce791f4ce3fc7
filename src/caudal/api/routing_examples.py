"""What the document shows of routing."""

from typing import Any, Final

Json = dict[str, Any]

NAME: Final = "v3"
PARTNER: Final = "stripe"
_AT: Final = "2026-03-02T09:30:15.123456Z"

RULES: Final[Json] = {
    "rules": [
        {
            "name": "large_euro",
            "when": {"currency": ["EUR"], "method": ["card"], "amount_from": 100000},
            "to": {"partner": "stripe"},
            "next": [{"route": "cards"}],
        },
        {"name": "default", "to": {"route": "cards"}, "next": [{"partner": "bank"}]},
    ],
    "routes": {"cards": {"to": {"partner": "stripe"}}},
    "retries": [
        {
            "cause": "soft_decline",
            "codes": ["insufficient_funds"],
            "then": "later",
            "wait_s": 86400,
            "times": 2,
        },
    ],
    "note": "large card payments are tried again on the next days",
}
RULE_SET: Final[Json] = {
    "name": NAME,
    "version": 3,
    "current": False,
    **RULES,
    "created_at": _AT,
    "created_by": "key_0199f3a0a1b27c3d8e4f506172839405",
}
PUBLISHED: Final[Json] = {
    **RULE_SET,
    "current": True,
    "published_at": _AT,
    "published_by": "key_0199f3a0a1b27c3d8e4f506172839405",
}
RULE_SETS: Final[Json] = {"data": [PUBLISHED], "next_cursor": None}
NEW_TRIAL: Final[Json] = {"rules": RULES, "created_from": "2026-02-23T00:00:00Z"}
TRIAL: Final[Json] = {
    "created_from": "2026-02-23T00:00:00Z",
    "created_before": _AT,
    "payments": 1204,
    "moved": 17,
    "foreign": 0,
    "lines": [
        {
            "rule": "default",
            "partner": "stripe",
            "currency": "EUR",
            "payments": 1204,
            "amount": 3611208,
            "before": 1187,
            "approved_amount": 3402117,
            "cost": 81650,
        },
    ],
    "unserved": [],
    "complete": True,
}
REPORT: Final[Json] = {
    "from_day": "2026-02-24",
    "through_day": "2026-03-02",
    "data": [
        {
            "rule": "default",
            "partner": "stripe",
            "currency": "EUR",
            "method": "card",
            "approved": 1101,
            "soft_declines": 81,
            "hard_declines": 12,
            "failed": 2,
            "not_sent": 8,
            "approved_amount": 3402117,
            "cost": 81650,
            "approval_basis_points": 9205,
            "cost_basis_points": 239,
        }
    ],
}
UP: Final[Json] = {"partner": PARTNER, "health": "up"}
DOWN: Final[Json] = {
    "partner": PARTNER,
    "health": "down",
    "outage": {"reason": "breaker_open", "since": _AT, "until": "2026-03-02T09:30:19.123456Z"},
}
NEW_DRAIN: Final[Json] = {"reason": "maintenance on Sunday"}
DRAINED: Final[Json] = {
    "partner": PARTNER,
    "health": "draining",
    "drain": {**NEW_DRAIN, "since": _AT, "by": "key_0199f3a0a1b27c3d8e4f506172839405"},
}
PARTNERS: Final[Json] = {"data": [DOWN, {"partner": "bank", "health": "up"}]}
