"""An export has each row once, whatever was killed where, and no personal data."""

import asyncio
import datetime as dt
import json
import os
import random
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from caudal.analytics import TABLES, ExportBusy, ExportDamaged, ExportForeign, ExportNewer, manifest
from caudal.features import Aggregate, Entity, Feature, FeatureSet
from caudal.risk import LabelKind
from caudal_base.database import Database
from support.deciding import Decisions, some_history
from support.exports import CANARIES, exported, read, some_events, some_payments, tree
from support.ledgers import new_book
from support.payment_worlds import PaymentWorld


@pytest.fixture
async def database(shared_database: Database) -> Database:
    """Each test has a book of its own in one database."""
    return shared_database


@pytest.fixture
async def world(database: Database) -> PaymentWorld:
    made = await PaymentWorld.make(database)
    await some_payments(made)
    await some_events(made)
    return made


async def count(world: PaymentWorld, statement: str) -> int:
    ((found,),) = await world.customers.rows(statement)
    return int(found)


async def test_what_the_book_has_is_there_once(world: PaymentWorld, tmp_path: Path) -> None:
    report = await exported(world.database, world.book_id, tmp_path)

    transfers = read(tmp_path, "transfers")
    assert len(transfers) == await count(
        world, "select count(*) from ledger.transfer where book_id = %(book_id)s"
    )
    payments = read(tmp_path, "payments")
    assert len(payments) == await count(
        world,
        "select count(*) from events.event where book_id = %(book_id)s and object_type = 'payment'",
    )
    newest = {row["id"]: row for row in sorted(payments, key=lambda row: row["seq"])}
    assert sorted(row["amount"] for row in newest.values()) == [1_000, 1_001, 1_002]
    assert {row["state"] for row in newest.values()} == {"succeeded"}
    assert {(row["merchant"], row["country"]) for row in payments} == {("m1", "ES")}
    (device,) = {row["device"] for row in payments}
    assert device.startswith("device_")
    assert {row["state"] for row in read(tmp_path, "disputes")} == {"open"}
    assert [row["amount"] for row in read(tmp_path, "refunds")] == [200]
    assert sorted(row["state"] for row in read(tmp_path, "attempts")) == ["succeeded"] * 3
    assert [row["ordinal"] for row in read(tmp_path, "feature_events") if row["source"] == "login"] == sorted(
        row["ordinal"] for row in read(tmp_path, "feature_events") if row["source"] == "login"
    )
    assert report.rows["transfers"] == len(transfers)


async def test_a_second_run_writes_only_what_is_new(world: PaymentWorld, tmp_path: Path) -> None:
    await exported(world.database, world.book_id, tmp_path)
    before = tree(tmp_path)

    nothing = await exported(world.database, world.book_id, tmp_path)
    assert nothing.steps == 0
    assert tree(tmp_path) == before

    await some_payments(world, 2)
    await some_events(world, 2, first=100)
    more = await exported(world.database, world.book_id, tmp_path)
    after = tree(tmp_path)
    assert {name: after[name] for name in before if name != "manifest.json"} == {
        name: content for name, content in before.items() if name != "manifest.json"
    }
    assert more.rows["attempts"] == 2
    seqs = [row["seq"] for row in read(tmp_path, "payments")]
    assert len(seqs) == len(set(seqs))
    assert len(read(tmp_path, "attempts")) == len({row["id"] for row in read(tmp_path, "attempts")}) == 5


async def test_steps_of_any_size_give_the_same_rows(world: PaymentWorld, tmp_path: Path) -> None:
    await exported(world.database, world.book_id, tmp_path / "one")
    report = await exported(world.database, world.book_id, tmp_path / "many", at_once=3)

    assert report.steps == 5
    for table in TABLES:
        key = TABLES[table].columns[0][0]
        rows = [
            sorted(read(tmp_path / each, table), key=lambda row: str(row[key])) for each in ("one", "many")
        ]
        assert rows[0] == rows[1], table


class Killed(BaseException):
    """Stands for the end of the process: nothing of ours catches it."""


class Killer:
    """Ends the process at a certain one of the steps that a disk remembers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls, self.at = 0, 0
        for owner, name in (
            (os, "fsync"),
            (Path, "replace"),
            (Path, "mkdir"),
            (pq.ParquetWriter, "write_table"),
        ):
            monkeypatch.setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, real: Any) -> Any:
        def called(*arguments: Any, **named: Any) -> Any:
            self.calls += 1
            if self.calls == self.at:
                raise Killed
            return real(*arguments, **named)

        return called


async def test_a_kill_anywhere_and_another_run_give_the_same_bytes(
    world: PaymentWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killer = Killer(monkeypatch)
    await exported(world.database, world.book_id, tmp_path / "whole", at_once=20)
    steps, whole = killer.calls, tree(tmp_path / "whole")
    assert steps > 40

    for at in range(1, steps + 1):
        directory = tmp_path / str(at)
        killer.calls, killer.at = 0, at
        with pytest.raises(Killed):
            await exported(world.database, world.book_id, directory, at_once=20)
        killer.at = 0
        visible = [row["seq"] for row in read(directory, "payments")]
        assert len(visible) == len(set(visible))
        await exported(world.database, world.book_id, directory, at_once=20)
        assert tree(directory) == whole, f"killed at step {at}"


async def test_no_names_no_texts_and_no_addresses(world: PaymentWorld, tmp_path: Path) -> None:
    await exported(world.database, world.book_id, tmp_path)

    said = json.dumps([read(tmp_path, table) for table in TABLES], default=str)
    assert [canary for canary in CANARIES if canary in said] == []
    payment = read(tmp_path, "payments")[0]
    login = next(row for row in read(tmp_path, "feature_events") if row["source"] == "login")
    assert payment["ip"].startswith("ip_")
    assert json.loads(login["entities"])["ip"] == payment["ip"]


async def test_files_say_their_table_and_version(world: PaymentWorld, tmp_path: Path) -> None:
    await exported(world.database, world.book_id, tmp_path)

    for file in tmp_path.glob("book=*/*/date=*/*.parquet"):
        name = file.parent.parent.name
        schema = pq.read_schema(file)
        assert schema.equals(TABLES[name].schema(), check_metadata=True)
        assert schema.metadata[b"caudal.schema_version"] == str(TABLES[name].version).encode()
    found = manifest.read(tmp_path)
    assert found.schema_versions["payments"] == TABLES["payments"].version
    (book,) = found.books.values()
    assert book.rows["transfers"] == len(read(tmp_path, "transfers"))


async def test_two_writers_of_one_export_do_not_meet(world: PaymentWorld, tmp_path: Path) -> None:
    with manifest.held(tmp_path), pytest.raises(ExportBusy):
        await exported(world.database, world.book_id, tmp_path)


async def test_what_is_another_books_export_is_left_alone(world: PaymentWorld, tmp_path: Path) -> None:
    await exported(world.database, world.book_id, tmp_path)
    found = manifest.read(tmp_path)
    ((name, book),) = found.books.items()
    before = tree(tmp_path)

    async def refused(error: type[Exception], **changes: Any) -> None:
        import msgspec

        manifest.replace(tmp_path, msgspec.structs.replace(found, **changes))
        with pytest.raises(error):
            await exported(world.database, world.book_id, tmp_path)

    await refused(ExportForeign, books={name: manifest.BookManifest(id="book_" + "0" * 32)})
    ahead = {**book.positions, "events": book.positions["events"] + 1}
    await refused(ExportForeign, books={name: manifest.BookManifest(id=book.id, positions=ahead)})
    await refused(ExportNewer, schema_versions={"payments": 99})
    await refused(ExportNewer, schema_versions={"of_tomorrow": 1})
    await refused(ExportNewer, format=99)
    await refused(ExportDamaged, pending=("book=x/payments/date=2026-01-01/lost.parquet",))
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(ExportDamaged):
        await exported(world.database, world.book_id, tmp_path)
    assert {k: v for k, v in tree(tmp_path).items() if k != "manifest.json"} == {
        k: v for k, v in before.items() if k != "manifest.json"
    }


async def test_payments_go_on_while_an_export_reads(world: PaymentWorld, tmp_path: Path) -> None:
    writing = asyncio.create_task(exported(world.database, world.book_id, tmp_path, at_once=5))
    made = await some_payments(world, 3)
    await writing
    await exported(world.database, world.book_id, tmp_path)

    rows = read(tmp_path, "payments")
    assert set(made) <= {row["id"] for row in rows}
    assert len(rows) == len({row["seq"] for row in rows})


async def test_decisions_and_labels_of_each_run_are_there_once(database: Database, tmp_path: Path) -> None:
    book = Decisions(database, (await new_book(database)).book_id)
    await book.publish(
        FeatureSet(
            features=(Feature(name="n_1d", by=(Entity.CARD,), aggregate=Aggregate.COUNT, window="1d"),)
        )
    )
    made: set[str] = set()
    for seed in (1, 2, 3):
        await some_history(book, seed, batches=5)
        await exported(database, book.book_id, tmp_path, at_once=4)
        rows = read(tmp_path, "decisions")
        assert sorted(row["id"] for row in rows) == sorted(record.id for record in await book.records())
        assert len(made) < len(rows)
        made = {row["id"] for row in rows}
        labels = [(row["subject"], row["kind"], row["source"]) for row in read(tmp_path, "labels")]
        assert len(labels) == len(set(labels))
    newest = (await book.records())[-1]
    row = next(row for row in rows if row["id"] == newest.id)
    assert json.loads(row["features"]) == list(newest.served.features)
    assert (row["outcome"], row["ordinal"], row["as_of"]) == ("approve", newest.ordinal, newest.as_of)
    assert not [found for found in ("203.0.113.", "phone-") if found in json.dumps(rows, default=str)]


async def test_what_a_clock_far_behind_has_written_is_not_missed(database: Database, tmp_path: Path) -> None:
    declared = FeatureSet(
        features=(Feature(name="n_1d", by=(Entity.CARD,), aggregate=Aggregate.COUNT, window="1d"),)
    )
    ahead = Decisions(database, (await new_book(database)).book_id)
    behind = Decisions(database, ahead.book_id)
    behind.count = 1_000
    await ahead.publish(declared)
    ahead.clock.advance(dt.timedelta(hours=2))
    draw = random.Random(1)
    first, second = ahead.subject(draw), ahead.subject(draw)
    await ahead.decide(first, second)
    await ahead.label(first.payment_id, LabelKind.FRAUD)
    await exported(database, ahead.book_id, tmp_path)

    third = behind.subject(draw)
    await behind.decide(third)
    await behind.label(second.payment_id, LabelKind.LEGITIMATE)
    await exported(database, ahead.book_id, tmp_path)

    decisions = read(tmp_path, "decisions")
    assert [(row["seq"], row["subject"]) for row in sorted(decisions, key=lambda row: row["seq"])] == [
        (1, first.payment_id), (2, second.payment_id), (3, third.payment_id),
    ]  # fmt: skip
    labels = read(tmp_path, "labels")
    assert [(row["seq"], row["subject"]) for row in sorted(labels, key=lambda row: row["seq"])] == [
        (1, first.payment_id), (2, second.payment_id),
    ]  # fmt: skip
