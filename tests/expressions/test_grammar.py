"""How texts are read and written, and what a text that cannot be read is told."""

import pytest

from caudal.expressions import ExpressionInvalid, ExpressionTooLarge, ExpressionUnreadable, compile, render
from caudal.expressions.parser import parse
from caudal.expressions.rendering import render_tree
from support.expressions import ENVIRONMENT


def refusal(source: str) -> ExpressionInvalid:
    with pytest.raises(ExpressionInvalid) as caught:
        compile(source, ENVIRONMENT)
    return caught.value


@pytest.mark.parametrize(
    ("source", "canonical"),
    [
        ("a||b&&c", "a || b && c"),
        ("(a || b) && c", "(a || b) && c"),
        ("a&&(b&&c)", "a && (b && c)"),
        ("((a))+(b*c)", "a + b * c"),
        ("(a + b) * c", "(a + b) * c"),
        ("a - (b - c)", "a - (b - c)"),
        ("(a - b) - c", "a - b - c"),
        ("a ? b : (c ? d : e)", "a ? b : c ? d : e"),
        ("(a ? b : c) ? d : e", "(a ? b : c) ? d : e"),
        ("- - 5", "--5"),
        ("-(5)", "-(5)"),
        ("-5.size()", "-(5.size())"),
        ("(-5).size()", "(-5).size()"),
        ("!(a == b)", "!(a == b)"),
        ("! a.b [ 0 ] . c ( x , y )", "!a.b[0].c(x, y)"),
        ("0xFF + 1e+3 + .5 + 7u", "255 + 1000.0 + 0.5 + 7u"),
        ("'it\\'s' + \"\\\"\"", '"it\'s" + "\\""'),
        ("r'\\d\\n'", '"\\\\d\\\\n"'),
        ("'''a\nb'''", '"a\\nb"'),
        ("'\\u200b'", '"\\U0000200b"'),
        ("[1,2,] + []", "[1, 2] + []"),
        ("{'a':1,'b':2,}", '{"a": 1, "b": 2}'),
        ("a in b // and a comment", "a in b"),
    ],
)
def test_the_canonical_text_keeps_the_meaning(source: str, canonical: str) -> None:
    assert render_tree(parse(source)) == canonical
    assert parse(canonical) == parse(source)


def test_a_long_row_of_conditions_stands_on_a_line_each() -> None:
    source = " && ".join(f"features.count_1h > {number} || payment.is_first" for number in range(4))

    text = render(compile(f"({source}) && payment.is_first", ENVIRONMENT))

    assert render(compile(source.replace("&&", "||"), ENVIRONMENT)).splitlines()[1] == "|| payment.is_first"
    assert parse(text) == parse(f"({source}) && payment.is_first")


@pytest.mark.parametrize(
    ("source", "message", "column"),
    [
        ("", "the expression is empty", 1),
        ("a +", "expected a value, and there is the end", 4),
        ("a b", "b is not expected here", 3),
        ("(a", "expected ) for the ( at column 1, and there is the end", 3),
        ("f(a b)", "expected ,, and there is b", 5),
        ("a = 5", "= has no meaning here; to compare write ==", 3),
        ("a & b", "& has no meaning here; for «and» write &&", 3),
        ("a | b", "| has no meaning here; for «or» write ||", 3),
        ("a ? b", "expected :, and there is the end", 6),
        ("a.5", ".5 is not expected here", 2),
        ("5x", "5 runs into x", 1),
        (".a", "a name begins without a dot", 1),
        ("a.in", "in is a reserved word", 3),
        ("while", "while is a reserved word", 1),
        ("'abc", "the string is not closed by '", 1),
        ("'a\nb'", "the string is not closed by '", 1),
        ("'\\q'", "\\q is no escape; for a backslash write two, or r before the string", 2),
        ("'\\ud800'", "U+D800 is no character", 2),
        ("'\\U00110000'", "U+110000 is no character", 2),
        ("b'bytes'", "there are no bytes in rules", 1),
        ("u'text'", "u before a string has no meaning; r is for raw ones", 1),
        ("9223372036854775808", "this number is beyond 64 bits", 1),
        ("-9223372036854775809", "this number is beyond 64 bits", 2),
        ("18446744073709551616u", "this number is beyond 64 bits", 1),
        ("1e999", "this number is beyond a double", 1),
        ("Account{id: 5}", "messages cannot be made here", 8),
        ("a ≥ 5", "≥ has no meaning here", 3),
        ("'a\u202eb'", "U+202E (RIGHT-TO-LEFT OVERRIDE) cannot be seen; in a string write \\U0000202e", 3),
        ("a // \u200b", "U+200B (ZERO WIDTH SPACE) cannot be seen; in a string write \\U0000200b", 6),
        ("a\x00", "U+0000 (a control character) cannot be seen; in a string write \\U00000000", 2),
    ],
)
def test_what_cannot_be_read_is_refused_where_it_stands(source: str, message: str, column: int) -> None:
    error = refusal(source)

    assert isinstance(error, ExpressionUnreadable)
    assert (error.message, error.line, error.column) == (message, 1, column)


def test_a_refusal_shows_the_line_with_what_is_meant() -> None:
    error = refusal("payment.amount_minor > 5 &&\n\tfeatures.cuont_1h > 5\n|| true")

    assert error.detail == (
        "line 2, column 2: there is no features.cuont_1h; did you mean features.count_1h?"
    )
    assert error.picture == "\tfeatures.cuont_1h > 5\n\t^~~~~~~~~~~~~~~~~"
    assert error.problem()["code"] == "expression_name_unknown"
    assert error.problem()["line"] == 2
    assert error.problem()["picture"] == error.picture


def test_a_long_line_is_shown_in_part() -> None:
    error = refusal("payment.is_first && " * 20 + "nothing" + " && payment.is_first" * 20)

    shown, carets = error.picture.split("\n")
    assert len(shown) <= 102
    assert shown[carets.index("^") : carets.rindex("~") + 1] == "nothing"


@pytest.mark.parametrize("repeated", ["(", "[", "!", "-", "a ? b : ", "f(", "a[", "a.f("])
def test_what_is_nested_too_deep_is_refused(repeated: str) -> None:
    assert isinstance(refusal(repeated * 65 + "a"), ExpressionTooLarge)
    assert isinstance(refusal(repeated * 1_000 + "a"), ExpressionTooLarge)


@pytest.mark.parametrize("repeated", [" + 1", " * a", ".b", "[0]", ".f()", " == a"])
def test_what_is_deep_without_brackets_is_refused(repeated: str) -> None:
    assert isinstance(refusal("a" + repeated * 65), ExpressionTooLarge)
    assert isinstance(refusal("a" + repeated * 1_000), ExpressionTooLarge)


@pytest.mark.parametrize(
    "source",
    [
        "(" * 32 + "true" + ")" * 32,
        " && ".join(["true"] * 500),
        " || ".join(["true"] * 500),
        " + ".join(["1"] * 33) + " > 0",
        "!" * 32 + "true",
        "1 in [" + ", ".join(["1"] * 500) + "]",
        '"a" in {' + ", ".join(f'"{number}": 1' for number in range(500)) + "}",
    ],
)
def test_what_the_language_asks_for_at_least_is_taken(source: str) -> None:
    compile(source, ENVIRONMENT)


@pytest.mark.parametrize(
    "source",
    [
        "true" + " " * 8_189,
        "1 in [" + "1," * 501 + "]",
        " && ".join(["true"] * 501),
        "f(" + "1," * 501 + "1)",
    ],
)
def test_what_is_too_long_is_refused(source: str) -> None:
    assert isinstance(refusal(source), ExpressionTooLarge)


@pytest.mark.parametrize("digits", ["9" * 8_000, "0x" + "f" * 8_000, "1" * 5_000 + "u"])
def test_a_number_of_thousands_of_digits_is_refused(digits: str) -> None:
    assert refusal(f"{digits} > 1").message == "this number is beyond 64 bits"
