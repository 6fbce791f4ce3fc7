"""Idempotency keys as Stripe documents them, and each fault: what was done, and what the caller learns."""

import asyncio

import httpx
import pytest

from support.sandboxes import StripeWorld, stripe_world

PAYMENT = (
    "amount=1050&currency=eur&confirm=true&payment_method=pm_card_visa&allowed_payment_method_types[0]=card"
)
FORM = "application/x-www-form-urlencoded"


async def post(
    world: StripeWorld, key: str, *, body: str = PAYMENT, path: str = "/v1/payment_intents"
) -> httpx.Response:
    """A POST under `key`."""
    return await world.http.post(path, content=body, headers={"Idempotency-Key": key, "Content-Type": FORM})


async def charges(world: StripeWorld) -> int:
    """How many payments had their effect."""
    return (await world.kinds()).count("charge")


class TestKeys:
    async def test_a_repeat_gets_the_first_answer_and_has_no_effect(self, world: StripeWorld) -> None:
        first, second = await post(world, "k1"), await post(world, "k1")
        assert (second.status_code, second.content) == (200, first.content)
        assert second.headers["idempotent-replayed"] == "true"
        assert second.headers["original-request"] == first.headers["request-id"]
        assert "idempotent-replayed" not in first.headers
        assert await charges(world) == 1

    async def test_a_decline_is_replayed_too(self, world: StripeWorld) -> None:
        body = PAYMENT.replace("pm_card_visa", "pm_card_chargeDeclined")
        first, second = await post(world, "k1", body=body), await post(world, "k1", body=body)
        assert (first.status_code, second.status_code, second.content) == (402, 402, first.content)

    async def test_other_parameters_are_refused_in_another_order_they_are_the_same(
        self, world: StripeWorld
    ) -> None:
        await post(world, "k1")
        other = await post(world, "k1", body=PAYMENT.replace("1050", "1051"))
        assert (other.status_code, other.json()["error"]["type"]) == (400, "idempotency_error")
        elsewhere = await post(world, "k1", path="/v1/refunds")
        assert (elsewhere.status_code, elsewhere.json()["error"]["type"]) == (400, "idempotency_error")
        turned = "&".join(reversed(PAYMENT.split("&")))
        assert (await post(world, "k1", body=turned)).headers["idempotent-replayed"] == "true"

    async def test_a_call_that_was_refused_before_it_began_leaves_its_key_free(
        self, world: StripeWorld
    ) -> None:
        assert (await post(world, "k1", body=PAYMENT.replace("eur", "xxx"))).status_code == 400
        assert (await post(world, "k1")).status_code == 200

    async def test_a_call_that_the_state_refused_keeps_its_answer(self, world: StripeWorld) -> None:
        id = (await post(world, "k1")).json()["id"]
        path = f"/v1/payment_intents/{id}/capture"
        assert (await post(world, "k2", body="", path=path)).status_code == 400
        assert (await post(world, "k2", body="", path=path)).headers["idempotent-replayed"] == "true"

    async def test_while_the_first_is_in_flight_the_second_meets_409(self, world: StripeWorld) -> None:
        world.misbehave(delay_before=1, delay_ms_min=300, delay_ms_max=300)
        first = asyncio.create_task(post(world, "k1"))
        while not world.sandbox.partners["stripe"].counts["delayed"]:
            await asyncio.sleep(0)
        second = await post(world, "k1")
        assert (second.status_code, second.json()["error"]["code"]) == (409, "idempotency_key_in_use")
        assert (await first).status_code == 200
        assert await charges(world) == 1

    async def test_keys_are_forgotten_after_a_day_of_the_sandboxs_clock(self, world: StripeWorld) -> None:
        first = await post(world, "k1")
        world.advance(86_399 - 5)
        assert (await post(world, "k1")).content == first.content
        world.advance(10)
        assert (await post(world, "k1")).json()["id"] != first.json()["id"]
        assert await charges(world) == 2

    async def test_reads_have_no_keys(self, world: StripeWorld) -> None:
        id = (await post(world, "k1")).json()["id"]
        path = f"/v1/payment_intents/{id}"
        answers = [await world.http.get(path, headers={"Idempotency-Key": "k1"}) for _ in range(2)]
        assert [answer.headers.get("idempotent-replayed") for answer in answers] == [None, None]


class TestFaults:
    async def test_a_rate_limit_says_when_to_come_back_and_keeps_nothing(self, world: StripeWorld) -> None:
        world.misbehave(rate_limited=1, retry_after_s=7)
        limited = await post(world, "k1")
        assert (limited.status_code, limited.headers["retry-after"]) == (429, "7")
        world.misbehave()
        assert (await post(world, "k1")).status_code == 200

    async def test_a_503_from_in_front_keeps_nothing(self, world: StripeWorld) -> None:
        world.misbehave(unavailable=1)
        assert (await post(world, "k1")).status_code == 503
        world.misbehave()
        assert "idempotent-replayed" not in (await post(world, "k1")).headers
        assert await charges(world) == 1

    @pytest.mark.parametrize(("fault", "effects"), [("error_before", 0), ("error_after", 1)])
    async def test_a_500_is_kept_so_a_repeat_teaches_nothing(
        self, world: StripeWorld, fault: str, effects: int
    ) -> None:
        world.misbehave(**{fault: 1})
        first = await post(world, "k1")
        world.misbehave()
        second = await post(world, "k1")
        assert (first.status_code, second.status_code, second.content) == (500, 500, first.content)
        assert second.headers["idempotent-replayed"] == "true"
        assert await charges(world) == effects

    @pytest.mark.parametrize(("fault", "effects"), [("drop_before", 0), ("drop_after", 1)])
    async def test_a_dropped_connection_has_one_effect_or_none(
        self, world: StripeWorld, fault: str, effects: int
    ) -> None:
        world.misbehave(**{fault: 1})
        with pytest.raises(httpx.RemoteProtocolError):
            await post(world, "k1")
        assert await charges(world) == effects
        world.misbehave()
        again = await post(world, "k1")
        assert (again.status_code, await charges(world)) == (200, 1)
        assert again.headers.get("idempotent-replayed") == ("true" if effects else None)

    async def test_a_caller_who_hangs_up_does_not_take_it_back(self, world: StripeWorld) -> None:
        world.misbehave(delay_before=1, delay_ms_min=150, delay_ms_max=150)
        with pytest.raises(httpx.ReadTimeout):
            await world.http.post(
                "/v1/payment_intents", content=PAYMENT, headers={"Content-Type": FORM}, timeout=0.05
            )
        while not world.sandbox.world.effects.book()["effects"]:
            await asyncio.sleep(0.01)
        assert await charges(world) == 1

    async def test_reads_may_be_spared(self, world: StripeWorld) -> None:
        id = (await post(world, "k1")).json()["id"]
        world.misbehave(error_before=1, reads=False)
        assert (await world.http.get(f"/v1/payment_intents/{id}")).status_code == 200
        assert (await post(world, "k2")).status_code == 500

    async def test_the_same_seed_draws_the_same_for_the_same_key_whatever_else_is_called(self) -> None:
        async def met(seed: int, keys: list[str]) -> dict[str, int]:
            async with stripe_world(seed=seed) as world:
                world.misbehave(error_before=0.5)
                return {key: (await post(world, key)).status_code for key in keys}

        keys = [f"k{number}" for number in range(20)]
        first, second = await met(1, keys), await met(1, keys[::-1])
        assert first == second
        assert sorted(set(first.values())) == [200, 500]
        assert await met(2, keys) != first


class TestControl:
    async def test_what_is_set_is_merged_and_what_is_wrong_changes_nothing(self, world: StripeWorld) -> None:
        put = await world.http.put("/control/faults", json={"stripe": {"rate_limited": 0.5}})
        assert put.json()["stripe"]["rate_limited"] == 0.5
        for wrong in (
            {"stripe": {"rate_limited": 2}},
            {"stripe": {"nothing": 1}},
            {"nobody": {}},
            {"stripe": 3},
            3,
        ):
            assert (await world.http.put("/control/faults", json=wrong)).status_code == 400
        put = await world.http.put("/control/faults", json={"stripe": {"error_after": 0.25}})
        assert (put.json()["stripe"]["rate_limited"], put.json()["stripe"]["error_after"]) == (0.5, 0.25)
        for wrong in ({"stripe": {"url": "ftp://x"}}, {"stripe": {"delay": -1}}):
            assert (await world.http.put("/control/webhooks", json=wrong)).status_code == 400

    async def test_reset_forgets_all_but_how_partners_behave(self, world: StripeWorld) -> None:
        await post(world, "k1")
        world.misbehave(search_lag_s=5)
        assert (await world.control("reset"))["status"] == "ok"
        assert (await world.book())["effects"] == []
        assert (await world.http.get("/v1/payment_intents")).json()["data"] == []
        assert (await world.http.get("/control/faults")).json()["stripe"]["search_lag_s"] == 5
        assert "idempotent-replayed" not in (await post(world, "k1")).headers

    async def test_the_clock_goes_forward_only(self, world: StripeWorld) -> None:
        before = (await world.http.get("/control/clock")).json()["now"]
        after = (await world.control("clock/advance", {"seconds": 3600}))["now"]
        assert 3600 <= after - before < 3610
        assert (await world.http.post("/control/clock/advance", json={"seconds": -1})).status_code == 400

    async def test_stats_count_calls(self, world: StripeWorld) -> None:
        await post(world, "k1")
        stats = (await world.http.get("/control/stats")).json()
        assert (stats["calls"]["stripe"]["calls"], stats["waiting"]) == (1, 0)
        assert (await world.http.get("/control/book?partner=nobody")).status_code == 404
