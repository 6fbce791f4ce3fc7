"""Functions of Python from checked trees: one for an expression, or one for all conditions of rules."""

import ast
import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from caudal.expressions.checked import Checked, Name, parts
from caudal.expressions.emitter import Emitter, all_of, any_of, constant, is_none, is_there, load, within
from caudal.expressions.environment import Environment, Row, usable_items
from caudal.expressions.interpreter import FAULTS
from caudal.expressions.types import Cause, Kind, Type

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


class _Given:
    """The values that trees read, as the variables `v…` of a function."""

    def __init__(self, trees: Iterable[Checked], environment: Environment, emitter: Emitter) -> None:
        places = {name.place: name.name for tree in trees for name in names_in(tree)}
        self.names = {f"v{place}": (place, environment.types[name]) for place, name in sorted(places.items())}
        self._emitter = emitter

    def taken(self) -> list[ast.stmt]:
        """Statements that take the values from the row; lists are made None where they cannot be used."""
        body = []
        for name, (place, type_) in self.names.items():
            body.append(_assign(name, ast.Subscript(load("row"), constant(place), ast.Load())))
            if type_.kind is Kind.LIST:
                usable = ast.Call(self._emitter.global_name(_items_of(type_)), [load(name)], [])
                is_given = is_there(load(name))
                body.append(_assign(name, ast.IfExp(is_given, usable, constant(None))))
        return body

    def all_there(self) -> ast.expr:
        """A test that every value is there and can be used. It may say no for doubles near the largest."""
        tests = [is_there(load(name)) for name in self.names]
        tests += [
            is_there(ast.Attribute(load(name), "tzinfo", ast.Load()))
            for name, (_, type_) in self.names.items()
            if type_.kind is Kind.TIMESTAMP
        ]
        doubles = [load(name) for name, (_, type_) in self.names.items() if type_.kind is Kind.DOUBLE]
        for first in range(0, len(doubles), _SUMMED):
            # What is not finite makes the sum so: one test for many.
            total = doubles[first]
            for double in doubles[first + 1 : first + _SUMMED]:
                total = ast.BinOp(total, ast.Add(), double)
            tests.append(within(-_INFINITY, ast.Lt, total, _INFINITY))
        return all_of(tests)

    def made_usable(self, otherwise: ast.expr) -> list[ast.stmt]:
        """Statements that make None what is as good as missing.

        They return `otherwise` where a value is missing that never is.
        """
        needed = [
            is_none(load(name))
            for name, (_, type_) in self.names.items()
            if not type_.is_optional and type_.kind is not Kind.LIST
        ]
        body: list[ast.stmt] = [ast.If(any_of(needed), [ast.Return(otherwise)], [])] if needed else []
        for name, (_, type_) in self.names.items():
            if usable := _usable(type_, name):
                tests = [is_there(load(name)), usable]
                body.append(_assign(name, ast.IfExp(all_of(tests), load(name), constant(None))))
        return body


def _usable(type_: Type, name: str) -> ast.expr | None:
    """A test of a value that is there; None where each value of the type can be used."""
    match type_.kind:
        case Kind.DOUBLE:
            # Subtracting nothing makes a whole number a double, and leaves a negative zero one.
            real = ast.NamedExpr(ast.Name(name, ast.Store()), ast.BinOp(load(name), ast.Sub(), constant(0.0)))
            return within(-_INFINITY, ast.Lt, real, _INFINITY)
        case Kind.TIMESTAMP:
            return is_there(ast.Attribute(load(name), "tzinfo", ast.Load()))
    return None


def _items_of(type_: Type) -> Callable[[Sequence[Any]], Any]:
    def items(given: Sequence[Any]) -> Any:
        known = usable_items(type_, given)
        return None if isinstance(known, Cause) else known

    return items


def _empty() -> ast.expr:
    return ast.List([], ast.Load())


def _assign(name: str, value: ast.expr) -> ast.stmt:
    return ast.Assign([ast.Name(name, ast.Store())], value)


def _function(body: list[ast.stmt], emitter: Emitter) -> Callable[[Row], Any]:
    """The function of one argument, `row`, with `body`. It sees the emitter's names and no builtins."""
    arguments = ast.arguments(
        posonlyargs=[ast.arg("row")],
        args=[],
        kwonlyargs=[],
        kw_defaults=[],
        defaults=[],
        vararg=None,
        kwarg=None,
    )
    function = ast.FunctionDef("evaluate", arguments, body, [])
    module = ast.fix_missing_locations(ast.Module([function], []))
    code = compile(module, "<expressions>", "exec", dont_inherit=True)
    # The module is not run: its only constant that is code is the function's.
    (inner,) = (found for found in code.co_consts if isinstance(found, types.CodeType))
    return types.FunctionType(inner, {"__builtins__": {}, **emitter.names})
