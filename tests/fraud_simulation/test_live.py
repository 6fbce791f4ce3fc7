"""A simulated world pays through the API: each payment with its context, each label when it was reported."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest

from caudal.api import Services
from caudal.app import create_app
from caudal.client import Caudal
from caudal.features import Aggregate, Entity, Feature, FeatureSet, publish
from caudal.fraud_simulation import Driven, History, World, drive, simulate
from caudal.risk import DecisionFilter, find_decisions, find_labels
from caudal_base.secret import Secret
from caudal_base.settings import PartnerSettings, Settings
from support.customer_worlds import CALLER
from support.deliveries import SEALING_KEY
from support.worlds import new_book, new_key

if TYPE_CHECKING:
    from conftest import Server

BY_CARD = FeatureSet(
    features=(Feature(name="card_count_1d", by=(Entity.CARD,), aggregate=Aggregate.COUNT, window="1d"),)
)
SOON = World(days=4, customers=10, terminals=8, seed=3, fraud=60, report_days=0.1)


@pytest.fixture(scope="module")
def history() -> History:
    return simulate(SOON)


@pytest.fixture
async def services(
    server: "Server", migrated_template: str
) -> AsyncIterator[tuple[Services, httpx.ASGITransport]]:
    """The application, with a partner that nobody calls: there is no worker."""
    name = server.create_database(template=migrated_template)
    partner = PartnerSettings(connector="stripe", book="main", api_key=Secret("sk_test_1"))
    application = create_app(
        Settings(sealing_key=SEALING_KEY, partners={"stripe": partner}), dsn=server.dsn(name)
    )
    async with application.running() as found:
        yield found, httpx.ASGITransport(app=application)
    server.drop_database(name)


async def test_a_world_pays_and_its_frauds_are_reported(
    services: tuple[Services, httpx.ASGITransport], history: History
) -> None:
    found, transport = services
    book = await new_book(found, name="main")
    async with found.database.transaction() as connection:
        await publish(
            connection, book.book_id, BY_CARD, caller=CALLER, ledger=found.ledger, at=found.clock.now()
        )
    key = await new_key(found, frozenset({book.book_id}))
    heard: list[tuple[int, int]] = []
    async with Caudal("http://caudal.test", key, transport=transport) as caudal:
        driven = await drive(history, caudal, speed=1e9, told=lambda done, of: heard.append((done, of)))

    due = (history.labelled_us >= 0) & (history.labelled_us <= history.at_us[-1])
    async with found.database.connection() as connection:
        decisions = await find_decisions(connection, book.book_id, DecisionFilter(), limit=1_000)
        labels = await find_labels(connection, book.book_id)
    assert driven.refused == {}
    assert driven.payments == len(history) == len(decisions) == driven.verdicts["approve"]
    assert driven.frauds["approve"] == int(history.fraud.sum())
    assert driven.labels == len(labels) == int(due.sum()) > 0
    assert heard[-1] == (len(history) + int(due.sum()),) * 2
    facts = [decision.served.facts for decision in decisions]
    assert {fact["payment.card"] for fact in facts} == {
        f"tok_card_k{card:07d}" for card in np.unique(history.card)
    }
    assert sum(fact["payment.device"] is None for fact in facts) == int((history.device < 0).sum())
    assert len({decision.customer for decision in decisions}) == len(np.unique(history.customer))


async def test_what_the_api_refuses_is_counted(services: tuple[Services, httpx.ASGITransport]) -> None:
    found, transport = services
    book = await new_book(found, name="another")
    key = await new_key(found, frozenset({book.book_id}))
    async with Caudal("http://caudal.test", key, transport=transport) as caudal:
        driven: Driven = await drive(simulate(World(days=1, customers=3, terminals=3)), caudal, speed=1e9)

    assert driven.payments == 0
    assert sum(driven.refused.values()) > 0
    assert "unanswered" not in driven.refused
