"""Assertions that stay on in production.

`python -O` drops `assert`; a ledger must not run without its assertions. Use `check` for what can
only be false through a bug of ours, never for what a caller may get wrong.
"""

from caudal_base.errors import InvariantError


def check(condition: bool, message: str) -> None:
    """Raise `InvariantError` with `message` unless `condition` holds."""
    if not condition:
        raise InvariantError(message)
