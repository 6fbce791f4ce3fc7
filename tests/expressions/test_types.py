"""What is refused when publishing, and what is only warned of."""

import pytest

from caudal.expressions import (
    BOOL,
    DOUBLE,
    INT,
    STRING,
    Environment,
    ExpressionInvalid,
    ExpressionMistyped,
    ExpressionNameUnknown,
    ExpressionTooLarge,
    Type,
    compile,
    list_of,
    optional,
)
from caudal_base.errors import InvariantError
from support.expressions import ENVIRONMENT


def refusal(source: str, result: Type = BOOL) -> ExpressionInvalid:
    with pytest.raises(ExpressionInvalid) as caught:
        compile(source, ENVIRONMENT, result)
    return caught.value


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("payment.amount_minor", "this must be a bool, and it is an int"),
        ("1 == 'a'", "int and string cannot be compared"),
        ("1 < 2 < 3", "bool and int cannot be compared; write … < 2 && 2 < …"),
        ("payment.tags < payment.tags", "list(string) has no order"),
        ("{'a': 1} == {'a': 1}", "map(string, int) and map(string, int) cannot be compared"),
        ("payment.created_at > 5", "timestamp and int cannot be compared"),
        ("payment.amount_minor * 1.5 > 1.0", "there is no int * double; write double(payment.amount_minor)"),
        (
            "features.mean_30d + features.count_1h > 1.0",
            "there is no double + int; write double(features.count_1h)",
        ),
        ("1u + 1 == 2", "there is no uint + int"),
        ("features.mean_30d % 2.0 == 1.0", "there is no double % double; % is for whole numbers"),
        ("payment.country + 1 == 'x'", "there is no string + int"),
        ("payment.created_at + payment.created_at > payment.created_at", "there is no timestamp + timestamp"),
        ("-payment.country == 'x'", "minus is for int and double, and this is a string"),
        ("-1u == 1", "minus is for int and double, and this is a uint"),
        ("!features.count_1h", "what follows ! must be a bool, and this is an int"),
        ("true && 1", "each side of && must be a bool, and this is an int"),
        ("1 ? true : false", "what stands before ? must be a bool, and this is an int"),
        ("true ? 1 > 0 : 'x'", "both sides of : must have one type, and this is a string"),
        ("[1, 'a'] == [1]", "all must have one type, and this is a string"),
        ("[[1]] == [[1]]", "an item of a list must be a simple value, and this is a list(int)"),
        (
            "payment.tags.map(t, [t]).size() > 0",
            "what map() makes must be a simple value, and this is a list(string)",
        ),
        ("{1.5: 1}[1.5] == 1", "a key cannot be a double"),
        ("{'a': 1, 'a': 2}['a'] == 1", "this key stands here twice"),
        ("{}['a'] == 1", "an empty map has nothing to look up"),
        ("{'a': 1}[1] == 1", "the keys are string, and this is an int"),
        ("payment.country[0] == 'D'", "a string has no value at an int"),
        ("payment.country in 'DE'", "in looks into a list or a map, and this is of type string"),
        ("1 in payment.tags", "int cannot be among string"),
        ("payment.country.length > 3", "a string has no fields"),
        (
            "payment.country.startsWith(1)",
            "startsWith takes (string, string), and here it gets (string, int)",
        ),
        (
            "int(true) == 1",
            "int takes (int) or (uint) or (double) or (string) or (timestamp), and here it gets (bool)",
        ),
        ("null", "this must be a bool, and it is a null"),
        ("null > 1", "null can only be compared with a name, by == or !="),
        ("1 + null == 1", "null can only be compared with a name, by == or !="),
        ("payment.amount_minor + 1 == null", "null can only be compared with a name, by == or !="),
        ("has(features.count_1h + 1)", "has() takes one name; for what is worked out there is coalesce()"),
        (
            "has(payment)",
            "payment is no value of its own; there are payment.amount_minor, payment.kind, "
            "payment.country, payment.created_at, payment.is_first, …",
        ),
        ("coalesce(features.count_1h) > 0", "coalesce() takes a value and what to take where it is missing"),
        ("coalesce(features.count_1h, 'x') > 0", "all must have one type, and this is of type string"),
        ("math.greatest(1) > 0", "math.greatest takes two or more numbers of one type"),
        ("payment.country.exists(c, true)", "exists goes through a list, and this is of type string"),
        ("payment.tags.exists(true)", "exists takes a name for the item, and an expression of it"),
        ("payment.tags.exists(t, t)", "what exists() asks must be a bool, and this is a string"),
        ("payment.tags.exists(payment, true)", "payment already means something else here"),
        ("payment.tags.all(t, payment.tags.all(t, true))", "t already means something else here"),
        (
            "payment.created_at.getHours(payment.country) > 1",
            "the time zone must be written out: a name or an offset",
        ),
        (
            "payment.country.matches('a*')",
            "there is no matches(): regular expressions may take long; use startsWith, endsWith or contains",
        ),
        (
            "now() > payment.created_at",
            "there is no now(): a rule must give the same again years later; use the time of the payment",
        ),
        ("type(1) == int", "there is no type(): types are known when a rule is published"),
    ],
)
def test_what_does_not_fit_is_refused(source: str, message: str) -> None:
    assert refusal(source).message == message


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("features.cuont_1h > 5", "there is no features.cuont_1h; did you mean features.count_1h?"),
        ("feature.count_1h > 5", "there is no feature.count_1h; did you mean features.count_1h?"),
        ("entirely.different", "there is no entirely.different"),
        ("features.count_1h.startwith('D')", "there is no function startwith; did you mean startsWith?"),
        (
            "startsWith('a', 'b')",
            "there is no function startsWith; it is called on a value: value.startsWith(…)",
        ),
        (
            "features.count_1h.coalesce(1) > 0",
            "there is no function coalesce; it is called with its value: coalesce(…)",
        ),
        ("payment.kind == 'card'", 'this is never "card"; did you mean card_payment?'),
        ("'x' != payment.kind", 'this is never "x"; there are card_payment, transfer, payout'),
        ("payment.kind in ['payout', 'pay']", 'this is never "pay"; did you mean payout?'),
        ("{'card': 1}[payment.kind] == 1", 'this is never "card"; did you mean card_payment?'),
        (
            "payment.created_at.getHours('Europe/Berln') < 6",
            "there is no time zone Europe/Berln; write Europe/Berlin or +02:00",
        ),
        (
            "payment.created_at.getHours('../../etc/passwd') < 6",
            "there is no time zone ../../etc/passwd; write Europe/Berlin or +02:00",
        ),
        ("x", "there is no x"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_is_near(source: str, message: str) -> None:
    error = refusal(source)

    assert isinstance(error, ExpressionNameUnknown)
    assert error.message == message


@pytest.mark.parametrize(
    "source",
    [
        "payment.country.__class__ == 'x'",
        "payment.__class__.__mro__",
        "__import__('os').system('id') == 0",
        "__builtins__",
        "().__class__.__bases__[0]",
        "eval('1') == 1",
        "payment.country.format(payment) == ''",
        "payment.country.encode().decode() == ''",
        "row[0] == 1",
        "fired.append(1)",
        "v0 > 1",
        "g0(1)",
        "t1 == 1",
        "lambda: 1",
        "payment.tags.append('x')",
        "[x for x in payment.tags]",
        "`id`",
        "${7}",
        "payment.kind := 1",
    ],
)
def test_nothing_but_what_is_declared_can_be_reached(source: str) -> None:
    assert isinstance(refusal(source), ExpressionInvalid)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("1 / 0 > 1", "1 / 0 divides by zero, always"),
        ("9223372036854775807 + 1 > 1", "9223372036854775807 + 1 is out of range, always"),
        (
            "payment.created_at > timestamp('2026-02-30T00:00:00Z')",
            'timestamp("2026-02-30T00:00:00Z") cannot be read, always',
        ),
        ("features.since_last > duration('1 hour')", 'duration("1 hour") cannot be read, always'),
        ("{'a': 1}['b'] == 1", '{"a": 1}["b"] does not exist, always'),
        ("'" + "x" * 4_000 + "' + '" + "x" * 100 + "' == ''", None),
    ],
)
def test_what_never_has_a_result_is_refused(source: str, sentence: str | None) -> None:
    assert refusal(source).message == (sentence or refusal(source).message)
    assert refusal(source).message.endswith(", always")


def test_a_result_of_another_type_is_asked_for() -> None:
    assert compile("1", ENVIRONMENT, DOUBLE).evaluate({}).value == 1.0
    assert refusal("features.count_1h", DOUBLE).message == "this must be a double, and it is an int"


@pytest.mark.parametrize(
    ("source", "warning"),
    [
        (
            "features.sum_24h / features.count_24h > 5",
            "line 1, column 1: this gives a whole number: 7 / 2 is 3; for a ratio write "
            "double(features.sum_24h) / double(features.count_24h)",
        ),
        (
            "features.sum_24h / 2 > 5",
            "line 1, column 1: this gives a whole number: 7 / 2 is 3; for a ratio write "
            "double(features.sum_24h) / 2.0",
        ),
        ("1 > 2", "line 1, column 1: this is always false"),
    ],
)
def test_what_is_probably_not_meant_is_warned_of(source: str, warning: str) -> None:
    assert compile(source, ENVIRONMENT).warnings == (warning,)


def test_what_is_meant_has_no_warnings() -> None:
    assert compile("features.mean_30d / 2 > 5 && payment.kind == 'payout'", ENVIRONMENT).warnings == ()


@pytest.mark.parametrize(
    ("source", "cost"),
    [
        ("true", 0),
        ("payment.is_first", 1),
        ("features.count_1h > 5", 2),
        ("features.count_1h > 5 && features.count_24h > 5", 5),
        ("payment.country in ['DE', 'FR']", 2),
        ("payment.country in payment.tags", 8),
        ("payment.tags.exists(t, t == 'x')", 1 + 1 + 5 * (1 + 2)),
    ],
)
def test_the_cost_is_known_beforehand(source: str, cost: int) -> None:
    assert compile(source, ENVIRONMENT).cost == cost


def test_what_may_take_too_many_steps_is_refused() -> None:
    environment = Environment({"a": list_of(INT)})

    assert compile("a.all(x, x > 5)", environment).cost == 2 + 100 * 3
    with pytest.raises(ExpressionTooLarge, match="at most 10,000 are allowed"):
        compile("a.all(x, a.all(y, x == y))", environment)


def test_the_names_that_are_read_come_in_the_order_of_the_environment() -> None:
    source = (
        "features.count_1h > 5 && has(payment.country) && features.count_1h < 9 && payment.amount_minor > 1"
    )

    assert compile(source, ENVIRONMENT).names == (
        "payment.amount_minor",
        "payment.country",
        "features.count_1h",
    )


@pytest.mark.parametrize(
    "types",
    [
        {"": INT},
        {"a b": INT},
        {"a.": INT},
        {"1a": INT},
        {"a.in": INT},
        {"ä": INT},
        {"a": INT, "a.b": INT},
        {"a": list_of(list_of(INT))},
        {"a": list_of(optional(INT))},
    ],
)
def test_an_environment_has_names_that_can_be_written(types: dict[str, Type]) -> None:
    with pytest.raises(InvariantError):
        Environment(types)


def test_types_are_written_as_in_messages() -> None:
    assert str(optional(list_of(STRING))) == "optional(list(string))"
    assert isinstance(refusal("1"), ExpressionMistyped)
