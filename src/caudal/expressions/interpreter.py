"""Evaluation by walking the tree: slow, plain, and able to say why there is no value.

It is what the compiler is compared with, and what answers where a compiled function found something missing.
"""

from collections.abc import Mapping
from typing import Any, Final

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
)
from caudal.expressions.environment import Environment, Row, usable
from caudal.expressions.rendering import render_tree
from caudal.expressions.types import Cause, Missing, Outcome

FAULTS: Final = (TypeError, ValueError, AttributeError, ArithmeticError)
"""What Python raises for values that are not of their declared types."""

_Items = Mapping[int, Any]


def interpret(tree: Checked, environment: Environment, row: Row) -> Outcome:
    """The value of `tree` with the values of `row`, or why it is missing. Raises nothing."""
    found = Interpreter(environment, row).value(tree)
    return Outcome(None, found) if isinstance(found, Missing) else Outcome(found)


class Interpreter:
    """Evaluates with the values of one row."""

    def __init__(self, environment: Environment, row: Row) -> None:
        """`row` has the order of `environment`."""
        self._environment = environment
        self._row = row

    def value(self, node: Checked, items: _Items | None = None) -> Any:
        """The value of `node`, or a `Missing`. `items` are what macros around it call by name."""
        items = items or {}
        match node:
            case Constant(value=value):
                return value
            case Name():
                found = usable(self._environment.types[node.name], self._row[node.place])
                return Missing(found, node.name) if isinstance(found, Cause) else found
            case Item(number=number):
                return items[number]
            case Apply():
                return self._apply(node, items)
            case Both(operands=operands):
                return self._both(operands, items)
            case Either(operands=operands):
                return self._either(operands, items)
            case Present(name=name, expected=expected):
                return isinstance(self.value(name), Missing) is not expected
            case Each():
                return self._each(node, items)
        return self._made(node, items)

    def _made(self, node: Checked, items: _Items) -> Any:
        match node:
            case Choice(condition=condition, then=then, otherwise=otherwise):
                chosen = self.value(condition, items)
                if isinstance(chosen, Missing):
                    return chosen
                return self.value(then if chosen else otherwise, items)
            case First(operands=operands):
                for operand in operands:
                    found = self.value(operand, items)
                    if not isinstance(found, Missing):
                        break
                return found
            case Collect(items=parts):
                return self._all(parts, items)
            case Gather(keys=keys, values=values):
                known = self._all(keys + values, items)
                if isinstance(known, Missing):
                    return known
                return dict(zip(known[: len(keys)], known[len(keys) :], strict=True))
        raise TypeError(f"no node of a checked tree: {node!r}")

    def _all(self, nodes: tuple[Checked, ...], items: _Items) -> list[Any] | Missing:
        """The values of all `nodes`, or the first that is missing."""
        found = []
        for node in nodes:
            value = self.value(node, items)
            if isinstance(value, Missing):
                return value
            found.append(value)
        return found

    def _apply(self, node: Apply, items: _Items) -> Any:
        values = self._all(node.operands, items)
        if isinstance(values, Missing):
            return values
        try:
            result = node.operation.apply(*values)
        except FAULTS:  # whole numbers of thousands of digits have no text and no double
            result = Cause.WRONG_TYPE
        return Missing(result, render_tree(node.origin)) if isinstance(result, Cause) else result

    def _both(self, operands: tuple[Checked, ...], items: _Items) -> Any:
        missing = None
        for operand in operands:
            found = self.value(operand, items)
            if found is False:
                return False
            if isinstance(found, Missing):
                missing = missing or found
        return missing or True

    def _either(self, operands: tuple[Checked, ...], items: _Items) -> Any:
        missing = None
        for operand in operands:
            found = self.value(operand, items)
            if found is True:
                return True
            if isinstance(found, Missing):
                missing = missing or found
        return missing or False

    def _each(self, node: Each, items: _Items) -> Any:
        listed = self.value(node.items, items)
        if isinstance(listed, Missing):
            return listed
        found = [self.value(node.body, {**items, node.number: item}) for item in listed]
        missing = next((one for one in found if isinstance(one, Missing)), None)
        if node.macro == "all":
            return False if any(one is False for one in found) else missing or True
        if node.macro == "exists":
            return True if any(one is True for one in found) else missing or False
        if missing is not None:
            return missing
        if node.macro == "exists_one":
            return sum(found) == 1
        if node.macro == "filter":
            return [item for item, one in zip(listed, found, strict=True) if one]
        return found
