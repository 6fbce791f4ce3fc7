"""`caudal models train` on what `caudal export` wrote: of what was known at each decision."""

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from caudal import risk
from caudal.analytics import TrainingSetInvalid, lab
from caudal.features import Aggregate, Entity, Feature, FeatureSet
from caudal.ledger import Ledger
from caudal.risk import AddLabel, LabelKind
from caudal_base.database import Database
from support.customer_worlds import CALLER
from support.deciding import Decisions, some_history
from support.exports import exported
from support.ledgers import new_book
from support.lenders import Lender
from support.processes import run
from support.rule_worlds import rule
from support.training_data import loans

DECLARED = FeatureSet(
    features=(
        Feature(name="card_count_1d", by=(Entity.CARD,), aggregate=Aggregate.COUNT, window="1d"),
        Feature(name="ip_count_7d", by=(Entity.IP,), aggregate=Aggregate.COUNT, window="7d"),
    )
)
ASKED = ("annual", "burden", "years", "where")


async def some_loans(lender: Lender, count: int) -> dict[str, bool]:
    """Applications, ten a day; five days after each it is known who pays. Who does not, by subject."""
    made = loans(count, seed=3)
    outcomes: dict[str, bool] = {}
    new = rule("new", "application.years < 1", "review", on="application")
    never = rule("never", "application.years > 900", "decline", on="application")
    await lender.with_rules(new, never, application={"years": "int"})
    await lender.decide(subject="declined", customer="user-x", values={"years": 901})
    waiting: list[tuple[dt.datetime, AddLabel]] = []
    for place in range(count):
        subject = made["ref"][place]
        values = {name: made[name][place] for name in ASKED if name != "annual"}
        values["annual"] = float(made["annual"][place].replace(",", "").replace("$", ""))
        await lender.decide(subject=subject, customer=f"user-{place}", values=values)
        outcomes[subject] = made["state"][place] == "CHGOFF"
        kind = LabelKind.DEFAULTED if outcomes[subject] else LabelKind.REPAID
        waiting.append((lender.clock.now() + dt.timedelta(days=5), AddLabel(subject=subject, kind=kind)))
        while place % 10 == 9 and waiting:
            now = lender.clock.advance(dt.timedelta(days=1))
            await tell(lender, [word for due, word in waiting if due <= now])
            waiting = [each for each in waiting if each[0] > now]
            if place < count - 1:
                break
    return outcomes


async def tell(lender: Lender, words: list[AddLabel]) -> None:
    async with lender.database.transaction() as connection:
        told = await risk.add_labels(
            connection, lender.book_id, words, caller=CALLER, ledger=Ledger(lender.clock),
            at=lender.clock.now(),
        )  # fmt: skip
    assert all(isinstance(each, risk.Label) for each in told)


class Lake:
    """An export of a book with decisions on payments and on applications."""

    def __init__(self, directory: Path, frauds: dict[str, Any], defaults: dict[str, bool]) -> None:
        self.directory, self.frauds, self.defaults = directory, frauds, defaults


@pytest.fixture(scope="module")
async def lake(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    made = await new_book(shared_database)
    decisions = Decisions(shared_database, made.book_id)
    await decisions.publish(DECLARED)
    frauds = await some_history(decisions, batches=120)
    lender = Lender(shared_database, made.book_id)
    lender.clock.set(decisions.clock.now())
    defaults = await some_loans(lender, 500)
    directory = tmp_path_factory.mktemp("lake")
    await exported(shared_database, made.book_id, directory)
    return Lake(directory, frauds, defaults)


def test_fraud_is_learned_of_decisions_with_the_features_that_they_had(lake: Lake, tmp_path: Path) -> None:
    ran = run(
        "models", "train", "fraud", "--data", lake.directory, "--label-delay", "1d", "--out", tmp_path,
        "--cross-validate", "--repeats", "1", "--name", "card-fraud", "--json",
    )  # fmt: skip

    assert ran.code == 0, ran.out
    kept = pq.read_table(tmp_path / "training-set.parquet").to_pylist()
    assert ran.json["outcome"].startswith("label")
    assert ran.json["rows"] == len(kept) > 200
    assert {row["subject"] for row in kept if row["label"]} <= lake.frauds.keys()
    assert not {row["subject"] for row in kept} & lake.defaults.keys()
    card = (tmp_path / "model-card.md").read_text(encoding="utf-8")
    for name in ("payment.amount", "features.card_count_1d", "features.ip_count_7d"):
        assert name in card, name


def test_credit_is_learned_of_applications_with_the_values_they_were_decided_on(
    lake: Lake, tmp_path: Path
) -> None:
    ran = run(
        "models", "train", "credit", "--data", lake.directory, "--label-delay", "5d", "--out", tmp_path,
        "--learner", "scorecard", "--json",
    )  # fmt: skip

    assert ran.code == 0, ran.out
    kept = pq.read_table(tmp_path / "training-set.parquet").to_pylist()
    assert {row["subject"]: bool(row["label"]) for row in kept} == lake.defaults
    assert ran.json["models"][0]["auc"]["value"] > 0.6
    card = (tmp_path / "model-card.md").read_text(encoding="utf-8")
    assert "burden" in card
    assert "features." not in card


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("--rows", "customers"), "training_set_invalid"),
        (("--book", "nobody"), "export_missing"),
        (("--label-delay", "300d"), "training_set_invalid"),
        (("--label-delay", "9d"), "data_too_small"),
    ],
)
def test_what_cannot_be_learned_is_refused(
    lake: Lake, tmp_path: Path, more: tuple[str, ...], code: str
) -> None:
    ran = run("models", "train", "fraud", "--data", lake.directory, "--out", tmp_path, *more, "--json")

    assert (ran.code, ran.json["error"]["code"]) == (1, code)


def test_rows_are_chosen_of_an_export_alone(tmp_path: Path) -> None:
    file = tmp_path / "payments.csv"
    file.write_text("amount,fraud\n1,0\n", encoding="utf-8")

    ran = run("models", "train", "fraud", "--data", file, "--rows", "payments", "--json")

    assert (ran.code, ran.json["error"]["field"]) == (2, "--rows")


def test_a_value_with_a_name_that_every_set_has_is_refused() -> None:
    table = lab.pa.table({"facts": ['{"label": 1}']})

    with pytest.raises(TrainingSetInvalid) as refused:
        lab._values(table)

    assert refused.value.field == "rows"


async def test_the_database_gives_the_same_applications_as_the_export(
    lake: Lake, shared_dsn: str, shared_database: Database
) -> None:
    (book,) = (path.name.removeprefix("book=") for path in lake.directory.glob("book=*"))
    with lab.open(lake.directory) as one, lab.open(shared_dsn, book=book) as other:
        tables = [each.training_set(rows="applications", maturity="5d") for each in (one, other)]
        with pytest.raises(TrainingSetInvalid):
            one.training_set(rows="applications", features=1)

    assert tables[0].schema == tables[1].schema
    assert tables[0].to_pylist() == tables[1].to_pylist()
    assert tables[0].column_names == [
        "subject", "at", "customer", "annual", "burden", "where", "years", "label", "labelled_at",
    ]  # fmt: skip
