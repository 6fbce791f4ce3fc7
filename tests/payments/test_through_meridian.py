"""Payments through an acquirer that is not like Stripe: the sandbox's, over HTTP, with its notifications."""

from typing import Any

import httpx
import pytest

from caudal.connectors import CaptureMode, DriftKind
from caudal.payments import (
    AttemptState,
    Case,
    ConfirmPayment,
    DisputeState,
    PartState,
    PaymentState,
    accounts,
)
from caudal_base.database import Database
from support.meridian_payments import NAME, Deal, deal

S = PaymentState

HELD_BACK: dict[str, Any] = {"delay": 1, "delay_ms_min": 60_000, "delay_ms_max": 60_000}
"""Notifications wait until they are flushed."""


@pytest.fixture
def database(shared_database: Database) -> Database:
    """The file's database: each test has a book of its own."""
    return shared_database


async def attempts(deal: Deal) -> dict[str, int]:
    """By attempt, the effects that the acquirer's book has of it."""
    found: dict[str, int] = (await deal.sandbox.book())["attempts"]
    return found


async def balance(deal: Deal) -> int:
    """What the acquirer owes us by its own book."""
    balances = (await deal.sandbox.book())["balances"].get("meridian", {})
    return int(balances.get("eur", 0))


async def parts_are(deal: Deal, case: Case, state: PartState) -> Case:
    """The payment once all its refunds are in this state."""

    async def there() -> bool:
        refunds = (await deal.world.again(case)).refunds
        return bool(refunds) and all(refund.state is state for refund in refunds)

    await deal.until(there)
    return await deal.world.again(case)


async def dispute_is(deal: Deal, case: Case, state: DisputeState) -> Case:
    async def there() -> bool:
        return [it.state for it in (await deal.world.again(case)).disputes] == [state]

    await deal.until(there)
    return await deal.world.again(case)


async def test_a_sale_is_paid_out_with_the_commission_netted(database: Database) -> None:
    async with deal(database) as it:
        case = await it.world.create(partner=NAME, instrument="mtk_ok")
        case = await it.reaches(case, S.SUCCEEDED, step_s=0)
        assert (await it.world.wallet(it.world.ana), await it.world.clearing()) == ((1_000, 1_000), 1_000)
        assert await attempts(it) == {case.attempts[0].id: 1}

        await it.sandbox.control("settle", {"partner": "meridian"})

        async def settled() -> bool:
            return await it.world.clearing() == 0

        await it.until(settled)
        # 1.2 % of 10.00 and 0.10.
        assert await it.world.balance(accounts.partner_fees(NAME, "EUR")) == (22, 22)
        assert await balance(it) == 0
        assert await it.world.findings() == []
        assert (await it.parked(), it.drift.counts) == ([], {})


async def test_a_capture_is_taken_now_and_carried_out_later(database: Database) -> None:
    async with deal(database, **HELD_BACK) as it:
        case = await it.world.create(partner=NAME, instrument="mtk_ok", capture=CaptureMode.MANUAL)
        case = await it.reaches(case, S.AUTHORISED, step_s=0)
        await it.world.capture(case, 600)
        case = await it.attempt_is(case, AttemptState.ACCEPTED)
        assert (case.payment.state, case.payment.captured_amount) == (S.CAPTURING, 0)

        it.pass_time(1)
        await it.sandbox.control("webhooks/flush")
        case = await it.reaches(case, S.SUCCEEDED)
        assert (case.payment.captured_amount, case.captures[0].state) == (600, PartState.SUCCEEDED)
        assert [each.state for each in case.attempts] == [AttemptState.SUCCEEDED] * 2
        assert await it.world.wallet(it.world.ana) == (600, 600)
        assert await it.sandbox.kinds() == ["authorisation", "capture"]


@pytest.mark.parametrize("told", [True, False])
async def test_a_capture_that_fails_after_all_leaves_the_authorisation(
    database: Database, told: bool
) -> None:
    async with deal(database, events=None if told else ("AUTHORISATION",)) as it:
        case = await it.world.create(partner=NAME, instrument="mtk_capture_fails", capture=CaptureMode.MANUAL)
        case = await it.reaches(case, S.AUTHORISED, step_s=0)
        await it.world.capture(case)
        await it.attempt_is(case, AttemptState.ACCEPTED)

        # A notification says so, or the acquirer is asked after five minutes.
        case = await it.reaches(case, S.AUTHORISED, step_s=0.5 if told else 60)
        assert (case.payment.captured_amount, case.captures[0].state) == (0, PartState.FAILED)
        failure = case.captures[0].failure
        assert failure is not None
        assert failure.code == "REFUSED_BY_ACQUIRER"
        assert await it.world.wallet(it.world.ana) == (0, 0)
        assert (await it.parked(), it.drift.counts) == ([], {})


async def test_a_cancellation_is_taken_now_and_releases_later(database: Database) -> None:
    async with deal(database, **HELD_BACK) as it:
        case = await it.world.create(partner=NAME, instrument="mtk_ok", capture=CaptureMode.MANUAL)
        case = await it.reaches(case, S.AUTHORISED, step_s=0)
        await it.world.cancel(case)
        await it.attempt_is(case, AttemptState.ACCEPTED)
        it.pass_time(1)
        await it.sandbox.control("webhooks/flush")
        case = await it.reaches(case, S.CANCELLED)
        assert await it.sandbox.kinds() == ["authorisation", "cancel"]
        assert await it.world.findings() == []


async def test_refunds_are_pending_and_then_paid_back_or_not(database: Database) -> None:
    async with deal(database) as it:
        good = await it.world.create(partner=NAME, instrument="mtk_ok")
        bad = await it.world.create(partner=NAME, instrument="mtk_refund_fails")
        back = await it.world.create(partner=NAME, instrument="mtk_refund_comes_back")
        for case in (good, bad, back):
            await it.reaches(case, S.SUCCEEDED, step_s=0)
            await it.world.refund(case, 400)
        good = await parts_are(it, good, PartState.SUCCEEDED)
        bad = await parts_are(it, bad, PartState.FAILED)
        back = await parts_are(it, back, PartState.FAILED)
        assert [case.payment.refunded_amount for case in (good, bad, back)] == [400, 0, 0]
        assert await it.world.wallet(it.world.ana) == (2_600, 2_600)
        assert (await it.world.findings(), await it.parked(), it.drift.counts) == ([], [], {})


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize(("outcome", "state"), [("complete", S.SUCCEEDED), ("fail", S.FAILED)])
async def test_the_payer_proves_who_they_are_or_fails_to(
    database: Database, outcome: str, state: PaymentState, told: bool
) -> None:
    async with deal(database, events=None if told else ()) as it, httpx.AsyncClient() as browser:
        case = await it.world.create(
            partner=NAME, instrument="mtk_3ds", return_url="https://shop.example/back?order=7"
        )
        case = await it.reaches(case, S.REQUIRES_ACTION, step_s=0)
        assert case.payment.action_url is not None
        page = await browser.get(case.payment.action_url)
        assert (page.status_code, "10.00 EUR" in page.text) == (200, True)
        back = await browser.post(case.payment.action_url, data={"outcome": outcome})
        assert back.headers["location"].startswith("https://shop.example/back?order=7&pspReference=MER_")
        if not told:
            # Confirming asks: by our reference, as the acquirer knows no other way.
            await it.world.one(ConfirmPayment(payment_id=case.payment.id))
        case = await it.reaches(case, state)
        assert await it.world.wallet(it.world.ana) == ((1_000, 1_000) if state is S.SUCCEEDED else (0, 0))


async def test_a_slow_issuer_is_waited_for(database: Database) -> None:
    async with deal(database) as it:
        case = await it.world.create(partner=NAME, instrument="mtk_slow_refused")
        await it.attempt_is(case, AttemptState.ACCEPTED)
        case = await it.reaches(case, S.FAILED)
        failure = case.payment.failure
        assert failure is not None
        assert (failure.code, failure.class_) == ("51", "soft_decline")


@pytest.mark.parametrize(("status", "state"), [("won", DisputeState.WON), ("lost", DisputeState.LOST)])
async def test_a_chargeback_takes_the_money_and_may_give_it_back(
    database: Database, status: str, state: DisputeState
) -> None:
    async with deal(database) as it:
        case = await it.world.create(partner=NAME, instrument="mtk_disputed")
        await it.reaches(case, S.SUCCEEDED, step_s=0)
        case = await dispute_is(it, case, DisputeState.OPEN)
        assert case.payment.disputed_amount == 1_000
        done = await it.sandbox.control(
            f"meridian/disputes/{case.disputes[0].partner_id}/close", {"status": status}
        )
        assert done.status_code == 200
        case = await dispute_is(it, case, state)
        assert case.payment.disputed_amount == (0 if status == "won" else 1_000)

        await it.sandbox.control("settle", {"partner": "meridian"})

        async def settled() -> bool:
            return await it.world.balance(accounts.partner_fees(NAME, "EUR")) == (1_522, 1_522)

        await it.until(settled)
        assert (await it.world.clearing(), await balance(it)) == (0, 0)
        assert (await it.world.findings(), await it.parked()) == ([], [])


@pytest.mark.parametrize(
    ("fault", "told"),
    [("error_after", False), ("drop_after", True), ("error_before", True), ("drop_before", False)],
)
async def test_an_outcome_that_is_unknown_is_learnt_and_never_doubled(
    database: Database, fault: str, told: bool
) -> None:
    async with deal(database, events=None if told else ()) as it:
        it.sandbox.misbehave(**{fault: 1}, reads=False, search_lag_s=60)
        case = await it.world.create(partner=NAME, instrument="mtk_ok")

        # What was done may be told of before we know that the call has failed.
        async def sent() -> bool:
            return it.sandbox.partner.counts[fault] > 0

        await it.until(sent, step_s=0)
        it.sandbox.misbehave(search_lag_s=60)
        case = await it.reaches(case, S.SUCCEEDED, step_s=60)
        assert await attempts(it) == {case.attempts[0].id: 1}
        assert await it.world.wallet(it.world.ana) == (1_000, 1_000)


async def test_an_error_within_a_200_is_no_answer(database: Database) -> None:
    async with deal(database, events=()) as it:
        case = await it.world.create(partner=NAME, instrument="mtk_error_authorised")
        case = await it.attempt_is(case, AttemptState.UNKNOWN)
        assert (case.payment.state, case.attempts[0].note) == (S.PROCESSING, "server_error")
        await it.reaches(case, S.SUCCEEDED)


async def test_a_result_that_nobody_knows_moves_no_money(database: Database) -> None:
    async with deal(database, events=()) as it:
        case = await it.world.create(partner=NAME, instrument="mtk_unheard_of")
        await it.attempt_is(case, AttemptState.UNKNOWN)

        async def asked() -> bool:
            return (await it.world.again(case)).attempts[0].looks >= 3

        await it.until(asked)
        case = await it.world.again(case)
        assert (case.payment.state, case.attempts[0].sends) == (S.PROCESSING, 1)
        assert await it.world.wallet(it.world.ana) == (0, 0)
        assert it.drift.counts[DriftKind.UNKNOWN_VALUE, "payment.resultCode", "ON_HOLD"] == 1
        assert it.drift.counts[DriftKind.UNKNOWN_VALUE, "payment.status", "ON_HOLD"] >= 3


@pytest.mark.parametrize("card", ["mtk_other_amount", "mtk_other_currency"])
async def test_another_amount_or_currency_than_asked_is_for_a_person(database: Database, card: str) -> None:
    async with deal(database) as it:
        case = await it.world.create(partner=NAME, instrument=card)
        await it.reaches(case, S.REVIEW, step_s=0)
        assert await it.world.wallet(it.world.ana) == (0, 0)


CARDS = ("mtk_ok", "mtk_slow", "mtk_insufficient", "mtk_capture_fails", "mtk_error_authorised")


async def test_whatever_goes_wrong_both_books_agree(database: Database) -> None:
    rates: dict[str, Any] = dict.fromkeys(
        ("rate_limited", "unavailable", "error_before", "error_after", "drop_before", "drop_after"), 0.05
    )
    hook = {"duplicate": 0.3, "reorder": 0.2, "before_response": 0.3, "forge": 0.3, "old_secret": 0.1}
    async with deal(database, seed=7, old_secrets=("0f" * 32,), **hook) as it:
        it.sandbox.misbehave(**rates, retry_after_s=0, search_lag_s=30, reads=False)
        manual = [n % 2 == 1 for n in range(15)]
        cases = [
            await it.world.create(
                partner=NAME, instrument=CARDS[n % len(CARDS)], amount=1_000 + n,
                capture=CaptureMode.MANUAL if held else CaptureMode.AUTOMATIC,
            )
            for n, held in enumerate(manual)
        ]  # fmt: skip
        ends = {S.SUCCEEDED, S.FAILED}

        async def ended() -> bool:
            done = True
            for number, case in enumerate(cases):
                now = await it.world.again(case)
                if now.payment.state is S.AUTHORISED and not now.captures:
                    await it.world.capture(now, 700)
                given_up = number % 2 == 1 and now.payment.state is S.AUTHORISED and bool(now.captures)
                done = done and (now.payment.state in ends or given_up)
            return done

        await it.until(ended, step_s=20)
        it.sandbox.misbehave()
        await it.sandbox.control("webhooks/flush")
        assert max((await attempts(it)).values()) == 1
        captured = [(await it.world.again(case)).payment.captured_amount for case in cases]
        assert (await it.world.wallet(it.world.ana))[0] == await it.world.clearing() == sum(captured)
        effects = (await it.sandbox.book())["effects"]
        assert sum(each["delta"] for each in effects if each["kind"] in ("charge", "capture")) == sum(
            captured
        )
        stats = (await it.sandbox.http.get("/control/stats")).json()["webhooks"]
        assert stats.get("forgeries_taken", 0) == 0
        assert stats["forged"] > 0
        assert (await it.parked(), await it.world.findings()) == ([], [])
