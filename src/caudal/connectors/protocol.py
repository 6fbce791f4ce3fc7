"""What a connector is: everything that Caudal asks of a partner, and nothing of how it is asked."""

import datetime as dt
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

from caudal.connectors.types import (
    Answer,
    Call,
    Capabilities,
    Direction,
    Found,
    Inbound,
    Settlement,
    Snapshot,
)


class Connector(Protocol):
    """One partner's account. Calls never raise for what a partner or a network does: that is an answer.

    A connector knows no database. It may be used by many tasks of one event loop at once.
    """

    @property
    def name(self) -> str:
        """The partner, as settings, payments and accounts name it: `stripe`."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""

    async def call(self, call: Call) -> Answer:
        """Carry out `call`, sending its attempt id as the idempotency key and in the metadata."""

    async def query(self, call: Call) -> Found:
        """Learn what became of `call`, changing nothing. By partner id where known, else by attempt id."""

    async def fetch(self, partner_id: str, direction: Direction) -> Found:
        """The payment that the partner knows by this id, as it stands now.

        `CannotAsk` where it is looked up by our reference only: then its first attempt is queried instead.
        """

    def verify(self, headers: Mapping[str, str], body: bytes, *, now: dt.datetime) -> Sequence[Inbound]:
        """The events of a webhook: one, or several where the partner sends them together.

        Checks the signatures over the raw bytes. Raises `WebhookRefused`, whatever is wrong with any of them.
        `headers` have lower-case names.
        """

    def parse(self, inbound: Inbound) -> Sequence[Snapshot]:
        """What a verified webhook says of our objects; nothing where it is of no concern.

        Never raises for what it does not know: an unknown value is counted and becomes `Status.UNKNOWN`.
        """

    def settlements(self, since: dt.datetime) -> AsyncIterator[Settlement]:
        """The settlements that were made since then, oldest first. Raises `PartnerUnavailable`."""

    async def close(self) -> None:
        """Close connections."""


@runtime_checkable
class Acknowledges(Protocol):
    """A connector whose partner takes a webhook for received only if certain words answer it."""

    @property
    def acknowledgement(self) -> bytes:
        """The body of the 200, as plain text: `[accepted]`."""


@runtime_checkable
class LearnsKeys(Protocol):
    """A connector whose webhooks are signed with public keys that it fetches (`signatures.KeyedScheme`)."""

    async def learn_key(self, key_id: str) -> bool:
        """Fetch a key, so that `verify` has it; whether the partner knows one of this id."""
