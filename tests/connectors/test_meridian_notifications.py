"""Meridian's notifications: who signed an item, what it says, and what of a batch is believed."""

import base64
import datetime as dt
import hashlib
import hmac
import json
from typing import Any

import pytest

from caudal.connectors import (
    AUTHORISATION_EXPIRED,
    Drift,
    DriftKind,
    RefusalReason,
    Snapshot,
    Status,
    Subject,
    WebhookRefused,
)
from caudal.connectors.meridian import Meridian, create
from support.meridians import OLDER_SECRET, SECRET, settings

NOW = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)

Json = dict[str, Any]


@pytest.fixture
def meridian(drift: Drift) -> Meridian:
    return create("meridian", settings("https://meridian.test"), drift)


def item(code: str = "AUTHORISATION", **change: Any) -> Json:
    """Of a sale of 10.50 EUR."""
    return {
        "id": "ntf_1", "eventCode": code, "success": "true", "eventDate": "2026-11-22T11:59:58Z",
        "pspReference": "MER_1", "originalReference": "", "merchantReference": "att_1",
        "amount": {"value": "10.50", "currency": "EUR", "exponent": 2}, "intent": "SALE", "reason": "",
        **change,
    }  # fmt: skip


def about(code: str, **change: Any) -> Json:
    """Of what was made of the sale."""
    return item(code, **{"pspReference": "MOD_1", "originalReference": "MER_1", "intent": "", **change})


def signature(fields: Json, secret: str) -> str:
    """As Meridian's documentation has it, written down a second time."""
    amount = fields.get("amount") or {}
    parts = [
        fields["id"], fields["eventCode"], fields["success"], fields["eventDate"], fields["pspReference"],
        fields["originalReference"], fields["merchantReference"], amount.get("value", ""),
        amount.get("currency", ""), str(amount.get("exponent", "")), fields["intent"], fields["reason"],
    ]  # fmt: skip
    content = ":".join(part.replace("\\", "\\\\").replace(":", "\\:") for part in parts)
    made = hmac.new(bytes.fromhex(secret), content.encode(), hashlib.sha256).digest()
    return base64.b64encode(made).decode()


def batch(*items: Json, secret: str = SECRET) -> bytes:
    signed = [{**each, "signatures": [signature(each, secret)]} for each in items]
    return json.dumps({"batchId": "bat_1", "items": signed}).encode()


def said(meridian: Meridian, fields: Json) -> Snapshot:
    """What one item says."""
    (inbound,) = meridian.verify({}, batch(fields), now=NOW)
    (snapshot,) = meridian.parse(inbound)
    return snapshot


def why(meridian: Meridian, body: bytes) -> RefusalReason:
    with pytest.raises(WebhookRefused) as refused:
        meridian.verify({}, body, now=NOW)
    return refused.value.reason


class TestVerify:
    def test_each_item_of_a_batch_is_an_event_of_its_own(self, meridian: Meridian) -> None:
        body = batch(item(id="ntf_1"), about("CAPTURE", id="ntf_2"))
        first, second = meridian.verify({}, body, now=NOW)
        assert (first.event_id, first.type) == ("ntf_1", "AUTHORISATION")
        assert (second.event_id, second.type) == ("ntf_2", "CAPTURE")
        assert first.created_at == dt.datetime(2026, 11, 22, 11, 59, 58, tzinfo=dt.UTC)
        assert json.loads(second.body)["id"] == "ntf_2"
        assert second.body in body

    @pytest.mark.parametrize("secret", [SECRET, OLDER_SECRET])
    def test_any_of_our_secrets_may_have_signed(self, meridian: Meridian, secret: str) -> None:
        assert meridian.verify({}, batch(item(), secret=secret), now=NOW)
        assert why(meridian, batch(item(), secret="ab" * 32)) is RefusalReason.NO_MATCH

    def test_one_item_that_is_not_signed_spoils_the_batch(self, meridian: Meridian) -> None:
        good = json.loads(batch(item()))["items"][0]
        for bad in ({**good, "id": "ntf_2"}, {**good, "signatures": []}, item()):
            body = json.dumps({"items": [good, bad]}).encode()
            assert why(meridian, body) in (RefusalReason.NO_MATCH, RefusalReason.MISSING)

    @pytest.mark.parametrize(
        "change",
        [
            {"id": "ntf_9"}, {"eventCode": "REFUND"}, {"success": "false"}, {"eventDate": "2026-11-22"},
            {"pspReference": "MER_9"}, {"originalReference": "MER_9"}, {"merchantReference": "att_9"},
            {"amount": {"value": "910.50", "currency": "EUR", "exponent": 2}},
            {"amount": {"value": "10.50", "currency": "SEK", "exponent": 2}},
            {"amount": {"value": "10.50", "currency": "EUR", "exponent": 3}},
            {"intent": "AUTHORISE"}, {"reason": "05"},
            # A field beside it or within another does not stand in for what was signed.
            {"amount": {"value": "910.50", "currency": "EUR", "exponent": 2}, "value": "10.50"},
            {"id": "ntf_9", "amount": {"value": "10.50", "currency": "EUR", "exponent": 2, "id": "ntf_1"}},
            {"merchantReference": "att_1:10", "amount": {"value": ".50", "currency": "EUR", "exponent": 2}},
        ],
        ids=str,
    )  # fmt: skip
    def test_a_changed_field_is_refused(self, meridian: Meridian, change: Json) -> None:
        signed = json.loads(batch(item()))["items"][0]
        body = json.dumps({"items": [{**signed, **change}]}).encode()
        assert why(meridian, body) is RefusalReason.NO_MATCH

    @pytest.mark.parametrize(
        "body",
        [
            b"", b"[]", b"{}", b"\xff", b'{"items": []}', b'{"items": [7]}', b'{"items": {}}',
            json.dumps({"items": [{"signatures": [7]}]}).encode(),
            json.dumps({"items": [{"signatures": ["x"] * 17}]}).encode(),
            json.dumps({"items": [{"signatures": ["x"], "id": None}]}).encode(),
            json.dumps({"items": [{"signatures": ["x"]}] * 101}).encode(),
            batch(item(eventDate="yesterday")), batch(item(eventDate="2026-11-22T12:00:00")),
        ],
    )  # fmt: skip
    def test_what_is_no_batch_is_malformed(self, meridian: Meridian, body: bytes) -> None:
        assert why(meridian, body) is RefusalReason.MALFORMED


class TestParse:
    @pytest.mark.parametrize(
        ("fields", "subject", "status", "captured"),
        [
            (item(), Subject.PAYMENT, Status.SUCCEEDED, 1050),
            (item(intent="AUTHORISE"), Subject.PAYMENT, Status.AUTHORISED, 0),
            (item(success="false", reason="51:INSUFFICIENT_FUNDS"), Subject.PAYMENT, Status.FAILED, 0),
            (item("AUTHORISATION_EXPIRED"), Subject.PAYMENT, Status.CANCELLED, 0),
            (about("CAPTURE"), Subject.PAYMENT, Status.SUCCEEDED, 1050),
            (about("CAPTURE", success="false", reason="PAYMENT_EXPIRED"), Subject.STEP, Status.FAILED, None),
            (about("CANCELLATION"), Subject.PAYMENT, Status.CANCELLED, 0),
            (about("REFUND"), Subject.REFUND, Status.SUCCEEDED, None),
            (about("REFUND_FAILED", reason="RETURNED_BY_ISSUER"), Subject.REFUND, Status.FAILED, None),
            (about("CHARGEBACK"), Subject.DISPUTE, Status.OPEN, None),
            (about("CHARGEBACK_REVERSED"), Subject.DISPUTE, Status.WON, None),
            (about("CHARGEBACK_UPHELD"), Subject.DISPUTE, Status.LOST, None),
            (item("REPORT_AVAILABLE"), Subject.SETTLEMENT, Status.PENDING, None),
            (item("REPORT_PAID"), Subject.SETTLEMENT, Status.SUCCEEDED, None),
        ],
        ids=lambda it: it.get("eventCode", "") if isinstance(it, dict) else None,
    )
    def test_each_code_says_how_something_stands(
        self, meridian: Meridian, drift: Drift, fields: Json, subject: Subject, status: Status,
        captured: int | None,
    ) -> None:  # fmt: skip
        snapshot = said(meridian, fields)
        assert (snapshot.subject, snapshot.status, snapshot.captured) == (subject, status, captured)
        assert (snapshot.amount, snapshot.currency) == (1050, "EUR")
        assert drift.counts == {}

    def test_a_capture_names_its_attempt_and_moves_its_payment(self, meridian: Meridian) -> None:
        snapshot = said(meridian, about("CAPTURE", merchantReference="att_2"))
        assert (snapshot.partner_id, snapshot.attempt_id) == ("MER_1", "att_2")

    def test_a_chargeback_names_its_payment_and_what_the_payer_claims(self, meridian: Meridian) -> None:
        snapshot = said(meridian, about("CHARGEBACK", pspReference="CBK_1", reason="10.4:FRAUD"))
        assert (snapshot.partner_id, snapshot.parent_id, snapshot.attempt_id) == ("CBK_1", "MER_1", None)
        assert snapshot.reason == "10.4:FRAUD"

    def test_refusals_and_expiry_say_why(self, meridian: Meridian) -> None:
        refused = said(meridian, item(success="false", reason="43:STOLEN_CARD")).error
        expired = said(meridian, item("AUTHORISATION_EXPIRED")).error
        assert refused is not None
        assert (refused.code, refused.class_.value, refused.message) == ("43", "hard_decline", "STOLEN_CARD")
        assert expired is not None
        assert expired.code == AUTHORISATION_EXPIRED

    def test_a_report_may_draw_on_our_bank(self, meridian: Meridian) -> None:
        drawn = item("REPORT_PAID", amount={"value": "-4.73", "currency": "EUR", "exponent": 2})
        assert said(meridian, drawn).amount == -473

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            (item(success="perhaps"), "notification.success"),
            (item(intent="LAYAWAY"), "notification.intent"),
            (item(amount={"value": "0.00", "currency": "EUR", "exponent": 2}), "notification.amount"),
            (item(amount={"value": "10.50", "currency": "EUR", "exponent": 0}), "notification.amount"),
            (item(amount={"value": "10.50", "currency": "XXL", "exponent": 2}), "notification.amount"),
            (about("CAPTURE", originalReference=""), "notification.originalReference"),
        ],
        ids=str,
    )
    def test_what_strays_is_counted_and_unknown(
        self, meridian: Meridian, drift: Drift, fields: Json, field: str
    ) -> None:
        (inbound,) = meridian.verify({}, batch(fields), now=NOW)
        assert [it.status for it in meridian.parse(inbound)] in ([Status.UNKNOWN], [])
        assert field in {key[1] for key in drift.counts}

    def test_a_code_that_nobody_knows_is_of_no_concern_and_counted(
        self, meridian: Meridian, drift: Drift
    ) -> None:
        (inbound,) = meridian.verify({}, batch(item("ORDER_OPENED")), now=NOW)
        assert list(meridian.parse(inbound)) == []
        assert drift.counts == {(DriftKind.UNKNOWN_VALUE, "notification.eventCode", "ORDER_OPENED"): 1}
