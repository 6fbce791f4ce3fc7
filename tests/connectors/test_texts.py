"""What of a partner's free text is kept."""

import pytest

from caudal.connectors.texts import LONGEST, for_operators


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("The account is closed", "The account is closed"),
        ("Expected 3 fields, got 12", "Expected 3 fields, got 12"),
        ("No account DE89 3704 0044 0532 0130 00", "No account …"),
        ("card 4242 4242 4242 4242 of ana@example.com", "card … of …"),
        ("call +34 600-123-456", "call +…"),
        (None, ""),
        (7, ""),
        ("x" * 10_000, "x" * LONGEST),
    ],
)
def test_numbers_and_addresses_are_left_out(text: object, kept: str) -> None:
    assert for_operators(text) == kept
