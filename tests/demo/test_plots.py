"""Plots: that everything stands where its value says, and inside."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence

import pytest

from caudal.demo import plots
from caudal.demo.plots import Band, Curve, Time, nice_ticks

TIME = Time(
    ends=100.0,
    ticks=[(0.0, "08:00"), (50.0, "12:00")],
    bands=[Band(name="spike", begins=40.0, ends=60.0, kind="spike")],
)
LEFT, RIGHT, TOP, FLOOR = 64.0, 946.0, 38.0, 260.0


def curve(*points: tuple[float, float | None]) -> Curve:
    return Curve(name="a & b", points=points, kind="first")


def path(svg: str) -> str:
    found = re.search(r'<path class="curve first" d="([^"]*)"', svg)
    assert found is not None
    return found[1]


def texts(svg: str) -> list[str]:
    # What is parsed was made here.
    return [element.text or "" for element in ET.fromstring(svg).iter("text")]


@pytest.mark.parametrize(
    ("highest", "ticks"),
    [
        (0.0, [0, 1]),
        (1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (7.0, [0, 2, 4, 6, 8]),
        (100.0, [0, 20, 40, 60, 80, 100]),
        (101.0, [0, 50, 100, 150]),
        (193.0, [0, 50, 100, 150, 200]),
        (1_300.0, [0, 500, 1_000, 1_500]),
    ],
)
def test_ticks_are_round_few_and_reach_above_the_highest_value(
    highest: float, ticks: Sequence[float]
) -> None:
    assert nice_ticks(highest) == pytest.approx(ticks)


def test_a_curve_goes_from_corner_to_corner() -> None:
    svg = plots.curves(TIME, [curve((0.0, 0.0), (50.0, 50.0), (100.0, 100.0))], label="x")
    assert path(svg) == f"M{LEFT},{FLOOR}L505.0,149.0L{RIGHT},{TOP}"


def test_a_curve_has_a_gap_where_nothing_is_known() -> None:
    svg = plots.curves(TIME, [curve((0.0, 0.0), (10.0, None), (100.0, 100.0))], label="x")
    assert path(svg) == f"M{LEFT},{FLOOR}M{RIGHT},{TOP}"


def test_on_a_logarithmic_scale_each_power_of_ten_is_as_high() -> None:
    svg = plots.curves(
        TIME, [curve((0.0, 10.0), (50.0, 100.0), (100.0, 10_000.0))], label="x", logarithmic=True
    )
    assert path(svg) == f"M{LEFT},{FLOOR}L505.0,186.0L{RIGHT},{TOP}"
    assert [text for text in texts(svg) if text.endswith("s")] == ["10 ms", "100 ms", "1 s", "10 s"]


def test_nothing_at_all_is_a_plot_too() -> None:
    for logarithmic in (False, True):
        svg = plots.curves(TIME, [curve()], label="x", logarithmic=logarithmic)
        assert path(svg) == ""


def test_areas_stand_on_one_another() -> None:
    svg = plots.areas(TIME, 100.0, {"a": ("first", [25.0, 25.0]), "b": ("second", [75.0, 0.0])}, label="x")
    first, second = re.findall(r'points="([^"]*)"', svg)
    assert first == f"{LEFT},204.5 {RIGHT},204.5 {RIGHT},{FLOOR} {LEFT},{FLOOR}"
    assert second == f"{LEFT},{TOP} {RIGHT},204.5 {RIGHT},204.5 {LEFT},204.5"


def test_a_strip_shows_from_when_to_when_each_state_lasted() -> None:
    svg = plots.strip(TIME, {"stripe": [(0.0, "up"), (50.0, "down")], "bank": [(0.0, "up")]}, label="x")
    states = re.findall(r'class="state (\w+)" x="([\d.]+)" y="\d+" width="([\d.]+)"', svg)
    assert states == [("up", "64.0", "441.0"), ("down", "505.0", "441.0"), ("up", "64.0", "882.0")]
    assert [text for text in texts(svg) if text in ("stripe", "bank", "up", "down")] == [
        "stripe",
        "down",
        "bank",
    ]


def test_the_axis_of_time_and_its_bands_are_in_every_plot() -> None:
    made = (
        plots.curves(TIME, [curve((0.0, 1.0))], label="x"),
        plots.areas(TIME, 1.0, {}, label="x"),
        plots.strip(TIME, {}, label="x"),
    )
    for svg in made:
        assert {"08:00", "12:00", "spike"} <= set(texts(svg))
        assert 'class="band spike" x="416.8"' in svg


def test_names_are_escaped_and_a_plot_says_what_it_shows() -> None:
    svg = plots.curves(TIME, [curve((0.0, 1.0))], label='"<x>"')
    assert "<title>a &amp; b</title>" in svg
    assert ET.fromstring(svg).get("aria-label") == '"<x>"'
