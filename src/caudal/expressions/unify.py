"""Bringing types together: which values may stand beside each other, and as what."""

from collections.abc import Sequence
from typing import Any

import msgspec

from caudal.expressions.checked import Checked, Constant
from caudal.expressions.syntax import Literal
from caudal.expressions.types import DOUBLE, NUMBERS, STRING, Kind, Type


def join(left: Type, right: Type) -> Type | None:
    """The type of what is one or the other; None where there is none."""
    if left.kind is not right.kind:
        return None
    match left.kind:
        case Kind.STRING if left.members != right.members:
            both = (*left.members, *(member for member in right.members if member not in left.members))
            return msgspec.structs.replace(STRING, members=both if left.members and right.members else ())
        case Kind.LIST | Kind.MAP:
            element = _joined_part(left.element, right.element)
            key = _joined_part(left.key, right.key)
            if element is None and left.element is not right.element:
                return None
            if key is None and left.key is not right.key:
                return None
            return Type(left.kind, element=element, key=key, at_most=max(left.at_most, right.at_most))
    return left


def _joined_part(left: Type | None, right: Type | None) -> Type | None:
    """As `join`, where None is the part of what is empty."""
    if left is None or right is None:
        return left or right
    return join(left, right)


def comparable(left: Type, right: Type) -> bool:
    """Whether `==` makes sense: the same sort of value, or two numbers."""
    if left.kind in NUMBERS:
        return right.kind in NUMBERS
    if left.kind is not right.kind or left.kind in {Kind.MAP, Kind.NULL}:
        return False
    if left.kind is Kind.LIST and left.element is not None and right.element is not None:
        return comparable(left.element, right.element)
    return True


def adapted(node: Checked, kind: Kind) -> Checked:
    """A whole number that is known, or a list of them, as double where `kind` is; all else as it is."""
    if kind is Kind.DOUBLE and isinstance(node, Constant):
        if node.type.kind is Kind.INT and isinstance(node.value, int) and float(node.value) == node.value:
            return Constant(node.origin, DOUBLE, False, node.cost, float(node.value))
        element = node.type.element
        if node.type.kind is Kind.LIST and element is not None and element.kind is Kind.INT:
            known: Any = node.value
            items = [float(item) for item in known]
            if items == known:
                type_ = msgspec.structs.replace(node.type, element=DOUBLE)
                return Constant(node.origin, type_, False, node.cost, items)
    return node


def unified(nodes: Sequence[Checked]) -> tuple[Type, tuple[Checked, ...]] | Checked:
    """The type of all `nodes` together, with whole numbers that are known made double among doubles.

    Gives the first node that does not fit those before it where there is no such type.
    """
    kinds = {node.type.kind for node in nodes}
    elements = {node.type.element.kind for node in nodes if node.type.element is not None}
    to = Kind.DOUBLE if Kind.DOUBLE in kinds | elements else nodes[0].type.kind
    fitted = tuple(adapted(node, to) for node in nodes)
    type_ = fitted[0].type
    for node in fitted[1:]:
        both = join(type_, node.type)
        if both is None:
            return node
        type_ = both
    return type_, fitted


def texts_of(node: Checked) -> list[Literal]:
    """The texts that are written out in `node`: itself, or the items of a list."""
    origin = node.origin
    items = getattr(origin, "items", (origin,))
    return [item for item in items if isinstance(item, Literal) and item.kind is Kind.STRING]
