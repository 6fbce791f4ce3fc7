"""Examples of rules of decisions, for the document."""

from typing import Any, Final

from caudal_base import ids

Json = dict[str, Any]

NAME: Final = "v3"
RULE: Final = "many_payments_by_card"
_AT: Final = "2026-03-02T09:30:15.123456Z"
_AUTHOR: Final = "key_0199f3a0a1b27c3d8e4f506172839405"
_REVIEWER: Final = "key_0199f3a0a1b27c3d8e4f50617283aaaa"

RULES: Final[Json] = {
    "rules": [
        {
            "name": RULE,
            "when": "features.card_count_1h > 5 && payment.amount > 100000",
            "outcome": "review",
            "reason": "Many payments with this card in the last hour",
            "tests": [
                {
                    "given": {"features.card_count_1h": 7, "payment.amount": 250000},
                    "expect": "fires",
                },
                {"given": {"payment.amount": 250000}, "expect": "missing", "name": "a card without history"},
            ],
        },
        {
            "name": "high_score",
            "when": "model.score > 0.9",
            "outcome": "decline",
            "reason": "Very likely not by the card's owner",
            "stage": "after_model",
        },
    ],
    "note": "cards that are tested with small amounts have rules of their own",
}
RULE_SET: Final[Json] = {
    "name": NAME,
    "version": 3,
    "state": "draft",
    "rules": RULES["rules"],
    "note": RULES["note"],
    "feature_set": 2,
    "reads": ["card_count_1h"],
    "created_at": _AT,
    "created_by": _AUTHOR,
    "tests": 2,
}
NEW_REVIEW: Final[Json] = {"verdict": "accept", "note": "holds what it should"}
REVIEWED: Final[Json] = {
    **RULE_SET,
    "state": "accepted",
    "review": {**NEW_REVIEW, "reviewed_at": _AT, "reviewed_by": _REVIEWER},
}
PUBLISHED: Final[Json] = {**REVIEWED, "state": "current", "published_at": _AT, "published_by": _AUTHOR}
RULE_SETS: Final[Json] = {"data": [PUBLISHED], "next_cursor": None}
TESTS: Final[Json] = {
    "passed": True,
    "tests": [
        {
            "rule": RULE,
            "number": 1,
            "expected": "fires",
            "found": "fires",
            "passed": True,
            "why": ["features.card_count_1h = 7 > 5", "payment.amount = 250000 > 100000"],
        },
        {
            "rule": RULE,
            "number": 2,
            "name": "a card without history",
            "expected": "missing",
            "found": "missing",
            "passed": True,
            "why": ["features.card_count_1h is missing"],
        },
    ],
}
NEW_SNOOZE: Final[Json] = {"until": "2026-03-03T09:00:00Z", "reason": "a sale brings many payments"}
SNOOZE: Final[Json] = {
    "rule": RULE,
    **NEW_SNOOZE,
    "snoozed_at": _AT,
    "snoozed_by": _AUTHOR,
    "number": 1,
}
SNOOZES: Final[Json] = {"data": [SNOOZE]}
NEW_WAKE: Final[Json] = {"reason": "the sale is over"}
AWAKE: Final[Json] = {**SNOOZE, "until": _AT, **NEW_WAKE, "number": 2}
SHOWN: Final[Json] = {**PUBLISHED, "snoozed": [SNOOZE]}
_TOLD: Final[Json] = {
    "id": "rrs_00000000000000000000000000000003",
    **{name: RULE_SET[name] for name in ("name", "version", "feature_set", "created_at", "created_by")},
    "note": RULES["note"],
    "rules": 2,
}
TOLD_DRAFT: Final[Json] = _TOLD
TOLD_REVIEWED: Final[Json] = {**_TOLD, "review": REVIEWED["review"]}
TOLD_PUBLISHED: Final[Json] = {
    **TOLD_REVIEWED,
    "published_at": PUBLISHED["published_at"],
    "published_by": PUBLISHED["published_by"],
}
TOLD_SNOOZED: Final[Json] = {
    "id": ids.of_names(ids.RISK_RULE, RULE), "rule": RULE, **NEW_SNOOZE, "at": _AT, "by": _AUTHOR,
}  # fmt: skip
TOLD_WOKEN: Final[Json] = {**TOLD_SNOOZED, "until": _AT, **NEW_WAKE}
NEW_BACKTEST: Final[Json] = {"rules": RULES, "made_from": "2026-02-01T00:00:00Z"}
_COUNT: Final[Json] = {
    "decisions": 42,
    "matured": 0,
    "bad": 0,
    "reported": 11,
    "unknown": 0,
    "amounts": {"EUR": {"all": 9845000, "matured": 0, "bad": 0}},
}
_MATURED_COUNT: Final[Json] = {
    "decisions": 38,
    "matured": 20,
    "bad": 15,
    "reported": 0,
    "unknown": 18,
    "amounts": {"EUR": {"all": 9120000, "matured": 4120000, "bad": 3410000}},
}
_MATURED: Final[Json] = {
    "on": "payment",
    "label_after_days": 120,
    "made_from": "2025-10-04T09:30:15Z",
    "made_before": "2025-11-02T09:30:15Z",
}
_PRECISION: Final[Json] = {"value": 0.75, "low": 0.5313, "high": 0.8881}
_TRIED: Final[Json] = {
    "rule": RULE,
    "outcome": "review",
    "stage": "before_model",
    "hits": _COUNT,
    "missing": 5120,
    "alone": 42,
    "examples": ["dec_0199f3a0a1b27c3d8e4f506172839405"],
}
BACKTEST: Final[Json] = {
    "made_from": "2026-02-01T00:00:00Z",
    "made_before": _AT,
    "decisions": {
        "decisions": 41210,
        "matured": 0,
        "bad": 0,
        "reported": 47,
        "unknown": 0,
        "amounts": {"EUR": {"all": 301210044, "matured": 0, "bad": 0}},
    },
    "hits": _COUNT,
    "changed": 31,
    "rules": [_TRIED],
    "overlaps": [],
    "overlaps_then": [{"rule": RULE, "other": "large_amount", "decisions": 11, "bad": 0}],
    "changes": [{"was": "approve", "would_be": "review", "counted": {**_COUNT, "decisions": 31}}],
    "complete": True,
    "last_at": _AT,
    "matured": [
        {
            **_MATURED,
            "decisions": {
                "decisions": 38904,
                "matured": 38113,
                "bad": 60,
                "reported": 0,
                "unknown": 791,
                "amounts": {"EUR": {"all": 290110200, "matured": 284310100, "bad": 4401100}},
            },
            "rules": [
                {
                    **_TRIED,
                    "hits": _MATURED_COUNT,
                    "alone": 38,
                    "precision": _PRECISION,
                    "recall": {"value": 0.25, "low": 0.1578, "high": 0.3723},
                },
            ],
            "complete": True,
        },
    ],
}
_PERIOD: Final[Json] = {
    "rule": RULE,
    "start": "2026-02-01",
    "asked": 41210,
    "fired": _COUNT,
    "missing": 5120,
    "snoozed": 0,
    "fire_rate": {"value": 0.001019, "low": 0.000754, "high": 0.001377},
}
STATS: Final[Json] = {
    "made_from": "2026-02-01T00:00:00Z",
    "made_before": _AT,
    "by": "month",
    "data": [_PERIOD],
    "matured": [
        {
            **_MATURED,
            "data": [
                {
                    **_PERIOD,
                    "start": "2025-10-01",
                    "asked": 38904,
                    "fired": _MATURED_COUNT,
                    "fire_rate": {"value": 0.000977, "low": 0.000712, "high": 0.001341},
                    "precision": _PRECISION,
                },
            ],
        },
    ],
}
