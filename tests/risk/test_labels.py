"""What becomes known of payments: followed from events, said by people, counted when it is time."""

import datetime as dt

import pytest

from caudal import features, risk
from caudal.connectors import Status
from caudal.features import Aggregate, Entity, Feature, FeatureSet, Filter
from caudal.payments import Case
from caudal.risk import AddLabel, Decider, DecisionFilter, Label, LabelKind, Matured, dispute_reasons
from caudal_base.database import Database
from caudal_base.ids import IdSource
from support.customer_worlds import CALLER
from support.payment_worlds import PaymentWorld, dispute_snapshot

DELAYS = risk.LabelDelays()
HISTORY = FeatureSet(
    features=(
        Feature(name="paid", by=(Entity.CARD,), aggregate=Aggregate.COUNT, window="180d"),
        Feature(
            name="succeeded", by=(Entity.CARD,), aggregate=Aggregate.COUNT, window="180d",
            of=Filter(source=("payment.succeeded",)),
        ),
        Feature(
            name="disputed", by=(Entity.CARD,), aggregate=Aggregate.COUNT, window="180d",
            of=Filter(source=("dispute.opened",)),
        ),
        Feature(
            name="fraud", by=(Entity.CARD,), aggregate=Aggregate.COUNT, window="180d",
            of=Filter(source=("label.fraud",)),
        ),
    )
)  # fmt: skip


@pytest.fixture
async def world(shared_database: Database) -> PaymentWorld:
    made = await PaymentWorld.make(shared_database)
    decider = Decider(made.clock, IdSource(made.clock))
    made.payments = type(made.payments)(
        made.ledger, decider, made.registry, IdSource(made.clock), routing=made.routing
    )
    return made


async def publish(world: PaymentWorld) -> None:
    async with world.database.transaction() as connection:
        await features.publish(
            connection, world.book_id, HISTORY, caller=CALLER, ledger=world.ledger, at=world.clock.now()
        )


async def follow(world: PaymentWorld, limit: int = 2) -> None:
    more = True
    while more:
        async with world.database.transaction() as connection:
            more = await risk.follow(
                connection, world.book_id, ledger=world.ledger, at=world.clock.now(), limit=limit
            )
    async with world.database.transaction() as connection:
        while await features.fill(connection, world.book_id, ledger=world.ledger):
            pass


async def served(world: PaymentWorld, case: Case) -> dict[str, object]:
    async with world.database.connection() as connection:
        (row,) = await risk.find_decisions(connection, world.book_id, DecisionFilter(subject=case.payment.id))
        shown = await risk.features_of(connection, world.book_id, [row])
    assert row.id == case.payment.decision
    return {feature.name: feature.value for feature in shown[row.id]}


async def say(world: PaymentWorld, case: Case, kind: LabelKind) -> Label:
    async with world.database.transaction() as connection:
        (label,) = await risk.add_labels(
            connection, world.book_id, [AddLabel(subject=case.payment.id, kind=kind)], caller=CALLER,
            ledger=world.ledger, at=world.clock.now(),
        )  # fmt: skip
    assert isinstance(label, Label), label
    return label


async def matured(world: PaymentWorld, delays: risk.LabelDelays = DELAYS) -> list[Matured]:
    now = world.clock.now()
    async with world.database.connection() as connection:
        return await risk.matured(
            connection, world.book_id, made_from=now - dt.timedelta(days=365), made_before=now, now=now,
            delays=delays,
        )  # fmt: skip


async def test_what_becomes_of_payments_is_known_to_the_decisions_after_it(world: PaymentWorld) -> None:
    await publish(world)
    paid = await world.succeeded()
    await world.create()
    await world.hear(dispute_snapshot(paid, Status.OPEN, reason="fraudulent"))
    await follow(world)
    await world.hear(dispute_snapshot(paid, Status.LOST))
    before = await world.create()
    await follow(world)
    after = await world.create()

    assert await served(world, before) == {"paid": 2, "succeeded": 1, "disputed": 1, "fraud": 0}
    assert await served(world, after) == {"paid": 3, "succeeded": 1, "disputed": 1, "fraud": 1}


async def test_payments_from_before_anything_was_published_are_known_too(world: PaymentWorld) -> None:
    first = await world.succeeded()
    await world.create()
    assert first.payment.decision is None
    await publish(world)
    await follow(world)
    await follow(world)

    assert await served(world, await world.create()) == {
        "paid": 2, "succeeded": 1, "disputed": 0, "fraud": 0,
    }  # fmt: skip


async def test_good_ends_and_bad_ones_are_known_after_the_same_time(world: PaymentWorld) -> None:
    """Else nearly all that is known of the last weeks is bad: frauds are reported, good ones are silence."""
    await publish(world)
    silent = await world.succeeded()
    disputed = await world.succeeded()
    cleared = await world.succeeded()
    world.clock.advance(dt.timedelta(days=30))
    for case in (disputed, cleared):
        await world.hear(dispute_snapshot(case, Status.OPEN, reason="fraudulent"))
    await follow(world)
    world.clock.advance(dt.timedelta(days=1))
    label = await say(world, cleared, LabelKind.LEGITIMATE)

    assert label.event_at == cleared.payment.created_at
    assert label.known_at == world.clock.now()
    assert [(row.record.subject, row.kind, row.bad, row.early) for row in await matured(world)] == [
        (silent.payment.id, None, None, True),
        (disputed.payment.id, LabelKind.DISPUTE_OPENED, None, True),
        (cleared.payment.id, LabelKind.LEGITIMATE, None, True),
    ]
    world.clock.advance(risk.FRAUD_DELAY)
    assert [(row.bad, row.early) for row in await matured(world)] == [
        (False, False), (True, False), (False, False),
    ]  # fmt: skip


async def test_the_caller_may_say_after_how_long(world: PaymentWorld) -> None:
    await publish(world)
    await say(world, await world.succeeded(), LabelKind.FRAUD)
    world.clock.advance(dt.timedelta(days=10))
    ten, nine = (risk.LabelDelays(payment=dt.timedelta(days=days)) for days in (10, 9))

    assert [row.bad for row in await matured(world, ten)] == [None]
    assert [row.bad for row in await matured(world, nine)] == [True]


async def test_a_dispute_for_another_reason_is_no_fraud(world: PaymentWorld) -> None:
    await publish(world)
    bought = await world.succeeded()
    await world.hear(dispute_snapshot(bought, Status.OPEN, reason="product_not_received"))
    await world.hear(dispute_snapshot(bought, Status.LOST))
    await follow(world)

    async with world.database.connection() as connection:
        labels = await risk.find_labels(connection, world.book_id, subject=bought.payment.id)
    assert {(label.kind, label.bad) for label in labels} == {
        (LabelKind.OTHER_DISPUTE_OPENED, False), (LabelKind.OTHER_DISPUTE_LOST, False),
    }  # fmt: skip
    world.clock.advance(dt.timedelta(seconds=1))
    assert [(row.kind, row.bad) for row in await matured(world)] == [(None, None)]
    world.clock.advance(risk.FRAUD_DELAY + dt.timedelta(days=1))
    assert [row.bad for row in await matured(world)] == [False]
    assert (await served(world, await world.create()))["fraud"] == 0


async def test_what_was_said_of_fraud_outlives_a_dispute_for_another_reason(world: PaymentWorld) -> None:
    await publish(world)
    bought = await world.succeeded()
    await say(world, bought, LabelKind.FRAUD)
    world.clock.advance(dt.timedelta(days=1))
    await world.hear(dispute_snapshot(bought, Status.OPEN, reason="duplicate"))
    await follow(world)
    world.clock.advance(risk.FRAUD_DELAY)

    assert [(row.kind, row.bad) for row in await matured(world)] == [(LabelKind.FRAUD, True)]


@pytest.mark.parametrize("reason", ["fraudulent", "Fraudulent", "10.4:FRAUD", "4837", "UA02", "F29", "R10"])
def test_reasons_that_say_fraud(reason: str) -> None:
    assert dispute_reasons.label_of("dispute.open", reason) is LabelKind.DISPUTE_OPENED
    assert dispute_reasons.label_of("dispute.lost", reason) is LabelKind.DISPUTE_LOST


@pytest.mark.parametrize("reason", [None, "", "duplicate", "13.1", "4853", "10.45", "C08", "R01", "fraud?"])
def test_reasons_that_do_not(reason: str | None) -> None:
    assert dispute_reasons.label_of("dispute.open", reason) is LabelKind.OTHER_DISPUTE_OPENED
    assert dispute_reasons.label_of("dispute.won", reason) is LabelKind.OTHER_DISPUTE_WON
    assert dispute_reasons.label_of("dispute.evidence", reason) is None


async def test_disputes_are_not_for_people_to_tell_of(world: PaymentWorld) -> None:
    case = await world.create()
    async with world.database.transaction() as connection:
        (result,) = await risk.add_labels(
            connection, world.book_id, [AddLabel(subject=case.payment.id, kind=LabelKind.DISPUTE_LOST)],
            caller=CALLER, ledger=world.ledger, at=world.clock.now(),
        )  # fmt: skip
        assert await risk.find_labels(connection, world.book_id) == []
    assert isinstance(result, risk.LabelInvalid)


async def test_what_is_refused_leaves_nothing_of_it_in_the_audit_log(world: PaymentWorld) -> None:
    case = await world.create()
    said = [
        AddLabel(subject="4111 1111 1111 1111", kind=LabelKind.FRAUD),
        AddLabel(subject="antrag-ä", kind=LabelKind.FRAUD),
        AddLabel(subject=case.payment.id, kind=LabelKind.FRAUD, note="card 4111111111111111"),
    ]
    async with world.database.transaction() as connection:
        results = await risk.add_labels(
            connection, world.book_id, said, caller=CALLER, ledger=world.ledger, at=world.clock.now()
        )
        told = await connection.execute(
            "select object_id, convert_from(leaf, 'UTF8') from audit.record"
            " where action = 'risk.label' and book_id = %s",
            (world.book_id,),
        )
        rows = await told.fetchall()

    assert all(isinstance(result, Exception) for result in results)
    assert [object_id for object_id, _ in rows] == ["unknown"] * 3
    assert not any(secret in leaf for _, leaf in rows for secret in ("4111", "antrag"))
