"""Why a condition holds, in words: which of its parts made it true, and with which values."""

from collections.abc import Iterator
from typing import Any

from caudal.expressions import operations
from caudal.expressions.checked import Apply, Both, Checked, Choice, Constant, Either, Name, Present
from caudal.expressions.compiler import names_in
from caudal.expressions.interpreter import Interpreter
from caudal.expressions.operations import Inline
from caudal.expressions.rendering import render_tree, render_value
from caudal.expressions.types import Missing, Reason

_OPPOSITES = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def reasons_for(tree: Checked, interpreter: Interpreter) -> tuple[Reason, ...]:
    """The parts that made `tree` what it is, in the order of the text; none where it is missing."""
    found = interpreter.value(tree)
    return () if isinstance(found, Missing) else tuple(_reasons(tree, interpreter, found))


def _reasons(node: Checked, interpreter: Interpreter, outcome: Any) -> Iterator[Reason]:
    """The parts of `node` that led to `outcome`, which it has."""
    match node:
        case Both(operands=operands) | Either(operands=operands):
            for operand in operands:
                if interpreter.value(operand) is outcome:
                    yield from _reasons(operand, interpreter, outcome)
        case Choice(condition=condition, then=then, otherwise=otherwise):
            chosen = interpreter.value(condition)
            yield from _reasons(condition, interpreter, chosen)
            yield from _reasons(then if chosen else otherwise, interpreter, outcome)
        case Apply(operation=operations.NOT, operands=operands):
            yield from _reasons(operands[0], interpreter, not outcome)
        case Constant():
            return
        case _:
            yield _reason(node, interpreter, holds=outcome is True)


def _reason(node: Checked, interpreter: Interpreter, *, holds: bool) -> Reason:
    source = render_tree(node.origin)
    names = sorted(names_in(node), key=lambda name: name.place)
    values = tuple((name.name, _given(interpreter.value(name))) for name in names)
    match node:
        case Present(name=name, expected=expected):
            text = f"{name.name} is {'present' if expected is holds else 'missing'}"
        case Apply(operation=operation, operands=(left, right)) if operation.inline is Inline.RELATION:
            symbol = operation.symbol if holds else _OPPOSITES[operation.symbol]
            text = _compared(left, symbol, right, interpreter)
        case Apply(operation=operation, operands=(left, right)) if operation.inline is Inline.MEMBERSHIP:
            text = _compared(left, "in" if holds else "not in", right, interpreter)
        case Name():
            text = f"{source} = {'true' if holds else 'false'}"
        case _:
            reads = ", ".join(f"{name} = {render_value(value)}" for name, value in values)
            text = f"{source if holds else f'not {source}'}{f' with {reads}' if reads else ''}"
    return Reason(text, source, values)


def _compared(left: Checked, symbol: str, right: Checked, interpreter: Interpreter) -> str:
    """`features.a = 7 > 5 (features.b)`: what is written out stands for itself."""
    first = render_tree(left.origin)
    if not isinstance(left, Constant):
        first += f" = {render_value(_given(interpreter.value(left)))}"
    second = render_tree(right.origin)
    if not isinstance(right, Constant):
        second = f"{render_value(_given(interpreter.value(right)))} ({second})"
    return f"{first} {symbol} {second}"


def _given(value: Any) -> Any:
    return None if isinstance(value, Missing) else value
