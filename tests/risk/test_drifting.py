"""What has been decided is held against the training of every model that scored it."""

import datetime as dt

from caudal import models, risk
from caudal.models import DriftBounds, Histogram, Stage, Terms
from caudal.risk import AddLabel, Label, LabelKind
from caudal.risk.drifting import measure
from caudal.risk.labels import keep
from caudal_base.database import Database
from caudal_base.ids import IdSource
from support.decision_desks import DecisionDesk
from support.model_worlds import AMOUNT, ANA, ModelWorld, scorecard_file

USUAL = {AMOUNT.name: Histogram(edges=(1_000.0, 10_000.0), counts=(800, 150, 50))}


async def test_models_that_serve_are_measured_over_what_they_scored(database: Database) -> None:
    world = await ModelWorld.make(database)
    desk = DecisionDesk(database, world.book_id)
    await world.set_terms(Terms(drift=DriftBounds(least_rows=20)))
    champion = await world.champion(scorecard_file(input_histograms=USUAL))
    for number in range(8):
        await desk.decide(*(desk.subject(amount) for amount in (50_000, 60_000, 70_000)))
        if number == 3:
            shadow = await world.register(scorecard_file(shift=1.0, input_histograms=USUAL))
            await world.changed(shadow, Stage.SHADOW)

    async with database.connection() as connection:
        now = desk.clock.now() + dt.timedelta(hours=1)
        found = await measure(connection, world.book_id, [champion.id, shadow.id], now=now)
        later = now + dt.timedelta(days=8)
        nothing = await measure(connection, world.book_id, [champion.id], now=later)
    assert (found[champion.id].rows, found[shadow.id].rows, nothing[champion.id].rows) == (24, 12, 0)
    assert found[champion.id].over[-1].startswith("input payment.amount: CSI ")
    assert found[shadow.id].over == ()
    assert found[champion.id].inputs == {
        AMOUNT.name: models.stability_index((800, 150, 50, 0), (0, 0, 24, 0))
    }


async def test_labels_are_those_of_decisions_that_are_old_enough_for_silence_to_tell(
    database: Database,
) -> None:
    """Of newer ones bad ends alone are known: they would look as if nearly all came to one."""
    world = await ModelWorld.make(database)
    desk = DecisionDesk(database, world.book_id)
    desk.clock = world.clock
    desk.decider = risk.Decider(desk.clock, IdSource(desk.clock), desk.engines)
    await world.set_terms(Terms(drift=DriftBounds(least_rows=20, label_after_days=30)))
    model = await world.champion(scorecard_file(score_histogram=None))

    async def paid(frauds: int) -> None:
        subjects = [desk.subject() for _ in range(60)]
        await desk.decide(*subjects)
        told = [AddLabel(subject=one.payment_id, kind=LabelKind.FRAUD) for one in subjects[:frauds]]
        async with database.transaction() as connection:
            await risk.add_labels(
                connection, world.book_id, told, caller=ANA, ledger=world.ledger, at=desk.clock.now()
            )

    async def measured() -> models.DriftReport:
        desk.clock.advance(dt.timedelta(seconds=1))
        async with database.connection() as connection:
            return (await measure(connection, world.book_id, [model.id], now=desk.clock.now()))[model.id]

    await paid(30)
    early = await measured()
    desk.clock.advance(dt.timedelta(days=31))
    await paid(1)
    late = await measured()

    assert (early.rows, early.labels, early.rate, early.over) == (60, 0, None, ())
    assert (late.rows, late.labels, late.rate) == (60, 60, 0.5)
    assert [one.partition(":")[0] for one in late.over] == ["label"]


async def test_a_dispute_for_another_reason_does_not_end_what_it_is_about(database: Database) -> None:
    world = await ModelWorld.make(database)
    desk = DecisionDesk(database, world.book_id)
    desk.clock = world.clock
    desk.decider = risk.Decider(desk.clock, IdSource(desk.clock), desk.engines)
    await world.set_terms(Terms(decline_at=0.0, drift=DriftBounds(label_after_days=30)))
    model = await world.champion(scorecard_file(score_histogram=None))
    subjects = [desk.subject() for _ in range(6)]
    await desk.decide(*subjects)
    now = desk.clock.now()
    said = [
        (LabelKind.FRAUD, subjects[:2], now),
        (LabelKind.OTHER_DISPUTE_OPENED, subjects[:4], now + dt.timedelta(days=1)),
    ]
    async with database.transaction() as connection:
        for kind, about, at in said:
            labels = [
                Label(subject=one.payment_id, kind=kind, event_at=now, known_at=at, source="someone")
                for one in about
            ]
            await keep(connection, world.book_id, labels, ledger=world.ledger, at=at)
    later = now + dt.timedelta(days=31)
    async with database.connection() as connection:
        report = (await measure(connection, world.book_id, [model.id], now=later))[model.id]

    # All were declined: of four of them nobody has said how they would have ended.
    assert (report.labels, report.rate) == (2, 1.0)
