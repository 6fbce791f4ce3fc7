"""PaymentIntents in the sandbox, by Stripe's own SDK: what each test payment method leads to."""

import asyncio
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import stripe

from support.sandboxes import SDK_WARNS, StripeWorld, client

pytestmark = SDK_WARNS

DAY_S = 86_400
EXPANDED = ["latest_charge.balance_transaction"]


class TestCards:
    async def test_a_card_is_charged_at_once_and_its_fee_comes_with_the_answer(
        self, world: StripeWorld
    ) -> None:
        intent = await world.pay(
            metadata={"attempt_id": "att_1"}, capture_method="automatic", expand=EXPANDED
        )
        charge = intent.latest_charge
        assert (intent.status, intent.amount_received, charge.status) == ("succeeded", 1050, "succeeded")
        assert (charge.balance_transaction.fee, charge.balance_transaction.net) == (41, 1009)  # 1.5 % + 25
        book = await world.book()
        assert book["balances"] == {"stripe": {"eur": 1009}}
        assert book["attempts"] == {"att_1": 1}

    async def test_the_synchronous_sdk_reads_the_same(self, world: StripeWorld) -> None:
        def drive() -> tuple[str, str, list[str]]:
            with httpx.Client() as http:
                sdk = client(world.url, stripe.RequestsClient())
                made = sdk.v1.payment_intents.create({"amount": 500, "currency": "eur"})
                paid = sdk.v1.payment_intents.confirm(
                    made.id, {"payment_method": "pm_card_visa", "return_url": f"{world.url}/back"}
                )
                http.close()
                listed = [each.id for each in sdk.v1.payment_intents.list().auto_paging_iter()]
                return made.status, paid.status, listed

        made, paid, listed = await asyncio.to_thread(drive)
        assert (made, paid, len(listed)) == ("requires_payment_method", "succeeded", 1)

    @pytest.mark.parametrize(
        ("method", "code", "decline_code"),
        [
            ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
            ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
            ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
            ("pm_card_chargeDeclinedLostCard", "card_declined", "lost_card"),
            ("pm_card_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
            ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
            ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", None),
            ("pm_card_chargeDeclinedProcessingError", "processing_error", None),
            ("pm_card_radarBlock", "card_declined", "fraudulent"),
        ],
    )
    async def test_a_decline_is_402_with_the_intent_and_moves_nothing(
        self, world: StripeWorld, method: str, code: str, decline_code: str | None
    ) -> None:
        with pytest.raises(stripe.CardError) as declined:
            await world.pay(method)
        error = declined.value.error
        assert (declined.value.http_status, error.type, error.code) == (402, "card_error", code)
        assert getattr(error, "decline_code", None) == decline_code
        intent = await world.intent(error.payment_intent.id, "latest_charge")
        assert (intent.status, intent.payment_method) == ("requires_payment_method", None)
        assert (intent.last_payment_error.code, intent.latest_charge.status) == (code, "failed")
        assert await world.events() == ["payment_intent.created", "payment_intent.payment_failed"]
        assert (await world.book())["effects"] == []

    @pytest.mark.parametrize(
        ("wanted", "status"), [("challenge", "requires_action"), ("automatic", "succeeded")]
    )
    async def test_a_merchant_may_have_any_card_authenticated(
        self, world: StripeWorld, wanted: str, status: str
    ) -> None:
        options = {"card": {"request_three_d_secure": wanted}}
        intent = await world.pay(payment_method_options=options, return_url=f"{world.url}/back")
        assert intent.status == status

    async def test_a_declined_intent_may_be_confirmed_with_another_card(self, world: StripeWorld) -> None:
        with pytest.raises(stripe.CardError) as declined:
            await world.pay("pm_card_chargeDeclined")
        id = declined.value.error.payment_intent.id
        paid = await world.sdk.v1.payment_intents.confirm_async(id, {"payment_method": "pm_card_visa"})
        assert (paid.status, paid.last_payment_error) == ("succeeded", None)

    async def test_with_automatic_async_the_balance_transaction_shows_later(self, world: StripeWorld) -> None:
        world.tell(None, events=("charge.updated",))
        intent = await world.pay(expand=["latest_charge"])
        assert (intent.capture_method, intent.latest_charge.balance_transaction) == ("automatic_async", None)
        world.advance(1)
        later = await world.intent(intent.id, "latest_charge")
        assert later.latest_charge.balance_transaction.startswith("txn_")
        assert await world.events() == ["charge.updated"]

    @pytest.mark.parametrize(
        ("method", "amount", "currency"),
        [("pm_sandbox_otherAmount", 1049, "eur"), ("pm_sandbox_otherCurrency", 1050, "nok")],
    )
    async def test_two_cards_of_the_sandboxs_own_are_charged_with_something_else(
        self, world: StripeWorld, method: str, amount: int, currency: str
    ) -> None:
        intent = await world.pay(method)
        assert (intent.status, intent.amount, intent.amount_received) == ("succeeded", amount, amount)
        assert intent.currency == currency
        effect = (await world.book())["effects"][0]
        assert (effect["amount"], effect["currency"]) == (amount, currency)


class TestAuthentication:
    async def started(
        self, world: StripeWorld, method: str = "pm_card_threeDSecure2Required"
    ) -> stripe.PaymentIntent:
        intent = await world.pay(method, return_url="https://shop.test/back?order=7")
        assert intent.status == "requires_action"
        assert intent.next_action.type == "redirect_to_url"
        return intent  # type: ignore[no-any-return]

    async def test_completed_on_the_page_it_is_charged_and_the_payer_sent_back(
        self, world: StripeWorld
    ) -> None:
        intent = await self.started(world)
        url = intent.next_action.redirect_to_url.url  # type: ignore[union-attr]
        page = await world.http.get(url)
        assert (page.status_code, "Complete" in page.text) == (200, True)
        back = await world.http.post(url, data={"outcome": "complete"})
        where = urlsplit(back.headers["location"])
        assert (back.status_code, where.netloc, where.path) == (303, "shop.test", "/back")
        query = parse_qs(where.query)
        assert (query["order"], query["payment_intent"]) == (["7"], [intent.id])
        assert query["redirect_status"] == ["succeeded"]
        assert (await world.intent(intent.id)).status == "succeeded"
        assert await world.kinds() == ["charge"]
        assert (await world.http.post(url, data={"outcome": "complete"})).status_code == 404

    @pytest.mark.parametrize("by", ["page", "control"])
    async def test_failed_it_needs_another_method(self, world: StripeWorld, by: str) -> None:
        intent = await self.started(world)
        if by == "control":
            await world.control("actions", {"payment_intent": intent.id, "outcome": "fail"})
        else:
            url = intent.next_action.redirect_to_url.url  # type: ignore[union-attr]
            back = await world.http.get(f"{url}?outcome=fail")
            assert "redirect_status=failed" in back.headers["location"]
        failed = await world.intent(intent.id)
        assert failed.status == "requires_payment_method"
        assert failed.last_payment_error.code == "payment_intent_authentication_failure"
        assert await world.kinds() == []

    async def test_the_card_may_still_be_declined_afterwards(self, world: StripeWorld) -> None:
        intent = await self.started(world, "pm_card_threeDSecureRequiredChargeDeclined")
        await world.control("actions", {"payment_intent": intent.id})
        failed = await world.intent(intent.id)
        assert (failed.status, failed.last_payment_error.code) == ("requires_payment_method", "card_declined")

    async def test_off_session_nobody_can_act_and_it_is_declined(self, world: StripeWorld) -> None:
        with pytest.raises(stripe.CardError) as declined:
            await world.pay("pm_card_authenticationRequired", off_session=True)
        assert declined.value.code == "authentication_required"


class TestBankDebits:
    @pytest.mark.parametrize(
        ("method", "after_s", "status", "effects"),
        [
            ("pm_success_de", 2, "succeeded", ["charge"]),
            ("pm_successDelayed_de", 2, "processing", []),
            ("pm_successDelayed_de", 180, "succeeded", ["charge"]),
            ("pm_failed_de", 2, "requires_payment_method", []),
            ("pm_insufficientFunds_de", 2, "requires_payment_method", []),
        ],
    )
    async def test_a_debit_is_processing_until_its_time_has_come(
        self, world: StripeWorld, method: str, after_s: int, status: str, effects: list[str]
    ) -> None:
        intent = await world.pay(method)
        assert (intent.status, intent.processing.type) == ("processing", "sepa_debit")
        world.advance(after_s)
        assert (await world.intent(intent.id)).status == status
        assert await world.kinds() == effects

    async def test_one_in_another_currency_is_refused(self, world: StripeWorld) -> None:
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await world.pay(
                "pm_usBankAccount_success", allowed_payment_method_types=["card", "us_bank_account"]
            )
        assert refused.value.param == "payment_method"
        assert (await world.sdk.v1.payment_intents.list_async()).data == []

    async def test_one_that_is_processing_cannot_be_canceled(self, world: StripeWorld) -> None:
        intent = await world.pay("pm_success_de")
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await world.sdk.v1.payment_intents.cancel_async(intent.id)
        assert refused.value.code == "payment_intent_unexpected_state"


class TestParameters:
    @pytest.mark.parametrize(
        ("changed", "param", "code"),
        [
            ({"amount": 49}, "amount", "amount_too_small"),
            ({"amount": 100_000_000}, "amount", "amount_too_large"),
            ({"amount": 0}, "amount", "parameter_invalid_integer"),
            ({"amount": "10.5"}, "amount", "parameter_invalid_integer"),
            ({"currency": "xxx"}, "currency", None),
            ({"amout": 5}, "amout", "parameter_unknown"),
            (
                {"automatic_payment_methods": {"enable": True}},
                "automatic_payment_methods[enable]",
                "parameter_unknown",
            ),
            ({"payment_method": "pm_none"}, "payment_method", "resource_missing"),
            ({"allowed_payment_method_types": ["iou"]}, "allowed_payment_method_types", None),
            (
                {"payment_method_types": ["card"]},
                "payment_method_types",
                "payment_method_types_no_longer_supported",
            ),
            ({"capture_method": "later"}, "capture_method", None),
            ({"metadata": {"k" * 41: "v"}}, "metadata", None),
            ({"confirm": "yes"}, "confirm", None),
        ],
    )
    async def test_what_is_wrong_is_named_and_nothing_is_made(
        self, world: StripeWorld, changed: dict[str, object], param: str, code: str | None
    ) -> None:
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await world.pay(**changed)
        assert (refused.value.param, refused.value.code) == (param, code)
        assert await world.events() == []

    async def test_automatic_methods_may_redirect_and_so_need_a_return_url(self, world: StripeWorld) -> None:
        params = {"allowed_payment_method_types": "", "capture_method": "automatic"}
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await world.pay(**params)
        assert refused.value.param == "return_url"
        without = {"automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}
        assert (await world.pay(**params, **without)).status == "succeeded"

    async def test_metadata_is_merged_and_unset(self, world: StripeWorld) -> None:
        intent = await world.pay(metadata={"a": "1", "b": "2"})
        update = world.sdk.v1.payment_intents.update_async
        changed = await update(intent.id, {"metadata": {"b": "", "c": "3"}})
        assert changed.metadata.to_dict() == {"a": "1", "c": "3"}
        assert (await update(intent.id, {"metadata": ""})).metadata.to_dict() == {}

    async def test_only_test_keys_get_in(self, world: StripeWorld) -> None:
        with pytest.raises(stripe.AuthenticationError):
            await world.sdk.v1.payment_intents.retrieve_async("pi_1", {}, {"api_key": "sk_live_1"})

    async def test_what_is_not_there_is_404(self, world: StripeWorld) -> None:
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await world.intent("pi_none")
        assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")
        unknown = await world.http.get("/v1/nothing")
        assert (unknown.status_code, unknown.json()["error"]["type"]) == (404, "invalid_request_error")
