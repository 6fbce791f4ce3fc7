"""From checked trees to the syntax tree of Python: no text is ever put together and run.

Only nodes made here exist in the result: names are `v3` (a value), `t1` (in between), `i2` (an item) or keys
of the emitter's `names`, and nothing of an expression becomes one. A value that is missing is None.
"""

import ast
from collections.abc import Callable, Sequence
from typing import Any, Final

from caudal.expressions import operations
from caudal.expressions.checked import (
    Apply,
    Both,
    Checked,
    Choice,
    Collect,
    Constant,
    Each,
    Either,
    First,
    Gather,
    Item,
    Name,
    Present,
    parts,
)
from caudal.expressions.operations import Inline
from caudal.expressions.types import Cause, Value

_RELATIONS: Final[dict[str, type[ast.cmpop]]] = {
    "==": ast.Eq,
    "!=": ast.NotEq,
    "<": ast.Lt,
    "<=": ast.LtE,
    ">": ast.Gt,
    ">=": ast.GtE,
}
_ARITHMETIC: Final[dict[str, type[ast.operator]]] = {
    "+": ast.Add,
    "-": ast.Sub,
    "*": ast.Mult,
    "/": ast.Div,
}
_BOUNDS: Final[dict[Inline, tuple[float, type[ast.cmpop], float]]] = {
    Inline.INT: (operations.INT_MIN, ast.LtE, operations.INT_MAX),
    Inline.UINT: (0, ast.LtE, operations.UINT_MAX),
    Inline.DOUBLE: (float("-inf"), ast.Lt, float("inf")),
    Inline.QUOTIENT: (float("-inf"), ast.Lt, float("inf")),
}

_LOAD: Final = ast.Load()


def load(name: str) -> ast.expr:
    """The value of a variable."""
    return ast.Name(name, _LOAD)


def constant(value: Any) -> ast.expr:
    """A value of Python's own kinds."""
    return ast.Constant(value)


def is_none(node: ast.expr) -> ast.expr:
    """Whether something is missing."""
    return ast.Compare(node, [ast.Is()], [constant(None)])


def is_there(node: ast.expr) -> ast.expr:
    """Whether something is not missing."""
    return ast.Compare(node, [ast.IsNot()], [constant(None)])


def any_of(tests: Sequence[ast.expr]) -> ast.expr:
    """`or` of one or more tests."""
    return tests[0] if len(tests) == 1 else ast.BoolOp(ast.Or(), list(tests))


def all_of(tests: Sequence[ast.expr]) -> ast.expr:
    """`and` of one or more tests."""
    return tests[0] if len(tests) == 1 else ast.BoolOp(ast.And(), list(tests))


def within(low: float, relation: type[ast.cmpop], node: ast.expr, high: float) -> ast.expr:
    """Whether a number is between bounds."""
    return ast.Compare(constant(low), [relation(), relation()], [node, constant(high)])


class Emitter:
    """Writes the expressions of one function of Python."""

    def __init__(self) -> None:
        """`names` gathers what the function calls and looks up, for its globals."""
        self.names: dict[str, Any] = {}
        self._temporaries = 0
        self._all_there = False

    def begin(self, *, all_there: bool) -> None:
        """Begin another expression; where `all_there`, no value that is given will be missing."""
        self._temporaries = 0
        self._all_there = all_there

    def may_miss(self, node: Checked) -> bool:
        """Whether the Python for a part may give None."""
        if not self._all_there or not node.may_miss:
            return node.may_miss
        if isinstance(node, Name):
            return False
        if isinstance(node, Apply) and node.operation.fails:
            return True
        of_parts = [self.may_miss(part) for part in parts(node)]
        return all(of_parts) if isinstance(node, First) else any(of_parts)

    def emit(self, node: Checked) -> ast.expr:
        """The Python for a part; it gives None where the part is missing."""
        match node:
            case Constant(value=value):
                return self._constant(value)
            case Name(place=place):
                return load(f"v{place}")
            case Item(number=number):
                return load(f"i{number}")
            case Apply():
                return self._apply(node)
            case Both(operands=operands):
                return self._logical(operands, decisive=False)
            case Either(operands=operands):
                return self._logical(operands, decisive=True)
            case Choice():
                return self._choice(node)
            case First(operands=operands):
                return self._first(operands)
            case Present(expected=expected) if self._all_there:
                return constant(expected)
            case Present(name=name, expected=expected):
                return (is_there if expected else is_none)(self.emit(name))
            case Collect() | Gather():
                return self._made(node)
            case Each():
                return self._each(node)
        raise TypeError(f"no node of a checked tree: {node!r}")

    def global_name(self, value: Any) -> ast.expr:
        """The name under which the function finds `value`."""
        name = f"g{len(self.names)}"
        self.names[name] = value
        return load(name)

    def _constant(self, value: Value | frozenset[Any] | None) -> ast.expr:
        if value is None or isinstance(value, bool | int | float | str):
            return constant(value)
        return self.global_name(value)

    def _kept(self, node: ast.expr) -> tuple[ast.expr, ast.expr]:
        """Python that evaluates `node` and keeps the value, and Python that gives it again."""
        if isinstance(node, ast.Name | ast.Constant):
            return node, node
        self._temporaries += 1
        name = f"t{self._temporaries}"
        return ast.NamedExpr(ast.Name(name, ast.Store()), node), load(name)

    def _operands(self, nodes: Sequence[Checked]) -> tuple[list[ast.expr], list[ast.expr]]:
        """Tests that all `nodes` are there, and their values if they are."""
        tests, values = [], []
        for node in nodes:
            emitted = self.emit(node)
            if self.may_miss(node):
                kept, emitted = self._kept(emitted)
                tests.append(is_there(kept))
            values.append(emitted)
        return tests, values

    def _apply(self, node: Apply) -> ast.expr:
        operation = node.operation
        if operation.inline is Inline.MEMBERSHIP and isinstance(node.operands[1], Constant):
            items: Any = node.operands[1].value
            tests, values = self._operands(node.operands[:1])
            values.append(self._constant(frozenset(items)))
        else:
            tests, values = self._operands(node.operands)
        match operation.inline:
            case None:
                result = self._called(operation.apply, values)
                if operation.fails:
                    kept, result = self._kept(result)
                    # A Cause is no value, and nothing else is of its class.
                    tests.append(ast.Compare(self._class_of(kept), [ast.IsNot()], [self.global_name(Cause)]))
            case Inline.NOT:
                result = ast.UnaryOp(ast.Not(), values[0])
            case Inline.REAL:
                result = ast.BinOp(values[0], ast.Mult(), constant(1.0))
            case Inline.RELATION:
                result = ast.Compare(values[0], [_RELATIONS[operation.symbol]()], [values[1]])
            case Inline.MEMBERSHIP:
                result = ast.Compare(values[0], [ast.In()], [values[1]])
            case inline:
                result = self._arithmetic(operation.symbol, inline, tests, values)
        return ast.IfExp(all_of(tests), result, constant(None)) if tests else result

    def _class_of(self, node: ast.expr) -> ast.expr:
        return ast.Call(self.global_name(type), [node], [])

    def _called(self, function: Callable[..., Any], values: Sequence[ast.expr]) -> ast.expr:
        return ast.Call(self.global_name(function), list(values), [])

    def _arithmetic(
        self, symbol: str, inline: Inline, tests: list[ast.expr], values: list[ast.expr]
    ) -> ast.expr:
        left, right = values
        if inline is Inline.QUOTIENT:
            kept, right = self._kept(right)
            tests.append(ast.Compare(kept, [ast.NotEq()], [constant(0.0)]))
        low, relation, high = _BOUNDS[inline]
        kept, result = self._kept(ast.BinOp(left, _ARITHMETIC[symbol](), right))
        tests.append(within(low, relation, kept, high))
        return result

    def _logical(self, operands: Sequence[Checked], *, decisive: bool) -> ast.expr:
        """`||` where `decisive` is True and one true operand decides; `&&` where it is False."""
        # Each operand is emitted once: twice at every level would be without end.
        all_emitted = [self.emit(operand) for operand in operands]
        if not any(self.may_miss(operand) for operand in operands):
            return any_of(all_emitted) if decisive else all_of(all_emitted)
        deciding, missing = [], []
        for operand, emitted in zip(operands, all_emitted, strict=True):
            if self.may_miss(operand):
                kept, again = self._kept(emitted)
                # A missing operand is None, which is not true either.
                deciding.append(kept if decisive else ast.Compare(kept, [ast.Is()], [constant(False)]))
                missing.append(is_none(again))
            else:
                deciding.append(emitted if decisive else ast.UnaryOp(ast.Not(), emitted))
        otherwise = ast.IfExp(any_of(missing), constant(None), constant(not decisive))
        return ast.IfExp(any_of(deciding), constant(decisive), otherwise)

    def _choice(self, node: Choice) -> ast.expr:
        then, otherwise = self.emit(node.then), self.emit(node.otherwise)
        condition = self.emit(node.condition)
        if not self.may_miss(node.condition):
            return ast.IfExp(condition, then, otherwise)
        kept, again = self._kept(condition)
        return ast.IfExp(kept, then, ast.IfExp(is_none(again), constant(None), otherwise))

    def _first(self, operands: Sequence[Checked]) -> ast.expr:
        result = self.emit(operands[-1])
        for operand in reversed(operands[:-1]):
            emitted = self.emit(operand)
            if not self.may_miss(operand):
                result = emitted
                continue
            kept, again = self._kept(emitted)
            result = ast.IfExp(is_there(kept), again, result)
        return result

    def _made(self, node: Collect | Gather) -> ast.expr:
        if isinstance(node, Collect):
            tests, values = self._operands(node.items)
            result: ast.expr = ast.List(values, _LOAD)
        else:
            tests, values = self._operands((*node.keys, *node.values))
            count = len(node.keys)
            result = ast.Dict(list(values[:count]), values[count:])
        return ast.IfExp(all_of(tests), result, constant(None)) if tests else result

    def _each(self, node: Each) -> ast.expr:
        if not self.may_miss(node.items):
            return self._gone_through(node, self.emit(node.items))
        kept, again = self._kept(self.emit(node.items))
        return ast.IfExp(is_there(kept), self._gone_through(node, again), constant(None))

    def _gone_through(self, node: Each, items: ast.expr) -> ast.expr:
        item = ast.arg(f"i{node.number}")
        arguments = ast.arguments(
            posonlyargs=[], args=[item], kwonlyargs=[], kw_defaults=[], defaults=[], vararg=None, kwarg=None
        )
        return self._called(MACROS[node.macro], [items, ast.Lambda(arguments, self.emit(node.body))])


_Body = Callable[[Any], Any]


def _every(items: Sequence[Any], holds: _Body) -> bool | None:
    result: bool | None = True
    for item in items:
        found = holds(item)
        if found is False:
            return False
        if found is None:
            result = None
    return result


def _some(items: Sequence[Any], holds: _Body) -> bool | None:
    result: bool | None = False
    for item in items:
        found = holds(item)
        if found:
            return True
        if found is None:
            result = None
    return result


def _exactly_one(items: Sequence[Any], holds: _Body) -> bool | None:
    found = [holds(item) for item in items]
    return None if None in found else sum(found) == 1


def _chosen(items: Sequence[Any], holds: _Body) -> list[Any] | None:
    found = [holds(item) for item in items]
    return None if None in found else [item for item, one in zip(items, found, strict=True) if one]


def _each_made(items: Sequence[Any], make: _Body) -> list[Any] | None:
    found = [make(item) for item in items]
    return None if any(one is None for one in found) else found


MACROS: Final[dict[str, Callable[[Sequence[Any], _Body], Any]]] = {
    "all": _every,
    "exists": _some,
    "exists_one": _exactly_one,
    "filter": _chosen,
    "map": _each_made,
}
"""What macros do with a list and a function of an item."""
