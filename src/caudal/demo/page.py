"""The report of a day as one HTML page: nothing comes from elsewhere, no script, light and dark. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib import resources
from typing import Any, Final

from caudal.demo import plots
from caudal.demo.partners import FALTERS
from caudal.demo.plots import Band, Curve, Time
from caudal.demo.schedule import AFTER, CLOSES, PHASES, SPIKE, Day
from caudal.demo.tables import Table, tables
from caudal.demo.types import Report

_PARTNERS: Final = {"stripe": "first", "meridian": "second", "bank": "third", "internal": "fourth"}


def page(report: Report) -> str:
    """The whole page."""
    style = resources.files("caudal.demo").joinpath("page.css").read_text(encoding="utf-8")
    body = "".join((*_head(report), *_plots(report), *_tables(report), *_foot(report)))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>A trading day</title><style>{style}</style></head><body><main>{body}</main></body></html>\n"
    )


def _head(report: Report) -> Iterator[str]:
    given = report.parameters
    yield "<header><h1>A trading day</h1>"
    yield (
        f"<p>From 08:00 to 17:30 in {given.seconds:g} seconds: two hot accounts, {given.rate:g} payments a "
        f"second, {SPIKE:g} times as many from 12:45 to 14:00, and {FALTERS} down from 13:30 to 15:00. "
        f"{_counted(given.processes, 'process', 'processes')} of the API, "
        f"{_counted(given.processes, 'worker', 'workers')}.</p>"
    )
    broken = [each for each in report.invariants if not each.holds]
    if broken:
        names = ", ".join(each.name for each in broken)
        yield f'<p class="verdict broken"><b>Broken:</b> {escape(names)}.</p>'
    else:
        yield (
            f'<p class="verdict holds"><b>All {len(report.invariants)} invariants hold.</b> Nothing was '
            "lost, nothing was done twice, and the partners' books are ours to the cent.</p>"
        )
    yield '<dl class="tiles">'
    for name, value, note in _tiles(report):
        yield f"<div><dt>{escape(name)}</dt><dd>{value}<small>{escape(note)}</small></dd></div>"
    yield "</dl></header>"


def _tiles(report: Report) -> Iterator[tuple[str, str, str]]:
    spike = next(phase for phase in report.phases if phase.name == "spike")
    refused = sum(report.duplicates.refused.values())
    over = sum(route.taken_over for route in report.routes)
    unknowns, webhooks = report.unknowns, report.webhooks
    yield "payments", f"{report.payments:,}", f"{report.outcomes.get('succeeded', 0):,} succeeded"
    yield "offered in the spike", f"{spike.offered_per_second:,.0f}/s", f"{report.shed.answers:,} shed"
    yield "answered in the spike", f"{spike.answer.p50_ms:,.0f} ms", f"p99 {spike.answer.p99_ms:,.0f} ms"
    yield "taken over", f"{over:,}", "begun with one partner, ended with another"
    yield "unknown outcomes", f"{unknowns.count:,}", f"{unknowns.resolved:,} resolved"
    yield "duplicates", f"{report.duplicates.sent:,}", f"{refused:,} refused, none had an effect"
    yield (
        "webhooks",
        f"{webhooks.arrived:,}",
        f"{webhooks.retried:,} retried, p99 {webhooks.delay.p99_ms:,.0f} ms",
    )


def time_of(report: Report) -> Time:
    """The axis of the day: ticks at full hours, the spike and the outage shaded."""
    day = Day(report.parameters.seconds, report.parameters.rate)
    ends = max(day.seconds, len(report.series.offered) * report.series.bucket_s)
    high = [phase for phase in PHASES if phase.load[0] >= SPIKE]
    down = [phase for phase in PHASES if phase.outage]
    bands = [
        Band(name="spike", begins=day.second(high[0].begins), ends=day.second(high[-1].ends), kind="spike"),
        Band(
            name=f"{FALTERS} down", begins=day.second(down[0].begins), ends=day.second(down[-1].ends),
            kind="outage", row=1,
        ),
    ]  # fmt: skip
    if ends > day.seconds:
        bands.append(Band(name=AFTER, begins=day.seconds, ends=ends, kind="after"))
    ticks = [(day.second(hour), day.clock(day.second(hour))) for hour in range(8, int(CLOSES) + 1)]
    return Time(ends=ends, ticks=ticks, bands=bands)


def _plots(report: Report) -> Iterator[str]:
    time = time_of(report)
    for make in (_rates, _latencies, _routes, _partners, _backlog):
        yield make(report, time)


def _rates(report: Report, time: Time) -> str:
    series = report.series
    drawn = [
        Curve(name="offered", points=_spread(report, series.offered), kind="first"),
        Curve(name="accepted", points=_spread(report, series.accepted), kind="second"),
        Curve(name="finished", points=_spread(report, series.finished), kind="third"),
    ]
    label = "Payments a second that were offered, accepted and finished"
    told = "What came, what was accepted, and what had come to its end."
    return _curves("Payments a second", told, drawn, plots.curves(time, drawn, label=label))


def _latencies(report: Report, time: Time) -> str:
    series = report.series
    drawn = [
        Curve(name="answer, p50", points=_spread(report, series.p50_ms), kind="first"),
        Curve(name="answer, p99", points=_spread(report, series.p99_ms), kind="first dashed"),
        Curve(name="end of the payment, p50", points=_spread(report, series.end_p50_ms), kind="second"),
        Curve(
            name="end of the payment, p99", points=_spread(report, series.end_p99_ms), kind="second dashed"
        ),
    ]
    svg = plots.curves(time, drawn, label="Latencies at p50 and p99", logarithmic=True)
    told = "From the moment when a request was due. The scale is logarithmic."
    return _curves("How long it took", told, drawn, svg)


def _routes(report: Report, time: Time) -> str:
    series = report.series
    drawn = {name: (kind, series.routes[name]) for name, kind in _PARTNERS.items() if name in series.routes}
    svg = plots.areas(time, series.bucket_s, drawn, label="Payments a second by partner")
    legend = _legend({name: f"{kind} filled" for name, (kind, _) in drawn.items()})
    told = "Payments a second that came, by the partner with whom they ended."
    return _figure("Where payments went", told, legend, svg)


def _partners(report: Report, time: Time) -> str:
    svg = plots.strip(time, _healths(report), label="The health of each partner over the day")
    told = "As routing saw it: a partner that is down gets nothing new."
    return _figure("How partners were", told, "", svg)


def _backlog(report: Report, time: Time) -> str:
    looks = report.series.backlog
    drawn = [
        Curve(name="payments not ended", points=[(b.second, b.open) for b in looks], kind="first"),
        Curve(name="jobs that could run", points=[(b.second, b.jobs) for b in looks], kind="second"),
        Curve(name="webhooks on their way", points=[(b.second, b.webhooks) for b in looks], kind="third"),
        Curve(name="outcomes unknown", points=[(b.second, b.unknown) for b in looks], kind="fourth"),
    ]
    svg = plots.curves(time, drawn, label="Payments, jobs, webhooks and unknown outcomes that wait")
    return _curves("What waited", "Looked at twice a second.", drawn, svg)


def _spread(report: Report, values: Sequence[float | None]) -> list[tuple[float, float | None]]:
    """Each value in the middle of its piece of time."""
    piece = report.series.bucket_s
    return [((place + 0.5) * piece, value) for place, value in enumerate(values)]


def _curves(title: str, told: str, drawn: Sequence[Curve], svg: str) -> str:
    return _figure(title, told, _legend({curve.name: curve.kind for curve in drawn}), svg)


def _healths(report: Report) -> dict[str, list[tuple[float, str]]]:
    """For each partner, from when on it was how."""
    found: dict[str, list[tuple[float, str]]] = {}
    for look in report.series.backlog:
        for name, health in look.health.items():
            states = found.setdefault(name, [(0.0, health)])
            if states[-1][1] != health:
                states.append((look.second, health))
    return found


def _figure(title: str, told: str, legend: str, svg: str) -> str:
    return (
        f"<figure><figcaption><h2>{escape(title)}</h2><p>{escape(told)}</p>{legend}</figcaption>"
        f'<div class="wide">{svg}</div></figure>'
    )


def _legend(kinds: Mapping[str, str]) -> str:
    entries = []
    for name, kind in kinds.items():
        drawn = (
            f'<rect class="area {kind}" x="0" y="3" width="26" height="10"/>'
            if "filled" in kind
            else f'<line class="curve {kind}" x1="0" x2="26" y1="8" y2="8"/>'
        )
        entries.append(f'<li><svg viewBox="0 0 26 16" aria-hidden="true">{drawn}</svg>{escape(name)}</li>')
    return f'<ul class="legend">{"".join(entries)}</ul>'


def _tables(report: Report) -> Iterator[str]:
    for each in tables(report):
        yield f"<section><h2>{escape(each.title)}</h2>"
        if each.note:
            yield f"<p>{escape(each.note)}</p>"
        yield f'<div class="wide">{_table(each)}</div></section>'


def _table(each: Table) -> str:
    right = [' class="number"' if column in each.right else "" for column in each.columns]
    head = "".join(
        f'<th scope="col"{kind}>{escape(name)}</th>' for name, kind in zip(each.columns, right, strict=True)
    )
    rows = "".join(
        "<tr>" + "".join(_cell(value, kind) for value, kind in zip(row, right, strict=True)) + "</tr>"
        for row in each.rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _cell(value: Any, kind: str) -> str:
    mark = {"holds": ' class="holds"', "BROKEN": ' class="broken"'}.get(str(value), kind)
    return f"<td{mark}>{escape(str(value))}</td>"


def _foot(report: Report) -> Iterator[str]:
    given = report.parameters
    cpu = ", ".join(f"{name} {seconds:g} s" for name, seconds in report.cpu.items())
    yield (
        f"<footer><p>{escape(report.machine)}. Processor time of the day: {escape(cpu)}. The last payment "
        f"had ended {report.after_s:g} s after the closing. All of it took {report.seconds:g} s."
        f" Again: <code>caudal demo day --seconds {given.seconds:g} --rate {given.rate:g}"
        f" --processes {given.processes} --seed {given.seed}</code></p></footer>"
    )


def _counted(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"
