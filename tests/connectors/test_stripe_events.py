"""Stripe's events and settlements: who may say them, and what they say."""

import datetime as dt
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from caudal.connectors import (
    AUTHORISATION_EXPIRED,
    Drift,
    DriftKind,
    ErrorClass,
    Inbound,
    LineKind,
    PartnerError,
    PartnerFee,
    PartnerUnavailable,
    RefusalReason,
    Settlement,
    SettlementLine,
    Snapshot,
    Status,
    Subject,
    WebhookRefused,
)
from caudal.connectors.stripe import API_VERSION, StripeConnector, create
from caudal.connectors.stripe.snapshots import (
    DISPUTE_STATUSES,
    PAYMENT_STATUSES,
    PAYOUT_STATUSES,
    REFUND_STATUSES,
)
from caudal_base.secret import Secret
from caudal_base.settings import PartnerSettings
from support.corpus import corpus
from support.http_stub import Reply, Stub

NOW = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)
SECRET = "whsec_of_these_tests"


@pytest.fixture
async def stripe(stub: Stub, drift: Drift) -> AsyncIterator[StripeConnector]:
    settings = PartnerSettings(
        connector="stripe",
        book="main",
        url=stub.url,
        api_key=Secret("sk_test_key"),
        webhook_secrets=[Secret(SECRET)],
    )
    connector = create("stripe", settings, drift)
    yield connector
    await connector.close()


def signed(body: bytes) -> dict[str, str]:
    import stripe

    header = stripe.WebhookSignature.generate_signature_header(body.decode(), SECRET, int(NOW.timestamp()))
    return {"stripe-signature": header}


def event(type_: str, fields: dict[str, Any] | None, **change: Any) -> Inbound:
    body = {"id": "evt_1", "object": "event", "api_version": API_VERSION, "created": 1795348800}
    body |= {"type": type_, "data": {"object": fields}, **change}
    return Inbound(event_id="evt_1", type=type_, created_at=NOW, body=json.dumps(body).encode())


def intent(status: str = "succeeded", **change: Any) -> dict[str, Any]:
    return {
        "id": "pi_1", "object": "payment_intent", "amount": 1050, "amount_received": 0, "currency": "eur",
        "status": status, "latest_charge": "ch_1", "metadata": {"attempt_id": "att_1"}, **change,
    }  # fmt: skip


def only(snapshots: Any) -> Snapshot:
    [snapshot] = snapshots
    return snapshot


def test_a_signed_event_says_its_id_type_and_time(stripe: StripeConnector) -> None:
    body = event("payment_intent.succeeded", intent()).body
    assert stripe.verify(signed(body), body, now=NOW) == (
        Inbound(event_id="evt_1", type="payment_intent.succeeded", created_at=NOW, body=body),
    )


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("expired", AUTHORISATION_EXPIRED),
        ("automatic", AUTHORISATION_EXPIRED),
        ("requested_by_customer", None),
    ],
)
def test_a_cancellation_by_stripe_itself_is_the_end_of_the_authorisation(
    stripe: StripeConnector, reason: str, code: str | None
) -> None:
    said = event("payment_intent.canceled", intent("canceled", cancellation_reason=reason))
    error = only(stripe.parse(said)).error
    assert (None if error is None else error.code) == code


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"id": "evt_1", "type": "x"}',
        b'{"id": 1, "type": "x", "created": 1}',
        b'{"id": "", "type": "x", "created": 1}',
        b'{"id": "evt_1", "type": "", "created": 1}',
        b'{"id": "evt_1", "type": "x", "created": 1e30}',
        b'{"id": "evt_1", "type": "x", "created": 99999999999999}',
        json.dumps({"id": "e" * 256, "type": "x", "created": 1}).encode(),
    ],
)
def test_a_signed_body_that_is_no_event_is_malformed(stripe: StripeConnector, body: bytes) -> None:
    with pytest.raises(WebhookRefused) as caught:
        stripe.verify(signed(body), body, now=NOW)
    assert caught.value.reason is RefusalReason.MALFORMED


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("requires_payment_method", Status.PENDING),
        ("requires_confirmation", Status.PENDING),
        ("requires_action", Status.ACTION_REQUIRED),
        ("processing", Status.PENDING),
        ("requires_capture", Status.AUTHORISED),
        ("succeeded", Status.SUCCEEDED),
        ("canceled", Status.CANCELLED),
    ],
)
def test_statuses_of_payments(stripe: StripeConnector, drift: Drift, status: str, said: Status) -> None:
    snapshot = only(stripe.parse(event("payment_intent.updated", intent(status))))
    assert snapshot.status is said
    assert (snapshot.subject, snapshot.partner_id, snapshot.attempt_id) == (Subject.PAYMENT, "pi_1", "att_1")
    assert drift.counts == {}


def test_a_failed_payment_says_why(stripe: StripeConnector) -> None:
    error = {"type": "card_error", "code": "expired_card", "message": "Your card has expired."}
    failed = intent("requires_payment_method", last_payment_error=error)
    snapshot = only(stripe.parse(event("payment_intent.payment_failed", failed)))
    assert snapshot.status is Status.FAILED
    assert snapshot.error == PartnerError(
        code="expired_card", class_=ErrorClass.HARD_DECLINE, message="Your card has expired."
    )


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("pending", Status.PENDING),
        ("requires_action", Status.PENDING),
        ("succeeded", Status.SUCCEEDED),
        ("failed", Status.FAILED),
        ("canceled", Status.CANCELLED),
    ],
)
@pytest.mark.parametrize("type_", ["refund.updated", "charge.refund.updated"])
def test_statuses_of_refunds(stripe: StripeConnector, type_: str, status: str, said: Status) -> None:
    fields = {
        "id": "re_1", "object": "refund", "amount": 400, "currency": "eur", "status": status,
        "payment_intent": "pi_1", "metadata": {"attempt_id": "att_2"},
        "failure_reason": "expired_or_canceled_card",
    }  # fmt: skip
    snapshot = only(stripe.parse(event(type_, fields)))
    assert (snapshot.subject, snapshot.status) == (Subject.REFUND, said)
    assert (snapshot.parent_id, snapshot.attempt_id, snapshot.amount) == ("pi_1", "att_2", 400)
    code = snapshot.error.code if snapshot.error is not None else None
    assert code == ("expired_or_canceled_card" if said is Status.FAILED else None)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("warning_needs_response", Status.INQUIRY),
        ("warning_under_review", Status.INQUIRY),
        ("warning_closed", Status.CANCELLED),
        ("prevented", Status.CANCELLED),
        ("needs_response", Status.OPEN),
        ("under_review", Status.OPEN),
        ("won", Status.WON),
        ("lost", Status.LOST),
    ],
)
def test_statuses_of_disputes(stripe: StripeConnector, status: str, said: Status) -> None:
    fields = {
        "id": "dp_1", "object": "dispute", "amount": 1050, "currency": "eur", "status": status,
        "payment_intent": "pi_1", "charge": "ch_1", "metadata": {}, "reason": "fraudulent",
        "evidence_details": {"due_by": 1795348800, "has_evidence": False},
        "balance_transactions": [
            {"id": "txn_1", "amount": -1050, "fee": 2000, "currency": "eur"},
            {"id": "txn_2", "amount": 1050, "fee": 0, "currency": "eur"},
            {"id": "txn_3", "amount": 0, "fee": -2000, "currency": "eur"},
        ],
    }  # fmt: skip
    assert only(stripe.parse(event("charge.dispute.updated", fields))) == Snapshot(
        subject=Subject.DISPUTE,
        partner_id="dp_1",
        status=said,
        amount=1050,
        currency="EUR",
        parent_id="pi_1",
        reason="fraudulent",
        respond_by=dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC),
        fees=(
            PartnerFee(partner_id="txn_1", amount=2000, currency="EUR"),
            PartnerFee(partner_id="txn_3", amount=-2000, currency="EUR"),
        ),
        related={"charge": "ch_1"},
    )


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("pending", Status.PENDING),
        ("in_transit", Status.PENDING),
        ("paid", Status.SUCCEEDED),
        ("failed", Status.FAILED),
        ("canceled", Status.CANCELLED),
    ],
)
@pytest.mark.parametrize("amount", [500, -500])
def test_statuses_of_payouts(stripe: StripeConnector, status: str, said: Status, amount: int) -> None:
    fields = {"id": "po_1", "object": "payout", "amount": amount, "currency": "eur", "status": status}
    snapshot = only(stripe.parse(event("payout.updated", fields)))
    assert (snapshot.subject, snapshot.status, snapshot.amount) == (Subject.SETTLEMENT, said, amount)


@pytest.mark.parametrize(
    ("table", "object_", "type_"),
    [
        (PAYMENT_STATUSES, "payment_intent", "payment_intent.updated"),
        (REFUND_STATUSES, "refund", "refund.updated"),
        (DISPUTE_STATUSES, "dispute", "charge.dispute.updated"),
        (PAYOUT_STATUSES, "payout", "payout.updated"),
    ],
)
def test_a_status_that_no_table_knows_is_unknown_and_counted(
    stripe: StripeConnector, drift: Drift, table: dict[str, Status], object_: str, type_: str
) -> None:
    assert "levitating" not in table
    fields = intent("levitating", object=object_)
    assert only(stripe.parse(event(type_, fields))).status is Status.UNKNOWN
    assert drift.counts == {(DriftKind.UNKNOWN_VALUE, f"{object_}.status", "levitating"): 1}


@pytest.mark.parametrize(
    "type_", ["charge.succeeded", "charge.refunded", "charge.updated", "customer.created", "never.heard_of"]
)
def test_events_of_other_things_are_of_no_concern(stripe: StripeConnector, drift: Drift, type_: str) -> None:
    assert stripe.parse(event(type_, {"id": "ch_1", "object": "charge"})) == []
    assert drift.counts == {}


def test_an_event_of_ours_with_a_strange_object_is_drift_and_nothing(
    stripe: StripeConnector, drift: Drift
) -> None:
    assert stripe.parse(event("payment_intent.succeeded", {"object": "wormhole"})) == []
    assert stripe.parse(event("payment_intent.succeeded", {})) == []
    assert stripe.parse(event("payment_intent.succeeded", None)) == []
    assert stripe.parse(event("payment_intent.succeeded", intent(id=None))) == []
    assert drift.counts == {
        (DriftKind.UNKNOWN_VALUE, "event.data.object.object", "wormhole"): 1,
        (DriftKind.MISSING, "event.data.object.object", ""): 1,
        (DriftKind.MISSING, "event.data.object", ""): 1,
        (DriftKind.MISSING, "payment_intent.id", ""): 1,
    }


def test_an_event_of_another_version_is_read_and_counted(stripe: StripeConnector, drift: Drift) -> None:
    other = event("payment_intent.succeeded", intent(), api_version="2019-01-01")
    assert only(stripe.parse(other)).status is Status.SUCCEEDED
    assert drift.counts == {(DriftKind.UNKNOWN_VALUE, "event.api_version", "2019-01-01"): 1}


@pytest.mark.parametrize("name", ["payment_intent", "refund", "dispute", "payout"])
def test_stripes_own_examples_are_read_without_drift(
    stripe: StripeConnector, drift: Drift, name: str
) -> None:
    fields = json.loads((corpus("stripe") / "fixtures3.json").read_text())["resources"][name]
    family = {"dispute": "charge.dispute"}.get(name, name)
    snapshot = only(stripe.parse(event(f"{family}.updated", fields)))
    assert (snapshot.partner_id, snapshot.amount, snapshot.currency) == (
        fields["id"],
        fields["amount"],
        "USD",
    )
    assert snapshot.status is not Status.UNKNOWN
    odd = {"error.decline_code"} if name == "payment_intent" else set()
    assert {field for _, field, _ in drift.counts} <= odd


PAYOUT = {
    "id": "po_1", "object": "payout", "amount": 1384, "currency": "eur", "status": "paid",
    "arrival_date": 1795348800,
}  # fmt: skip


def transaction(number: int, category: str, amount: int, fee: int, source: Any) -> dict[str, Any]:
    return {
        "id": f"txn_{number}", "object": "balance_transaction", "amount": amount, "fee": fee,
        "currency": "eur", "reporting_category": category, "source": source,
    }  # fmt: skip


def source(id_: str, attempt_id: str) -> dict[str, Any]:
    return {"id": id_, "payment_intent": "pi_1", "metadata": {"attempt_id": attempt_id}}


LINES = [
    transaction(9, "payout", -1384, 0, "po_1"),
    transaction(4, "fee", -100, 0, None),
    transaction(3, "dispute", 0, 0, {"id": "dp_1", "payment_intent": "pi_1", "metadata": {}}),
    transaction(2, "refund", -500, 0, source("re_1", "att_2")),
    transaction(1, "charge", 2000, 16, source("ch_1", "att_1")),
]  # fmt: skip


def page(*objects: dict[str, Any], more: bool = False) -> Reply:
    return Reply(body={"object": "list", "data": list(objects), "has_more": more})


async def listed(stripe: StripeConnector) -> list[Settlement]:
    return [settlement async for settlement in stripe.settlements(NOW - dt.timedelta(days=2))]


async def test_a_payout_is_the_sum_of_what_it_pays_out(stripe: StripeConnector, stub: Stub) -> None:
    stub.replies_with(page(PAYOUT), page(*LINES[:3], more=True), page(*LINES[3:]))
    [settlement] = await listed(stripe)

    def line(number: int, kind: LineKind, amount: int, fee: int, source: str | None, **more: Any) -> Any:
        given = {"payment_partner_id": "pi_1" if source else None, "attempt_id": None, **more}
        return SettlementLine(
            partner_id=f"txn_{number}", kind=kind, source_id=source, amount=amount, fee=fee,
            currency="EUR", **given
        )  # fmt: skip

    assert settlement == Settlement(
        partner_id="po_1",
        amount=1384,
        currency="EUR",
        arrived=True,
        arrived_at=NOW,
        lines=(
            line(4, LineKind.FEE, -100, 0, None),
            line(3, LineKind.DISPUTE, 0, 0, "dp_1"),
            line(2, LineKind.REFUND, -500, 0, "re_1", attempt_id="att_2"),
            line(1, LineKind.PAYMENT, 2000, 16, "ch_1", attempt_id="att_1"),
        ),
    )
    payouts, first, second = stub.asked
    assert (payouts.path, payouts.params) == (
        "/v1/payouts",
        {"created[gte]": str(int((NOW - dt.timedelta(days=2)).timestamp())), "limit": "100"},
    )
    assert (first.path, first.params) == (
        "/v1/balance_transactions",
        {"payout": "po_1", "expand[0]": "data.source", "limit": "100"},
    )
    assert second.params["starting_after"] == "txn_3"


async def test_payouts_come_oldest_first_and_those_that_failed_not_at_all(
    stripe: StripeConnector, stub: Stub
) -> None:
    def payout(number: int, status: str) -> dict[str, Any]:
        return {**PAYOUT, "id": f"po_{number}", "status": status, "amount": 0}

    newest_first = [payout(4, "in_transit"), payout(3, "failed"), payout(2, "canceled"), payout(1, "paid")]
    stub.replies_with(page(*newest_first), page())
    settlements = await listed(stripe)
    assert [(it.partner_id, it.arrived, it.arrived_at) for it in settlements] == [
        ("po_1", True, NOW),
        ("po_4", False, None),
    ]


@pytest.mark.parametrize(
    ("lines", "drifted"),
    [
        (LINES[:-1], (DriftKind.CONTRADICTION, "payout.amount", "")),
        ([], (DriftKind.CONTRADICTION, "payout.amount", "")),
        (
            [*LINES[:-1], {**LINES[-1], "currency": "usd"}],
            (DriftKind.CONTRADICTION, "payout.amount", ""),
        ),
        ([*LINES[:-1], {**LINES[-1], "fee": None}], (DriftKind.MISSING, "balance_transaction.fee", "")),
    ],
)
async def test_a_payout_that_does_not_add_up_is_left_out_and_counted(
    stripe: StripeConnector, stub: Stub, drift: Drift, lines: Any, drifted: Any
) -> None:
    stub.replies_with(page(PAYOUT), page(*lines))
    assert await listed(stripe) == []
    assert drift.counts[drifted] == 1


async def test_a_category_that_no_table_knows_is_an_adjustment_and_counted(
    stripe: StripeConnector, stub: Stub, drift: Drift
) -> None:
    stub.replies_with(page({**PAYOUT, "amount": 7}), page(transaction(1, "gift", 7, 0, None)))
    [settlement] = await listed(stripe)
    assert settlement.lines[0].kind is LineKind.ADJUSTMENT
    assert drift.counts == {(DriftKind.UNKNOWN_VALUE, "balance_transaction.reporting_category", "gift"): 1}


@pytest.mark.parametrize(
    "replies",
    [
        [Reply(500, {"error": {"type": "api_error"}})],
        [Reply(drop=True)],
        [page(PAYOUT), Reply(429, {"error": {"type": "invalid_request_error"}})],
        [Reply(body={"data": None})],
        [Reply(body={"data": ["po_1"]})],
    ],
)
async def test_a_list_that_cannot_be_read_to_its_end_is_no_list(
    stripe: StripeConnector, stub: Stub, replies: list[Reply]
) -> None:
    stub.replies_with(*replies)
    with pytest.raises(PartnerUnavailable):
        await listed(stripe)
