"""Accounts and transfers by the client; the network refuses what the document does not allow."""

import datetime as dt

import pytest

from caudal.client import (
    Basis,
    Caudal,
    Conflict,
    HoldState,
    IfVersion,
    InvalidRequest,
    ItemStatus,
    Limit,
    NotFound,
    PostItem,
    Remainder,
    ReversalItem,
    Side,
    TransferItem,
    TransferKind,
    Unprocessable,
    VoidItem,
)
from support.client_settings import YESTERDAY, Pair, Setting, fund


async def test_an_account_is_opened_found_and_changed(caudal: Caudal, pair: Pair) -> None:
    accounts = caudal.accounts
    opened = await accounts.open(
        currency="EUR",
        normal_side=Side.CREDIT,
        code="customer",
        reference="bo",
        metadata={"plan": "basic ü&="},
        limit=Limit.DEBITS_MUST_NOT_EXCEED_CREDITS,
        overdraft=500,
    )

    assert await accounts.get(opened.id) == opened
    assert (opened.balance, opened.available, opened.overdraft) == (0, 0, 500)
    assert opened.metadata == {"plan": "basic ü&="}
    assert [row.id async for row in accounts.list(metadata={"plan": "basic ü&="})] == [opened.id]
    assert [row.id async for row in accounts.list(reference="bo", currency="EUR")] == [opened.id]
    assert [row.id async for row in accounts.list(code="cash")] == [pair.cash.id]
    assert (await accounts.freeze(opened.id)).status == "frozen"
    assert (await accounts.unfreeze(opened.id)).status == "open"
    assert (await accounts.set_limit(opened.id, limit=Limit.NONE)).limit is Limit.NONE
    assert (await accounts.close(opened.id)).status == "closed"
    with pytest.raises(Conflict, match="account_closed"):
        await accounts.freeze(opened.id)
    assert (await accounts.reopen(opened.id)).status == "open"
    with pytest.raises(Conflict) as taken:
        await accounts.open(currency="EUR", normal_side=Side.CREDIT, reference="bo")
    assert (taken.value.code, taken.value.field) == ("reference_taken", "reference")


async def test_an_account_opened_again_under_its_id_is_the_same(caudal: Caudal, pair: Pair) -> None:
    again = await caudal.accounts.open(
        currency="USD",
        normal_side=Side.CREDIT,
        reference="ana",
        limit=Limit.DEBITS_MUST_NOT_EXCEED_CREDITS,
        id=pair.ana.id,
    )

    assert again == pair.ana


async def test_history_is_read_at_any_moment(caudal: Caudal, pair: Pair) -> None:
    first = await caudal.transfers.get(await fund(caudal, pair, 1000))
    backdated = await caudal.transfers.create(
        debit_account=pair.ana.id,
        credit_account=pair.cash.id,
        amount=250,
        currency="USD",
        effective_at=YESTERDAY,
        metadata={"order": "17"},
    )
    balance = caudal.accounts.balance

    assert (await balance(pair.ana.id)).balance == 750
    assert (await balance(pair.ana.id, at_seq=first.seq)).balance == 1000
    assert (await balance(pair.ana.id, at_recorded=first.recorded_at)).balance == 1000
    at_effective = await balance(pair.ana.id, at_effective=YESTERDAY + dt.timedelta(seconds=1))
    assert (at_effective.balance, at_effective.available) == (-250, None)
    with pytest.raises(InvalidRequest):
        await balance(pair.ana.id, at_seq=1, at_recorded=YESTERDAY)

    entries = [entry async for entry in caudal.accounts.entries(pair.ana.id, newest_first=True)]
    assert [(entry.side, entry.amount, entry.balance) for entry in entries] == [
        (Side.DEBIT, 250, 750),
        (Side.CREDIT, 1000, 1000),
    ]
    assert entries[0].transfer == backdated
    assert entries[0].value_at == backdated.effective_at == YESTERDAY

    days = {"from_day": YESTERDAY.date(), "through_day": dt.datetime.now(dt.UTC).date()}
    statement = await caudal.accounts.statement(pair.ana.id, **days, basis=Basis.EFFECTIVE)
    assert [line.balance for line in statement.lines] == [-250, 750]
    assert (statement.opening_balance, statement.closing_balance) == (0, 750)
    csv = await caudal.accounts.statement_csv(pair.ana.id, **days)
    assert len(csv.decode().splitlines()) >= 3
    with pytest.raises(Unprocessable, match="statement_days_reversed"):
        await caudal.accounts.statement(
            pair.ana.id, from_day=days["through_day"], through_day=days["from_day"]
        )


async def test_holds_are_posted_voided_and_held_anew(caudal: Caudal, pair: Pair) -> None:
    await fund(caudal, pair, 1000)
    transfers = caudal.transfers

    async def hold(amount: int) -> str:
        held = await transfers.create(
            debit_account=pair.ana.id,
            credit_account=pair.cash.id,
            amount=amount,
            currency="USD",
            pending=True,
            expires_at=dt.datetime.now(dt.UTC) + dt.timedelta(days=7),
        )
        assert (held.kind, held.state) == (TransferKind.PENDING, HoldState.OPEN)
        return held.id

    one, other = await hold(400), await hold(100)
    assert (await caudal.accounts.get(pair.ana.id)).available == 500
    posted = await transfers.post(one, amount=150, remainder=Remainder.HOLD, reference="part")
    voided = await transfers.void(other, code="late")
    found = await transfers.get(one)

    assert (posted.kind, posted.pending_id, posted.amount) == (TransferKind.POST, one, 150)
    assert (found.state, found.resolved_by) == (HoldState.POSTED, posted.id)
    assert (voided.kind, voided.pending_id) == (TransferKind.VOID, other)
    assert posted.remainder_id is not None
    assert (await transfers.get(posted.remainder_id)).amount == 250
    assert (await caudal.accounts.get(pair.ana.id)).available == 600
    with pytest.raises(Conflict, match="pending_already_posted"):
        await transfers.post(one)
    assert [row.id async for row in transfers.list(related=one, kind=TransferKind.POST)] == [posted.id]


async def test_a_transfer_is_reversed_in_part_and_whole(caudal: Caudal, pair: Pair) -> None:
    id_ = await fund(caudal, pair, 1000)

    part = await caudal.transfers.reverse(id_, amount=400, metadata={"why": "broken"})
    rest = await caudal.transfers.reverse(id_)

    assert (part.kind, part.original_id, part.amount, rest.amount) == ("reversal", id_, 400, 600)
    with pytest.raises(Conflict, match="already_reversed"):
        await caudal.transfers.reverse(id_)


async def test_conditions_and_up_to(caudal: Caudal, pair: Pair) -> None:
    await fund(caudal, pair, 1000)
    version = (await caudal.accounts.get(pair.ana.id)).version
    terms = {"debit_account": pair.ana.id, "credit_account": pair.cash.id, "currency": "USD"}

    moved = await caudal.transfers.create(
        **terms, amount=100, if_version=IfVersion(debit=version), min_available=900
    )
    with pytest.raises(Conflict) as stale:
        await caudal.transfers.create(**terms, amount=100, if_version=IfVersion(debit=version))
    most = await caudal.transfers.create(**terms, amount=5000, up_to=True)

    assert moved.if_version == IfVersion(debit=version)
    assert stale.value.code == "debit_version_mismatch"
    assert (most.amount, most.requested) == (900, 5000)


async def test_a_dry_run_answers_and_does_nothing(caudal: Caudal, pair: Pair) -> None:
    id_ = await fund(caudal, pair, 1000)
    before = await caudal.trial_balance()
    terms = {"debit_account": pair.cash.id, "credit_account": pair.ana.id, "currency": "USD"}

    tried = await caudal.transfers.create(**terms, amount=5, dry_run=True)
    batch = await caudal.transfers.batch([TransferItem(**terms, amount=5)], dry_run=True)
    frozen = await caudal.accounts.freeze(pair.ana.id, dry_run=True)
    with pytest.raises(Unprocessable):
        await caudal.transfers.reverse(id_, amount=1001, dry_run=True)

    assert (tried.amount, batch.created, frozen.status) == (5, 1, "frozen")
    assert await caudal.trial_balance() == before
    with pytest.raises(NotFound):
        await caudal.transfers.get(tried.id)


async def test_a_batch_tells_of_each_item(caudal: Caudal, pair: Pair) -> None:
    await fund(caudal, pair, 1000)
    out = {"debit_account": pair.ana.id, "credit_account": pair.cash.id, "currency": "USD"}
    one, other = (TransferItem(**out, amount=100, pending=True) for _ in range(2))
    paid = TransferItem(**out, amount=50, reference="order-17")
    too_much = TransferItem(**out, amount=10_000)

    result = await caudal.transfers.batch(
        [
            one,
            other,
            paid,
            PostItem(pending_id=one.id, amount=60, remainder=Remainder.RELEASE),
            VoidItem(pending_id=other.id),
            ReversalItem(original_id=paid.id, amount=20),
            too_much,
        ]
    )

    assert [item.status for item in result.results] == [ItemStatus.CREATED] * 6 + [ItemStatus.REFUSED]
    assert (result.created, result.exists, result.refused) == (6, 0, 1)
    error = result.results[-1].error
    assert error is not None
    assert (error.code, error.field) == ("exceeds_debit_limit", "transfers[6].amount")
    assert (await caudal.accounts.balance(pair.ana.id)).balance == 1000 - 60 - 50 + 20

    both = [TransferItem(**out, amount=1), TransferItem(**out, amount=10_000)]
    atomic = await caudal.transfers.batch(both, atomic=True)
    assert [item.error and item.error.code for item in atomic.results] == [
        "linked_failed",
        "exceeds_debit_limit",
    ]


async def test_a_conversion_is_two_linked_transfers(caudal: Caudal, pair: Pair) -> None:
    await fund(caudal, pair, 1000)
    usd, eur, euros = [
        (await caudal.accounts.open(currency=currency, normal_side=Side.CREDIT)).id
        for currency in ("USD", "EUR", "EUR")
    ]
    sold = TransferItem(
        debit_account=pair.ana.id, credit_account=usd, amount=1000, currency="USD", rate="0.92", linked=True
    )
    bought = TransferItem(debit_account=eur, credit_account=euros, amount=920, currency="EUR", rate="0.92")

    result = await caudal.transfers.batch([sold, bought])

    assert result.created == 2
    assert (await caudal.transfers.get(bought.id)).rate == "0.92"


async def test_bad_values_are_refused_by_the_api_naming_the_field(
    setting: Setting, caudal: Caudal, pair: Pair
) -> None:
    setting.network.must_be_documented = False

    with pytest.raises(InvalidRequest) as caught:
        await caudal.transfers.create(
            debit_account=pair.cash.id,
            credit_account=pair.ana.id,
            amount=10.5,  # type: ignore[arg-type]
            currency="USD",
        )
    assert caught.value.field == "amount"
