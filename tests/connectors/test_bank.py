"""The bank's connector against the bank of the sandbox, and against a server that answers anything at all."""

import asyncio
import datetime as dt
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from caudal.connectors import (
    Call,
    CannotAsk,
    CaptureMode,
    Direction,
    Drift,
    DriftKind,
    ErrorClass,
    Inbound,
    LineKind,
    Method,
    NotFound,
    NotSent,
    Operation,
    PartnerError,
    PartnerFee,
    PartnerMisconfigured,
    PartnerUnavailable,
    RefusalReason,
    Refused,
    Registry,
    Reported,
    Snapshot,
    Status,
    Subject,
    Unknown,
    WebhookRefused,
    Why,
)
from caudal.connectors.bank import CAPABILITIES, Bank, create
from caudal_base.clock import SystemClock
from caudal_base.secret import Secret
from caudal_base.settings import PartnerSettings
from caudal_sandbox.http import Connection
from caudal_sandbox.messages import DROPPED, Request, Response, json_response
from support.banks import API_KEY, OLDER_SECRET, SECRET, BankWorld, Json, bank_world, listener

NOW = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)
LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


def settings(url: str | None, **more: Any) -> PartnerSettings:
    """Of a bank at `url`."""
    given = {"api_key": Secret(API_KEY), "webhook_secrets": [Secret(SECRET)], **more}
    return PartnerSettings(connector="bank", book="main", url=url, **given)


@pytest.fixture
async def world() -> AsyncIterator[BankWorld]:
    """A bank that has seen nothing yet."""
    async with bank_world() as world:
        yield world


@pytest.fixture
def drift() -> Drift:
    """Nothing has drifted yet."""
    return Drift("bank", SystemClock())


@pytest.fixture
async def bank(world: BankWorld, drift: Drift) -> AsyncIterator[Bank]:
    """A connector to the sandbox's bank."""
    connector = create("bank", settings(world.url), drift)
    yield connector
    await connector.close()


def payout(account: str = "tok_bank_instant", *, attempt: str = "att_1", **more: Any) -> Call:
    """A credit transfer to be sent."""
    given: Json = {
        "attempt_id": attempt,
        "payment_id": "pay_1",
        "operation": Operation.SUBMIT,
        "direction": Direction.PAYOUT,
        "method": Method.BANK_TRANSFER,
        "amount": 1050,
        "currency": "EUR",
        "instrument": account,
        "reference": "Invoice 7",
    }
    return Call(**{**given, **more})


def debit(account: str = "tok_bank_instant", *, attempt: str = "att_1", **more: Any) -> Call:
    """A direct debit to be collected."""
    return payout(
        account, attempt=attempt, **{"direction": Direction.PAY_IN, "method": Method.BANK_DEBIT, **more}
    )


def on(call: Call, partner_id: str, operation: Operation, *, attempt: str = "att_2", **more: Any) -> Call:
    """A further call on what `call` has made."""
    return msgspec.structs.replace(
        call, operation=operation, partner_id=partner_id, attempt_id=attempt, **more
    )


async def done(bank: Bank, call: Call) -> Snapshot:
    """What the bank reports of a call."""
    answer = await bank.call(call)
    assert isinstance(answer, Reported), answer
    return answer.snapshot


async def found(bank: Bank, call: Call) -> Snapshot:
    """What the bank reports when asked."""
    answer = await bank.query(call)
    assert isinstance(answer, Reported), answer
    return answer.snapshot


class TestSubmitting:
    async def test_a_transfer_that_goes_out_at_once(self, bank: Bank, world: BankWorld) -> None:
        snapshot = await done(bank, payout())
        order = await world.read(f"transfers/{snapshot.partner_id}")
        assert snapshot == Snapshot(
            subject=Subject.PAYMENT,
            partner_id=order["id"],
            status=Status.SUCCEEDED,
            amount=1050,
            currency="EUR",
            attempt_id="att_1",
            captured=1050,
            fees=(PartnerFee(partner_id=order["fees"][0]["entry"], amount=20, currency="EUR"),),
        )
        assert (order["account"], order["remittance"]) == ("tok_bank_instant", "Invoice 7")

    async def test_what_is_pending_has_captured_nothing(self, bank: Bank) -> None:
        snapshot = await done(bank, debit("tok_bank_slow"))
        assert (snapshot.status, snapshot.captured, snapshot.fees) == (Status.PENDING, 0, ())

    @pytest.mark.parametrize(
        ("account", "code", "class_"),
        [
            ("tok_bank_closed", "AC04", ErrorClass.HARD_DECLINE),
            ("tok_bank_no_mandate", "MD01", ErrorClass.HARD_DECLINE),
        ],
    )
    async def test_a_rejection_is_a_snapshot_that_failed(
        self, bank: Bank, account: str, code: str, class_: ErrorClass
    ) -> None:
        snapshot = await done(bank, debit(account))
        assert (snapshot.status, snapshot.captured) == (Status.FAILED, 0)
        assert snapshot.error is not None
        assert (snapshot.error.code, snapshot.error.class_) == (code, class_)

    async def test_another_amount_or_currency_is_reported_as_it_is(self, bank: Bank) -> None:
        assert (await done(bank, payout("tok_bank_other_amount"))).amount == 1049
        assert (await done(bank, payout("tok_bank_other_currency", attempt="att_2"))).currency == "NOK"

    async def test_a_repeat_has_no_second_effect(self, bank: Bank, world: BankWorld) -> None:
        assert await done(bank, payout()) == await done(bank, payout())
        assert (await world.book())["attempts"] == {"att_1": 1}

    @pytest.mark.parametrize(
        ("call", "code"),
        [
            (payout(method=Method.CARD), "method_not_supported"),
            (debit(method=Method.BANK_TRANSFER), "method_not_supported"),
            (debit(capture_mode=CaptureMode.MANUAL), "capture_mode_not_supported"),
            (payout(instrument=None), "instrument_missing"),
            (payout(operation=Operation.CAPTURE, partner_id="trf_1"), "operation_not_supported"),
            (payout(operation=Operation.INCREMENT, partner_id="trf_1"), "operation_not_supported"),
            (payout(operation=Operation.REFUND, partner_id="trf_1"), "operation_not_supported"),
            (debit(operation=Operation.REFUND), "partner_id_missing"),
            (debit(operation=Operation.CANCEL), "partner_id_missing"),
        ],
    )
    async def test_what_the_bank_cannot_do_is_refused_without_asking_it(
        self, bank: Bank, world: BankWorld, call: Call, code: str
    ) -> None:
        for answer in (await bank.call(call), await bank.query(call)):
            assert isinstance(answer, Refused)
            assert (answer.error.code, answer.error.class_) == (code, ErrorClass.INVALID)
        assert world.partner.counts["calls"] == 0

    @pytest.mark.parametrize(
        ("call", "code", "class_"),
        [
            (payout("tok_bank_of_nobody"), "unknown_account", ErrorClass.HARD_DECLINE),
            (payout(currency="JPY"), "currency_not_supported", ErrorClass.INVALID),
            (payout(amount=10**11), "invalid_amount", ErrorClass.INVALID),
        ],
    )
    async def test_what_the_bank_refuses_has_certainly_done_nothing(
        self, bank: Bank, world: BankWorld, call: Call, code: str, class_: ErrorClass
    ) -> None:
        answer = await bank.call(call)
        assert isinstance(answer, Refused)
        assert (answer.error.code, answer.error.class_) == (code, class_)
        assert (await world.book())["effects"] == []


class TestQuerying:
    async def test_by_attempt_where_no_id_is_known(self, bank: Bank, world: BankWorld) -> None:
        world.misbehave(drop_after=1, reads=False)
        assert await bank.call(payout()) == Unknown(Why.DROPPED)
        assert (await found(bank, payout())).status is Status.SUCCEEDED

    async def test_by_id_where_it_is_known_however_much_the_search_lags(
        self, bank: Bank, world: BankWorld
    ) -> None:
        world.misbehave(search_lag_s=3_600)
        snapshot = await done(bank, payout())
        assert await bank.query(payout()) == NotFound()
        assert await found(bank, payout(partner_id=snapshot.partner_id)) == snapshot
        assert await bank.fetch(snapshot.partner_id, Direction.PAYOUT) == Reported(snapshot)

    async def test_what_the_bank_never_saw_is_not_found(self, bank: Bank) -> None:
        assert await bank.query(payout()) == NotFound()
        assert await bank.query(payout(partner_id="trf_of_nobody")) == NotFound()
        assert await bank.fetch("trf_of_nobody", Direction.PAY_IN) == NotFound()

    async def test_two_orders_of_one_attempt_are_for_a_person(self, bank: Bank, world: BankWorld) -> None:
        await done(bank, payout())
        world.advance(3_601)
        await done(bank, payout())
        assert await bank.query(payout()) == Unknown(Why.SEVERAL_FOUND)

    async def test_a_query_changes_nothing(self, bank: Bank, world: BankWorld) -> None:
        await bank.query(payout())
        await bank.query(debit(operation=Operation.REFUND, partner_id="dd_1"))
        await bank.query(debit(operation=Operation.CANCEL, partner_id="dd_1"))
        assert (await world.book())["effects"] == []

    async def test_a_bank_that_cannot_be_asked_says_so(self, world: BankWorld, drift: Drift) -> None:
        deaf = msgspec.structs.replace(CAPABILITIES, search_horizon=None)
        made = create("bank", settings(world.url), drift)
        connector = Bank("bank", made._api, made._webhooks, drift, capabilities=deaf)
        snapshot = await done(connector, payout())
        assert await connector.query(payout()) == CannotAsk()
        assert await connector.fetch(snapshot.partner_id, Direction.PAYOUT) == CannotAsk()
        await connector.close()


class TestCancelling:
    @pytest.mark.parametrize("make", [payout, debit])
    async def test_what_is_pending_is_called_off(self, bank: Bank, make: Callable[..., Call]) -> None:
        call = make("tok_bank_slow")
        made = await done(bank, call)
        cancel = on(call, made.partner_id, Operation.CANCEL)
        assert await bank.query(cancel) == NotFound()
        cancelled = await done(bank, cancel)
        assert (cancelled.status, cancelled.attempt_id, cancelled.captured) == (Status.CANCELLED, "att_1", 0)
        assert await found(bank, cancel) == cancelled

    async def test_what_has_gone_out_stays_out(self, bank: Bank) -> None:
        made = await done(bank, payout())
        cancel = on(payout(), made.partner_id, Operation.CANCEL)
        for answer in (await bank.call(cancel), await bank.query(cancel)):
            assert isinstance(answer, Refused)
            assert (answer.error.code, answer.error.class_) == ("not_cancellable", ErrorClass.CONFLICT)


class TestRefunds:
    async def test_a_part_goes_back_under_an_id_of_its_own(self, bank: Bank) -> None:
        made = await done(bank, debit())
        refund = on(debit(), made.partner_id, Operation.REFUND, amount=400)
        assert await bank.query(refund) == NotFound()
        snapshot = await done(bank, refund)
        assert snapshot == Snapshot(
            subject=Subject.REFUND,
            partner_id=snapshot.partner_id,
            status=Status.SUCCEEDED,
            amount=400,
            currency="EUR",
            attempt_id="att_2",
            parent_id=made.partner_id,
            fees=snapshot.fees,
        )
        assert [fee.amount for fee in snapshot.fees] == [20]
        assert await found(bank, refund) == snapshot

    async def test_more_than_there_is_conflicts(self, bank: Bank) -> None:
        made = await done(bank, debit())
        answer = await bank.call(on(debit(), made.partner_id, Operation.REFUND, amount=1051))
        assert isinstance(answer, Refused)
        assert (answer.error.code, answer.error.class_) == ("amount_too_large", ErrorClass.CONFLICT)


class TestFaults:
    @pytest.mark.parametrize(
        ("faults", "answer", "effects"),
        [
            ({"rate_limited": 1, "retry_after_s": 7}, NotSent(Why.RATE_LIMITED, dt.timedelta(seconds=7)), 0),
            ({"unavailable": 1}, Unknown(Why.SERVER_ERROR), 0),
            ({"error_before": 1}, Unknown(Why.SERVER_ERROR), 0),
            ({"error_after": 1}, Unknown(Why.SERVER_ERROR), 1),
            ({"drop_before": 1}, Unknown(Why.DROPPED), 0),
            ({"drop_after": 1}, Unknown(Why.DROPPED), 1),
        ],
    )
    async def test_whatever_may_have_had_its_effect_is_unknown(
        self, bank: Bank, world: BankWorld, faults: Json, answer: object, effects: int
    ) -> None:
        world.misbehave(**faults, reads=False)
        assert await bank.call(payout()) == answer
        assert (await world.book())["attempts"] == ({"att_1": 1} if effects else {})

    async def test_a_late_answer_is_unknown(self, world: BankWorld, drift: Drift) -> None:
        world.misbehave(delay_after=1, delay_ms_min=2_000, delay_ms_max=2_000, reads=False)
        connector = create("bank", settings(world.url, timeout_ms=60), drift)
        assert await connector.call(payout()) == Unknown(Why.TIMEOUT)
        assert (await world.book())["attempts"] == {"att_1": 1}
        await connector.close()

    async def test_a_repeat_that_meets_the_first_in_flight_is_unknown(
        self, bank: Bank, world: BankWorld
    ) -> None:
        world.misbehave(delay_before=1, delay_ms_min=200, delay_ms_max=200, reads=False)
        answers = await asyncio.gather(bank.call(payout()), bank.call(payout()))
        assert sorted(map(type, answers), key=str) == [Reported, Unknown]
        assert Unknown(Why.IN_FLIGHT) in answers

    async def test_the_key_with_another_content_is_unknown(self, bank: Bank) -> None:
        await done(bank, payout())
        assert await bank.call(payout(amount=7)) == Unknown(Why.KEY_REUSED)

    async def test_where_nobody_listens_nothing_was_sent(self, drift: Drift) -> None:
        with socket.create_server(("127.0.0.1", 0)) as reserved:
            port = reserved.getsockname()[1]
        connector = create("bank", settings(f"http://127.0.0.1:{port}"), drift)
        assert await connector.call(payout()) == NotSent(Why.UNREACHABLE)
        assert await connector.query(payout()) == Unknown(Why.UNREACHABLE)
        await connector.close()

    async def test_a_wrong_key_has_sent_nothing(self, world: BankWorld, drift: Drift) -> None:
        connector = create("bank", settings(world.url, api_key=Secret("wrong")), drift)
        assert await connector.call(payout()) == NotSent(Why.CREDENTIALS)
        assert await connector.query(payout()) == Unknown(Why.CREDENTIALS)
        await connector.close()


@pytest.fixture
async def saying(drift: Drift) -> AsyncIterator[Callable[[Response], Bank]]:
    """A connector to a server that always answers the same."""
    said = [DROPPED]
    connections: set[Connection] = set()
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"

    def handle(request: Request) -> Response:
        return said[0]

    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(handle, connections), sock=listening)
    connector = create("bank", settings(url), drift)

    def say(response: Response) -> Bank:
        said[0] = response
        return connector

    yield say
    await connector.close()
    server.close()
    for connection in list(connections):
        connection.abort()


TRANSFER: Json = {
    "id": "trf_1",
    "object": "transfer",
    "reference": "att_1",
    "amount": {"amount": 1050, "currency": "EUR"},
    "account": "tok_bank_ok",
    "remittance": None,
    "status": "settled",
    "reason": None,
    "fees": [],
    "created_at": "2026-11-22T12:00:00Z",
    "updated_at": "2026-11-22T12:00:00Z",
}

Saying = Callable[[Response], Bank]


class TestDrift:
    @pytest.mark.parametrize(
        ("response", "why"),
        [
            (Response(200, b"<html>it works</html>", (("content-type", "text/html"),)), Why.UNREADABLE),
            (Response(200, b""), Why.UNREADABLE),
            (Response(200, b"[]"), Why.UNREADABLE),
            (Response(200, b'{"id": '), Why.UNREADABLE),
            (Response(200, b"\xff\xfe"), Why.UNREADABLE),
            (json_response(200, {}), Why.UNREADABLE),
            (Response(204), Why.UNREADABLE),
            (Response(302, b"", (("location", "https://elsewhere.example"),)), Why.UNREADABLE),
            (Response(404, b"<html>no such page</html>", (("content-type", "text/html"),)), Why.UNREADABLE),
            (json_response(400, {"message": "bad gateway"}), Why.UNREADABLE),
            (json_response(409, {"error": "conflict"}), Why.UNREADABLE),
            (Response(502, b"<html>bad gateway</html>"), Why.SERVER_ERROR),
        ],
    )
    async def test_an_answer_that_is_not_the_bank_s_is_unknown(
        self, saying: Saying, response: Response, why: Why
    ) -> None:
        bank = saying(response)
        assert await bank.call(payout()) == Unknown(why)
        assert await bank.query(payout()) == Unknown(why)
        assert await bank.fetch("trf_1", Direction.PAYOUT) == Unknown(why)

    @pytest.mark.parametrize(
        ("change", "drift_of"),
        [
            ({"id": None}, (DriftKind.MISSING, "transfer.id", "")),
            ({"reference": None}, (DriftKind.MISSING, "transfer.reference", "")),
            ({"amount": None}, (DriftKind.MISSING, "amount.amount", "")),
            ({"amount": 1050}, (DriftKind.UNEXPECTED_TYPE, "transfer.amount", "int")),
            ({"amount": {"amount": "1050", "currency": "EUR"}},
             (DriftKind.UNEXPECTED_TYPE, "transfer.amount.amount", "str")),
            ({"amount": {"amount": 1050}}, (DriftKind.MISSING, "transfer.amount.currency", "")),
            ({"reference": "att_of_another"},
             (DriftKind.CONTRADICTION, "transfer.reference", "of_another_attempt")),
        ],
    )  # fmt: skip
    async def test_an_order_that_cannot_be_read_is_unknown_and_counted(
        self, saying: Saying, drift: Drift, change: Json, drift_of: object
    ) -> None:
        bank = saying(json_response(201, {**TRANSFER, **change}))
        assert await bank.call(payout()) == Unknown(Why.UNREADABLE)
        assert drift.counts[drift_of] == 1  # type: ignore[index]

    async def test_a_status_that_nobody_knows_moves_nothing(self, saying: Saying, drift: Drift) -> None:
        snapshot = await done(saying(json_response(201, {**TRANSFER, "status": "teleported"})), payout())
        assert (snapshot.status, snapshot.captured, snapshot.amount) == (Status.UNKNOWN, None, 1050)
        assert drift.counts == {(DriftKind.UNKNOWN_VALUE, "transfer.status", "teleported"): 1}

    async def test_an_error_or_reason_that_nobody_knows_is_taken_by_its_kind(
        self, saying: Saying, drift: Drift
    ) -> None:
        error = {"error": {"code": "moon_phase", "message": "not today"}}
        expected = {400: ErrorClass.INVALID, 403: ErrorClass.CREDENTIALS, 409: ErrorClass.CONFLICT}
        for status, class_ in expected.items():
            answer = await saying(json_response(status, error)).call(payout())
            if class_ is ErrorClass.CREDENTIALS:
                assert answer == NotSent(Why.CREDENTIALS)
            else:
                assert answer == Refused(PartnerError(code="moon_phase", class_=class_, message="not today"))
        rejected = {**TRANSFER, "status": "rejected", "reason": {"code": "ZZ99"}}
        snapshot = await done(saying(json_response(201, rejected)), payout())
        assert snapshot.error == PartnerError(code="ZZ99", class_=ErrorClass.SOFT_DECLINE)
        assert drift.counts == {
            (DriftKind.UNKNOWN_VALUE, "error.code", "moon_phase"): 3,
            (DriftKind.UNKNOWN_VALUE, "transfer.reason.code", "ZZ99"): 1,
        }

    async def test_fields_that_are_new_are_no_drift(self, saying: Saying, drift: Drift) -> None:
        bank = saying(json_response(201, {**TRANSFER, "colour": "blue", "tags": [1, {"a": 2}]}))
        assert (await done(bank, payout())).status is Status.SUCCEEDED
        assert drift.counts == {}

    async def test_a_list_that_is_none_proves_nothing(self, saying: Saying) -> None:
        for said in ({}, {"data": None}, {"data": {}}, {"data": ["trf_1"]}):
            assert await saying(json_response(200, said)).query(payout()) == Unknown(Why.UNREADABLE)

    async def test_a_rate_limit_of_whoever_says_so_was_not_sent(self, saying: Saying) -> None:
        for header, wait in (("3", 3), ("0", 0), ("99999999", 3_600)):
            bank = saying(Response(429, b"slow down", (("retry-after", header),)))
            assert await bank.call(payout()) == NotSent(Why.RATE_LIMITED, dt.timedelta(seconds=wait))
        bank = saying(Response(429, b"slow down", (("retry-after", "tomorrow"),)))
        assert await bank.call(payout()) == NotSent(Why.RATE_LIMITED, None)

    async def test_a_rate_limit_is_no_drift(self, saying: Saying, drift: Drift) -> None:
        bank = saying(json_response(429, {"error": {"code": "rate_limited", "message": "slow down"}}))
        by_id = payout(partner_id="trf_1")
        assert await bank.call(payout()) == NotSent(Why.RATE_LIMITED)
        assert await bank.query(by_id) == await bank.query(payout()) == Unknown(Why.RATE_LIMITED)
        assert drift.counts == {}


class TestWebhooks:
    async def test_each_move_of_a_direct_debit_is_a_snapshot(self, bank: Bank, world: BankWorld) -> None:
        async with listener() as taken:
            world.tell(taken.url)
            made = await done(bank, debit("tok_bank_returned"))
            world.advance(3)
            await world.control("settle")
            await world.control("webhooks/flush")
            said: Json = {}
            for request in taken.requests:
                (inbound,) = bank.verify(request.headers, request.body, now=dt.datetime.now(dt.UTC))
                assert inbound.event_id == request.headers["webhook-id"]
                assert abs(inbound.created_at - world.now()) < dt.timedelta(minutes=1)
                (said[inbound.type],) = bank.parse(inbound)
        assert {kind: snapshot.status for kind, snapshot in said.items()} == {
            "direct_debit.accepted": Status.PENDING,
            "direct_debit.collected": Status.SUCCEEDED,
            "direct_debit.returned": Status.RETURNED,
            "settlement.posted": Status.SUCCEEDED,
        }
        back = said["direct_debit.returned"]
        assert (back.partner_id, back.attempt_id, back.captured) == (made.partner_id, "att_1", 1050)
        assert [fee.amount for fee in back.fees] == [30, 250]
        assert back.error.code == "MD06"
        settled = said["settlement.posted"]
        assert (settled.subject, settled.amount) == (Subject.SETTLEMENT, -280)

    async def test_forged_changed_and_stale_webhooks_are_refused(self, bank: Bank, world: BankWorld) -> None:
        body = msgspec.json.encode({"type": "transfer.settled", "timestamp": NOW, "data": TRANSFER})

        def why(headers: list[tuple[str, str]], body: bytes) -> RefusalReason:
            with pytest.raises(WebhookRefused) as refused:
                bank.verify(dict(headers), body, now=NOW)
            return refused.value.reason

        at = int(NOW.timestamp())
        good = world.partner.sign("evt_1", body, (OLDER_SECRET, SECRET), at)
        assert bank.verify(dict(good), body, now=NOW) == (
            Inbound(event_id="evt_1", type="transfer.settled", created_at=NOW, body=body),
        )
        assert why(world.partner.sign("evt_1", body, (OLDER_SECRET,), at), body) is RefusalReason.NO_MATCH
        assert why(good, body.replace(b"1050", b"9050")) is RefusalReason.NO_MATCH
        assert why(good, body[:-1]) is RefusalReason.NO_MATCH
        assert why(world.partner.sign("evt_1", body, (SECRET,), at - 301), body) is RefusalReason.TOO_OLD
        assert why(world.partner.sign("evt_1", body, (SECRET,), at + 301), body) is RefusalReason.TOO_NEW
        assert why([], body) is RefusalReason.MISSING

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"[]",
            b"no json",
            b'{"type": "a.b"}',
            b'{"type": 7, "timestamp": "2026-11-22T12:00:00Z"}',
            b'{"type": "a.b", "timestamp": "yesterday"}',
        ],
    )
    async def test_what_is_signed_and_no_event_is_refused_too(
        self, bank: Bank, world: BankWorld, body: bytes
    ) -> None:
        headers = world.partner.sign("evt_1", body, (SECRET,), int(NOW.timestamp()))
        with pytest.raises(WebhookRefused) as refused:
            bank.verify(dict(headers), body, now=NOW)
        assert refused.value.reason is RefusalReason.MALFORMED

    @pytest.mark.parametrize(
        ("data", "statuses"),
        [
            ({"object": "weather_report", "id": "w_1"}, []),
            ({}, []),
            (None, []),
            ("trf_1", []),
            ({**TRANSFER, "id": None}, []),
            ({**TRANSFER, "status": "teleported"}, [Status.UNKNOWN]),
            ({**TRANSFER, "amount": None}, [Status.UNKNOWN]),
            ({"object": "transfer", "id": "trf_1"}, [Status.UNKNOWN]),
            ({"object": "settlement", "id": "stl_1"}, [Status.UNKNOWN]),
        ],
    )
    async def test_what_it_does_not_know_is_counted_and_moves_nothing(
        self, bank: Bank, drift: Drift, data: object, statuses: list[Status]
    ) -> None:
        body = msgspec.json.encode({"type": "x.y", "timestamp": NOW, "data": data})
        said = bank.parse(Inbound(event_id="evt_1", type="x.y", created_at=NOW, body=body))
        assert [snapshot.status for snapshot in said] == statuses
        assert sum(drift.counts.values()) > 0


class TestSettlements:
    async def test_they_come_with_their_lines_oldest_first_across_pages(
        self, bank: Bank, world: BankWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("caudal.connectors.bank.connector.PAGE", 2)
        begun = world.now()
        first = await done(bank, debit(amount=5000))
        refund = await done(bank, on(debit(), first.partner_id, Operation.REFUND, amount=400))
        out = await done(bank, payout(attempt="att_3"))
        await world.control("settle")
        world.advance(60)
        later = world.now()
        await world.control("returns", {"transfer": out.partner_id})
        await world.control("settle")
        one, two = [settlement async for settlement in bank.settlements(begun)]
        assert (one.amount, one.currency, one.arrived) == (5000 - 30 - 400 - 20 - 1050 - 20, "EUR", True)
        assert [
            (line.kind, line.source_id, line.payment_partner_id, line.attempt_id, line.amount, line.fee)
            for line in one.lines
        ] == [
            (LineKind.PAYMENT, first.partner_id, first.partner_id, "att_1", 5000, 30),
            (LineKind.REFUND, refund.partner_id, first.partner_id, "att_2", -400, 20),
            (LineKind.PAYMENT, out.partner_id, out.partner_id, "att_3", -1050, 20),
        ]
        assert {fee.partner_id for fee in (*first.fees, *refund.fees, *out.fees)} == {
            line.partner_id for line in one.lines
        }
        assert (two.amount, [(line.kind, line.amount) for line in two.lines]) == (
            1050,
            [(LineKind.PAYMENT, 1050)],
        )
        assert one.arrived_at is not None
        assert begun < one.arrived_at < later
        assert [settlement.partner_id async for settlement in bank.settlements(later)] == [two.partner_id]

    async def test_a_bank_that_does_not_answer_is_unavailable(self, bank: Bank, world: BankWorld) -> None:
        for faults in ({"drop_before": 1}, {"error_before": 1}, {"rate_limited": 1}):
            world.misbehave(**faults)
            with pytest.raises(PartnerUnavailable):
                [settlement async for settlement in bank.settlements(LONG_AGO)]

    async def test_one_that_is_not_the_sum_of_its_lines_is_not_believed(
        self, bank: Bank, world: BankWorld, drift: Drift
    ) -> None:
        await done(bank, debit())
        (settlement,) = world.partner._bank.settle()
        settlement.amount = msgspec.structs.replace(settlement.amount, amount=1)
        assert [found async for found in bank.settlements(LONG_AGO)] == []
        assert drift.counts == {(DriftKind.CONTRADICTION, "settlement.amount", "not_the_sum_of_its_lines"): 1}


class TestSettings:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"url": None},
            {"url": "bank.example"},
            {"url": "ftp://bank.example"},
            {"url": "https://"},
            {"api_key": Secret("two words")},
            {"api_key": Secret("")},
            {"webhook_secrets": [Secret("whsec_!!")]},
        ],
    )
    def test_those_that_cannot_work_are_refused_at_once_without_a_secret(self, wrong: Json) -> None:
        given = settings(**{"url": "https://bank.example", **wrong})
        with pytest.raises(PartnerMisconfigured) as refused:
            Registry.from_settings({"bank": given}, SystemClock())
        assert "two words" not in str(refused.value)

    async def test_the_registry_makes_it_without_connecting(self) -> None:
        registry = Registry.from_settings({"house_bank": settings("https://bank.example")}, SystemClock())
        partner = registry.get("house_bank")
        assert (partner.name, partner.capabilities) == ("house_bank", CAPABILITIES)
        await registry.close()

    def test_what_it_can_do(self) -> None:
        rows = {(row.direction, row.method): row for row in CAPABILITIES.supported}
        assert set(rows) == {
            (Direction.PAYOUT, Method.BANK_TRANSFER),
            (Direction.PAY_IN, Method.BANK_DEBIT),
        }
        assert [row.refunds for row in rows.values()] == [False, True]
        assert all(row.cancels and not row.increments for row in rows.values())
