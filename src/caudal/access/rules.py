"""The form of API keys, and what a principal may do.

A key's text is `caudal_<environment>_<44 random characters>_<checksum>`, of base62 digits:

    caudal_(?:live|test)_[0-9A-Za-z]{44}_[0-9A-Za-z]{6}

The first 12 of the 44 are the public id, which is stored and shown; the other 32 carry 190 bits that are
known to the holder alone. The checksum is the CRC-32 (of zlib) of all that stands before its underscore,
as six base62 digits, most significant first: a scanner can tell a leaked key from a chance match without
asking anyone. It keeps no secret.

Stored is the SHA-256 of the whole text. A slow hash protects what people choose; 190 random bits cannot be
guessed, and every request has to be checked.
"""

import hashlib
import hmac
import re
import zlib
from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from caudal.access.errors import (
    BookOutOfReach,
    BookRequired,
    GrantTooWide,
    InvalidApiKey,
    InvalidKeyRequest,
    MissingScope,
)
from caudal.access.types import ApiKey, CreateKey, Credential, Environment, Principal, Scope
from caudal_base import ids
from caudal_base.ids import Entropy
from caudal_base.secret import Secret

PATTERN: Final = r"caudal_(?:live|test)_[0-9A-Za-z]{44}_[0-9A-Za-z]{6}"
"""The regular expression of a key, for scanners."""

BOOK_HEADER: Final = "Caudal-Book"

MAX_BOOK_ID: Final = 2**31 - 1

MAX_REQUESTS_PER_SECOND: Final = 1_000_000

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_DIGITS: Final = 44
_PUBLIC_DIGITS: Final = 12
_CHECKSUM_DIGITS: Final = 6
_ENTROPY_BYTES: Final = 48
"""122 bits more than 44 digits hold, so that the remainder is as good as uniform."""

_KEY = re.compile(r"(caudal_(?:live|test)_([0-9A-Za-z]{12})[0-9A-Za-z]{32})_([0-9A-Za-z]{6})", re.ASCII)
_KEY_ANYWHERE = re.compile(PATTERN)

TEXT_LENGTH: Final = len("caudal_live_") + _RANDOM_DIGITS + 1 + _CHECKSUM_DIGITS
"""Characters in a key's text."""

_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([^ ]+)")
_EVERY_SCOPE: Final = frozenset(scope.value for scope in Scope)
_NO_DIGEST: Final = bytes(32)


class NewKey(NamedTuple):
    """The parts of a key that was just made up."""

    text: Secret
    public_id: str
    digest: bytes


def new_key(environment: Environment, entropy: Entropy) -> NewKey:
    """A key's text, its public id and its digest; `entropy` must be a cryptographic source."""
    number = int.from_bytes(entropy(_ENTROPY_BYTES), "big") % len(_DIGITS) ** _RANDOM_DIGITS
    random = _base62(number, _RANDOM_DIGITS)
    body = f"caudal_{environment.value}_{random}"
    text = Secret(f"{body}_{checksum(body)}")
    return NewKey(text, random[:_PUBLIC_DIGITS], digest(text))


def checksum(body: str) -> str:
    """The last six characters of the key that starts with `body`."""
    return _base62(zlib.crc32(body.encode()), _CHECKSUM_DIGITS)


def digest(presented: Secret) -> bytes:
    """What is stored of a key, and what a presented one is recognised by: its SHA-256.

    Of a text that is too long to be a key, only so much is read that it cannot be one.
    """
    return hashlib.sha256(presented.reveal()[: TEXT_LENGTH + 1].encode(errors="surrogatepass")).digest()


def public_id_of(presented: Secret) -> str | None:
    """The public id in a text; None unless it has the form of a key and its checksum is right."""
    match = _KEY.fullmatch(presented.reveal())
    if match is None or checksum(match[1]) != match[3]:
        return None
    return match[2]


def bearer(authorization: str | None) -> Secret:
    """The key in the header `Authorization`, unchecked. `InvalidApiKey` where there is none."""
    match = _BEARER.fullmatch(authorization) if authorization is not None else None
    if match is None:
        raise InvalidApiKey
    return Secret(match[1])


def proves(credential: Credential | None, presented: bytes) -> bool:
    """Whether a text of the digest `presented` is the key that is stored. Takes the same time either way."""
    stored = _NO_DIGEST if credential is None else credential.digest
    return hmac.compare_digest(stored, presented) and credential is not None


def principal(credential: Credential) -> Principal:
    """Who presents the key. Scopes that this version does not know grant nothing."""
    key = credential.key
    granted = key.scopes & _EVERY_SCOPE
    return Principal(
        id=key.principal_id,
        key_id=key.id,
        actor=ids.encode(ids.KEY, key.id),
        name=key.name,
        scopes=_EVERY_SCOPE if Scope.ADMIN in granted else granted,
        books=key.books,
        requests_per_second=key.requests_per_second,
    )


def require(principal: Principal, scope: Scope, book_id: int) -> None:
    """Let `principal` do what `scope` permits in the book, or raise.

    `MissingScope`, or `BookOutOfReach` whether or not there is such a book. `DEPLOYMENT` as the book asks for
    a principal that reaches all books.
    """
    require_scope(principal, scope)
    if principal.books is not None and book_id not in principal.books:
        raise BookOutOfReach("this API key is bound to other books")


def require_scope(principal: Principal, scope: Scope) -> None:
    """Raise `MissingScope` unless `principal` has `scope`: for what belongs to no one book."""
    if scope not in principal.scopes:
        raise MissingScope(f"this needs the scope {scope.value}", scope=scope.value)


def choose_book(principal: Principal, named: int | None) -> int:
    """The book of a request: the one that the header `Caudal-Book` names, or the only one of the key.

    Raises `BookRequired` where neither says, and `BookOutOfReach` for a book that the key is not bound to.
    """
    if named is None:
        if principal.books is None or len(principal.books) != 1:
            detail = f"this API key reaches several books: name one in {BOOK_HEADER}"
            raise BookRequired(detail, field=BOOK_HEADER)
        (named,) = principal.books
    elif principal.books is not None and named not in principal.books:
        raise BookOutOfReach("this API key is bound to other books", field=BOOK_HEADER)
    return named


def check_request(command: CreateKey, at: datetime) -> None:
    """Raise `InvalidKeyRequest`, naming the field, for a key that makes no sense."""
    if not (0 < len(command.name) <= 100 and command.name.isprintable()):
        raise InvalidKeyRequest("a name has 1 to 100 printable characters", field="name")
    if _KEY_ANYWHERE.search(command.name):
        raise InvalidKeyRequest("a name must not hold a key", field="name")
    if not command.scopes:
        raise InvalidKeyRequest("name at least one scope", field="scopes")
    if command.books is not None and not command.books:
        raise InvalidKeyRequest("name at least one book", field="books")
    if command.books is not None and not all(0 < book <= MAX_BOOK_ID for book in command.books):
        raise InvalidKeyRequest("a book is a number of 1 or more", field="books")
    if command.expires_at is not None and (command.expires_at.tzinfo is None or command.expires_at <= at):
        raise InvalidKeyRequest("a key expires in the future", field="expires_at")
    check_rate(command.requests_per_second)


def check_rate(requests_per_second: int | None) -> None:
    """Raise `InvalidKeyRequest` for a limit that makes no sense."""
    if requests_per_second is not None and not 0 <= requests_per_second <= MAX_REQUESTS_PER_SECOND:
        detail = f"a key makes 1 to {MAX_REQUESTS_PER_SECOND} requests a second; 0 is as many as come"
        raise InvalidKeyRequest(detail, field="requests_per_second")


def check_grant(granter: Principal, scopes: Iterable[str], books: frozenset[int] | None) -> None:
    """Raise `GrantTooWide` unless `granter` has each of the scopes itself and reaches all of the books."""
    excess = sorted(set(scopes) - granter.scopes)
    if excess:
        raise GrantTooWide(f"this API key cannot grant {', '.join(excess)}", field="scopes")
    if not reaches(granter, books):
        raise GrantTooWide("this API key cannot grant books that it is not bound to", field="books")


def reaches(principal: Principal, books: frozenset[int] | None) -> bool:
    """Whether `principal` reaches all of `books` (None: all there are)."""
    return principal.books is None or (books is not None and books <= principal.books)


def revoked(key: ApiKey, *, at: datetime, by: str) -> ApiKey:
    """The key, revoked; as it is where it was revoked before."""
    return key if key.revoked_at is not None else msgspec.structs.replace(key, revoked_at=at, revoked_by=by)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
