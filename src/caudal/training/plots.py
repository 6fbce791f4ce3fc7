"""Plots of the report as inline SVG. Pure: colours and fonts are the page's, texts stay texts."""

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

import msgspec

WIDTH: Final = 460
HEIGHT: Final = 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 14, 44
_MOST_BARS: Final = 20
_LABEL: Final = 26
"""Letters of a bar's name that have room."""

Points = Sequence[tuple[float, float]]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A curve."""

    name: str
    points: Points
    kind: str = "a"
    """Its class: a to d are colours, `guide` is dashed and grey."""
    dots: bool = False


def lines(
    drawn: Sequence[Line],
    *,
    label: str,
    x: str,
    y: str,
    x_to: float | None = None,
    y_to: float | None = None,
    percent: bool = True,
) -> str:
    """Curves from 0 on; `label` says what is shown to whom does not see it."""
    ends_x = x_to or above(max((each[0] for line in drawn for each in line.points), default=1.0))
    ends_y = y_to or above(max((each[1] for line in drawn for each in line.points), default=1.0))
    body = list(_axes(ends_x, ends_y, x, y, percent=percent))
    for line in drawn:
        places = [(_x(one / ends_x), _y(other / ends_y)) for one, other in line.points]
        path = " ".join(f"{left:.1f},{top:.1f}" for left, top in places)
        body.append(f'<polyline class="line {line.kind}" points="{path}">{_title(line.name)}</polyline>')
        if line.dots:
            body += [
                f'<circle class="dot {line.kind}" cx="{left:.1f}" cy="{top:.1f}" r="3.5"/>'
                for left, top in places
            ]
    named = [line for line in drawn if line.kind != "guide"]
    return _svg(body, label) + _legend([(line.name, line.kind) for line in named] if len(named) > 1 else [])


def columns(
    groups: Sequence[tuple[str, Sequence[float]]],
    names: Sequence[tuple[str, str]],
    *,
    label: str,
    x: str,
    y: str,
) -> str:
    """Columns beside one another: for each group its name and a value for each of `names` (with class)."""
    highest = above(max((value for _, values in groups for value in values), default=1.0))
    body = list(_axes(None, highest, x, y, percent=False))
    room = (WIDTH - _LEFT - _RIGHT) / max(1, len(groups))
    width = room * 0.84 / max(1, len(names))
    skip = math.ceil(len(groups) / 10)
    for number, (name, values) in enumerate(groups):
        left = _LEFT + number * room + room * 0.08
        for (what, kind), value in zip(names, values, strict=True):
            top = _y(value / highest)
            body.append(
                f'<rect class="bar {kind}" x="{left:.1f}" y="{top:.1f}" width="{max(width, 0.5):.1f}" '
                f'height="{_y(0) - top:.1f}">{_title(f"{name}, {what}: {_number(value)}")}</rect>'
            )
            left += width
        if number % skip == 0:
            body.append(_text(_LEFT + (number + 0.5) * room, _y(0) + 16, name))
    return _svg(body, label) + _legend(names if len(names) > 1 else [])


def bars(values: Sequence[tuple[str, float]], *, label: str) -> str:
    """Bars with their names at the left, the greatest first."""
    shown = values[:_MOST_BARS]
    height = 16 + 22 * len(shown)
    highest = max((value for _, value in shown), default=1.0) or 1.0
    begins, room = 178, WIDTH - 178 - 56
    body = []
    for number, (name, value) in enumerate(shown):
        top = 8 + 22 * number
        short = name if len(name) <= _LABEL else name[: _LABEL - 1] + "…"
        width = room * value / highest
        body.append(_text(begins - 8, top + 13, short, side="end", title=name))
        body.append(f'<rect class="bar a" x="{begins}" y="{top + 2}" width="{width:.1f}" height="15"/>')
        body.append(f'<text class="tick" x="{begins + width + 5:.1f}" y="{top + 13}">{value:.1%}</text>')
    return _svg(body, label, height=height)


def intervals(
    rows: Sequence[tuple[str, float, float, float]], *, label: str, x: str, guide: float | None = None
) -> str:
    """Values with their intervals, one a line, over a common scale."""
    height = 44 + 34 * len(rows)
    low = min([each[2] for each in rows] + ([guide] if guide is not None else []))
    high = max([each[3] for each in rows] + ([guide] if guide is not None else []))
    spread = (high - low) or 0.1
    low, high = low - 0.06 * spread, high + 0.06 * spread
    begins, ends = 150, WIDTH - 24

    def place(value: float) -> float:
        return begins + (ends - begins) * (value - low) / (high - low)

    body = []
    for tick in _ticks_between(low, high):
        at = place(tick)
        body.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="6" y2="{height - 36}"/>')
        body.append(f'<text class="tick mid" x="{at:.1f}" y="{height - 22}">{tick:.3g}</text>')
    if guide is not None:
        body.append(_rule("line guide", place(guide), 6, place(guide), height - 36))
    for number, (name, value, least, most) in enumerate(rows):
        middle = 24 + 34 * number
        short = name if len(name) <= 22 else name[:21] + "…"
        body.append(_text(begins - 10, middle + 4, short, side="end", title=name))
        body.append(_rule("line a", place(least), middle, place(most), middle))
        dot = f'<circle class="dot a" cx="{place(value):.1f}" cy="{middle}" r="5">'
        body.append(f"{dot}{_title(f'{value:.4f}')}</circle>")
    body.append(f'<text class="tick mid" x="{(begins + ends) / 2}" y="{height - 5}">{escape(x)}</text>')
    return _svg(body, label, height=height)


def _axes(ends_x: float | None, ends_y: float, x: str, y: str, *, percent: bool) -> Iterator[str]:
    for part in (0.0, 0.25, 0.5, 0.75, 1.0):
        top = _y(part)
        yield f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{top:.1f}" y2="{top:.1f}"/>'
        yield _text(_LEFT - 6, top + 4, _tick(part * ends_y, percent), side="end")
        if ends_x is not None:
            side = "end" if part == 1.0 else "mid"
            yield _text(_x(part), _y(0) + 16, _tick(part * ends_x, percent), side=side)
    yield f'<text class="tick mid" x="{(_LEFT + WIDTH - _RIGHT) / 2}" y="{HEIGHT - 6}">{escape(x)}</text>'
    middle = (_TOP + HEIGHT - _BOTTOM) / 2
    yield f'<text class="tick mid" x="12" y="{middle}" transform="rotate(-90 12 {middle})">{escape(y)}</text>'


def _text(x: float, y: float, text: str, *, side: str = "mid", title: str | None = None) -> str:
    tip = "" if title is None else _title(title)
    return f'<text class="tick {side}" x="{x:.1f}" y="{y:.1f}">{tip}{escape(text)}</text>'


def _rule(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}"/>'


def _title(text: str) -> str:
    return f"<title>{escape(text)}</title>"


def _tick(value: float, percent: bool) -> str:
    if not percent:
        return _number(value)
    return f"{value * 100:.3g}%"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _x(share: float) -> float:
    return _LEFT + min(1.0, max(0.0, share)) * (WIDTH - _LEFT - _RIGHT)


def _y(share: float) -> float:
    return HEIGHT - _BOTTOM - min(1.0, max(0.0, share)) * (HEIGHT - _BOTTOM - _TOP)


def above(highest: float) -> float:
    """The round value above: 1, 2, 4 or 5 times a power of ten, which four parts divide well."""
    if highest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest))
    return next(each * power for each in (1, 2, 4, 8, 10) if each * power >= highest * (1 - 1e-9))


def _ticks_between(low: float, high: float) -> list[float]:
    raw = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(each * power for each in (1, 2, 5, 10) if each * power >= raw)
    first = math.ceil(low / step)
    return [number * step for number in range(first, math.floor(high / step) + 1)]


def _svg(body: Sequence[str], label: str, height: float = HEIGHT) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label, quote=True)}">'
        f"{''.join(body)}</svg>"
    )


def _legend(names: Sequence[tuple[str, str]]) -> str:
    if not names:
        return ""
    items = "".join(f'<li><span class="key {kind}"></span>{escape(name)}</li>' for name, kind in names)
    return f'<ul class="legend">{items}</ul>'
