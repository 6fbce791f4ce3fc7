"""Tokens, and the vault that tests use."""

import re

import pytest

from caudal_base.secret import Secret
from caudal_base.vault import (
    TOKEN_PATTERN,
    Description,
    Field,
    InMemoryVault,
    InvalidToken,
    Tokenise,
    TokenNotFound,
    is_token,
    require_token,
)

CARD = Tokenise(field=Field.CARD, value=Secret("4242424242424242"))
NAME = Tokenise(field=Field.NAME, value=Secret("Ann Example"))


@pytest.mark.parametrize(
    "text", ["tok_ok", "tok_bank_ok", "tok_" + "a" * 64, "tok_0123456789abcdefghijklmnopqrstuv"]
)
def test_tokens_are_known_by_their_form(text: str) -> None:
    assert is_token(text)
    assert require_token(text, "instrument") == text


@pytest.mark.parametrize(
    "text",
    ["", "tok_", "tok_a", "tok_" + "a" * 65, "TOK_ok", "tok_OK", "tok_ok\n", " tok_ok", "tok_a-b", "tok_é_"],
)
def test_what_is_no_token_is_refused_without_being_repeated(text: str) -> None:
    assert not is_token(text)
    with pytest.raises(InvalidToken) as refused:
        require_token(text, "name_token")
    assert (refused.value.status, refused.value.field) == (422, "name_token")
    assert not text.strip() or text.strip() == "tok_" or text not in str(refused.value.problem())


async def test_each_value_has_a_token_of_its_own_that_says_nothing_of_it() -> None:
    vault = InMemoryVault()

    tokens = await vault.tokenise(1, [CARD, CARD, NAME])

    assert len(set(tokens)) == 3
    assert all(re.fullmatch(TOKEN_PATTERN, token) and len(token) == 36 for token in tokens)
    assert await vault.describe(1, [*tokens, "tok_unknown"]) == {
        tokens[0]: Description(token=tokens[0], field=Field.CARD, hint="4242"),
        tokens[1]: Description(token=tokens[1], field=Field.CARD, hint="4242"),
        tokens[2]: Description(token=tokens[2], field=Field.NAME),
    }


async def test_values_are_revealed_for_a_purpose_in_their_own_book_alone() -> None:
    vault = InMemoryVault()
    [token] = await vault.tokenise(1, [CARD])

    assert await vault.describe(2, [token]) == {}
    with pytest.raises(TokenNotFound):
        await vault.reveal(2, [token], purpose="charge")
    assert await vault.reveal(1, [token], purpose="charge") == {token: CARD.value}
    assert vault.revealed == [(1, token, "charge")]
