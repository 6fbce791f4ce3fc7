"""The report: one HTML file that needs nothing else, for those who must say whether a model may decide."""

from collections.abc import Iterator
from html import escape
from importlib import resources

from caudal import models
from caudal.training import metrics, plots
from caudal.training.plots import Line
from caudal.training.report_parts import data, figure, inside, table
from caudal.training.service import Trained
from caudal.training.types import Candidate, Division, Figures, Interval

_KINDS = ("a", "b", "c", "d")


def html(trained: Trained) -> str:
    """The whole page."""
    style = resources.files("caudal.training").joinpath("report.css").read_text(encoding="utf-8")
    best = trained.candidate(trained.recommended)
    title = f"{trained.order.name}: {'fraud' if _is_fraud(trained) else 'credit'} model"
    body = "".join(
        part
        for parts in (
            _head(trained, best, title),
            _compared(trained),
            _discrimination(trained),
            _calibrated(trained),
            _lifted(best),
            _leaks(trained),
            _fair(trained, best),
            inside(trained),
            data(trained),
        )
        for part in parts
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{escape(title)}</title>'
        f"<style>{style}</style></head><body>{body}</body></html>\n"
    )


def _is_fraud(trained: Trained) -> bool:
    return trained.order.purpose is models.Purpose.FRAUD


def _head(trained: Trained, best: Candidate, title: str) -> Iterator[str]:
    yield f"<header><h1>{escape(title)}</h1>"
    division = trained.division
    yield f"<p>The risk is <b>{escape(trained.roles.target)} = {escape(trained.roles.positive)}</b>.</p>"
    yield f'<p class="soft">Validated {escape(division.said)}. '
    if division.train_span and division.test_span:
        yield (f"Training {escape(division.train_span.said)}; test {escape(division.test_span.said)}. ")
    yield f"{trained.rows:,} rows to train on, {trained.positives:,} of them with the risk.</p></header>"
    figures = best.figures
    yield f"<p>Begin with <b>{escape(best.learner)}</b>. {escape(best.about)}.</p>"
    yield '<div class="tiles">'
    recall = figures.recall_at_fpr["0.01"]
    for name, value, note in (
        ("AUC", f"{figures.auc.value:.3f}", _between(figures.auc)),
        ("KS", f"{figures.ks.value:.3f}", _between(figures.ks)),
        ("Average precision", f"{figures.ap.value:.3f}", _between(figures.ap)),
        ("Caught at 1 % false alarms", f"{recall.value:.0%}", _between(recall)),
        ("Calibration error", f"{figures.calibration_error:.4f}", "mean distance of ten bins"),
        ("Score stability (PSI)", f"{figures.stability:.3f}", _stable(trained, figures)),
    ):
        yield f'<div class="tile"><span>{name}</span><b>{value}</b><span>{note}</span></div>'
    yield "</div>"


def _between(interval: Interval) -> str:
    return f"95 % interval {interval.low:.3f} to {interval.high:.3f}"


def _stable(trained: Trained, figures: Figures) -> str:
    if trained.division.division is Division.CROSS_VALIDATION:
        return "between halves: no later time to compare with"
    if figures.stability < 0.1:
        return "training to test: below 0.1, stable"
    return "training to test: " + (
        "0.1 to 0.25, moved" if figures.stability < 0.25 else "above 0.25, moved far"
    )


def _compared(trained: Trained) -> Iterator[str]:
    if len(trained.candidates) < 2:
        return
    yield "<h2>Which model</h2>"
    yield (
        "<p>A model of sums whose every part can be read is recommended unless another's AUC is ahead for "
        "certain: its interval of the difference is above zero.</p>"
    )
    rows = [
        (each.learner, each.figures.auc.value, each.figures.auc.low, each.figures.auc.high)
        for each in trained.candidates
    ]
    yield figure("AUC with 95 % intervals", plots.intervals(rows, label="AUC of the models", x="AUC"))
    gaps = {each.learner: each.difference for each in trained.comparisons}
    yield table(
        ("Model", "AUC", "KS", "Average precision", "Calibration error", "AUC against the recommended"),
        [
            (
                each.learner,
                f"{each.figures.auc.value:.4f}",
                f"{each.figures.ks.value:.4f}",
                f"{each.figures.ap.value:.4f}",
                f"{each.figures.calibration_error:.4f}",
                _gap(gaps.get(each.learner)),
            )
            for each in trained.candidates
        ],
    )


def _gap(interval: Interval | None) -> str:
    if interval is None:
        return "recommended"
    return f"{interval.value:+.4f} ({interval.low:+.4f} to {interval.high:+.4f})"


def _discrimination(trained: Trained) -> Iterator[str]:
    yield "<h2>How well it tells them apart</h2><div class='pair'>"
    curves = list(zip(trained.candidates, _KINDS, strict=False))
    guide = Line(name="chance", points=((0, 0), (1, 1)), kind="guide")
    yield figure(
        "Caught against false alarms (ROC)",
        plots.lines(
            [guide, *(Line(name=each.learner, points=each.figures.roc, kind=kind) for each, kind in curves)],
            label="ROC curve",
            x="share of the others flagged",
            y="share of the risk caught",
            x_to=1,
            y_to=1,
        ),
    )
    yield figure(
        "Precision against the share caught",
        plots.lines(
            [
                Line(name=each.learner, points=each.figures.precision_recall, kind=kind)
                for each, kind in curves
            ],
            label="Precision and recall",
            x="share of the risk caught",
            y="share of flagged that is",
            x_to=1,
            y_to=1,
        ),
    )
    yield "</div>"
    yield table(
        ("At false alarms of", *(each.learner for each in trained.candidates)),
        [
            (
                f"{rate:.1%}",
                *(_caught(each.figures.recall_at_fpr[str(rate)]) for each in trained.candidates),
            )
            for rate in metrics.FALSE_POSITIVE_RATES
        ],
    )


def _caught(interval: Interval) -> str:
    return f"{interval.value:.1%} ({interval.low:.1%} to {interval.high:.1%})"


def _calibrated(trained: Trained) -> Iterator[str]:
    yield "<h2>Whether probabilities are true</h2><div class='pair'>"
    most = max(
        max(each.predicted, each.observed)
        for candidate in trained.candidates
        for each in candidate.figures.reliability
    )
    # A fraction that four parts divide into round percentages.
    ends = min(1.0, plots.above(most))
    yield figure(
        "What was predicted, and what came",
        plots.lines(
            [
                Line(name="true", points=((0, 0), (ends, ends)), kind="guide"),
                *(
                    Line(
                        name=each.learner,
                        points=[(one.predicted, one.observed) for one in each.figures.reliability],
                        kind=kind,
                        dots=True,
                    )
                    for each, kind in zip(trained.candidates, _KINDS, strict=False)
                ),
            ],
            label="Reliability in ten bins",
            x="predicted",
            y="observed",
            x_to=ends,
            y_to=ends,
        ),
    )
    best = trained.candidate(trained.recommended)
    good, bad = (sum(each[place] for each in best.figures.histogram) or 1 for place in (1, 2))
    yield figure(
        f"Scores by outcome ({best.learner})",
        plots.columns(
            [
                (f"{edge:.2g}", (fine / good * 100, risky / bad * 100))
                for edge, fine, risky in best.figures.histogram
            ],
            (("without the risk", "a"), ("with the risk", "b")),
            label="Histogram of scores",
            x="probability from",
            y="% of each outcome",
        ),
    )
    yield "</div>"


def _lifted(best: Candidate) -> Iterator[str]:
    yield "<h2>Lift</h2><div class='pair'>"
    yield figure(
        "Lift of each tenth, the riskiest first",
        plots.columns(
            [(str(each.tenth), (each.lift,)) for each in best.figures.lifts],
            (("lift", "a"),),
            label="Lift by tenths",
            x="tenth of the rows",
            y="times the mean rate",
        ),
    )
    yield "<div>" + table(
        ("Tenth", "Rows", "With the risk", "Rate", "Caught so far"),
        [
            (
                str(each.tenth),
                f"{each.rows:,}",
                f"{each.positives:,}",
                f"{each.rate:.2%}",
                f"{each.caught:.1%}",
            )
            for each in best.figures.lifts
        ],
    )
    yield "</div></div>"


def _leaks(trained: Trained) -> Iterator[str]:
    yield "<h2>Columns that know too much</h2>"
    if not trained.suspects:
        yield (
            '<p class="fine">None: no column alone predicts better than all others together, none is the '
            "outcome by another name, no date lies behind the decision.</p>"
        )
        return
    yield (
        '<p class="warn">These columns may be known only after the outcome. Ask where each comes from before '
        "anything is decided by it; <code>--keep COLUMN</code> trains on it all the same.</p>"
    )
    yield table(
        ("Column", "Why", "What was done"),
        [
            (each.name, each.why, "left out" if each.left_out else "kept: look at it")
            for each in trained.suspects
        ],
        right=0,
    )


def _fair(trained: Trained, best: Candidate) -> Iterator[str]:
    yield "<h2>Fairness by group</h2>"
    groups = best.figures.groups
    if not groups:
        yield (
            "<p>Not looked at. Name the columns of protected groups with <code>--group COLUMN</code>; they "
            "need not be inputs of the model.</p>"
        )
        return
    share = "99 %" if _is_fraud(trained) else "80 %"
    yield (
        f"<p>At the cut-off that lets {share} of all pass. A group that passes less than four fifths as "
        "often as the one that passes most often shows adverse impact (29 CFR 1607.4 D).</p>"
    )
    for attribute in dict.fromkeys(group.attribute for group in groups):
        yield f"<h3>{escape(attribute)}</h3>"
        yield table(
            ("Group", "Rows", "Rate of the risk", "Pass", "Ratio", "AUC"),
            [
                (
                    group.group,
                    f"{group.rows:,}",
                    f"{group.bad_rate:.1%}",
                    f"{group.approved:.1%}",
                    f"{group.ratio:.2f}" + (" below 0.8" if group.ratio < metrics.FOUR_FIFTHS else ""),
                    "" if group.auc is None else f"{group.auc:.3f}",
                )
                for group in groups
                if group.attribute == attribute
            ],
        )
