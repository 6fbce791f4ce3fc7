"""The vault, as a protocol: the core keeps tokens, and whatever keeps what they stand for is elsewhere.

A token is `tok_` and 2 to 64 lower-case letters, digits and `_`. A vault makes random ones of 32 characters
and more; a sandbox may have some that people can read, such as `tok_bank_ok`. A token says nothing of what it
stands for, and is no secret: what it is worth is what the vault's policy lets its holder do.
"""

import enum
import os
import re
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import msgspec

from caudal_base.errors import NotFound, Unprocessable
from caudal_base.ids import Entropy
from caudal_base.secret import Secret

TOKEN_PATTERN: Final = "tok_[a-z0-9_]{2,64}"  # noqa: S105
"""The regular expression of a token."""

MAX_TOKEN_LENGTH: Final = 68

_TOKEN: Final = re.compile(TOKEN_PATTERN, re.ASCII)
_RANDOM_BYTES: Final = 20
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


class InvalidToken(Unprocessable):
    """A text that is no vault token, where one is wanted. Never repeats the text: it may be what was meant
    to be kept from us."""

    code = "invalid_token"
    title = "This is not a vault token"


class TokenNotFound(NotFound):
    """The vault knows no such token, in this book."""

    code = "token_not_found"
    title = "There is no such token"


class Field(enum.Enum):
    """What a token stands for."""

    NAME = "name"
    EMAIL = "email"
    PHONE = "phone"
    CARD = "card"
    BANK_ACCOUNT = "bank_account"


class Tokenise(msgspec.Struct, frozen=True, kw_only=True):
    """Keep a value, and name it by a token from now on."""

    field: Field
    value: Secret


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What may be said of a token without its value."""

    token: str
    field: Field
    hint: str | None = None
    """What people may tell it by: the last four digits of a card or an account, else nothing."""


class TokenVault(Protocol):
    """Keeps values and gives tokens. Its tenant is the book: a token means nothing in another one."""

    async def tokenise(self, book_id: int, values: Sequence[Tokenise]) -> list[str]:
        """A new token for each value, in order. The same value twice has two tokens."""

    async def describe(self, book_id: int, tokens: Sequence[str]) -> Mapping[str, Description]:
        """What may be said of those `tokens` that the book has; the others are left out."""


class RevealingVault(TokenVault, Protocol):
    """A vault as those see it who hand values on to a partner: connectors, and nobody else."""

    async def reveal(self, book_id: int, tokens: Sequence[str], *, purpose: str) -> Mapping[str, Secret]:
        """The values of `tokens`, for a `purpose` that is recorded.

        Raises `TokenNotFound` for an unknown one.
        """


class InMemoryVault:
    """A vault for tests and development: keeps everything in this process, unencrypted, until it ends."""

    def __init__(self, entropy: Entropy = os.urandom) -> None:
        """`entropy` decides the tokens; a seeded one makes them repeatable."""
        self._entropy = entropy
        self._kept: dict[tuple[int, str], Tokenise] = {}
        self.revealed: list[tuple[int, str, str]] = []
        """Who asked for what: (book, token, purpose)."""

    async def tokenise(self, book_id: int, values: Sequence[Tokenise]) -> list[str]:
        """See `TokenVault`."""
        tokens = []
        for value in values:
            token = self._new_token()
            self._kept[book_id, token] = value
            tokens.append(token)
        return tokens

    async def describe(self, book_id: int, tokens: Sequence[str]) -> Mapping[str, Description]:
        """See `TokenVault`."""
        described = {}
        for token in tokens:
            kept = self._kept.get((book_id, token))
            if kept is not None:
                described[token] = Description(token=token, field=kept.field, hint=_hint(kept))
        return described

    async def reveal(self, book_id: int, tokens: Sequence[str], *, purpose: str) -> Mapping[str, Secret]:
        """See `RevealingVault`."""
        values = {}
        for token in tokens:
            kept = self._kept.get((book_id, token))
            if kept is None:
                raise TokenNotFound("the vault has no such token")
            self.revealed.append((book_id, token, purpose))
            values[token] = kept.value
        return values

    def _new_token(self) -> str:
        number = int.from_bytes(self._entropy(_RANDOM_BYTES + 4), "big")
        digits = []
        for _ in range(32):
            number, digit = divmod(number, len(_DIGITS))
            digits.append(_DIGITS[digit])
        return f"tok_{''.join(digits)}"


def is_token(text: str) -> bool:
    """Whether `text` has the form of a token."""
    return _TOKEN.fullmatch(text) is not None


def require_token(text: str, field: str) -> str:
    """`text`, if it has the form of a token. Raises `InvalidToken` naming `field`."""
    if not is_token(text):
        raise InvalidToken("a token is tok_ and 2 to 64 lower-case letters, digits and _", field=field)
    return text


def _hint(kept: Tokenise) -> str | None:
    if kept.field not in {Field.CARD, Field.BANK_ACCOUNT}:
        return None
    return kept.value.reveal()[-4:]
