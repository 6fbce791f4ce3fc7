"""The sandbox's bank over HTTP: orders, keys, searches, refunds, returns, settlements, events."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from standardwebhooks import Webhook

from support.banks import OLDER_SECRET, SECRET, BankWorld, Json, bank_world, listener, order


@pytest.fixture
async def bank() -> AsyncIterator[BankWorld]:
    """A bank that has seen nothing yet."""
    async with bank_world() as world:
        yield world


def error_of(answer: object) -> str:
    """The code of an error, which must be in the bank's form."""
    error = answer.json()["error"]  # type: ignore[attr-defined]
    assert set(error) == {"code", "message"}
    return error["code"]  # type: ignore[no-any-return]


class TestOrders:
    async def test_a_transfer_is_accepted_settles_with_time_and_costs_its_fee(self, bank: BankWorld) -> None:
        accepted = await bank.ordered("transfers", "tok_bank_ok")
        assert accepted == {
            "id": accepted["id"],
            "object": "transfer",
            "reference": "att_1",
            "amount": {"amount": 1050, "currency": "EUR"},
            "account": "tok_bank_ok",
            "remittance": "Invoice 7",
            "status": "pending",
            "reason": None,
            "fees": [],
            "created_at": accepted["created_at"],
            "updated_at": accepted["created_at"],
        }
        bank.advance(1)
        settled = await bank.read(f"transfers/{accepted['id']}")
        assert settled["status"] == "settled"
        (fee,) = settled["fees"]
        assert fee["amount"] == {"amount": 20, "currency": "EUR"}

    async def test_a_direct_debit_is_collected_and_says_what_is_refunded(self, bank: BankWorld) -> None:
        debit = await bank.ordered("direct_debits", "tok_bank_instant")
        assert (debit["status"], debit["refunded"]) == ("collected", {"amount": 0, "currency": "EUR"})
        assert [fee["amount"]["amount"] for fee in debit["fees"]] == [30]

    @pytest.mark.parametrize(
        ("path", "account", "seconds", "status", "reason"),
        [
            ("transfers", "tok_bank_closed", 0, "rejected", "AC04"),
            ("transfers", "tok_bank_wrong_number", 0, "rejected", "AC01"),
            ("transfers", "tok_bank_blocked", 1, "rejected", "AC06"),
            ("transfers", "tok_bank_refused", 1, "rejected", "MS03"),
            ("transfers", "tok_bank_returned", 1, "settled", None),
            ("transfers", "tok_bank_returned", 3, "returned", "AC04"),
            ("transfers", "tok_bank_slow", 59, "pending", None),
            ("transfers", "tok_bank_slow", 60, "settled", None),
            ("transfers", "tok_bank_silent", 10**6, "pending", None),
            ("transfers", "tok_bank_insufficient", 1, "settled", None),
            ("direct_debits", "tok_bank_closed", 0, "failed", "AC04"),
            ("direct_debits", "tok_bank_insufficient", 1, "failed", "AM04"),
            ("direct_debits", "tok_bank_no_mandate", 0, "failed", "MD01"),
            ("direct_debits", "tok_bank_returned", 1, "collected", None),
            ("direct_debits", "tok_bank_returned", 3, "returned", "MD06"),
            ("direct_debits", "tok_bank_ok__of_ana", 1, "collected", None),
        ],
    )
    async def test_an_account_behaves_as_its_token_says(
        self, bank: BankWorld, path: str, account: str, seconds: int, status: str, reason: str | None
    ) -> None:
        made = await bank.ordered(path, account)
        bank.advance(seconds)
        found = await bank.read(f"{path}/{made['id']}")
        assert (found["status"], found["reason"] and found["reason"]["code"]) == (status, reason)

    @pytest.mark.parametrize(
        ("account", "amount"),
        [
            ("tok_bank_other_amount", {"amount": 1049, "currency": "EUR"}),
            ("tok_bank_other_currency", {"amount": 1050, "currency": "NOK"}),
        ],
    )
    async def test_some_accounts_make_the_bank_carry_out_something_else(
        self, bank: BankWorld, account: str, amount: Json
    ) -> None:
        assert (await bank.ordered("transfers", account))["amount"] == amount

    @pytest.mark.parametrize(
        ("change", "status", "code"),
        [
            ({"account": "tok_bank_of_nobody"}, 422, "unknown_account"),
            ({"amount": {"amount": 0, "currency": "EUR"}}, 422, "invalid_amount"),
            ({"amount": {"amount": 10**11, "currency": "EUR"}}, 422, "invalid_amount"),
            ({"amount": {"amount": 100, "currency": "JPY"}}, 422, "currency_not_supported"),
            ({"amount": {"amount": 10.5, "currency": "EUR"}}, 400, "invalid_request"),
            ({"reference": ""}, 400, "invalid_request"),
            ({"remittance": "x" * 141}, 400, "invalid_request"),
            ({"colour": "blue"}, 400, "invalid_request"),
        ],
    )
    async def test_a_wrong_order_is_refused_and_nothing_is_made(
        self, bank: BankWorld, change: Json, status: int, code: str
    ) -> None:
        answer = await bank.post("transfers", {**order("tok_bank_instant"), **change})
        assert (answer.status_code, error_of(answer)) == (status, code)
        assert (await bank.read("transfers?reference=att_1"))["data"] == []
        assert (await bank.book())["effects"] == []

    async def test_without_a_good_key_nobody_gets_in(self, bank: BankWorld) -> None:
        for credential in ("Bearer sk_test_of_somebody_else", "Basic bk_test_x", "bk_test_x"):
            answer = await bank.http.get("/bank/v1/transfers", headers={"Authorization": credential})
            assert (answer.status_code, error_of(answer)) == (401, "authentication_failed")

    async def test_another_version_is_refused(self, bank: BankWorld) -> None:
        answer = await bank.http.get("/bank/v1/transfers/x", headers={"Bank-Version": "2020-01-01"})
        assert (answer.status_code, error_of(answer)) == (400, "invalid_request")

    async def test_an_order_is_found_under_its_own_kind_alone(self, bank: BankWorld) -> None:
        made = await bank.ordered("transfers", "tok_bank_ok")
        answer = await bank.get(f"direct_debits/{made['id']}")
        assert (answer.status_code, error_of(answer)) == (404, "not_found")
        assert error_of(await bank.get("nothing/here")) == "not_found"


class TestKeys:
    async def test_a_call_that_changes_something_needs_a_key(self, bank: BankWorld) -> None:
        answer = await bank.http.post("/bank/v1/transfers", json=order("tok_bank_instant"))
        assert (answer.status_code, error_of(answer)) == (400, "invalid_request")

    async def test_the_first_answer_comes_again_and_the_effect_does_not(self, bank: BankWorld) -> None:
        first = await bank.post("transfers", order("tok_bank_ok"), key="att_1")
        bank.advance(1)
        again = await bank.post("transfers", order("tok_bank_ok"), key="att_1")
        assert (again.status_code, again.content) == (201, first.content)
        assert (await bank.book())["attempts"] == {"att_1": 1}

    async def test_another_body_under_the_same_key_is_refused(self, bank: BankWorld) -> None:
        await bank.post("transfers", order("tok_bank_ok"), key="att_1")
        answer = await bank.post("transfers", order("tok_bank_ok", amount=7), key="att_1")
        assert (answer.status_code, error_of(answer)) == (422, "idempotency_key_reused")

    async def test_a_refused_form_does_not_use_up_its_key(self, bank: BankWorld) -> None:
        assert (await bank.post("transfers", order("tok_bank_of_nobody"), key="att_1")).status_code == 422
        assert (await bank.post("transfers", order("tok_bank_ok"), key="att_1")).status_code == 201

    async def test_an_hour_later_the_same_key_makes_a_second_transfer(self, bank: BankWorld) -> None:
        first = await bank.post("transfers", order("tok_bank_instant"), key="att_1")
        bank.advance(3_601)
        second = await bank.post("transfers", order("tok_bank_instant"), key="att_1")
        assert first.json()["id"] != second.json()["id"]
        assert (await bank.book())["attempts"] == {"att_1": 2}

    async def test_a_500_after_the_effect_stays_a_500_and_the_transfer_is_found(
        self, bank: BankWorld
    ) -> None:
        bank.misbehave(error_after=1, reads=False)
        for _ in range(2):
            answer = await bank.post("transfers", order("tok_bank_instant"), key="att_1")
            assert (answer.status_code, error_of(answer)) == (500, "internal_error")
        (found,) = (await bank.read("transfers?reference=att_1"))["data"]
        assert found["status"] == "settled"


class TestSearch:
    async def test_by_reference_of_one_kind_oldest_first(self, bank: BankWorld) -> None:
        first = await bank.ordered("transfers", "tok_bank_ok")
        second = await bank.ordered("transfers", "tok_bank_slow")
        await bank.ordered("transfers", "tok_bank_ok", reference="att_2")
        await bank.ordered("direct_debits", "tok_bank_ok")
        found = await bank.read("transfers?reference=att_1")
        assert [row["id"] for row in found["data"]] == [first["id"], second["id"]]
        assert found["next_cursor"] is None
        assert error_of(await bank.get("transfers")) == "invalid_request"

    async def test_it_lags_while_the_id_is_known_at_once(self, bank: BankWorld) -> None:
        bank.misbehave(search_lag_s=60)
        made = await bank.ordered("transfers", "tok_bank_ok")
        bank.advance(59)
        assert (await bank.read("transfers?reference=att_1"))["data"] == []
        assert (await bank.read(f"transfers/{made['id']}"))["status"] == "settled"
        bank.advance(2)
        assert len((await bank.read("transfers?reference=att_1"))["data"]) == 1


class TestCancelling:
    @pytest.mark.parametrize("path", ["transfers", "direct_debits"])
    async def test_what_is_pending_can_be_called_off_once(self, bank: BankWorld, path: str) -> None:
        made = await bank.ordered(path, "tok_bank_slow")
        answer = await bank.post(f"{path}/{made['id']}/cancel", {"reference": "att_2"})
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
        again = await bank.post(f"{path}/{made['id']}/cancel", {"reference": "att_3"})
        assert (again.status_code, error_of(again)) == (409, "not_cancellable")
        bank.advance(60)
        assert (await bank.read(f"{path}/{made['id']}"))["status"] == "cancelled"
        book = await bank.book()
        assert (book["attempts"], book["balances"]) == ({"att_2": 1}, {"bank": {"eur": 0}})

    async def test_what_is_carried_out_cannot_be_called_off(self, bank: BankWorld) -> None:
        made = await bank.ordered("transfers", "tok_bank_instant")
        answer = await bank.post(f"transfers/{made['id']}/cancel")
        assert (answer.status_code, error_of(answer)) == (409, "not_cancellable")


class TestRefunds:
    async def test_parts_are_given_back_up_to_what_was_collected(self, bank: BankWorld) -> None:
        debit = await bank.ordered("direct_debits", "tok_bank_instant", amount=1000)
        path = f"direct_debits/{debit['id']}"
        body = {"reference": "att_2", "amount": {"amount": 600, "currency": "EUR"}}
        refund = (await bank.post(f"{path}/refunds", body)).json()
        assert (refund["object"], refund["direct_debit"]) == ("refund", debit["id"])
        assert (refund["status"], (await bank.read(path))["refunded"]["amount"]) == ("settled", 600)
        answer = await bank.post(f"{path}/refunds", {**body, "reference": "att_3"})
        assert (answer.status_code, error_of(answer)) == (422, "amount_too_large")
        assert (await bank.read("refunds?reference=att_2"))["data"] == [refund]
        assert (await bank.read(f"refunds/{refund['id']}")) == refund
        assert (await bank.book())["balances"] == {"bank": {"eur": 1000 - 30 - 600 - 20}}

    async def test_a_failed_refund_frees_its_amount(self, bank: BankWorld) -> None:
        debit = await bank.ordered("direct_debits", "tok_bank_refund_fails")
        bank.advance(1)
        path = f"direct_debits/{debit['id']}"
        body = {"reference": "att_2", "amount": debit["amount"]}
        refund = (await bank.post(f"{path}/refunds", body)).json()
        assert (refund["status"], (await bank.read(path))["refunded"]["amount"]) == ("pending", 1050)
        bank.advance(1)
        failed = await bank.read(f"refunds/{refund['id']}")
        assert (failed["status"], failed["reason"]["code"]) == ("failed", "AC04")
        assert (await bank.read(path))["refunded"]["amount"] == 0

    async def test_only_what_is_collected_is_refunded(self, bank: BankWorld) -> None:
        debit = await bank.ordered("direct_debits", "tok_bank_slow")
        body = {"reference": "att_2", "amount": debit["amount"]}
        answer = await bank.post(f"direct_debits/{debit['id']}/refunds", body)
        assert (answer.status_code, error_of(answer)) == (409, "not_refundable")


class TestControl:
    async def test_a_test_lets_a_silent_order_move_and_come_back(self, bank: BankWorld) -> None:
        made = await bank.ordered("transfers", "tok_bank_silent")
        move = {"order": made["id"], "status": "settled"}
        assert (await bank.control("bank/moves", move)).json()["status"] == "settled"
        back = (await bank.control("returns", {"transfer": made["id"], "reason": "AC01"})).json()
        assert (back["status"], back["reason"]["code"]) == ("returned", "AC01")
        assert (await bank.book())["balances"] == {"bank": {"eur": -20}}

    async def test_what_no_order_does_is_refused(self, bank: BankWorld) -> None:
        made = await bank.ordered("transfers", "tok_bank_silent")
        assert (await bank.control("returns", {"transfer": made["id"]})).status_code == 409
        assert (await bank.control("returns", {"transfer": "trf_of_nobody"})).status_code == 404
        assert (await bank.control("returns", {})).status_code == 400
        assert (await bank.read(f"transfers/{made['id']}"))["status"] == "pending"


class TestSettlements:
    async def test_what_was_collected_comes_net_of_fees_and_what_went_out_is_drawn(
        self, bank: BankWorld
    ) -> None:
        await bank.ordered("direct_debits", "tok_bank_instant", amount=5000, reference="att_in")
        await bank.ordered("transfers", "tok_bank_instant", amount=1000, reference="att_out")
        await bank.ordered("transfers", "tok_bank_instant", amount=700, reference="att_gbp", currency="GBP")
        made = (await bank.control("settle", {"partner": "bank"})).json()["settlements"]
        assert [row["amount"] for row in made] == [
            {"amount": 5000 - 30 - 1000 - 20, "currency": "EUR"},
            {"amount": -720, "currency": "GBP"},
        ]
        assert (await bank.read("settlements"))["data"] == made
        lines = (await bank.read(f"settlements/{made[0]['id']}/lines"))["data"]
        assert [
            (row["kind"], row["reference"], row["amount"]["amount"], row["fee"]["amount"]) for row in lines
        ] == [
            ("direct_debit", "att_in", 5000, 30),
            ("transfer", "att_out", -1000, 20),
        ]
        assert (await bank.book())["balances"] == {"bank": {"eur": 0, "gbp": 0}}
        assert (await bank.control("settle", {"partner": "bank"})).json()["settlements"] == []

    async def test_a_return_is_a_line_with_the_fee_of_returns(self, bank: BankWorld) -> None:
        debit = await bank.ordered("direct_debits", "tok_bank_instant", amount=5000)
        await bank.control("returns", {"direct_debit": debit["id"]})
        (made,) = (await bank.control("settle")).json()["settlements"]
        assert made["amount"]["amount"] == 5000 - 30 - 5000 - 250
        lines = (await bank.read(f"settlements/{made['id']}/lines"))["data"]
        assert [row["kind"] for row in lines] == ["direct_debit", "direct_debit_return"]

    async def test_every_midnight_what_is_open_is_settled(self, bank: BankWorld) -> None:
        await bank.ordered("direct_debits", "tok_bank_instant")
        assert (await bank.read("settlements"))["data"] == []
        bank.advance(86_400)
        (made,) = (await bank.read("settlements"))["data"]
        assert made["posted_at"].endswith("T00:00:00Z") or "T00:00:00." in made["posted_at"]

    async def test_lists_come_in_pages(self, bank: BankWorld) -> None:
        for number in range(5):
            await bank.ordered("transfers", "tok_bank_instant", reference=f"att_{number}")
        (made,) = (await bank.control("settle")).json()["settlements"]
        path, seen, cursor = f"settlements/{made['id']}/lines?limit=2", [], ""
        for size in (2, 2, 1):
            page = await bank.read(path + cursor)
            assert len(page["data"]) == size
            seen += [row["reference"] for row in page["data"]]
            cursor = f"&cursor={page['next_cursor']}"
        assert (seen, page["next_cursor"]) == ([f"att_{number}" for number in range(5)], None)
        for wrong in ("limit=0", "limit=101", "limit=x", "cursor=ent_of_nobody"):
            assert error_of(await bank.get(f"settlements?{wrong}")) == "invalid_request"

    async def test_only_those_since_then_are_listed(self, bank: BankWorld) -> None:
        await bank.ordered("transfers", "tok_bank_instant")
        await bank.control("settle")
        bank.advance(10)
        since = bank.now().isoformat().replace("+00:00", "Z")
        assert (await bank.read(f"settlements?created_from={since}"))["data"] == []
        assert error_of(await bank.get("settlements?created_from=yesterday")) == "invalid_request"


class TestEvents:
    async def test_each_move_is_told_in_order_and_signed_as_standard_webhooks_says(
        self, bank: BankWorld
    ) -> None:
        async with listener() as taken:
            bank.tell(taken.url)
            debit = await bank.ordered("direct_debits", "tok_bank_ok")
            bank.advance(1)
            await bank.post(
                f"direct_debits/{debit['id']}/refunds", {"reference": "att_2", "amount": debit["amount"]}
            )
            await bank.ordered("transfers", "tok_bank_closed")
            await bank.control("settle")
            await bank.control("webhooks/flush")
            assert sorted(taken.types) == [
                "direct_debit.accepted",
                "direct_debit.collected",
                "refund.accepted",
                "settlement.posted",
                "transfer.rejected",
            ]
            for request in taken.requests:
                event = Webhook(SECRET).verify(request.body, dict(request.headers))
                assert set(event) == {"id", "type", "timestamp", "data"}
                assert event["id"] == request.headers["webhook-id"]
                assert event["type"].startswith(event["data"]["object"] + ".")
            first = next(r for r in taken.requests if b"direct_debit.accepted" in r.body)
            assert msgspec.json.decode(first.body)["data"] == debit

    async def test_while_secrets_rotate_each_signs(self, bank: BankWorld) -> None:
        async with listener() as taken:
            bank.tell(taken.url)
            bank.partner.behave(
                endpoint=msgspec.structs.replace(bank.partner.endpoint, secrets=(OLDER_SECRET, SECRET))
            )
            await bank.ordered("transfers", "tok_bank_closed")
            await bank.control("webhooks/flush")
            (request,) = taken.requests
            for secret in (OLDER_SECRET, SECRET):
                Webhook(secret).verify(request.body, dict(request.headers))


async def test_a_restart_keeps_orders_entries_and_plans(tmp_path: Path) -> None:
    state = tmp_path / "sandbox.journal"
    async with bank_world(state=state) as bank:
        slow = await bank.ordered("transfers", "tok_bank_slow", reference="att_slow")
        await bank.ordered("transfers", "tok_bank_instant", reference="att_old")
        await bank.control("settle")
        done = await bank.ordered("transfers", "tok_bank_instant", reference="att_done")
        before = await bank.read("settlements")
    async with bank_world(state=state) as bank:
        assert await bank.read(f"transfers/{done['id']}") == done
        assert await bank.read("settlements") == before
        assert len((await bank.read(f"settlements/{before['data'][0]['id']}/lines"))["data"]) == 1
        again = await bank.ordered("transfers", "tok_bank_ok", reference="att_new")
        assert again["id"] not in (slow["id"], done["id"])
        bank.advance(60)
        assert (await bank.read(f"transfers/{slow['id']}"))["status"] == "settled"
        (made,) = (await bank.control("settle")).json()["settlements"]
        assert made["amount"]["amount"] == -3 * 1070
