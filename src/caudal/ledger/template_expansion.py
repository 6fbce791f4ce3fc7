"""From a template and its caller's arguments to a journal entry that balances, or a refusal."""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from caudal.ledger.commands import RecordTransaction
from caudal.ledger.errors import TemplateInvalid
from caudal.ledger.template_rules import HUNDRED_PERCENT, PLACEHOLDER, percent_of, shares_by_pot, texts_of
from caudal.ledger.template_types import (
    MAX_TEXT,
    Argument,
    Definition,
    Fixed,
    Parameter,
    ParameterType,
    Percent,
    Rest,
    Sum,
    Template,
    Weight,
    Whole,
)
from caudal.ledger.types import (
    AccountId,
    Posting,
    Side,
    TransactionId,
)
from caudal_base import ids
from caudal_base.check import check
from caudal_base.money import Money, allocate


class _Amount(NamedTuple):
    amount: int
    currency: str


def expand(
    template: Template,
    arguments: Mapping[str, Argument],
    *,
    transaction_id: TransactionId,
    effective_at: dt.datetime | None = None,
) -> RecordTransaction:
    """The journal entry that `template` makes of `arguments`; pure, the same every time.

    Its postings balance in every currency, in the order of the legs; legs that come to zero are left out.
    Raises `TemplateInvalid` naming the parameter or leg at fault: a missing, unknown or unfit argument, a
    remainder below zero (the shares exceed the amount), sides that do not balance, nothing left to post.
    """
    definition = template.definition
    _refuse_unfit(definition, arguments)
    amounts = _named_amounts(definition, arguments)
    legs = _leg_amounts(definition, amounts)
    postings = tuple(
        Posting(
            account=AccountId(str(arguments.get(leg.account, leg.account))),
            side=leg.side,
            amount=taken.amount,
            currency=taken.currency,
        )
        for leg, taken in zip(definition.legs, legs, strict=True)
        if taken.amount
    )
    _refuse_unbalanced(postings)
    texts = {field: _filled(field, text, arguments) for field, text in texts_of(definition).items()}
    return RecordTransaction(
        id=transaction_id,
        postings=postings,
        effective_at=effective_at,
        code=texts.get("code"),
        reference=texts.get("reference"),
        metadata={key: texts[f"metadata.{key}"] for key in definition.metadata} or None,
        template=template.label,
    )


def _refuse_unfit(definition: Definition, arguments: Mapping[str, Argument]) -> None:
    for name in definition.parameters:
        if name not in arguments:
            raise TemplateInvalid("the argument is missing", field=f"parameters.{name}")
    for name, argument in arguments.items():
        parameter = definition.parameters.get(name)
        if parameter is None:
            raise TemplateInvalid("the template has no such parameter", field=f"parameters.{name}")
        _refuse_argument(f"parameters.{name}", parameter, argument)


def _refuse_argument(field: str, parameter: Parameter, argument: Argument) -> None:
    match parameter.type, argument:
        case ParameterType.AMOUNT, Money():
            if argument.amount < 0:
                raise TemplateInvalid("an amount is at least 0", field=f"{field}.amount")
            if parameter.currency not in (None, argument.currency):
                raise TemplateInvalid(
                    f"the template takes {parameter.currency} here", field=f"{field}.currency"
                )
        case ParameterType.ACCOUNT, str():
            try:
                ids.decode(ids.ACCOUNT, argument)
            except ids.InvalidId as error:
                raise TemplateInvalid(error.detail, field=field) from None
        case ParameterType.TEXT, str():
            if not 1 <= len(argument) <= MAX_TEXT or "\0" in argument:
                raise TemplateInvalid(f"a text has 1 to {MAX_TEXT} characters", field=field)
        case _:
            raise TemplateInvalid(f"this must be of type {parameter.type.value}", field=field)


def _named_amounts(definition: Definition, arguments: Mapping[str, Argument]) -> Mapping[str, _Amount]:
    known = {
        name: _Amount(argument.amount, argument.currency)
        for name, argument in arguments.items()
        if isinstance(argument, Money)
    }

    def settle(name: str) -> _Amount:
        if name not in known:
            derived = definition.amounts[name]
            match derived:
                case Fixed():
                    known[name] = _Amount(derived.amount, derived.currency)
                case Percent():
                    pot = settle(derived.of)
                    share = percent_of(derived.percent, f"amounts.{name}.percent")
                    part, _ = allocate(pot.amount, (share, HUNDRED_PERCENT - share))
                    known[name] = _Amount(part, pot.currency)
                case Sum():
                    terms = [settle(term) for term in derived.of]
                    if len({term.currency for term in terms}) > 1:
                        raise TemplateInvalid("its terms are in several currencies", field=f"amounts.{name}")
                    known[name] = _Amount(sum(term.amount for term in terms), terms[0].currency)
        return known[name]

    for name in definition.amounts:
        settle(name)
    return known


def _leg_amounts(definition: Definition, amounts: Mapping[str, _Amount]) -> list[_Amount]:
    taken: dict[int, _Amount] = {}
    remainders: dict[str, int] = {}
    for index, leg in enumerate(definition.legs):
        match leg.amount:
            case Fixed() as fixed:
                taken[index] = _Amount(fixed.amount, fixed.currency)
            case Whole(name):
                taken[index] = amounts[name]
            case Rest(name):
                currency = amounts[name].currency
                if currency in remainders:
                    raise TemplateInvalid(
                        f"legs[{remainders[currency]}] takes the remainder in {currency} already",
                        field=f"legs[{index}].amount",
                    )
                remainders[currency] = index
            case Percent() | Weight():
                pass
    for (_, name), indices in shares_by_pot(definition.legs).items():
        shares = [definition.legs[index].amount for index in indices]
        pot = amounts[name]
        for index, part in zip(indices, _divided(pot.amount, shares), strict=True):
            taken[index] = _Amount(part, pot.currency)
    net: dict[str, int] = defaultdict(int)
    for index, amount in taken.items():
        net[amount.currency] += amount.amount if definition.legs[index].side is Side.DEBIT else -amount.amount
    for currency, index in remainders.items():
        lacking = -net[currency] if definition.legs[index].side is Side.DEBIT else net[currency]
        if lacking < 0:
            raise TemplateInvalid(
                f"the other legs take {-lacking} minor units of {currency} more than there are",
                field=f"legs[{index}].amount",
            )
        taken[index] = _Amount(lacking, currency)
    return [taken[index] for index in range(len(definition.legs))]


def _divided(amount: int, shares: list[Fixed | Whole | Percent | Weight | Rest]) -> list[int]:
    """Percentages of an amount first, then what they leave of it by weight: each by largest remainder."""
    percents = [percent_of(s.percent, "") if isinstance(s, Percent) else 0 for s in shares]
    weights = [s.weight if isinstance(s, Weight) else 0 for s in shares]
    *parts, left = allocate(amount, (*percents, HUNDRED_PERCENT - sum(percents)))
    if any(weights):
        parts = [part + more for part, more in zip(parts, allocate(left, weights), strict=True)]
    return parts


def _refuse_unbalanced(postings: tuple[Posting, ...]) -> None:
    if not postings:
        raise TemplateInvalid("the amounts are too small: every leg comes to zero", field="parameters")
    net: dict[str, int] = defaultdict(int)
    for posting in postings:
        check(posting.amount > 0, "a leg has no negative amount")
        net[posting.currency] += posting.amount if posting.side is Side.DEBIT else -posting.amount
    for currency, excess in net.items():
        if excess:
            raise TemplateInvalid(
                f"debits less credits come to {excess} minor units of {currency}", field="legs"
            )


def _filled(field: str, text: str, arguments: Mapping[str, Argument]) -> str:
    filled = PLACEHOLDER.sub(lambda match: str(arguments[match.group(1)]), text)
    if len(filled) > MAX_TEXT:
        raise TemplateInvalid(f"it comes to more than {MAX_TEXT} characters", field=field)
    return filled
