"""Checking of calls: functions, macros, and what stands beside an enumeration."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from caudal.expressions.checked import Checked, Constant, Each, First, Item, Name, Present
from caudal.expressions.errors import did_you_mean
from caudal.expressions.functions import (
    EXTREMES,
    FUNCTIONS,
    MACROS,
    METHODS,
    REFUSED,
    SPECIAL,
    Overload,
    zone_named,
)
from caudal.expressions.operations import PARTS_OF_TIME, part_of_time
from caudal.expressions.rendering import render_value
from caudal.expressions.syntax import Call, Identifier, Literal, MapLiteral, Node
from caudal.expressions.types import BOOL, INT, NUMBERS, Kind, Type, list_of
from caudal.expressions.unify import texts_of, unified

if TYPE_CHECKING:
    from caudal.expressions.checker import Checker

_CALL_COST: Final = 5
"""Steps that a call counts for: texts may be long."""

_METHOD_NAMES: Final = (*METHODS, *PARTS_OF_TIME, *MACROS, "orValue")
_FUNCTION_NAMES: Final = (*FUNCTIONS, *EXTREMES, *SPECIAL)


def check_call(checker: "Checker", node: Call, scope: Mapping[str, Item]) -> Checked:
    """The checked form of a call."""
    if node.function in REFUSED:
        raise checker.refused(node, f"there is no {node.function}(): {REFUSED[node.function]}")
    if node.receiver is not None:
        path = checker.path_of(node.receiver, scope)
        qualified = f"{path}.{node.function}"
        if path == "math" and "math" not in checker.environment.types:
            return _function(checker, node, qualified, scope)
        return _method(checker, node, node.receiver, scope)
    return _function(checker, node, node.function, scope)


def _function(checker: "Checker", node: Call, name: str, scope: Mapping[str, Item]) -> Checked:
    if name == "has":
        return _has(checker, node, scope)
    arguments = [checker.value(argument, scope) for argument in node.arguments]
    if name == "coalesce":
        return _coalesce(checker, node, arguments)
    if name in EXTREMES:
        return _extreme(checker, node, name, arguments)
    overloads = FUNCTIONS.get(name)
    if overloads is None:
        hint = did_you_mean(name, _FUNCTION_NAMES)
        if name in _METHOD_NAMES:
            hint = f"; it is called on a value: value.{name}(…)"
        raise checker.unknown(node, f"there is no function {name}{hint}")
    return _called(checker, node, name, overloads, arguments)


def _method(checker: "Checker", node: Call, receiver: Node, scope: Mapping[str, Item]) -> Checked:
    name = node.function
    if name in MACROS:
        return _macro(checker, node, receiver, scope)
    if name not in _METHOD_NAMES:
        hint = did_you_mean(name, _METHOD_NAMES)
        if name in _FUNCTION_NAMES:
            hint = f"; it is called with its value: {name}(…)"
        raise checker.unknown(node, f"there is no function {name}{hint}")
    first = checker.value(receiver, scope)
    arguments = [first, *(checker.value(argument, scope) for argument in node.arguments)]
    if name == "orValue":
        return _coalesce(checker, node, arguments)
    if name in PARTS_OF_TIME and first.type.kind is Kind.TIMESTAMP:
        return _part_of_time(checker, node, arguments)
    return _called(checker, node, name, METHODS.get(name, ()), arguments)


def _called(
    checker: "Checker", node: Call, name: str, overloads: Sequence[Overload], arguments: Sequence[Checked]
) -> Checked:
    kinds = tuple(argument.type.kind for argument in arguments)
    for overload in overloads:
        if overload.kinds == kinds:
            cost = _CALL_COST
            return checker.apply(node, overload.result, overload.operation, arguments, cost=cost)
    known = " or ".join(f"({', '.join(kind.value for kind in overload.kinds)})" for overload in overloads)
    given = ", ".join(str(argument.type) for argument in arguments)
    raise checker.refused(node, f"{name} takes {known or '(timestamp)'}, and here it gets ({given})")


def _has(checker: "Checker", node: Call, scope: Mapping[str, Item]) -> Checked:
    name = checker.check(node.arguments[0], scope) if len(node.arguments) == 1 else None
    if not isinstance(name, Name):
        raise checker.refused(node, "has() takes one name; for what is worked out there is coalesce()")
    return Present(node, BOOL, False, 1, name, True)


def _coalesce(checker: "Checker", node: Call, operands: Sequence[Checked]) -> Checked:
    if len(operands) < 2:
        raise checker.refused(node, f"{node.function}() takes a value and what to take where it is missing")
    both = unified(operands)
    if isinstance(both, Checked):
        raise checker.refused(both.origin, f"all must have one type, and this is of type {both.type}")
    type_, fitted = both
    may_miss = all(operand.may_miss for operand in fitted)
    return First(node, type_, may_miss, 1 + sum(operand.cost for operand in fitted), fitted)


def _extreme(checker: "Checker", node: Call, name: str, arguments: Sequence[Checked]) -> Checked:
    both = unified(arguments) if len(arguments) > 1 else None
    if both is None or isinstance(both, Checked) or both[0].kind not in NUMBERS:
        raise checker.refused(node, f"{name} takes two or more numbers of one type")
    type_, fitted = both
    return checker.apply(node, type_, EXTREMES[name], fitted, cost=len(fitted))


def _part_of_time(checker: "Checker", node: Call, arguments: Sequence[Checked]) -> Checked:
    zone = zone_named("UTC")
    if len(arguments) == 2:
        named = arguments[1]
        if not isinstance(named, Constant) or not isinstance(named.value, str):
            raise checker.refused(node, "the time zone must be written out: a name or an offset")
        zone = zone_named(named.value)
        if zone is None:
            raise checker.unknown(
                named.origin, f"there is no time zone {named.value}; write Europe/Berlin or +02:00"
            )
    if len(arguments) > 2 or zone is None:
        raise checker.refused(node, f"{node.function}() takes nothing, or a time zone")
    return checker.apply(node, INT, part_of_time(node.function, zone), arguments[:1], cost=_CALL_COST)


def _macro(checker: "Checker", node: Call, receiver: Node, scope: Mapping[str, Item]) -> Checked:
    macro = node.function
    items = checker.value(receiver, scope)
    element = items.type.element
    if items.type.kind is not Kind.LIST or element is None:
        raise checker.refused(receiver, f"{macro} goes through a list, and this is of type {items.type}")
    if len(node.arguments) != 2 or not isinstance(node.arguments[0], Identifier):
        raise checker.refused(node, f"{macro} takes a name for the item, and an expression of it")
    variable, body_node = node.arguments[0], node.arguments[1]
    taken = {name.split(".")[0] for name in checker.environment.names} | scope.keys() | {"math"}
    if variable.name in taken:
        raise checker.refused(variable, f"{variable.name} already means something else here")
    item = Item(variable, element, False, 1, checker.number())
    inner = {**scope, variable.name: item}
    if macro == "map":
        body = checker.value(body_node, inner)
        checker.simple(body_node, body, "what map() makes")
        type_ = list_of(body.type, at_most=items.type.at_most)
    else:
        body = checker.condition(body_node, inner, f"what {macro}() asks")
        type_ = items.type if macro == "filter" else BOOL
    cost = 1 + items.cost + items.type.at_most * (1 + body.cost)
    return Each(node, type_, items.may_miss or body.may_miss, cost, macro, items, item.number, body)


def check_members(checker: "Checker", type_: Type, beside: Checked) -> None:
    """Refuse texts in `beside` that a string of `type_` never is."""
    if not type_.members:
        return
    for text in texts_of(beside):
        _check_member(checker, type_, text)
    of_it = (beside.type.element or beside.type).members
    if of_it and not set(of_it) & set(type_.members):
        raise checker.refused(beside.origin, f"this is never one of {', '.join(type_.members)}")


def check_keys(checker: "Checker", type_: Type, node: Node) -> None:
    """Refuse keys of a map that a string of `type_`, which is looked up, never is."""
    if type_.members and isinstance(node, MapLiteral):
        for key, _ in node.entries:
            if isinstance(key, Literal) and key.kind is Kind.STRING:
                _check_member(checker, type_, key)


def _check_member(checker: "Checker", type_: Type, text: Literal) -> None:
    value = str(text.value)
    if value not in type_.members:
        hint = did_you_mean(value, type_.members) or f"; there are {', '.join(type_.members)}"
        raise checker.unknown(text, f"this is never {render_value(value)}{hint}")
