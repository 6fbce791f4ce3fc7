"""Functions of Python from checked trees: one for an expression, or one for all conditions of rules."""

import ast
import datetime as dt
import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from caudal.expressions.checked import Checked, Name, parts
from caudal.expressions.emitter import Emitter, all_of, any_of, constant, is_none, is_there, load, within
from caudal.expressions.environment import Environment, Row, usable
from caudal.expressions.interpreter import FAULTS
from caudal.expressions.types import Cause, Kind, Type
from caudal_base.check import check

_INFINITY: Final = float("inf")
_SUMMED: Final = 32
"""Doubles that are tested by one sum: a tree of Python cannot be deep without end."""

Fired = tuple[list[int], list[int]]
"""The places of conditions that hold, and of those that are missing."""


def names_in(tree: Checked) -> set[Name]:
    """The names that a tree reads; each once, wherever it stands."""
    found: dict[str, Name] = {}
    open_nodes = [tree]
    while open_nodes:
        node = open_nodes.pop()
        if isinstance(node, Name):
            found.setdefault(node.name, node)
        open_nodes.extend(parts(node))
    return set(found.values())


def compile_value(tree: Checked, environment: Environment) -> Callable[[Row], Any]:
    """A function from a row to the value of `tree`; None where it is missing. Raises what `FAULTS` says."""
    emitter = Emitter()
    given = _Given([tree], environment, emitter)
    body = [*given.taken(), *given.made_usable(constant(None)), ast.Return(emitter.emit(tree))]
    return _function(body, emitter)


def compile_conditions(
    trees: Sequence[Checked], environment: Environment, slowly: Callable[[Row], Fired]
) -> Callable[[Row], Fired]:
    """A function from a row to what fired and what is missing among `trees`, which give bools.

    Where a value that is never missing is missing, or is of another type than declared, it answers with
    `slowly`: it raises nothing.
    """
    emitter = Emitter()
    given = _Given(trees, environment, emitter)
    give_up = ast.Call(emitter.global_name(slowly), [load("row")], [])
    result = ast.Return(ast.Tuple([load("fired"), load("missing")], ast.Load()))
    plain = [*_noted_all(trees, emitter, all_there=True), result]
    body = [
        _assign("fired", _empty()),
        _assign("missing", _empty()),
        *given.taken(),
        # Mostly all is there, and what need not be tested takes half the time.
        *([ast.If(given.all_there(), plain, [])] if given.names else []),
        *given.made_usable(give_up),
        *_noted_all(trees, emitter, all_there=False),
        result,
    ]
    handler = ast.ExceptHandler(emitter.global_name(FAULTS), None, [ast.Return(give_up)])
    return _function([ast.Try(body, [handler], [], [])], emitter)


def _noted_all(trees: Sequence[Checked], emitter: Emitter, *, all_there: bool) -> list[ast.stmt]:
    body = []
    for place, tree in enumerate(trees):
        emitter.begin(all_there=all_there)
        body.extend(_noted(emitter.emit(tree), place, may_miss=emitter.may_miss(tree)))
    return body


def _noted(condition: ast.expr, place: int, *, may_miss: bool) -> list[ast.stmt]:
    """Statements that put `place` on the list of what fired, or of what is missing."""

    def put(name: str) -> ast.stmt:
        return ast.Expr(ast.Call(ast.Attribute(load(name), "append", ast.Load()), [constant(place)], []))

    if not may_miss:
        return [ast.If(condition, [put("fired")], [])]
    return [
        _assign("r", condition),
        ast.If(load("r"), [put("fired")], [ast.If(is_none(load("r")), [put("missing")], [])]),
    ]


_CLASSES: Final[dict[Kind, type]] = {
    Kind.BOOL: bool,
    Kind.INT: int,
    Kind.DOUBLE: float,
    Kind.STRING: str,
    Kind.TIMESTAMP: dt.datetime,
    Kind.DURATION: dt.timedelta,
}


class _Given:
    """The values that trees read, as the variables `v…` of a function."""

    def __init__(self, trees: Iterable[Checked], environment: Environment, emitter: Emitter) -> None:
        names = {name.place: name for tree in trees for name in names_in(tree)}
        self.names = {
            f"v{place}": (place, environment.types[name.name]) for place, name in sorted(names.items())
        }
        self._never_missing = [f"v{place}" for place, name in sorted(names.items()) if not name.may_miss]
        self._emitter = emitter
        self._type = emitter.global_name(type)
        self._classes = {
            kind: emitter.global_name(_CLASSES[kind])
            for kind in sorted({type_.kind for _, type_ in self.names.values()}, key=lambda kind: kind.value)
            if kind in _CLASSES
        }

    def taken(self) -> list[ast.stmt]:
        """Statements that take the values from the row; lists are made None where they cannot be used."""
        body = []
        for name, (place, type_) in self.names.items():
            value: ast.expr = ast.Subscript(load("row"), constant(place), ast.Load())
            if type_.kind is Kind.LIST:
                value = ast.Call(self._emitter.global_name(_usable(type_)), [value], [])
            body.append(_assign(name, value))
        return body

    def all_there(self) -> ast.expr:
        """A test that every value is there and can be used. It may say no for doubles near the largest."""
        tests = []
        for name, (_, type_) in self.names.items():
            tests += [is_there(load(name))] if type_.kind is Kind.LIST else self._is_plain(name, type_)
        doubles = [load(name) for name, (_, type_) in self.names.items() if type_.kind is Kind.DOUBLE]
        for first in range(0, len(doubles), _SUMMED):
            # What is not finite makes the sum so: one test for many.
            total = doubles[first]
            for double in doubles[first + 1 : first + _SUMMED]:
                total = ast.BinOp(total, ast.Add(), double)
            tests.append(within(-_INFINITY, ast.Lt, total, _INFINITY))
        return all_of(tests)

    def made_usable(self, otherwise: ast.expr) -> list[ast.stmt]:
        """Statements that make None what is missing or as good as that.

        They return `otherwise` where a value is missing that never is.
        """
        body: list[ast.stmt] = []
        for name, (_, type_) in self.names.items():
            if type_.kind is Kind.LIST:
                continue
            plain = self._is_plain(name, type_)
            if type_.kind is Kind.DOUBLE:
                plain.append(within(-_INFINITY, ast.Lt, load(name), _INFINITY))
            checked: ast.expr = ast.Call(self._emitter.global_name(_usable(type_)), [load(name)], [])
            if type_.is_optional:  # None comes often, and needs no call
                checked = ast.IfExp(is_none(load(name)), constant(None), checked)
            body.append(_assign(name, ast.IfExp(all_of(plain), load(name), checked)))
        needed = [is_none(load(name)) for name in self._never_missing]
        return [*body, *([ast.If(any_of(needed), [ast.Return(otherwise)], [])] if needed else [])]

    def _is_plain(self, name: str, type_: Type) -> list[ast.expr]:
        """Tests that a value is of exactly its class; nothing is said of others, which may do as well."""
        of_it = ast.Call(self._type, [load(name)], [])
        tests: list[ast.expr] = [ast.Compare(of_it, [ast.Is()], [self._classes[type_.kind]])]
        if type_.kind is Kind.TIMESTAMP:
            tests.append(is_there(ast.Attribute(load(name), "tzinfo", ast.Load())))
        return tests


def _usable(type_: Type) -> Callable[[Any], Any]:
    """A function that gives a value as it is reckoned with; None for what is as good as missing."""

    def checked(value: Any) -> Any:
        known = None if value is None else usable(type_, value)
        return None if isinstance(known, Cause) else known

    return checked


def _empty() -> ast.expr:
    return ast.List([], ast.Load())


def _assign(name: str, value: ast.expr) -> ast.stmt:
    return ast.Assign([ast.Name(name, ast.Store())], value)


def _function(body: list[ast.stmt], emitter: Emitter) -> Callable[[Row], Any]:
    """The function of one argument, `row`, with `body`. It sees the emitter's names and no builtins."""
    # Which fields a definition has differs between versions of Python: let Python make it.
    module = ast.parse("def evaluate(row, /): ...")
    (function,) = module.body
    check(isinstance(function, ast.FunctionDef), "a definition is parsed as one")
    function.body = body  # type: ignore[attr-defined]
    code = compile(ast.fix_missing_locations(module), "<expressions>", "exec", dont_inherit=True)
    # The module is not run: its only constant that is code is the function's.
    (inner,) = (found for found in code.co_consts if isinstance(found, types.CodeType))
    return types.FunctionType(inner, {"__builtins__": {}, **emitter.names})
