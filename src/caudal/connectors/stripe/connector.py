"""Stripe as a `Connector`: PaymentIntents, refunds, disputes and payouts, by its official SDK."""

import asyncio
import datetime as dt
import importlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from caudal.connectors.drift import Drift
from caudal.connectors.errors import PartnerUnavailable
from caudal.connectors.signatures import StripeScheme
from caudal.connectors.stripe import events, rules, settlements, snapshots
from caudal.connectors.stripe.failures import Failed, answer_of, declined, found_of
from caudal.connectors.stripe.requests import DEBITS, EXPANDED, is_id, request_of, search_query
from caudal.connectors.types import (
    Answer,
    Call,
    CannotAsk,
    Capabilities,
    CaptureMode,
    Direction,
    Found,
    Inbound,
    Method,
    NotFound,
    Operation,
    Refused,
    Reported,
    Settlement,
    Snapshot,
    Supported,
    Unknown,
    Why,
)
from caudal_base.settings import PartnerSettings

if TYPE_CHECKING:
    from caudal.connectors.stripe.sdk import Sdk

API_VERSION: Final = "2026-10-28.endive"
"""The version of Stripe's API that these mappings were written against, sent with every request."""

CAPABILITIES: Final = Capabilities(
    supported=(
        Supported(
            direction=Direction.PAY_IN,
            method=Method.CARD,
            currencies=None,
            capture_modes=frozenset(CaptureMode),
            multiple_captures=True,
            increments=True,
            cancels=True,
            refunds=True,
            authenticates=True,
        ),
        Supported(
            direction=Direction.PAY_IN,
            method=Method.BANK_DEBIT,
            currencies=frozenset(DEBITS),
            refunds=True,
        ),
    ),
    # "Keys are removed from the system after they're at least 24 hours old": a little less, for safety.
    key_lifetime=dt.timedelta(hours=23),
    # Search sees an object "in less than a minute" as a rule, and later during incidents.
    search_horizon=dt.timedelta(hours=1),
    authorisation_lifetime=dt.timedelta(days=7),
    poll_after=dt.timedelta(minutes=10),
    api_version=API_VERSION,
)


class StripeConnector:
    """One Stripe account. The SDK is imported and connections are made on the first call."""

    def __init__(self, name: str, settings: PartnerSettings, drift: Drift) -> None:
        """`settings.url` replaces Stripe's address: a sandbox, or a proxy."""
        self._name = name
        self._settings = settings
        self._drift = drift
        self._capabilities = msgspec.structs.replace(CAPABILITIES, calls_per_second=_rate(settings))
        self._scheme = StripeScheme(settings.webhook_secrets)
        self._sdk: Sdk | None = None
        self._loading = asyncio.Lock()

    @property
    def name(self) -> str:
        """As settings name it."""
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        """Stripe's; how many captures or increments a card allows, Stripe says at each call."""
        return self._capabilities

    async def call(self, call: Call) -> Answer:
        """Carry out `call` under its attempt's id as the idempotency key."""
        request = request_of(call)
        if isinstance(request, Refused):
            return request
        sdk = await self._loaded()
        answered = await sdk.request("post", request.path, request.params, key=call.attempt_id)
        if isinstance(answered, Failed):
            return self._failed(answered, call)
        read = snapshots.refund if call.operation is Operation.REFUND else snapshots.payment
        snapshot = read(self._drift, answered)
        return Unknown(Why.UNREADABLE) if snapshot is None else Reported(snapshot)

    def _failed(self, failed: Failed, call: Call) -> Answer:
        intent = failed.error.get("payment_intent")
        if failed.status == 402 and call.operation is Operation.SUBMIT and isinstance(intent, dict):
            # Declined: the PaymentIntent exists, and has failed.
            snapshot = snapshots.payment(self._drift, intent)
            if snapshot is not None:
                return Reported(snapshots.with_decline(snapshot, declined(failed.error, self._drift)))
        return answer_of(failed, call.operation, self._drift)

    async def query(self, call: Call) -> Found:
        """Learn what became of `call`: from the PaymentIntent, its refunds, or a search by attempt."""
        if call.partner_id is None:
            if call.operation is not Operation.SUBMIT:
                return CannotAsk()
            return await self._search(call)
        if not is_id(call.partner_id):
            return NotFound()
        if call.operation is Operation.REFUND:
            return await self._find_refund(call)
        found = await self._retrieve(call.partner_id, call.operation)
        return rules.outcome(call, found.snapshot) if isinstance(found, Reported) else found

    async def fetch(self, partner_id: str, direction: Direction) -> Found:
        """The PaymentIntent of this id, as it stands now."""
        if direction is not Direction.PAY_IN:
            return CannotAsk()
        return await self._retrieve(partner_id, Operation.SUBMIT) if is_id(partner_id) else NotFound()

    async def _retrieve(self, partner_id: str, operation: Operation) -> Found:
        sdk = await self._loaded()
        answered = await sdk.request("get", f"/v1/payment_intents/{partner_id}", {"expand": EXPANDED})
        if isinstance(answered, Failed):
            return found_of(answered, operation, self._drift)
        snapshot = snapshots.payment(self._drift, answered)
        return Unknown(Why.UNREADABLE) if snapshot is None else Reported(snapshot)

    async def _search(self, call: Call) -> Found:
        """By attempt. What is found is fetched again: a search may show an object as it was."""
        if not is_id(call.attempt_id):
            return NotFound()
        sdk = await self._loaded()
        params = {"query": search_query(call.attempt_id), "limit": 2}
        answered = await sdk.request("get", "/v1/payment_intents/search", params)
        if isinstance(answered, Failed):
            return found_of(answered, call.operation, self._drift)
        ids = rules.ids_of_attempt(answered, call.attempt_id, self._drift)
        match ids:
            case None:
                return Unknown(Why.UNREADABLE)
            case []:
                return NotFound()
            case [partner_id]:
                return await self._retrieve(partner_id, call.operation)
            case _:
                return Unknown(Why.SEVERAL_FOUND)

    async def _find_refund(self, call: Call) -> Found:
        params = {"payment_intent": call.partner_id, "expand": ["data.balance_transaction"]}
        found = []
        try:
            async for fields in settlements.pages(self._list, self._drift, "/v1/refunds", params):
                snapshot = snapshots.refund(self._drift, fields)
                if snapshot is not None and snapshot.attempt_id == call.attempt_id:
                    found.append(snapshot)
        except PartnerUnavailable:
            return Unknown(Why.SERVER_ERROR)
        match found:
            case []:
                return NotFound()
            case [snapshot]:
                return Reported(snapshot)
            case _:
                return Unknown(Why.SEVERAL_FOUND)

    def verify(self, headers: Mapping[str, str], body: bytes, *, now: dt.datetime) -> Sequence[Inbound]:
        """The event that Stripe signed. Raises `WebhookRefused`."""
        self._scheme.verify(headers, body, now=now)
        return (events.inbound_of(body),)

    def parse(self, inbound: Inbound) -> Sequence[Snapshot]:
        """What an event says of a PaymentIntent, refund, dispute or payout."""
        return events.snapshots_of(inbound, self._drift, version=API_VERSION)

    def settlements(self, since: dt.datetime) -> AsyncIterator[Settlement]:
        """The payouts to our bank that were created since then. Raises `PartnerUnavailable`."""
        return settlements.settlements(self._list, self._drift, since)

    async def close(self) -> None:
        """Close connections."""
        if self._sdk is not None:
            await self._sdk.close()

    async def _list(self, path: str, params: Mapping[str, Any]) -> dict[str, Any] | Failed:
        sdk = await self._loaded()
        return await sdk.request("get", path, params)

    async def _loaded(self) -> "Sdk":
        """The SDK. Importing it takes 0.3 s, which the event loop spends on other things."""
        if self._sdk is None:
            async with self._loading:
                if self._sdk is None:
                    module = await asyncio.to_thread(importlib.import_module, "caudal.connectors.stripe.sdk")
                    self._sdk = module.Sdk(
                        api_key=self._settings.api_key,
                        url=self._settings.url,
                        version=API_VERSION,
                        timeout=dt.timedelta(milliseconds=self._settings.timeout_ms),
                    )
        return self._sdk


def _rate(settings: PartnerSettings) -> float | None:
    """Calls a second that Stripe allows in live mode, and in a sandbox of its own ("Rate limits")."""
    if settings.url is not None:
        return None
    return 25.0 if "_test_" in settings.api_key.reveal()[:9] else 100.0
