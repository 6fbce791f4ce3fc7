"""A sandbox in the test's own event loop, and Stripe's own SDK to call it with."""

import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import stripe

from caudal_sandbox.faults import Faults
from caudal_sandbox.sandbox import Sandbox
from caudal_sandbox.serving import listen, serving
from caudal_sandbox.webhooks import Endpoint

API_KEY = "sk_test_of_the_tests"
SECRET = "whsec_of_the_tests"

SDK_WARNS = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
"""Stripe's SDK 16 hands httpx a text in a way that httpx would like to see the last of."""

Json = dict[str, Any]

_keys = itertools.count()


def client(url: str, http: stripe.HTTPClient | None = None) -> stripe.StripeClient:
    """Stripe's SDK, pointed at a sandbox. It repeats nothing by itself."""
    return stripe.StripeClient(
        API_KEY,
        base_addresses={"api": url, "files": url, "connect": url, "meter_events": url},
        http_client=http or stripe.HTTPXClient(timeout=10),
        max_network_retries=0,
    )


@dataclass
class StripeWorld:
    """A running sandbox, and what calls its Stripe."""

    sandbox: Sandbox
    url: str
    http: httpx.AsyncClient
    sdk: stripe.StripeClient

    def advance(self, seconds: float) -> None:
        """Let so much time go by, and what is due happen."""
        self.sandbox.world.clock.advance(seconds)

    def misbehave(self, **faults: Any) -> None:
        """From now on, these faults and no others."""
        self.sandbox.partners["stripe"].behave(faults=Faults(**faults))

    def tell(self, url: str | None, **behaviour: Any) -> None:
        """Send events to `url`, signed with `SECRET` unless told otherwise."""
        endpoint = Endpoint(url=url, **{"secrets": (SECRET,), **behaviour})
        self.sandbox.partners["stripe"].behave(endpoint=endpoint)

    async def pay(self, method: str = "pm_card_visa", *, key: str | None = None, **more: Any) -> Any:
        """A PaymentIntent of 10.50 EUR, confirmed at once."""
        params = {
            "amount": 1050,
            "currency": "eur",
            "confirm": True,
            "payment_method": method,
            "allowed_payment_method_types": ["card", "sepa_debit"],
            **more,
        }
        options: Any = {"idempotency_key": key or f"key-{next(_keys)}"}
        return await self.sdk.v1.payment_intents.create_async(params, options)  # type: ignore[arg-type]

    async def intent(self, id: str, *expand: str) -> Any:
        """The PaymentIntent as it stands."""
        return await self.sdk.v1.payment_intents.retrieve_async(id, {"expand": list(expand)})

    async def control(self, path: str, body: Json | None = None) -> Any:
        """POST to the control API, which must answer 200."""
        answer = await self.http.post(f"/control/{path}", json=body or {})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def book(self) -> Json:
        """The book of effects, of Stripe alone."""
        return (await self.http.get("/control/book?partner=stripe")).json()  # type: ignore[no-any-return]

    async def kinds(self) -> list[str]:
        """What happened, in order, without fees."""
        return [each["kind"] for each in (await self.book())["effects"] if each["kind"] != "fee"]

    async def events(self) -> list[str]:
        """The types of all events so far, oldest first."""
        page = await self.sdk.v1.events.list_async({"limit": 100})
        return [event.type for event in reversed(page.data)]


@contextlib.asynccontextmanager
async def stripe_world(*, seed: int = 1, state: Path | None = None) -> AsyncIterator[StripeWorld]:
    """A sandbox that serves while the block lasts."""
    sandbox = Sandbox(seed=seed, state=state)
    caller = stripe.HTTPXClient(timeout=10)
    async with serving(sandbox, listen("127.0.0.1", 0)) as url:
        async with httpx.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {API_KEY}"}, trust_env=False
        ) as http:
            yield StripeWorld(sandbox, url, http, client(url, caller))
        await caller.close_async()


def form(params: Json) -> bytes:
    """Flat parameters as a form."""
    return httpx.QueryParams(params).__str__().encode()


def decoded(body: bytes) -> Json:
    """A JSON object."""
    return msgspec.json.decode(body, type=dict[str, Any])
