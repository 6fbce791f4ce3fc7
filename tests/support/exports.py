"""Books with something to export, and exports as they are read."""

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds

from caudal import analytics
from caudal.connectors import PartnerFee
from caudal.features import Event, record
from caudal.ledger import BookInfo, require_book_number
from caudal_base.database import Database
from caudal_base.decide import Context
from support.payment_worlds import PaymentWorld, Status, dispute_snapshot

CANARIES = ("Ana Garcia", "calle Mayor", "order-17", "203.0.113.77", "secret-note", "Anas-phone")
"""In free texts, devices and addresses: no export may have them."""


async def exported(database: Database, book_id: int, directory: Path, **more: Any) -> analytics.Exported:
    return await analytics.export(database, await book_of(database, book_id), directory, share=1.0, **more)


async def book_of(database: Database, book_id: int) -> BookInfo:
    async with database.connection() as connection:
        return await require_book_number(connection, book_id)


async def some_payments(world: PaymentWorld, count: int = 3) -> list[str]:
    """Payments that succeed, of which one is captured in parts, one refunded and one disputed."""
    context = Context(device="Anas-phone", ip="203.0.113.77", merchant="m1", country="ES")
    made = []
    for number in range(count):
        case = await world.succeeded(
            amount=1_000 + number, context=context, description="Ana Garcia, calle Mayor 1",
            reference="order-17", metadata={"note": "secret-note"},
        )  # fmt: skip
        made.append(case.payment.id)
        if number == 0:
            await world.refund(case, 200)
        elif number == 1:
            fee = PartnerFee(partner_id="txn_1", amount=1500, currency=case.payment.currency)
            await world.hear(dispute_snapshot(case, Status.OPEN, fees=(fee,)))
    return made


async def some_events(world: PaymentWorld, count: int = 5, first: int = 0) -> None:
    """Logins from a device and an address, one an hour, the newest an hour ago."""
    now = world.clock.now()
    events = [
        Event(
            id=f"login-{first + number}", source="login", event_at=now - dt.timedelta(hours=count - number),
            known_at=now, entities={"customer": world.ana, "ip": "203.0.113.77"}, tags={"result": "ok"},
            values={"tries": number},
        )
        for number in range(count)
    ]  # fmt: skip
    async with world.database.transaction() as connection:
        results = await record(connection, world.book_id, events, ledger=world.ledger, at=now)
    assert results == [True] * count


def read(directory: Path, table: str) -> list[dict[str, Any]]:
    """The rows of a table, without the day that is in the names of its folders."""
    files = [str(file) for file in sorted(directory.glob(f"book=*/{table}/date=*/*.parquet"))]
    return ds.dataset(files).to_table().to_pylist() if files else []


def tree(directory: Path) -> dict[str, bytes]:
    """Every file, with its bytes."""
    return {
        str(file.relative_to(directory)): file.read_bytes()
        for file in sorted(directory.rglob("*"))
        if file.is_file()
    }
