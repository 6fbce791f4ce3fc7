"""The compiled function and the walk over the tree give the same, whatever is written and whatever comes."""

from typing import Any

from hypothesis import HealthCheck, assume, given, settings

from caudal.expressions import BOOL, DOUBLE, INT, ExpressionInvalid, Type, compile, compile_all
from caudal.expressions.parser import parse
from caudal.expressions.rendering import render_tree
from caudal.expressions.syntax import Node
from caudal.expressions.types import Kind
from support.expressions import ANYTHING, ENVIRONMENT, ROWS, TREES, typed

WITHOUT_DEADLINE = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


@WITHOUT_DEADLINE
@given(TREES)
def test_what_is_written_is_read_again(tree: Node) -> None:
    assert parse(render_tree(tree)) == tree


def same(tree: Node, result: Type, row: tuple[Any, ...]) -> None:
    try:
        expression = compile(render_tree(tree), ENVIRONMENT, result)
    except ExpressionInvalid:  # 1 / 0 and its like, written out
        assume(False)
    compiled, walked = expression.evaluate(row), expression.replay(row)
    assert repr(compiled) == repr(walked)


@WITHOUT_DEADLINE
@given(typed(Kind.BOOL, 3), ROWS)
def test_conditions_agree(tree: Node, row: tuple[Any, ...]) -> None:
    same(tree, BOOL, row)


@WITHOUT_DEADLINE
@given(typed(Kind.INT, 3), ROWS)
def test_whole_numbers_agree(tree: Node, row: tuple[Any, ...]) -> None:
    same(tree, INT, row)


@WITHOUT_DEADLINE
@given(typed(Kind.DOUBLE, 3), ROWS)
def test_doubles_agree_to_the_last_bit(tree: Node, row: tuple[Any, ...]) -> None:
    same(tree, DOUBLE, row)


@WITHOUT_DEADLINE
@given(typed(Kind.BOOL, 3), typed(Kind.BOOL, 2), ROWS)
def test_conditions_together_agree(one: Node, other: Node, row: tuple[Any, ...]) -> None:
    try:
        expressions = [compile(render_tree(tree), ENVIRONMENT) for tree in (one, other, one)]
    except ExpressionInvalid:
        assume(False)
    conditions = compile_all([(f"rule {place}", expression) for place, expression in enumerate(expressions)])

    assert conditions.evaluate(row) == conditions.slowly(row)


@WITHOUT_DEADLINE
@given(typed(Kind.BOOL, 3), ANYTHING)
def test_values_of_any_type_raise_nothing_and_agree(tree: Node, row: tuple[Any, ...]) -> None:
    try:
        expression = compile(render_tree(tree), ENVIRONMENT)
    except ExpressionInvalid:
        assume(False)

    walked = expression.replay(row)
    assert repr(expression.evaluate(row)) == repr(walked)
    held = [0] if walked.value is True else []
    assert compile_all([("rule", expression)]).evaluate(row) == (held, [0] if walked.missing else [])
