"""Expressions ready for use: `compile` makes one, `compile_all` makes one function of many."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from caudal.expressions.checked import Checked
from caudal.expressions.checker import Checker
from caudal.expressions.compiler import Fired, compile_conditions, compile_value, names_in
from caudal.expressions.environment import Environment, Row
from caudal.expressions.explaining import reasons_for
from caudal.expressions.interpreter import FAULTS, Interpreter, interpret
from caudal.expressions.parser import parse
from caudal.expressions.rendering import render_tree
from caudal.expressions.syntax import Node
from caudal.expressions.types import BOOL, Kind, Missing, Outcome, Reason, Type, Value
from caudal_base.check import check

Values = Mapping[str, Value | None] | Row
"""Values by name, or all of an environment in its order."""


class Expression:
    """An expression that was checked and compiled. Immutable; evaluating it has no effect on anything.

    `names` are what it reads, in the order of the environment. `cost` is how many steps an evaluation takes
    at most. `warnings` say what is allowed and probably not meant.
    """

    __slots__ = (
        "_function",
        "cost",
        "environment",
        "names",
        "result",
        "source",
        "syntax",
        "tree",
        "warnings",
    )

    def __init__(self, source: str, environment: Environment, result: Type = BOOL) -> None:
        """Raises `ExpressionInvalid` where `source` cannot be read, or its types do not fit."""
        self.source = source
        self.environment = environment
        self.result = result
        checker = Checker(source, environment)
        self.syntax: Node = parse(source)
        self.tree: Checked = checker.whole(self.syntax, result)
        self.cost: int = self.tree.cost
        self.warnings: tuple[str, ...] = tuple(checker.warnings)
        read = sorted(names_in(self.tree), key=lambda name: name.place)
        self.names: tuple[str, ...] = tuple(name.name for name in read)
        self._function: Callable[[Row], Any] = compile_value(self.tree, environment)

    def evaluate(self, values: Values) -> Outcome:
        """The value for `values`, or that it is missing and why. Raises nothing for any values.

        A row must have as many values as the environment has names (`InvariantError`).
        """
        row = _row(self.environment, values)
        try:
            found = self._function(row)
        except FAULTS:  # values that are not of their types: the interpreter says which
            found = None
        return interpret(self.tree, self.environment, row) if found is None else Outcome(found)

    def replay(self, values: Values) -> Outcome:
        """The same as `evaluate`, by walking the tree instead of by the compiled function."""
        return interpret(self.tree, self.environment, _row(self.environment, values))


class Conditions:
    """Conditions that are evaluated together, by one function.

    `evaluate(row)` gives the places of those that hold, in their order, and the places of those that are
    missing. It takes all values of the environment in its order and raises nothing: values that are not of
    their types are as good as missing.
    """

    __slots__ = ("environment", "evaluate", "expressions", "names", "reads")

    def __init__(self, named: Sequence[tuple[str, Expression]]) -> None:
        """All must be of one environment, and give bools."""
        check(len(named) > 0, "no conditions to compile")
        self.names: tuple[str, ...] = tuple(name for name, _ in named)
        self.expressions: tuple[Expression, ...] = tuple(expression for _, expression in named)
        self.environment: Environment = self.expressions[0].environment
        for expression in self.expressions:
            check(expression.environment is self.environment, "conditions of different environments")
            check(expression.result.kind is Kind.BOOL, "a condition gives a bool")
        read = {name for expression in self.expressions for name in expression.names}
        self.reads: tuple[str, ...] = tuple(name for name in self.environment.names if name in read)
        """The names that they read, in the order of the environment."""
        trees = [expression.tree for expression in self.expressions]
        self.evaluate: Callable[[Row], Fired] = compile_conditions(trees, self.environment, self.slowly)

    def slowly(self, row: Row) -> Fired:
        """The same as `evaluate`, by walking the trees."""
        outcomes = [expression.replay(row) for expression in self.expressions]
        fired = [place for place, outcome in enumerate(outcomes) if outcome.value is True]
        return fired, [place for place, outcome in enumerate(outcomes) if outcome.missing is not None]

    def why_missing(self, row: Row, place: int) -> Missing | None:
        """Why the condition at `place` is missing; None where it is not."""
        return self.expressions[place].replay(row).missing


def compile(source: str, environment: Environment, result: Type = BOOL) -> Expression:
    """The expression that `source` says, which must give a `result`. Raises `ExpressionInvalid`."""
    return Expression(source, environment, result)


def compile_all(named: Sequence[tuple[str, Expression]]) -> Conditions:
    """One function for all `named` conditions, which share an environment."""
    return Conditions(named)


def render(expression: Expression) -> str:
    """The canonical text of an expression. Comments are lost."""
    return render_tree(expression.syntax)


def explain(expression: Expression, values: Values) -> tuple[Reason, ...]:
    """What made a condition true, or false: the parts that decided, with their values, in words.

    Of `a && b` that holds all parts, of `a || b` those that hold. Nothing where the condition is missing.
    """
    row = _row(expression.environment, values)
    return reasons_for(expression.tree, Interpreter(expression.environment, row))


def _row(environment: Environment, values: Values) -> Row:
    if not isinstance(values, tuple):
        return environment.row(values)
    check(len(values) == len(environment.names), "a row has another length than its environment")
    return values
