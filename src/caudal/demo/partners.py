"""The partners of the day: two for cards and a bank, how they behave, and which payment goes to whom."""

import random
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from caudal.routing import Conditions, Hop, Rule, Rules, Share

NAMES: Final = ("stripe", "meridian", "bank")
FALTERS: Final = "stripe"
"""The one that has an outage."""

_PREFIXES: Final = {"stripe": "sk_test_", "meridian": "mk_test_", "bank": "bk_test_"}

RULES: Final = Rules(
    rules=(
        Rule(name="stripes_own", when=Conditions(instrument=("pm_",)), to=Hop(partner="stripe")),
        Rule(
            name="cards",
            when=Conditions(instrument=("tok_card",)),
            to=Hop(split=(Share(partner="stripe", weight=70), Share(partner="meridian", weight=30))),
            next=(Hop(partner="stripe"), Hop(partner="meridian")),
        ),
        Rule(name="default", to=Hop(partner="bank")),
    ),
    note="a trading day",
)

WELL: Final = {
    "delay_before": 0.3, "delay_ms_min": 20, "delay_ms_max": 150, "rate_limited": 0.006, "unavailable": 0.002,
    "error_after": 0.003, "drop_before": 0.003, "drop_after": 0.004, "retry_after_s": 1,
}  # fmt: skip
"""On a good day. No errors before the effect: those are kept under the key, and fail the payment."""

DOWN: Final = {"drop_before": 0.55, "unavailable": 0.35, "drop_after": 0.10}
"""In an outage no call is answered; of a tenth of them the money has moved all the same."""

FLAWLESS: Final = dict.fromkeys(WELL, 0) | {"delay_ms_min": 20, "delay_ms_max": 150}

_DELIVERY: Final = {
    "duplicate": 0.05, "delay": 0.05, "reorder": 0.02, "before_response": 0.1, "forge": 0.005,
}  # fmt: skip


class Secrets(msgspec.Struct, frozen=True):
    """What a partner and we share, and what must be found nowhere else."""

    api_key: str
    webhook: str


def secrets(draw: random.Random) -> dict[str, Secrets]:
    """By partner."""
    return {
        name: Secrets(
            api_key=f"{_PREFIXES[name]}{draw.randbytes(16).hex()}",
            # Meridian's are plain hexadecimal; behind the prefix of the others that is base64 too.
            webhook=("" if name == "meridian" else "whsec_") + draw.randbytes(32).hex(),
        )
        for name in NAMES
    }


def settings(url: str, book: str, shared: Mapping[str, Secrets]) -> str:
    """The value of `CAUDAL_PARTNERS`."""
    made = {
        name: {
            "connector": name,
            "book": book,
            "url": url,
            "api_key": shared[name].api_key,
            "webhook_secrets": [shared[name].webhook],
            "timeout_ms": 3_000,
            # The sandbox takes more than partners allow a test key.
            "calls_per_second": 10_000,
            # A day of a minute has no time for the quarter of an hour after which a search is sure.
            "search_horizon_s": 2.0,
            "poll_after_s": 5.0,
        }
        for name in NAMES
    }
    return msgspec.json.encode(made).decode()


def endpoints(api_url: str, shared: Mapping[str, Secrets]) -> dict[str, dict[str, Any]]:
    """Where each partner's webhooks go, and what goes wrong on the way."""
    return {
        name: {"url": f"{api_url}/webhooks/in/{name}", "secrets": [shared[name].webhook], **_DELIVERY}
        for name in NAMES
    }


def faults(names: Sequence[str], how: Mapping[str, float]) -> dict[str, Mapping[str, float]]:
    """That these partners behave so."""
    return dict.fromkeys(names, how)
