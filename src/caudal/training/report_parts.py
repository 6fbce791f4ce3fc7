"""The report's second half: what the models go by, and the data; with the pieces that all parts share."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

import numpy as np

from caudal import models
from caudal.training import learners, metrics, plots
from caudal.training.service import Trained
from caudal.training.types import Division


def inside(trained: Trained) -> Iterator[str]:
    """What each model goes by, and the scorecard's table."""
    yield "<h2>What the models go by</h2><div class='pair'>"
    for each in trained.candidates:
        ranked = sorted(each.learned.importance.items(), key=lambda one: -one[1])
        yield figure(
            f"{each.learner}: share of the inputs", plots.bars(ranked, label=f"Importance in {each.learner}")
        )
    yield "</div>"
    for each in trained.candidates:
        if each.learned.bins:
            yield "<h2>The scorecard</h2>"
            link = learners.LINKS[each.learner]
            yield (
                f"<p>Points: {link.base_points:g} at odds of {link.base_odds:g} to 1, doubled every "
                f"{link.double_odds:g}. More points are better.</p>"
                if isinstance(link, models.Points)
                else ""
            )
            yield table(
                ("Input", "Values", "Rows", "Rate of the risk", "Weight of evidence", "Points"),
                [
                    (
                        one.input,
                        one.label,
                        f"{one.rows:,}",
                        f"{one.bad_rate:.1%}",
                        f"{one.evidence:+.3f}",
                        f"{one.points:+d}",
                    )
                    for one in each.learned.bins
                ],
                right=2,
            )


def data(trained: Trained) -> Iterator[str]:
    """The file, its columns, and what was left out of it."""
    yield "<h2>The data</h2>"
    file = trained.table
    facts: list[tuple[str, Any]] = [
        ("File", trained.order.path.name),
        ("BLAKE2b-256", file.hash),
        ("Rows with an outcome", f"{file.rows:,}"),
        ("Outcome", f"{trained.roles.target} = {trained.roles.positive}"),
        ("Time", trained.roles.time or "none"),
        ("Inputs", f"{len(trained.names)}: {', '.join(trained.names)}"),
        *(("Found out", said) for said in trained.roles.found),
        *_day_by_day(trained),
    ]
    yield table(("", ""), facts, right=0)
    if trained.roles.left_out:
        yield "<h3>Left out</h3>"
        yield table(("Column", "Why"), list(trained.roles.left_out.items()), right=0)
    if file.bad_count:
        yield f"<h3>Rows left out: {file.bad_count:,}</h3>"
        yield table(("Row", "Why"), [(str(row.number), row.why) for row in file.bad_rows], right=0)
    odd = [column for column in file.columns.values() if column.unreadable]
    if odd:
        yield "<h3>Values taken as missing</h3>"
        yield table(
            ("Column", "How many", "The first"),
            [(column.name, f"{column.unreadable:,}", column.example or "") for column in odd],
            right=0,
        )
    steady = [one for each in trained.candidates for one in each.learned.encoder.inputs if one.monotone]
    if steady:
        said = {one.name: "rises" if one.monotone > 0 else "falls" for one in steady}
        yield "<p>Held to a trend, because it is declared or clear in training: "
        yield escape(", ".join(f"the risk {way} with {name}" for name, way in said.items())) + ".</p>"
    moved = _moved(trained)
    if moved:
        yield "<h3>Inputs that moved from training to test</h3>"
        yield table(("Input", "PSI"), moved)
    yield (
        '<p class="soft">Intervals: AUC by DeLong; average precision, KS, recall by a stratified bootstrap; '
        "over folds by the corrected variance of Nadeau and Bengio. Seeds are means.</p>"
    )


def _day_by_day(trained: Trained) -> Iterator[tuple[str, str]]:
    daily = trained.daily
    if daily is None:
        return
    yield (
        f"Card precision at {daily.looked_into}",
        f"{daily.precision:.3f}: of the riskiest payers of a day, mean of {daily.days} days",
    )
    if daily.new_auc is not None and daily.new_ap is not None:
        yield (
            "Payers not known as defrauded",
            f"AUC {daily.new_auc.value:.4f}, average precision {daily.new_ap.value:.4f}, card precision "
            f"{daily.new_precision:.3f}; {daily.new_rows:,} payments",
        )


def _moved(trained: Trained) -> list[tuple[str, str]]:
    """Inputs' stability, the least stable first, where there is a later time to compare with."""
    if trained.division.division is Division.CROSS_VALIDATION:
        return []
    found = []
    encoder = trained.candidates[-1].learned.encoder
    before = encoder.matrix(trained.table, trained.division.train)
    after = encoder.matrix(trained.table, trained.division.test)
    for place, one in enumerate(encoder.inputs):
        old, new = (each[:, place][np.isfinite(each[:, place])] for each in (before, after))
        if len(old) and len(new):
            found.append((metrics.stability(old, new), one.name))
    return [(name, f"{value:.3f}") for value, name in sorted(found, reverse=True)[:12]]


def figure(caption: str, svg: str) -> str:
    """A plot with its caption."""
    return f"<figure><figcaption>{escape(caption)}</figcaption>{svg}</figure>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: int = 1) -> str:
    """A table whose columns from `right` on are numbers; 0 for none."""

    def kind(place: int) -> str:
        return ' class="number"' if right and place >= right else ""

    top = "".join(f"<th{kind(place)}>{escape(name)}</th>" for place, name in enumerate(head))
    body = "".join(
        "<tr>"
        + "".join(f"<td{kind(place)}>{escape(str(cell))}</td>" for place, cell in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
