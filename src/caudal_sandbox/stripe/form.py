"""Parameters as Stripe's SDKs send them: forms with nested names (`metadata[order]=7`, `expand[0]=…`)."""

from typing import Any, Final, TypeAlias
from urllib.parse import unquote_plus

from caudal_sandbox.stripe.errors import invalid

Nested: TypeAlias = dict[str, Any]
"""Texts, and dicts of the same; lists are dicts by position."""

Shape: TypeAlias = dict[str, Any]
"""Which parameters there are: None is a single text, `ANY` whatever comes, a dict goes further down."""

ANY: Final = object()

MAX_PARAMETERS: Final = 500
_REMOVED: Final = {"payment_method_types": "payment_method_types_no_longer_supported"}
"""Parameters that Stripe had before the pinned version: changelog of 2026-09-30, `endive`."""

_TRUTHS: Final = {"true": True, "false": False}


def decode(text: str) -> Nested:
    """The parameters in a body or query. Raises `Refusal` for names that make no sense together."""
    found: Nested = {}
    if not text:
        return found
    parts = text.split("&")
    if len(parts) > MAX_PARAMETERS:
        raise invalid("Too many parameters.")
    for part in parts:
        name, _, value = part.partition("=")
        if "%" in part or "+" in part:
            name, value = unquote_plus(name), unquote_plus(value)
        if "[" not in name:
            found[name] = value
            continue
        head, *rest = name.replace("]", "").split("[")
        place = found
        for step in (head, *rest[:-1]):
            place = place.setdefault(step, {})
            if not isinstance(place, dict):
                raise invalid(f"Invalid parameters: {name}", param=name)
        last = rest[-1] or str(len(place))
        place[last] = value
    return found


class Parameters:
    """The parameters of one call, read by type. Whatever is wrong with one is Stripe's 400 for it."""

    def __init__(self, given: Nested, shape: Shape) -> None:
        """Raises `Refusal` for parameters that are not in `shape`."""
        _check(given, shape, "")
        self._given = given

    def __contains__(self, name: str) -> bool:
        return name in self._given

    def text(self, name: str) -> str | None:
        """A text; None where it is not given or empty, which is how Stripe unsets."""
        value = self._given.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise invalid("Invalid string", param=name)
        return value

    def required(self, name: str) -> str:
        """A text that must be there."""
        value = self.text(name)
        if value is None:
            raise invalid(f"Missing required param: {name}.", param=name, code="parameter_missing")
        return value

    def choice(self, name: str, *allowed: str) -> str | None:
        """One of some texts."""
        value = self.text(name)
        if value is not None and value not in allowed:
            raise invalid(f"Invalid {name}: must be one of {', '.join(allowed)}", param=name)
        return value

    def integer(self, name: str) -> int | None:
        """A whole number."""
        value = self.text(name)
        if value is None:
            return None
        digits = value.removeprefix("-")
        if not (digits.isascii() and digits.isdigit()) or len(digits) > 15:
            raise invalid(f"Invalid integer: {value}", param=name, code="parameter_invalid_integer")
        return int(value)

    def boolean(self, name: str) -> bool | None:
        """True or false."""
        value = self.text(name)
        if value is None:
            return None
        if value not in _TRUTHS:
            raise invalid(f"Invalid boolean: {value}", param=name)
        return _TRUTHS[value]

    def texts(self, name: str) -> list[str]:
        """A list of texts."""
        value = self._given.get(name) or {}
        if not isinstance(value, dict):
            raise invalid("Invalid array", param=name)
        return [str(item) for item in value.values()]

    def nested(self, name: str) -> Nested:
        """An object."""
        value = self._given.get(name) or {}
        if not isinstance(value, dict):
            raise invalid("Invalid object", param=name)
        return value

    def metadata(self, present: dict[str, str]) -> dict[str, str]:
        """`present` metadata with what is given: an empty value unsets its key, an empty object all."""
        if "metadata" not in self._given:
            return present
        if self._given["metadata"] == "":
            return {}
        merged = dict(present)
        for key, value in self.nested("metadata").items():
            if not isinstance(value, str):
                raise invalid("Metadata values must be strings.", param=f"metadata[{key}]")
            if len(key) > 40 or len(value) > 500:
                raise invalid("Metadata keys have 40 characters at most, values 500.", param="metadata")
            merged[key] = value
            if not value:
                del merged[key]
        if len(merged) > 50:
            raise invalid("Metadata has 50 keys at most.", param="metadata")
        return merged


def _check(given: Nested, shape: Shape, above: str) -> None:
    for name, value in given.items():
        path = f"{above}[{name}]" if above else name
        wanted = shape.get(name, shape.get("*", _UNKNOWN))
        if path in _REMOVED:
            raise invalid(f"{path} is no longer supported.", param=path, code=_REMOVED[path])
        if wanted is _UNKNOWN:
            raise invalid(f"Received unknown parameter: {path}", param=path, code="parameter_unknown")
        if isinstance(wanted, dict) and isinstance(value, dict):
            _check(value, wanted, path)
        elif wanted is None and isinstance(value, dict):
            raise invalid("Invalid string", param=path)


_UNKNOWN: Final = object()
