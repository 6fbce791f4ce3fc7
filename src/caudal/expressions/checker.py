"""From the tree of a text to a checked one: names, types, operations, cost."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from caudal.expressions import calls, operations
from caudal.expressions.checked import (
    Apply,
    Both,
    Checked,
    Choice,
    Collect,
    Constant,
    Either,
    Gather,
    Item,
    Name,
    Present,
)
from caudal.expressions.environment import Environment
from caudal.expressions.errors import (
    ExpressionInvalid,
    ExpressionMistyped,
    ExpressionNameUnknown,
    ExpressionTooLarge,
    did_you_mean,
)
from caudal.expressions.operations import Operation
from caudal.expressions.relations import check_arithmetic, check_relation
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
from caudal.expressions.types import BOOL, DOUBLE, INT, NULL, STRING, UINT, Cause, Kind, Missing, Type
from caudal.expressions.unify import adapted, unified

MAX_COST: Final = 10_000
"""Operations of one evaluation, at the most that the types allow."""

Scope = Mapping[str, Item]
"""What the macros around call the items of their lists."""

_LITERALS: Final = {
    Kind.BOOL: BOOL,
    Kind.INT: INT,
    Kind.UINT: UINT,
    Kind.DOUBLE: DOUBLE,
    Kind.STRING: STRING,
    Kind.NULL: NULL,
}
_RELATION: Final = PRECEDENCE["=="]
_MAY_BE_UNUSABLE: Final = frozenset({Kind.DOUBLE, Kind.LIST, Kind.TIMESTAMP})
"""Whose values may come and yet be as good as missing: not finite, too long, without a time zone."""


class Checker:
    """Checks one expression. `warnings` are what a writer should look at although nothing forbids it."""

    def __init__(self, source: str, environment: Environment) -> None:
        """`source` is the text that the tree was read from."""
        self._source = source
        self.environment = environment
        self.warnings: list[str] = []
        self._numbers = 0

    def whole(self, tree: Node, result: Type) -> Checked:
        """The checked tree of an expression that gives a `result`. Raises `ExpressionInvalid`."""
        checked = adapted(self.check(tree, {}), result.kind)
        if checked.type.kind is not result.kind:
            raise self.refused(tree, f"this must be {_a(result)}, and it is {_a(checked.type)}")
        if checked.cost > MAX_COST:
            raise ExpressionTooLarge(
                f"this may take {checked.cost:,} steps, and at most {MAX_COST:,} are allowed",
                self._source,
                tree.at,
                tree.end,
            )
        if isinstance(checked, Constant) and result.kind is Kind.BOOL:
            self.warn(tree, f"this is always {'true' if checked.value else 'false'}")
        return checked

    def refused(self, node: Node, message: str) -> ExpressionMistyped:
        """That the types at `node` do not fit, to be raised."""
        return ExpressionMistyped(message, self._source, node.at, node.end)

    def unknown(self, node: Node, message: str) -> ExpressionNameUnknown:
        """That what `node` names does not exist, to be raised."""
        return ExpressionNameUnknown(message, self._source, node.at, node.end)

    def warn(self, node: Node, message: str) -> None:
        """Note something that is allowed and probably not meant."""
        invalid = ExpressionInvalid(message, self._source, node.at, node.end)
        self.warnings.append(invalid.detail)

    def number(self) -> int:
        """A number for the item of one more macro."""
        self._numbers += 1
        return self._numbers

    def apply(
        self,
        origin: Node,
        type_: Type,
        operation: Operation,
        operands: Sequence[Checked],
        *,
        cost: int = 1,
        may_fail: bool = True,
    ) -> Checked:
        """An operation on operands; its result where all of them are known. `may_fail` False knows better."""
        if all(isinstance(operand, Constant) for operand in operands):
            values = [operand.value for operand in operands if isinstance(operand, Constant)]
            result: Any = operation.apply(*values)
            if isinstance(result, Cause):
                raise ExpressionInvalid(
                    f"{Missing(result, render_tree(origin))}, always", self._source, origin.at, origin.end
                )
            return Constant(origin, type_, False, 0, result)
        may_miss = (operation.fails and may_fail) or any(operand.may_miss for operand in operands)
        total = cost + sum(operand.cost for operand in operands)
        return Apply(origin, type_, may_miss, total, operation, tuple(operands))

    def check(self, node: Node, scope: Scope) -> Checked:
        """The checked form of a part."""
        match node:
            case Literal(kind=kind, value=value):
                return Constant(node, _LITERALS[kind], False, 0, value)
            case Identifier() | Select():
                return self._named(node, scope)
            case Call():
                return calls.check_call(self, node, scope)
            case Logical():
                return self._logical(node, scope)
            case Binary(operator=operator, left=left, right=right):
                if PRECEDENCE[operator] == _RELATION:
                    return self._relation(node, left, right, scope)
                return check_arithmetic(self, node, self.value(left, scope), self.value(right, scope))
            case Unary():
                return self._unary(node, scope)
            case Conditional():
                return self._conditional(node, scope)
            case Index():
                return self._index(node, scope)
            case ListLiteral():
                return self._list(node, scope)
            case MapLiteral():
                return self._map(node, scope)
        raise TypeError(f"no node of the syntax: {node!r}")

    def value(self, node: Node, scope: Scope) -> Checked:
        """The checked form of a part that must be a value, and null is none."""
        checked = self.check(node, scope)
        if checked.type.kind is Kind.NULL:
            raise self.refused(node, "null can only be compared with a name, by == or !=")
        return checked

    def condition(self, node: Node, scope: Scope, what: str) -> Checked:
        """The checked form of a part that must be a bool."""
        checked = self.check(node, scope)
        if checked.type.kind is not Kind.BOOL:
            raise self.refused(node, f"{what} must be a bool, and this is {_a(checked.type)}")
        return checked

    def simple(self, node: Node, checked: Checked, what: str) -> None:
        """Refuse what is made of other values."""
        if checked.type.kind in {Kind.LIST, Kind.MAP}:
            raise self.refused(node, f"{what} must be a simple value, and this is {_a(checked.type)}")

    def path_of(self, node: Node, scope: Scope) -> str | None:
        """The name with dots that `node` writes; None for what is no name, or an item of a macro."""
        match node:
            case Identifier(name=name):
                return None if name in scope else name
            case Select(operand=operand, field=field):
                path = self.path_of(operand, scope)
                return None if path is None else f"{path}.{field}"
        return None

    def name(self, node: Node, path: str) -> Name | None:
        """The name `path` of the environment."""
        declared = self.environment.types.get(path)
        if declared is None:
            return None
        type_ = msgspec.structs.replace(declared, is_optional=False)
        may_miss = declared.is_optional or declared.kind in _MAY_BE_UNUSABLE
        return Name(node, type_, may_miss, 1, path, self.environment.places[path])

    def _named(self, node: Identifier | Select, scope: Scope) -> Checked:
        if isinstance(node, Identifier) and node.name in scope:
            item = scope[node.name]
            return Item(node, item.type, item.may_miss, 1, item.number)
        path = self.path_of(node, scope)
        if path is not None:
            if found := self.name(node, path):
                return found
            first = path.split(".")
            starts = {".".join(first[:length]) for length in range(1, len(first))}
            if not starts & self.environment.types.keys():
                raise self._no_such_name(node, path, scope)
        if not isinstance(node, Select):
            raise TypeError("an identifier has a path")
        operand = self.value(node.operand, scope)
        key = operand.type.key
        if operand.type.kind is Kind.MAP and (key is None or key.kind is Kind.STRING):
            field = Constant(node, STRING, False, 0, node.field)
            return self.apply(node, operand.type.element or NULL, operations.VALUE_OF, (operand, field))
        raise self.refused(node, f"{_a(operand.type)} has no fields")

    def _no_such_name(self, node: Node, path: str, scope: Scope) -> ExpressionNameUnknown:
        names = self.environment.names
        if path in self.environment.inner:
            of_it = [name for name in names if name.startswith(f"{path}.")]
            shown = ", ".join(of_it[:5]) + (", …" if len(of_it) > 5 else "")
            return self.unknown(node, f"{path} is no value of its own; there are {shown}")
        # Of a name with dots mostly one word is wrong: nearness of whole names finds the others.
        return self.unknown(node, f"there is no {path}{did_you_mean(path, (*names, *scope))}")

    def _logical(self, node: Logical, scope: Scope) -> Checked:
        operands = tuple(
            self.condition(operand, scope, f"each side of {node.operator}") for operand in node.operands
        )
        made = Both if node.operator == "&&" else Either
        may_miss = any(operand.may_miss for operand in operands)
        return made(node, BOOL, may_miss, 1 + sum(operand.cost for operand in operands), operands)

    def _relation(self, node: Binary, left: Node, right: Node, scope: Scope) -> Checked:
        sides = [self.check(left, scope), self.check(right, scope)]
        if Kind.NULL not in {side.type.kind for side in sides}:
            return check_relation(self, node, *sides)
        names = [side for side in sides if isinstance(side, Name)]
        if len(names) != 1 or node.operator not in {"==", "!="}:
            raise self.refused(node, "null can only be compared with a name, by == or !=")
        return Present(node, BOOL, False, 1, names[0], node.operator == "!=")

    def _unary(self, node: Unary, scope: Scope) -> Checked:
        if node.operator == "!":
            operand = self.condition(node.operand, scope, "what follows !")
            return self.apply(node, BOOL, operations.NOT, (operand,))
        operand = self.value(node.operand, scope)
        match operand.type.kind:
            case Kind.INT:
                return self.apply(node, INT, operations.NEGATIVE_INT, (operand,))
            case Kind.DOUBLE:
                return self.apply(node, DOUBLE, operations.NEGATIVE_DOUBLE, (operand,))
        raise self.refused(node, f"minus is for int and double, and this is {_a(operand.type)}")

    def _conditional(self, node: Conditional, scope: Scope) -> Checked:
        condition = self.condition(node.condition, scope, "what stands before ?")
        both = unified((self.value(node.then, scope), self.value(node.otherwise, scope)))
        if isinstance(both, Checked):
            raise self.refused(
                both.origin, f"both sides of : must have one type, and this is {_a(both.type)}"
            )
        type_, (then, otherwise) = both
        may_miss = condition.may_miss or then.may_miss or otherwise.may_miss
        cost = 1 + condition.cost + max(then.cost, otherwise.cost)
        return Choice(node, type_, may_miss, cost, condition, then, otherwise)

    def _index(self, node: Index, scope: Scope) -> Checked:
        operand = self.value(node.operand, scope)
        index = self.value(node.index, scope)
        element = operand.type.element
        if operand.type.kind is Kind.LIST and index.type.kind is Kind.INT and element is not None:
            return self.apply(node, element, operations.ITEM_AT, (operand, index))
        if operand.type.kind is Kind.MAP and operand.type.key is not None and element is not None:
            if index.type.kind is not operand.type.key.kind:
                raise self.refused(
                    node.index, f"the keys are {operand.type.key}, and this is {_a(index.type)}"
                )
            calls.check_members(self, operand.type.key, index)
            calls.check_keys(self, index.type, node.operand)
            return self.apply(node, element, operations.VALUE_OF, (operand, index))
        raise self.refused(node, f"{_a(operand.type)} has no value at {_a(index.type)}")

    def _list(self, node: ListLiteral, scope: Scope) -> Checked:
        if not node.items:
            return Constant(node, Type(Kind.LIST), False, 0, [])
        items = self._simple_values(node.items, scope, "an item of a list")
        type_ = Type(Kind.LIST, element=items[0].type, at_most=len(items))
        if all(isinstance(item, Constant) for item in items):
            known: Any = [item.value for item in items if isinstance(item, Constant)]
            return Constant(node, type_, False, 0, known)
        may_miss = any(item.may_miss for item in items)
        return Collect(node, type_, may_miss, 1 + sum(item.cost for item in items), items)

    def _map(self, node: MapLiteral, scope: Scope) -> Checked:
        if not node.entries:
            raise self.refused(node, "an empty map has nothing to look up")
        keys = self._simple_values([key for key, _ in node.entries], scope, "a key")
        values = self._simple_values([value for _, value in node.entries], scope, "a value of a map")
        if keys[0].type.kind not in {Kind.STRING, Kind.INT, Kind.UINT, Kind.BOOL}:
            raise self.refused(keys[0].origin, f"a key cannot be {_a(keys[0].type)}")
        known_keys: list[Any] = [key.value for key in keys if isinstance(key, Constant)]
        for place, key in enumerate(known_keys):
            if key in known_keys[:place]:
                raise self.refused(keys[place].origin, "this key stands here twice")
        type_ = Type(Kind.MAP, element=values[0].type, key=keys[0].type, at_most=len(keys))
        if all(isinstance(part, Constant) for part in (*keys, *values)):
            known_values: Any = [value.value for value in values if isinstance(value, Constant)]
            return Constant(node, type_, False, 0, dict(zip(known_keys, known_values, strict=True)))
        may_miss = any(part.may_miss for part in (*keys, *values))
        cost = 1 + sum(part.cost for part in (*keys, *values))
        return Gather(node, type_, may_miss, cost, keys, values)

    def _simple_values(self, nodes: Sequence[Node], scope: Scope, what: str) -> tuple[Checked, ...]:
        """The checked forms of simple values of one type; each of them has that type."""
        checked = [self.value(node, scope) for node in nodes]
        for node, one in zip(nodes, checked, strict=True):
            self.simple(node, one, what)
        both = unified(checked)
        if isinstance(both, Checked):
            raise self.refused(both.origin, f"all must have one type, and this is {_a(both.type)}")
        return both[1]


def _a(type_: Type) -> str:
    """A type with its article."""
    text = str(type_)
    return f"an {text}" if text[0] in "aio" else f"a {text}"
