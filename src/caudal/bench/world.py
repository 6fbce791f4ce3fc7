"""A world to measure in: a temporary embedded PostgreSQL with fsync on, a book, accounts."""

import contextlib
import random
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Final

from caudal.ledger import (
    AccountId,
    BookMode,
    CreateTransfer,
    Ledger,
    OpenAccount,
    OutcomeStatus,
    Side,
    TransferId,
    create_book,
)
from caudal.migrations import MIGRATIONS
from caudal_base import ids
from caudal_base.check import check
from caudal_base.clock import SystemClock
from caudal_base.database import Database
from caudal_base.embedded import EmbeddedPostgres
from caudal_base.ids import IdSource
from caudal_base.migrate import migrate

CURRENCY: Final = "USD"
_CLOCK: Final = SystemClock()


@contextlib.contextmanager
def temporary_server() -> Iterator[str]:
    """The connection string of a migrated database on a server that goes with the block."""
    with tempfile.TemporaryDirectory(prefix="caudal-bench-") as directory:
        # PostgreSQL may run as another user than we do.
        Path(directory).chmod(0o755)
        with EmbeddedPostgres(Path(directory) / "data") as server:
            migrate(server.dsn(), MIGRATIONS)
            yield server.dsn()


class World:
    """One book on a database, and what fills it."""

    def __init__(self, database: Database, seed: int = 1) -> None:
        """`seed` makes the choice of accounts and amounts repeatable."""
        self.database = database
        self.ledger = Ledger(_CLOCK)
        self.book_id = 0
        self.ids = IdSource(_CLOCK)
        self.random = random.Random(seed)  # noqa: S311  # repeatable, and no secret

    @classmethod
    @contextlib.asynccontextmanager
    async def on(cls, dsn: str, name: str) -> AsyncIterator["World"]:
        """A world with a new book."""
        database = await Database.open(dsn, min_size=1, max_size=8)
        try:
            world = cls(database)
            async with database.transaction() as connection:
                book = await create_book(
                    connection, id=world.ids.new(), name=name, mode=BookMode.TEST, now=_CLOCK.now()
                )
            world.book_id = book.book_id
            yield world
        finally:
            await database.close()

    async def open_accounts(self, count: int) -> list[AccountId]:
        """Open accounts without limits, as most benchmarks need them."""
        accounts = [AccountId(ids.encode(ids.ACCOUNT, self.ids.new())) for _ in range(count)]
        for start in range(0, count, 5_000):
            commands = [
                OpenAccount(id=account, currency=CURRENCY, normal_side=Side.CREDIT)
                for account in accounts[start : start + 5_000]
            ]
            async with self.database.transaction() as connection:
                outcomes = await self.ledger.apply(connection, self.book_id, commands)
            check(all(outcome.refusal is None for outcome in outcomes), "accounts are opened")
        return accounts

    def transfer_id(self) -> TransferId:
        """A fresh id."""
        return TransferId(ids.encode(ids.TRANSFER, self.ids.new()))

    def transfers(
        self, pairs: Sequence[tuple[AccountId, AccountId]], *, pending: bool = False
    ) -> list[CreateTransfer]:
        """A transfer, or a hold, of a few cents for each pair of debit and credit account."""
        return [
            CreateTransfer(
                id=self.transfer_id(),
                debit_account=debit,
                credit_account=credit,
                amount=self.random.randrange(1, 10_000),
                currency=CURRENCY,
                pending=pending,
            )
            for debit, credit in pairs
        ]

    def uniform(self, accounts: Sequence[AccountId], count: int) -> list[tuple[AccountId, AccountId]]:
        """Pairs of distinct accounts, all equally likely."""
        return [(pair[0], pair[1]) for pair in (self.random.sample(accounts, 2) for _ in range(count))]

    def zipfian(self, accounts: Sequence[AccountId], count: int) -> list[tuple[AccountId, AccountId]]:
        """Pairs in which the account of rank k comes with weight 1/k, as customers do."""
        weights = [1 / rank for rank in range(1, len(accounts) + 1)]
        chosen = self.random.choices(accounts, weights, k=4 * count)
        pairs = [
            (debit, credit)
            for debit, credit in zip(chosen[::2], chosen[1::2], strict=True)
            if debit != credit
        ]
        return pairs[:count]

    def hot(self, accounts: Sequence[AccountId], count: int) -> list[tuple[AccountId, AccountId]]:
        """Pairs that all debit the first account."""
        return [(accounts[0], self.random.choice(accounts[1:])) for _ in range(count)]


def done(statuses: Sequence[OutcomeStatus]) -> None:
    """A benchmark that measures refusals measures nothing."""
    check(all(status is OutcomeStatus.CREATED for status in statuses), "every transfer was recorded")
