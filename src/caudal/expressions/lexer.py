"""From text to tokens, by the lexis of CEL."""

import re
import unicodedata
from typing import Final

import msgspec

from caudal.expressions.errors import ExpressionTooLarge, ExpressionUnreadable

MAX_SOURCE: Final = 8_192
"""Characters of an expression."""


class Token(msgspec.Struct, frozen=True):
    """A word of the text between two offsets. `kind` is the text itself for punctuation and operators."""

    kind: str
    text: str
    """Of a string its value, of everything else what is written."""
    at: int
    end: int


IDENTIFIER: Final = "identifier"
INTEGER: Final = "integer"
UNSIGNED: Final = "unsigned"
FLOATING: Final = "floating"
TEXT: Final = "text"
END: Final = "end"

_SPACE: Final = re.compile(r"(?:[\t\n\f\r ]|//[^\r\n]*)+")
_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STRING: Final = re.compile(r"([A-Za-z]{0,2})(\"\"\"|'''|\"|')")
_NUMBER: Final = re.compile(
    r"(?P<floating>[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+)"
    r"|(?P<unsigned>(?:0[xX][0-9a-fA-F]+|[0-9]+)[uU])"
    r"|(?P<integer>0[xX][0-9a-fA-F]+|[0-9]+)"
)
_OPERATOR: Final = re.compile(r"&&|\|\||[=!<>]=|[-+*/%<>!?:.,()\[\]{}]")

_SIMPLE_ESCAPES: Final = dict(zip("\\?\"'`abfnrtv", "\\?\"'`\a\b\f\n\r\t\v", strict=True))
_CODE_ESCAPE: Final = re.compile(
    r"[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7][0-7])", re.ASCII
)


def tokens(source: str) -> list[Token]:
    """The tokens of `source`, the last of which is the END.

    Raises `ExpressionUnreadable` and `ExpressionTooLarge`. A character that cannot be seen is refused even
    in a string or a comment: whoever reviews a rule must see what it says.
    """
    if len(source) > MAX_SOURCE:
        raise ExpressionTooLarge(
            f"an expression has at most {MAX_SOURCE:,} characters, and this one {len(source):,}",
            source,
            MAX_SOURCE,
            len(source),
        )
    _refuse_invisible(source)
    found = []
    at = 0
    while True:
        if space := _SPACE.match(source, at):
            at = space.end()
        if at == len(source):
            found.append(Token(END, "", at, at))
            return found
        token = _token(source, at)
        found.append(token)
        at = token.end


def _refuse_invisible(source: str) -> None:
    for at, letter in enumerate(source):
        if not (letter.isprintable() or letter in "\t\n\f\r"):
            name = unicodedata.name(letter, "a control character")
            raise ExpressionUnreadable(
                f"U+{ord(letter):04X} ({name}) cannot be seen; in a string write \\U{ord(letter):08x}",
                source,
                at,
                at + 1,
            )


def _token(source: str, at: int) -> Token:
    if quoted := _STRING.match(source, at):
        return _string(source, at, quoted)
    if word := _WORD.match(source, at):
        return Token(IDENTIFIER, word.group(), at, word.end())
    if number := _NUMBER.match(source, at):
        end = number.end()
        if more := _WORD.match(source, end):
            raise _unreadable(f"{number.group()} runs into {more.group()}", source, at, more.end())
        return Token(str(number.lastgroup), number.group(), at, end)
    if operator := _OPERATOR.match(source, at):
        return Token(operator.group(), operator.group(), at, operator.end())
    letter = source[at]
    hint = {
        "=": "; to compare write ==",
        "&": "; for «and» write &&",
        "|": "; for «or» write ||",
        "\\": "; escapes are for strings",
    }.get(letter, "")
    raise _unreadable(f"{letter} has no meaning here{hint}", source, at, at + 1)


def _string(source: str, at: int, quoted: re.Match[str]) -> Token:
    prefix, quote = quoted.group(1).lower(), quoted.group(2)
    if "b" in prefix:
        raise _unreadable("there are no bytes in rules", source, at, quoted.end())
    if prefix not in {"", "r"}:
        raise _unreadable(
            f"{prefix} before a string has no meaning; r is for raw ones", source, at, quoted.end()
        )
    parts = []
    position = quoted.end()
    while not source.startswith(quote, position):
        if position == len(source) or (len(quote) == 1 and source[position] in "\r\n"):
            raise _unreadable(f"the string is not closed by {quote}", source, at, position)
        if source[position] == "\\" and not prefix:
            letter, position = _escape(source, position)
        else:
            letter = source[position]
            position += 1
        parts.append(letter)
    return Token(TEXT, "".join(parts), at, position + len(quote))


def _escape(source: str, at: int) -> tuple[str, int]:
    """The character that the backslash at `at` begins, and where the text goes on."""
    following = source[at + 1 : at + 2]
    if following in _SIMPLE_ESCAPES:
        return _SIMPLE_ESCAPES[following], at + 2
    code = _CODE_ESCAPE.match(source, at + 1)
    if code is None:
        raise _unreadable(
            f"\\{following} is no escape; for a backslash write two, or r before the string",
            source,
            at,
            at + 2,
        )
    number = int(code.group(4), 8) if code.group(4) else int(code.group()[1:], 16)
    if number > 0x10FFFF or 0xD800 <= number < 0xE000:
        raise _unreadable(f"U+{number:04X} is no character", source, at, code.end())
    return chr(number), code.end()


def _unreadable(message: str, source: str, at: int, end: int) -> ExpressionUnreadable:
    return ExpressionUnreadable(message, source, at, end)
