"""Examples of rules of decisions, for the document."""

from typing import Any, Final

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
