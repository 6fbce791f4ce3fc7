"""`caudal bench ledger`: how fast this machine records and reads, beside a floor of the same run."""

from typing import Final

import msgspec

from caudal.bench import ledger_batches, ledger_http, ledger_reads
from caudal.bench.report import Measured, Progress, Report, machine
from caudal.bench.world import World, temporary_server

NAME: Final = "ledger"


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How long to measure."""

    batches: int
    """Uploads of 8,000 per case."""
    http_seconds: float
    """Per number of clients."""
    reads: int
    """Per kind and history."""
    short_history: int
    long_history: int
    """Transfers, in thousands exactly."""


FULL: Final = Size(batches=20, http_seconds=10.0, reads=2_000, short_history=10**5, long_history=10**7)
QUICK: Final = Size(batches=2, http_seconds=1.5, reads=200, short_history=10**4, long_history=10**5)

_CLIENTS: Final = (1, 16, 64, 256)


async def run(size: Size, progress: Progress) -> Report:
    """Measure everything on a temporary server. Takes under a minute with `QUICK`, some ten with `FULL`."""
    steps = _Steps(progress)
    with temporary_server() as dsn:
        copied, batches = await _batches(dsn, size, steps)
        floor_http, http = await _http(dsn, size, steps)
        short, long = await _reads(dsn, size, steps)
    return Report(
        name=NAME,
        machine=machine(),
        floor={
            "copy_rows_per_second": round(copied, 1),
            "http_requests_per_second": round(floor_http, 1),
            **{f"{read.case}_short_history_per_second": round(read.per_second, 1) for read in short},
        },
        cases=[
            *(measured.compared(copied) for measured in batches),
            *(measured.compared(floor_http) for measured in http),
            *(
                at_length.compared(in_short.per_second)
                for at_length, in_short in zip(long, short, strict=True)
            ),
        ],
    )


class _Steps:
    """Counts the cases for the progress that people see."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._done = -1

    def next(self, what: str) -> None:
        self._done += 1
        self._progress(what, self._done, 4 + len(_CLIENTS) + 1 + 2)


async def _batches(dsn: str, size: Size, steps: _Steps) -> tuple[float, list[Measured]]:
    async with World.on(dsn, "uploads") as world:
        accounts = await world.open_accounts(ledger_batches.ACCOUNTS)
        floor = ledger_batches.CopyFloor()
        await floor.prepare(world, accounts)
        measured = []
        for name, pairs in (
            ("batch_uniform", world.uniform),
            ("batch_zipfian", world.zipfian),
            ("batch_hot", world.hot),
        ):
            steps.next(name)
            await floor.measure(world, size.batches)
            measured.append(await ledger_batches.batches(world, name, pairs, accounts, size.batches))
        steps.next("pending_post")
        await floor.measure(world, size.batches)
        measured.append(await ledger_batches.pending_post(world, accounts, size.batches))
        return floor.rows_per_second, measured


async def _http(dsn: str, size: Size, steps: _Steps) -> tuple[float, list[Measured]]:
    async with World.on(dsn, "http") as world:
        accounts = await world.open_accounts(ledger_batches.ACCOUNTS)
        key = await ledger_http.issue_key(world)
        uniform = ledger_http.single_transfers(world, key, accounts, world.uniform)
        hot = ledger_http.single_transfers(world, key, accounts, world.hot)
        with ledger_http.serving(dsn) as port:
            floor = await ledger_http.floor(port, size.http_seconds / 2)
            measured = []
            for clients in _CLIENTS:
                steps.next(f"http_{clients}")
                measured.append(
                    await ledger_http.measure(f"http_{clients}", port, clients, size.http_seconds, uniform)
                )
            steps.next("http_64_hot")
            measured.append(await ledger_http.measure("http_64_hot", port, 64, size.http_seconds, hot))
        return floor, measured


async def _reads(dsn: str, size: Size, steps: _Steps) -> tuple[list[Measured], list[Measured]]:
    """Balances and statements, of the short history and of the long one."""
    results = []
    for count in (size.short_history, size.long_history):
        steps.next(f"reads of {count:,} transfers")
        async with World.on(dsn, f"history-{count}") as world:
            accounts = await ledger_reads.make_history(world, count)
            results.append(
                [
                    await ledger_reads.balance_at(world, accounts, size.reads),
                    await ledger_reads.statement(world, accounts, count, size.reads),
                ]
            )
    return results[0], results[1]
