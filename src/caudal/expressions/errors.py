"""The typed errors of expressions: all of publishing and trying, none of evaluation.

CaudalError
└── Unprocessable             422
    ├── ValueUnreadable            expression_value_unreadable
    └── ExpressionInvalid          expression_invalid
        ├── ExpressionUnreadable   expression_unreadable
        ├── ExpressionNameUnknown  expression_name_unknown
        ├── ExpressionMistyped     expression_mistyped
        └── ExpressionTooLarge     expression_too_large
"""

import difflib
from collections.abc import Iterable
from typing import Final

from caudal_base.errors import Unprocessable

_PICTURE_WIDTH: Final = 100


class ExpressionInvalid(Unprocessable):
    """An expression that cannot be published.

    `line` and `column` count characters from 1, `picture` shows the line with what is meant underlined; they
    are members of the problem too.
    """

    code = "expression_invalid"
    title = "The expression cannot be so"

    def __init__(self, message: str, source: str, at: int, end: int) -> None:
        """`at` and `end` are the offsets in `source` between which something is wrong."""
        before = source[:at]
        self.message = message
        self.line = before.count("\n") + 1
        self.column = at - (before.rfind("\n") + 1) + 1
        self.picture = picture(source, at, end)
        super().__init__(
            f"line {self.line}, column {self.column}: {message}",
            line=self.line,
            column=self.column,
            picture=self.picture,
        )


class ExpressionUnreadable(ExpressionInvalid):
    """It does not follow the grammar."""

    code = "expression_unreadable"
    title = "The expression cannot be read"


class ExpressionNameUnknown(ExpressionInvalid):
    """It names something that does not exist: a feature, a function, a value of a choice."""

    code = "expression_name_unknown"
    title = "The expression names something that does not exist"


class ExpressionMistyped(ExpressionInvalid):
    """Its types do not fit."""

    code = "expression_mistyped"
    title = "The types of the expression do not fit"


class ExpressionTooLarge(ExpressionInvalid):
    """It is too long, too deep, or could take too long."""

    code = "expression_too_large"
    title = "The expression is too large"


class ValueUnreadable(Unprocessable):
    """A value that is given for trying is none of its type, or its name does not exist; `field` names it."""

    code = "expression_value_unreadable"
    title = "The value cannot be given to an expression"


def picture(source: str, at: int, end: int) -> str:
    """The line of `source` at offset `at`, and below it a caret and as many tildes as `end` is away.

    A line of more than 100 characters is shown in part.
    """
    start = source.rfind("\n", 0, at) + 1
    stop = source.find("\n", at)
    line = source[start : len(source) if stop < 0 else stop].rstrip("\r")
    column = min(at - start, len(line))
    length = max(1, min(end, start + len(line)) - at)
    head, tail = "", ""
    if len(line) > _PICTURE_WIDTH:
        first = max(0, column - _PICTURE_WIDTH // 2)
        head = "…" if first else ""
        tail = "…" if first + _PICTURE_WIDTH < len(line) else ""
        line = line[first : first + _PICTURE_WIDTH]
        column -= first
        length = min(length, len(line) - column)
    line = "".join(letter if letter.isprintable() or letter == "\t" else "\ufffd" for letter in line)
    # Tabs stay tabs, so that the caret stands where the eye looks for it.
    margin = "".join(letter if letter == "\t" else " " for letter in line[:column])
    return f"{head}{line}{tail}\n{' ' * len(head)}{margin}^{'~' * (length - 1)}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean …?` with the nearest of `known`, or nothing."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.75)
    near += [candidate for candidate in by_lower if candidate.startswith(name.lower())]
    return f"; did you mean {by_lower[near[0]]}?" if near else ""
