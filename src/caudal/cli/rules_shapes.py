"""Rules of decisions as the command line shows them to people."""

from collections.abc import Iterable, Sequence

from rich.console import Console

from caudal.cli.paging import more
from caudal.cli.terminal import cell, facts, table
from caudal.rules import Problem, RiskRuleSetView, RuleSnoozeView, RuleStage, RuleTestsView


def show_rule_set(out: Console, view: RiskRuleSetView) -> None:
    """A rule set: where it stands, its rules in order, then what speaks against it."""
    review = view.review
    rows = [
        ("rule set", f"{view.name} ({view.state.value})"),
        ("features", f"set {view.feature_set}: {', '.join(view.reads)}" if view.reads else None),
        ("drafted", view.created_at),
        ("by", view.created_by),
        ("note", view.note),
        ("reviewed", None if review is None else review.reviewed_at),
        ("by", None if review is None else f"{review.reviewed_by}: {review.verdict.value}"),
        ("note", None if review is None else review.note),
        ("published", view.published_at),
        ("by", view.published_by),
        ("tests", f"{view.tests - len(view.failed)} of {view.tests} find what they expect"),
    ]
    rows += [
        (
            "fails",
            f"{one.rule}, test {one.number}: expects {one.expected.value}, found {one.found.value} "
            f"({'; '.join(one.why)})",
        )
        for one in view.failed
    ]
    rows += [("warning", text) for text in view.warnings]
    out.print(facts(rows))
    shown = table("rule", "outcome", "when", "reason")
    for rule in view.rules:
        stage = "" if rule.stage is RuleStage.BEFORE_MODEL else " (after the model)"
        shown.add_row(rule.name, rule.outcome.value + stage, rule.when, rule.reason)
    out.print(shown)


def show_rule_sets(out: Console, views: Sequence[RiskRuleSetView], cursor: str | None) -> None:
    """A list of them."""
    shown = table("version", "state", "rules", "drafted by", "reviewed by", "published", "note")
    for one in views:
        reviewer = None if one.review is None else one.review.reviewed_by
        shown.add_row(
            one.name, one.state.value, str(len(one.rules)), one.created_by, cell(reviewer),
            cell(one.published_at), one.note or "",
        )  # fmt: skip
    out.print(shown if views else "No rules: `caudal rules draft` makes some.")
    more(out, cursor)


def show_faults(out: Console, faults: Iterable[Problem]) -> None:
    """What is wrong with rules, each with its place."""
    for one in faults:
        out.print(f"{one.field}: {one}")
        if one.picture is not None:
            out.print("\n".join(f"    {line}" for line in one.picture.splitlines()))


def show_tests(out: Console, view: RuleTestsView, faults: Iterable[Problem]) -> None:
    """What came of checking rules and running their tests."""
    show_faults(out, faults)
    shown = table("rule", "test", "expected", "found", "", "why")
    for one in view.tests:
        shown.add_row(
            one.rule, one.name or str(one.number), one.expected.value, one.found.value,
            "ok" if one.passed else "FAILS", "; ".join(one.why),
        )  # fmt: skip
    if view.tests:
        out.print(shown)
    for text in view.warnings:
        out.print(f"Warning: {text}")
    if view.tests:
        failed = sum(not one.passed for one in view.tests)
        out.print(f"{len(view.tests)} tests, {failed} of which fail.")
    elif not view.faults:
        out.print("The rules can be kept; they have no tests.")


def show_snoozes(out: Console, views: Sequence[RuleSnoozeView]) -> None:
    """Rules that are snoozed."""
    shown = table("rule", "until", "reason", "since", "by")
    for one in views:
        shown.add_row(one.rule, cell(one.until), one.reason, cell(one.snoozed_at), one.snoozed_by)
    out.print(shown if views else "No rule is snoozed.")
