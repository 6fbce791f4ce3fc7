"""A model is held against the champion on what was decided and has ended, and on nothing else."""

import datetime as dt
import random

import msgspec

from caudal import models, risk
from caudal.features import Aggregate, Entity, Feature, FeatureSet
from caudal.models import DriftBounds, Stage, Terms
from caudal.risk import AddLabel, Label, LabelKind
from caudal.risk.labels import keep
from caudal_base.database import Database
from support.decision_desks import DecisionDesk
from support.ledgers import new_book
from support.model_worlds import AMOUNT, ANA, COUNT, COUNTRY, card, scorecard_file

COUNTED = FeatureSet(
    features=(Feature(name="card_count_1h", by=(Entity.CARD,), aggregate=Aggregate.COUNT, window="1h"),)
)
OPEN = Terms(decline_at=0.9)


def blind() -> models.ModelFile:
    """A model that looks at the country alone, which is always the same."""
    term = models.Term(axes=(models.Axis(input=COUNTRY.name, groups=(0, 0, 1)),), points=(-3.0, 1.0, 0.0))
    return models.assemble(
        card(name="blind", inputs=(COUNTRY,)), models.artifact_of(models.Scorecard(terms=(term,)))
    )


class Compared:
    """A book whose frauds are the large payments."""

    def __init__(self, desk: DecisionDesk) -> None:
        self.desk = desk

    async def paid(self, count: int, *, told: bool = True) -> None:
        chosen = random.Random(count)
        subjects = [
            self.desk.subject(
                50_000 if number % 4 == 0 else chosen.randint(100, 900), instrument=f"pm_{count}_{number}"
            )
            for number in range(count)
        ]
        await self.desk.decide(*subjects)
        frauds = [one.payment_id for one in subjects if one.amount > 10_000]
        if told:
            await self.label(frauds, LabelKind.FRAUD)

    async def label(self, subjects: list[str], kind: LabelKind) -> None:
        desk = self.desk
        async with desk.database.transaction() as connection:
            made = await risk.add_labels(
                connection, desk.book_id, [AddLabel(subject=one, kind=kind) for one in subjects], caller=ANA,
                ledger=desk.ledger, at=desk.clock.now(),
            )  # fmt: skip
        assert all(isinstance(one, risk.Label) for one in made), made

    async def disputed(self) -> None:
        """All that was paid, by its payers, for a reason that is not fraud."""
        desk, now = self.desk, self.desk.clock.now()
        other = LabelKind.OTHER_DISPUTE_OPENED
        labels = [
            Label(subject=one.subject, kind=other, event_at=one.at, known_at=now, source="someone")
            for one in await desk.records()
        ]
        async with desk.database.transaction() as connection:
            await keep(connection, desk.book_id, labels, ledger=desk.ledger, at=now)

    async def compare(self, model: models.Registered) -> models.Comparison | None:
        desk = self.desk
        async with desk.database.connection() as connection:
            return await risk.compare(connection, desk.book_id, model, now=desk.clock.now())


async def world(database: Database) -> Compared:
    made = Compared(DecisionDesk(database, (await new_book(database)).book_id))
    await made.desk.publish(COUNTED)
    return made


async def test_a_model_that_does_not_see_what_the_champion_sees_is_found_worse(
    shared_database: Database,
) -> None:
    made = await world(shared_database)
    await made.desk.with_model(scorecard_file(), OPEN)
    worse = await made.desk.with_model(blind(), stage=Stage.SHADOW)
    await made.paid(120)
    # Of what is younger than 120 days bad ends are known before good ones.
    early = await made.compare(worse)
    made.desk.clock.advance(risk.FRAUD_DELAY + dt.timedelta(days=1))
    found = await made.compare(worse)

    assert early is not None
    assert (early.rows, early.bad, early.differences) == (0, 0, ())
    assert found is not None
    assert (found.champion, found.rows, found.bad, found.unscored) == ("card-fraud@1", 120, 30, 0)
    by_name = {one.measure: one for one in found.differences}
    assert (by_name["auc"].champion, by_name["auc"].challenger) == (1.0, 0.5)
    assert [one.measure for one in found.worse] == ["auc", "ap", "recall_at_1_percent"]


async def test_what_is_compared_was_decided_after_both_were_trained(shared_database: Database) -> None:
    made = await world(shared_database)
    await made.desk.with_model(scorecard_file(), OPEN)
    await made.paid(40)
    end = made.desk.clock.now() + dt.timedelta(days=1)
    training = msgspec.structs.replace(card().training, data_to=end)
    newer = await made.desk.with_model(scorecard_file(1.0, training=training), stage=Stage.SHADOW)
    made.desk.clock.advance(dt.timedelta(days=2))
    await made.paid(80)
    made.desk.clock.advance(risk.FRAUD_DELAY + dt.timedelta(days=1))

    found = await made.compare(newer)

    assert found is not None
    assert (found.rows, found.bad, found.worse) == (80, 20, ())


async def test_declines_count_where_somebody_said_what_they_were(shared_database: Database) -> None:
    made = await world(shared_database)
    await made.desk.with_model(scorecard_file(), Terms(decline_at=0.0))
    other = await made.desk.with_model(scorecard_file(1.0), stage=Stage.SHADOW)
    await made.paid(40)
    made.desk.clock.advance(risk.FRAUD_DELAY + dt.timedelta(days=1))

    found = await made.compare(other)

    assert found is not None
    assert (found.rows, found.bad) == (10, 10)


async def test_the_newest_word_counts_and_features_that_were_not_kept_are_not_made_up(
    shared_database: Database,
) -> None:
    made = await world(shared_database)
    await made.desk.with_model(scorecard_file(), OPEN)
    unknown = msgspec.structs.replace(COUNT, name="features.not_kept")
    reads = models.assemble(
        card(name="reads", inputs=(AMOUNT, unknown)),
        models.artifact_of(
            models.Scorecard(terms=(models.Term(axes=(models.Axis(input=AMOUNT.name),), points=(0.0, 0.0)),))
        ),
    )
    beside = await made.desk.with_model(scorecard_file(1.0), stage=Stage.SHADOW)
    without = await made.desk.with_model(reads, stage=Stage.SHADOW)
    await made.paid(8)
    made.desk.clock.advance(dt.timedelta(days=1))
    frauds = [one.subject for one in await made.desk.records() if one.served.facts["payment.amount"] > 10_000]  # type: ignore[operator]
    await made.label(frauds[:1], LabelKind.LEGITIMATE)
    made.desk.clock.advance(risk.FRAUD_DELAY)

    found, nothing = await made.compare(beside), await made.compare(without)

    assert found is not None
    assert (found.rows, found.bad) == (8, 1)
    assert nothing is not None
    assert nothing.rows == 0


async def test_the_terms_may_say_how_soon_ends_are_known(shared_database: Database) -> None:
    made = await world(shared_database)
    soon = msgspec.structs.replace(OPEN, drift=DriftBounds(label_after_days=10))
    await made.desk.with_model(scorecard_file(), soon)
    other = await made.desk.with_model(scorecard_file(1.0), stage=Stage.SHADOW)
    await made.paid(40)
    made.desk.clock.advance(dt.timedelta(days=11))
    await made.paid(80)

    found = await made.compare(other)

    assert found is not None
    assert (found.rows, found.bad) == (40, 10)


async def test_a_dispute_for_another_reason_does_not_end_what_it_is_about(shared_database: Database) -> None:
    """Neither does it take back what was said before, nor is it a word, where silence is one."""
    made = await world(shared_database)
    await made.desk.with_model(scorecard_file(), OPEN)
    other = await made.desk.with_model(scorecard_file(1.0), stage=Stage.SHADOW)
    await made.paid(8)
    made.desk.clock.advance(dt.timedelta(days=1))
    await made.disputed()
    made.desk.clock.advance(risk.FRAUD_DELAY)

    found = await made.compare(other)

    assert found is not None
    assert (found.rows, found.bad) == (8, 2)


async def test_there_is_nothing_to_compare_with_where_there_is_no_other_champion(
    shared_database: Database,
) -> None:
    made = await world(shared_database)
    alone = await made.desk.with_model(blind(), stage=Stage.SHADOW)
    assert await made.compare(alone) is None
    champion = await made.desk.with_model(scorecard_file(), OPEN)
    assert await made.compare(champion) is None
