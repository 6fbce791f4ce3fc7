"""What goes to Stripe for each operation, and what its answers are taken for; over real HTTP."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import pytest

from caudal.connectors import (
    Call,
    CannotAsk,
    CaptureMode,
    Direction,
    Drift,
    DriftKind,
    ErrorClass,
    Method,
    NotFound,
    NotSent,
    Operation,
    PartnerError,
    PartnerFee,
    Refused,
    Reported,
    Snapshot,
    Status,
    Subject,
    Unknown,
    Why,
)
from caudal.connectors.stripe import API_VERSION, StripeConnector, create
from caudal_base.secret import Secret
from caudal_base.settings import PartnerSettings
from support.http_stub import Reply, Stub

INTENT: dict[str, Any] = {
    "id": "pi_1",
    "object": "payment_intent",
    "amount": 1050,
    "amount_received": 1050,
    "currency": "eur",
    "status": "succeeded",
    "latest_charge": {
        "id": "ch_1",
        "balance_transaction": {"id": "txn_1", "amount": 1050, "fee": 46, "currency": "eur"},
    },
    "metadata": {"attempt_id": "att_1", "payment_id": "pay_1"},
    "next_action": None,
    "last_payment_error": None,
}
SUCCEEDED = Snapshot(
    subject=Subject.PAYMENT,
    partner_id="pi_1",
    status=Status.SUCCEEDED,
    amount=1050,
    currency="EUR",
    attempt_id="att_1",
    captured=1050,
    fees=(PartnerFee(partner_id="txn_1", amount=46, currency="EUR"),),
    related={"charge": "ch_1"},
)
REFUND: dict[str, Any] = {
    "id": "re_1",
    "object": "refund",
    "amount": 400,
    "currency": "eur",
    "status": "succeeded",
    "payment_intent": "pi_1",
    "metadata": {"attempt_id": "att_2"},
    "balance_transaction": None,
}


def call(operation: Operation = Operation.SUBMIT, **change: Any) -> Call:
    given: dict[str, Any] = {
        "attempt_id": "att_1",
        "payment_id": "pay_1",
        "operation": operation,
        "direction": Direction.PAY_IN,
        "method": Method.CARD,
        "amount": 1050,
        "currency": "EUR",
        "instrument": "pm_card_visa",
        "partner_id": None if operation is Operation.SUBMIT else "pi_1",
    }
    return Call(**{**given, **change})


def intent(**change: Any) -> dict[str, Any]:
    return {**INTENT, **change}


def error(status: int, type_: str, code: str | None = None, **more: Any) -> Reply:
    return Reply(status, {"error": {"type": type_, "code": code, "message": "No.", **more}})


def refusal(code: str, class_: ErrorClass, message: str = "No.") -> Refused:
    return Refused(PartnerError(code=code, class_=class_, message=message))


@pytest.fixture
async def stripe(stub: Stub, drift: Drift) -> AsyncIterator[StripeConnector]:
    settings = PartnerSettings(
        connector="stripe", book="main", url=stub.url, api_key=Secret("sk_test_key"), timeout_ms=500
    )
    connector = create("stripe", settings, drift)
    yield connector
    await connector.close()


async def test_a_card_payment_is_created_and_confirmed_under_the_attempts_key(
    stripe: StripeConnector, stub: Stub
) -> None:
    stub.replies_with(Reply(body=INTENT))
    assert await stripe.call(call(return_url="https://shop.test/back", reference="order 7")) == Reported(
        SUCCEEDED
    )
    [asked] = stub.asked
    assert (asked.method, asked.path) == ("POST", "/v1/payment_intents")
    assert asked.headers["authorization"] == "Bearer sk_test_key"
    assert asked.headers["stripe-version"] == API_VERSION
    assert asked.headers["idempotency-key"] == "att_1"
    assert asked.params == {
        "amount": "1050",
        "currency": "eur",
        "confirm": "true",
        "payment_method": "pm_card_visa",
        "allowed_payment_method_types[0]": "card",
        "off_session": "false",
        "capture_method": "automatic",
        "return_url": "https://shop.test/back",
        "metadata[attempt_id]": "att_1",
        "metadata[payment_id]": "pay_1",
        "metadata[reference]": "order 7",
        "expand[0]": "latest_charge.balance_transaction",
    }


async def test_the_same_attempt_sends_the_same_bytes(stripe: StripeConnector, stub: Stub) -> None:
    stub.replies_with(Reply(body=INTENT))
    await stripe.call(call(capture_mode=CaptureMode.MANUAL))
    await stripe.call(call(capture_mode=CaptureMode.MANUAL))
    first, second = stub.asked
    assert (first.path, list(first.params.items())) == (second.path, list(second.params.items()))
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


@pytest.mark.parametrize(
    ("asked_for", "path", "params"),
    [
        (
            call(capture_mode=CaptureMode.MANUAL),
            "/v1/payment_intents",
            {
                "capture_method": "manual",
                "payment_method_options[card][request_multicapture]": "if_available",
                "payment_method_options[card][request_incremental_authorization]": "if_available",
            },
        ),
        (
            call(authenticate=True),
            "/v1/payment_intents",
            {"payment_method_options[card][request_three_d_secure]": "challenge"},
        ),
        (
            call(method=Method.BANK_DEBIT, instrument="pm_sepa"),
            "/v1/payment_intents",
            {
                "allowed_payment_method_types[0]": "sepa_debit",
                "mandate_data[customer_acceptance][type]": "offline",
            },
        ),
        (
            call(Operation.CAPTURE, attempt_id="att_2", amount=400),
            "/v1/payment_intents/pi_1/capture",
            {"amount_to_capture": "400"},
        ),
        (
            call(Operation.CAPTURE, amount=400, final=False),
            "/v1/payment_intents/pi_1/capture",
            {"amount_to_capture": "400", "final_capture": "false"},
        ),
        (
            call(Operation.INCREMENT, amount=2000),
            "/v1/payment_intents/pi_1/increment_authorization",
            {"amount": "2000"},
        ),
        (
            call(Operation.CANCEL, reason="abandoned"),
            "/v1/payment_intents/pi_1/cancel",
            {"cancellation_reason": "abandoned"},
        ),
    ],
)
async def test_each_operation_has_its_request(
    stripe: StripeConnector, stub: Stub, asked_for: Call, path: str, params: dict[str, str]
) -> None:
    stub.replies_with(Reply(body=INTENT))
    assert isinstance(await stripe.call(asked_for), Reported)
    [asked] = stub.asked
    assert (asked.method, asked.path) == ("POST", path)
    assert asked.headers["idempotency-key"] == asked_for.attempt_id
    assert params.items() <= asked.params.items()
    assert ("final_capture" in asked.params) == ("final_capture" in params)


async def test_a_cancellation_for_a_reason_of_our_own_gives_stripe_none(
    stripe: StripeConnector, stub: Stub
) -> None:
    stub.replies_with(Reply(body=intent(status="canceled", amount_received=0)))
    answer = await stripe.call(call(Operation.CANCEL, reason="out of stock"))
    assert isinstance(answer, Reported)
    assert answer.snapshot.status is Status.CANCELLED
    assert stub.asked[0].params == {"expand[0]": "latest_charge.balance_transaction"}


async def test_a_refund_carries_its_own_attempt(stripe: StripeConnector, stub: Stub) -> None:
    stub.replies_with(Reply(body=REFUND))
    refund = call(Operation.REFUND, attempt_id="att_2", amount=400, reason="requested_by_customer")
    assert await stripe.call(refund) == Reported(
        Snapshot(
            subject=Subject.REFUND,
            partner_id="re_1",
            status=Status.SUCCEEDED,
            amount=400,
            currency="EUR",
            attempt_id="att_2",
            parent_id="pi_1",
        )
    )
    [asked] = stub.asked
    assert asked.path == "/v1/refunds"
    assert asked.headers["idempotency-key"] == "att_2"
    assert asked.params == {
        "payment_intent": "pi_1",
        "amount": "400",
        "reason": "requested_by_customer",
        "metadata[attempt_id]": "att_2",
        "metadata[payment_id]": "pay_1",
        "expand[0]": "balance_transaction",
    }


@pytest.mark.parametrize(
    ("asked_for", "code"),
    [
        (call(direction=Direction.PAYOUT), "unsupported"),
        (call(method=Method.BANK_TRANSFER), "unsupported"),
        (call(instrument=None), "unsupported"),
        (call(method=Method.BANK_DEBIT, currency="JPY"), "unsupported"),
        (call(method=Method.BANK_DEBIT, capture_mode=CaptureMode.MANUAL), "unsupported"),
        (call(currency="KWD", amount=1005), "amount_not_representable"),
        (call(currency="MGA", amount=1050), "amount_not_representable"),
        (call(currency="ABC"), "amount_not_representable"),
        (call(Operation.CAPTURE, partner_id=None), "no_partner_id"),
        (call(Operation.CANCEL, partner_id="pi_1/../pi_2"), "no_partner_id"),
        (call(Operation.REFUND, partner_id="pi_1?x"), "no_partner_id"),
    ],
)
async def test_what_stripe_cannot_do_is_refused_and_not_sent(
    stripe: StripeConnector, stub: Stub, asked_for: Call, code: str
) -> None:
    answer = await stripe.call(asked_for)
    assert isinstance(answer, Refused)
    assert (answer.error.code, answer.error.class_) == (code, ErrorClass.INVALID)
    assert stub.asked == []


@pytest.mark.parametrize(
    ("currency", "ours", "stripes"),
    [("EUR", 1050, 1050), ("JPY", 500, 500), ("ISK", 500, 50000), ("UGX", 7, 700), ("KWD", 1010, 1010)],
)
async def test_amounts_are_in_stripes_units_on_the_way_and_in_ours_back(
    stripe: StripeConnector, stub: Stub, currency: str, ours: int, stripes: int
) -> None:
    stub.replies_with(
        Reply(
            body=intent(
                amount=stripes, amount_received=stripes, currency=currency.lower(), latest_charge=None
            )
        )
    )
    answer = await stripe.call(call(currency=currency, amount=ours))
    assert stub.asked[0].params["amount"] == str(stripes)
    assert isinstance(answer, Reported)
    assert (answer.snapshot.amount, answer.snapshot.captured, answer.snapshot.currency) == (
        ours,
        ours,
        currency,
    )


async def test_an_answer_with_another_amount_is_reported_as_it_is(
    stripe: StripeConnector, stub: Stub
) -> None:
    stub.replies_with(Reply(body=intent(amount=2050, currency="usd")))
    answer = await stripe.call(call())
    assert isinstance(answer, Reported)
    assert (answer.snapshot.amount, answer.snapshot.currency) == (2050, "USD")


async def test_a_decline_is_the_payment_as_it_failed(stripe: StripeConnector, stub: Stub) -> None:
    failed = intent(status="requires_payment_method", amount_received=0, latest_charge="ch_1")
    stub.replies_with(
        error(402, "card_error", "card_declined", decline_code="insufficient_funds", payment_intent=failed)
    )
    answer = await stripe.call(call())
    assert isinstance(answer, Reported)
    assert answer.snapshot.status is Status.FAILED
    assert answer.snapshot.partner_id == "pi_1"
    assert answer.snapshot.error == PartnerError(
        code="insufficient_funds", class_=ErrorClass.SOFT_DECLINE, message="No."
    )


@pytest.mark.parametrize("operation", [Operation.CAPTURE, Operation.INCREMENT])
async def test_a_decline_of_a_later_step_leaves_the_payment_as_it_was(
    stripe: StripeConnector, stub: Stub, operation: Operation
) -> None:
    stub.replies_with(
        error(402, "card_error", "card_declined", decline_code="stolen_card", payment_intent=INTENT)
    )
    assert await stripe.call(call(operation)) == refusal("stolen_card", ErrorClass.HARD_DECLINE)


async def test_a_decline_code_that_no_table_knows_is_drift_and_soft(
    stripe: StripeConnector, stub: Stub, drift: Drift
) -> None:
    stub.replies_with(error(402, "card_error", "card_declined", decline_code="solar_flare"))
    assert await stripe.call(call()) == refusal("solar_flare", ErrorClass.SOFT_DECLINE)
    assert drift.counts == {(DriftKind.UNKNOWN_VALUE, "error.decline_code", "solar_flare"): 1}


INVALID = "invalid_request_error"


def limited(retry_after: str) -> Reply:
    return Reply(429, {"error": {"type": INVALID, "code": "rate_limit"}}, {"Retry-After": retry_after})


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (error(400, INVALID, "parameter_missing"), refusal("parameter_missing", ErrorClass.INVALID)),
        (error(400, INVALID), refusal(INVALID, ErrorClass.INVALID)),
        (error(404, INVALID, "resource_missing"), refusal("resource_missing", ErrorClass.INVALID)),
        (error(400, INVALID, "amount_too_small"), refusal("amount_too_small", ErrorClass.INVALID)),
        (
            error(400, INVALID, "payment_intent_unexpected_state"),
            refusal("payment_intent_unexpected_state", ErrorClass.CONFLICT),
        ),
        (error(400, INVALID, "charge_disputed"), refusal("charge_disputed", ErrorClass.CONFLICT)),
        (
            error(400, INVALID, "charge_already_refunded"),
            refusal("charge_already_refunded", ErrorClass.CONFLICT),
        ),
        (error(400, INVALID, "amount_too_large"), refusal("amount_too_large", ErrorClass.CONFLICT)),
        (
            error(400, INVALID, "balance_insufficient"),
            refusal("balance_insufficient", ErrorClass.SOFT_DECLINE),
        ),
        (error(401, INVALID), NotSent(Why.CREDENTIALS)),
        (error(403, INVALID, "account_invalid"), NotSent(Why.CREDENTIALS)),
        (error(429, INVALID, "rate_limit"), NotSent(Why.RATE_LIMITED)),
        (error(400, INVALID, "rate_limit"), NotSent(Why.RATE_LIMITED)),
        (limited("7"), NotSent(Why.RATE_LIMITED, dt.timedelta(seconds=7))),
        (limited("999999"), NotSent(Why.RATE_LIMITED, dt.timedelta(hours=1))),
        (limited("soon"), NotSent(Why.RATE_LIMITED)),
        (error(429, INVALID, "lock_timeout"), Unknown(Why.IN_FLIGHT)),
        (error(409, "idempotency_error", "idempotency_key_in_use"), Unknown(Why.IN_FLIGHT)),
        (error(400, "idempotency_error"), Unknown(Why.KEY_REUSED)),
        (error(500, "api_error"), Unknown(Why.SERVER_ERROR)),
        (error(503, "api_error"), Unknown(Why.SERVER_ERROR)),
        (Reply(502, raw=b"HTTP/1.1 502 x\r\nContent-Length: 5\r\n\r\n<html"), Unknown(Why.SERVER_ERROR)),
        (error(424, "api_error"), Unknown(Why.UNREADABLE)),
        (Reply(403, {"blocked": True}), Unknown(Why.UNREADABLE)),
        (Reply(404, {"page": "not found"}), Unknown(Why.UNREADABLE)),
        (Reply(301, {}, {"Location": "/elsewhere"}), Unknown(Why.UNREADABLE)),
        (Reply(200, []), Unknown(Why.UNREADABLE)),
        (Reply(200, {}), Unknown(Why.UNREADABLE)),
        (Reply(200, intent(id=None)), Unknown(Why.UNREADABLE)),
        (Reply(500, {"error": None}), Unknown(Why.UNREADABLE)),
        (Reply(400, {"error": "odd"}), Unknown(Why.UNREADABLE)),
        (Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"id\": \"p"), Unknown(Why.UNREADABLE)),
        (Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{}", drop=False), Unknown(Why.TIMEOUT)),
        (Reply(raw=b"what is this\r\n\r\n"), Unknown(Why.DROPPED)),
        (Reply(drop=True), Unknown(Why.DROPPED)),
        (Reply(hang=True), Unknown(Why.TIMEOUT)),
    ],
)  # fmt: skip
async def test_what_an_answer_that_is_no_success_is_taken_for(
    stripe: StripeConnector, stub: Stub, reply: Reply, answer: object
) -> None:
    stub.replies_with(reply)
    assert await stripe.call(call()) == answer
    assert len(stub.asked) == 1


async def test_nobody_listening_is_a_call_that_was_not_sent(drift: Drift) -> None:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    settings = PartnerSettings(
        connector="stripe", book="main", url=f"http://127.0.0.1:{port}", api_key=Secret("sk_test_key")
    )
    connector = create("stripe", settings, drift)
    assert await connector.call(call()) == NotSent(Why.UNREACHABLE)
    assert await connector.query(call()) == Unknown(Why.UNREACHABLE)
    await connector.close()


async def test_messages_for_operators_hold_no_numbers_or_addresses(
    stripe: StripeConnector, stub: Stub
) -> None:
    said = "No such card 4242 4242 4242 4242 of ana@example.com, 12 attempts"
    stub.replies_with(error(400, INVALID, "parameter_invalid", message=said))
    assert await stripe.call(call()) == refusal(
        "parameter_invalid", ErrorClass.INVALID, "No such card … of … 12 attempts"
    )


async def test_unknown_statuses_and_missing_fields_move_nothing(
    stripe: StripeConnector, stub: Stub, drift: Drift
) -> None:
    for body in (
        intent(status="levitating"),
        {key: value for key, value in INTENT.items() if key != "amount"},
        intent(amount="1050"),
        intent(currency=None),
        intent(amount_received=None),
        intent(status=None),
        intent(currency="isk", amount=50, amount_received=0),
        intent(amount_received=-1),
        intent(amount=2**53),
    ):
        stub.replies_with(Reply(body=body))
        answer = await stripe.call(call())
        assert isinstance(answer, Reported)
        assert answer.snapshot.status is Status.UNKNOWN
    assert drift.counts == {
        (DriftKind.UNKNOWN_VALUE, "payment_intent.status", "levitating"): 1,
        (DriftKind.MISSING, "payment_intent.amount", ""): 1,
        (DriftKind.UNEXPECTED_TYPE, "payment_intent.amount", "str"): 1,
        (DriftKind.MISSING, "payment_intent.currency", ""): 1,
        (DriftKind.MISSING, "payment_intent.amount_received", ""): 1,
        (DriftKind.MISSING, "payment_intent.status", ""): 1,
        (DriftKind.CONTRADICTION, "payment_intent.amount", ""): 1,
        (DriftKind.CONTRADICTION, "payment_intent.amount_received", ""): 1,
        (DriftKind.CONTRADICTION, "payment_intent.amount", "out_of_range"): 1,
    }


async def test_what_the_customer_must_do_is_a_redirect_or_something_for_stripes_script(
    stripe: StripeConnector, stub: Stub
) -> None:
    action = {"type": "redirect_to_url", "redirect_to_url": {"url": "https://bank.test/3ds"}}
    stub.replies_with(
        Reply(body=intent(status="requires_action", amount_received=0, next_action=action)),
        Reply(
            body=intent(
                status="requires_action",
                next_action={"type": "use_stripe_sdk"},
                client_secret="pi_1_secret_x",
            )
        ),
    )
    for url, secret in (("https://bank.test/3ds", None), (None, "pi_1_secret_x")):
        answer = await stripe.call(call())
        assert isinstance(answer, Reported)
        assert (answer.snapshot.status, answer.snapshot.action_url) == (Status.ACTION_REQUIRED, url)
        assert answer.snapshot.action_secret == secret


async def test_an_authorisation_says_when_it_lapses(stripe: StripeConnector, stub: Stub) -> None:
    charge = {"id": "ch_1", "payment_method_details": {"card": {"capture_before": 1795348800}}}
    stub.replies_with(Reply(body=intent(status="requires_capture", amount_received=0, latest_charge=charge)))
    answer = await stripe.call(call(capture_mode=CaptureMode.MANUAL))
    assert isinstance(answer, Reported)
    assert answer.snapshot.status is Status.AUTHORISED
    assert answer.snapshot.expires_at == dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)


async def test_a_submission_is_found_by_its_id(stripe: StripeConnector, stub: Stub) -> None:
    stub.replies_with(Reply(body=INTENT))
    assert await stripe.query(call(partner_id="pi_1")) == Reported(SUCCEEDED)
    assert await stripe.fetch("pi_1", Direction.PAY_IN) == Reported(SUCCEEDED)
    assert [(asked.method, asked.path) for asked in stub.asked] == [("GET", "/v1/payment_intents/pi_1")] * 2
    assert await stripe.fetch("pi_1", Direction.PAYOUT) == CannotAsk()


async def test_a_submission_without_an_id_is_searched_by_attempt_and_fetched_as_it_is_now(
    stripe: StripeConnector, stub: Stub
) -> None:
    stale = intent(status="requires_payment_method", amount_received=0)
    others = intent(id="pi_2", metadata={"attempt_id": "att_11"})
    stub.replies_with(Reply(body={"data": [others, stale]}), Reply(body=INTENT))
    assert await stripe.query(call()) == Reported(SUCCEEDED)
    search, fetched = stub.asked
    assert search.path == "/v1/payment_intents/search"
    assert search.params == {"query": "metadata['attempt_id']:'att_1'", "limit": "2"}
    assert fetched.path == "/v1/payment_intents/pi_1"


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (Reply(body={"data": []}), NotFound()),
        (Reply(body={"data": [INTENT, intent(id="pi_2")]}), Unknown(Why.SEVERAL_FOUND)),
        (Reply(body={"data": None}), Unknown(Why.UNREADABLE)),
        (Reply(body={"data": [intent(id=None)]}), Unknown(Why.UNREADABLE)),
        (error(500, "api_error"), Unknown(Why.SERVER_ERROR)),
        (error(429, INVALID), Unknown(Why.RATE_LIMITED)),
        (error(401, INVALID), Unknown(Why.CREDENTIALS)),
        (error(400, INVALID), Unknown(Why.UNREADABLE)),
        (Reply(drop=True), Unknown(Why.DROPPED)),
    ],
)
async def test_what_a_search_can_come_to(
    stripe: StripeConnector, stub: Stub, reply: Reply, found: object
) -> None:
    stub.replies_with(reply)
    assert await stripe.query(call()) == found


async def test_a_rate_limit_is_no_drift(stripe: StripeConnector, stub: Stub, drift: Drift) -> None:
    for code in ("rate_limit", "lock_timeout", "solar_flare"):
        stub.replies_with(error(429, INVALID, code))
        await stripe.call(call())
        stub.replies_with(error(429, INVALID, code))
        await stripe.query(call())
    assert drift.counts == {}


OPEN = {"status": "requires_capture", "amount": 1050, "latest_charge": None}


@pytest.mark.parametrize(
    ("asked_for", "now", "found"),
    [
        (call(Operation.CAPTURE, amount=1050), INTENT, "reported"),
        (call(Operation.CAPTURE, amount=400), intent(**OPEN, amount_received=0), "not_found"),
        (call(Operation.CAPTURE, amount=400), intent(**OPEN, amount_received=400), "reported"),
        (
            call(Operation.CAPTURE, amount=400, captured_before=300),
            intent(**OPEN, amount_received=300),
            "not_found",
        ),
        (
            call(Operation.CAPTURE, amount=400, captured_before=300),
            intent(**OPEN, amount_received=700),
            "reported",
        ),
        (
            call(Operation.CAPTURE, amount=400, captured_before=300),
            intent(**OPEN, amount_received=500),
            "reported",
        ),
        (
            call(Operation.CAPTURE, amount=400),
            intent(status="canceled", amount_received=0),
            "refused",
        ),
        (
            call(Operation.CAPTURE, amount=400, captured_before=300),
            intent(status="succeeded", amount_received=300),
            "refused",
        ),
        (call(Operation.INCREMENT, amount=2000), intent(**OPEN, amount_received=0), "not_found"),
        (
            call(Operation.INCREMENT, amount=2000),
            intent(**{**OPEN, "amount": 2000}, amount_received=0),
            "reported",
        ),
        (
            call(Operation.INCREMENT, amount=2000),
            intent(**{**OPEN, "amount": 3000}, amount_received=0),
            "reported",
        ),
        (call(Operation.INCREMENT, amount=2000), intent(status="canceled"), "refused"),
        (call(Operation.CANCEL), intent(status="canceled", amount_received=0), "reported"),
        (call(Operation.CANCEL), intent(**OPEN, amount_received=0), "not_found"),
        (call(Operation.CANCEL), intent(status="processing", amount_received=0), "not_found"),
        (call(Operation.CANCEL), INTENT, "refused"),
        (call(Operation.CANCEL, captured_before=1050), INTENT, "reported"),
        (call(Operation.CANCEL, captured_before=300), INTENT, "refused"),
        (
            call(Operation.CAPTURE, amount=400),
            intent(status="levitating", amount_received=0),
            "reported",
        ),
        (
            call(Operation.CAPTURE, amount=200, captured_before=300),
            intent(**OPEN, amount_received=300),
            "not_found",
        ),
    ],
)
async def test_what_became_of_a_later_step_is_read_from_the_payment(
    stripe: StripeConnector, stub: Stub, asked_for: Call, now: dict[str, Any], found: str
) -> None:
    stub.replies_with(Reply(body=now))
    answer = await stripe.query(asked_for)
    assert type(answer).__name__.lower() == found.replace("_", "")
    if isinstance(answer, Refused):
        assert answer.error.class_ is ErrorClass.CONFLICT


async def test_a_step_on_a_payment_that_stripe_does_not_have_is_not_found(
    stripe: StripeConnector, stub: Stub
) -> None:
    stub.replies_with(error(404, INVALID, "resource_missing"))
    assert await stripe.query(call(Operation.CAPTURE)) == NotFound()
    assert await stripe.query(call(Operation.CAPTURE, partner_id="../x")) == NotFound()
    assert await stripe.query(call(Operation.CAPTURE, partner_id=None)) == CannotAsk()
    assert len(stub.asked) == 1


async def test_a_refund_is_looked_for_among_all_of_the_payments_refunds(
    stripe: StripeConnector, stub: Stub
) -> None:
    def refund(number: int, attempt: str) -> dict[str, Any]:
        return {**REFUND, "id": f"re_{number}", "metadata": {"attempt_id": attempt}}

    first = {"data": [refund(3, "att_9"), refund(2, "att_8")], "has_more": True}
    stub.replies_with(Reply(body=first), Reply(body={"data": [refund(1, "att_2")], "has_more": False}))
    found = await stripe.query(call(Operation.REFUND, attempt_id="att_2"))
    assert isinstance(found, Reported)
    assert found.snapshot.partner_id == "re_1"
    assert [asked.params.get("starting_after") for asked in stub.asked] == [None, "re_2"]
    assert stub.asked[0].params["payment_intent"] == "pi_1"

    stub.replies_with(Reply(body=first), Reply(body={"data": [], "has_more": False}))
    assert await stripe.query(call(Operation.REFUND, attempt_id="att_2")) == NotFound()
    stub.replies_with(Reply(body={"data": [refund(1, "att_2"), refund(2, "att_2")], "has_more": False}))
    assert await stripe.query(call(Operation.REFUND, attempt_id="att_2")) == Unknown(Why.SEVERAL_FOUND)
    stub.replies_with(Reply(body=first), error(500, "api_error"))
    assert await stripe.query(call(Operation.REFUND, attempt_id="att_2")) == Unknown(Why.SERVER_ERROR)


async def test_connections_are_used_again_also_after_a_failure(stripe: StripeConnector, stub: Stub) -> None:
    stub.replies_with(Reply(body=INTENT), Reply(drop=True), Reply(body=INTENT))
    answers = [await stripe.call(call()) for _ in range(5)]
    assert answers == [Reported(SUCCEEDED), Unknown(Why.DROPPED), *[Reported(SUCCEEDED)] * 3]
    assert stub.connections == 2
    stub.replies_with(Reply(body=INTENT))
    await asyncio.gather(*[stripe.call(call()) for _ in range(8)])
    assert stub.connections <= 9


async def test_the_key_is_in_no_text_of_the_connector(stripe: StripeConnector, stub: Stub) -> None:
    stub.replies_with(error(401, INVALID))
    assert "sk_test_key" not in repr(await stripe.call(call()))
    assert "sk_test_key" not in repr(vars(stripe))


def test_the_sdk_is_not_imported_before_it_is_needed() -> None:
    import subprocess
    import sys

    code = (
        "import sys, caudal.connectors.stripe, caudal.connectors;"
        "print('stripe' in sys.modules, 'httpx' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["False", "False"]


def test_the_pinned_version_is_the_one_that_the_sdk_was_made_for() -> None:
    import stripe

    assert stripe.api_version == API_VERSION
