"""Transactions, books, reports and lists by the client, against the application."""

import itertools
from collections.abc import AsyncIterator

import pytest

from caudal.client import (
    BookMode,
    Caudal,
    Conflict,
    Definition,
    Forbidden,
    InvalidRequest,
    JournalRow,
    Leg,
    Money,
    NotFound,
    Parameter,
    ParameterType,
    Percent,
    Posting,
    Rest,
    RowType,
    Side,
    Unprocessable,
    Whole,
)
from support.client_settings import YESTERDAY, Pair, Setting, fund
from support.worlds import new_key


async def test_a_transaction_and_a_template_that_makes_one(caudal: Caudal, pair: Pair) -> None:
    house = await caudal.accounts.open(currency="USD", normal_side=Side.CREDIT)
    postings = (
        Posting(account=pair.cash.id, side=Side.DEBIT, amount=1050, currency="USD"),
        Posting(account=pair.ana.id, side=Side.CREDIT, amount=990, currency="USD"),
        Posting(account=house.id, side=Side.CREDIT, amount=60, currency="USD"),
    )

    entry = await caudal.transactions.record(postings, reference="order-17")

    assert entry.postings == postings
    assert (await caudal.transactions.get(entry.id)).transfers == entry.transfers
    assert [row.transaction async for row in caudal.transfers.list(transaction=entry.id)] == [entry.id] * 2
    with pytest.raises(Unprocessable, match="postings_unbalanced"):
        await caudal.transactions.record(postings[:2])

    sale = Definition(
        parameters={
            "price": Parameter(type=ParameterType.AMOUNT),
            "buyer": Parameter(type=ParameterType.ACCOUNT),
            "seller": Parameter(type=ParameterType.ACCOUNT),
            "order": Parameter(type=ParameterType.TEXT),
        },
        legs=(
            Leg(account="buyer", side=Side.DEBIT, amount=Whole("price")),
            Leg(account=house.id, side=Side.CREDIT, amount=Percent("price", "2.9")),
            Leg(account="seller", side=Side.CREDIT, amount=Rest("price")),
        ),
        reference="{order}",
    )
    kept = await caudal.templates.create("sale", sale)
    assert (kept.label, kept.definition.reference) == ("sale@1", "{order}")
    assert await caudal.templates.create("sale", sale) == kept
    assert await caudal.templates.get("sale") == await caudal.templates.get("sale", version=1) == kept
    assert [template.label async for template in caudal.templates.list(name="sale")] == ["sale@1"]

    made = await caudal.transactions.from_template(
        "sale",
        {"price": Money(1000, "USD"), "buyer": pair.cash.id, "seller": pair.ana.id, "order": "order-18"},
    )
    assert (made.template, made.reference) == ("sale@1", "order-18")
    assert [posting.amount for posting in made.postings] == [1000, 29, 971]
    with pytest.raises(NotFound, match="template_not_found"):
        await caudal.transactions.from_template("sale@7", {})


async def test_books_are_made_and_chosen(setting: Setting) -> None:
    key = await new_key(setting.services, None)
    async with setting.client(key=key) as operator:
        made = await operator.books.create("a-live-one", mode=BookMode.LIVE)
        assert await operator.books.get(made.id) == made
        assert made in [book async for book in operator.books.list(page_size=2)]
        with pytest.raises(Conflict, match="book_name_taken"):
            await operator.books.create("a-live-one")
        with pytest.raises(InvalidRequest, match="book_required"):
            await operator.trial_balance()
    async with setting.client(key=key, book="a-live-one") as there, setting.client() as here:
        await there.accounts.open(currency="USD", normal_side=Side.DEBIT)
        assert (await there.trial_balance()).seq == 1
        assert (await here.trial_balance()).seq == 0
        with pytest.raises(Forbidden):
            await here.books.create("mine")


async def test_the_trial_balance_and_closed_periods(caudal: Caudal, pair: Pair) -> None:
    await fund(caudal, pair, 1000)

    balance = await caudal.trial_balance()

    assert balance.balanced
    assert [(row.code, row.debits_posted, row.credits_posted) for row in balance.rows] == [
        ("cash", 1000, 0),
        (None, 0, 1000),
    ]
    (totals,) = balance.totals
    assert (totals.currency, totals.debits_posted, totals.credits_posted) == ("USD", 1000, 1000)
    assert (await caudal.trial_balance(at_seq=2)).totals == ()
    assert (await caudal.trial_balance(at_effective_day=YESTERDAY.date())).balanced

    closed = await caudal.periods.close(YESTERDAY.date())
    assert closed.closed_through == YESTERDAY.date()
    assert [period async for period in caudal.periods.list()] == [closed]
    with pytest.raises(Conflict, match="period_already_closed"):
        await caudal.periods.close(YESTERDAY.date())


async def test_lists_go_on_over_pages_and_from_a_kept_cursor(caudal: Caudal, pair: Pair) -> None:
    made = [await fund(caudal, pair, 1) for _ in range(5)]

    assert [row.id async for row in caudal.transfers.list(page_size=2)] == made
    assert [row.id async for row in caudal.transfers.list(page_size=2, newest_first=True)] == made[::-1]
    page = await anext(caudal.transfers.list(page_size=2).pages())
    assert [row.id for row in page.data] == made[:2]
    rest = caudal.transfers.list(page_size=2, cursor=page.next_cursor)
    assert [row.id async for row in rest] == made[2:]


async def test_the_journal_is_followed_as_it_grows(setting: Setting, caudal: Caudal, pair: Pair) -> None:
    made: list[str] = []

    async def wait(seconds: float) -> None:
        assert seconds == 0.5
        made.append(await fund(caudal, pair, 1))

    caudal._sender.sleep = wait
    followed = caudal.journal(poll_s=0.5, page_size=2)
    rows = [row async for row in _first(followed, 5)]

    assert [row.seq for row in rows] == [1, 2, 3, 4, 5]
    assert [row.type for row in rows] == [RowType.ACCOUNT_EVENT] * 2 + [RowType.TRANSFER] * 3
    assert rows[0].account_event is not None
    assert rows[0].account_event.account == pair.cash.id
    assert [row.transfer and row.transfer.id for row in rows[2:]] == made[:3]
    so_far = [row.seq async for row in caudal.journal(after=3, follow=False)]
    assert so_far == list(range(4, len(made) + 3))


async def _first(rows: AsyncIterator[JournalRow], count: int) -> AsyncIterator[JournalRow]:
    numbers = itertools.count(1)
    async for row in rows:
        yield row
        if next(numbers) == count:
            return
