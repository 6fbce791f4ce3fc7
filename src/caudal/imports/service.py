"""What commands call: import files, and compare what was imported with what the files state.

Imports open transactions of their own, one per lot: they are long uploads, and other writers of the book
get in between. They can be stopped anywhere and run again: what is there already is found by its id.
"""

import asyncio
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from caudal.imports import berka, comparison
from caudal.imports.berka_rules import account_reference
from caudal.imports.berka_types import TRANSACTIONS_FILE
from caudal.imports.comparison import Comparison, DayKey
from caudal.imports.csv_rules import rows_of
from caudal.imports.description import Description
from caudal.imports.errors import NotImported
from caudal.imports.lots import Target, Upload
from caudal.imports.reader import scan
from caudal.imports.types import ImportReport, Progress
from caudal.ledger import AccountId, accounts_by_reference, balances_at_effective, end_of
from caudal_base.database import Connection, Database

SAMPLE: Final = Path(__file__).parent / "sample"
"""A small bank of ours, with files of the same shape as the real one's: for demos and tests."""

_PAGE: Final = 2_000
"""References and balances asked for in one statement."""


async def import_berka(target: Target, directory: Path) -> ImportReport:
    """Post every transaction in the bank's files in `directory`, in their order, at its own date.

    Each bank account becomes an account `berka:account:<number>`, with its owner and frequency as metadata
    and no limit: overdrafts are as they were. Other banks' accounts, cash, interest and fees are the other
    sides. Raises `ImportStopped`; `RowInvalid`, `FileUnreadable` and `FileUnsuitable` before anything is
    posted.
    """
    customers = await asyncio.to_thread(berka.customers_of, directory)
    _, lines = await asyncio.to_thread(scan, directory / TRANSACTIONS_FILE)
    upload = Upload(target, directory / TRANSACTIONS_FILE, max(0, lines - 1))
    return await upload.run(berka.rows_of(directory, customers))


async def import_csv(target: Target, path: Path, description: Description) -> ImportReport:
    """Post every row of a described file. Raises `ImportStopped`, `FileUnreadable`, `FileUnsuitable`."""
    digest, lines = await asyncio.to_thread(scan, path)
    above = description.file.skip_lines + description.file.header
    upload = Upload(target, path, max(0, lines - above))
    return await upload.run(rows_of(path, description, digest))


async def compare_berka(
    database: Database, book_id: int, directory: Path, *, progress: Progress | None = None
) -> Comparison:
    """Hold the ledger's balances by value at the end of each account-day against those that the files state.

    Reads one state of the book. `progress` is told account-days. Raises `NotImported` where the book has none
    of the files' accounts, `RowInvalid`, `FileUnreadable`, `FileUnsuitable`.
    """
    transactions, days = await asyncio.to_thread(
        lambda: comparison.stated_days(berka.transactions_of(directory))
    )
    async with database.snapshot() as connection:
        accounts = await _accounts(connection, book_id, sorted({key.account for key in days}))
        if days and not accounts:
            raise NotImported("import these files into this book first", field="directory")
        wanted = iter([key for key in days if key.account in accounts])
        ours: dict[DayKey, int] = {}
        while page := list(islice(wanted, _PAGE)):
            moments = [(accounts[key.account], end_of(key.day)) for key in page]
            balances = await balances_at_effective(connection, book_id, moments)
            for key, balance in zip(page, balances, strict=True):
                ours[key] = balance.credits_posted - balance.debits_posted
            if progress is not None:
                progress(len(ours), len(days))
    return await asyncio.to_thread(comparison.compare, transactions, days, ours)


async def _accounts(connection: Connection, book_id: int, numbers: Sequence[str]) -> dict[str, AccountId]:
    """The ledger accounts of the bank's accounts, as far as they are there."""
    found: dict[str, AccountId] = {}
    for start in range(0, len(numbers), _PAGE):
        references = {account_reference(number): number for number in numbers[start : start + _PAGE]}
        known = await accounts_by_reference(connection, book_id, references)
        found.update((references[reference], identity.id) for reference, identity in known.items())
    return found
