"""How an endpoint is declared: what it takes, who may call it, what it answers, what the document says."""

import enum
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

import msgspec

from caudal.access import Scope
from caudal.api.request import Request
from caudal.idempotency import Answer

Q = TypeVar("Q", bound=msgspec.Struct)
B = TypeVar("B", bound=msgspec.Struct)


RAW_BYTES: Final = 1_048_576
"""The largest body of an endpoint that takes it raw."""


class NoQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No query parameters."""


class NoBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No body, or an empty object."""


class Access(enum.Enum):
    """Who may call an endpoint."""

    PUBLIC = "public"
    """Anybody."""
    KEY = "key"
    """Whoever has an API key with the scope, whatever its books."""
    BOOK = "book"
    """Whoever has an API key with the scope in the request's book."""


class KeyUse(enum.Enum):
    """What an endpoint does with the header `Idempotency-Key`."""

    NONE = "none"
    ACCEPTED = "accepted"
    REQUIRED = "required"
    """It moves money: without a key, a caller that got no answer could not ask again."""


class Stream(msgspec.Struct, frozen=True):
    """A response whose body is made while it is sent."""

    content_type: str
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One response of an endpoint, for the document."""

    description: str
    type: Any = None
    """A struct for JSON; None for another media type."""
    media_type: str = "application/json"
    example: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names and descriptions."""


@dataclass(frozen=True, kw_only=True)
class Endpoint(Generic[Q, B]):
    """One method of one path."""

    method: str
    path: str
    """Parameters in braces: `/v1/transfers/{id}`. All of them are ids or names."""
    name: str
    """The operation's id in the document."""
    tag: str
    summary: str
    description: str = ""
    handle: Callable[[Request[Q, B]], Awaitable[Answer | Stream]]
    query: type[Q]
    body: type[B]
    access: Access = Access.BOOK
    scope: Scope | None = None
    key: KeyUse = KeyUse.NONE
    answers: Mapping[int, tuple[Shape, ...]]
    """By status, the responses that are no errors."""
    errors: tuple[int, ...] = ()
    """Statuses of refusals, beside those that every endpoint of its kind has."""
    example: Any = None
    """A request body."""
    path_ids: Mapping[str, str] = field(default_factory=dict)
    """By path parameter, an example."""
    refuses: bool = False
    """It gives the ledger commands, which refuses them with 404, 409 and 422."""
    documented: bool = True
    """Whether it stands in the document: pages for people do not."""
    raw: bool = False
    """The body is taken as it comes, of any media type, and the query is not looked at: for those who do not
    call by our rules. At most `RAW_BYTES`; the handler finds it in `Request.raw`."""
    hot: bool = False
    """Served before the framework's routing: see `caudal.app`."""
    waits: bool = True
    """Whether a read takes an ordinary place (`caudal.api.places`) before it is handled. Those that take a
    long one themselves do not, nor do measurements."""
    admit: Callable[[Request[Q, B]], None] | None = None
    """Asked once the caller and the book are known, before the body is read: it raises `Unavailable`
    where too much is waiting already. So what is shed costs little, and the rest is served."""

    @property
    def body_is_optional(self) -> bool:
        """Whether the body may be left out: no field of it is required."""
        return all(not member.required for member in msgspec.structs.fields(self.body))
