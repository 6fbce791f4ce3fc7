"""The bank as a connector: payouts by credit transfer, pay-ins by direct debit, and what comes back."""

import datetime as dt
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from caudal.connectors.bank import rules
from caudal.connectors.bank.answers import Answers
from caudal.connectors.bank.requests import METHODS, order_path, post_of, search_path
from caudal.connectors.drift import Drift, DriftKind
from caudal.connectors.errors import PartnerUnavailable, RefusalReason, WebhookRefused
from caudal.connectors.http import Http
from caudal.connectors.signatures import StandardWebhooks
from caudal.connectors.types import (
    Answer,
    Call,
    CannotAsk,
    Capabilities,
    Direction,
    Found,
    Inbound,
    NotSent,
    Operation,
    PartnerError,
    Refused,
    Settlement,
    Snapshot,
    Supported,
    Unknown,
)
from caudal_base.settings import PartnerSettings

API_VERSION: Final = "2026-09-01"
"""Sent with every call; the bank answers in the shapes of this version."""

CURRENCIES: Final = frozenset({"CHF", "CZK", "DKK", "EUR", "GBP", "NOK", "PLN", "SEK", "USD"})

CAPABILITIES: Final = Capabilities(
    supported=tuple(
        Supported(
            direction=direction,
            method=method,
            currencies=CURRENCIES,
            cancels=True,
            refunds=direction is Direction.PAY_IN,
        )
        for direction, method in METHODS.items()
    ),
    key_lifetime=dt.timedelta(hours=1),
    search_horizon=dt.timedelta(minutes=1),
    api_version=API_VERSION,
)

PAGE: Final = 100
"""Settlements or lines that are asked for at a time: the most that the bank gives."""

MOST_PAGES: Final = 2_000
"""Of one list: a bound that no true list reaches."""

_encoder: Final = msgspec.json.Encoder()
_event_decoder: Final = msgspec.json.Decoder(dict[str, Any])


class Bank:
    """One account with the bank, as `caudal.connectors.Connector` describes it."""

    def __init__(
        self,
        name: str,
        api: Http,
        webhooks: StandardWebhooks,
        drift: Drift,
        *,
        capabilities: Capabilities = CAPABILITIES,
    ) -> None:
        """With `capabilities` that have no search horizon the bank is one that cannot be asked."""
        self._name = name
        self._api = api
        self._webhooks = webhooks
        self._drift = drift
        self._capabilities = capabilities
        self._answers = Answers(drift)

    @property
    def name(self) -> str:
        """As settings, payments and accounts name it."""
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        """Transfers out and direct debits in; both may be called off while they are pending."""
        return self._capabilities

    async def call(self, call: Call) -> Answer:
        """Order, call off or refund, under the attempt's id as key and reference."""
        post = post_of(call)
        if isinstance(post, PartnerError):
            return Refused(post)
        reply = await self._api.post(post.path, _encoder.encode(post.body), key=call.attempt_id)
        if isinstance(reply, NotSent | Unknown):
            return reply
        return self._answers.to_call(reply, post.answers, call)

    async def query(self, call: Call) -> Found:
        """What became of an order or a refund. Of a cancellation: whether what it calls off is cancelled.

        A cancellation of what is still pending is `NotFound`: it has not arrived, or not yet.
        """
        post = post_of(call)
        if isinstance(post, PartnerError):
            return Refused(post)
        if self._capabilities.search_horizon is None:
            return CannotAsk()
        if call.operation is Operation.CANCEL and call.partner_id is not None:
            return self._answers.to_cancel_query(await self.fetch(call.partner_id, call.direction))
        if call.operation is Operation.SUBMIT and call.partner_id is not None:
            return await self.fetch(call.partner_id, call.direction)
        reply = await self._api.get(search_path(post.answers, call.attempt_id))
        if isinstance(reply, NotSent | Unknown):
            return Unknown(reply.reason)
        return self._answers.to_search(reply, post.answers, call.attempt_id)

    async def fetch(self, partner_id: str, direction: Direction) -> Found:
        """The transfer or direct debit of this id."""
        if self._capabilities.search_horizon is None:
            return CannotAsk()
        resource = rules.resource_of(direction)
        reply = await self._api.get(order_path(resource, partner_id))
        if isinstance(reply, NotSent | Unknown):
            return Unknown(reply.reason)
        return self._answers.to_fetch(reply, resource)

    def verify(self, headers: Mapping[str, str], body: bytes, *, now: dt.datetime) -> Sequence[Inbound]:
        """Check a webhook by Standard Webhooks; it has one event. Raises `WebhookRefused`."""
        signed = self._webhooks.verify(headers, body, now=now)
        try:
            fields = _event_decoder.decode(body)
            event_type, created_at = fields["type"], msgspec.convert(fields["timestamp"], dt.datetime)
        except (msgspec.MsgspecError, UnicodeDecodeError, KeyError) as error:
            raise _unreadable() from error
        if signed.id is None or not isinstance(event_type, str) or created_at.tzinfo is None:
            raise _unreadable()
        return (Inbound(event_id=signed.id, type=event_type, created_at=created_at, body=body),)

    def parse(self, inbound: Inbound) -> Sequence[Snapshot]:
        """The order, refund or settlement that the event is about, as it stood then."""
        try:
            fields = _event_decoder.decode(inbound.body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self._drift.record(DriftKind.UNEXPECTED_TYPE, "event", inbound.type)
            return ()
        snapshot = rules.event_snapshot(fields, self._drift)
        return () if snapshot is None else (snapshot,)

    async def settlements(self, since: dt.datetime) -> AsyncIterator[Settlement]:
        """The settlements since then, oldest first. Raises `PartnerUnavailable`.

        One that is not the sum of its lines is drift, and left out: nothing is posted on a guess.
        """
        query = {"created_from": since.astimezone(dt.UTC).isoformat()}
        async for fields in self._rows(rules.SETTLEMENTS, query):
            partner_id = fields.get("id")
            if not isinstance(partner_id, str):
                partner_id = ""
            lines = (
                [line async for line in self._rows(rules.lines_path(partner_id), {})] if partner_id else []
            )
            settlement = rules.settlement(fields, lines, self._drift)
            if settlement is not None:
                yield settlement

    async def close(self) -> None:
        """Close connections."""
        await self._api.close()

    async def _rows(self, path: str, query: Mapping[str, str]) -> AsyncIterator[Mapping[str, Any]]:
        """All rows of a list, page after page. Raises `PartnerUnavailable`."""
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            parameters = {**query, "limit": str(PAGE)}
            if cursor is not None:
                parameters["cursor"] = cursor
            reply = await self._api.get(f"{path}?{urlencode(parameters)}")
            if isinstance(reply, NotSent | Unknown):
                raise PartnerUnavailable(f"{self._name} does not list {path}: {reply.reason}")
            rows = (reply.fields or {}).get("data")
            if reply.status != 200 or not isinstance(rows, list):
                raise PartnerUnavailable(f"{self._name} does not list {path}: status {reply.status}")
            for row in rows:
                if isinstance(row, dict):
                    yield row
            cursor = (reply.fields or {}).get("next_cursor")
            if not isinstance(cursor, str):
                return
        raise PartnerUnavailable(f"{self._name} lists more than {MOST_PAGES * PAGE} rows at {path}")


def create(name: str, settings: PartnerSettings, drift: Drift) -> Bank:
    """The connector of a partner. Raises `ValueError` for settings that it cannot work with."""
    if settings.url is None:
        raise ValueError("a bank needs the address of its API, without /bank/v1")
    api = Http(
        settings.url,
        key_header="Authorization",
        key_scheme="Bearer ",
        api_key=settings.api_key,
        headers={"Accept": "application/json", "Bank-Version": API_VERSION},
        timeout=dt.timedelta(milliseconds=settings.timeout_ms),
    )
    return Bank(name, api, StandardWebhooks(settings.webhook_secrets), drift)


def _unreadable() -> WebhookRefused:
    return WebhookRefused(RefusalReason.MALFORMED, "rightly signed, and no event that can be read")
