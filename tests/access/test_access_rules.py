"""The form of a key, and what a principal may do."""

import os
import re
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caudal.access import (
    DEPLOYMENT,
    OPERATOR,
    PATTERN,
    BookOutOfReach,
    BookRequired,
    CreateKey,
    Environment,
    GrantTooWide,
    InvalidApiKey,
    InvalidKeyRequest,
    MissingScope,
    Principal,
    Scope,
    bearer,
    choose_book,
    public_id_of,
    require,
    rules,
)
from caudal_base.secret import Secret

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def a_key(environment: Environment = Environment.LIVE) -> str:
    return rules.new_key(environment, os.urandom).text.reveal()


def with_checksum(body: str) -> str:
    return f"{body}_{rules.checksum(body)}"


def a_principal(*scopes: Scope, books: frozenset[int] | None = frozenset({1, 2})) -> Principal:
    return Principal(
        id=UUID(int=1), key_id=UUID(int=2), actor="key_2", name="n", scopes=frozenset(scopes), books=books
    )


@pytest.mark.parametrize("environment", list(Environment))
def test_a_key_names_its_environment_and_matches_the_published_pattern(environment: Environment) -> None:
    text = a_key(environment)

    assert re.fullmatch(PATTERN, text)
    assert text.startswith(f"caudal_{environment.value}_")


def test_a_key_has_160_bits_or_more_beside_its_public_id() -> None:
    new = rules.new_key(Environment.LIVE, os.urandom)
    random = new.text.reveal().split("_")[2]

    assert random.startswith(new.public_id)
    assert 62 ** (len(random) - len(new.public_id)) > 2**160


def test_keys_are_drawn_from_all_digits_at_every_place() -> None:
    randoms = [a_key().split("_")[2] for _ in range(2_000)]

    assert all({random[place] for random in randoms} == set(DIGITS) for place in range(44))


def test_the_checksum_is_the_crc_32_of_what_stands_before_it_in_base62() -> None:
    body, _, check = a_key().rpartition("_")

    assert sum(DIGITS.index(digit) * 62**place for place, digit in enumerate(reversed(check))) == zlib.crc32(
        body.encode()
    )
    assert public_id_of(Secret(f"{body}_{check}")) == body.split("_")[2][:12]


@given(st.data())
def test_a_key_with_any_one_character_changed_is_told_from_a_key(data: st.DataObject) -> None:
    text = a_key()
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda character: character != text[place]))

    assert public_id_of(Secret(text[:place] + other + text[place + 1 :])) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "caudal_live_",
        with_checksum("caudal_live_" + "a" * 43),
        with_checksum("caudal_live_" + "a" * 45),
        with_checksum("caudal_prod_" + "a" * 44),
        with_checksum("caudal_live_" + "a" * 43 + "-"),
        with_checksum("caudal_live_" + "a" * 43 + "é"),
        with_checksum("caudal_live_" + "a" * 44) + "\n",
        " " + with_checksum("caudal_live_" + "a" * 44),
        "\ud800" * 63,
    ],
)
def test_what_has_not_the_form_of_a_key_is_none(text: str) -> None:
    assert public_id_of(Secret(text)) is None


def test_the_smallest_key_that_has_the_form_is_one() -> None:
    assert public_id_of(Secret(with_checksum("caudal_live_" + "a" * 44))) == "a" * 12


def test_a_text_that_starts_with_a_key_has_not_its_digest() -> None:
    text = a_key()

    assert rules.digest(Secret(text + "x")) != rules.digest(Secret(text))
    assert len(rules.digest(Secret("\ud800" * 1_000_000))) == 32


@pytest.mark.parametrize("header", ["Bearer k", "bearer k", "BEARER   k"])
def test_the_key_comes_in_a_bearer_header(header: str) -> None:
    assert bearer(header).reveal() == "k"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic k", "k", "Bearer k k", " Bearer k"])
def test_any_other_authorization_is_no_key(header: str | None) -> None:
    with pytest.raises(InvalidApiKey):
        bearer(header)


def test_every_scope_says_what_it_permits() -> None:
    assert Scope("ledger:beyond_limits") is Scope.LEDGER_BEYOND_LIMITS
    assert all(len(scope.description) > 10 for scope in Scope)
    assert len({scope.description for scope in Scope}) == len(Scope)


def test_what_is_granted_is_permitted_in_the_books_of_the_key() -> None:
    require(a_principal(Scope.LEDGER_READ), Scope.LEDGER_READ, 1)
    require(a_principal(Scope.LEDGER_READ, books=None), Scope.LEDGER_READ, 77)
    require(a_principal(Scope.BOOKS_WRITE, books=None), Scope.BOOKS_WRITE, DEPLOYMENT)


@pytest.mark.parametrize("scope", list(Scope))
def test_what_is_not_granted_is_denied(scope: Scope) -> None:
    others = [other for other in Scope if other is not scope]

    with pytest.raises(MissingScope) as refusal:
        require(a_principal(*others), scope, 1)

    assert (refusal.value.status, refusal.value.members["scope"]) == (403, scope.value)


@pytest.mark.parametrize("book", [3, DEPLOYMENT])
def test_other_books_are_out_of_reach(book: int) -> None:
    with pytest.raises(BookOutOfReach):
        require(a_principal(*Scope), Scope.LEDGER_READ, book)


def test_a_missing_scope_is_told_before_a_book_out_of_reach() -> None:
    with pytest.raises(MissingScope):
        require(a_principal(), Scope.LEDGER_READ, 3)


def test_the_only_book_of_a_key_is_implied() -> None:
    assert choose_book(a_principal(books=frozenset({7})), None) == 7


@pytest.mark.parametrize("books", [None, frozenset({1, 2})])
def test_a_key_of_several_books_must_be_told_which(books: frozenset[int] | None) -> None:
    with pytest.raises(BookRequired) as refusal:
        choose_book(a_principal(books=books), None)

    assert refusal.value.field == "Caudal-Book"
    assert choose_book(a_principal(books=books), 2) == 2


def test_a_book_that_the_key_is_not_bound_to_cannot_be_named() -> None:
    with pytest.raises(BookOutOfReach):
        choose_book(a_principal(books=frozenset({7})), 8)


def test_the_operator_may_do_everything_everywhere() -> None:
    for scope in Scope:
        require(OPERATOR, scope, 5)


def a_request(**changes: Any) -> CreateKey:
    fields = {
        "name": "n",
        "scopes": frozenset({Scope.LEDGER_READ}),
        "books": None,
        "environment": Environment.TEST,
    }
    return CreateKey(**{**fields, **changes})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "my key caudal_live_" + "a" * 44 + "_" + "b" * 6}, "name"),
        ({"scopes": frozenset()}, "scopes"),
        ({"books": frozenset()}, "books"),
        ({"books": frozenset({0})}, "books"),
        ({"books": frozenset({2**31})}, "books"),
        ({"expires_at": NOW}, "expires_at"),
        ({"expires_at": (NOW + timedelta(days=1)).replace(tzinfo=None)}, "expires_at"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused_by_the_field_at_fault(
    changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidKeyRequest) as refusal:
        rules.check_request(a_request(**changes), NOW)

    assert refusal.value.field == field


def test_a_key_that_makes_sense_passes() -> None:
    rules.check_request(a_request(), NOW)
    rules.check_request(
        a_request(name="ñ" * 100, books=frozenset({1}), expires_at=NOW + timedelta(seconds=1)), NOW
    )


@pytest.mark.parametrize(
    ("scopes", "books", "field"),
    [
        ({Scope.LEDGER_READ, Scope.LEDGER_WRITE}, frozenset({1}), "scopes"),
        ({Scope.ADMIN}, frozenset({1}), "scopes"),
        ({Scope.LEDGER_READ}, frozenset({1, 3}), "books"),
        ({Scope.LEDGER_READ}, None, "books"),
    ],
)
def test_a_key_grants_nothing_that_it_does_not_have(
    scopes: set[Scope], books: frozenset[int] | None, field: str
) -> None:
    with pytest.raises(GrantTooWide) as refusal:
        rules.check_grant(a_principal(Scope.LEDGER_READ, Scope.KEYS_WRITE), scopes, books)

    assert refusal.value.field == field


def test_all_single_scopes_together_do_not_make_an_admin() -> None:
    almost = a_principal(*[scope for scope in Scope if scope is not Scope.ADMIN])

    with pytest.raises(GrantTooWide):
        rules.check_grant(almost, {Scope.ADMIN}, frozenset({1}))
