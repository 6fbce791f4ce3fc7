"""Checking of relations and of arithmetic: which operation two types ask for."""

from typing import TYPE_CHECKING, Final

import msgspec

from caudal.expressions import operations
from caudal.expressions.calls import check_members
from caudal.expressions.checked import Checked, Constant
from caudal.expressions.operations import Operation
from caudal.expressions.rendering import render_tree
from caudal.expressions.syntax import Binary
from caudal.expressions.types import (
    BOOL,
    DOUBLE,
    DURATION,
    INT,
    NUMBERS,
    ORDERED,
    STRING,
    TIMESTAMP,
    UINT,
    Kind,
    Type,
)
from caudal.expressions.unify import adapted, comparable, join

if TYPE_CHECKING:
    from caudal.expressions.checker import Checker

_TEXT_COST: Final = 5
"""Steps that an operation on texts counts for: they may be long."""


def check_relation(checker: "Checker", node: Binary, left: Checked, right: Checked) -> Checked:
    """The checked form of `==`, `<` and their like, and of `in`."""
    if node.operator == "in":
        return _membership(checker, node, left, right)
    if not comparable(left.type, right.type):
        hint = ""
        if isinstance(node.left, Binary) and node.left.operator in operations.RELATIONS:
            middle = render_tree(node.left.right)
            hint = f"; write … {node.left.operator} {middle} && {middle} {node.operator} …"
        raise checker.refused(node, f"{left.type} and {right.type} cannot be compared{hint}")
    if node.operator in {"<", "<=", ">", ">="} and left.type.kind not in ORDERED:
        raise checker.refused(node, f"{left.type} has no order")
    check_members(checker, left.type, right)
    check_members(checker, right.type, left)
    left, right = adapted(left, right.type.kind), adapted(right, left.type.kind)
    cost = 1 + max(left.type.at_most, right.type.at_most)
    return checker.apply(node, BOOL, operations.RELATIONS[node.operator], (left, right), cost=cost)


def _membership(checker: "Checker", node: Binary, item: Checked, items: Checked) -> Checked:
    if items.type.kind is Kind.MAP:
        inside = items.type.key
    elif items.type.kind is Kind.LIST:
        inside = items.type.element
    else:
        raise checker.refused(node.right, f"in looks into a list or a map, and this is of type {items.type}")
    checker.simple(node.left, item, "what is looked for")
    if inside is not None and not comparable(item.type, inside):
        raise checker.refused(node, f"{item.type} cannot be among {inside}")
    check_members(checker, item.type, items)
    if inside is not None:
        check_members(checker, inside, item)
    # What is known beforehand is looked up by its hash.
    cost = 1 if isinstance(items, Constant) or items.type.kind is Kind.MAP else 1 + items.type.at_most
    return checker.apply(node, BOOL, operations.MEMBERSHIP, (item, items), cost=cost)


_TIMES: Final[dict[tuple[Kind, str, Kind], tuple[Type, Operation]]] = {
    (Kind.TIMESTAMP, "+", Kind.DURATION): (TIMESTAMP, operations.LATER),
    (Kind.DURATION, "+", Kind.TIMESTAMP): (TIMESTAMP, operations.LATER_TURNED),
    (Kind.TIMESTAMP, "-", Kind.DURATION): (TIMESTAMP, operations.EARLIER),
    (Kind.TIMESTAMP, "-", Kind.TIMESTAMP): (DURATION, operations.BETWEEN),
    (Kind.DURATION, "+", Kind.DURATION): (DURATION, operations.LONGER),
    (Kind.DURATION, "-", Kind.DURATION): (DURATION, operations.SHORTER),
    (Kind.STRING, "+", Kind.STRING): (STRING, operations.JOINED),
}

_NUMBERS: Final = {
    Kind.INT: (INT, operations.INT_ARITHMETIC),
    Kind.UINT: (UINT, operations.UINT_ARITHMETIC),
    Kind.DOUBLE: (DOUBLE, operations.DOUBLE_ARITHMETIC),
}


def check_arithmetic(checker: "Checker", node: Binary, left: Checked, right: Checked) -> Checked:
    """The checked form of `+`, `-`, `*`, `/` and `%`."""
    left, right = adapted(left, right.type.kind), adapted(right, left.type.kind)
    kinds = (left.type.kind, right.type.kind)
    if left.type.kind in NUMBERS and kinds[0] is kinds[1]:
        return _number(checker, node, left, right)
    if found := _TIMES.get((kinds[0], node.operator, kinds[1])):
        type_, operation = found
        cost = _TEXT_COST if type_.kind is Kind.STRING else 1
        return checker.apply(node, type_, operation, (left, right), cost=cost)
    if kinds == (Kind.LIST, Kind.LIST) and node.operator == "+":
        both = join(left.type, right.type)
        if both is not None:
            at_most = left.type.at_most + right.type.at_most
            type_ = msgspec.structs.replace(both, at_most=at_most)
            return checker.apply(node, type_, operations.CONCATENATED, (left, right), cost=1 + at_most)
    hint = ""
    if NUMBERS.issuperset(kinds):
        whole = left if left.type.kind is not Kind.DOUBLE else right
        hint = f"; write double({render_tree(whole.origin)})" if Kind.DOUBLE in kinds else ""
    raise checker.refused(node, f"there is no {left.type} {node.operator} {right.type}{hint}")


def _number(checker: "Checker", node: Binary, left: Checked, right: Checked) -> Checked:
    type_, table = _NUMBERS[left.type.kind]
    operation = table.get(node.operator)
    if operation is None:
        raise checker.refused(node, f"there is no {type_} {node.operator} {type_}; % is for whole numbers")
    if node.operator == "/" and type_ is INT and not isinstance(left, Constant):
        known = right.value if isinstance(right, Constant) else None
        divisor = f"{known}.0" if isinstance(known, int) else f"double({render_tree(node.right)})"
        ratio = f"double({render_tree(node.left)}) / {divisor}"
        checker.warn(node, f"this gives a whole number: 7 / 2 is 3; for a ratio write {ratio}")
    return checker.apply(node, type_, operation, (left, right))
