"""The acquirer: its results, its modifications, its keys, its chargebacks, and what it tells."""

import re
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from caudal_sandbox.meridian.cards import CARDS
from caudal_sandbox.stripe.tokens import METHODS
from support.banks import listener
from support.doc_pages import ROOT
from support.meridians import OLDER_SECRET, SECRET, Accepting, MeridianWorld, meridian_world, payment

Json = dict[str, Any]


@pytest.fixture
async def world() -> AsyncIterator[MeridianWorld]:
    async with meridian_world() as running:
        yield running


def amount(value: str) -> Json:
    return {"value": value, "currency": "EUR", "exponent": 2}


async def authorised(world: MeridianWorld, card: str = "mtk_ok") -> str:
    """The PSP reference of an authorisation of 10.50 EUR."""
    made = await world.pay(card, intent="AUTHORISE")
    assert made["resultCode"] == "AUTHORISED"
    return str(made["pspReference"])


async def status_of(world: MeridianWorld, reference: str = "att_1") -> str:
    (found,) = await world.search(reference)
    return str(found["status"])


@pytest.mark.parametrize(
    ("card", "result", "status"),
    [
        ("mtk_ok", "AUTHORISED", "CAPTURED"),
        ("mtk_ok__ana", "AUTHORISED", "CAPTURED"),
        ("mtk_slow", "PENDING", "PENDING"),
        ("mtk_3ds", "REDIRECT", "REDIRECT"),
        ("mtk_refused", "REFUSED", "REFUSED"),
        ("mtk_error_authorised", "ERROR", "CAPTURED"),
        ("mtk_unheard_of", "ON_HOLD", "ON_HOLD"),
    ],
)
async def test_a_payment_is_a_200_whatever_its_result(
    world: MeridianWorld, card: str, result: str, status: str
) -> None:
    assert (await world.pay(card))["resultCode"] == result
    assert await status_of(world) == status


async def test_an_error_that_did_nothing_leaves_nothing(world: MeridianWorld) -> None:
    assert (await world.pay("mtk_error"))["resultCode"] == "ERROR"
    assert (await world.search("att_1"), await world.kinds()) == ([], [])


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"value": "10.5"}, 422, "M-102"), ({"value": "0.00"}, 422, "M-102"),
        ({"currency": "USD"}, 422, "M-103"),
        ({"intent": "LATER"}, 400, "M-100"), ({"colour": "red"}, 400, "M-100"),
    ],
)  # fmt: skip
async def test_what_is_out_of_form_is_refused_and_nothing_done(
    world: MeridianWorld, change: Json, status: int, code: str
) -> None:
    answer = await world.post("payments", payment("mtk_ok", reference="att_1", **change))
    assert (answer.status_code, answer.json()["errorCode"], answer.json()["status"]) == (status, code, status)
    assert await world.kinds() == []


async def test_a_card_that_is_none_and_a_call_without_key_are_refused(world: MeridianWorld) -> None:
    answer = await world.post("payments", payment("mtk_nobody", reference="att_1"))
    assert (answer.status_code, answer.json()["errorCode"]) == (422, "M-104")
    refused = await world.http.post("/meridian/v3/payments", json={}, headers={"X-API-Key": "sk_live_1"})
    assert (refused.status_code, refused.json()["errorCode"]) == (401, "M-200")
    refused = await world.http.post("/meridian/v3/payments", json={})
    assert (refused.status_code, refused.json()["errorCode"]) == (400, "M-100")


async def test_a_capture_is_received_and_takes_place_a_second_later(world: MeridianWorld) -> None:
    psp = await authorised(world)
    body = {"merchantReference": "att_2", "amount": amount("4.00")}
    answer = (await world.post(f"payments/{psp}/captures", body)).json()
    assert (answer["resultCode"], answer["originalReference"]) == ("RECEIVED", psp)
    assert (await status_of(world, "att_2"), await status_of(world)) == ("RECEIVED", "AUTHORISED")
    again = await world.post(f"payments/{psp}/captures", {**body, "merchantReference": "att_3"})
    assert (again.status_code, again.json()["errorCode"]) == (422, "M-301")
    world.advance(1)
    assert (await status_of(world, "att_2"), await status_of(world)) == ("SUCCEEDED", "CAPTURED")
    # 4.00 less 1.2 % and 0.10.
    assert (await world.book())["balances"] == {"meridian": {"eur": 385}}


async def test_a_capture_and_a_cancellation_race_and_one_wins(world: MeridianWorld) -> None:
    psp = await authorised(world)
    await world.post(f"payments/{psp}/cancellations", {"merchantReference": "att_2"})
    await world.post(f"payments/{psp}/captures", {"merchantReference": "att_3", "amount": amount("10.50")})
    world.advance(1)
    assert (await status_of(world), await world.kinds()) == ("CANCELLED", ["authorisation", "cancel"])
    (lost,) = await world.search("att_3")
    assert (lost["status"], lost["reason"]) == ("FAILED", "PAYMENT_CANCELLED")


async def test_more_than_was_authorised_is_received_and_fails(world: MeridianWorld) -> None:
    psp = await authorised(world)
    body = {"merchantReference": "att_2", "amount": amount("10.51")}
    assert (await world.post(f"payments/{psp}/captures", body)).json()["resultCode"] == "RECEIVED"
    world.advance(1)
    (failed,) = await world.search("att_2")
    assert (failed["status"], failed["reason"]) == ("FAILED", "EXCEEDS_AUTHORISATION")
    assert await status_of(world) == "AUTHORISED"


async def test_refunds_add_up_to_the_capture_and_no_further(world: MeridianWorld) -> None:
    psp = (await world.pay())["pspReference"]
    for reference, value, status in (("att_2", "10.00", 200), ("att_3", "0.51", 422), ("att_4", "0.50", 200)):
        body = {"merchantReference": reference, "amount": amount(value)}
        assert (await world.post(f"payments/{psp}/refunds", body)).status_code == status
    world.advance(1)
    assert await world.kinds() == ["charge", "refund", "refund"]


async def test_an_authorisation_lapses_after_six_days(world: MeridianWorld) -> None:
    await authorised(world)
    world.advance(6 * 86_400 - 10)
    assert await status_of(world) == "AUTHORISED"
    world.advance(20)
    assert await status_of(world) == "EXPIRED"


async def test_a_search_is_late(world: MeridianWorld) -> None:
    world.misbehave(search_lag_s=60)
    await world.pay()
    assert await world.search("att_1") == []
    world.advance(61)
    assert len(await world.search("att_1")) == 1


class TestKeys:
    async def test_are_kept_for_an_hour(self, world: MeridianWorld) -> None:
        body = payment("mtk_ok", reference="att_1")
        first = await world.post("payments", body, key="k")
        again = await world.post("payments", body, key="k")
        assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
        world.advance(3_601)
        await world.post("payments", body, key="k")
        assert (await world.book())["attempts"] == {"att_1": 2}

    async def test_with_another_body_are_a_422(self, world: MeridianWorld) -> None:
        await world.post("payments", payment("mtk_ok", reference="att_1"), key="k")
        other = await world.post("payments", payment("mtk_ok", reference="att_2"), key="k")
        assert (other.status_code, other.json()["errorCode"]) == (422, "M-400")

    async def test_keep_what_was_done_and_no_500(self, world: MeridianWorld) -> None:
        body = payment("mtk_ok", reference="att_1")
        for fault in ("error_before", "error_after"):
            world.misbehave(**{fault: 1})
            assert (await world.post("payments", body, key="k")).json()["errorCode"] == "M-500"
        world.misbehave()
        assert (await world.post("payments", body, key="k")).json()["resultCode"] == "AUTHORISED"
        assert (await world.book())["attempts"] == {"att_1": 1}


class TestNotifications:
    async def test_come_in_batches_and_each_item_has_an_id_of_its_own(self, world: MeridianWorld) -> None:
        async with listener(Accepting()) as taken:
            world.tell(taken.url)
            for number in range(12):
                await world.pay(reference=f"att_{number}")
            await world.control("webhooks/flush")
            assert [len(ids) for ids in batches(taken)] == [10, 2]
            assert len({each for ids in batches(taken) for each in ids}) == 12

    async def test_are_sent_again_until_the_answer_says_accepted(self, world: MeridianWorld) -> None:
        async with listener() as deaf:
            world.tell(deaf.url)
            await world.pay()
            await world.control("webhooks/flush")
            assert len(deaf.requests) > 1
            assert len({request.body for request in deaf.requests}) == 1

    async def test_are_signed_by_each_secret(self, world: MeridianWorld) -> None:
        async with listener(Accepting()) as taken:
            world.tell(taken.url, secrets=(SECRET, OLDER_SECRET))
            await world.pay()
            await world.control("webhooks/flush")
            (item,) = taken.items
            assert len(item["signatures"]) == 2

    async def test_tell_of_a_chargeback_and_of_its_end(self, world: MeridianWorld) -> None:
        async with listener(Accepting()) as taken:
            world.tell(taken.url, events=("CHARGEBACK*",))
            await world.pay("mtk_disputed")
            world.advance(2)
            await world.control("webhooks/flush")
            (opened,) = taken.items
            path = f"meridian/disputes/{opened['pspReference']}/close"
            assert (await world.control(path, {"status": "won"})).status_code == 200
            assert (await world.control(path, {"status": "lost"})).status_code == 422
            await world.control("webhooks/flush")
            assert taken.codes == ["CHARGEBACK", "CHARGEBACK_REVERSED"]
            assert await world.kinds() == ["charge", "dispute", "dispute_reversal"]


async def test_what_is_due_is_paid_out_as_a_file(world: MeridianWorld) -> None:
    await world.pay()
    (made,) = (await world.control("settle", {"partner": "meridian"})).json()["settlements"]
    (listed,) = (await world.http.get("/meridian/v3/reports")).json()["reports"]
    assert (listed["name"], listed["status"]) == (made["name"], "PAID")
    file = (await world.http.get(f"/meridian/v3/reports/{made['name']}")).text.splitlines()
    assert [line.split(";")[2] for line in file] == ["Type", "SETTLED", "PAYOUT"]
    assert file[1].split(";")[7:10] == ["10.50", "0.23", "10.27"]
    assert file[2].split(";")[9] == "-10.27"
    assert (await world.book())["balances"] == {"meridian": {"eur": 0}}


def test_cards_of_a_vault_are_known_to_every_partner_that_takes_cards() -> None:
    shared = {name for name in CARDS if name.startswith("tok_")}
    assert shared == {name for name in METHODS if name.startswith("tok_")}
    guide = (ROOT / "docs" / "guides" / "sandbox.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(tok_card_\w+)` \|", guide, re.MULTILINE)) == shared


def test_the_page_tells_of_every_card() -> None:
    page = (ROOT / "docs" / "reference" / "sandbox-meridian.md").read_text(encoding="utf-8")
    rows = {name for line in page.splitlines() for name in re.findall(r"^\| (`.*`) \|", line)}
    rows = {name for row in rows for name in re.findall(r"`((?:mtk|tok_card)_\w+)`", row)}
    assert rows == set(CARDS)


def batches(taken: Accepting) -> list[list[str]]:
    """The ids of the items, batch by batch."""
    return [[item["id"] for item in msgspec.json.decode(it.body)["items"]] for it in taken.requests]
