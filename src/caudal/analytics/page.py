"""A report as a page of one file: tables, and plots as SVG. Nothing in it comes from elsewhere."""

import html
import io
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from typing import Any, Final

import matplotlib as mpl
import msgspec
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from caudal.analytics.reports import Report
from caudal_base.money import format_decimal

_BLUE, _ORANGE, _RED, _GREY, _INK = "#0b62a8", "#b4500a", "#b3261e", "#8b949c", "#1d2327"
_CURRENCIES: Final = 4
"""So many currencies are plotted, those with most payments; the tables have all."""

_STYLE: Final = {
    "svg.fonttype": "none", "svg.hashsalt": "caudal", "font.family": "sans-serif", "font.size": 10,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.grid.axis": "y",
    "grid.color": "#dfe3e6", "axes.axisbelow": True, "figure.constrained_layout.use": True,
}  # fmt: skip

_FEWEST: Final = 7
"""Periods that a plot has room for, at least."""

Plot = tuple[str, Figure]


def page(report: Report) -> str:
    """The page."""
    style = files("caudal.analytics").joinpath("page.css").read_text(encoding="utf-8")
    span = "No payments"
    if report.since is not None:
        span = f"{report.since} until {report.until}, by {report.by.value}"
    name = f"Payments of {html.escape(report.book)}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name}</title><style>\n{style}</style></head><body><main>\n"
        f"<header><h1>{name}</h1><p>{html.escape(span)}. Amounts are in units of "
        "the currency; rates in basis points: 100 are one per cent.</p></header>\n"
        + "".join(
            f"<figure><figcaption><h2>{html.escape(title)}</h2></figcaption>"
            f'<div class="wide">{_svg(figure, title)}</div></figure>\n'
            for title, figure in plots(report)
        )
        + "".join(_tables(report))
        + "</main></body></html>\n"
    )


def plots(report: Report) -> list[Plot]:
    """The plots, each with its title."""
    with mpl.rc_context(_STYLE):
        return [*_volumes(report), *_frauds(report), *_losses(report), *_cohorts(report)]


def _svg(figure: Figure, title: str) -> str:
    written = io.StringIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(written, format="svg", metadata={"Date": None, "Title": title})
    text = written.getvalue()
    return text[text.index("<svg") :]


def _of_currencies(rows: Sequence[Any]) -> Iterator[tuple[str, list[Any]]]:
    """Rows by currency; of the currencies those with most payments or amounts."""
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(row.currency, []).append(row)
    most = sorted(found, key=lambda currency: (-sum(row.amount > 0 for row in found[currency]), currency))
    for currency in most[:_CURRENCIES]:
        yield currency, found[currency]


def _units(amounts: Sequence[int], currency: str) -> list[float]:
    return [float(format_decimal(amount, currency)) for amount in amounts]


def _axes(periods: Sequence[Any]) -> tuple[Figure, Any]:
    figure = Figure(figsize=(9.6, 2.9))
    axes = figure.subplots()
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True))
    # A single period is no wall of colour.
    axes.set_xlim(-0.6, max(len(periods), _FEWEST) - 0.4)
    names = [f"{period:%d %b %y}" for period in periods]
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda at, _: names[int(at)] if at == int(at) and 0 <= at < len(names) else "")
    )
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    return figure, axes


def _rate(axes: Any, values: Sequence[float | None], label: str, colour: str, ceiling: float | None) -> None:
    """A line over an axis of its own on the right."""
    right = axes.twinx()
    right.spines["right"].set_visible(True)
    right.grid(visible=False)
    right.plot(
        [np.nan if v is None else v for v in values], color=colour, marker="o", markersize=3, label=label
    )
    right.set_ylim(0, ceiling)
    right.set_ylabel(label, color=colour)
    right.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def _by_period(rows: Sequence[Any], of: Callable[[Any], int]) -> dict[Any, int]:
    found: dict[Any, int] = {}
    for row in rows:
        found[row.period] = found.get(row.period, 0) + of(row)
    return found


def _volumes(report: Report) -> Iterator[Plot]:
    for currency, rows in _of_currencies(report.volume):
        done = _by_period(rows, lambda row: row.succeeded_amount)
        asked = _by_period(rows, lambda row: row.amount)
        yes = _by_period(rows, lambda row: row.succeeded)
        no = _by_period(rows, lambda row: row.declined + row.failed)
        periods = list(done)
        figure, axes = _axes(periods)
        places = range(len(periods))
        axes.bar(places, _units([asked[p] for p in periods], currency), color="#c9dcec", label="asked for")
        axes.bar(places, _units([done[p] for p in periods], currency), color=_BLUE, label="carried out")
        axes.set_ylabel(currency)
        share = [10_000 * yes[p] / (yes[p] + no[p]) if yes[p] + no[p] else None for p in periods]
        _rate(axes, share, "approved, bp", _ORANGE, 10_500)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False)
        yield f"Volume in {currency}, and the share that was approved", figure


def _frauds(report: Report) -> Iterator[Plot]:
    for currency, rows in _of_currencies(report.fraud):
        if not any(row.payments for row in rows):
            continue
        figure, axes = _axes([row.period for row in rows])
        axes.bar(range(len(rows)), [row.frauds for row in rows], color=_RED, label="frauds")
        axes.set_ylabel("frauds")
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        _rate(axes, [row.fraud_amount_bp for row in rows], "of the amount, bp", _INK, None)
        yield f"Fraud in {currency}, by when it was paid; what is recent is not all known yet", figure


def _losses(report: Report) -> Iterator[Plot]:
    for currency, rows in _of_currencies(report.loss):
        if not any(row.lost or row.disputed or row.dispute_fees for row in rows):
            continue
        figure, axes = _axes([row.period for row in rows])
        below = np.zeros(len(rows))
        for name, colour, label in (
            ("lost", _RED, "lost"), ("dispute_fees", _ORANGE, "fees of disputes"),
            ("disputed", _GREY, "open disputes"),
        ):  # fmt: skip
            values = np.array(_units([getattr(row, name) for row in rows], currency))
            axes.bar(range(len(rows)), values, bottom=below, color=colour, label=label)
            below = below + values
        axes.set_ylabel(currency)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False)
        yield f"Loss in {currency}", figure


def _cohorts(report: Report) -> Iterator[Plot]:
    rows = report.cohorts
    if not rows:
        return
    months = sorted({row.month for row in rows})
    ages = max(row.age for row in rows) + 1
    share = np.full((len(months), ages), np.nan)
    for row in rows:
        share[months.index(row.month), row.age] = row.active_bp / 100
    figure = Figure(figsize=(9.6, 1.4 + 0.32 * len(months)))
    axes = figure.subplots()
    axes.grid(visible=False)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    axes.set_yticks(range(len(months)), [f"{month:%b %Y}" for month in months])
    axes.set_xticks(range(ages))
    axes.set_xlabel("months since the first payment")
    for (y, x), value in np.ndenumerate(share):
        if not np.isnan(value):
            axes.text(
                x, y, f"{value:.0f}", ha="center", va="center", color="white" if value > 55 else "#1d2327"
            )
    figure.colorbar(image, ax=axes, label="paying customers, %")
    yield "Customers by the month of their first payment: how many of them pay, in per cent", figure


def _tables(report: Report) -> Iterator[str]:
    for name in ("volume", "fraud", "loss", "cohorts"):
        rows = getattr(report, name)
        if rows:
            fields = msgspec.structs.fields(rows[0])
            head = "".join(f"<th>{html.escape(field.name.replace('_', ' '))}</th>" for field in fields)
            body = "".join(
                "<tr>" + "".join(f"<td>{_cell(row, field.name)}</td>" for field in fields) + "</tr>"
                for row in rows
            )
            yield (
                f"<section><h2>{name.capitalize()}</h2><div class='wide'><table>"
                f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></section>\n"
            )


_AMOUNTS: Final = frozenset(
    {"amount", "succeeded_amount", "fraud_amount", "disputed", "lost", "dispute_fees", "refunded"}
)


def _cell(row: Any, name: str) -> str:
    value = getattr(row, name)
    if value is None:
        return "-"
    if name in _AMOUNTS:
        whole, point, decimals = format_decimal(value, row.currency).partition(".")
        return f"{int(whole):,}{point}{decimals}"
    if isinstance(value, float):
        return f"{value:,.1f}"
    return html.escape(f"{value:,}" if isinstance(value, int) else str(value))
