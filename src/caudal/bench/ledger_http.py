"""Single transfers over HTTP, a request each, against the real server in a process of its own."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import msgspec

from caudal.access import OPERATOR, Caller, CreateKey, Environment, IssuedKey, Scope, create_keys
from caudal.bench import http_load
from caudal.bench.ledger_batches import Pairs
from caudal.bench.processes import answers, free_port, running
from caudal.bench.report import Measured
from caudal.bench.world import CURRENCY, World
from caudal.ledger import AccountId
from caudal_base import ids
from caudal_base.check import check
from caudal_base.clock import SystemClock


@contextlib.contextmanager
def serving(dsn: str, port: int | None = None, **settings: str) -> Iterator[int]:
    """Run `caudal api` on the database, with further variables as `settings`; the port it listens on."""
    port = port or free_port()
    command = ("caudal", "api", "--port", str(port))
    environment = {"CAUDAL_DATABASE_URL": dsn, **settings}
    with running(command, environment, lambda: answers(port, "/health/ready")):
        yield port


async def issue_key(world: World, *scopes: Scope) -> str:
    """The text of a key for the world's book, by default one that may write to its ledger."""
    at = SystemClock().now()
    command = CreateKey(
        name="bench",
        scopes=frozenset(scopes or (Scope.LEDGER_READ, Scope.LEDGER_WRITE)),
        books=frozenset({world.book_id}),
        environment=Environment.TEST,
    )
    caller = Caller(principal=OPERATOR, request_id=ids.encode(ids.REQUEST, world.ids.new()))
    async with world.database.transaction() as connection:
        (issued,) = await create_keys(connection, [command], caller=caller, at=at, new_ids=world.ids)
    check(isinstance(issued, IssuedKey), "the key was made")
    return issued.text.reveal() if isinstance(issued, IssuedKey) else ""


def single_transfers(
    world: World, key: str, accounts: Sequence[AccountId], pairs: Pairs
) -> Callable[[], bytes]:
    """Makes the next request: a transfer of its own, with an idempotency key."""
    chosen: list[tuple[AccountId, AccountId]] = []
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def make() -> bytes:
        if not chosen:
            chosen.extend(pairs(accounts, 5_000))
        debit, credit = chosen.pop()
        transfer = world.transfer_id()
        body = msgspec.json.encode(
            {
                "id": transfer,
                "debit_account": debit,
                "credit_account": credit,
                "amount": 1_050,
                "currency": CURRENCY,
            }
        )
        return http_load.request("POST", "/v1/transfers", {**headers, "Idempotency-Key": transfer}, body)

    return make


async def measure(name: str, port: int, clients: int, seconds: float, make: Callable[[], bytes]) -> Measured:
    """One case, after a short warm-up."""
    await http_load.run(port, clients, min(1.0, seconds / 4), make, 201)
    load = await http_load.run(port, clients, seconds, make, 201)
    return Measured(name, len(load.seconds), load.seconds, load.elapsed)


async def floor(port: int, seconds: float) -> float:
    """Requests per second of the same server for a path that does nothing, 64 clients."""
    load = await http_load.run(
        port, 64, seconds, lambda: http_load.request("GET", "/health/live", {}, b""), 200
    )
    return len(load.seconds) / load.elapsed
