"""Objectives as rules of Prometheus, for those who are woken by its Alertmanager. Pure.

The burn rates are Caudal's own, from `/metrics`: so both say the same, and the rules stay short.
"""

from collections.abc import Sequence
from typing import Final

from caudal.objectives import rules
from caudal.objectives.types import BurnRule, Objective

_FOR: Final = "2m"


def rule_file(book: str, objectives: Sequence[Objective]) -> str:
    """A rule file, in YAML, with the alerts of a book's objectives that are watched."""
    lines = [
        "# Made by `caudal objectives prometheus`.",
        "groups:",
        f"  - name: caudal objectives of {book}",
        "    rules:",
    ]
    watched = [one for one in objectives if one.enabled]
    for one in watched:
        for rule in rules.BURN_RULES:
            lines += _rule(book, one, rule)
    lines += _silent(book) if watched else ["      []"]
    return "\n".join(lines) + "\n"


def _rule(book: str, one: Objective, rule: BurnRule) -> list[str]:
    long, short = rules.label(rule.long), rules.label(rule.short)
    of = f'book="{book}",objective="{one.name}"'
    both = (
        f'max(caudal_objective_burn_rate{{{of},window="{long}"}}) >= {rule.rate:g}'
        f' and max(caudal_objective_burn_rate{{{of},window="{short}"}}) >= {rule.rate:g}'
    )
    return [
        "      - alert: CaudalObjectiveBurning",
        f"        expr: '{both}'",
        "        labels:",
        f"          severity: {rule.severity.value}",
        f"          book: '{book}'",
        f"          objective: {one.name}",
        f"          window: {long}",
        "        annotations:",
        f"          summary: '{one.name} of {book} burns its budget {rule.rate:g} times as fast as it may'",
    ]


def _silent(book: str) -> list[str]:
    """Where nothing is evaluated any more no burn rate rises."""
    age = f'min(caudal_objective_evaluated_age_seconds{{book="{book}"}})'
    return [
        "      - alert: CaudalObjectivesNotEvaluated",
        f"        expr: '{age} > 300 or absent(caudal_objective_evaluated_age_seconds{{book=\"{book}\"}})'",
        f"        for: {_FOR}",
        "        labels:",
        "          severity: page",
        f"          book: '{book}'",
        "        annotations:",
        f"          summary: 'no worker evaluates the objectives of {book}, or the API is not scraped'",
    ]
