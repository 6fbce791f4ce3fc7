"""An acquirer of the sandbox in the test's own event loop: what calls it, and what listens to it."""

import contextlib
import datetime as dt
import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec

from caudal.connectors import Call, Direction, Drift, Method, Operation, Supported
from caudal.connectors.contract import Delivery, Fault, Instrument
from caudal.connectors.meridian import Meridian as MeridianConnector
from caudal.connectors.meridian import create
from caudal_base.clock import SystemClock
from caudal_base.secret import Secret
from caudal_base.settings import PartnerSettings
from caudal_sandbox.meridian import Meridian
from caudal_sandbox.meridian.notifications import seal
from caudal_sandbox.messages import Request, Response
from caudal_sandbox.sandbox import Sandbox
from caudal_sandbox.serving import listen, serving
from caudal_sandbox.webhooks import Endpoint
from support.banks import Listener

API_KEY = "mk_test_of_the_tests"
SECRET = "5e" * 32
OLDER_SECRET = "01d0" * 16

Json = dict[str, Any]

_keys = itertools.count()


@dataclass
class MeridianWorld:
    """A running sandbox, and its Meridian."""

    sandbox: Sandbox
    url: str
    http: httpx.AsyncClient

    @property
    def partner(self) -> Meridian:
        """The simulated acquirer."""
        partner = self.sandbox.partners["meridian"]
        assert isinstance(partner, Meridian)
        return partner

    def advance(self, seconds: float) -> None:
        """Let so much time go by, and what is due happen."""
        self.sandbox.world.clock.advance(seconds)

    def misbehave(self, **faults: Any) -> None:
        """From now on, these faults and no others."""
        self.partner.behave(faults=msgspec.structs.replace(Meridian.default_faults, **faults))

    def tell(self, url: str, **behaviour: Any) -> None:
        """Send notifications to `url`, signed with `SECRET` unless told otherwise."""
        self.partner.behave(endpoint=Endpoint(url=url, **{"secrets": (SECRET,), **behaviour}))

    async def post(self, path: str, body: Json, *, key: str | None = None) -> httpx.Response:
        """POST to Meridian, with a new key where none is given."""
        headers = {"Idempotency-Key": key or f"key-{next(_keys)}"}
        return await self.http.post(f"/meridian/v3/{path}", json=body, headers=headers)

    async def pay(self, card: str = "mtk_ok", *, reference: str = "att_1", **change: Any) -> Json:
        """The answer to a payment, which must be a 200."""
        answer = await self.post("payments", payment(card, reference=reference, **change))
        assert answer.status_code == 200, answer.text
        return answer.json()  # type: ignore[no-any-return]

    async def search(self, reference: str) -> list[Json]:
        """What a search shows of a reference."""
        answer = await self.http.get("/meridian/v3/search", params={"merchantReference": reference})
        assert answer.status_code == 200, answer.text
        return answer.json()["results"]  # type: ignore[no-any-return]

    async def control(self, path: str, body: Json | None = None) -> httpx.Response:
        """POST to the control API."""
        return await self.http.post(f"/control/{path}", json=body or {})

    async def book(self) -> Json:
        """The book of effects, of Meridian alone."""
        answer = await self.http.get("/control/book?partner=meridian")
        return answer.json()  # type: ignore[no-any-return]

    async def kinds(self) -> list[str]:
        """What happened, in order, without fees."""
        return [each["kind"] for each in (await self.book())["effects"] if each["kind"] != "fee"]

    def connector(self, drift: Drift | None = None, **change: Any) -> MeridianConnector:
        """A connector to it."""
        return create("meridian", settings(self.url, **change), drift or Drift("meridian", SystemClock()))


def settings(url: str, **change: Any) -> PartnerSettings:
    """As a deployment would have them."""
    given: Json = {"connector": "meridian", "book": "main", "url": url, "api_key": Secret(API_KEY)}
    return PartnerSettings(**{**given, "webhook_secrets": [Secret(OLDER_SECRET), Secret(SECRET)], **change})


def payment(card: str, *, value: str = "10.50", currency: str = "EUR", reference: str, **change: Any) -> Json:
    """The body of a payment."""
    amount = {"value": value, "currency": currency, "exponent": 2}
    return {
        "merchantReference": reference, "amount": amount, "intent": "SALE", "cardToken": card, **change,
    }  # fmt: skip


def call_of(card: str = "mtk_ok", **change: Any) -> Call:
    """A payment of 10.50 EUR."""
    given: Json = {
        "attempt_id": "att_1", "payment_id": "pay_1", "operation": Operation.SUBMIT,
        "direction": Direction.PAY_IN, "method": Method.CARD, "amount": 1050, "currency": "EUR",
        "instrument": card,
    }  # fmt: skip
    return Call(**{**given, **change})


@contextlib.asynccontextmanager
async def meridian_world(*, seed: int = 1, state: Path | None = None) -> AsyncIterator[MeridianWorld]:
    """A sandbox that serves while the block lasts."""
    sandbox = Sandbox(seed=seed, state=state)
    async with (
        serving(sandbox, listen("127.0.0.1", 0)) as url,
        httpx.AsyncClient(
            base_url=url, headers={"X-API-Key": API_KEY}, trust_env=False, verify=False
        ) as http,
    ):
        yield MeridianWorld(sandbox, url, http)


class Accepting(Listener):
    """Takes notifications, with the words that Meridian wants."""

    def handle(self, request: Request) -> Response:
        """Take a batch."""
        self.requests.append(request)
        return Response(200, b"[accepted]", (("content-type", "text/plain"),))

    @property
    def items(self) -> list[Json]:
        """The items that came, in order."""
        return [item for request in self.requests for item in msgspec.json.decode(request.body)["items"]]

    @property
    def codes(self) -> list[str]:
        """Of the items, with a minus before what did not succeed."""
        return [f"{'' if it['success'] == 'true' else '-'}{it['eventCode']}" for it in self.items]


class MeridianSimulator:
    """A `caudal.connectors.contract.Simulator`."""

    signs_time = False
    signs_bodies = False

    def __init__(self, world: MeridianWorld, listener: Listener, *, good: str = "mtk_ok") -> None:
        """`good` is the card whose payments succeed; `listener` takes the notifications."""
        self._world = world
        self._listener = listener
        self._good = good
        self._lag_s = 0.0
        world.tell(listener.url)

    def instrument(self, supported: Supported, wanted: Instrument) -> str | None:
        """A card that behaves so."""
        return self._good if wanted is Instrument.GOOD else "mtk_insufficient"

    def now(self) -> dt.datetime:
        """The sandbox's time: signatures say none, reports do."""
        return dt.datetime.fromtimestamp(self._world.sandbox.world.clock.now(), dt.UTC)

    def sign(self, body: bytes, *, at: dt.datetime) -> Delivery:
        """With each of its items signed anew."""
        return Delivery({}, seal(body, (SECRET,)))

    async def misbehave(self, fault: Fault | None) -> None:
        """Every call that changes something meets `fault`."""
        faults = {} if fault is None else {fault.value: 1}
        self._world.misbehave(**faults, reads=False, search_lag_s=self._lag_s)

    async def lag_search(self, lag: dt.timedelta) -> None:
        """A search sees nothing that is younger."""
        self._lag_s = lag.total_seconds()
        await self.misbehave(None)

    async def advance(self, step: dt.timedelta) -> None:
        """Let so much time go by."""
        self._world.advance(step.total_seconds())

    async def effects(self, attempt_id: str) -> int:
        """By the book."""
        book = self._world.sandbox.world.effects.book("meridian")
        return int(book["attempts"].get(attempt_id, 0))

    async def deliveries(self) -> Sequence[Delivery]:
        """What has come since the last time."""
        await self._world.control("webhooks/flush")
        taken = [Delivery(request.headers, request.body) for request in self._listener.requests]
        self._listener.requests.clear()
        return taken

    async def settle(self) -> None:
        """Pay out what is due."""
        await self._world.control("settle", {"partner": "meridian"})
