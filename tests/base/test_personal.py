"""What is taken for personal data, and what is not."""

import datetime as dt
import random
import timeit
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caudal_base import ids
from caudal_base.errors import CaudalError
from caudal_base.personal import PersonalDataRefused, personal_kind, refuse_personal, refuse_personal_in

CARD, IBAN, EMAIL, PHONE = "a card number", "an IBAN", "an e-mail address", "a telephone number"

# The card networks' and Stripe's published test numbers.
CARDS = (
    "4242424242424242", "4000056655665556", "4222222222222", "5555555555554444", "2223003122003222",
    "378282246310005", "6011111111111117", "30569309025904", "3566002020360505", "6200000000000005",
    "6304000000000000", "2200000000000004", "6521111111111110", "9792000000000003",
)  # fmt: skip

# The examples of the IBAN registry.
IBANS = (
    "DE89370400440532013000", "GB29NWBK60161331926819", "FR1420041010050500013M02606",
    "NL91ABNA0417164300", "NO9386011117947", "MT84MALT011000012345MTLCAST001S", "BE68539007547034",
    "CH9300762011623852957", "ES9121000418450200051332", "BR1800360305000010009795493C1",
)  # fmt: skip


@pytest.mark.parametrize("number", CARDS)
@pytest.mark.parametrize("separator", ["", " ", "-", ".", "_", "  "])
def test_card_numbers_are_seen_however_they_are_cut(number: str, separator: str) -> None:
    cut = separator.join(number[start : start + 4] for start in range(0, len(number), 4))

    for text in (cut, f"card {cut}, please", f"x{cut}y", f"12 {cut}"):
        assert personal_kind(text) == CARD


@pytest.mark.parametrize("number", CARDS)
def test_a_number_with_a_wrong_check_digit_is_no_card_number(number: str) -> None:
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)

    assert personal_kind(wrong) is None


@pytest.mark.parametrize("iban", IBANS)
def test_ibans_are_seen_in_any_case_and_grouping(iban: str) -> None:
    grouped = " ".join(iban[start : start + 4] for start in range(0, len(iban), 4))

    for text in (
        iban,
        grouped,
        iban.lower(),
        grouped.replace(" ", "-"),
        f"rent to {iban} monthly",
        f"IBAN:{iban}",
    ):
        assert personal_kind(text) == IBAN


@pytest.mark.parametrize("iban", IBANS)
def test_other_check_digits_make_no_iban(iban: str) -> None:
    wrong = iban[:2] + f"{(int(iban[2:4]) + 1) % 100:02}" + iban[4:]

    assert personal_kind(wrong) != IBAN


@pytest.mark.parametrize(
    "text",
    [
        "ann@example.com",
        "a.b+c@mail.example.co.uk",
        "write to <x@y.de>, please",
        "mailto:ann@example.com?subject=x",
        "jürgen@müller.de",
        "ann@example.xn--p1ai",
        "\N{FULLWIDTH LATIN SMALL LETTER A}\N{FULLWIDTH COMMERCIAL AT}example.com",
        "ann@exa\N{ZERO WIDTH SPACE}mple.com",
    ],
)
def test_e_mail_addresses_are_seen(text: str) -> None:
    assert personal_kind(text) == EMAIL


@pytest.mark.parametrize(
    "text",
    [
        "+4915112345679",
        "+49 151 12345679",
        "+1 (555) 123-4567",
        "tel:+15551234567",
        "+44 20 7946 0958",
        "+33 6 12 34 56 78",
        "(555) 123-4567",
        "555-123-4567",
        "555.123.4567",
        "555 123 4567",
        "1-800-555-0199",
        "call 030 1234567 today",
        "030/1234567",
        "(030) 1234567",
        "0171-1234567",
        "07911 123456",
        "06 12 34 56 78",
        "0612345678",
        "01711234567",
        "0049 30 1234567",
        "00491711234567",
        "\N{ARABIC-INDIC DIGIT ZERO}612345678",
        "+49\N{NO-BREAK SPACE}151\N{EN DASH}12345679",
    ],
)
def test_telephone_numbers_are_seen(text: str) -> None:
    assert personal_kind(text) == PHONE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "invoice 42",
        "rent for November 2026",
        "Miete für November",
        "order-20261122-17",
        "1732292405",
        "1732292405123",
        "1732292405123456",
        "20261122162005",
        "20261122162005123",
        "2026-11-22",
        "2026-11-22T16:20:05.123456+01:00",
        "2026-11-22 16:20:05 +0100",
        "01.02.2026 12:30",
        "09-11-2026",
        "GMT+1 2026-11-22",
        "550e8400-e29b-41d4-a716-446655440000",
        "81234567-1234-4123-8123-446655440000",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "pm_card_visa",
        "pi_3MtwBwLkdIwHu7ix28a3tqPa",
        "tok_bank_ok",
        "4155552671",
        "1050",
        "10500.00",
        "1,234,567.89",
        "-105000000",
        "192.168.100.200",
        "2001:db8::1",
        "INV-030-1234567",
        "INV-2026-0001234",
        "RF18539007547034",
        "0000012345",
        "123456789012",
        "basic@1",
        "user@localhost",
        "4242424242424241",
        "device-8812345678",
        "Mozilla/5.0 (X11; Linux x86_64; rv:144.0)",
    ],
)
def test_ids_references_amounts_and_times_pass(text: str) -> None:
    assert personal_kind(text) is None


@given(st.uuids(), st.sampled_from(sorted(ids.PREFIXES)))
def test_ids_pass_in_each_of_their_forms(value: uuid.UUID, prefix: str) -> None:
    external = ids.encode(prefix, value)

    for text in (external, f"customer:{external}:EUR", str(value), value.hex):
        assert personal_kind(text) is None


@given(st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2040, 1, 1), timezones=st.timezones()))
def test_moments_pass_in_each_of_their_forms(moment: dt.datetime) -> None:
    seconds = int(moment.timestamp())
    if seconds < 2_000_000_000:  # later ones begin like cards in a way: 2.1e15 microseconds is the year 2036
        assert personal_kind(str(seconds)) is None
    for text in (moment.isoformat(), str(moment), f"{moment:%Y%m%d%H%M%S}", f"{moment:%d.%m.%Y %H:%M}"):
        assert personal_kind(text) is None


@given(st.integers(0, 10**12 - 1))
def test_amounts_pass(amount: int) -> None:
    for text in (f"{amount}", f"{amount:,}", f"{amount / 100:.2f} EUR", f"EUR {amount:,}.00"):
        assert personal_kind(text) in {None, PHONE if text.startswith("0") else None}


@given(
    st.text(alphabet=st.sampled_from("ab -./_0123456789"), max_size=40), st.sampled_from(CARDS), st.booleans()
)
def test_a_card_number_between_words_is_seen_whatever_else_there_is(
    around: str, card: str, before: bool
) -> None:
    text = f"{around} is {card}" if before else f"{card} is {around}"

    assert personal_kind(text) is not None


@given(st.text(max_size=200))
def test_any_text_is_judged(text: str) -> None:
    assert personal_kind(text) in {None, CARD, IBAN, EMAIL, PHONE}


@pytest.mark.parametrize("canary", ["4242 4242 4242 4242", "ann@example.com", "+4915112345679", IBANS[0]])
def test_the_error_names_the_field_and_never_the_value(canary: str) -> None:
    refusals: list[CaudalError] = []
    for refuse in (
        lambda: refuse_personal(f"see {canary}", "reference"),
        lambda: refuse_personal_in({"a": "b", "note": canary}, "metadata"),
        lambda: refuse_personal_in({canary: "b"}, "metadata"),
    ):
        with pytest.raises(PersonalDataRefused) as refused:
            refuse()
        refusals.append(refused.value)

    assert [refusal.field for refusal in refusals] == ["reference", "metadata.note", "metadata"]
    for refusal in refusals:
        assert (refusal.status, refusal.code) == (422, "personal_data_refused")
        assert canary not in f"{refusal!r} {refusal.problem()}"


def test_nothing_is_no_personal_data() -> None:
    refuse_personal(None, "reference")
    refuse_personal_in(None, "metadata")
    refuse_personal_in({}, "metadata")


def test_a_short_text_is_judged_in_some_microseconds_and_no_text_takes_long() -> None:
    def microseconds(text: str, number: int) -> float:
        return min(timeit.repeat(lambda: personal_kind(text), number=number, repeat=5)) / number * 1e6

    # One to two on a machine that has nothing else to do.
    assert microseconds("invoice 42", 2_000) < 10
    assert microseconds("rent for November", 2_000) < 10
    rng = random.Random(17)
    worst = ["4 " * 250, "0" * 500, "DE89 " * 100, "+1 2 " * 100, "01-" * 166, "a@" * 250, "1(" * 250]
    worst += ["".join(rng.choices("0123456789 -+@.()DE", k=500)) for _ in range(20)]
    assert max(microseconds(text, 5) for text in worst) < 20_000
