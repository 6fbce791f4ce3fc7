"""The catalogue of events says what is told."""

import ast
import importlib
import pkgutil
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import msgspec
import pytest

import caudal
from caudal import events, payments
from caudal.api import FAMILIES, EventFamily, Services, docs
from caudal.api.schemas import public_name
from caudal.customers import CustomerAction
from caudal.delivery import Endpoints
from caudal.ledger import BookInfo
from support.documented import refuse_undocumented
from support.payment_api import PaymentWorld

TYPES = [type_ for family in FAMILIES for type_ in family.types]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.object_type)
def test_an_example_has_the_form_that_is_documented(family: EventFamily) -> None:
    msgspec.convert(family.example, family.data)
    assert family.example["id"].startswith(f"{events.PREFIXES[family.object_type]}_")


@pytest.mark.parametrize("type_", TYPES)
def test_each_type_is_in_the_document_with_the_schema_of_its_version_and_an_example(type_: str) -> None:
    document = docs.document()
    content = document["webhooks"][type_]["post"]["requestBody"]["content"]["application/json"]
    schema = jsonschema_rs.Draft202012Validator(
        {**content["schema"], "components": document["components"]}, validate_formats=True
    )
    example = content["example"]

    schema.validate(example)
    assert example["type"] == type_
    family = next(family for family in FAMILIES if type_ in family.types)
    msgspec.convert(example["data"], family.data)
    if "its state is now" in family.types[type_]:
        assert example["data"]["state"] == type_.partition(".")[2]
    for wrong in (
        {"type": "payment.unheard_of"},
        {"version": family.version + 1},
        {"object": "evt_" + "0" * 32},
        {"data": {}},
        {"data": {**example["data"], "made_up": 1}},
    ):
        assert not schema.is_valid({**example, **wrong}), wrong


def test_the_document_has_no_other_webhooks_and_no_data_that_is_only_an_object() -> None:
    document = docs.document()
    assert [*document["webhooks"]] == TYPES
    for family in FAMILIES:
        for name, schema in _fields_of(family).items():
            for one in schema.get("anyOf", [schema]):
                free = one.get("type") == "object" and "additionalProperties" not in one
                assert not free, f"{family.object_type}.{name}"


async def test_what_is_told_in_the_life_of_a_payment_is_what_the_document_says(
    paying: tuple[httpx.AsyncClient, Services, BookInfo],
) -> None:
    world = await PaymentWorld.enter(*paying)
    made = await world.succeeded(await world.customer(balance=100_000))
    await world.post(f"/v1/payments/{made['id']}/refunds", {"amount": 300})
    await world.disputed(made)

    async with world.services.database.connection() as connection:
        found = (await events.find(connection, paying[2].book_id, limit=1_000)).events
    for event in found:
        refuse_undocumented(event)
    kinds = {event.object_type for event in found}
    assert {"product", "customer", "payment", "refund", "dispute"} <= kinds


def _fields_of(family: EventFamily) -> dict[str, Any]:
    schemas = docs.document()["components"]["schemas"]
    return dict(schemas[public_name(family.data.__name__)]["properties"])


def test_a_type_belongs_to_one_kind_of_object() -> None:
    assert len(set(TYPES)) == len(TYPES)
    assert {family.object_type for family in FAMILIES} <= events.PREFIXES.keys()


def test_every_type_that_the_code_spells_out_is_in_the_catalogue() -> None:
    """Those that are made of a state are in it by their enum."""
    found = set()
    families = {type_.partition(".")[0] for type_ in TYPES}
    for room in ("payments", "customers", "webhooks", "delivery", "routing"):
        package = importlib.import_module(f"caudal.{room}")
        for module in pkgutil.iter_modules(package.__path__):
            path = Path(caudal.__path__[0]) / room / f"{module.name}.py"
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and _name(node) in {"tell", "NewEvent", "Plan"}:
                    named = [keyword.value for keyword in node.keywords if keyword.arg == "type"]
                    found |= {one.value for one in [*node.args, *named] if isinstance(one, ast.Constant)}
    told = {one for one in found if isinstance(one, str) and one.partition(".")[0] in families and "." in one}
    assert {"payment.created", "refund.created", "customer.created"} <= told
    assert told <= set(TYPES)


def test_every_change_that_the_tables_of_states_allow_is_told_by_a_documented_event() -> None:
    """A payment that stays as it is is not told of, but where another partner takes over."""
    payment = {f"payment.{row.to.value}" for row in payments.TABLE}
    capture = {f"capture.{state.value}" for state in payments.PartState}
    refund = {f"refund.{to.value}" for to, _ in payments.REFUNDS.values()}
    dispute = {f"dispute.{to.value}" for to, _ in payments.DISPUTES.values()}
    assert len(payment) == len(payments.PaymentState)
    assert payment | capture | refund | dispute | {"payment.created", "payment.rerouted"} <= set(TYPES)


def test_every_change_of_what_people_set_up_is_told_by_a_documented_event() -> None:
    customers = {action.value for action in CustomerAction} | {"create", "change_product"}
    told = {"block": "blocked", "unblock": "unblocked", "close": "closed", "create": "created"}
    told["change_product"] = "product_changed"
    assert customers == told.keys()
    assert {f"customer.{name}" for name in told.values()} <= set(TYPES)

    changes = {"create": "created", "change": "updated", "rotate": "secret_rotated", "delete": "deleted"}
    changes |= {"enable": "enabled", "disable": "disabled", "test": "test"}
    assert changes.keys() <= set(dir(Endpoints))
    assert {f"webhook_endpoint.{name}" for name in changes.values()} <= set(TYPES)
    assert {"rule_set.created", "rule_set.published", "partner.drained", "partner.resumed"} <= set(TYPES)
    assert {"product.created", "settlement.received"} <= set(TYPES)


def test_each_kind_of_object_is_in_the_reference_with_its_version_and_its_example() -> None:
    page = (Path(caudal.__path__[0]).parents[1] / "docs/reference/events.md").read_text()
    for family in FAMILIES:
        assert all(f"`{type_}`" in page for type_ in family.types)
        assert str(family.example["id"]) in page
        assert family.version >= 1


def _name(call: ast.Call) -> str:
    return str(getattr(call.func, "attr", getattr(call.func, "id", "")))
