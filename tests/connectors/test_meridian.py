"""What Meridian's answers mean: nothing that strays is a success, and nothing in doubt is final."""

import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from caudal.connectors import (
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
    PartnerUnavailable,
    Refused,
    Reported,
    Settlement,
    Status,
    Subject,
    Unknown,
    Why,
)
from caudal.connectors.meridian import Meridian, create
from caudal.connectors.meridian.amounts import from_decimal, to_decimal
from caudal.connectors.meridian.requests import post_of
from caudal_base.secret import Secret
from support.http_stub import Reply, Stub
from support.meridians import SECRET, call_of, settings

Json = dict[str, Any]

SINCE = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def money(value: str, exponent: int = 2) -> Json:
    return {"value": value, "currency": "EUR", "exponent": exponent}


def paid(code: str = "AUTHORISED", **change: Any) -> Json:
    """The answer to a sale of 10.50 EUR."""
    return {
        "resultCode": code, "pspReference": "MER_1", "merchantReference": "att_1", "intent": "SALE",
        "amount": money("10.50"), **change,
    }  # fmt: skip


def received(code: str = "RECEIVED", **change: Any) -> Json:
    """The answer to a modification."""
    return {
        "resultCode": code, "pspReference": "MOD_1", "originalReference": "MER_1",
        "merchantReference": "att_1", "amount": money("10.50"), **change,
    }  # fmt: skip


def refused(status: int, code: str) -> Reply:
    return Reply(status, {"status": status, "errorCode": code, "message": "no"})


@pytest.fixture
async def meridian(stub: Stub, drift: Drift) -> AsyncIterator[Meridian]:
    connector = create("meridian", settings(stub.url), drift)
    yield connector
    await connector.close()


class TestAmounts:
    @pytest.mark.parametrize(
        ("amount", "currency", "text"),
        [
            (1050, "EUR", "10.50"),
            (5, "SEK", "0.05"),
            (-1, "GBP", "-0.01"),
            (7, "JPY", "7"),
            (1, "KWD", "0.001"),
        ],
    )
    def test_are_decimal_texts_with_as_many_places_as_the_currency(
        self, amount: int, currency: str, text: str
    ) -> None:
        assert to_decimal(amount, currency) == text
        assert from_decimal(text, currency) == amount

    @pytest.mark.parametrize(
        "text", ["10.5", "10", "10.500", "1e3", "01.00", "", " 1.00", "1,00", "9" * 20 + ".00"]
    )
    def test_are_nothing_else(self, text: str) -> None:
        assert from_decimal(text, "EUR") is None


class TestCall:
    async def test_says_our_reference_the_amount_and_the_intent(self, meridian: Meridian, stub: Stub) -> None:
        stub.replies_with(Reply(200, paid()))
        call = call_of(capture_mode=CaptureMode.AUTOMATIC, reference="Order 7, Çelik & Sons of the North")
        assert isinstance(await meridian.call(call), Reported)
        (asked,) = stub.asked
        assert (asked.method, asked.path) == ("POST", "/meridian/v3/payments")
        assert asked.headers["idempotency-key"] == "att_1"
        assert asked.headers["x-api-key"] == "mk_test_of_the_tests"
        post = post_of(call)
        assert not isinstance(post, Refused)
        assert post.body == (
            b'{"amount":{"currency":"EUR","exponent":2,"value":"10.50"},"cardToken":"mtk_ok","intent":"SALE",'
            b'"merchantReference":"att_1","statementText":"Order 7   elik   Sons"}'
        )

    @pytest.mark.parametrize(
        ("code", "more", "status", "captured"),
        [
            ("AUTHORISED", {}, Status.SUCCEEDED, 1050),
            ("AUTHORISED", {"intent": "AUTHORISE"}, Status.AUTHORISED, 0),
            ("PENDING", {}, Status.PENDING, 0),
            ("RECEIVED", {}, Status.PENDING, 0),
            ("REDIRECT", {"action": {"type": "REDIRECT", "url": "https://acs"}}, Status.ACTION_REQUIRED, 0),
            ("CANCELLED", {}, Status.CANCELLED, 0),
        ],
    )
    async def test_a_result_code_in_a_200_is_where_the_payment_stands(
        self,
        meridian: Meridian,
        stub: Stub,
        drift: Drift,
        code: str,
        more: Json,
        status: Status,
        captured: int,
    ) -> None:
        stub.replies_with(Reply(200, paid(code, **more)))
        answer = await meridian.call(call_of())
        assert isinstance(answer, Reported)
        snapshot = answer.snapshot
        assert (snapshot.status, snapshot.captured) == (status, captured)
        assert (snapshot.partner_id, snapshot.attempt_id) == ("MER_1", "att_1")
        assert (snapshot.amount, snapshot.currency) == (1050, "EUR")
        assert snapshot.action_url == ("https://acs" if code == "REDIRECT" else None)
        assert drift.counts == {}

    @pytest.mark.parametrize(
        ("code", "class_"),
        [("05", ErrorClass.SOFT_DECLINE), ("51", ErrorClass.SOFT_DECLINE), ("43", ErrorClass.HARD_DECLINE)],
    )
    async def test_a_refusal_says_the_issuers_code(
        self, meridian: Meridian, stub: Stub, code: str, class_: ErrorClass
    ) -> None:
        stub.replies_with(Reply(200, paid("REFUSED", refusal={"code": code, "reason": "WHY"})))
        answer = await meridian.call(call_of())
        assert isinstance(answer, Reported)
        error = answer.snapshot.error
        assert answer.snapshot.status is Status.FAILED
        assert error is not None
        assert (error.code, error.class_, error.message) == (code, class_, "WHY")

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (Reply(200, paid("ERROR")), Unknown(Why.SERVER_ERROR)),
            (Reply(200, []), Unknown(Why.UNREADABLE)),
            (Reply(200, paid(pspReference=None)), Unknown(Why.UNREADABLE)),
            (Reply(200, paid(merchantReference="att_2")), Unknown(Why.UNREADABLE)),
            (
                Reply(200, paid(amount={"value": "10.5", "currency": "EUR", "exponent": 2})),
                Unknown(Why.UNREADABLE),
            ),
            (
                Reply(200, paid(amount={"value": "10.50", "currency": "EUR", "exponent": 3})),
                Unknown(Why.UNREADABLE),
            ),
            (Reply(302, {}), Unknown(Why.UNREADABLE)),
            (Reply(404, {"error": "a proxy's"}), Unknown(Why.UNREADABLE)),
            (Reply(403, raw=b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"), Unknown(Why.UNREADABLE)),
            (Reply(503, {}), Unknown(Why.SERVER_ERROR)),
            (Reply(drop=True), Unknown(Why.DROPPED)),
            (Reply(429, {}, {"Retry-After": "7"}), NotSent(Why.RATE_LIMITED, dt.timedelta(seconds=7))),
            (Reply(429, {}, {"Retry-After": "soon"}), NotSent(Why.RATE_LIMITED)),
            (refused(401, "M-200"), NotSent(Why.CREDENTIALS)),
            (refused(422, "M-400"), Unknown(Why.KEY_REUSED)),
            (refused(422, "M-401"), Unknown(Why.IN_FLIGHT)),
        ],
        ids=str,
    )
    async def test_what_is_in_doubt_is_unknown(
        self, meridian: Meridian, stub: Stub, answer: Reply, said: Any
    ) -> None:
        stub.replies_with(answer)
        assert await meridian.call(call_of()) == said

    @pytest.mark.parametrize(
        "change", [{"intent": "LAYAWAY"}, {"intent": None}, {"resultCode": "ON_HOLD"}, {"resultCode": None}]
    )
    async def test_words_that_nobody_knows_are_counted_and_no_success(
        self, meridian: Meridian, stub: Stub, drift: Drift, change: Json
    ) -> None:
        stub.replies_with(Reply(200, paid(**change)))
        answer = await meridian.call(call_of())
        assert isinstance(answer, Reported)
        assert (answer.snapshot.status, answer.snapshot.captured) == (Status.UNKNOWN, 0)
        assert sum(drift.counts.values()) == 1

    @pytest.mark.parametrize(
        ("code", "class_", "drifts"),
        [
            ("M-104", ErrorClass.HARD_DECLINE, 0), ("M-301", ErrorClass.CONFLICT, 0),
            ("M-999", ErrorClass.INVALID, 1),
        ],
    )  # fmt: skip
    async def test_a_422_of_its_own_is_a_refusal(
        self, meridian: Meridian, stub: Stub, drift: Drift, code: str, class_: ErrorClass, drifts: int
    ) -> None:
        stub.replies_with(refused(422, code))
        answer = await meridian.call(call_of())
        assert isinstance(answer, Refused)
        assert (answer.error.code, answer.error.class_) == (code, class_)
        assert sum(drift.counts.values()) == drifts

    @pytest.mark.parametrize(
        "change",
        [
            {"direction": Direction.PAYOUT},
            {"method": Method.BANK_DEBIT},
            {"currency": "USD"},
            {"instrument": None},
            {"operation": Operation.INCREMENT, "partner_id": "MER_1"},
            {"operation": Operation.CAPTURE, "partner_id": "MER_1", "final": False},
            {"operation": Operation.CAPTURE, "partner_id": "../reports"},
            {"operation": Operation.REFUND},
        ],
        ids=str,
    )
    async def test_what_meridian_cannot_do_is_not_sent(
        self, meridian: Meridian, stub: Stub, change: Json
    ) -> None:
        answer = await meridian.call(call_of(**change))
        assert isinstance(answer, Refused)
        assert answer.error.class_ is ErrorClass.INVALID
        assert stub.asked == []


class TestSteps:
    async def test_what_is_received_is_pending_and_names_its_attempt(
        self, meridian: Meridian, stub: Stub
    ) -> None:
        stub.replies_with(Reply(200, received()))
        answer = await meridian.call(call_of(operation=Operation.CAPTURE, partner_id="MER_1"))
        assert isinstance(answer, Reported)
        step = answer.snapshot
        assert (step.subject, step.status, step.attempt_id) == (Subject.STEP, Status.PENDING, "att_1")
        assert (step.partner_id, step.parent_id) == ("MOD_1", "MER_1")

    @pytest.mark.parametrize(
        "answer",
        [
            received("ERROR"),
            received("LATER"),
            received(originalReference="MER_2"),
            received(merchantReference="att_2"),
            received(pspReference=""),
        ],
        ids=str,
    )
    async def test_what_is_in_doubt_is_unknown(self, meridian: Meridian, stub: Stub, answer: Json) -> None:
        stub.replies_with(Reply(200, answer))
        said = await meridian.call(call_of(operation=Operation.CANCEL, partner_id="MER_1"))
        assert isinstance(said, Unknown)

    @pytest.mark.parametrize(
        ("operation", "type_", "status", "said"),
        [
            (Operation.CAPTURE, "CAPTURE", "SUCCEEDED", (Subject.PAYMENT, Status.SUCCEEDED, 1050)),
            (Operation.CAPTURE, "CAPTURE", "RECEIVED", (Subject.STEP, Status.PENDING, None)),
            (Operation.CANCEL, "CANCELLATION", "SUCCEEDED", (Subject.PAYMENT, Status.CANCELLED, 0)),
            (Operation.REFUND, "REFUND", "RECEIVED", (Subject.REFUND, Status.PENDING, None)),
            (Operation.REFUND, "REFUND", "FAILED", (Subject.REFUND, Status.FAILED, None)),
        ],
    )
    async def test_a_search_says_how_far_it_is(
        self, meridian: Meridian, stub: Stub, operation: Operation, type_: str, status: str, said: Any
    ) -> None:
        found = received(
            type=type_, status=status, reason="RETURNED_BY_ISSUER" if status == "FAILED" else None
        )
        stub.replies_with(Reply(200, {"results": [found]}))
        answer = await meridian.query(call_of(operation=operation, partner_id="MER_1"))
        assert isinstance(answer, Reported)
        snapshot = answer.snapshot
        assert (snapshot.subject, snapshot.status, snapshot.captured) == said

    async def test_what_failed_after_all_is_a_refusal(self, meridian: Meridian, stub: Stub) -> None:
        found = received(type="CAPTURE", status="FAILED", reason="PAYMENT_CANCELLED")
        stub.replies_with(Reply(200, {"results": [found]}))
        answer = await meridian.query(call_of(operation=Operation.CAPTURE, partner_id="MER_1"))
        assert isinstance(answer, Refused)
        assert (answer.error.code, answer.error.class_) == ("PAYMENT_CANCELLED", ErrorClass.CONFLICT)


class TestQuery:
    async def test_is_by_our_reference_alone(self, meridian: Meridian, stub: Stub) -> None:
        stub.replies_with(Reply(200, {"results": []}))
        assert await meridian.query(call_of(partner_id="MER_1")) == NotFound()
        assert (stub.asked[0].path, stub.asked[0].params) == (
            "/meridian/v3/search", {"merchantReference": "att_1"},
        )  # fmt: skip
        assert await meridian.fetch("MER_1", Direction.PAY_IN) == CannotAsk()

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (Reply(200, {"results": [{}, {}]}), Why.SEVERAL_FOUND),
            (Reply(200, {"results": [7]}), Why.UNREADABLE),
            (Reply(200, {}), Why.UNREADABLE),
            (Reply(200, {"results": [paid(type="CAPTURE", status="SUCCEEDED")]}), Why.UNREADABLE),
            (refused(422, "M-300"), Why.UNREADABLE),
            (Reply(429, {}), Why.RATE_LIMITED),
            (Reply(500, {}), Why.SERVER_ERROR),
            (Reply(drop=True), Why.DROPPED),
        ],
        ids=str,
    )
    async def test_that_fails_knows_nothing(
        self, meridian: Meridian, stub: Stub, answer: Reply, said: Why
    ) -> None:
        stub.replies_with(answer)
        assert await meridian.query(call_of()) == Unknown(said)


HEAD = (
    "Batch;Line;Type;PSP reference;Original reference;Merchant reference;Currency;Gross;Commission;Net;"
    "Value date"
)
SALE = "s_1;ln_1;SETTLED;MER_1;MER_1;att_1;EUR;10.50;0.23;10.27;2026-11-20"
FEE = "s_1;ln_2;FEE;CBK_1;MER_1;att_1;EUR;-15.00;0.00;-15.00;2026-11-20"
PAYOUT = "s_1;s_1;PAYOUT;s_1;;;EUR;4.73;0.00;4.73;2026-11-20"


class TestSettlements:
    async def listed(
        self, meridian: Meridian, stub: Stub, *lines: str, status: str = "PAID"
    ) -> list[Settlement]:
        listed = {"name": "s_1", "type": "SETTLEMENT", "status": status, "currency": "EUR"}
        content = "\r\n".join((*lines, "")).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: {len(content)}\r\n\r\n"
        stub.replies_with(Reply(200, {"reports": [listed]}), Reply(raw=head.encode() + content))
        return [settlement async for settlement in meridian.settlements(SINCE)]

    async def test_a_report_is_read_line_by_line(self, meridian: Meridian, stub: Stub, drift: Drift) -> None:
        (settlement,) = await self.listed(meridian, stub, HEAD, SALE, FEE, PAYOUT)
        assert (settlement.partner_id, settlement.amount, settlement.currency) == ("s_1", -473, "EUR")
        assert settlement.arrived_at == dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
        assert [(line.kind.value, line.amount, line.fee) for line in settlement.lines] == [
            ("payment", 1050, 23), ("fee", -1500, 0),
        ]  # fmt: skip
        assert stub.asked[0].params == {"type": "SETTLEMENT", "createdFrom": "2026-11-01T00:00:00Z"}
        assert drift.counts == {}

    async def test_what_is_on_its_way_has_not_arrived(self, meridian: Meridian, stub: Stub) -> None:
        (settlement,) = await self.listed(meridian, stub, HEAD, SALE, FEE, PAYOUT, status="ANNOUNCED")
        assert (settlement.arrived, settlement.arrived_at) == (False, None)

    @pytest.mark.parametrize(
        "lines",
        [
            (),
            (HEAD.replace("Gross", "Net"), SALE, FEE, PAYOUT),
            (HEAD, SALE, FEE),
            (HEAD, SALE, PAYOUT),
            (HEAD, SALE, FEE, PAYOUT, PAYOUT),
            (HEAD, SALE.replace("10.27", "10.28"), FEE, PAYOUT),
            (HEAD, SALE.replace("EUR", "GBP"), FEE, PAYOUT),
            (HEAD, SALE.replace("s_1", "s_2"), FEE, PAYOUT),
            (HEAD, SALE + ";more", FEE, PAYOUT),
            (HEAD, SALE, FEE, PAYOUT.replace("2026-11-20", "")),
        ],
        ids=lambda lines: str(len(lines)),
    )
    async def test_a_report_that_does_not_hold_together_is_left_out(
        self, meridian: Meridian, stub: Stub, drift: Drift, lines: tuple[str, ...]
    ) -> None:
        assert await self.listed(meridian, stub, *lines) == []
        assert drift.counts

    async def test_a_kind_of_line_that_nobody_knows_is_an_adjustment(
        self, meridian: Meridian, stub: Stub, drift: Drift
    ) -> None:
        odd = SALE.replace("SETTLED", "ROUNDING")
        (settlement,) = await self.listed(meridian, stub, HEAD, odd, FEE, PAYOUT)
        assert settlement.lines[0].kind.value == "adjustment"
        assert drift.counts == {(DriftKind.UNKNOWN_VALUE, "report.line.Type", "ROUNDING"): 1}

    @pytest.mark.parametrize("answer", [Reply(500, {}), Reply(drop=True), Reply(200, {})], ids=str)
    async def test_a_list_that_does_not_come_is_unavailable(
        self, meridian: Meridian, stub: Stub, answer: Reply
    ) -> None:
        stub.replies_with(answer)
        with pytest.raises(PartnerUnavailable):
            [settlement async for settlement in meridian.settlements(SINCE)]


@pytest.mark.parametrize(
    "change",
    [
        {"url": None}, {"webhook_secrets": [Secret("whsec_" + SECRET)]},
        {"webhook_secrets": [Secret("5e" * 15)]}, {"api_key": Secret("with a space")}, {"url": "ftp://meridian.test"},
    ],
    ids=str,
)  # fmt: skip
def test_settings_that_cannot_work_are_refused(drift: Drift, change: Json) -> None:
    given = settings("https://meridian.test")
    with pytest.raises(ValueError, match=r"Meridian|partner's address|API key"):
        create("meridian", msgspec.structs.replace(given, **change), drift)
