"""How a demo goes, as it goes: a panel on a screen, a line now and then elsewhere."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live as Screen
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from caudal.cli.terminal import Terminal
from caudal.demo import Live

Watcher = Callable[[Live], None]
Told = Callable[[str], None]

_LINE_EVERY_S: Final = 3.0
"""How often progress is told where there is no screen."""

_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_CURVE: Final = 60
"""Characters of the curve."""

_HEALTH: Final = {"up": "green", "recovering": "yellow", "down": "bold red", "draining": "yellow"}


@contextlib.contextmanager
def watching(terminal: Terminal) -> Iterator[tuple[Watcher, Told]]:
    """What is told of each look at the day, and of what is done before and after it."""
    if terminal.err.is_terminal:
        with Screen(console=terminal.err, refresh_per_second=4, transient=True) as screen:
            yield lambda live: screen.update(panel(live)), lambda text: screen.update(Spinner("dots", text))
    elif terminal.as_json:
        yield lambda _: None, lambda _: None
    else:
        yield _lines(terminal.err)


def _lines(console: Console) -> tuple[Watcher, Told]:
    told_at = -_LINE_EVERY_S

    def watch(live: Live) -> None:
        nonlocal told_at
        now = time.monotonic()
        if now - told_at >= _LINE_EVERY_S:
            told_at = now
            console.print(line(live))

    def told(text: str) -> None:
        nonlocal told_at
        # What is still under way is told as often as all else.
        if not text[:1].isdigit() or time.monotonic() - told_at >= _LINE_EVERY_S:
            told_at = time.monotonic()
            console.print(text)

    return watch, told


def line(live: Live) -> str:
    """How it stands, in a line."""
    unwell = [f"{name} {health}" for name, health in live.health.items() if health != "up"]
    return ", ".join(
        (
            f"{live.clock} {live.phase}: offered {live.offered_per_second:.0f}/s",
            f"accepted {live.accepted_per_second:.0f}/s", f"finished {live.finished_per_second:.0f}/s",
            f"p50 {live.p50_ms:.0f} ms", f"p99 {live.p99_ms:.0f} ms", f"{live.open:,} open",
            f"{live.jobs:,} jobs", f"{live.unknown:,} unknown", f"{live.webhooks:,} webhooks",
            f"{live.shed:,} shed", *unwell,
        )
    )  # fmt: skip


def panel(live: Live) -> RenderableType:
    """How it stands, on a screen."""
    figures = Table.grid(padding=(0, 2))
    for justify in ("left", "right", "left", "right", "left", "left"):
        figures.add_column(justify=justify)
    health = list(live.health.items())
    rows = (
        ("offered", f"{live.offered_per_second:,.0f}/s", "answer p50", f"{live.p50_ms:,.0f} ms"),
        ("accepted", f"{live.accepted_per_second:,.0f}/s", "answer p99", f"{live.p99_ms:,.0f} ms"),
        ("finished", f"{live.finished_per_second:,.0f}/s", "turned away", f"{live.shed:,}"),
        ("open", f"{live.open:,}", "sent twice", f"{live.repeated:,}"),
        ("jobs", f"{live.jobs:,}", "unknown", f"{live.unknown:,}"),
        ("payments", f"{live.accepted:,}", "webhooks", f"{live.webhooks:,}"),
    )
    for place, row in enumerate(rows):
        name, state = health[place] if place < len(health) else ("", "")
        figures.add_row(
            Text(row[0], "dim"),
            row[1],
            Text(row[2], "dim"),
            row[3],
            name,
            Text(state, _HEALTH.get(state, "dim")),
        )
    curve = Text(sparkline(live.curve, _CURVE), "cyan")
    body = Group(
        ProgressBar(total=live.of, completed=min(live.second, live.of), width=_CURVE),
        "", "", figures, "", Text.assemble(curve, ("  accepted a second", "dim")),
    )  # fmt: skip
    title = Text.assemble(
        (live.clock, "bold"), "  ", (live.phase, "bold red" if "outage" in live.phase else "bold")
    )
    return Panel(body, title=title, title_align="left", box=box.ROUNDED, expand=False)


def sparkline(values: Sequence[float], width: int) -> str:
    """A curve in a line of text of at most `width` characters, from 0 to its highest value."""
    if not values:
        return ""
    size = max(1, -(-len(values) // width))
    pieces = [values[start : start + size] for start in range(0, len(values), size)]
    means = [sum(piece) / len(piece) for piece in pieces]
    highest = max(means) or 1.0
    return "".join(_BLOCKS[min(len(_BLOCKS) - 1, int(mean / highest * len(_BLOCKS)))] for mean in means)
