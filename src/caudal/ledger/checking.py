"""Proof that a deployment's books are sound: every invariant of the ledger, over the whole database.

    async with database.snapshot() as connection:
        findings = await check(connection)

Each invariant is one set-based statement per book that gives the rows which break it; the statements stand
in `queries_check_*`. What is kept beside the journal is recomputed from the journal alone.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from caudal.ledger.books import BookInfo, changed_exponents, list_books
from caudal.ledger.queries_check_derived import DERIVED
from caudal.ledger.queries_check_journal import JOURNAL
from caudal.ledger.queries_check_references import DIRECTORY, REFERENCES
from caudal_base.database import Connection

ROWS_PER_FINDING: Final = 10
"""So many offending rows a finding shows; the first ones in the book's order."""

INVARIANTS: Final[Mapping[str, str]] = {**JOURNAL, **DERIVED, **REFERENCES}
"""Each invariant's name with the statement that looks for what breaks it."""

# Behind a fence, so that the server plans for finding nothing, not for ten rows soon.
_FIRST_OFFENDERS: Final = """
with offenders as materialized ({statement})
select * from offenders order by 1 limit %(limit)s
"""

# The statements sort and hash the whole journal: as much memory as helps, and as long as it takes.
_PREPARE: Final = """
select set_config('work_mem', '256MB', true),
       set_config('statement_timeout', '0', true),
       set_config('jit', 'off', true)
"""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """An invariant that does not hold."""

    invariant: str
    """Its name: one of `INVARIANTS`, or `book_has_head`, `currency_exponent_frozen`."""
    book: str
    """The book's id, or its number where it stands in no directory."""
    rows: tuple[dict[str, str], ...]
    """The first rows that break it, by column."""


async def check(
    connection: Connection,
    books: Sequence[BookInfo] | None = None,
    *,
    progress: Callable[[str, str], None] | None = None,
) -> list[Finding]:
    """Prove all invariants of `books`, or of all there are; nothing found means that all hold.

    The connection must be in a transaction with one snapshot (`Database.snapshot`), or writers at work would
    look like damage. `progress` is told each book's name and invariant before it is looked at.
    """
    await connection.execute(_PREPARE)
    findings = await _directory(connection)
    for book in await list_books(connection) if books is None else books:
        for name, statement in INVARIANTS.items():
            if progress is not None:
                progress(book.name, name)
            rows = await _rows(
                connection,
                _FIRST_OFFENDERS.format(statement=statement),
                {"book_id": book.book_id, "limit": ROWS_PER_FINDING},
            )
            if rows:
                findings.append(Finding(invariant=name, book=book.id, rows=rows))
        changed = await changed_exponents(connection, book.book_id)
        if changed:
            exponents = tuple(
                {"currency": code, "frozen": str(frozen), "iso_4217": str(today)}
                for code, (frozen, today) in changed.items()
            )
            findings.append(Finding(invariant="currency_exponent_frozen", book=book.id, rows=exponents))
    return findings


async def _directory(connection: Connection) -> list[Finding]:
    rows = await _rows(connection, DIRECTORY, {"limit": ROWS_PER_FINDING})
    return [Finding(invariant="book_has_head", book=row["book_id"], rows=(row,)) for row in rows]


async def _rows(connection: Connection, statement: str, values: dict[str, int]) -> tuple[dict[str, str], ...]:
    cursor = await connection.execute(statement, values)
    names = [column.name for column in cursor.description or ()]
    return tuple(
        {name: str(value) for name, value in zip(names, row, strict=True)} for row in await cursor.fetchall()
    )
