"""A training set is what was known then: to the bit what was served."""

import datetime as dt
import random
import struct
from pathlib import Path
from typing import Any

import msgspec
import pytest

from caudal import risk
from caudal.analytics import ExportMissing, Rows, TrainingSetInvalid, lab
from caudal.features import Aggregate, Entity, Feature, FeatureSet, Filter
from caudal.ledger import BookNotFound
from caudal.risk import AddEntry, LabelKind, ListKind, SubjectKind
from caudal_base.database import Database
from support.customer_worlds import CALLER
from support.deciding import Decisions, some_history
from support.exports import book_of, exported, read
from support.ledgers import new_book

CARD, IP, MERCHANT = (Entity.CARD,), (Entity.IP,), (Entity.MERCHANT,)
SAME = ("currency",)


def summed(name: str, aggregate: Aggregate, window: str, **more: Any) -> Feature:
    return Feature(
        name=name,
        by=more.pop("by", CARD),
        aggregate=aggregate,
        value="amount",
        window=window,
        same=SAME,
        **more,
    )


DECLARED = FeatureSet(
    features=(
        Feature(name="card_count_1d", by=CARD, aggregate=Aggregate.COUNT, window="1d"),
        Feature(name="ip_count_7d", by=IP, aggregate=Aggregate.COUNT, window="7d"),
        summed("card_sum_1d", Aggregate.SUM, "1d"),
        summed("card_mean_7d", Aggregate.MEAN, "7d"),
        summed("card_stddev_7d", Aggregate.STDDEV, "7d"),
        summed("card_ratio_7d", Aggregate.RATIO, "7d"),
        summed("small_mean_7d", Aggregate.MEAN, "7d", of=Filter(below={"amount": 90_000})),
        summed("small_stddev_7d", Aggregate.STDDEV, "7d", of=Filter(below={"amount": 90_000})),
        summed("small_ratio_7d", Aggregate.RATIO, "7d", of=Filter(below={"amount": 90_000})),
        Feature(name="card_since_7d", by=CARD, aggregate=Aggregate.SINCE_LAST, window="7d"),
        summed("card_min_1d", Aggregate.MIN, "1d"),
        summed("card_max_7d", Aggregate.MAX, "7d"),
        Feature(name="shops_7d", by=CARD, aggregate=Aggregate.DISTINCT, value="merchant", window="7d"),
        Feature(name="devices_7d", by=IP, aggregate=Aggregate.DISTINCT, value="device", window="7d"),
        Feature(
            name="merchant_frauds_7d", by=MERCHANT, aggregate=Aggregate.COUNT, window="7d", delay="1d",
            of=Filter(source=("label.fraud",)),
        ),
    )
)  # fmt: skip


class Known:
    """A book with a history, exported."""

    def __init__(
        self, book: Decisions, reported: dict[str, Any], directory: Path, dsn: str, name: str
    ) -> None:
        self.book, self.reported, self.directory, self.dsn, self.name = book, reported, directory, dsn, name

    def open(self, where: str) -> lab.Lab:
        return lab.open(self.directory if where == "export" else self.dsn, book=self.name)


@pytest.fixture(scope="module")
async def known(
    shared_database: Database, shared_dsn: str, tmp_path_factory: pytest.TempPathFactory
) -> Known:
    made = await new_book(shared_database)
    book = Decisions(shared_database, made.book_id)
    await book.publish(DECLARED)
    reported = await some_history(book)
    directory = tmp_path_factory.mktemp("lake")
    await exported(shared_database, made.book_id, directory)
    found = await book_of(shared_database, made.book_id)
    return Known(book, reported, directory, shared_dsn, found.name)


def bits(value: Any) -> Any:
    return struct.pack(">d", value) if isinstance(value, float) else value


@pytest.mark.parametrize("where", ["export", "database"])
async def test_features_are_to_the_bit_what_was_served(known: Known, where: str) -> None:
    with known.open(where) as history:
        table = history.training_set(maturity="0d")
    records = await known.book.records()

    assert table["subject"].to_pylist() == [record.subject for record in records]
    assert table["at"].to_pylist() == [record.as_of for record in records]
    for place, feature in enumerate(DECLARED.features):
        served = [record.served.features[place] for record in records]
        made = table[feature.name].to_pylist()
        if feature.aggregate is Aggregate.SUM:  # one of them is beyond 64 bits, or none is
            served = [
                value if value is None or table[feature.name].type == "int64" else float(value)
                for value in served
            ]
        assert [bits(value) for value in made] == [bits(value) for value in served], feature.name
        assert len(set(served)) > 2, f"{feature.name} says something"


async def test_an_export_and_the_database_give_the_same_table(known: Known) -> None:
    with known.open("export") as one, known.open("database") as other:
        for rows in (Rows.DECISIONS, Rows.PAYMENTS, Rows.HISTORY):
            tables = [each.training_set(maturity="12h", rows=rows) for each in (one, other)]
            assert tables[0].schema == tables[1].schema
            assert tables[0].to_pylist() == tables[1].to_pylist(), rows
            assert tables[0].num_rows > 50


async def test_the_newest_word_within_the_maturity_is_the_label(known: Known) -> None:
    with known.open("export") as history:
        rows = history.training_set(maturity="1d").to_pylist()

    span = dt.timedelta(days=1)
    end = known.book.clock.now()
    assert rows
    for row in rows:
        said = [each for each in known.reported.get(row["subject"], ()) if each[0] <= row["at"] + span]
        newest = said[-1] if said else (None, None)
        assert row["label"] == (newest[1] is LabelKind.FRAUD)
        assert row["labelled_at"] == newest[0]
        assert row["at"] + span <= end
    bad = sum(row["label"] for row in rows)
    assert 0 < bad < len(known.reported), "some came later than a day"
    assert any(row["labelled_at"] and not row["label"] for row in rows), "some were cleared"


@pytest.mark.parametrize("rows", [Rows.DECISIONS, Rows.PAYMENTS, Rows.HISTORY])
async def test_declines_are_there_where_somebody_said_what_they_were(
    shared_database: Database, shared_dsn: str, tmp_path: Path, rows: Rows
) -> None:
    """Nobody complains of what was never paid: that is no sign that it was good."""
    book = Decisions(shared_database, (await new_book(shared_database)).book_id)
    await book.publish(DECLARED)
    draw = random.Random(1)
    paid = book.subject(draw)
    declined = [msgspec.structs.replace(book.subject(draw), instrument="tok_stolen") for _ in range(4)]
    blocked = AddEntry(list=ListKind.BLOCK, subject=SubjectKind.INSTRUMENT, value="tok_stolen", reason="x")
    async with shared_database.transaction() as connection:
        await risk.add_entries(connection, book.book_id, [blocked], caller=CALLER, at=book.clock.now())
    await book.decide(paid, *declined)
    book.clock.advance(dt.timedelta(hours=1))
    await book.label(declined[0].payment_id, LabelKind.FRAUD)
    await book.label(declined[1].payment_id, LabelKind.LEGITIMATE)
    book.clock.advance(dt.timedelta(days=2))
    await book.label(declined[2].payment_id, LabelKind.FRAUD)
    await exported(shared_database, book.book_id, tmp_path)
    name = (await book_of(shared_database, book.book_id)).name

    for where in (tmp_path, shared_dsn):
        with lab.open(where, book=name) as history:
            table = history.training_set(maturity="1d", rows=rows, as_of=book.clock.now())
        assert {row["subject"]: row["label"] for row in table.to_pylist()} == {
            paid.payment_id: 0, declined[0].payment_id: 1, declined[1].payment_id: 0,
        }  # fmt: skip


async def test_only_the_labels_that_are_asked_for_count(known: Known) -> None:
    with known.open("export") as history:
        none = history.training_set(maturity="1d", labels=["defaulted"])
        events = history.training_set(maturity="0d", as_of=None, rows="payments", labels=["label.fraud"])

    assert sum(none["label"].to_pylist()) == 0
    assert sum(events["label"].to_pylist()) == 0, "nobody says anything at once"


async def test_labels_are_exported_once(known: Known) -> None:
    words = [(row["subject"], row["kind"], row["known_at"]) for row in read(known.directory, "labels")]

    assert sorted(words) == sorted(
        (subject, kind.value, at) for subject, said in known.reported.items() for at, kind in said
    )


async def test_what_became_known_later_than_as_of_is_not_there(known: Known) -> None:
    with known.open("export") as history:
        everything = history.training_set(maturity="0d").to_pylist()
        middle = everything[len(everything) // 2]["at"]
        before = history.training_set(maturity="1d", as_of=middle).to_pylist()

    assert before
    assert max(row["at"] for row in before) <= middle - dt.timedelta(days=1)
    assert all(row["labelled_at"] is None or row["labelled_at"] <= middle for row in before)


async def test_since_and_until_bound_the_moment_of_the_decision(known: Known) -> None:
    with known.open("export") as history:
        everything = history.training_set(maturity="0d").to_pylist()
        since, until = everything[30]["at"], everything[60]["at"]
        part = history.training_set(maturity="0d", since=since, until=until).to_pylist()

    assert part == [row for row in everything if since <= row["at"] < until]


async def test_payments_have_the_features_that_decisions_on_them_had(known: Known) -> None:
    with known.open("export") as history:
        decisions = history.training_set(maturity="0d")
        payments = history.training_set(maturity="0d", rows="payments")

    assert payments.equals(decisions)


async def test_other_features_are_computed_of_the_same_history(known: Known) -> None:
    mine = Feature(name="card_count_2h", by=CARD, aggregate=Aggregate.COUNT, window="2h")
    with known.open("export") as history:
        table = history.training_set(features=[mine], maturity="0d")
        one_version = history.training_set(features=1, maturity="0d")

    assert table.column_names == [
        "subject", "at", "known", "customer", "amount", "currency", "card_count_2h", "label", "labelled_at",
    ]  # fmt: skip
    assert len(set(table["card_count_2h"].to_pylist())) > 2
    assert one_version.column_names[6:-2] == [feature.name for feature in DECLARED.features]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"maturity": "soon"}, "maturity"),
        ({"maturity": dt.timedelta(days=-1)}, "maturity"),
        ({"since": dt.datetime(2026, 1, 1)}, "since"),
        ({"as_of": dt.datetime(2026, 1, 1)}, "as_of"),
        ({"rows": "customers"}, "rows"),
        ({"features": 99}, "features"),
        ({"features": [Feature(name="Bad name", by=CARD, aggregate=Aggregate.COUNT)]}, "features[0].name"),
        ({"features": [Feature(name="label", by=CARD, aggregate=Aggregate.COUNT)]}, "features[0].name"),
    ],
)
async def test_what_cannot_be_asked_is_refused(known: Known, asked: dict[str, Any], field: str) -> None:
    with known.open("export") as history, pytest.raises(TrainingSetInvalid) as refusal:
        history.training_set(**asked)

    assert refusal.value.field == field


async def test_what_is_not_there_is_said(known: Known, tmp_path: Path) -> None:
    with pytest.raises(ExportMissing):
        lab.open(tmp_path)
    with pytest.raises(ExportMissing):
        lab.open(known.directory, book="another")
    with pytest.raises(BookNotFound):
        lab.open(known.dsn, book="another")


async def test_an_empty_history_is_an_empty_table(
    shared_database: Database, shared_dsn: str, tmp_path: Path
) -> None:
    made = await new_book(shared_database)
    name = (await book_of(shared_database, made.book_id)).name
    await exported(shared_database, made.book_id, tmp_path)
    for where in (tmp_path, shared_dsn):
        with lab.open(where, book=name) as history:
            assert history.training_set(features=DECLARED).num_rows == 0
