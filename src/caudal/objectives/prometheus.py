"""Objectives as rules of Prometheus, for those who are woken by its Alertmanager. Pure.

Whether somebody is told is Caudal's own decision, from `/metrics`: so both say the same, the windows, the
rates and what is too little to be told of included.
"""

from collections.abc import Sequence
from typing import Final

from caudal.objectives.types import Objective, Severity

_FOR: Final = "2m"


def rule_file(number: int, book: str, objectives: Sequence[Objective]) -> str:
    """A rule file, in YAML, with the alerts of a book's objectives that are watched; its number and name."""
    lines = [
        "# Made by `caudal objectives prometheus`.",
        "groups:",
        f"  - name: caudal objectives of {book}",
        "    rules:",
    ]
    watched = [one for one in objectives if one.enabled]
    for one in watched:
        for severity in reversed(Severity):
            lines += _rule(number, book, one, severity)
    lines += _silent(number, book) if watched else ["      []"]
    return "\n".join(lines) + "\n"


def _rule(number: int, book: str, one: Objective, severity: Severity) -> list[str]:
    of = f'book="{number}",objective="{one.name}"'
    hour = f'caudal_objective_burn_rate{{{of},window="1h"}}'
    left = f"caudal_objective_budget_left_ratio{{{of}}}"
    return [
        "      - alert: CaudalObjectiveBurning",
        f"        expr: 'max(caudal_objective_alert{{{of},severity=\"{severity.value}\"}}) > 0'",
        "        labels:",
        f"          severity: {severity.value}",
        f"          book: '{book}'",
        f"          objective: {one.name}",
        "        annotations:",
        f"          summary: '{one.name} of {book} burns its budget too fast'",
        f"          target: '{one.target_basis_points / 100:g} % in {one.window_days} days'",
        "          burns: '{{ with query `max(" + hour + ")` }}{{ . | first | value }}{{ end }} in 1 h'",
        "          left: '{{ with query `max(" + left + ")` }}{{ . | first | value }}{{ end }}'",
    ]


def _silent(number: int, book: str) -> list[str]:
    """Where nothing is evaluated any more no burn rate rises."""
    age = f'min(caudal_objective_evaluated_age_seconds{{book="{number}"}})'
    return [
        "      - alert: CaudalObjectivesNotEvaluated",
        f"        expr: '{age} > 300 or absent(caudal_objective_evaluated_age_seconds{{book=\"{number}\"}})'",
        f"        for: {_FOR}",
        "        labels:",
        "          severity: page",
        f"          book: '{book}'",
        "        annotations:",
        f"          summary: 'no worker evaluates the objectives of {book}, or the API is not scraped'",
    ]
