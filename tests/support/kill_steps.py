"""The steps of a payment's way, each brought to the moment before it, and what it must come to."""

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from caudal import risk, routing
from caudal.payments.handlers import SETTLEMENTS
from caudal.worker import EXPIRE
from caudal_sandbox.faults import Faults
from support.customer_worlds import CALLER
from support.deliveries import OK, answer
from support.kill_partners import MERIDIAN, STRIPE, TOKEN
from support.kill_statements import TIMER
from support.kill_worlds import Asked, KillWorld
from support.payment_api import internal, pay_in, payout
from support.routes import default, rules

Prepare = Callable[[KillWorld], Awaitable[None]]


@dataclass(frozen=True)
class Step:
    """Something that a program does, of which every moment is tried."""

    title: str
    program: str
    """What is killed: `api` as a caller asks, `webhook` as a partner tells, `worker`, `deliverer`."""
    prepare: tuple[Prepare, ...]
    """Brings the world to the moment before."""
    ends: str = "succeeded"
    """The state in which the payment ends."""
    effects: tuple[str, ...] = ()
    """What has happened at the partners by then, each once."""
    names: Mapping[str, str] | None = None
    """Of the partners, by the connector of each."""
    periodics: tuple[str, ...] = ()
    ordered: bool = False
    finish: tuple[Prepare, ...] = ()
    """What follows when all is over, so that every end is the same."""
    may_differ: tuple[str, ...] = ()
    """What of the end depends on the way there."""
    sampled: bool = False
    """Whether every run of the tests takes it, and not only the one that writes the page."""


def asking(path: str, body: Callable[[KillWorld], Any]) -> Prepare:
    """A caller is about to ask for this."""

    async def prepare(world: KillWorld) -> None:
        world.asked = Asked(path.format(id=world.payment), body(world), "the-key")

    return prepare


def asked(path: str, body: Callable[[KillWorld], Any], key: str = "the-key") -> Prepare:
    """A caller has asked for this, and has been answered."""

    async def prepare(world: KillWorld) -> None:
        await world.ask(path.format(id=world.payment), body(world), key=key)

    return prepare


async def done(world: KillWorld) -> None:
    """What was to be done now is done; nobody delivers anything."""
    await world.to_rest(dt.timedelta(0), deliver=False)


async def delivered(world: KillWorld) -> None:
    """The same, and everything has been delivered."""
    await world.to_rest(dt.timedelta(0))


async def in_house(world: KillWorld) -> None:
    """A webhook that stood at the door is stored, and not yet applied."""
    world.held.append(await world.arrival())
    world.let_in()
    await world.sandbox.world.sender.flush()


async def settled(world: KillWorld) -> None:
    """The partner has paid out what it owed, and it has arrived."""
    world.sandbox.partners["stripe"].settle()
    world.pass_time(dt.timedelta(days=2))


async def settled_up(world: KillWorld) -> None:
    """The same, and it has been fetched: with it come the fees of which no webhook tells."""
    await settled(world)
    world.periodics = (SETTLEMENTS,)
    await world.to_rest(dt.timedelta(0))


async def timer(world: KillWorld) -> None:
    """What the payment waits for has run out."""
    ((due,),) = await world.rows(TIMER)
    world.pass_time(due - world.clock.now())


async def routed(world: KillWorld) -> None:
    """Stripe is tried first, then Meridian."""
    services, book_id, at = world.payments.services, world.book_id, world.clock.now()
    can = {partner.name: partner.capabilities for partner in services.partners}
    async with services.database.transaction() as connection:
        kept = await routing.create(
            connection, book_id, rules(default("stripe", "meridian")), caller=CALLER,
            ledger=services.ledger, at=at,
        )  # fmt: skip
        published = await routing.publish(
            connection, book_id, kept.version, can, caller=CALLER, ledger=services.ledger, at=at
        )
    assert isinstance(published, routing.Version), published


def telling(*events: str) -> Prepare:
    """From now on partners send their events of these types, by default all."""

    async def prepare(world: KillWorld) -> None:
        world.hear(*events)

    return prepare


async def nobody_opens(world: KillWorld) -> None:
    """What partners send from now on stands at the door."""
    world.door_open = False


def later(seconds: float) -> Prepare:
    """So much time goes by, for us and for the partners."""

    async def prepare(world: KillWorld) -> None:
        world.pass_time(dt.timedelta(seconds=seconds))

    return prepare


def misbehaving(**faults: Any) -> Prepare:
    """So do partners, with every call."""

    async def prepare(world: KillWorld) -> None:
        for name in ("stripe", "bank"):
            world.sandbox.partners[name].behave(faults=Faults(**faults))

    return prepare


def endpoint_answers(*answers: bytes) -> Prepare:
    """So does ours, one after the other, and all is well after them."""

    async def prepare(world: KillWorld) -> None:
        left = list(answers)
        world.sink.answer = lambda _: left.pop(0) if left else OK

    return prepare


async def watched(world: KillWorld) -> None:
    """A person looks at the customer's payments first."""
    entry = risk.AddEntry(
        list=risk.ListKind.WATCH,
        subject=risk.SubjectKind.CUSTOMER,
        value=world.customer,
        reason="of the test",
    )
    async with world.payments.services.database.transaction() as connection:
        await risk.add_entries(connection, world.book_id, [entry], caller=CALLER, at=world.clock.now())


async def gone(world: KillWorld) -> None:
    """The endpoint says so to everything."""
    world.sink.answer = lambda _: answer(410)


async def enabled(world: KillWorld) -> None:
    """The endpoint is there again, its owner enables it, and what has waited is delivered."""
    services = world.payments.services
    world.sink.answer = lambda _: OK
    async with services.database.transaction() as connection:
        (endpoint,) = await services.endpoints.find(connection, world.book_id)
        assert endpoint.disabled_at is not None
        await services.endpoints.enable(connection, world.book_id, endpoint.id)
    await world.to_rest(dt.timedelta(0))


def card(**fields: Any) -> Callable[[KillWorld], Any]:
    """A payment by card, through Stripe."""
    return lambda world: pay_in(world.customer, partner="stripe", **fields)


def transfer(token: str = "tok_bank_instant") -> Callable[[KillWorld], Any]:
    """A payout through the bank."""
    return lambda world: payout(world.customer, partner="bank", instrument=token)


def inside(world: KillWorld) -> Any:
    """A payment from one customer to another."""
    return internal(world.customer, world.other)


def inside_later(world: KillWorld) -> Any:
    """The same, in an hour."""
    return internal(world.customer, world.other, execute_at=(world.clock.now() + HOUR).isoformat())


def token(world: KillWorld) -> Any:
    """A payment by card, through whom the rules name."""
    return pay_in(world.customer, instrument=TOKEN)


def ledger_transfer(world: KillWorld) -> Any:
    """One of the ledger's own."""
    wallet = world.payments.wallet
    return {
        "debit_account": wallet(world.customer), "credit_account": wallet(world.other), "amount": 100,
        "currency": "EUR",
    }  # fmt: skip


def hold(world: KillWorld) -> Any:
    """The same, for a minute."""
    expires_at = (world.clock.now() + dt.timedelta(minutes=1)).isoformat()
    return {**ledger_transfer(world), "pending": True, "expires_at": expires_at}


def some(_: KillWorld) -> Any:
    """Part of the amount."""
    return {"amount": 500}


def more(_: KillWorld) -> Any:
    """Another amount, above the first."""
    return {"amount": 1_500}


def nothing(_: KillWorld) -> Any:
    """An empty body."""
    return {}


HOUR = dt.timedelta(hours=1)
NEW, PAYOUT, TRANSFER = "/v1/payments", "/v1/payouts", "/v1/transfers"
CAPTURE, CANCEL, REFUND, INCREMENT, APPROVE, DECLINE = (
    f"/v1/payments/{{id}}/{what}"
    for what in ("capture", "cancel", "refunds", "increment", "approve", "decline")
)
TWO = {"stripe": STRIPE, "meridian": MERIDIAN}

PAID = (asked(NEW, card(), "made"), done)
AUTHORISED = (asked(NEW, card(capture="manual"), "made"), done)
HELD = (watched, asked(NEW, card(), "made"), done)
UNANSWERED = (asked(NEW, card()), misbehaving(drop_after=1), done, misbehaving())
# The sandbox's clock goes on while a test waits: whenever it sends, it must find the door closed.
DISPUTED = (
    telling("charge.dispute.created"), nobody_opens,
    asked(NEW, card(instrument="pm_card_createDispute")), done, later(3),
)  # fmt: skip
RETURNED = (
    telling(), asked(PAYOUT, transfer("tok_bank_returned")), done, later(1.5), done, nobody_opens, later(2),
)  # fmt: skip

_HELD, _TAKEN = ("authorisation", "cancel"), ("authorisation", "capture")
_RAISED = ("authorisation", "increment")
_BACK, _RETURN = ("charge", "refund"), ("payout_out", "return")
_SETTLED = {"effects": ("charge", "settlement"), "finish": (settled_up,)}
TOLD = (telling("payment_intent.succeeded"), nobody_opens, *UNANSWERED)

STEPS: tuple[Step, ...] = (
    # Transaction A
    Step("A transfer in the ledger is asked for", "api", (asking(TRANSFER, ledger_transfer),), ""),
    Step("A payment inside is asked for", "api", (asking(NEW, inside),), sampled=True),
    Step("A card payment is asked for", "api", (asking(NEW, card()),), effects=("charge",)),
    Step("A payout is asked for", "api", (asking(PAYOUT, transfer()),), effects=("payout_out",)),
    Step("A capture is asked for", "api", (*AUTHORISED, asking(CAPTURE, nothing)), effects=_TAKEN),
    Step("A cancellation is asked for", "api", (*AUTHORISED, asking(CANCEL, nothing)), "cancelled", _HELD),
    Step("A refund is asked for", "api", (*PAID, asking(REFUND, some)), effects=_BACK),
    Step("An increment is asked for", "api", (*AUTHORISED, asking(INCREMENT, more)), "authorised", _RAISED),
    Step("A held payment is approved", "api", (*HELD, asking(APPROVE, nothing)), effects=("charge",)),
    Step("A held payment is declined", "api", (*HELD, asking(DECLINE, nothing)), "declined"),
    # The partner, transaction B
    Step(
        "A card payment is sent to the partner", "worker", (asked(NEW, card()),), effects=("charge",),
        sampled=True,
    ),
    Step(
        "The same, and the partner's webhook comes first", "worker",
        (telling("payment_intent.succeeded"), nobody_opens, asked(NEW, card())), **_SETTLED,
    ),
    Step("A payout is sent to the bank", "worker", (asked(PAYOUT, transfer()),), effects=("payout_out",)),
    Step(
        "A capture is sent to the partner", "worker", (*AUTHORISED, asked(CAPTURE, nothing)), effects=_TAKEN,
    ),
    Step(
        "A cancellation is sent to the partner", "worker", (*AUTHORISED, asked(CANCEL, nothing)), "cancelled",
        _HELD,
    ),
    Step(
        "An increment is sent to the partner", "worker", (*AUTHORISED, asked(INCREMENT, more)), "authorised",
        _RAISED,
    ),
    Step("A refund is sent to the partner", "worker", (*PAID, asked(REFUND, some)), effects=_BACK),
    Step(
        "The partner is asked what became of a call", "worker", (*UNANSWERED, later(0.5)),
        effects=("charge",),
    ),
    Step(
        "One partner declines softly, another takes over", "worker", (routed, asked(NEW, token)),
        effects=("charge",), names=TWO,
    ),
    # Webhooks in, transaction C
    Step("The partner tells of a payment", "webhook", TOLD, **_SETTLED),
    Step("What the partner told is applied", "worker", (*TOLD, in_house), **_SETTLED),
    Step("The partner tells of a dispute", "webhook", DISPUTED, effects=("charge", "dispute")),
    Step(
        "The dispute is applied", "worker", (*DISPUTED, in_house), effects=("charge", "dispute"),
        sampled=True,
    ),
    Step("The bank tells of a payout that came back", "webhook", RETURNED, "returned", _RETURN),
    Step("The return is applied", "worker", (*RETURNED, in_house), "returned", _RETURN),
    # Time
    Step("A payment's time has come", "worker", (asked(NEW, inside_later), later(3_600))),
    Step(
        "An authorisation runs out", "worker", (*AUTHORISED, timer), "expired", ("authorisation",),
        may_differ=("event payment.authorised",),
    ),
    Step(
        "A hold of the ledger runs out", "worker", (asked(TRANSFER, hold), later(61)), "",
        periodics=(EXPIRE,),
    ),
    Step(
        "The partner has paid out what it owed", "worker", (asked(NEW, card()), done, settled),
        effects=("charge", "settlement"), periodics=(SETTLEMENTS,),
    ),
    # Webhooks out
    Step(
        "An event is delivered", "deliverer",
        (asked(NEW, inside_later, "made"), delivered, asked(CANCEL, nothing)), "cancelled", sampled=True,
    ),
    Step(
        "Events are delivered in order", "deliverer", (delivered, asked(NEW, inside)), ordered=True,
    ),
    Step(
        "The endpoint fails, and is tried again", "deliverer",
        (delivered, asked(NEW, inside), endpoint_answers(answer(500))), ordered=True,
    ),
    Step(
        "The endpoint says that it is gone, and is enabled again later", "deliverer",
        (delivered, asked(NEW, inside), gone), ordered=True, finish=(enabled,),
    ),
)  # fmt: skip
