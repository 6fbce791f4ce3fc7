"""Decisions on payments that somebody else carries out."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator

import pytest

from caudal import risk
from caudal.features import Aggregate, Entity, Feature, FeatureSet, Filter
from caudal.ledger import Ledger
from caudal.risk import AddEntry, AddLabel, DecisionDiffers, LabelKind, ListKind, PaymentElsewhere
from caudal.risk.elsewhere import Made
from caudal_base.database import Database
from caudal_base.decide import Context, Verdict
from caudal_base.errors import CaudalError
from caudal_base.ids import IdSource
from support.customer_worlds import CALLER
from support.decision_desks import DecisionDesk
from support.ledgers import new_book
from support.rule_worlds import rule

BY_CARD = FeatureSet(
    features=(
        Feature(name="card_count_1h", by=(Entity.CARD,), aggregate=Aggregate.COUNT, window="1h"),
        Feature(
            name="frauds_30d", by=(Entity.CARD,), aggregate=Aggregate.COUNT, window="30d",
            of=Filter(source=("label.fraud",)),
        ),
    )
)  # fmt: skip


class Elsewhere:
    """A book whose payments are carried out by somebody else."""

    def __init__(self, desk: DecisionDesk) -> None:
        self.world = desk
        decider = risk.Decider(desk.clock, IdSource(desk.clock), elsewhere=True)
        self.desk = risk.DecisionDesk(desk.database, Ledger(desk.clock), decider, desk.clock)

    async def decide(self, subject: str, **changes: object) -> Made:
        payment = PaymentElsewhere(
            **{
                "subject": subject, "customer": "user-1", "amount": 1_000, "currency": "EUR",
                "method": "card", "instrument": "pm_1", **changes,
            }
        )  # fmt: skip
        return await self.desk.decide(self.world.book_id, payment, CALLER)


@pytest.fixture
async def elsewhere(shared_database: Database) -> AsyncIterator[Elsewhere]:
    made = Elsewhere(DecisionDesk(shared_database, (await new_book(shared_database)).book_id))
    yield made
    await made.desk.drain()


async def test_each_counts_for_those_behind_it_and_rules_decide(elsewhere: Elsewhere) -> None:
    await elsewhere.world.publish(BY_CARD)
    await elsewhere.world.with_rules(rule("many", "features.card_count_1h >= 2", "review"))

    made = await asyncio.gather(*(elsewhere.decide(f"order-{n}") for n in range(3)))

    assert [(one.record.decided.outcome, one.record.served.features) for one in made] == [
        (Verdict.APPROVE, (0, 0)), (Verdict.APPROVE, (1, 0)), (Verdict.REVIEW, (2, 0)),
    ]  # fmt: skip
    assert [feature.name for feature in made[2].features] == ["card_count_1h", "frauds_30d"]
    assert [row.id for row in await elsewhere.world.records()] == [m.record.id for m in reversed(made)]


async def test_where_nothing_is_published_an_approval_is_kept_all_the_same(elsewhere: Elsewhere) -> None:
    made = await elsewhere.decide("order-1")

    assert made.record.decided.outcome is Verdict.APPROVE
    assert [row.subject for row in await elsewhere.world.records()] == ["order-1"]


async def test_the_same_subject_is_decided_on_once(elsewhere: Elsewhere) -> None:
    await elsewhere.world.publish(BY_CARD)

    first, again = await asyncio.gather(elsewhere.decide("order-1"), elsewhere.decide("order-1"))
    later = await elsewhere.decide("order-1")

    assert (first.repeated, again.repeated, later.repeated) == (False, True, True)
    assert first.record == again.record == later.record
    assert await elsewhere.world.count("features.event") == 1


async def test_another_payment_of_the_same_name_is_refused_and_harms_no_other(elsewhere: Elsewhere) -> None:
    await elsewhere.decide("order-1")

    other, good = await asyncio.gather(
        elsewhere.decide("order-1", amount=2_000), elsewhere.decide("order-2"), return_exceptions=True
    )

    assert isinstance(other, DecisionDiffers)
    assert not isinstance(good, BaseException)


@pytest.mark.parametrize(
    ("subject", "value"), [(risk.SubjectKind.DEVICE, "d-1"), (risk.SubjectKind.CUSTOMER, "user-1")]
)
async def test_lists_hold(elsewhere: Elsewhere, subject: risk.SubjectKind, value: str) -> None:
    entry = AddEntry(list=ListKind.BLOCK, subject=subject, value=value, reason="case 17")
    async with elsewhere.world.database.transaction() as connection:
        (added,) = await risk.add_entries(
            connection, elsewhere.world.book_id, [entry], caller=CALLER, at=elsewhere.world.clock.now()
        )
    assert not isinstance(added, CaudalError)

    made = await elsewhere.decide("order-1", context=Context(device="d-1"))

    assert made.record.decided.outcome is Verdict.DECLINE
    assert [reason.code for reason in made.record.decided.reasons] == [f"blocked_{subject.value}"]


async def test_what_becomes_known_of_it_counts_for_those_that_come_later(elsewhere: Elsewhere) -> None:
    world = elsewhere.world
    await world.publish(BY_CARD)
    await elsewhere.decide("order-1")
    world.clock.advance(dt.timedelta(days=1))
    async with world.database.transaction() as connection:
        (label,) = await risk.add_labels(
            connection, world.book_id, [AddLabel(subject="order-1", kind=LabelKind.FRAUD)],
            caller=CALLER, ledger=Ledger(world.clock), at=world.clock.now(),
        )  # fmt: skip
    assert not isinstance(label, CaudalError)

    made = await elsewhere.decide("order-2")

    assert made.record.served.features == (0, 1)


async def test_it_is_made_again_to_the_same_bytes(elsewhere: Elsewhere) -> None:
    await elsewhere.world.publish(BY_CARD)
    await elsewhere.world.with_rules(rule("large", "payment.amount >= 1000", "challenge"))
    made = [await elsewhere.decide("order-1"), await elsewhere.decide("order-2", authenticates=True)]

    assert [one.record.decided.outcome for one in made] == [Verdict.REVIEW, Verdict.CHALLENGE]
    for one in made:
        async with elsewhere.world.database.connection() as connection:
            assert (await risk.replay(connection, elsewhere.world.book_id, one.record.id)).same


async def test_trying_out_leaves_nothing(elsewhere: Elsewhere) -> None:
    payment = PaymentElsewhere(subject="order-1", customer="user-1", amount=1, currency="EUR")
    async with (
        elsewhere.world.database.transaction() as connection,
        connection.transaction(force_rollback=True),
    ):
        made = await elsewhere.desk.try_out(connection, elsewhere.world.book_id, payment, CALLER)

    assert made.record.decided.outcome is Verdict.APPROVE
    assert await elsewhere.world.count("risk.decision") == 0


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"subject": "pay_0199f3a5b1c27d3e8f405162738495a6"}, "payment_undecidable", "subject"),
        ({"subject": "line\nbreak"}, "payment_undecidable", "subject"),
        ({"subject": "4111 1111 1111 1111"}, "personal_data_refused", "subject"),
        ({"customer": ""}, "payment_undecidable", "customer"),
        ({"customer": "ana@example.com"}, "personal_data_refused", "customer"),
        ({"amount": 0}, "payment_undecidable", "amount"),
        ({"amount": 2**63}, "payment_undecidable", "amount"),
        ({"currency": "EURO"}, "payment_undecidable", "currency"),
        ({"kind": "gift"}, "payment_undecidable", "kind"),
        ({"instrument": "i" * 256}, "payment_undecidable", "instrument"),
    ],
)
async def test_what_no_payment_can_be_is_refused(
    elsewhere: Elsewhere, changes: dict[str, object], code: str, field: str
) -> None:
    with pytest.raises(CaudalError) as refused:
        await elsewhere.decide(**{"subject": "order-1", **changes})

    assert (refused.value.code, refused.value.field) == (code, field)
    assert await elsewhere.world.count("risk.decision") == 0


async def test_of_two_payments_of_one_name_at_once_the_first_has_its_own_features(
    elsewhere: Elsewhere,
) -> None:
    await elsewhere.world.publish(BY_CARD)

    first, other = await asyncio.gather(
        elsewhere.decide("order-1"), elsewhere.decide("order-1", instrument="pm_2"), return_exceptions=True
    )

    assert isinstance(other, DecisionDiffers)
    assert not isinstance(first, BaseException)
    assert (first.record.served.fallback, first.record.served.features) == (None, (0, 0))
