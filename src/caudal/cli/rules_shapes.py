"""Rules of decisions as the command line shows them to people."""

import datetime as dt
from collections.abc import Iterable, Sequence

from rich.console import Console

from caudal.cli.paging import more
from caudal.cli.terminal import cell, facts, money, table
from caudal.rules import (
    Problem,
    RiskRuleSetView,
    RuleBacktestView,
    RuleCount,
    RulePeriod,
    RuleRate,
    RuleSnoozeView,
    RuleStage,
    RuleStatsView,
    RuleSubject,
    RuleTestsView,
    StatsPeriod,
)

_MOST_OVERLAPS = 20


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
    rows += [
        ("snoozed", f"{one.rule} until {cell(one.until)}, by {one.snoozed_by}: {one.reason}")
        for one in view.snoozed
    ]
    out.print(facts(rows))
    shown = table("rule", "outcome", "when", "reason")
    for rule in view.rules:
        stage = "" if rule.stage is RuleStage.BEFORE_MODEL else " (after the model)"
        on = "" if rule.on is RuleSubject.PAYMENT else ", of applications"
        shown.add_row(rule.name, rule.outcome.value + on + stage, rule.when, rule.reason)
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


def show_backtest(out: Console, view: RuleBacktestView) -> None:
    """What rules would have done: by rule, their overlaps, what would have come out another way; and how they
    do on decisions whose ends are known."""
    if view.decisions.decisions:
        _show_hits(out, view)
    else:
        out.print("No decisions were kept in this time.")
    right = ("hits", "unknown", "bad", "amount")
    for judged in view.matured:
        told = _decisions(judged.decisions) if judged.decisions.decisions else "none were kept"
        out.print(f"{_matured(judged.label_after_days, judged.made_from, judged.made_before)}: {told}.")
        shown = table("rule", "hits", "unknown", "bad", "precision", "recall", "amount", right=right)
        for one in judged.rules:
            shown.add_row(
                one.rule, str(one.hits.decisions), str(one.hits.unknown), _bad(one.hits),
                _percent(one.precision), _percent(one.recall), _amounts(one.hits),
            )  # fmt: skip
        if judged.decisions.decisions:
            out.print(shown)


def _show_hits(out: Console, view: RuleBacktestView) -> None:
    right = ("hits", "alone", "missing", "reported", "bad", "amount")
    shown = table("rule", "outcome", "hits", "alone", "missing", "reported", "bad", "precision", "recall",
                  "amount", right=right)  # fmt: skip
    for one in view.rules:
        shown.add_row(
            one.rule, one.outcome.value, str(one.hits.decisions), str(one.alone), str(one.missing),
            str(one.hits.reported), _bad(one.hits), _percent(one.precision), _percent(one.recall),
            _amounts(one.hits),
        )  # fmt: skip
    out.print(shown)
    for title, overlaps in (("and", view.overlaps), ("and, at the time,", view.overlaps_then)):
        for pair in overlaps[:_MOST_OVERLAPS]:
            bad = f", {pair.bad} bad" if view.decisions.matured else ""
            out.print(f"{pair.rule} {title} {pair.other}: {pair.decisions} decisions{bad}")
    out.print(
        f"{_decisions(view.decisions)}. The rules hit {view.hits.decisions}; {view.changed} would have come "
        "out another way:"
    )
    changes = table("was", "would be", "decisions", "bad", "amount", right=("decisions", "bad", "amount"))
    for change in view.changes:
        if change.was is not change.would_be:
            counted = change.counted
            changes.add_row(
                change.was.value, change.would_be.value, str(counted.decisions), _bad(counted),
                _amounts(counted),
            )  # fmt: skip
    out.print(changes if view.changed else "none.")


def show_stats(out: Console, view: RuleStatsView) -> None:
    """How published rules did, by period; and on decisions whose ends are known."""
    _show_periods(out, view.by, view.data, "No rules have decided in this time.")
    for judged in view.matured:
        out.print(f"{_matured(judged.label_after_days, judged.made_from, judged.made_before)}:")
        _show_periods(out, view.by, judged.data, "No rules have decided in that time.")


def _show_periods(out: Console, by: StatsPeriod, data: Sequence[RulePeriod], nothing: str) -> None:
    if not data:
        out.print(nothing)
        return
    columns = {
        "rule": [one.rule for one in data],
        by.value: [one.start.isoformat() for one in data],
        "asked": [str(one.asked) for one in data],
        "fired": [str(one.fired.decisions) for one in data],
        "fire rate": [_percent(one.fire_rate) for one in data],
        "missing": [str(one.missing) for one in data],
        "snoozed": [str(one.snoozed) for one in data],
    }
    if any(one.fired.reported for one in data):
        columns["reported"] = [str(one.fired.reported) for one in data]
    if any(one.fired.matured or one.fired.unknown for one in data):
        columns["unknown"] = [str(one.fired.unknown) for one in data]
        columns["bad"] = [_bad(one.fired) for one in data]
        columns["precision"] = [_percent(one.precision) for one in data]
    columns["amount"] = [_amounts(one.fired) for one in data]
    right = {"rule", by.value, "fire rate", "precision"}
    shown = table(*columns, right=tuple(columns.keys() - right))
    for row in zip(*columns.values(), strict=True):
        shown.add_row(*row)
    out.print(shown)


def _matured(days: int, made_from: dt.datetime, made_before: dt.datetime) -> str:
    """What is judged, since its end is known."""
    return f"Decisions from {cell(made_from)} to {cell(made_before)}, {days} days old"


def _decisions(counted: RuleCount) -> str:
    """How many they are, and what is known of them."""
    parts = [
        f"{counted.decisions} decisions, {counted.matured} old enough to judge, {counted.bad} of them bad"
    ]
    if counted.unknown:
        parts.append(f"{counted.unknown} declined, of which nobody knows")
    if counted.reported:
        parts.append(f"{counted.reported} reported so far")
    return "; ".join(parts)


def _bad(counted: RuleCount) -> str:
    """Nothing, where nothing can be said."""
    return f"{counted.bad} of {counted.matured}" if counted.matured else ""


def _percent(rate: RuleRate | None) -> str:
    """With the 95 % interval: `75.0 % (53.1 to 88.8)`."""
    if rate is None:
        return ""
    return f"{rate.value * 100:.1f} % ({rate.low * 100:.1f} to {rate.high * 100:.1f})"


def _amounts(counted: RuleCount) -> str:
    return ", ".join(
        money(sums.all, currency) if currency else str(sums.all)
        for currency, sums in sorted(counted.amounts.items())
    )
