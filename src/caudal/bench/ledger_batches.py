"""Uploads by library call: batches of 8,000, everything on; and the floor beneath them."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from caudal.bench.report import Measured
from caudal.bench.world import World, done
from caudal.ledger import COPY_TRANSFERS, AccountId, Command, PostPending, Transfer, encode_transfers

BATCH: Final = 8_000
ACCOUNTS: Final = 10_000
Pairs = Callable[[Sequence[AccountId], int], list[tuple[AccountId, AccountId]]]


async def upload(world: World, commands: Sequence[Command]) -> float:
    """Carry out one upload as one transaction; the seconds it took."""
    start = time.perf_counter()
    async with world.database.transaction() as connection:
        outcomes = await world.ledger.apply(connection, world.book_id, commands)
    elapsed = time.perf_counter() - start
    done([outcome.status for outcome in outcomes])
    return elapsed


class CopyFloor:
    """What nothing that records transfers can beat: a plain COPY of the same rows, with the table's indexes.

    The rows are those that an upload has recorded, copied once more as those of books that do not exist;
    8,000 a commit. It is measured in between the cases, since machines have moods.
    """

    def __init__(self) -> None:
        self._rows: list[Transfer] = []
        self._book_id = 1_000_000
        self._seconds = 0.0
        self._copied = 0

    async def prepare(self, world: World, accounts: Sequence[AccountId]) -> None:
        """Record the rows."""
        commands = world.transfers(world.uniform(accounts, BATCH))
        async with world.database.transaction() as connection:
            outcomes = await world.ledger.apply(connection, world.book_id, commands)
        self._rows = [outcome.transfer for outcome in outcomes if outcome.transfer is not None]

    async def measure(self, world: World, batches: int) -> None:
        """Copy some more batches."""
        for _ in range(batches):
            self._book_id += 1
            encoded = encode_transfers(self._book_id, self._rows)
            start = time.perf_counter()
            async with (
                world.database.transaction() as connection,
                connection.cursor() as cursor,
                cursor.copy(COPY_TRANSFERS) as copy,
            ):
                await copy.write(encoded)
            self._seconds += time.perf_counter() - start
            self._copied += len(self._rows)

    @property
    def rows_per_second(self) -> float:
        """Over all that has been measured so far."""
        return self._copied / self._seconds


async def batches(
    world: World, name: str, pairs: Pairs, accounts: Sequence[AccountId], count: int
) -> Measured:
    """`count` uploads of 8,000 transfers between accounts that `pairs` chooses."""
    uploads = [world.transfers(pairs(accounts, BATCH)) for _ in range(count)]
    await upload(world, world.transfers(pairs(accounts, BATCH)))  # statements prepared, identities known
    seconds = [await upload(world, commands) for commands in uploads]
    return Measured(name, count * BATCH, seconds, sum(seconds))


async def pending_post(world: World, accounts: Sequence[AccountId], count: int) -> Measured:
    """Uploads of 8,000 holds, each followed by one that posts them; both kinds count."""
    seconds = []
    for _ in range(count):
        holds = world.transfers(world.uniform(accounts, BATCH), pending=True)
        posts = [PostPending(id=world.transfer_id(), pending_id=hold.id) for hold in holds]
        seconds += [await upload(world, holds), await upload(world, posts)]
    return Measured("pending_post", 2 * count * BATCH, seconds, sum(seconds))
