"""What follows a payment: refunds, disputes, settlement with fees netted, the balance."""

import pytest
import stripe

from support.sandboxes import SDK_WARNS, Json, StripeWorld

pytestmark = SDK_WARNS

DAY_S = 86_400
FEE = 41
DISPUTE_FEE = 1_500


async def refund(world: StripeWorld, intent: str, **more: object) -> stripe.Refund:
    """Pay it back, or `amount` of it."""
    return await world.sdk.v1.refunds.create_async({"payment_intent": intent, **more})  # type: ignore[typeddict-item]


async def balance(world: StripeWorld) -> int:
    """What the book says of the euros."""
    return int((await world.book())["balances"]["stripe"]["eur"])


class TestRefunds:
    async def test_in_parts_and_never_more_than_was_captured(self, world: StripeWorld) -> None:
        intent = await world.pay()
        first = await refund(world, intent.id, amount=50, metadata={"attempt_id": "att_2"})
        assert (first.status, first.amount, first.payment_intent) == ("succeeded", 50, intent.id)
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await refund(world, intent.id, amount=1001)
        assert refused.value.param == "amount"
        assert (await refund(world, intent.id)).amount == 1000
        with pytest.raises(stripe.InvalidRequestError) as again:
            await refund(world, intent.id)
        assert again.value.code == "charge_already_refunded"
        book = await world.book()
        assert (book["balances"]["stripe"]["eur"], book["attempts"]["att_2"]) == (-FEE, 1)
        listed = await world.sdk.v1.refunds.list_async({"payment_intent": intent.id})
        assert [each.amount for each in listed.data] == [1000, 50]
        charge = (await world.intent(intent.id, "latest_charge")).latest_charge
        assert (charge.refunded, charge.amount_refunded) == (True, 1050)

    async def test_one_that_fails_later_frees_its_amount(self, world: StripeWorld) -> None:
        intent = await world.pay("pm_card_refundFail")
        made = await refund(world, intent.id)
        assert made.status == "succeeded"
        world.advance(2)
        failed = await world.sdk.v1.refunds.retrieve_async(made.id)
        assert (failed.status, failed.failure_reason) == ("failed", "expired_or_canceled_card")
        assert await balance(world) == 1050 - FEE
        assert (await world.events())[-3:] == ["refund.created", "refund.updated", "refund.failed"]
        assert (await refund(world, intent.id)).amount == 1050

    async def test_one_that_is_pending_succeeds_later(self, world: StripeWorld) -> None:
        intent = await world.pay("pm_card_pendingRefund")
        made = await refund(world, intent.id, reason="duplicate")
        assert (made.status, made.reason) == ("pending", "duplicate")
        world.advance(2)
        assert (await world.sdk.v1.refunds.retrieve_async(made.id)).status == "succeeded"

    async def test_what_was_not_captured_cannot_be_refunded_nor_a_refund_canceled(
        self, world: StripeWorld
    ) -> None:
        intent = await world.pay(capture_method="manual")
        with pytest.raises(stripe.InvalidRequestError):
            await refund(world, intent.id)
        await world.sdk.v1.payment_intents.capture_async(intent.id)
        made = await refund(world, intent.id)
        with pytest.raises(stripe.InvalidRequestError):
            await world.sdk.v1.refunds.cancel_async(made.id)


class TestDisputes:
    async def opened(self, world: StripeWorld, **more: object) -> tuple[str, Json]:
        intent = await world.pay(amount=2000)
        return intent.id, await world.control("disputes", {"payment_intent": intent.id, **more})

    async def test_takes_the_money_and_a_fee_at_opening(self, world: StripeWorld) -> None:
        intent, dispute = await self.opened(world, reason="product_not_received")
        assert (dispute["status"], dispute["reason"]) == ("needs_response", "product_not_received")
        (taken,) = dispute["balance_transactions"]
        assert (taken["amount"], taken["fee"], taken["net"]) == (-2000, DISPUTE_FEE, -2000 - DISPUTE_FEE)
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await refund(world, intent)
        assert refused.value.code == "charge_disputed"
        listed = await world.sdk.v1.disputes.list_async({"payment_intent": intent})
        assert [each.id for each in listed.data] == [dispute["id"]]

    async def test_won_the_money_comes_back_and_the_fee_stays(self, world: StripeWorld) -> None:
        _, dispute = await self.opened(world)
        before = await balance(world)
        closed = await world.control(f"disputes/{dispute['id']}/close", {"status": "won"})
        assert (closed["status"], await balance(world)) == ("won", before + 2000)
        assert (await world.events())[-4:] == [
            "charge.dispute.created",
            "charge.dispute.funds_withdrawn",
            "charge.dispute.closed",
            "charge.dispute.funds_reinstated",
        ]
        again = await world.http.post(f"/control/disputes/{dispute['id']}/close", json={"status": "lost"})
        assert again.status_code == 404

    async def test_given_up_it_is_lost(self, world: StripeWorld) -> None:
        _, dispute = await self.opened(world, amount=500)
        before = await balance(world)
        assert (await world.sdk.v1.disputes.close_async(dispute["id"])).status == "lost"
        assert await balance(world) == before

    async def test_evidence_is_looked_at_and_decides(self, world: StripeWorld) -> None:
        _, dispute = await self.opened(world)
        update = world.sdk.v1.disputes.update_async
        assert (await update(dispute["id"], {"evidence": {"receipt": "file_1"}})).status == "under_review"
        decided = await update(dispute["id"], {"evidence": {"uncategorized_text": "winning_evidence"}})
        assert (decided.status, decided.evidence.receipt) == ("won", "file_1")

    async def test_an_inquiry_moves_no_money(self, world: StripeWorld) -> None:
        intent, dispute = await self.opened(world, inquiry=True)
        assert (dispute["status"], dispute["balance_transactions"]) == ("warning_needs_response", [])
        assert (await refund(world, intent)).status == "succeeded"
        closed = await world.control(f"disputes/{dispute['id']}/close", {"status": "lost"})
        assert closed["status"] == "warning_closed"

    @pytest.mark.parametrize(
        ("method", "status"),
        [
            ("pm_card_createDispute", "needs_response"),
            ("pm_card_createDisputeInquiry", "warning_needs_response"),
        ],
    )
    async def test_a_test_card_is_disputed_by_itself(
        self, world: StripeWorld, method: str, status: str
    ) -> None:
        await world.pay(method)
        world.advance(2)
        (dispute,) = (await world.sdk.v1.disputes.list_async()).data
        assert dispute.status == status

    async def test_there_is_one_a_charge_and_never_over_more_than_it(self, world: StripeWorld) -> None:
        intent, _ = await self.opened(world)
        fresh = await world.pay()
        for id, amount in ((intent, 1), (fresh.id, 1051)):
            answer = await world.http.post("/control/disputes", json={"payment_intent": id, "amount": amount})
            assert answer.status_code == 400


class TestSettlement:
    async def test_pays_out_with_fees_netted_and_says_of_what(self, world: StripeWorld) -> None:
        paid, back = await world.pay(), await world.pay()
        await refund(world, back.id)
        (made,) = (await world.control("settle", {"partner": "stripe"}))["settlements"]
        assert (made["status"], made["amount"], made["automatic"]) == ("paid", 1050 - 2 * FEE, True)
        lines = await world.sdk.v1.balance_transactions.list_async(
            {"payout": made["id"], "expand": ["data.source"]}
        )
        assert [(line.reporting_category, line.net) for line in lines.data] == [
            ("payout", -made["amount"]),
            ("refund", -1050),
            ("charge", 1050 - FEE),
            ("charge", 1050 - FEE),
        ]
        assert lines.data[-1].source.payment_intent == paid.id
        assert await balance(world) == 0
        assert (await world.control("settle"))["settlements"] == []

    async def test_draws_on_the_bank_where_more_went_out_than_came_in(self, world: StripeWorld) -> None:
        await refund(world, (await world.pay()).id)
        (made,) = (await world.control("settle"))["settlements"]
        assert (made["amount"], await balance(world)) == (-FEE, 0)

    async def test_by_itself_each_day_of_what_is_available_and_arrives_a_day_later(
        self, world: StripeWorld
    ) -> None:
        await world.pay()
        world.advance(2 * DAY_S - 60)
        assert (await world.sdk.v1.payouts.list_async()).data == []
        world.advance(DAY_S + 60)
        (payout,) = (await world.sdk.v1.payouts.list_async()).data
        assert (payout.status, payout.amount) == ("in_transit", 1050 - FEE)
        world.advance(DAY_S)
        assert (await world.sdk.v1.payouts.retrieve_async(payout.id)).status == "paid"
        assert (await world.events())[-2:] == ["payout.created", "payout.paid"]

    async def test_a_payout_by_hand_needs_what_is_available_and_may_fail(self, world: StripeWorld) -> None:
        await world.pay("pm_card_bypassPending")
        create = world.sdk.v1.payouts.create_async
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await create({"amount": 1010, "currency": "eur"})
        assert refused.value.code == "balance_insufficient"
        payout = await create({"amount": 1009, "currency": "eur"})
        assert (payout.status, payout.automatic, await balance(world)) == ("pending", False, 0)
        failed = await world.control(f"payouts/{payout.id}/fail")
        assert (failed["status"], await balance(world)) == ("failed", 1009)

    async def test_the_balance_is_pending_for_two_days(self, world: StripeWorld) -> None:
        await world.pay()
        now = await world.sdk.v1.balance.retrieve_async()
        assert (now.pending[0].amount, now.available[0].amount) == (1009, 0)


class TestLists:
    async def test_pages_go_from_new_to_old_both_ways(self, world: StripeWorld) -> None:
        ids = [(await world.pay()).id for _ in range(5)]
        list_ = world.sdk.v1.payment_intents.list_async
        first = await list_({"limit": 2})
        assert ([each.id for each in first.data], first.has_more) == ([ids[4], ids[3]], True)
        second = await list_({"limit": 3, "starting_after": ids[3]})
        assert ([each.id for each in second.data], second.has_more) == ([ids[2], ids[1], ids[0]], False)
        back = await list_({"limit": 2, "ending_before": ids[1]})
        assert ([each.id for each in back.data], back.has_more) == ([ids[3], ids[2]], True)
        assert [each.id async for each in first.auto_paging_iter()] == ids[::-1]

    async def test_by_time(self, world: StripeWorld) -> None:
        early = await world.pay()
        world.advance(100)
        late = await world.pay()
        list_ = world.sdk.v1.payment_intents.list_async
        assert [each.id for each in (await list_({"created": {"gt": early.created}})).data] == [late.id]
        assert [each.id for each in (await list_({"created": {"lt": late.created}})).data] == [early.id]

    async def test_search_finds_by_metadata_and_more_once_its_lag_is_over(self, world: StripeWorld) -> None:
        intent = await world.pay(metadata={"attempt_id": "att_1", "order": "7"})
        search = world.sdk.v1.payment_intents.search_async

        async def found(query: str) -> list[str]:
            return [each.id for each in (await search({"query": query})).data]

        world.misbehave(search_lag_s=60)
        assert await found("metadata['attempt_id']:'att_1'") == []
        world.advance(61)
        for query in (
            "metadata['attempt_id']:'att_1'",
            'metadata["order"]:"7" AND status:\'succeeded\' AND amount>1000',
        ):
            assert await found(query) == [intent.id]
        assert await found("metadata['attempt_id']:'att_2'") == []
        assert await found("amount<1050") == []
        with pytest.raises(stripe.InvalidRequestError):
            await found("metadata")

    @pytest.mark.parametrize("expand", ["customers", "amount", "latest_charge.nothing"])
    async def test_what_cannot_be_expanded_is_refused(self, world: StripeWorld, expand: str) -> None:
        intent = await world.pay()
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await world.intent(intent.id, expand)
        assert refused.value.param == "expand"
