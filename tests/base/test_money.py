import itertools
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caudal_base import money
from caudal_base.errors import InvariantError
from caudal_base.money import (
    MAX_AMOUNT,
    AllocationImpossible,
    InvalidAmount,
    Money,
    UnknownCurrency,
    allocate,
    exponent,
    format_decimal,
    format_money,
    parse_decimal,
)

AMOUNTS = st.integers(-MAX_AMOUNT, MAX_AMOUNT)
CURRENCIES = st.sampled_from(sorted(money.currencies()))


@pytest.mark.parametrize(
    ("currency", "places"),
    [("USD", 2), ("EUR", 2), ("CZK", 2), ("JPY", 0), ("CLP", 0), ("KWD", 3), ("TND", 3), ("UYW", 4)],
)
def test_the_exponent_is_iso_4217s(currency: str, places: int) -> None:
    assert exponent(currency) == places


@pytest.mark.parametrize(
    "code", ["XAU", "XAG", "XDR", "XTS", "XXX", "XBA", "XSU", "usd", "US", "USDX", "", "ZZZ"]
)
def test_what_has_no_minor_units_is_no_currency(code: str) -> None:
    with pytest.raises(UnknownCurrency) as caught:
        exponent(code, field="postings[0].currency")
    assert caught.value.field == "postings[0].currency"
    assert caught.value.status == 422


def test_money_is_an_integer_of_minor_units_and_a_currency() -> None:
    assert str(Money(1050, "USD")) == "10.50 USD"
    assert msgspec.json.encode(Money(1050, "USD")) == b'{"amount":1050,"currency":"USD"}'
    assert msgspec.json.decode(b'{"amount":-1,"currency":"JPY"}', type=Money) == Money(-1, "JPY")


@pytest.mark.parametrize("amount", [10.5, 10.0, True, "10", MAX_AMOUNT + 1, -MAX_AMOUNT - 1])
def test_money_of_anything_else_cannot_be_made(amount: int) -> None:
    with pytest.raises(InvariantError):
        Money(amount, "USD")


def test_money_of_an_unknown_currency_cannot_be_made() -> None:
    with pytest.raises(UnknownCurrency):
        Money(1, "XAU")


@pytest.mark.parametrize("body", [b"1.0", b'"1"', b"9007199254740992", b"null", b"true"])
def test_money_of_anything_else_cannot_be_read(body: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"amount":' + body + b',"currency":"USD"}', type=Money)


@pytest.mark.parametrize(
    ("amount", "weights", "parts"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (101, [1, 1, 1], [34, 34, 33]),
        (-100, [1, 1, 1], [-34, -33, -33]),
        (10, [1, 2, 3], [2, 3, 5]),
        (5, [3, 7], [2, 3]),
        (1, [0, 0, 5], [0, 0, 1]),
        (0, [1, 2], [0, 0]),
        (7, [1], [7]),
        (100, [50, -25], [200, -100]),
        (100, [-1, -1, -1], [34, 33, 33]),
        (MAX_AMOUNT, [1, 1], [2**52, 2**52 - 1]),
    ],
)
def test_allocation_is_by_largest_remainder_and_ties_go_to_the_earlier(
    amount: int, weights: list[int], parts: list[int]
) -> None:
    assert allocate(amount, weights) == parts


@pytest.mark.parametrize("weights", [[], [0], [0, 0], [1, -1], [3, -2, -1]])
def test_weights_that_sum_to_zero_divide_nothing(weights: list[int]) -> None:
    with pytest.raises(AllocationImpossible) as caught:
        allocate(100, weights)
    assert caught.value.field == "weights"


WEIGHTS = st.lists(st.integers(-(10**20), 10**20), min_size=1, max_size=30).filter(lambda w: sum(w) != 0)


@given(AMOUNTS, WEIGHTS)
def test_the_parts_sum_to_the_amount_and_each_is_within_one_of_its_share(
    amount: int, weights: list[int]
) -> None:
    parts = allocate(amount, weights)
    assert sum(parts) == amount
    assert len(parts) == len(weights)
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - Fraction(amount * weight, sum(weights))) < 1
        assert weight != 0 or part == 0


@given(AMOUNTS, WEIGHTS, st.integers(1, 10**6))
def test_only_the_proportion_of_the_weights_matters(amount: int, weights: list[int], factor: int) -> None:
    assert allocate(amount, [weight * factor for weight in weights]) == allocate(amount, weights)
    assert allocate(amount, [-weight for weight in weights]) == allocate(amount, weights)


@given(AMOUNTS, WEIGHTS)
def test_a_refund_splits_as_its_charge_did(amount: int, weights: list[int]) -> None:
    assert allocate(-amount, weights) == [-part for part in allocate(amount, weights)]


@given(st.integers(0, MAX_AMOUNT), st.lists(st.integers(0, 10**9), min_size=2, max_size=20).filter(any))
def test_a_larger_weight_never_gets_less(amount: int, weights: list[int]) -> None:
    ranked = sorted(zip(weights, allocate(amount, weights), strict=True))
    for (lighter, less), (heavier, more) in itertools.pairwise(ranked):
        assert lighter == heavier or less <= more


@given(st.integers(0, MAX_AMOUNT), st.lists(st.integers(1, 100), min_size=1, max_size=20))
def test_no_other_division_comes_closer_to_the_exact_shares(amount: int, weights: list[int]) -> None:
    """The largest remainders are served: who was rounded up lost more by the cut than who was not."""
    total = sum(weights)
    parts = allocate(amount, weights)
    lost = [(amount * weight) % total for weight in weights]
    up = [
        cut for cut, part, weight in zip(lost, parts, weights, strict=True) if part > amount * weight // total
    ]
    down = [
        cut
        for cut, part, weight in zip(lost, parts, weights, strict=True)
        if part == amount * weight // total
    ]
    assert not up or not down or min(up) >= max(down)


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (1050, "USD", "10.50 USD"),
        (5, "USD", "0.05 USD"),
        (-5, "USD", "-0.05 USD"),
        (0, "USD", "0.00 USD"),
        (1050, "JPY", "1050 JPY"),
        (-1050, "KWD", "-1.050 KWD"),
    ],
)
def test_money_is_written_in_its_currencys_places(amount: int, currency: str, text: str) -> None:
    assert format_money(amount, currency) == text


@given(AMOUNTS, CURRENCIES)
def test_what_is_written_reads_back(amount: int, currency: str) -> None:
    assert parse_decimal(format_decimal(amount, currency), currency) == amount


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("10.5", "USD", 1050),
        ("10", "USD", 1000),
        ("-0.01", "USD", -1),
        ("-0", "USD", 0),
        ("007", "USD", 700),
        ("1.2300", "USD", 123),
        ("5.0", "JPY", 5),
        ("90071992547409.91", "USD", MAX_AMOUNT),
    ],
)
def test_decimals_are_read_exactly(text: str, currency: str, amount: int) -> None:
    assert parse_decimal(text, currency) == amount


@pytest.mark.parametrize(
    "text",
    [
        *[
            "",
            "-",
            ".",
            ".5",
            "5.",
            "+5",
            "1,000.00",
            "1e2",
            " 1",
            "1\n",
            "0x1",
            "1_0",
            "nan",
            "--1",
            "1.2.3",
        ],
        *["\u0663", "1.234", "0.001", "90071992547409.92", "9" * 33, "1." + "0" * 33],
    ],
)
def test_what_is_no_exact_amount_is_refused(text: str) -> None:
    with pytest.raises(InvalidAmount) as caught:
        parse_decimal(text, "USD", field="row 7")
    assert caught.value.field == "row 7"
