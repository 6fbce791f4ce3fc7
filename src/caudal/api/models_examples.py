"""What the document shows of models."""

from typing import Any, Final

Json = dict[str, Any]

LABEL: Final = "card-fraud@2"
ID: Final = "mdl_0199f3a0a1b27c3d8e4f506172839411"
_EARLIER: Final = "mdl_0199e2b0a1b27c3d8e4f506172839400"
_AT: Final = "2026-03-02T09:30:15.123456Z"
_ANA: Final = "key_0199f3a0a1b27c3d8e4f506172839405"
_BEN: Final = "key_0199f3a0a1b27c3d8e4f506172839406"

TERMS: Final[Json] = {
    "challenge_at": 0.02,
    "review_at": 0.1,
    "decline_at": 0.6,
    "gate": {"least": {"auc": 0.85, "ap": 0.4}, "min_shadow_hours": 24},
}
TOLD: Final[Json] = {
    "id": ID,
    "name": "card-fraud",
    "version": 2,
    "stage": "registered",
    "kind": "scorecard",
    "purpose": "fraud",
    "hash": "6d0ab1a1d8c7c94a3c1f7cf9a0a2b1d0c9c3d5a5a7f1b2c3d4e5f60718293a4b",
    "size": 135,
    "registered_at": _AT,
    "registered_by": _ANA,
}
SHADOW: Final[Json] = {**TOLD, "stage": "shadow", "by": _ANA}
CHALLENGER: Final[Json] = {**TOLD, "stage": "challenger", "share": 10, "by": _BEN}
CHAMPION: Final[Json] = {**TOLD, "stage": "champion", "by": _BEN}
RETIRED: Final[Json] = {
    **TOLD,
    "stage": "retired",
    "retired_at": _AT,
    "by": _BEN,
    "reason": "too many reviews",
}
DRIFTED: Final[Json] = {
    **TOLD,
    "stage": "champion",
    "misses": ["score: PSI 0.31, above 0.25", "input features.card_count_1h: CSI 0.4, above 0.25"],
}
SERVING: Final[Json] = {
    "id": "msv_00000000000000000000000000000007",
    "version": 7,
    "purpose": "fraud",
    "terms": TERMS,
    "champion": _EARLIER,
    "challenger": ID,
    "share": 10,
    "what": "challenge",
    "model": ID,
    "at": _AT,
    "by": _BEN,
}
CHANGED: Final[Json] = {
    "id": "msv_00000000000000000000000000000008",
    "version": 8,
    "purpose": "fraud",
    "terms": TERMS,
    "champion": _EARLIER,
    "what": "terms",
    "at": _AT,
    "by": _BEN,
}
CARD: Final[Json] = {
    "schema": 1,
    "name": "card-fraud",
    "about": "fraud with cards, in the first day",
    "kind": "scorecard",
    "purpose": "fraud",
    "inputs": [
        {
            "name": "features.card_count_1h",
            "about": "payments with this card in the last hour",
            "low": 0,
            "high": 30,
            "typical": 1,
            "monotone": 1,
        }
    ],
    "direction": "risk",
    "link": {"kind": "logit"},
    "calibration": {"kind": "platt", "slope": 1.02, "intercept": -0.1},
    "training": {
        "rows": 284807,
        "positives": 492,
        "data_hash": "b3a1f7",
        "code_version": "0.1.0",
        "protocol": "out of time, 80/20",
        "seed": 0,
    },
    "metrics": {"auc": {"value": 0.91, "low": 0.88, "high": 0.94}},
    "calibration_error": 0.01,
    "stability": 0.03,
    "leaks": [],
}
ARTIFACT: Final = (
    "eyJpbnRlcmNlcHQiOi01LjAsInRlcm1zIjpbeyJheGVzIjpbeyJjdXRzIjpbMy4wLDEwLjBdLCJpbnB1dCI6ImZlYXR1cmVzLmNh"
    "cmRfY291bnRfMWgifV0sImV4cGVjdGVkIjowLjIsInBvaW50cyI6WzAuMCwwLjUsMy4wLDAuMjVdfV19"
)
NEW_MODEL: Final[Json] = {"card": CARD, "artifact": ARTIFACT}
MODEL: Final[Json] = {**TOLD, "card": CARD, "measured": {"latency_us": 1.9, "latency_p99_us": 3.4}}
MODELS: Final[Json] = {"data": [MODEL], "next_cursor": None}
MODEL_SHADOW: Final[Json] = {**MODEL, "stage": "shadow"}
MODEL_CHALLENGER: Final[Json] = {**MODEL, "stage": "challenger", "share": 10}
MODEL_CHAMPION: Final[Json] = {**MODEL, "stage": "champion"}
MODEL_RETIRED: Final[Json] = {**MODEL, "stage": "retired", "retired_at": _AT}
NEW_CHALLENGE: Final[Json] = {"share": 10}
NEW_PROMOTION: Final[Json] = {"override": "an attack is under way"}
NEW_ROLLBACK: Final[Json] = {"reason": "too many reviews"}
HISTORY: Final[Json] = {"data": [SERVING], "next_cursor": None}
DRIFT: Final[Json] = {
    "data": [
        {
            "measured_at": _AT,
            "rows": 48210,
            "score": 0.31,
            "inputs": {"features.card_count_1h": 0.4},
            "missing": {"features.card_count_1h": 0.002},
            "labels": 31877,
            "rate": 0.0021,
            "trained_rate": 0.0017,
            "over": DRIFTED["misses"],
        }
    ]
}

NEW_SCORING: Final[Json] = {
    "row": {"payment.amount": 20_000, "features.card_count_1h": 12, "payment.country": "FR"}
}
SCORE: Final[Json] = {
    "model": LABEL,
    "score": 0.3208,
    "raw": -0.75,
    "outcome": "review",
    "reasons": [
        {
            "name": "features.card_count_1h", "points": 2.8, "code": "features.card_count_1h",
            "text": "payments with this card in the last hour: 12",
        }
    ],
}  # fmt: skip
COMPARISON: Final[Json] = {
    "model": LABEL,
    "champion": "card-fraud@1",
    "rows": 10_412,
    "bad": 412,
    "differences": [
        {
            "measure": "auc", "champion": 0.9127, "challenger": 0.9243, "difference": 0.0116, "low": 0.0021,
            "high": 0.0211,
        },
        {
            "measure": "ap", "champion": 0.4471, "challenger": 0.4689, "difference": 0.0218, "low": -0.0104,
            "high": 0.054,
        },
        {
            "measure": "recall_at_1_percent", "champion": 0.5413, "challenger": 0.5607, "difference": 0.0194,
            "low": -0.0151, "high": 0.0539,
        },
    ],
}  # fmt: skip
