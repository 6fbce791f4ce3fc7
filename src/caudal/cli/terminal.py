"""What people and programs see: tables or one JSON object on standard output, all else on standard error."""

import contextlib
import datetime as dt
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, Final

import msgspec
import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from caudal_base.errors import CaudalError
from caudal_base.money import format_decimal

_PIPED_WIDTH: Final = 10_000
"""What is not read on a screen is never wrapped."""

_IDS: Final = frozenset({"account", "transfer", "book", "key", "job", "object", "debit", "credit"})
"""Columns that hold what people copy: never broken, on however narrow a screen."""

_LINE_EVERY_S: Final = 2.0
"""How often progress is told where no bar can be drawn."""

Report = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is (0: not known)."""


class Terminal:
    """Where a command's answer goes, in which form."""

    def __init__(self, *, as_json: bool) -> None:
        """`as_json` prints the answer as one JSON object and keeps everything else off standard output."""
        self.as_json = as_json

    @cached_property
    def out(self) -> Console:
        """Standard output, for answers."""
        return _console(stderr=False)

    @cached_property
    def err(self) -> Console:
        """Standard error, for progress, questions and notes."""
        return _console(stderr=True)

    def answer(self, data: Any, show: Callable[[Console], None]) -> None:
        """Give the answer: `data` as JSON, or whatever `show` prints for people."""
        if self.as_json:
            sys.stdout.write(msgspec.json.encode(data, enc_hook=str).decode() + "\n")
            sys.stdout.flush()
        elif sys.stdout.isatty():
            show(self.out)
        else:
            # rich fills every cell of a table with blanks; behind a line's last word nobody wants them.
            with self.out.capture() as captured:
                show(self.out)
            sys.stdout.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())
            sys.stdout.flush()

    def note(self, text: str) -> None:
        """Something worth knowing beside the answer."""
        self.err.print(Text(text, style="dim"))

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask before something that cannot be undone; `yes` is that it was answered on the command line.

        Where nobody can be asked it is refused. Raises `typer.Abort` for a no.
        """
        if yes:
            return
        if self.as_json or not sys.stdin.isatty():
            raise ConfirmationNeeded(f"{question} Repeat the command with --yes to do it.", field="--yes")
        if not typer.confirm(question, err=True):
            raise typer.Abort

    @contextlib.contextmanager
    def progress(self) -> Iterator[Report]:
        """A progress bar on a screen; elsewhere a plain line now and then; with --json elsewhere nothing."""
        if self.err.is_terminal:
            with _bar(self.err) as report:
                yield report
        else:
            yield _lines(self.err) if not self.as_json else _silence


class ConfirmationNeeded(CaudalError):
    """Nobody is there to be asked, and --yes was not given."""

    code = "confirmation_needed"
    status = 409
    title = "This needs a confirmation"


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    # What is printed is data: brackets and colons in it are no markup and no emoji.
    return Console(
        stderr=stderr,
        highlight=False,
        markup=False,
        emoji=False,
        width=None if stream.isatty() else _PIPED_WIDTH,
    )


def table(*columns: str, right: Sequence[str] = ()) -> Table:
    """A table with these columns; the numbers in those of `right` line up on the right. Ids stay whole."""
    made = Table(box=box.SIMPLE_HEAD if sys.stdout.isatty() else None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(
            column,
            justify="right" if column in right else "left",
            overflow="fold",
            no_wrap=column in right or column in _IDS,
        )
    return made


def facts(rows: Sequence[tuple[str, Any]]) -> Table:
    """One thing's properties, one a line; those that are None are left out."""
    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(style="dim")
    made.add_column(overflow="fold")
    for name, value in rows:
        if value is not None and value != "":
            made.add_row(name, value if isinstance(value, Text) else cell(value))
    return made


def cell(value: Any) -> Text:
    """A value as a table shows it: nothing for None, times to the second."""
    if value is None:
        return Text("")
    if isinstance(value, dt.datetime):
        return Text(when(value))
    if isinstance(value, dict):
        return Text(" ".join(f"{key}={item}" for key, item in value.items()))
    return Text(str(value))


def when(moment: dt.datetime) -> str:
    """A moment for people, in UTC, to the second."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def money(amount: int, currency: str) -> str:
    """An amount of minor units for people: `-1,234.50 USD`."""
    units, point, decimals = format_decimal(abs(amount), currency).partition(".")
    sign = "-" if amount < 0 else ""
    return f"{sign}{int(units):,}{point}{decimals} {currency}"


@contextlib.contextmanager
def _bar(console: Console) -> Iterator[Report]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)

        def report(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total or None)

        yield report


def _lines(console: Console) -> Report:
    told_at = time.monotonic()

    def report(what: str, done: int, total: int) -> None:
        nonlocal told_at
        now = time.monotonic()
        if now - told_at >= _LINE_EVERY_S:
            told_at = now
            console.print(f"{what}: {done:,} of {total:,}" if total else what)

    return report


def _silence(_what: str, _done: int, _total: int) -> None:
    """For programs, which wait for the answer."""
