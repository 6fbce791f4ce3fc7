"""Who may do what: scopes, principals, API keys."""

import enum
from datetime import datetime
from typing import Final, Self
from uuid import UUID

import msgspec

from caudal_base.secret import Secret


class Scope(enum.StrEnum):
    """What a key may do. Whatever is not granted is denied."""

    description: str

    def __new__(cls, value: str, description: str) -> Self:
        """A member is its value; `description` says what it permits, for lists and documents."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.description = description
        return member

    ADMIN = "admin", "Everything, in the books that the key is bound to"
    LEDGER_READ = "ledger:read", "Read accounts, balances, transfers, statements and the journal"
    LEDGER_WRITE = "ledger:write", "Record, post, void and reverse transfers"
    LEDGER_BEYOND_LIMITS = (
        "ledger:beyond_limits",
        "Record what has happened outside, past limits and onto closed or frozen accounts",
    )
    LEDGER_CLOSE_PERIOD = "ledger:close_period", "Close accounting periods"
    LEDGER_POST_CLOSED_PERIOD = (
        "ledger:post_closed_period",
        "Record transfers with an effective date inside a closed period",
    )
    LEDGER_CORRECT = (
        "ledger:correct",
        "Reverse transfers of payments, and move money on the accounts that payments keep",
    )
    ACCOUNTS_WRITE = "accounts:write", "Open, change, freeze, close and reopen accounts"
    CUSTOMERS_READ = "customers:read", "Read customers and products"
    CUSTOMERS_WRITE = "customers:write", "Create and change customers and products"
    PAYMENTS_READ = "payments:read", "Read payments, refunds, disputes and events"
    PAYMENTS_WRITE = "payments:write", "Create, capture, cancel and refund payments"
    PAYMENTS_REVIEW = "payments:review", "Approve and decline payments that are held for review"
    RISK_READ = "risk:read", "Read decisions on payments and applications, and make them again"
    RISK_WRITE = (
        "risk:write",
        "Publish features, tell of their events, say what became of payments, decide on applications",
    )
    CASES_READ = "cases:read", "Read cases: work for people"
    CASES_WRITE = "cases:write", "Open, assign, close and reopen cases, and write on them"
    WEBHOOKS_READ = "webhooks:read", "Read webhook endpoints and what was sent to them"
    WEBHOOKS_WRITE = (
        "webhooks:write",
        "Create, change and delete webhook endpoints, rotate their secrets, send again",
    )
    ROUTING_READ = "routing:read", "Read routing rules and figures, and try rules on payments of the past"
    ROUTING_WRITE = "routing:write", "Write and publish routing rules, drain partners"
    RULES_READ = "rules:read", "Read rules of decisions, try them on decisions of the past, see how they do"
    RULES_WRITE = "rules:write", "Draft, publish and snooze rules of decisions"
    RULES_REVIEW = "rules:review", "Accept and reject drafts of rules that others wrote"
    MODELS_READ = "models:read", "Read models, what serves, and how models drift"
    MODELS_WRITE = "models:write", "Register models, and let them score as shadows"
    MODELS_APPROVE = (
        "models:approve",
        "Let models that others registered decide, set thresholds, take models back",
    )
    OBJECTIVES_READ = "objectives:read", "Read service-level objectives and how they stand"
    OBJECTIVES_WRITE = "objectives:write", "Set service-level objectives"
    BOOKS_WRITE = "books:write", "Create books"
    KEYS_READ = "keys:read", "List API keys"
    KEYS_WRITE = "keys:write", "Create and revoke API keys, none wider than this one"
    AUDIT_READ = "audit:read", "Read and verify the audit log"


class Environment(enum.StrEnum):
    """What a key is for; its text says so, so that people and scanners can tell a live one."""

    LIVE = "live"
    TEST = "test"


class KeyStatus(enum.StrEnum):
    """Whether a key works."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


DEPLOYMENT: Final = 0
"""The `book_id` of what belongs to no book: reached by keys that are bound to no books in particular."""


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who makes a request, as far as is needed to decide what it may do."""

    id: UUID
    """The lasting identity: a key that succeeds another has the same. Idempotency keys belong to it."""
    key_id: UUID
    """The key that was presented; equal to `id` unless it succeeded another."""
    actor: str
    """How the audit log names it: the external id of the key, or `operator`."""
    name: str
    """What people call the key."""
    scopes: frozenset[str]
    """What it may do; `admin` is spelled out, so membership is the whole question."""
    books: frozenset[int] | None
    """The books that it reaches; None is all of them."""
    requests_per_second: int | None = None
    """As of its key."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """A principal in the course of one request, for the audit log."""

    principal: Principal
    request_id: str
    """The external id of the request (`req_…`)."""
    origin: str | None = None
    """The caller's network address; None from inside."""


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it may be shown: everything but its secret part."""

    id: UUID
    principal_id: UUID
    """The id of the first key of this principal: its own, unless it succeeded another."""
    environment: Environment
    public_id: str
    """The part of the text after `caudal_<environment>_` that may be shown."""
    name: str
    scopes: frozenset[str]
    """As they were granted, sorted when shown."""
    books: frozenset[int] | None
    """None is all books, those to come included."""
    created_at: datetime
    created_by: str
    """The actor that made it."""
    expires_at: datetime | None
    """The first moment at which it no longer works."""
    revoked_at: datetime | None
    revoked_by: str | None
    last_used_at: datetime | None
    """Coarse (`service.USE_PRECISION`), and some time behind; None if it was never used."""
    requests_per_second: int | None = None
    """What it may ask of the API; 0 is no limit, None what the settings say for keys like any other."""

    def status(self, at: datetime) -> KeyStatus:
        """Whether the key works at the moment `at`. Revoked outweighs expired."""
        if self.revoked_at is not None:
            return KeyStatus.REVOKED
        if self.expires_at is not None and self.expires_at <= at:
            return KeyStatus.EXPIRED
        return KeyStatus.ACTIVE


class Credential(msgspec.Struct, frozen=True):
    """A stored key with the digest that proves its text."""

    key: ApiKey
    digest: bytes

    def __repr__(self) -> str:
        """Without the digest: it identifies a secret."""
        return f"Credential({self.key!r})"


class CreateKey(msgspec.Struct, frozen=True, kw_only=True):
    """Make a key."""

    name: str
    """What people call it: 1 to 100 printable characters, and no personal data."""
    scopes: frozenset[Scope]
    books: frozenset[int] | None
    """None is all books, those to come included."""
    environment: Environment
    expires_at: datetime | None = None
    succeeds: UUID | None = None
    """Rotation: the id of a key whose principal this one becomes too. Both work until one is revoked."""
    requests_per_second: int | None = None
    """As `ApiKey.requests_per_second`; None of a key that succeeds another is what that one may."""


class ChangeKey(msgspec.Struct, frozen=True, kw_only=True):
    """Let a key make more requests, or fewer."""

    key_id: UUID
    requests_per_second: int | None
    """As `ApiKey.requests_per_second`."""


class RevokeKey(msgspec.Struct, frozen=True):
    """Stop a key, for good."""

    key_id: UUID


class IssuedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A new key with its text, which exists nowhere else: shown once, never stored."""

    key: ApiKey
    text: Secret


class KeyPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some keys, newest first, and where to go on."""

    keys: tuple[ApiKey, ...]
    next_cursor: str | None
    """Give it to the next call; None when there is no more."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Uses of a key that is known and no longer works."""

    key_id: UUID
    status: KeyStatus
    at: datetime
    """Of the first use, as are `request_id` and `origin`."""
    request_id: str
    origin: str | None
    count: int
    """How many there were, where those of one second in one process count as one."""


OPERATOR: Final = Principal(
    id=UUID(int=0),
    key_id=UUID(int=0),
    actor="operator",
    name="operator",
    scopes=frozenset(Scope),
    books=None,
)
"""Whoever runs commands on the machine: they have the database, so nothing is denied them here."""
