"""Stripe and an acquirer that is nothing like it, in the sandbox: one takes over from the other.

A token of the vault stands for the card at both. What the vault's proxy will put in its place, a thin
wrapper puts there here.
"""

import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

import msgspec

from caudal import routing
from caudal.connectors import Answer, Call, Drift
from caudal.connectors.meridian import create as create_meridian
from caudal.connectors.stripe import create as create_stripe
from caudal.payments import AttemptState, Case, PaymentState, accounts
from caudal.routing import Version
from caudal_base.clock import SystemClock
from caudal_base.database import Database
from caudal_base.secret import Secret
from caudal_base.settings import PartnerSettings
from support.customer_worlds import CALLER
from support.meridians import MeridianWorld, meridian_world, settings
from support.payment_worlds import Matrix, PaymentWorld
from support.programmable import Crew
from support.routes import default, rules
from support.sandboxes import SDK_WARNS

pytestmark = SDK_WARNS

S, A = PaymentState, AttemptState
NOBODY = "http://127.0.0.1:9"

CARDS: Mapping[str, Mapping[str, str]] = {
    "stripe": {
        "tok_good": "pm_card_visa",
        "tok_broke": "pm_card_visa_chargeDeclinedInsufficientFunds",
        "tok_stolen": "pm_card_visa_chargeDeclinedStolenCard",
    },
    "meridian": dict.fromkeys(("tok_good", "tok_broke", "tok_stolen"), "mtk_ok"),
}
"""What a vault token stands for at each partner. At Meridian every card is good."""


class Exchanging:
    """A connector that is given what a vault token stands for."""

    def __init__(self, connector: Any) -> None:
        self._connector = connector

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connector, name)

    async def call(self, call: Call) -> Answer:
        card = CARDS[self._connector.name].get(call.instrument or "", call.instrument)
        return cast(Answer, await self._connector.call(msgspec.structs.replace(call, instrument=card)))


class Two:
    """A book that both partners serve, with a worker; the clock is the machine's."""

    def __init__(self, world: PaymentWorld, sandbox: MeridianWorld, crew: Crew) -> None:
        self.world = world
        self.sandbox = sandbox
        self.crew = crew

    async def ended(self, case: Case) -> Case:
        async def over() -> bool:
            return (await self.world.state(case)) in (S.SUCCEEDED, S.FAILED)

        await self.crew.until(over)
        return await self.world.again(case)

    async def effects(self) -> dict[str, int]:
        """By attempt, how many effects both partners' books have."""
        answer = await self.sandbox.http.get("/control/book")
        return {attempt: int(count) for attempt, count in answer.json()["attempts"].items() if count}


@contextlib.asynccontextmanager
async def two(database: Database, *, stripe_url: str | None = None) -> AsyncIterator[Two]:
    async with meridian_world(seed=1) as sandbox:
        clock = SystemClock()
        stripe_settings = PartnerSettings(
            connector="stripe", book="main", url=stripe_url or sandbox.url, api_key=Secret("sk_test_1")
        )
        connectors = (
            create_stripe("stripe", stripe_settings, Drift("stripe", clock)),
            create_meridian("meridian", settings(sandbox.url), Drift("meridian", clock)),
        )
        first, second = (cast(Matrix, Exchanging(connector)) for connector in connectors)
        world = await PaymentWorld.make(database, matrix=first, others=(second,))
        partners = {partner.name: partner.capabilities for partner in world.registry}
        async with world.database.transaction() as connection:
            kept = await routing.create(
                connection, world.book_id, rules(default("stripe", "meridian")), caller=CALLER,
                ledger=world.ledger, at=world.clock.now(),
            )  # fmt: skip
            done = await routing.publish(
                connection, world.book_id, kept.version, partners, caller=CALLER, ledger=world.ledger,
                at=world.clock.now(),
            )  # fmt: skip
        assert isinstance(done, Version), done
        crew = Crew(world)
        crew.start()
        try:
            yield Two(world, sandbox, crew)
        finally:
            await crew.stop()
            for connector in connectors:
                await connector.close()


def tried(case: Case) -> list[tuple[str, AttemptState]]:
    return [(attempt.partner, attempt.state) for attempt in case.beginnings]


async def owed(world: PaymentWorld) -> dict[str, int]:
    return {name: (await world.balance(accounts.clearing(name, "EUR")))[0] for name in ("stripe", "meridian")}


async def test_what_stripe_declines_softly_the_acquirer_takes(shared_database: Database) -> None:
    async with two(shared_database) as it:
        case = await it.ended(await it.world.create(instrument="tok_broke"))
        assert (case.payment.state, case.payment.partner) == (S.SUCCEEDED, "meridian")
        assert tried(case) == [("stripe", A.FAILED), ("meridian", A.SUCCEEDED)]
        assert await it.effects() == {case.beginnings[1].id: 1}
        assert await owed(it.world) == {"stripe": 0, "meridian": 1_000}
        assert await it.world.wallet(it.world.ana) == (1_000, 1_000)
        assert await it.world.findings() == []


async def test_what_stripe_declines_for_good_nobody_else_is_asked_for(shared_database: Database) -> None:
    async with two(shared_database) as it:
        case = await it.ended(await it.world.create(instrument="tok_stolen"))
        assert case.payment.state is S.FAILED
        assert tried(case) == [("stripe", A.FAILED)]
        assert await it.effects() == {}


async def test_while_stripe_is_away_the_acquirer_takes_all(shared_database: Database) -> None:
    async with two(shared_database, stripe_url=NOBODY) as it:
        made = [await it.world.create(instrument="tok_good") for _ in range(12)]
        ended = [await it.ended(case) for case in made]
        assert {case.payment.partner for case in ended} == {"meridian"}
        assert {case.payment.state for case in ended} == {S.SUCCEEDED}
        assert await it.effects() == {case.beginnings[-1].id: 1 for case in ended}
        assert await owed(it.world) == {"stripe": 0, "meridian": 12_000}
        assert await it.world.findings() == []
        # Ten in a row open the breaker; from then on nobody is sent there, but for one in twenty once it may
        # be back.
        after = [(await it.world.create(instrument="tok_good")).payment.partner for _ in range(10)]
        assert after.count("meridian") > 5


async def test_what_was_taken_at_the_second_is_refunded_there(shared_database: Database) -> None:
    async with two(shared_database) as it:
        case = await it.ended(await it.world.create(instrument="tok_broke"))
        await it.world.refund(case, 400)

        async def refunded() -> bool:
            it.sandbox.advance(1.0)
            it.world.clock.advance(dt.timedelta(seconds=30))
            return (await it.world.again(case)).payment.refunded_amount == 400

        await it.crew.until(refunded)
        assert await owed(it.world) == {"stripe": 0, "meridian": 600}
