"""Lists that are longer than the database gives at once."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from rich.console import Console
from rich.text import Text

from caudal.ledger import Page

Row = TypeVar("Row")

_ROWS_AT_ONCE: Final = 1_000


async def collect(
    page: Callable[[int | None, int], Awaitable[Page[Row]]], *, after: int | None, limit: int
) -> tuple[list[Row], str | None]:
    """Up to `limit` rows, page by page, and the cursor to go on behind them: None at the end."""
    rows: list[Row] = []
    cursor = after
    while True:
        found = await page(cursor, min(limit - len(rows), _ROWS_AT_ONCE))
        rows += found.rows
        cursor = found.next
        if cursor is None or len(rows) >= limit:
            return rows, None if cursor is None else str(cursor)


def more(out: Console, cursor: str | None) -> None:
    """Say how to go on, where there is more."""
    if cursor is not None:
        out.print(Text(f"There is more: --after {cursor}", "dim"))
