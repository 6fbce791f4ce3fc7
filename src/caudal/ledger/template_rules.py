"""What makes a template a template: everything that can be known of it before anybody uses it.

`refuse_invalid` names the first field at fault. What depends on the arguments is refused by
`template_expansion.expand`.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Final

from caudal.ledger.errors import TemplateInvalid
from caudal.ledger.template_types import (
    MAX_AMOUNTS,
    MAX_LEGS,
    MAX_PARAMETERS,
    MAX_TEXT,
    MAX_WEIGHT,
    Definition,
    Derived,
    Fixed,
    Leg,
    Parameter,
    ParameterType,
    Percent,
    Rest,
    Share,
    Sum,
    Weight,
    Whole,
)
from caudal.ledger.types import Side
from caudal_base import ids
from caudal_base.money import MAX_AMOUNT, currencies

HUNDRED_PERCENT: Final = 100_000_000
"""Percentages are counted in millionths of a per cent."""

PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_TEMPLATE_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}", re.ASCII)
_PERCENT = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,6}))?", re.ASCII)
_MAX_METADATA = 50
_MAX_METADATA_KEY = 40

Vector = Mapping[str, Fraction]
"""An amount before rounding: how much of each parameter, and of each currency's minor unit, it is."""


def refuse_invalid(name: str, definition: Definition) -> None:
    """Raise `TemplateInvalid` for a name or a definition that can never give a journal entry.

    Its field is `name`, or a path like `definition.legs[2].amount.of`.
    """
    if not _TEMPLATE_NAME.fullmatch(name):
        raise TemplateInvalid("lower-case letters, digits, - and _, a letter first, at most 63", field="name")
    try:
        _refuse_definition(definition)
    except TemplateInvalid as error:
        raise TemplateInvalid(error.detail, field=f"definition.{error.field}") from None


def _refuse_definition(definition: Definition) -> None:
    _refuse_sizes(definition)
    for parameter, declared in definition.parameters.items():
        _refuse_parameter(f"parameters.{parameter}", parameter, declared)
    for amount, derived in definition.amounts.items():
        _refuse_derived(definition, amount, derived)
    _refuse_cycles(definition)
    _refuse_mixed_sums(definition)
    for index, leg in enumerate(definition.legs):
        _refuse_leg(definition, f"legs[{index}]", leg)
    _refuse_shares(definition)
    _refuse_remainders(definition)
    _refuse_one_sided(definition)
    _refuse_texts(definition)
    _refuse_unused(definition)
    _refuse_imbalance(definition)


def percent_of(text: str, field: str) -> int:
    """A percentage in millionths of a per cent: `2.9` is 2,900,000. `TemplateInvalid` names `field`."""
    match = _PERCENT.fullmatch(text)
    if match is None:
        raise TemplateInvalid("a percentage is a decimal with at most six places", field=field)
    millionths = int(match.group(1) + (match.group(2) or "").ljust(6, "0"))
    if not 0 < millionths <= HUNDRED_PERCENT:
        raise TemplateInvalid("a percentage is more than 0 and at most 100", field=field)
    return millionths


def shares_by_pot(legs: Iterable[Leg]) -> dict[tuple[Side, str], list[int]]:
    """By side and amount, the indices of the legs that take a part of it: they are rounded together."""
    pots: dict[tuple[Side, str], list[int]] = defaultdict(list)
    for index, leg in enumerate(legs):
        if isinstance(leg.amount, Percent | Weight):
            pots[(leg.side, leg.amount.of)].append(index)
    return pots


def texts_of(definition: Definition) -> dict[str, str]:
    """Every text of a definition that may hold placeholders, by its field."""
    texts = {f"metadata.{key}": value for key, value in definition.metadata.items()}
    if definition.code is not None:
        texts["code"] = definition.code
    if definition.reference is not None:
        texts["reference"] = definition.reference
    return texts


def _refuse_sizes(definition: Definition) -> None:
    for field, count, most in (
        ("parameters", len(definition.parameters), MAX_PARAMETERS),
        ("amounts", len(definition.amounts), MAX_AMOUNTS),
        ("legs", len(definition.legs), MAX_LEGS),
        ("metadata", len(definition.metadata), _MAX_METADATA),
    ):
        if count > most:
            raise TemplateInvalid(f"at most {most}", field=field)


def _refuse_name(field: str, name: str) -> None:
    if not _NAME.fullmatch(name) or name.startswith(f"{ids.ACCOUNT}_"):
        raise TemplateInvalid(
            "lower-case letters, digits and _, a letter first, at most 40, not beginning with acct_",
            field=field,
        )


def _refuse_parameter(field: str, name: str, parameter: Parameter) -> None:
    _refuse_name(field, name)
    if parameter.currency is None:
        return
    if parameter.type is not ParameterType.AMOUNT:
        raise TemplateInvalid("only an amount has a currency", field=f"{field}.currency")
    _refuse_currency(parameter.currency, f"{field}.currency")


def _refuse_currency(currency: str, field: str) -> None:
    if currency not in currencies():
        raise TemplateInvalid(f"{currency!r} is no ISO 4217 currency", field=field)


def _refuse_fixed(fixed: Fixed, field: str) -> None:
    if not 1 <= fixed.amount <= MAX_AMOUNT:
        raise TemplateInvalid("a fixed amount is from 1 to 2^53 - 1 minor units", field=f"{field}.amount")
    _refuse_currency(fixed.currency, f"{field}.currency")


def _refuse_unknown_amount(definition: Definition, name: str, field: str) -> None:
    if name in definition.amounts:
        return
    parameter = definition.parameters.get(name)
    if parameter is None:
        raise TemplateInvalid(f"there is no parameter and no amount {name!r}", field=field)
    if parameter.type is not ParameterType.AMOUNT:
        raise TemplateInvalid(f"{name!r} is no amount", field=field)


def _refuse_derived(definition: Definition, name: str, derived: Derived) -> None:
    field = f"amounts.{name}"
    _refuse_name(field, name)
    if name in definition.parameters:
        raise TemplateInvalid("a parameter has this name", field=field)
    match derived:
        case Fixed():
            _refuse_fixed(derived, field)
        case Percent():
            percent_of(derived.percent, f"{field}.percent")
            _refuse_unknown_amount(definition, derived.of, f"{field}.of")
        case Sum():
            if not 1 <= len(derived.of) <= MAX_AMOUNTS:
                raise TemplateInvalid(f"a sum has 1 to {MAX_AMOUNTS} terms", field=f"{field}.of")
            for index, term in enumerate(derived.of):
                _refuse_unknown_amount(definition, term, f"{field}.of[{index}]")


def _terms(derived: Derived) -> tuple[str, ...]:
    match derived:
        case Fixed():
            return ()
        case Percent():
            return (derived.of,)
        case Sum():
            return derived.of


def _refuse_cycles(definition: Definition) -> None:
    settled: set[str] = set()
    for start in definition.amounts:
        path: list[str] = []
        pending = [(start, False)]
        while pending:
            name, leaving = pending.pop()
            if leaving:
                path.pop()
                settled.add(name)
            elif name in path:
                raise TemplateInvalid("the amount depends on itself", field=f"amounts.{name}")
            elif name in definition.amounts and name not in settled:
                path.append(name)
                pending.append((name, True))
                pending += [(term, False) for term in _terms(definition.amounts[name])]


def _refuse_mixed_sums(definition: Definition) -> None:
    for name, derived in definition.amounts.items():
        if isinstance(derived, Sum):
            known = {static_currency(definition, term) for term in derived.of} - {None}
            if len(known) > 1:
                raise TemplateInvalid("its terms are in several currencies", field=f"amounts.{name}.of")


def _refuse_leg(definition: Definition, field: str, leg: Leg) -> None:
    if leg.account.startswith(f"{ids.ACCOUNT}_"):
        try:
            ids.decode(ids.ACCOUNT, leg.account)
        except ids.InvalidId as error:
            raise TemplateInvalid(error.detail, field=f"{field}.account") from None
    else:
        parameter = definition.parameters.get(leg.account)
        if parameter is None:
            raise TemplateInvalid(f"there is no parameter {leg.account!r}", field=f"{field}.account")
        if parameter.type is not ParameterType.ACCOUNT:
            raise TemplateInvalid(f"{leg.account!r} is no account", field=f"{field}.account")
    match leg.amount:
        case Fixed() as fixed:
            _refuse_fixed(fixed, f"{field}.amount")
        case Rest(name):
            _refuse_unknown_amount(definition, name, f"{field}.amount.currency_of")
        case Whole(name):
            _refuse_unknown_amount(definition, name, f"{field}.amount.of")
        case Percent(name, percent):
            percent_of(percent, f"{field}.amount.percent")
            _refuse_unknown_amount(definition, name, f"{field}.amount.of")
        case Weight(name, weight):
            if not 1 <= weight <= MAX_WEIGHT:
                raise TemplateInvalid("a weight is from 1 to 10^9", field=f"{field}.amount.weight")
            _refuse_unknown_amount(definition, name, f"{field}.amount.of")


def _refuse_shares(definition: Definition) -> None:
    """No side may take more than all of an amount, or weigh what is not left of it."""
    taken: dict[tuple[Side, str], int] = defaultdict(int)
    for index, leg in enumerate(definition.legs):
        share = leg.amount
        if isinstance(share, Whole | Percent):
            pot = (leg.side, share.of)
            taken[pot] += HUNDRED_PERCENT if isinstance(share, Whole) else percent_of(share.percent, "")
            if taken[pot] > HUNDRED_PERCENT:
                raise TemplateInvalid(
                    f"the {leg.side.value}s take more than 100 % of {share.of!r}",
                    field=f"legs[{index}].amount",
                )
    for index, leg in enumerate(definition.legs):
        if isinstance(leg.amount, Weight) and taken[(leg.side, leg.amount.of)] == HUNDRED_PERCENT:
            raise TemplateInvalid(
                f"nothing of {leg.amount.of!r} is left to be shared by weight", field=f"legs[{index}].amount"
            )


def _refuse_remainders(definition: Definition) -> None:
    seen: dict[str, int] = {}
    for index, leg in enumerate(definition.legs):
        if isinstance(leg.amount, Rest):
            name = leg.amount.currency_of
            key = static_currency(definition, name) or f"of {name}"
            if key in seen:
                raise TemplateInvalid(
                    f"legs[{seen[key]}] takes the remainder already", field=f"legs[{index}].amount"
                )
            seen[key] = index


def static_currency(definition: Definition, name: str) -> str | None:
    """The currency of an amount as far as it does not depend on the arguments."""
    while True:
        if name in definition.parameters:
            return definition.parameters[name].currency
        derived = definition.amounts[name]
        match derived:
            case Fixed():
                return derived.currency
            case Percent():
                name = derived.of
            case Sum():
                name = derived.of[0]


def _refuse_one_sided(definition: Definition) -> None:
    if {leg.side for leg in definition.legs} != set(Side):
        raise TemplateInvalid("an entry has at least one debit and one credit", field="legs")


def _refuse_texts(definition: Definition) -> None:
    for key in definition.metadata:
        if not 1 <= len(key) <= _MAX_METADATA_KEY or "\0" in key:
            raise TemplateInvalid("a key has 1 to 40 characters", field="metadata")
    for field, text in texts_of(definition).items():
        if not 1 <= len(text) <= MAX_TEXT or "\0" in text:
            raise TemplateInvalid("a text has 1 to 500 characters", field=field)
        for name in PLACEHOLDER.findall(text):
            parameter = definition.parameters.get(name)
            if parameter is None or parameter.type is not ParameterType.TEXT:
                raise TemplateInvalid(f"there is no text parameter {name!r}", field=field)


def _refuse_unused(definition: Definition) -> None:
    used = {name for text in texts_of(definition).values() for name in PLACEHOLDER.findall(text)}
    for derived in definition.amounts.values():
        used.update(_terms(derived))
    for leg in definition.legs:
        used.add(leg.account)
        used.update(_names_of(leg.amount))
    for kind, names in (("parameters", definition.parameters), ("amounts", definition.amounts)):
        for name in names:
            if name not in used:
                raise TemplateInvalid("nothing uses it", field=f"{kind}.{name}")


def _names_of(share: Share) -> tuple[str, ...]:
    match share:
        case Fixed():
            return ()
        case Rest():
            return (share.currency_of,)
        case _:
            return (share.of,)


def _refuse_imbalance(definition: Definition) -> None:
    """Without a remainder, debits and credits must be the same share of the same amounts."""
    if any(isinstance(leg.amount, Rest) for leg in definition.legs):
        return
    net: dict[str, Fraction] = defaultdict(Fraction)
    vectors: dict[str, Vector] = {}
    for name in (*definition.parameters, *definition.amounts):
        _fill_vectors(definition, name, vectors)
    for leg in definition.legs:
        sign = 1 if leg.side is Side.DEBIT else -1
        for base, part in _leg_vector(definition, leg, vectors).items():
            net[base] += sign * part
    for base, part in net.items():
        if part:
            excess = "debits" if part > 0 else "credits"
            raise TemplateInvalid(
                f"the {excess} take more of {base} than the other side; a remainder would balance them",
                field="legs",
            )


def _leg_vector(definition: Definition, leg: Leg, vectors: Mapping[str, Vector]) -> Vector:
    match leg.amount:
        case Fixed() as fixed:
            return {fixed.currency: Fraction(fixed.amount)}
        case Whole(name):
            return vectors[name]
        case Percent(name, percent):
            return _scaled(vectors[name], Fraction(percent_of(percent, ""), HUNDRED_PERCENT))
        case Weight(name, weight):
            shares = [definition.legs[i].amount for i in shares_by_pot(definition.legs)[(leg.side, name)]]
            percents = sum(percent_of(s.percent, "") for s in shares if isinstance(s, Percent))
            weights = sum(s.weight for s in shares if isinstance(s, Weight))
            left = 1 - Fraction(percents, HUNDRED_PERCENT)
            return _scaled(vectors[name], left * Fraction(weight, weights))
        case Rest():
            return {}


def _fill_vectors(definition: Definition, name: str, vectors: dict[str, Vector]) -> Vector:
    """Enter the vectors of an amount and of all that it depends on, each once. There are no cycles."""
    if name not in vectors:
        derived = definition.amounts.get(name)
        match derived:
            case None:
                vectors[name] = {name: Fraction(1)}
            case Fixed():
                vectors[name] = {derived.currency: Fraction(derived.amount)}
            case Percent():
                factor = Fraction(percent_of(derived.percent, ""), HUNDRED_PERCENT)
                vectors[name] = _scaled(_fill_vectors(definition, derived.of, vectors), factor)
            case Sum():
                total: dict[str, Fraction] = defaultdict(Fraction)
                for term in derived.of:
                    for base, part in _fill_vectors(definition, term, vectors).items():
                        total[base] += part
                vectors[name] = total
    return vectors[name]


def _scaled(vector: Vector, factor: Fraction) -> Vector:
    return {base: part * factor for base, part in vector.items()}
