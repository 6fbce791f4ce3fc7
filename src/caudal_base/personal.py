"""What looks like personal data is refused in free text: the core keeps tokens, the vault the rest.

Refused is, anywhere in a text:

- a **card number**: 13 to 19 digits with the prefix and length of a card network's range (ISO/IEC 7812) and a
  correct Luhn digit, however they are cut by spaces, hyphens, dots, slashes and underscores;
- an **IBAN**: the length of its country and correct check digits (ISO 13616), with or without separators;
- an **e-mail address**: something before an `@`, a domain with a dot and a top level of letters behind it;
- a **telephone number**: `+` and 8 to 15 digits (E.164), or `00` and 10 to 13 more; `(555) 123-4567` and its
  like in groups of 3, 3 and 4; and national numbers that start with one 0: 9 to 12 digits that are grouped,
  or 10 to 11 in a row.

Passed, since ids, references, amounts and times look so: digits in a row that are none of these (a bare
`4155552671`, the seconds or milliseconds since 1970, `20261122162005`), UUIDs, words of 32 and more
hexadecimal digits, dates and times, IP addresses, and national numbers that hang on a word, as in
`INV-030-1234567`.
What nobody can tell, as people's names, is not refused: it is the caller's to send tokens for them.

Digits and signs of other scripts count as the plain ones that they stand for; invisible characters do not
count.
"""

import re
import unicodedata
from collections.abc import Mapping
from itertools import accumulate
from typing import Final

from caudal_base.errors import Unprocessable


class PersonalDataRefused(Unprocessable):
    """A field holds what looks like personal data. Names the field and the kind, never the value."""

    code = "personal_data_refused"
    title = "This field must not hold personal data"


# Without eight digits near one another and without an @ there is none of it.
_SUSPICIOUS: Final = re.compile(r"@|(?:[0-9][^0-9]{0,3}){7}[0-9]")
_OWN_ID: Final = re.compile(r"[a-z]{2,5}_[0-9a-f]{32}")

_HARMLESS: Final = re.compile(
    r"(?<![0-9A-Za-z])(?:"
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
    r"|[0-9a-fA-F]{32,})(?![0-9A-Za-z])"
)
_HARMLESS_LENGTH: Final = 32

_DATE: Final = re.compile(
    r"(?<![0-9])(?:"
    r"(?:19|20)[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[1-9]|[12][0-9]|3[01])([-./])(?:0[1-9]|1[0-2])\1(?:19|20)[0-9]{2}"
    r")(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.][0-9]{1,9})?)?(?: ?[+-][0-9]{2}:?[0-9]{2}(?::[0-9]{2})?)?)?"
    r"(?![0-9])"
)

_EMAIL: Final = re.compile(r"[^\s@]@(?:[\w-]+\.)+[^\W\d_][^\W_]")

_RUN: Final = re.compile(r"[0-9](?:[ \-./_]{0,2}[0-9]){12,}")
# Prefixes and lengths: ISO/IEC 7812, as the networks publish their ranges.
_CARD: Final = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})"  # Visa
    r"|5[1-5][0-9]{14}|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)[0-9]{12}"  # Mastercard
    r"|3[47][0-9]{13}"  # American Express
    r"|3(?:0[0-59]|[689][0-9])[0-9]{11,16}"  # Diners Club
    r"|35(?:2[89]|[3-8][0-9])[0-9]{12,15}"  # JCB
    r"|220[0-4][0-9]{12,15}"  # Mir
    r"|(?:50|5[6-8])[0-9]{11,17}"  # Maestro, Verve, Elo
    r"|6[0-9]{12,18}"  # Discover, UnionPay, RuPay, Maestro
    r"|8[12][0-9]{14}"  # RuPay
    r"|9792[0-9]{12}"  # Troy
)
_CARD_LENGTHS: Final = range(13, 20)
_DOUBLED: Final = bytes.maketrans(b"0123456789", b"0246813579")
_ZEROS: Final = tuple(ord("0") * length % 10 for length in range(_CARD_LENGTHS[-1] + 1))
"""By length, what the codes of as many zeros leave of a sum of codes."""

_IBAN_START: Final = re.compile(r"(?<![0-9A-Za-z])[A-Za-z]{2}[ -]?[0-9][ -]?[0-9]")
_SEPARATORS: Final = re.compile(r"[ \-./_]")
# The IBAN registry's lengths (ISO 13616-2).
_IBAN_LENGTHS: Final = {
    country: length
    for length, countries in (
        (15, "NO"), (16, "BE"), (18, "DK FK FI FO GL NL SD"), (19, "MK SI"), (20, "AT BA EE KZ LT LU MN XK"),
        (21, "CH HR LI LV"), (22, "BG BH CR DE GB GE IE ME RS VA"), (23, "AE GI IL IQ OM SO TL"),
        (24, "AD CZ ES MD PK RO SA SE SK TN VG"), (25, "LY PT ST"), (26, "IS TR"),
        (27, "BI DJ FR GR IT MC MR SM"), (28, "AL AZ BY CY DO GT HN HU LB NI PL SV"),
        (29, "BR EG PS QA UA"), (30, "JO KW MU YE"), (31, "MT SC"), (32, "LC"), (33, "RU"),
    )
    for country in countries.split()
}  # fmt: skip

# Not at the end of a word, nor hanging on one.
_APART: Final = r"(?<![0-9A-Za-z_])(?<![0-9A-Za-z][-_./#])"
_PHONE: Final = re.compile(
    r"(?<![0-9A-Za-z])\+[ (]?[1-9](?:[ ().\-/]{0,3}[0-9]){7,14}(?![0-9A-Za-z])"
    rf"|{_APART}00[ ]?[1-9](?:[ ().\-/]{{0,3}}[0-9]){{9,12}}(?![0-9A-Za-z])"
    rf"|{_APART}(?:1[ .-])?(?:\([2-9][0-9]{{2}}\)[ ]?[0-9]{{3}}[ .-]?|[2-9][0-9]{{2}}([ .-])[0-9]{{3}}\1)"
    r"[0-9]{4}(?![0-9A-Za-z])"
    rf"|{_APART}0[1-9][0-9]{{8,9}}(?![0-9A-Za-z])(?![-_.][0-9A-Za-z])"
)
_GROUPED: Final = re.compile(
    rf"{_APART}\(?0[1-9][0-9]{{0,3}}\)?(?:[ ./-]{{1,2}}[0-9]{{2,8}}){{1,5}}(?![0-9A-Za-z])"
)
_GROUPED_DIGITS: Final = range(9, 13)
_NOT_DIGITS: Final = re.compile(r"[^0-9]")

_SIGNS: Final = {"Pd": "-", "Zs": " "}
"""By Unicode category, what dashes and spaces of all kinds are read as."""


def refuse_personal(value: str | None, field: str) -> None:
    """Raise `PersonalDataRefused`, naming `field`, where `value` holds what looks like personal data."""
    if value is None:
        return
    kind = personal_kind(value)
    if kind is not None:
        raise PersonalDataRefused(
            f"this looks like {kind}: keep it in the vault, and send its token", field=field
        )


def refuse_personal_in(values: Mapping[str, str] | None, field: str) -> None:
    """As `refuse_personal`, for the keys and the values of an object; a value's field is `field.key`."""
    if not values:
        return
    for key, value in values.items():
        kind = personal_kind(key)
        if kind is not None:
            raise PersonalDataRefused(f"a key of this looks like {kind}", field=field)
        refuse_personal(value, f"{field}.{key}")


def personal_kind(text: str) -> str | None:
    """What the text seems to hold: `a card number`, `an IBAN`, `an e-mail address`, `a telephone number`."""
    if not text.isascii():
        text = _plain(text)
    if _SUSPICIOUS.search(text) is None or _OWN_ID.fullmatch(text):
        return None
    if len(text) >= _HARMLESS_LENGTH:
        text = _HARMLESS.sub("\n", text)
    if any(_holds_card(match.group()) for match in _RUN.finditer(text)):
        return "a card number"
    if any(_is_iban(text[match.start() :]) for match in _IBAN_START.finditer(text)):
        return "an IBAN"
    if _EMAIL.search(text):
        return "an e-mail address"
    text = _DATE.sub("\n", text)
    if _PHONE.search(text) or any(_is_grouped_phone(match.group()) for match in _GROUPED.finditer(text)):
        return "a telephone number"
    return None


def _plain(text: str) -> str:
    """`text` with the digits, dashes and spaces of all scripts as ASCII, without what cannot be seen."""
    plain = []
    for character in unicodedata.normalize("NFKC", text):
        if character.isascii():
            plain.append(character)
            continue
        category = unicodedata.category(character)
        if category == "Nd":
            plain.append(str(unicodedata.decimal(character)))
        elif category != "Cf":
            plain.append(_SIGNS.get(category, character))
    return "".join(plain)


def _holds_card(run: str) -> bool:
    """Whether a run of digits and separators is a card number, or has one in whole groups of it."""
    groups = _SEPARATORS.split(run)
    ends = list(accumulate(map(len, groups)))
    digits, stops = "".join(groups), set(ends)
    for start in (0, *ends[:-1]):
        for length in _CARD_LENGTHS:
            if (
                start + length in stops
                and _CARD.fullmatch(digits, start, start + length)
                and _passes_luhn(digits[start : start + length])
            ):
                return True
    return False


def _passes_luhn(digits: str) -> bool:
    """ISO/IEC 7812-1 annex B: from the right, every second digit doubled, digits summed, divisible by 10."""
    characters = digits.encode()
    return (sum(characters[::-2]) + sum(characters[-2::-2].translate(_DOUBLED))) % 10 == _ZEROS[len(digits)]


def _is_iban(text: str) -> bool:
    """Whether `text` begins with an IBAN: ISO 13616, mod-97-10 of ISO 7064."""
    length = _IBAN_LENGTHS.get(text[:2].upper())
    if length is None:
        return False
    characters = [c for c in text[: 2 * length] if c not in " -"]
    candidate = "".join(characters[:length]).upper()
    if len(candidate) != length or not candidate.isalnum() or not candidate.isascii():
        return False
    rest = "".join(str(int(c, 36)) for c in candidate[4:] + candidate[:4])
    return int(rest) % 97 == 1


def _is_grouped_phone(run: str) -> bool:
    return len(_NOT_DIGITS.sub("", run)) in _GROUPED_DIGITS
