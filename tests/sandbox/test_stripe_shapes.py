"""The sandbox's objects against Stripe's own samples, its parameters against its SDK's types."""

import json
from typing import Any

import pytest
from stripe import params as sdk_params

from caudal_sandbox.stripe import disputes, intents, payouts, refunds
from support.corpus import corpus
from support.sandboxes import SDK_WARNS, Json, StripeWorld

pytestmark = SDK_WARNS

ESSENTIAL = {
    "payment_intent": {
        "amount": int, "amount_capturable": int, "amount_received": int, "client_secret": str,
        "currency": str, "latest_charge": str, "metadata": dict, "payment_method": str, "status": str,
    },
    "charge": {
        "amount": int, "amount_captured": int, "amount_refunded": int, "balance_transaction": str,
        "captured": bool, "paid": bool, "payment_intent": str, "payment_method_details": dict, "status": str,
    },
    "refund": {"amount": int, "charge": str, "payment_intent": str, "status": str, "metadata": dict},
    "dispute": {"amount": int, "balance_transactions": list, "reason": str, "status": str, "evidence": dict},
    "payout": {"amount": int, "arrival_date": int, "automatic": bool, "status": str},
    "balance_transaction": {
        "amount": int, "fee": int, "net": int, "reporting_category": str, "source": str, "fee_details": list,
    },
    "balance": {"available": list, "pending": list},
    "payment_method": {"card": dict, "type": str, "billing_details": dict},
    "event": {"api_version": str, "data": dict, "request": dict, "type": str, "pending_webhooks": int},
}  # fmt: skip
"""What a payment core cannot do without, for where Stripe's samples are not at hand."""


async def samples(world: StripeWorld) -> dict[str, Json]:
    """One of each object, as plain JSON."""
    intent = await world.pay(capture_method="automatic")
    await world.sdk.v1.refunds.create_async({"payment_intent": intent.id, "amount": 50})
    dispute = await world.control("disputes", {"payment_intent": intent.id, "amount": 100})
    payout = (await world.control("settle"))["settlements"][0]

    async def read(path: str) -> Json:
        answer = await world.http.get(f"/v1/{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()  # type: ignore[no-any-return]

    charge = await read(f"charges/{intent.latest_charge}")
    return {
        "payment_intent": await read(f"payment_intents/{intent.id}"),
        "charge": charge,
        "refund": (await read("refunds"))["data"][0],
        "dispute": await read(f"disputes/{dispute['id']}"),
        "payout": await read(f"payouts/{payout['id']}"),
        "balance_transaction": await read(f"balance_transactions/{charge['balance_transaction']}"),
        "balance": await read("balance"),
        "payment_method": await read("payment_methods/pm_card_visa"),
        "event": (await read("events"))["data"][0],
    }


async def test_objects_have_what_a_payment_core_needs(world: StripeWorld) -> None:
    for name, sample in (await samples(world)).items():
        assert sample["object"] == name
        for key, type_ in ESSENTIAL[name].items():
            assert type(sample[key]) is type_, f"{name}.{key}"


async def test_objects_have_every_key_of_stripes_samples(world: StripeWorld) -> None:
    theirs = json.loads((corpus("stripe") / "fixtures3.json").read_text())["resources"]
    assert list(differences(await samples(world), {name: theirs[name] for name in ESSENTIAL})) == []


def differences(ours: Json, theirs: Json) -> list[str]:
    """Keys of `theirs` that ours lack, or that are of another type; null fits all, here and there."""
    found: list[str] = []
    for name, sample in theirs.items():
        compare(ours[name], sample, name, found)
    return found


# Their samples show one of several kinds there, or what was put in.
OF_ITS_OWN = {"event.data.object", "payment_method.metadata", "refund.destination_details.card"}


def compare(ours: Any, theirs: Any, path: str, found: list[str]) -> None:
    """Note how `ours` differs from the sample `theirs`."""
    if ours is None or theirs is None or path in OF_ITS_OWN:
        return
    if type(ours) is not type(theirs):
        found.append(f"{path} is {type(ours).__name__}, not {type(theirs).__name__}")
    elif isinstance(theirs, dict):
        for key, value in theirs.items():
            if key not in ours:
                found.append(f"{path}.{key} is missing")
            else:
                compare(ours[key], value, f"{path}.{key}", found)


@pytest.mark.parametrize(
    ("shape", "type_"),
    [
        (intents.CREATE, "PaymentIntentCreateParams"),
        (intents.UPDATE, "PaymentIntentUpdateParams"),
        (intents.CONFIRM, "PaymentIntentConfirmParams"),
        (intents.CAPTURE, "PaymentIntentCaptureParams"),
        (intents.INCREMENT, "PaymentIntentIncrementAuthorizationParams"),
        (intents.CANCEL, "PaymentIntentCancelParams"),
        (refunds.CREATE, "RefundCreateParams"),
        (refunds.UPDATE, "RefundUpdateParams"),
        (refunds.CANCEL, "RefundCancelParams"),
        (disputes.UPDATE, "DisputeUpdateParams"),
        (disputes.CLOSE, "DisputeCloseParams"),
        (payouts.CREATE, "PayoutCreateParams"),
        (payouts.UPDATE, "PayoutUpdateParams"),
    ],
)
def test_no_parameter_is_taken_that_stripe_does_not_have(shape: Json, type_: str) -> None:
    theirs = getattr(sdk_params, type_).__annotations__
    assert set(shape) - set(theirs) == set()


async def test_expansion_puts_objects_in_the_place_of_ids(world: StripeWorld) -> None:
    paid = await world.pay(capture_method="automatic")
    intent = await world.intent(paid.id, "latest_charge.balance_transaction", "payment_method")
    assert intent.latest_charge.balance_transaction.source == intent.latest_charge.id
    assert intent.payment_method.card.last4 == "4242"
    listed = await world.sdk.v1.charges.list_async({"expand": ["data.payment_intent"]})
    assert listed.data[0].payment_intent.id == paid.id
