"""What payments are measured in: a book, its partners and customers, requests, and what the book says."""

import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from caudal import routing
from caudal.access import OPERATOR, Caller, CreateKey, Environment, IssuedKey, Scope, create_keys
from caudal.bench import http_load
from caudal.bench.risk_world import publish
from caudal.bench.world import World
from caudal.connectors import Registry
from caudal.customers import (
    CreateCustomer,
    CustomerId,
    Customers,
    CustomerType,
    NewProduct,
    create_products,
)
from caudal.delivery import Endpoints, NewEndpoint, Policy
from caudal.models import Prepared
from caudal.payments import PaymentState
from caudal.routing import Conditions, Hop, Rule, Rules, Share
from caudal_base import arrays, ids
from caudal_base.check import check
from caudal_base.clock import SystemClock
from caudal_base.decide import Limit
from caudal_base.errors import CaudalError
from caudal_base.sealing import Sealing
from caudal_base.secret import Secret
from caudal_base.settings import PartnerSettings

R = TypeVar("R")

BOOK: Final = "main"
CUSTOMERS: Final = 1_000
CURRENCIES: Final = ("EUR", "USD", "GBP", "CHF")
PARTNERS: Final = ("stripe", "stripe_b", "stripe_c", "stripe_d")
HOT: Final = (("pm_card_visa", "EUR"),)
"""Instruments and currencies of payments that all go through one settlement account."""

_SHARED_CARD: Final = "pm_card_mastercard"
SPREAD: Final = tuple((_SHARED_CARD, currency) for currency in CURRENCIES)
"""Those of payments that rules spread over all partners: sixteen settlement accounts."""

_CLOCK: Final = SystemClock()
_SECRET: Final = "whsec_bench"  # noqa: S105  # of a sandbox that lives as long as the benchmark
_MUCH: Final = 10**12

_COUNTS: Final = """
select reference, count(*)
  from payments.payment
 where book_id = %s
   and reference = any(%s)
 group by reference
"""

_OPEN: Final = """
select count(*)
  from payments.payment
 where book_id = %s
   and state = 'processing'
"""

_OLDEST_JOB: Final = """
select coalesce(extract(epoch from clock_timestamp() - min(run_at)), 0)::float8
  from jobs.job
 where book_id = %s
   and state in ('ready', 'running')
   and run_at <= clock_timestamp()
"""

_TIMES_TO_END: Final = """
select extract(epoch from e.at - p.created_at)::float8
  from payments.payment p
  join events.event e
    on e.book_id = p.book_id and e.object_id = p.id and e.type = %s
 where p.book_id = %s
   and p.reference = any(%s)
"""


class PaymentsWorld:
    """A book with customers whose payments count against limits, and a key that may make payments."""

    def __init__(self, world: World, key: str, customers: Sequence[CustomerId]) -> None:
        """Made by `make`."""
        self.world = world
        self._customers = customers
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    @classmethod
    @contextlib.asynccontextmanager
    async def make(
        cls, dsn: str, directory: Path, sink: str, *, decided: bool, models: Sequence[Prepared] = ()
    ) -> AsyncIterator["PaymentsWorld"]:
        """A world on a database without books: rules say who gets a payment, and `sink` hears of each.

        With `decided` features and rules decide on every payment, and `models`, if there are any.

        `directory` is the data directory of the programs that work on it.
        """
        async with World.on(dsn, BOOK) as world:
            caller = Caller(principal=OPERATOR, request_id=ids.encode(ids.REQUEST, world.ids.new()))
            customers = await _customers(world, caller)
            await _route(world, caller)
            await _listen(world, directory, sink)
            if decided:
                await publish(world, models)
            yield cls(world, await _key(world, caller), customers)

    def requests(
        self, through: Sequence[tuple[str, str]], name: str, first: int = 0
    ) -> Callable[[int], bytes]:
        """Makes the request of a number: a payment in with the next instrument and currency.

        Its reference and its key are `reference(name, number)`, so that the same number is the same request.
        """

        def make(number: int) -> bytes:
            number += first
            instrument, currency = through[number % len(through)]
            reference = reference_of(name, number)
            customer = self._customers[number * 7 % len(self._customers)]
            body = (
                f'{{"kind":"pay_in","customer":"{customer}","amount":1050,"currency":"{currency}",'
                f'"instrument":"{instrument}","reference":"{reference}"}}'
            )
            headers = {**self._headers, "Idempotency-Key": reference}
            return http_load.request("POST", "/v1/payments", headers, body.encode())

        return make

    async def counts(self, references: Collection[str]) -> Mapping[str, int]:
        """How many payments there are of each reference; those of which there are none are left out."""
        async with self.world.database.connection() as connection:
            cursor = await connection.execute(_COUNTS, (self.world.book_id, arrays.texts(list(references))))
            return dict(await cursor.fetchall())

    async def still_open(self) -> int:
        """How many payments a partner has not ended yet."""
        return int(await self._one(_OPEN, (self.world.book_id,)))

    async def oldest_job_s(self) -> float:
        """For how many seconds the unfinished job that has waited longest could have run."""
        return await self._one(_OLDEST_JOB, (self.world.book_id,))

    async def seconds_to_end(self, references: Collection[str]) -> list[float]:
        """Of the payments of these references that succeeded, from acceptance to then."""
        told = f"payment.{PaymentState.SUCCEEDED.value}"
        async with self.world.database.connection() as connection:
            cursor = await connection.execute(
                _TIMES_TO_END, (told, self.world.book_id, arrays.texts(list(references)))
            )
            return [row[0] for row in await cursor.fetchall()]

    async def _one(self, statement: str, parameters: tuple[object, ...]) -> float:
        async with self.world.database.connection() as connection:
            row = await (await connection.execute(statement.encode(), parameters)).fetchone()
        check(row is not None, "an aggregate has a row")
        return float(row[0]) if row is not None else 0.0


def reference_of(name: str, number: int) -> str:
    """The reference, and the idempotency key, of the payment of a number in the case of a name."""
    return f"{name}-{number}"


def partners(sandbox_port: int) -> str:
    """The setting `partners`: accounts with a sandbox, all of them Stripe's."""
    return msgspec.json.encode(
        {
            name: {
                "connector": "stripe",
                "book": BOOK,
                "url": f"http://127.0.0.1:{sandbox_port}",
                "api_key": f"sk_test_{name}",
                "webhook_secrets": [_SECRET],
                # The sandbox takes more than Stripe allows a test key.
                "calls_per_second": 10_000,
            }
            for name in PARTNERS
        }
    ).decode()


def sandbox_settings(api_port: int) -> str:
    """The sandbox's settings: no faults, and webhooks to the API."""
    url = f"http://127.0.0.1:{api_port}/webhooks/in/stripe"
    return msgspec.json.encode({"webhooks": {"stripe": {"url": url, "secrets": [_SECRET]}}}).decode()


async def _customers(world: World, caller: Caller) -> list[CustomerId]:
    """Customers of a product with limits that hold and are never reached."""
    limits = tuple(Limit(currency=each, per_payment=_MUCH, per_day=_MUCH) for each in CURRENCIES)
    product = NewProduct(name="bench", currencies=CURRENCIES, limits=limits)
    found = [CustomerId(ids.encode(ids.CUSTOMER, world.ids.new())) for _ in range(CUSTOMERS)]
    commands = [
        CreateCustomer(id=id_, type=CustomerType.PERSON, product=product.name, jurisdiction="DE")
        for id_ in found
    ]
    async with world.database.transaction() as connection:
        _all(
            await create_products(
                connection, world.book_id, [product], caller=caller, ledger=world.ledger, at=_CLOCK.now()
            )
        )
    async with world.database.transaction() as connection:
        made = Customers(world.ledger, _CLOCK, world.ids)
        _all(await made.apply(connection, world.book_id, commands, caller=caller))
    return found


async def _route(world: World, caller: Caller) -> None:
    """Rules in force: one card is shared out, all else goes to the first partner, and then to the next."""
    everyone = tuple(Share(partner=name, weight=100 // len(PARTNERS)) for name in PARTNERS)
    first, *others = (Hop(partner=name) for name in PARTNERS)
    rules = Rules(
        rules=(
            Rule(name="shared", when=Conditions(instrument=(_SHARED_CARD,)), to=Hop(split=everyone)),
            Rule(name="default", to=first, next=tuple(others)),
        )
    )
    # Nobody is called: it is asked what partners can do.
    settings = PartnerSettings(connector="stripe", book=BOOK, api_key=Secret("sk_test_bench"))
    registry = Registry.from_settings(dict.fromkeys(PARTNERS, settings), _CLOCK)
    able = {partner.name: partner.capabilities for partner in registry}
    await registry.close()
    async with world.database.transaction() as connection:
        made = await routing.create(
            connection, world.book_id, rules, caller=caller, ledger=world.ledger, at=_CLOCK.now()
        )
        _all(
            [
                await routing.publish(
                    connection, world.book_id, made.version, able, caller=caller, ledger=world.ledger,
                    at=_CLOCK.now(),
                )
            ]
        )  # fmt: skip


async def _listen(world: World, directory: Path, url: str) -> None:
    """An endpoint that hears of everything, in order."""
    policy = Policy(development=True)
    endpoints = Endpoints(world.ledger, _CLOCK, world.ids, Sealing(None, directory), policy)
    new = NewEndpoint(id=world.ids.new(), url=url, ordered=True)
    async with world.database.transaction() as connection:
        await endpoints.create(connection, world.book_id, new)


async def _key(world: World, caller: Caller) -> str:
    command = CreateKey(
        name="bench",
        scopes=frozenset({Scope.PAYMENTS_READ, Scope.PAYMENTS_WRITE}),
        books=frozenset({world.book_id}),
        environment=Environment.TEST,
    )
    async with world.database.transaction() as connection:
        (issued,) = await create_keys(
            connection, [command], caller=caller, at=_CLOCK.now(), new_ids=world.ids
        )
    check(isinstance(issued, IssuedKey), "the key was made")
    return issued.text.reveal() if isinstance(issued, IssuedKey) else ""


def _all(results: Sequence[R | CaudalError]) -> None:
    """Raise the first error: what is set up here is never refused."""
    for result in results:
        if isinstance(result, CaudalError):
            raise result
