"""Volume, approval, fraud, loss and cohorts: by hand, and the same of an export and of the database."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from caudal import analytics
from caudal.analytics import By, reports
from caudal.ledger import BookNotFound
from caudal_base.database import Database
from support.exports import book_of, exported, some_payments
from support.payment_worlds import PaymentWorld


def day(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


PAYMENTS = [
    # id, created_at, customer, kind, state, currency, amount, refunded_amount
    ("p1", day("2026-01-05"), "ana", "pay_in", "succeeded", "EUR", 10_000, 0),
    ("p2", day("2026-01-05"), "ana", "pay_in", "declined", "EUR", 5_000, 0),
    ("p3", day("2026-01-05"), "bob", "pay_in", "failed", "EUR", 2_000, 0),
    ("p4", day("2026-01-06"), "bob", "pay_in", "succeeded", "EUR", 30_000, 4_000),
    ("p5", day("2026-01-06"), "bob", "payout", "succeeded", "EUR", 7_000, 0),
    ("p6", day("2026-01-06"), "bob", "pay_in", "processing", "USD", 900, 0),
    ("p7", day("2026-02-10"), "ana", "pay_in", "succeeded", "EUR", 20_000, 0),
    ("p8", day("2026-02-11"), "eva", "pay_in", "authorised", "EUR", 40_000, 0),
]
LABELS = [
    ("p1", "fraud", day("2026-01-20")),
    ("p4", "dispute_opened", day("2026-01-15")),
    ("p4", "dispute_lost", day("2026-02-15")),
    ("p7", "fraud", day("2026-02-12")),
    ("p7", "legitimate", day("2026-02-13")),
    ("p8", "defaulted", day("2026-02-13")),
]
DISPUTES = [("p4", "lost", 26_000, 1_500), ("p7", "open", 20_000, 0), ("p8", "won", 40_000, 1_500)]


@pytest.fixture
def connection() -> Any:
    made = duckdb.connect()
    made.execute("set TimeZone = 'UTC'")
    for name, columns, rows in (
        ("payments_now", "id created_at customer kind state currency amount refunded_amount", PAYMENTS),
        ("labels_now", "subject kind known_at", LABELS),
        ("disputes_now", "payment state amount fee_amount", DISPUTES),
    ):
        made.register(
            name, pa.table(dict(zip(columns.split(), map(list, zip(*rows, strict=True)), strict=True)))
        )
    return made


def chosen(rows: Sequence[Any], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(getattr(row, name) for name in names) for row in rows]


FIRST, SECOND = dt.date(2026, 1, 1), dt.date(2026, 2, 1)


def test_volume_counts_what_was_asked_and_the_share_of_yes(connection: Any) -> None:
    found = reports.report(connection, "main", by=By.MONTH).volume

    assert chosen(
        found, "period", "currency", "kind", "payments", "amount", "succeeded", "succeeded_amount"
    ) == [
        (FIRST, "EUR", "pay_in", 4, 47_000, 2, 40_000),
        (FIRST, "EUR", "payout", 1, 7_000, 1, 7_000),
        (FIRST, "USD", "pay_in", 1, 900, 0, 0),
        (SECOND, "EUR", "pay_in", 2, 60_000, 2, 60_000),
    ]
    assert chosen(found, "declined", "failed", "approval_bp") == [
        (1, 1, 5_000.0), (0, 0, 10_000.0), (0, 0, None), (0, 0, 10_000.0),
    ]  # fmt: skip


def test_fraud_is_what_the_newest_word_says(connection: Any) -> None:
    found = reports.report(connection, "main", by=By.MONTH, currency="EUR").fraud

    assert chosen(found, "payments", "frauds", "fraud_amount", "fraud_bp", "fraud_amount_bp", "caught") == [
        (2, 2, 40_000, 10_000.0, 10_000.0, 1),
        (2, 0, 0, 0.0, 0.0, 0),
    ]


def test_loss_is_what_disputes_took_and_cost(connection: Any) -> None:
    found = reports.report(connection, "main", by=By.MONTH, currency="EUR").loss

    assert chosen(found, "amount", "disputed", "lost", "dispute_fees", "refunded", "loss_bp") == [
        (40_000, 0, 26_000, 1_500, 4_000, 6_875.0),
        (60_000, 20_000, 0, 1_500, 0, 250.0),
    ]


def test_cohorts_are_of_the_first_payment(connection: Any) -> None:
    found = reports.report(connection, "main").cohorts

    assert chosen(found, "month", "age", "customers", "active", "active_bp", "payments") == [
        (FIRST, 0, 2, 2, 10_000.0, 6), (FIRST, 1, 2, 1, 5_000.0, 1), (SECOND, 0, 1, 1, 10_000.0, 1),
    ]  # fmt: skip


def test_spans_and_periods(connection: Any) -> None:
    part = reports.report(connection, "main", since=day("2026-01-06"), until=day("2026-02-01"))
    assert (part.since, part.until, part.by) == (dt.date(2026, 1, 6), dt.date(2026, 1, 7), By.DAY)
    assert sum(row.payments for row in part.volume) == 3
    weeks = reports.report(connection, "main", by=By.WEEK, sections=["volume"])
    assert {row.period for row in weeks.volume} == {dt.date(2026, 1, 5), dt.date(2026, 2, 9)}
    assert (weeks.fraud, weeks.loss, weeks.cohorts) == ((), (), ())
    none = reports.report(connection, "main", since=day("2030-01-01"))
    assert (none.since, none.until, none.volume) == (None, None, ())


def test_the_page_needs_nothing_from_elsewhere(connection: Any) -> None:
    text = analytics.page(reports.report(connection, "main", by=By.MONTH))

    assert text.count("<svg") == 5, "volume in two currencies, fraud, loss, cohorts"
    assert text == analytics.page(reports.report(connection, "main", by=By.MONTH))
    for outside in ("<script", "<link", "<img", "url(http", "@import", 'href="http'):
        assert outside not in text
    empty = reports.report(connection, "<main>", since=day("2030-01-01"))
    assert "&lt;main&gt;" in analytics.page(empty)
    assert "<svg" not in analytics.page(empty)


async def test_the_database_and_its_export_say_the_same(database: Database, dsn: str, tmp_path: Path) -> None:
    world = await PaymentWorld.make(database)
    await some_payments(world, 4)
    book = await book_of(database, world.book_id)
    await exported(database, world.book_id, tmp_path)

    live = analytics.report_of(dsn, book=book.name)
    lake = analytics.report_of(tmp_path, book=book.name)

    assert live == lake
    (row,) = [row for row in live.volume if row.kind == "pay_in"]
    assert (row.payments, row.amount, row.approval_bp) == (4, 4_006, 10_000.0)
    assert (live.loss[0].disputed, live.loss[0].dispute_fees) == (1_001, 1_500)
    with pytest.raises(BookNotFound):
        analytics.report_of(dsn, book="another")
