"""The reference says what is so."""

import re
from pathlib import Path

import pytest

from caudal.expressions import BOOL, DOUBLE, DURATION, INT, ExpressionInvalid, compile, list_of
from caudal.expressions.checker import MAX_COST
from caudal.expressions.functions import EXTREMES, FUNCTIONS, MACROS, METHODS, SPECIAL
from caudal.expressions.lexer import MAX_SOURCE
from caudal.expressions.operations import PARTS_OF_TIME, STRING_AT_MOST
from caudal.expressions.parser import MAX_DEPTH, MAX_ITEMS
from caudal.expressions.types import LIST_AT_MOST, Cause, Kind, Outcome
from support.expressions import ENVIRONMENT

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "expressions.md").read_text(encoding="utf-8")

_EXAMPLE = re.compile(r"^\| `([^`|]+)` \| `([^`|]+)` \|$", re.MULTILINE)


def given(source: str) -> Outcome:
    """What an expression gives, of whatever type it is."""
    for result in (BOOL, INT, DOUBLE, DURATION, list_of(INT)):
        try:
            return compile(source, ENVIRONMENT, result).evaluate({})
        except ExpressionInvalid:
            continue
    raise AssertionError(f"{source} gives something else")


@pytest.mark.parametrize(("source", "expected"), _EXAMPLE.findall(PAGE))
def test_the_examples_give_what_the_page_says(source: str, expected: str) -> None:
    assert given(source) == given(expected)


def test_all_examples_are_found() -> None:
    assert len(_EXAMPLE.findall(PAGE)) == 21


@pytest.mark.parametrize(
    "name", sorted({*METHODS, *PARTS_OF_TIME, *FUNCTIONS, *EXTREMES, *SPECIAL, *MACROS, "orValue"})
)
def test_every_function_is_in_the_reference(name: str) -> None:
    assert re.search(rf"[.`]{re.escape(name)}\(", PAGE)


def test_every_type_cause_and_limit_is_in_the_reference() -> None:
    assert all(f"| `{cause.value}` |" in PAGE for cause in Cause)
    assert all(f"`{kind.value}" in PAGE for kind in Kind)
    assert f"| characters of an expression | {MAX_SOURCE:,} |" in PAGE
    assert f"| levels of brackets and operators | {MAX_DEPTH} |" in PAGE
    assert f"| items that are written out; conditions between `&&` or `\\|\\|` | {MAX_ITEMS} |" in PAGE
    assert f"| steps of an evaluation | {MAX_COST:,} |" in PAGE
    assert f"at most {LIST_AT_MOST} where" in PAGE
    assert f"more than {STRING_AT_MOST:,} characters" in PAGE
