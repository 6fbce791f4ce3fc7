"""The routing of a run, drawn from its seed: rule sets, when each counts, when a partner is away. Pure."""

import enum
import random
from typing import Any, Final

import msgspec

from caudal.simulation.plans import stream

SHARED: Final = "tok_card_"
"""How cards begin that both card partners take."""

CARD_PARTNERS: Final = ("stripe", "meridian")

MOST_MEANWHILE: Final = 60
"""Payments that are begun during an outage, before it may end."""

_WEIGHTS: Final = (20, 35, 50, 65, 80)

_RETRIES: Final[tuple[dict[str, Any], ...]] = (
    {
        "cause": "soft_decline",
        "partner": "stripe",
        "codes": ["insufficient_funds"],
        "then": "later",
        "wait_s": 1,
    },
    {"cause": "soft_decline", "partner": "meridian", "then": "never"},
    {"cause": "soft_decline", "codes": ["generic_decline", "05"], "then": "elsewhere"},
    {"cause": "rate_limited", "then": "elsewhere"},
    {"cause": "not_sent", "partner": "stripe", "then": "later", "wait_s": 1, "times": 3},
)
"""Rows that a rule set may have before those that always stand."""


class Fault(enum.Enum):
    """How a partner is away, as the sandbox names it."""

    UNAVAILABLE = "unavailable"
    """503, and nothing is done."""
    RATE_LIMITED = "rate_limited"
    DROP_BEFORE = "drop_before"
    DROP_AFTER = "drop_after"
    """Everything is done, and nobody is told."""


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """A rule set begins to count."""

    after: int
    """So many scripts must have been begun."""
    version: int


class Away(msgspec.Struct, frozen=True, kw_only=True):
    """A partner does nothing right for a while: at least for some seconds, and while payments are made."""

    after: int
    lasts: int
    """So many scripts must have been begun meanwhile."""
    partner: str
    fault: Fault
    seconds: float


class Drained(msgspec.Struct, frozen=True, kw_only=True):
    """An operator lets a partner run dry for a while."""

    after: int
    partner: str
    seconds: float


Act = Publication | Away | Drained


def rule_sets(seed: int) -> list[dict[str, Any]]:
    """The versions 1 and 2, as people write them."""
    draw = stream(seed, "rules")
    return [_rules(draw), _rules(draw)]


def _rules(draw: random.Random) -> dict[str, Any]:
    first, second = draw.sample(CARD_PARTNERS, 2)
    shared = {"instrument": [SHARED], "currency": ["EUR"]}
    return {
        "rules": [
            {"name": "stripe_tokens", "when": {"instrument": ["pm_"]}, "to": {"partner": "stripe"}},
            {"name": "meridian_tokens", "when": {"instrument": ["mtk_"]}, "to": {"partner": "meridian"}},
            {
                "name": "small_cards",
                "when": {**shared, "amount_to": draw.randrange(3_000, 9_000)},
                "to": _split(draw),
                "next": [{"route": "cards"}],
            },
            {"name": "cards", "when": shared, "to": _split(draw), "next": [{"route": "cards"}]},
            {"name": "other_cards", "when": {"instrument": [SHARED]}, "to": {"partner": "stripe"}},
            {"name": "default", "to": {"partner": "bank"}, "next": [{"partner": "stripe"}]},
        ],
        "routes": {"cards": {"to": {"partner": first}, "next": [{"partner": second}]}},
        "retries": draw.sample(_RETRIES, draw.randrange(0, 3)),
    }


def _split(draw: random.Random) -> dict[str, Any]:
    weight = draw.choice(_WEIGHTS)
    shares = zip(CARD_PARTNERS, (weight, 100 - weight), strict=True)
    return {"split": [{"partner": partner, "weight": each} for partner, each in shares]}


def acts(seed: int, payments: int, faults: float) -> list[Act]:
    """What is done to routes during a run, in order. Without faults no partner is away."""
    draw = stream(seed, "acts")
    points = sorted(draw.uniform(0.2, 0.9) for _ in range(max(draw.choice((1, 2)), payments // 1_000)))
    made: list[Act] = [
        Publication(after=int(point * payments), version=2 - number % 2)
        for number, point in enumerate(points)
    ]
    made += [
        Drained(
            after=int(draw.uniform(0.1, 0.8) * payments),
            partner=draw.choice(CARD_PARTNERS),
            seconds=draw.uniform(4.0, 8.0),
        )
        for _ in range(max(int(draw.random() < 0.4), payments // 2_000))
    ]
    partners = draw.sample([*CARD_PARTNERS, "bank"], 3)
    made += [
        Away(
            after=int(draw.uniform(0.05, 0.8) * payments),
            lasts=min(payments // 10, MOST_MEANWHILE),
            partner=partners[number % len(partners)],
            fault=draw.choice(list(Fault)),
            seconds=draw.uniform(1.5, 4.0),
        )
        for number in range(max(1, payments // 500) if faults else 0)
    ]
    return sorted(made, key=lambda act: act.after)
