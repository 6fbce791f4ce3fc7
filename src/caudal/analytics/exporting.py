"""Exports: what the book's journals say, as Parquet, each row once.

    report = await export(database, book, directory)

An export follows the journals of a book: the ledger's `seq`, that of events, the ordinals of features'
events, the numbers of decisions and of labels. Each is handed out in the order of commits: who sees a number
sees all that are lower, however long a transaction stays open. Each step reads on from where the one before
ended, in one snapshot, at most so many places of each journal; then its files count, all at once
(`caudal.analytics.manifest`).

It takes its time: between two pages it rests, so that payments meet a database that is at most half busy
with exports.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from caudal.analytics import manifest as manifests
from caudal.analytics import rows, store
from caudal.analytics.errors import ExportForeign, ExportNewer
from caudal.analytics.manifest import BookManifest, Manifest
from caudal.analytics.present import known_attempts
from caudal.analytics.pseudonyms import KEY_BYTES, Pseudonyms
from caudal.analytics.tables import (
    ATTEMPTS,
    DECISIONS,
    FEATURE_EVENTS,
    FEATURE_SETS,
    LABELS,
    PAYMENTS,
    TABLES,
    TRANSACTIONS,
    TRANSFERS,
    Table,
)
from caudal.analytics.writing import Step
from caudal.ledger import BookInfo
from caudal_base.check import check
from caudal_base.database import Connection, Database

AT_ONCE: Final = 100_000
"""Places of a journal that one step takes, so that its snapshot is soon let go."""

_PAGE: Final = 5_000
_JOURNALS: Final = ("ledger", "events", "features", "feature_sets", "decisions", "labels")

Told = Callable[[str, int], None]
Take = Callable[[Connection, Sequence[Any]], Awaitable[None]]


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """What a run has written."""

    book: str
    steps: int
    rows: Mapping[str, int]
    """By table, of this run."""
    positions: Mapping[str, int]
    seconds: float


async def export(
    database: Database, book: BookInfo, directory: Path, *, share: float = 0.5, at_once: int = AT_ONCE,
    told: Told = lambda _what, _rows: None,
) -> Exported:  # fmt: skip
    """Write what is new since the last run, or everything; it ends where the book is now.

    `share` is how much of the time it may keep the database busy. Raises `ExportBusy`, `ExportForeign`,
    `ExportNewer`, `ExportDamaged`, and `OSError`.
    """
    began = time.monotonic()
    total: dict[str, int] = {}
    steps = 0
    with manifests.held(directory):
        manifest = _begun(directory, book)
        tokens = Pseudonyms(await _key(database, book.book_id))
        while True:
            run = _Run(book, directory, manifest, tokens, share, at_once)
            async with database.snapshot() as connection:
                found, more = await run.read(connection)
            if found is not None:
                manifests.replace(directory, found)
                manifests.give_names(directory, found)
                manifest = found
                steps += 1
                for name, count in run.step.rows.items():
                    total[name] = total.get(name, 0) + count
                told("rows", sum(total.values()))
            if not more:
                break
    positions = manifest.books[book.name].positions if book.name in manifest.books else {}
    seconds = round(time.monotonic() - began, 3)
    return Exported(book=book.name, steps=steps, rows=total, positions=positions, seconds=seconds)


def _begun(directory: Path, book: BookInfo) -> Manifest:
    """How far the export is, with all that a writer who was killed has left behind put in order."""
    if (directory / manifests.NAME).exists():
        manifest = manifests.read(directory)
        manifests.give_names(directory, manifest)
    else:
        manifest = Manifest()
    manifests.clear(directory)
    newer = [
        name
        for name, version in manifest.schema_versions.items()
        if name not in TABLES or version > TABLES[name].version
    ]
    if newer:
        raise ExportNewer(f"it has newer columns of {', '.join(sorted(newer))}", field="out")
    there = manifest.books.get(book.name)
    if there is not None and there.id != book.id:
        raise ExportForeign(f"it has a book {book.name} that is {there.id}, not {book.id}", field="out")
    return manifest


async def _key(database: Database, book_id: int) -> bytes:
    async with database.transaction() as connection:
        key = await store.key_of(connection, book_id)
        if key is None:
            await store.make_key(connection, book_id, os.urandom(KEY_BYTES))
            key = await store.key_of(connection, book_id)
        check(key is not None, "a book's key is there once it was made")
        return key or b""


class _Run:
    """One step: what is read in one snapshot."""

    def __init__(
        self,
        book: BookInfo,
        directory: Path,
        manifest: Manifest,
        tokens: Pseudonyms,
        share: float,
        at_once: int,
    ) -> None:
        self._book = book
        self._directory = directory
        self._manifest = manifest
        self._tokens = tokens
        self._share = share
        self._at_once = at_once
        self._there = manifest.books.get(book.name) or BookManifest(id=book.id)
        self._new_attempts: set[str] = set()
        self.step = Step(directory, book.name, manifest.step + 1)

    async def read(self, connection: Connection) -> tuple[Manifest | None, bool]:
        """The manifest once all was written, None where nothing is new; and whether there is more."""
        at = {name: self._there.positions.get(name, 0) for name in _JOURNALS}
        heads = dict(zip(_JOURNALS, await store.heads(connection, self._book.book_id), strict=True))
        behind = [name for name in _JOURNALS if heads[name] < at[name]]
        if behind:
            raise ExportForeign(
                f"the {behind[0]} of book {self._book.name} end at {heads[behind[0]]}, and those of the "
                f"export at {at[behind[0]]}: the database was set back",
                field="out",
            )
        ends = {name: min(heads[name], at[name] + self._at_once) for name in _JOURNALS}
        for source in self._sources():
            journal = source.journal
            async for page in self._pages(connection, source.statement, at[journal], ends[journal]):
                await source.take(connection, page)
        self.step.close()
        if ends == self._there.positions:
            return None, False
        return self._advanced(ends), ends != heads

    def _sources(self) -> "Sequence[_Source]":
        tokens = self._tokens

        def plain(table: Table, day_at: int, made: Callable[[Any], rows.Row]) -> Take:
            async def take(_connection: Connection, page: Sequence[Any]) -> None:
                for row in page:
                    self.step.add(table, row[day_at].date(), made(row))

            return take

        return (
            _Source("ledger", store.TRANSFERS, plain(TRANSFERS, 2, rows.transfer)),
            _Source("ledger", store.TRANSACTIONS, plain(TRANSACTIONS, 3, rows.transaction)),
            _Source("events", store.EVENTS, self._changes),
            _Source(
                "features", store.FEATURE_EVENTS,
                plain(FEATURE_EVENTS, 4, lambda row: rows.feature_event(row, tokens)),
            ),
            _Source("feature_sets", store.FEATURE_SETS, plain(FEATURE_SETS, 1, lambda row: row)),
            _Source(
                "decisions", store.DECISIONS, plain(DECISIONS, 1, lambda row: rows.decision(row, tokens))
            ),
            _Source("labels", store.LABELS, plain(LABELS, 5, rows.label)),
        )  # fmt: skip

    async def _pages(
        self, connection: Connection, statement: str, after: int, through: int
    ) -> AsyncIterator[Sequence[Any]]:
        """The rows behind a place, up to another; a rest after each page."""
        while after < through:
            began = time.monotonic()
            page = await store.page(
                connection, statement, self._book.book_id, after=after, through=through, limit=_PAGE
            )
            if page:
                yield page
            if len(page) < _PAGE:
                return
            after = page[-1][0]
            await self._rest(time.monotonic() - began)

    async def _rest(self, worked: float) -> None:
        if self._share < 1:
            await asyncio.sleep(worked * (1 - self._share) / self._share)

    async def _changes(self, connection: Connection, page: Sequence[Any]) -> None:
        """Payments and their parts as events told of them, and calls to partners that ended meanwhile."""
        touched: dict[str, None] = {}
        for row in page:
            table = rows.OF_OBJECT.get(row[3])
            if table is None:
                continue
            data = rows.decoded(row[4])
            self.step.add(table, row[1].date(), rows.change(row, data, self._tokens))
            payment = data["id"] if table is PAYMENTS else data.get("payment")
            if payment is not None:
                touched[payment.rpartition("_")[2]] = None
        if not touched:
            return
        found = await store.attempts(connection, self._book.book_id, list(touched))
        made = {attempt[0]: (row[0], attempt) for row in found if (attempt := rows.attempt(row))}
        days = {rows.day_of_id(id) for id, _ in made.values()}
        there = known_attempts(self._directory, self._book.name, days, list(made)) | self._new_attempts
        for name, (id, attempt) in made.items():
            if name not in there:
                self._new_attempts.add(name)
                self.step.add(ATTEMPTS, rows.day_of_id(id), attempt)

    def _advanced(self, positions: Mapping[str, int]) -> Manifest:
        counts = dict(self._there.rows)
        for name, count in self.step.rows.items():
            counts[name] = counts.get(name, 0) + count
        book = BookManifest(id=self._book.id, positions=positions, rows=counts)
        versions = {name: TABLES[name].version for name in self.step.rows}
        return Manifest(
            step=self._manifest.step + 1,
            schema_versions={**self._manifest.schema_versions, **versions},
            books={**self._manifest.books, self._book.name: book},
            pending=tuple(sorted(self.step.files)),
        )


class _Source(NamedTuple):
    """What follows one journal, and what is done with its rows."""

    journal: str
    statement: str
    take: Take
