"""Models as the command line shows them to people."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from rich.console import Console

from caudal.cli.paging import more
from caudal.cli.terminal import cell, facts, table
from caudal.models import (
    Card,
    Comparison,
    Contribution,
    DriftReport,
    ModelView,
    Registered,
    Score,
    ServingView,
)

_SHOWN: Final = 5
"""Of what a contract or a gate has to say."""


def show_facts(out: Console, told: Mapping[str, Any]) -> None:
    """What there is to say, a line each."""
    out.print(facts([(name.replace("_", " "), _plain(value)) for name, value in told.items()]))


def show_model(out: Console, view: ModelView, missed: Sequence[str]) -> None:
    """A model: where it stands, what its card says, what the gate would."""
    card, measured = msgspec.convert(view.card, Card), view.measured
    training = card.training
    rows: list[tuple[str, Any]] = [
        ("model", f"{view.name}@{view.version}"),
        ("id", view.id),
        ("stage", view.stage.value + (f" ({view.share} %)" if view.share else "")),
        ("kind", f"{view.kind.value}, {len(card.inputs)} inputs, {view.size:,} bytes"),
        ("about", card.about),
        ("hash", view.hash),
        ("registered", view.registered_at),
        ("by", view.registered_by),
        ("trained on", f"{training.rows:,} rows, {training.positives:,} of them bad; {training.protocol}"),
        ("data", training.data_hash),
        ("latency", f"{measured.latency_us:.1f} µs, 99 in 100 within {measured.latency_p99_us:.1f} µs"),
    ]
    for name, metric in card.metrics.items():
        span = (
            "" if metric.low is None or metric.high is None else f" ({metric.low:.4f} to {metric.high:.4f})"
        )
        rows.append((name, f"{metric.value:.4f}{span}"))
    rows += _some("contract", measured.broken)
    rows += _some("gate", missed) or [("gate", "passed")]
    out.print(facts(rows))


def _first(told: Sequence[str]) -> list[str]:
    """The first of them, and how many more there are; `--json` has all."""
    more = len(told) - _SHOWN
    return [*told[:_SHOWN], *([f"… and {more} more"] if more > 0 else [])]


def _some(name: str, told: Sequence[str]) -> list[tuple[str, object]]:
    return [(name, each) for each in _first(told)]


def show_models(out: Console, views: Sequence[ModelView], cursor: str | None) -> None:
    """Models, a line each."""
    shown = table("model", "stage", "kind", "purpose", "registered", "by", "id")
    for view in views:
        stage = view.stage.value + (f" {view.share} %" if view.share else "")
        shown.add_row(
            f"{view.name}@{view.version}", stage, view.kind.value, view.purpose.value,
            cell(view.registered_at), view.registered_by, view.id,
        )  # fmt: skip
    out.print(shown if views else "No models: rules and lists alone decide.")
    more(out, cursor)


def show_serving(out: Console, view: ServingView) -> None:
    """Who decides, by which terms."""
    terms = view.terms
    rows: list[tuple[str, Any]] = [
        ("version", str(view.version)),
        ("purpose", view.purpose.value),
        ("champion", view.champion or "none: no model decides; where one did, the fallback does"),
        ("challenger", None if view.challenger is None else f"{view.challenger} ({view.share} %)"),
        *(("shadow", each) for each in view.shadows),
        ("challenge at", terms.challenge_at),
        ("review at", terms.review_at),
        ("decline at", terms.decline_at),
        ("fallback", terms.fallback.value),
        ("changed", view.at),
        ("by", view.by),
        ("reason", view.reason),
    ]
    out.print(facts([(name, _plain(value)) for name, value in rows if value is not None]))


def show_history(out: Console, views: Sequence[ServingView], cursor: str | None) -> None:
    """Changes of what serves, a line each."""
    shown = table("version", "purpose", "what", "model", "champion", "share", "at", "by", "reason")
    for view in views:
        shown.add_row(
            str(view.version), view.purpose.value, view.what or "", view.model or "", view.champion or "",
            str(view.share) if view.challenger else "", cell(view.at), view.by or "", view.reason or "",
        )  # fmt: skip
    out.print(shown if views else "Nothing ever served.")
    more(out, cursor)


def show_score(out: Console, model: Registered, score: Score, reasons: Sequence[Contribution]) -> None:
    """A score and its reasons."""
    rows: list[tuple[str, Any]] = [
        ("model", model.label),
        ("score", "none" if score.value is None else f"{score.value:.6f}"),
        ("why", score.why),
        *_some("missing", score.missing),
    ]
    out.print(facts([(name, value) for name, value in rows if value is not None]))
    shown = table("reason", "points", "code", right=("points",))
    for one in reasons:
        shown.add_row(one.text, f"{one.points:+.4f}", one.code)
    out.print(shown if reasons else "Nothing raised the risk.")


def show_comparison(out: Console, label: str, compared: Comparison | None, missed: Sequence[str]) -> None:
    """A model beside the champion, a line to a measure."""
    if compared is None:
        out.print(f"There is no champion that {label} could be compared with.")
    else:
        out.print(
            f"{label} beside {compared.champion}: {compared.rows:,} decisions that neither was trained on, "
            f"{compared.bad:,} of them with a bad end."
        )
        shown = table(
            "measure", compared.champion, label, "difference", "95 % interval", right=("difference",)
        )
        for one in compared.differences:
            shown.add_row(
                one.measure.replace("_", " "), f"{one.champion:.4f}", f"{one.challenger:.4f}",
                f"{one.difference:+.4f}", f"{one.low:+.4f} to {one.high:+.4f}",
            )  # fmt: skip
        out.print(shown if compared.differences else "That is too few for anything to be said.")
    out.print(facts(_some("gate", missed) or [("gate", "passed")]))


def show_drift(out: Console, reports: Sequence[tuple[dt.datetime, DriftReport]]) -> None:
    """What came of looking, a line each."""
    shown = table("measured", "rows", "score PSI", "worst input", "CSI", "labels", "over its bound")
    for at, report in reports:
        worst = max(report.inputs.items(), key=lambda pair: pair[1], default=("", 0.0))
        shown.add_row(
            cell(at), str(report.rows), "" if report.score is None else f"{report.score:.3f}", worst[0],
            f"{worst[1]:.3f}" if worst[0] else "", "" if report.rate is None else f"{report.rate:.2%}",
            "; ".join(_first(report.over)),
        )  # fmt: skip
    out.print(shown if reports else "Nobody has looked yet.")


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple | list):
        return "; ".join(str(each) for each in value) or "nothing"
    return (
        str(value.value)
        if hasattr(value, "value")
        else value
        if isinstance(value, dt.datetime)
        else str(value)
    )
