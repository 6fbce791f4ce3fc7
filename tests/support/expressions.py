"""An environment as risk has one, values for it, and trees drawn at random."""

import datetime as dt
from collections.abc import Mapping
from functools import cache
from typing import Any

from hypothesis import strategies as st

from caudal.expressions import (
    BOOL,
    DOUBLE,
    DURATION,
    INT,
    STRING,
    TIMESTAMP,
    Environment,
    Outcome,
    Type,
    compile,
    compile_all,
    list_of,
    one_of,
    optional,
)
from caudal.expressions.rendering import render_tree
from caudal.expressions.syntax import (
    PRECEDENCE,
    Binary,
    Call,
    Conditional,
    Identifier,
    Index,
    ListLiteral,
    Literal,
    Logical,
    MapLiteral,
    Node,
    Select,
    Unary,
)
from caudal.expressions.types import Kind

NOON = dt.datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=dt.UTC)
"""A Sunday, the 60th day of its year."""

ENVIRONMENT = Environment(
    {
        "payment.amount_minor": INT,
        "payment.kind": one_of("card_payment", "transfer", "payout"),
        "payment.country": optional(STRING),
        "payment.created_at": TIMESTAMP,
        "payment.is_first": optional(BOOL),
        "payment.tags": list_of(STRING, at_most=5),
        "features.count_1h": optional(INT),
        "features.count_24h": optional(INT),
        "features.sum_24h": optional(INT),
        "features.mean_30d": optional(DOUBLE),
        "features.stddev_30d": DOUBLE,
        "features.recent": optional(list_of(DOUBLE, at_most=5)),
        "features.since_last": optional(DURATION),
    }
)

GIVEN: Mapping[str, Any] = {
    "payment.amount_minor": 12_500,
    "payment.kind": "transfer",
    "payment.country": "DE",
    "payment.created_at": NOON,
    "payment.is_first": False,
    "payment.tags": ["new", "web"],
    "features.count_1h": 7,
    "features.count_24h": 20,
    "features.sum_24h": 90_000,
    "features.mean_30d": 40.5,
    "features.stddev_30d": 2.5,
    "features.recent": [10.0, 20.0, 60.5],
    "features.since_last": dt.timedelta(minutes=90),
}


def outcome(source: str, result: Type = BOOL, **changed: Any) -> Outcome:
    """What `source` gives with `GIVEN`, changed where `changed` says (`count_1h=None`), all ways alike."""
    values = {name: changed.pop(name.split(".")[1], value) for name, value in GIVEN.items()}
    assert not changed, f"no such values: {changed}"
    expression = compile(source, ENVIRONMENT, result)
    found = expression.replay(values)
    assert expression.evaluate(values) == found
    if result is BOOL:
        together = compile_all([("it", expression)]).evaluate(ENVIRONMENT.row(values))
        assert together == ([0] if found.value is True else [], [0] if found.missing else [])
    return found


def value(source: str, result: Type = BOOL, **changed: Any) -> Any:
    """The value of `source`, which must have one."""
    found = outcome(source, result, **changed)
    assert found.missing is None, str(found.missing)
    return found.value


def missing(source: str, result: Type = BOOL, **changed: Any) -> str:
    """The sentence why `source` has no value."""
    found = outcome(source, result, **changed)
    assert found.missing is not None, found.value
    return str(found.missing)


# Trees of any form, typed or not: for reading and writing them.

_WORDS = st.sampled_from(["a", "b2", "_c", "features", "payment", "e3", "x", "size", "has", "r", "b"])
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_LITERALS = st.one_of(
    st.builds(Literal, st.just(Kind.INT), st.integers(-(2**63), 2**63 - 1)),
    st.builds(Literal, st.just(Kind.UINT), st.integers(0, 2**64 - 1)),
    st.builds(Literal, st.just(Kind.DOUBLE), st.floats(allow_nan=False, allow_infinity=False)),
    st.builds(Literal, st.just(Kind.STRING), _TEXTS),
    st.builds(Literal, st.just(Kind.BOOL), st.booleans()),
    st.just(Literal(Kind.NULL, None)),
)


def _bigger(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    few = st.lists(inner, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Select, inner, _WORDS),
        st.builds(Index, inner, inner),
        st.builds(Call, st.none() | inner, _WORDS, few),
        st.builds(Unary, st.sampled_from("!-"), inner),
        st.builds(Binary, st.sampled_from(sorted(PRECEDENCE)), inner, inner),
        st.builds(Logical, st.sampled_from(["&&", "||"]), st.lists(inner, min_size=2, max_size=4).map(tuple)),
        st.builds(Conditional, inner, inner, inner),
        st.builds(ListLiteral, few),
        st.builds(MapLiteral, st.lists(st.tuples(inner, inner), max_size=3).map(tuple)),
    )


TREES: st.SearchStrategy[Node] = st.recursive(
    _LITERALS | st.builds(Identifier, _WORDS), _bigger, max_leaves=20
)


# Trees whose types fit: for evaluating them.


def _name(path: str) -> Node:
    first, second = path.split(".")
    return Select(Identifier(first), second)


_NAMES: dict[Kind, list[str]] = {}
for _path, _type in ENVIRONMENT.types.items():
    _NAMES.setdefault(_type.kind, []).append(_path)

_CONSTANTS: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.INT: st.sampled_from([0, 1, -1, 2, 7, 100, 2**62, -(2**63), 2**63 - 1]),
    Kind.DOUBLE: st.sampled_from([0.0, 1.0, -2.5, 1e-300, 1e308, 40.5]),
    Kind.STRING: st.sampled_from(["", "DE", "new", "ß"]),
    Kind.BOOL: st.booleans(),
}


@cache
def typed(kind: Kind, depth: int) -> st.SearchStrategy[Node]:
    """Trees of a kind, at most so deep."""
    leaves = [st.sampled_from([_name(path) for path in _NAMES[kind]])]
    if kind in _CONSTANTS:
        leaves.append(st.builds(Literal, st.just(kind), _CONSTANTS[kind]))
    if depth == 0:
        return st.one_of(leaves)
    same = st.deferred(lambda: typed(kind, depth - 1))
    condition = st.deferred(lambda: typed(Kind.BOOL, depth - 1))
    forms = [
        *leaves,
        st.builds(Conditional, condition, same, same),
        st.builds(lambda *some: Call(None, "coalesce", some), same, same),
    ]
    forms += _forms(kind, depth - 1)
    return st.one_of(forms)


def _forms(kind: Kind, depth: int) -> list[st.SearchStrategy[Node]]:
    def inner(of: Kind) -> st.SearchStrategy[Node]:
        return st.deferred(lambda: typed(of, depth))

    def binary(operators: str, left: Kind, right: Kind) -> st.SearchStrategy[Node]:
        return st.builds(Binary, st.sampled_from(operators.split()), inner(left), inner(right))

    def call(name: str, of: Kind) -> st.SearchStrategy[Node]:
        return st.builds(lambda argument: Call(None, name, (argument,)), inner(of))

    number = Kind.INT, Kind.DOUBLE
    if kind in number:
        forms = [binary("+ - * /", kind, kind), st.builds(Unary, st.just("-"), inner(kind))]
        forms.append(call(kind.value, Kind.DOUBLE if kind is Kind.INT else Kind.INT))
        if kind is Kind.INT:
            forms += [binary("%", kind, kind), call("size", Kind.STRING), call("size", Kind.LIST)]
            forms.append(st.builds(lambda moment: Call(moment, "getHours", ()), inner(Kind.TIMESTAMP)))
        else:
            forms.append(st.builds(Index, st.just(_name("features.recent")), inner(Kind.INT)))
        return forms
    match kind:
        case Kind.STRING:
            return [
                binary("+", kind, kind),
                st.builds(lambda text: Call(text, "upper", ()), inner(kind)),
                st.builds(Index, st.just(_name("payment.tags")), inner(Kind.INT)),
            ]
        case Kind.TIMESTAMP:
            return [binary("+ -", kind, Kind.DURATION)]
        case Kind.DURATION:
            return [binary("+ -", kind, kind), binary("-", Kind.TIMESTAMP, Kind.TIMESTAMP)]
        case Kind.LIST:
            return []
    relations = "== != < <= > >="
    pairs = [(left, right) for left in number for right in number]
    pairs += [(one, one) for one in (Kind.STRING, Kind.BOOL, Kind.TIMESTAMP, Kind.DURATION)]
    return [
        *(binary(relations, left, right) for left, right in pairs),
        st.builds(
            Logical,
            st.sampled_from(["&&", "||"]),
            st.lists(inner(kind), min_size=2, max_size=3).map(tuple),
        ),
        st.builds(Unary, st.just("!"), inner(kind)),
        st.builds(lambda path: Call(None, "has", (_name(path),)), st.sampled_from(ENVIRONMENT.names)),
        st.builds(
            lambda macro, asked: Call(
                _name("features.recent"),
                macro,
                (
                    Identifier("x"),
                    Binary(">", Binary("/", Literal(Kind.DOUBLE, 9.0), Identifier("x")), asked),
                ),
            ),
            st.sampled_from(["all", "exists", "exists_one"]),
            inner(Kind.DOUBLE),
        ),
        st.builds(Binary, st.just("in"), inner(Kind.STRING), inner(Kind.LIST).map(_of_texts)),
    ]


def _of_texts(node: Node) -> Node:
    """A list of texts in place of one of doubles."""
    is_of_doubles = "recent" in render_tree(node)
    return _name("payment.tags") if is_of_doubles else node


_DOUBLES = st.sampled_from([0.0, -0.0, 1.0, -2.5, 1e308, 5e-324, float("nan"), float("inf"), float("-inf")])
_INTS = st.sampled_from([0, 1, -1, 5, 7, 2**31, 2**63 - 1, -(2**63)])
_POSSIBLE: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.INT: _INTS,
    Kind.DOUBLE: _DOUBLES,
    Kind.STRING: st.sampled_from(["", "DE", "new", "transfer"]),
    Kind.BOOL: st.booleans(),
    Kind.TIMESTAMP: st.sampled_from(
        [NOON, dt.datetime(9999, 12, 31, tzinfo=dt.UTC), dt.datetime(1, 1, 1, tzinfo=dt.UTC)]
    ),
    Kind.DURATION: st.sampled_from(
        [dt.timedelta(0), dt.timedelta(hours=-1), dt.timedelta.max, dt.timedelta.min]
    ),
}


def _possible(type_: Type) -> st.SearchStrategy[Any]:
    if type_.kind is Kind.LIST and type_.element is not None:
        items = st.lists(_possible(type_.element), max_size=6)
        return items | st.none()
    return _POSSIBLE[type_.kind] | st.none() if type_.is_optional else _POSSIBLE[type_.kind]


ROWS: st.SearchStrategy[tuple[Any, ...]] = st.tuples(
    *(_possible(type_) for type_ in ENVIRONMENT.types.values())
)
"""Values of the declared types, with everything that may be wrong with them."""

ANYTHING: st.SearchStrategy[tuple[Any, ...]] = st.tuples(
    *(
        st.one_of(
            _possible(type_),
            st.sampled_from(
                [None, "text", 3, 3.5, True, [], [None], 10**400, NOON, NOON.replace(tzinfo=None)]
            ),
        )
        for type_ in ENVIRONMENT.types.values()
    )
)
"""Values of any type whatever is declared."""
