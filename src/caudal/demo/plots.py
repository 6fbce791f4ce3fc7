"""Plots as inline SVG: curves, stacked areas and a strip of states over one axis of time. Pure.

Made here and not by a library: colours come from the page's stylesheet, so that one plot suits light and
dark, its words are text that a search and a screen reader find, and a report costs no dependency.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import Final

import msgspec

WIDTH: Final = 960
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 14, 38, 30
_HEIGHT: Final = 290
_ROW: Final = 26
"""Of a strip."""
_MOST_TICKS: Final = 6
_LEAST_LABELLED: Final = 26
"""A state that is drawn narrower has no text in it."""


class Band(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time that is shaded in every plot."""

    name: str
    begins: float
    ends: float
    kind: str
    """Its class in the stylesheet."""
    row: int = 0
    """In which of two rows its name stands, so that those of neighbours do not meet."""


class Time(msgspec.Struct, frozen=True, kw_only=True):
    """The axis that all plots of a page share, in seconds."""

    ends: float
    ticks: Sequence[tuple[float, str]]
    bands: Sequence[Band]

    def x(self, second: float) -> float:
        """Where a second is."""
        share = min(1.0, max(0.0, second / self.ends))
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """Values at evenly spaced times, or at given ones."""

    name: str
    points: Sequence[tuple[float, float | None]]
    """Second and value; a curve has a gap where there is none."""
    kind: str
    """Its class in the stylesheet: colour, and pattern of the line."""


def curves(time: Time, drawn: Sequence[Curve], *, label: str, logarithmic: bool = False) -> str:
    """A plot of curves over time; `label` says what it shows to whom does not see it."""
    values = [value for curve in drawn for _, value in curve.points if value is not None]
    scale = _Logarithmic(values) if logarithmic else _Linear(values)
    body = [
        f'<path class="curve {curve.kind}" d="{_path(time, curve, scale.y)}"><title>{escape(curve.name)}'
        "</title></path>"
        for curve in drawn
    ]
    return _plot(time, scale, body, label)


def areas(time: Time, piece: float, drawn: Mapping[str, tuple[str, Sequence[float]]], *, label: str) -> str:
    """A plot of areas that stand on one another: by name, the class and a value for each piece of time."""
    count = max((len(values) for _, values in drawn.values()), default=0)
    floor = [0.0] * count
    stacked = []
    for name, (kind, values) in drawn.items():
        top = [low + value for low, value in zip(floor, values, strict=True)]
        stacked.append((name, kind, floor, top))
        floor = top
    scale = _Linear(floor)
    body = []
    for name, kind, low, high in stacked:
        forth = [(place * piece, value) for place, value in enumerate(high)]
        back = [(place * piece, value) for place, value in enumerate(low)][::-1]
        points = " ".join(f"{time.x(second)},{scale.y(value)}" for second, value in (*forth, *back))
        body.append(f'<polygon class="area {kind}" points="{points}"><title>{escape(name)}</title></polygon>')
    return _plot(time, scale, body, label)


def strip(time: Time, rows: Mapping[str, Sequence[tuple[float, str]]], *, label: str) -> str:
    """Rows of states over time: for each name, from which second on it was in which state."""
    height = _TOP + len(rows) * _ROW + _BOTTOM
    body = []
    for number, (name, states) in enumerate(rows.items()):
        y = _TOP + number * _ROW
        body.append(f'<text class="tick end" x="{_LEFT - 8}" y="{y + 16}">{escape(name)}</text>')
        for (begins, state), (ends, _) in zip(states, [*states[1:], (time.ends, "")], strict=True):
            left, right = time.x(begins), time.x(ends)
            body.append(
                f'<rect class="state {state}" x="{left}" y="{y + 4}" width="{round(right - left, 1)}" '
                f'height="{_ROW - 8}"><title>{escape(f"{name}: {state}")}</title></rect>'
            )
            if state != "up" and right - left >= _LEAST_LABELLED + 5 * len(state):
                middle = round((left + right) / 2, 1)
                body.append(f'<text class="in-state {state}" x="{middle}" y="{y + 17}">{state}</text>')
    return _svg(time, height, [*_bands(time, height), *body, *_ticks(time, height)], label)


def nice_ticks(highest: float, most: int = _MOST_TICKS) -> list[float]:
    """Round values from 0 to at least `highest`, no more than `most` of them: steps of 1, 2 or 5."""
    if highest <= 0:
        return [0.0, 1.0]
    raw = highest / (most - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(each * power for each in (1, 2, 5, 10) if each * power >= raw * (1 - 1e-9))
    return [step * place for place in range(math.ceil(highest / step - 1e-9) + 1)]


class _Linear:
    """From 0 to a round value above all others."""

    def __init__(self, values: Sequence[float]) -> None:
        self._ticks = nice_ticks(max(values, default=0.0))

    def y(self, value: float) -> float:
        return _at(value / self._ticks[-1])

    def ticks(self) -> Iterator[tuple[float, str]]:
        for value in self._ticks:
            yield self.y(value), f"{value:,g}"


class _Logarithmic:
    """Milliseconds, in powers of ten."""

    def __init__(self, values: Sequence[float]) -> None:
        known = [value for value in values if value > 0] or [1.0]
        self._low = math.floor(math.log10(min(known)))
        self._high = max(self._low + 1, math.ceil(math.log10(max(known))))

    def y(self, value: float) -> float:
        power = math.log10(max(value, 10.0**self._low))
        return _at((power - self._low) / (self._high - self._low))

    def ticks(self) -> Iterator[tuple[float, str]]:
        for power in range(self._low, self._high + 1):
            value = 10.0**power
            yield self.y(value), f"{value / 1000:,g} s" if value >= 1000 else f"{value:,g} ms"


def _at(share: float) -> float:
    return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM), 1)


def _path(time: Time, curve: Curve, y: Callable[[float], float]) -> str:
    parts, pen = [], "M"
    for second, value in curve.points:
        if value is None:
            pen = "M"
            continue
        parts.append(f"{pen}{time.x(second)},{y(value)}")
        pen = "L"
    return "".join(parts)


def _plot(time: Time, scale: _Linear | _Logarithmic, body: Sequence[str], label: str) -> str:
    grid = []
    for y, text in scale.ticks():
        grid.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        grid.append(f'<text class="tick end" x="{_LEFT - 8}" y="{y + 4}">{text}</text>')
    return _svg(time, _HEIGHT, [*_bands(time, _HEIGHT), *grid, *body, *_ticks(time, _HEIGHT)], label)


def _bands(time: Time, height: int) -> Iterator[str]:
    for band in time.bands:
        left, right = time.x(band.begins), time.x(band.ends)
        yield (
            f'<rect class="band {band.kind}" x="{left}" y="{_TOP}" width="{round(right - left, 1)}" '
            f'height="{height - _TOP - _BOTTOM}"/>'
        )
        # At the right edge there is no room behind its beginning.
        x, side = (right, " end") if right >= WIDTH - _RIGHT else (left + 2, "")
        yield f'<text class="band-name {band.kind}{side}" x="{x}" y="{12 + 15 * band.row}">{band.name}</text>'


def _ticks(time: Time, height: int) -> Iterator[str]:
    y = height - _BOTTOM
    yield f'<line class="axis" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
    for second, text in time.ticks:
        x = time.x(second)
        yield f'<line class="axis" x1="{x}" x2="{x}" y1="{y}" y2="{y + 4}"/>'
        yield f'<text class="tick middle" x="{x}" y="{y + 18}">{text}</text>'


def _svg(time: Time, height: int, parts: Sequence[str], label: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )
