"""From rows to transfers, in lots: so many commands at most, each lot in a transaction of its own.

A lot is posted whole or not at all. Where the ledger refuses some of its rows, the transaction is rolled back
and the lot posted again without them (or without what stands behind the first of them): so a refused row
leaves nothing behind, above all no burned id, and can be imported once the cause is gone.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec
import psycopg
import psycopg_pool

from caudal.imports.errors import ImportStopped
from caudal.imports.planning import parties, plan, result_of
from caudal.imports.types import ERRORS_KEPT, AfterLot, ImportReport, Lot, OnError, Progress, Row, RowError
from caudal.ledger import LOT, Ledger, accounts_by_reference, refresh_statistics
from caudal_base.database import Database, translate
from caudal_base.errors import Unavailable

_ATTEMPTS: Final = 10
"""So often a lot is posted: again without refused rows, or because others opened its accounts first."""

_REMEMBERED: Final = 100_000
"""References of accounts that are known to be there, kept to tell how many rows fit into a lot."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where an import goes, and who hears of it."""

    database: Database
    ledger: Ledger
    book_id: int
    on_error: OnError = OnError.STOP
    progress: Progress | None = None
    """Told how many rows have been dealt with, and of how many."""
    after_lot: AfterLot | None = None
    lot: int = LOT
    """Commands in one transaction, at most `LOT`: openings of accounts and transfers."""


class _Refused(Exception):
    """Rows of a lot that cannot be posted, by index. Rolls its transaction back."""

    def __init__(self, errors: Mapping[int, RowError]) -> None:
        super().__init__()
        self.errors = errors


class _Overtaken(Exception):
    """Somebody else has just opened an account of the lot. Rolls its transaction back."""


class Upload:
    """One run over one file."""

    def __init__(self, target: Target, file: Path, total: int | None) -> None:
        """`total` is how many rows there are, as far as is known."""
        self._target = target
        self._file = file.name
        self._lot = min(target.lot, LOT)
        self._total = total
        self._done = 0
        self._report = ImportReport()
        self._waiting: deque[Row | RowError] = deque()
        self._known: set[str] = set()

    async def run(self, rows: Iterator[Row | RowError]) -> ImportReport:
        """Post all rows. Raises `ImportStopped` at the first that fails, where `on_error` is `STOP`."""
        progress = self._target.progress
        try:
            # Reading is work for the processor: off the event loop.
            while await asyncio.to_thread(self._read_on, rows):
                lot, failed = self._cut()
                failed = await self._settle(lot) or failed
                if failed is not None:
                    raise ImportStopped(failed, self._report)
                if progress is not None:
                    progress(self._done, self._total)
            if self._report.created >= LOT:
                async with self._target.database.connection() as connection:
                    await refresh_statistics(connection)
        except (psycopg.Error, psycopg_pool.PoolTimeout) as error:
            if isinstance(error, psycopg_pool.PoolTimeout):
                raise Unavailable("the database has no free connection; run the import again") from error
            raise translate(error) from error
        if progress is not None:
            progress(self._done, self._done)
        return self._report

    def _read_on(self, rows: Iterator[Row | RowError]) -> bool:
        self._waiting.extend(islice(rows, self._lot - len(self._waiting)))
        return bool(self._waiting)

    def _cut(self) -> tuple[list[Row], RowError | None]:
        """The rows of the next lot, and the row error at which the import stops behind them."""
        lot: list[Row] = []
        new: set[str] = set()
        while self._waiting:
            item = self._waiting[0]
            if isinstance(item, Row):
                new.update(party.reference for party in parties(item) if party.reference not in self._known)
                if lot and len(lot) + 1 + len(new) > self._lot:
                    break
                lot.append(item)
            elif self._target.on_error is OnError.STOP:
                return lot, item
            else:
                self._skip(item)
            self._waiting.popleft()
            self._done += 1
        return lot, None

    async def _settle(self, rows: Sequence[Row]) -> RowError | None:
        """Post the rows that can be posted; the error at which the import stops, if it does."""
        stopped_at: RowError | None = None
        for _ in range(_ATTEMPTS):
            if not rows:
                return stopped_at
            try:
                await self._post(rows)
            except _Overtaken:
                continue
            except _Refused as refused:
                if self._target.on_error is OnError.STOP:
                    first = min(refused.errors)
                    stopped_at = refused.errors[first]
                    rows = rows[:first]
                else:
                    for _, error in sorted(refused.errors.items()):
                        self._skip(error)
                    rows = [row for index, row in enumerate(rows) if index not in refused.errors]
                continue
            return stopped_at
        raise Unavailable("other writers change these accounts all the time; run the import again")

    async def _post(self, rows: Sequence[Row]) -> None:
        """One transaction: look the accounts up, open those that are missing, post."""
        target = self._target
        async with target.database.transaction() as connection:
            references = {party.reference for row in rows for party in parties(row)}
            known = await accounts_by_reference(connection, target.book_id, references)
            planned = plan(rows, known)
            outcomes = await target.ledger.apply(connection, target.book_id, planned.commands)
            result = result_of(planned, outcomes, self._file)
            if result.overtaken:
                raise _Overtaken
            if result.errors:
                raise _Refused(result.errors)
            lot = Lot(
                book_id=target.book_id,
                file=self._file,
                first_line=rows[0].line,
                last_line=rows[-1].line,
                rows=len(rows),
                created=result.created,
                existing=result.existing,
                accounts_opened=result.accounts_opened,
            )
            if target.after_lot is not None:
                await target.after_lot(connection, lot)
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        self._known |= references
        self._count(lot)

    def _count(self, lot: Lot) -> None:
        report = self._report
        self._report = msgspec.structs.replace(
            report,
            rows=report.rows + lot.rows,
            created=report.created + lot.created,
            existing=report.existing + lot.existing,
            accounts_opened=report.accounts_opened + lot.accounts_opened,
            lots=report.lots + 1,
        )

    def _skip(self, error: RowError) -> None:
        report = self._report
        errors = report.errors if len(report.errors) >= ERRORS_KEPT else (*report.errors, error)
        self._report = msgspec.structs.replace(report, skipped=report.skipped + 1, errors=errors)
