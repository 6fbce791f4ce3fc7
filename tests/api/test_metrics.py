"""What /metrics says of outcomes, errors, replays and objectives, and that the reference has all of it."""

import datetime as dt
import re
from typing import Any

import pytest

from caudal import features
from caudal.api import Decisions, described
from caudal.api.book_metrics import Books
from caudal.features import Aggregate, Entity, Feature, FeatureSet
from caudal.models import Outcome, Stage, Terms
from caudal.objectives import evaluate
from caudal.risk import Decider, Engines
from caudal_base.database import Database
from caudal_base.ids import IdSource
from support.customer_worlds import CALLER
from support.decision_desks import DecisionDesk
from support.ledgers import new_book
from support.model_worlds import scorecard_file
from support.payment_api import PaymentWorld, pay_in


@pytest.fixture
def world(payments: PaymentWorld) -> PaymentWorld:
    """A caller in a book with partners."""
    return payments


async def read(world: PaymentWorld) -> dict[str, float]:
    """Every sample by its name and labels."""
    text = (await world.get("/metrics")).text
    rows = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in rows}


async def looked(books: Books) -> dict[str, float]:
    """What the database is found to say now."""
    await books.look()
    return {
        sample.name + str(dict(sorted(sample.labels.items()))): sample.value
        for family in books.collect()
        for sample in family.samples
    }


async def test_every_measurement_of_the_api_is_described_and_every_described_one_is_there(
    world: PaymentWorld,
) -> None:
    text = (await world.get("/metrics")).text

    there = set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))
    created = {name for name in there if name.endswith("_created")}
    assert there - created == {one.name for one in described() if "API" in one.where}


async def test_what_ended_is_counted_by_kind_partner_and_state(world: PaymentWorld) -> None:
    books = Books(world.services.database, world.services.clock, fresh_s=0.0)
    await looked(books)
    customer = await world.customer()
    await world.succeeded(customer)
    await world.begun(pay_in(customer))
    found = await looked(books)

    book = str(world.book.book_id)
    ended = {"book": book, "failure": "", "kind": "pay_in", "partner": "stripe", "state": "succeeded"}
    unsettled = {"book": book, "partner": "stripe", "state": "created"}
    assert found["caudal_book_info" + str({"book": book, "name": "payments"})] == 1
    assert found["caudal_payment_outcomes_total" + str(ended)] == 1
    assert found["caudal_events_told_total" + str({"book": book, "type": "payment.created"})] == 2
    assert found["caudal_payments_open" + str({"book": book, "state": "processing"})] >= 1
    assert found["caudal_payment_attempts_unsettled" + str(unsettled)] >= 1
    assert found["caudal_payment_attempts_oldest_age_seconds" + str(unsettled)] >= 0
    waiting = [name for name in found if name.startswith("caudal_jobs_waiting")]
    assert waiting
    assert all("queue" in name for name in waiting)


async def test_an_event_is_counted_once(world: PaymentWorld) -> None:
    books = Books(world.services.database, world.services.clock, fresh_s=0.0)
    await looked(books)
    await world.begun(pay_in(await world.customer()))
    told = "caudal_events_told_total" + str({"book": str(world.book.book_id), "type": "payment.created"})

    assert [(await looked(books))[told], (await looked(books))[told]] == [1, 1]


async def test_errors_and_replays_are_counted(world: PaymentWorld) -> None:
    def of(found: dict[str, float], name: str) -> float:
        return found.get(name, 0.0)

    before = await read(world)
    body: dict[str, Any] = pay_in(await world.customer())
    for _ in range(2):
        await world.post("/v1/payments", body, key="one")
    await world.post("/v1/payments", {**body, "amount": 7}, key="one")
    after = await read(world)

    replays, reused = "caudal_http_replays_total", 'caudal_http_errors_total{code="idempotency_key_reused"}'
    assert of(after, replays) - of(before, replays) == 1
    assert of(after, reused) - of(before, reused) == 1


async def test_objectives_are_there_once_they_are_evaluated(world: PaymentWorld) -> None:
    services = world.services
    async with services.database.transaction() as connection:
        await evaluate(
            connection,
            world.book.book_id,
            {},
            ledger=services.ledger,
            new_ids=services.ids,
            now=services.clock.now(),
        )
    found = await looked(Books(services.database, services.clock, fresh_s=0.0))

    of = {"book": str(world.book.book_id), "objective": "attempt_known"}
    assert found["caudal_objective_budget_left_ratio" + str(of)] == 1.0
    assert found["caudal_objective_burn_rate" + str({**of, "window": "1h"})] == 0.0
    assert found["caudal_objective_alert" + str({**of, "severity": "page"})] == 0.0
    assert 0 <= found["caudal_objective_evaluated_age_seconds" + str({"book": of["book"]})] < 60


async def test_how_far_features_are_behind_is_told_of_each_book(world: PaymentWorld) -> None:
    services = world.services
    labels = str({"book": str(world.book.book_id)})
    events, seconds = "caudal_features_behind_events" + labels, "caudal_features_behind_seconds" + labels
    found = await looked(Books(services.database, services.clock, fresh_s=0.0))
    assert (found[events], found[seconds]) == (0, 0)

    count = Feature(name="paid", by=(Entity.CARD,), aggregate=Aggregate.COUNT, window="1d")
    async with services.database.transaction() as connection:
        await features.publish(
            connection, world.book.book_id, FeatureSet(features=(count,)), caller=CALLER,
            ledger=services.ledger, at=services.clock.now(),
        )  # fmt: skip
    await world.succeeded(await world.customer())

    found = await looked(Books(services.database, services.clock, fresh_s=0.0))
    assert found[events] >= 2
    assert 0 < found[seconds] < 60


async def test_decisions_are_counted_by_model_role_outcome_and_fallback_with_what_scores_took(
    shared_database: Database,
) -> None:
    desk = DecisionDesk(shared_database, (await new_book(shared_database)).book_id)
    collector = Decisions(desk.engines)
    await desk.with_model(scorecard_file(), Terms(review_at=0.03))
    await desk.with_model(scorecard_file(1.0), stage=Stage.SHADOW)
    await desk.decide(desk.subject(500), desk.subject(50_000))
    desk.clock.advance(dt.timedelta(seconds=1))
    await desk.damage_models()
    await desk.set_terms(Terms(fallback=Outcome.DECLINE))
    desk.engines = Engines()
    desk.decider = Decider(desk.clock, IdSource(desk.clock), desk.engines)
    await desk.decide(desk.subject(500))

    def counted(one: Decisions) -> dict[str, float]:
        return {
            sample.name + str(dict(sorted(sample.labels.items()))): sample.value
            for family in one.collect()
            for sample in family.samples
        }

    found, again = counted(collector), counted(Decisions(desk.engines))
    labels = {
        "book": str(desk.book_id), "fallback": "", "model": "card-fraud@1", "of": "payment",
        "outcome": "approve", "role": "champion",
    }  # fmt: skip
    assert found["caudal_decisions_total" + str(labels)] == 1
    assert found["caudal_decisions_total" + str(labels | {"outcome": "review"})] == 1
    declined = labels | {"fallback": "model_unreadable", "outcome": "decline"}
    assert again["caudal_decisions_total" + str(declined)] == 1
    for model in ("card-fraud@1", "card-fraud@2"):
        name = "caudal_model_score_duration_seconds"
        assert found[f"{name}_bucket" + str({"le": "+Inf", "model": model})] == 2
        assert 0 < found[f"{name}_sum" + str({"model": model})] < 1
    stage = {"le": "+Inf", "of": "payment", "stage": "decide"}
    assert found["caudal_decision_duration_seconds_bucket" + str(stage)] == 2
    book = {"book": str(desk.book_id)}
    assert found["caudal_decides_by_version" + str(book | {"of": "serving"})] == 4
    assert again["caudal_decides_by_version" + str(book | {"of": "serving"})] == 5
    assert found["caudal_decides_by_version" + str(book | {"of": "rule_set"})] == 0
    share = "caudal_model_share_ratio"
    assert found[share + str(book | {"model": "card-fraud@1", "role": "champion"})] == 1
    assert found[share + str(book | {"model": "card-fraud@2", "role": "shadow"})] == 0
