"""The HTTP API and the pure rules must tell the same story of every random history.

The database and the rules are held to one another in tests/ledger/test_model.py; here the third leg.
"""

import copy
import datetime as dt
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from caudal.api import Services
from caudal.app import create_app
from caudal.ledger import (
    Book,
    ChangeLimit,
    ChangeStatus,
    Command,
    CreateTransfer,
    OpenAccount,
    Outcome,
    PostPending,
    RecordTransaction,
    ReverseTransfer,
    VoidPending,
    rules,
)
from caudal.ledger.refusals import REASONS
from caudal_base.clock import ManualClock
from caudal_base.settings import Settings
from support.histories import START, Step, histories
from support.worlds import World, new_book, new_key

if TYPE_CHECKING:
    from conftest import Server

BATCHED = (CreateTransfer, PostPending, VoidPending, ReverseTransfer)
BY_ITSELF = {reason.code for reason in REASONS[: [r.code for r in REASONS].index("id_already_refused")]}
"""Reasons that lie in a command alone: over HTTP the whole request may be refused for them."""

TYPES = {
    CreateTransfer: "transfer",
    PostPending: "post_pending",
    VoidPending: "void_pending",
    ReverseTransfer: "reversal",
}
NOT_SENT = {"may_post_closed", "may_correct"}


@pytest.fixture(scope="module")
async def clocked(
    server: "Server", migrated_template: str
) -> AsyncIterator[tuple[httpx.AsyncClient, Services, ManualClock]]:
    name = server.create_database(template=migrated_template)
    clock = ManualClock(START)
    application = create_app(Settings(), dsn=server.dsn(name), clock=clock)
    async with application.running() as services:
        transport = httpx.ASGITransport(app=application, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
            yield http, services, clock
    server.drop_database(name)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=histories())
async def test_the_api_and_the_model_agree_on_every_history(
    clocked: tuple[httpx.AsyncClient, Services, ManualClock], history: list[Step]
) -> None:
    http, services, clock = clocked
    book = await new_book(services)
    world = World(http, services, book, await new_key(services, frozenset({book.book_id})))
    model = Book(recorded_at=clock.now())
    # The histories' times are fixed; the clock of a running application only goes forward.
    shift = clock.now() - START
    for step in history:
        clock.advance(dt.timedelta(seconds=step.seconds))
        for request in requests_of([shifted(command, shift) for command in step.commands]):
            await carry_out(world, model, request, clock.now())


def shifted(command: Command, shift: dt.timedelta) -> Command:
    times = {
        name: value + shift
        for name in ("expires_at", "effective_at")
        if (value := getattr(command, name, None)) is not None
    }
    return msgspec.structs.replace(
        command, **times, **({"linked": False} if not isinstance(command, BATCHED) else {})
    )


def requests_of(commands: Sequence[Command]) -> list[list[Command]]:
    """Transfers that follow one another make a batch; everything else is a request of its own."""
    requests: list[list[Command]] = []
    for command in commands:
        if isinstance(command, BATCHED) and requests and isinstance(requests[-1][0], BATCHED):
            requests[-1].append(command)
        else:
            requests.append([command])
    return requests


async def carry_out(world: World, model: Book, commands: list[Command], now: dt.datetime) -> None:
    response = await send(world, commands)
    assert response.status_code < 500, response.text
    expected = rules.apply(copy.deepcopy(model), commands, now)
    codes = {outcome.refusal.code for outcome in expected if outcome.refusal is not None}
    ids = [getattr(command, "id", None) for command in commands]
    if response.status_code >= 400 and (isinstance(commands[0], BATCHED) or codes & BY_ITSELF):
        repeated = len(set(ids)) < len(ids)
        assert repeated or codes & BY_ITSELF, response.text
        return
    rules.apply(model, commands, now)
    body = response.json()
    if isinstance(commands[0], BATCHED):
        for result, outcome in zip(body["results"], expected, strict=True):
            compare(result, result.get("transfer"), outcome)
    elif expected[0].refusal is not None:
        assert body["code"] == expected[0].refusal.code
    elif expected[0].transaction is not None:
        transfers = [(t["seq"], t["id"], t["amount"]) for t in body["transfers"]]
        assert transfers == [(t.seq, t.id, t.amount) for t in expected[0].transfers]
    elif expected[0].account is not None:
        assert body["id"] == expected[0].account.id
        assert body["status"] == expected[0].account.status.value


def compare(result: dict[str, Any], transfer: dict[str, Any] | None, outcome: Outcome) -> None:
    assert result["status"] == outcome.status.value, result
    if outcome.refusal is not None:
        assert result["error"]["code"] == outcome.refusal.code
        assert result["error"].get("field", "").rpartition("].")[2] == (outcome.refusal.field or "")
    else:
        assert transfer is not None
        assert outcome.transfer is not None
        assert (transfer["seq"], transfer["id"], transfer["amount"], transfer["kind"]) == (
            outcome.transfer.seq,
            outcome.transfer.id,
            outcome.transfer.amount,
            outcome.transfer.kind.value,
        )


async def send(world: World, commands: list[Command]) -> httpx.Response:
    command = commands[0]
    match command:
        case OpenAccount():
            return await world.post("/v1/accounts", plain(command))
        case ChangeStatus():
            return await world.post(f"/v1/accounts/{command.account}/{command.action.value}")
        case ChangeLimit():
            body = {"limit": command.limit.value, "overdraft": command.overdraft}
            return await world.post(f"/v1/accounts/{command.account}/limit", body)
        case RecordTransaction():
            return await world.post("/v1/transactions", plain(command))
        case _:
            items = [{**plain(each), "type": TYPES[type(each)]} for each in commands]
            return await world.post("/v1/transfers/batch", {"transfers": items})


def plain(command: Command) -> dict[str, Any]:
    """A command as JSON, without what stands for nothing."""
    values = msgspec.to_builtins(command, builtin_types=())
    batched = isinstance(command, BATCHED)
    return {
        name: value
        for name, value in values.items()
        if name not in NOT_SENT and value is not None and value is not False and (batched or name != "linked")
    }
