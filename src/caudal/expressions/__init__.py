"""Expressions of rules: the syntax of CEL over declared names, checked when published, compiled to Python.

    environment = Environment({"features.count_1h": optional(INT), "payment.kind": one_of("card", "payout")})
    condition = compile('payment.kind == "card" && features.count_1h > 5', environment)
    condition.evaluate({"payment.kind": "card", "features.count_1h": 7}).value          # True
    [str(reason.text) for reason in explain(condition, values)]                         # in words

What is missing stays missing: a condition over it neither holds nor fails, unless its other parts decide.
Evaluation raises nothing, reads nothing but its values, and takes a number of steps that is known beforehand.
`compile_all` makes one function of many conditions for the hot path.
"""

from caudal.expressions.environment import Environment, Row
from caudal.expressions.errors import (
    ExpressionInvalid,
    ExpressionMistyped,
    ExpressionNameUnknown,
    ExpressionTooLarge,
    ExpressionUnreadable,
    ValueUnreadable,
)
from caudal.expressions.expression import (
    Conditions,
    Expression,
    Values,
    compile,
    compile_all,
    explain,
    render,
)
from caudal.expressions.syntax import RESERVED
from caudal.expressions.types import (
    BOOL,
    DOUBLE,
    DURATION,
    INT,
    STRING,
    TIMESTAMP,
    Cause,
    Kind,
    Missing,
    Outcome,
    Reason,
    Type,
    Value,
    list_of,
    one_of,
    optional,
)

__all__ = [
    "BOOL",
    "DOUBLE",
    "DURATION",
    "INT",
    "RESERVED",
    "STRING",
    "TIMESTAMP",
    "Cause",
    "Conditions",
    "Environment",
    "Expression",
    "ExpressionInvalid",
    "ExpressionMistyped",
    "ExpressionNameUnknown",
    "ExpressionTooLarge",
    "ExpressionUnreadable",
    "Kind",
    "Missing",
    "Outcome",
    "Reason",
    "Row",
    "Type",
    "Value",
    "ValueUnreadable",
    "Values",
    "compile",
    "compile_all",
    "explain",
    "list_of",
    "one_of",
    "optional",
    "render",
]
