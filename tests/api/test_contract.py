"""schemathesis against the document: no 5xx, and no answer that the document does not describe.

The objects of the document's examples exist in the book, and ids that are generated are those for the most
part: else every request would end at what is not there.
"""

import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from caudal.api import docs, examples, payment_examples
from caudal.app import create_app
from caudal.connectors import Status
from support.payment_api import SETTINGS, PaymentWorld, payout
from support.worlds import World

if TYPE_CHECKING:
    from conftest import Server

EXAMPLES_PER_OPERATION = 4

# JSON Schema takes 27.0 for an integer, and knows nothing of a book's state.
EXCLUDED = [positive_data_acceptance]

PREPARED: dict[str, tuple[str, ...]] = {
    "acct": (examples.CUSTOMER, examples.MERCHANT, examples.HOUSE),
    "tr": (examples.TRANSFER, examples.HOLD),
    "txn": (examples.TRANSACTION,),
    "book": (examples.BOOK,),
    "cus": (payment_examples.CUSTOMER, payment_examples.FRIEND),
    "pay": (),
    "re": (),
    "dp": (),
}
"""What is made before; the ids of payments, refunds and disputes are known only then."""

_ID = re.compile(r"([a-z]{2,4})_[0-9a-f]{32}")


async def prepare(world: World) -> None:
    """Make the objects of the examples."""
    for account in PREPARED["acct"]:
        await world.account(id=account)
    moved = {"debit_account": examples.CUSTOMER, "credit_account": examples.MERCHANT}
    body = {**moved, "amount": 100_000, "currency": "USD"}
    for more in ({"id": examples.TRANSFER}, {"id": examples.HOLD, "pending": True}):
        assert (await world.post("/v1/transfers", {**body, **more})).status_code == 201
    entry = {**examples.NEW_TRANSACTION, "id": examples.TRANSACTION}
    assert (await world.post("/v1/transactions", entry)).status_code == 201
    assert (await world.post("/v1/templates", examples.NEW_TEMPLATE)).status_code == 201


async def prepare_payments(world: PaymentWorld) -> None:
    """Make the customers, a payment with a refund and a dispute, one to be captured, and one out."""
    customer = payment_examples.CUSTOMER
    for one in PREPARED["cus"]:
        await world.customer(balance=100_000, id=one)
    made, held = await world.succeeded(customer), await world.authorised(customer)
    out = await world.begun(payout(customer), "/v1/payouts")
    refund = await world.post(f"/v1/payments/{made['id']}/refunds", payment_examples.NEW_REFUND)
    await world.disputed(made, Status.INQUIRY)
    PREPARED["pay"] = (made["id"], held["id"], out["id"])
    PREPARED["re"] = (refund.json()["id"],)
    PREPARED["dp"] = ((await world.get("/v1/disputes")).json()["data"][0]["id"],)


@pytest.fixture(scope="module")
async def prepared(server: "Server", migrated_template: str) -> AsyncIterator[tuple[str, str]]:
    """The DSN of a database with the examples' objects, and a key of their book."""
    name = server.create_database(template=migrated_template)
    app = create_app(SETTINGS, dsn=server.dsn(name))
    async with app.running() as services:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
            world = await PaymentWorld.make(http, services)
            await prepare(world)
            await prepare_payments(world)
    yield server.dsn(name), world.key
    server.drop_database(name)


class Late:
    """An ASGI application that is decided on when the tests run; the operations are known before."""

    served: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.served(scope, receive, send)


late = Late()
schema = schemathesis.openapi.from_dict(docs.document())
schema.app = late


@pytest.fixture(scope="module")
def key(prepared: tuple[str, str]) -> str:
    """The caller's key, once there is an application: schemathesis runs it in a loop of its own."""
    dsn, text = prepared
    late.served = create_app(SETTINGS, dsn=dsn)
    return text


@schema.parametrize()
@settings(
    max_examples=EXAMPLES_PER_OPERATION,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_answer_is_outside_of_the_document(case: Any, key: str) -> None:
    case.path_parameters = acquainted(case.path_parameters)
    case.body = acquainted(case.body)

    # The text "false" is no boolean, and is meant to be refused; in a URL nobody can tell.
    unclear = {"true", "false"} & {str(value).lower() for value in (case.query or {}).values()}
    excluded = [*EXCLUDED, negative_data_rejection] if unclear else EXCLUDED
    case.call_and_validate(headers={"Authorization": f"Bearer {key}"}, excluded_checks=excluded)


def acquainted(value: Any, name: str = "") -> Any:
    """`value` with every id that is one replaced by a prepared one; the ids of what is new stay."""
    if isinstance(value, dict):
        inside = "" if name == "path" else "body"
        return {key: acquainted(child, f"{inside}.{key}") for key, child in value.items()}
    if isinstance(value, list):
        return [acquainted(child, name) for child in value]
    if isinstance(value, str) and name != "body.id" and (match := _ID.fullmatch(value)):
        choices = PREPARED.get(match[1])
        return choices[int(value[-1], 16) % len(choices)] if choices else value
    return value
