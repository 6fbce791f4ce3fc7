"""What is wrong with rules, before they are published. Pure.

A rule set that passes serves every payment that some rule's partners can do, ends, and sends nobody what they
cannot do. What is merely odd is a warning.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from caudal.connectors import Capabilities, Method
from caudal.routing.errors import (
    NoDefaultRule,
    RetryForbidden,
    RoutedPartnerIncapable,
    RoutedPartnerUnknown,
    RoutesInCircle,
    RouteUnknown,
    RulesInvalid,
    WeightsInvalid,
)
from caudal.routing.rules import VAULT_PREFIX, WHOLE, Combination, Way, combinations, compiled, does
from caudal.routing.types import Cause, Conditions, Hop, Route, Rule, Rules, Then
from caudal_base import ids, money
from caudal_base.countries import UnknownCountry, require_country
from caudal_base.ids import InvalidId
from caudal_base.money import MAX_AMOUNT, UnknownCurrency

MAX_RULES: Final = 100
MAX_ROUTES: Final = 50
MAX_HOPS: Final = 10
"""Behind one rule or route, and in one split."""
MAX_STEPS: Final = 20
"""Of one rule, with all routes that it leads to."""
MAX_VALUES: Final = 100
"""In one condition."""
MAX_RETRIES: Final = 100
MAX_WAIT_S: Final = 7 * 86_400
MAX_NOTE: Final = 500
MAX_PROBLEMS: Final = 50
"""So many are told at once."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,47}", re.ASCII)
_TEXT: Final = re.compile(r"[!-~]{1,64}", re.ASCII)


def problems(rules: Rules, partners: Mapping[str, Capabilities]) -> list[RulesInvalid]:
    """Everything for which the rules may not be published; `partners` are those of the book."""
    if len(rules.rules) > MAX_RULES or len(rules.routes) > MAX_ROUTES:
        return [RulesInvalid(f"at most {MAX_RULES} rules and {MAX_ROUTES} routes", field="rules")]
    found = list(islice(_all_but_capabilities(rules, partners), MAX_PROBLEMS))
    return found or list(islice(_of_capabilities(rules, partners), MAX_PROBLEMS))


def warnings(rules: Rules, partners: Mapping[str, Capabilities]) -> list[str]:
    """What is odd about rules that may be published.

    Rules never reached, cards' tokens that might be sent to a partner that they are not of, payments left
    without a rule.
    """
    plan = compiled(rules)
    currencies = sorted({currency for rule in rules.rules for currency in rule.when.currency})
    kinds = combinations([*partners.values()], currencies)
    found = []
    for number, way in enumerate(plan.ways):
        own = [kind for kind in kinds if _takes(way, kind, partners)]
        before = [one for one in plan.ways[:number] if _covers(one.rule.when, way.rule.when)]
        if all(any(_takes(one, kind, partners) for one in before) for kind in own):
            found.append(f"rules[{number}] ({way.rule.name}) is never reached: rules before it take it all")
        takers = sorted({name for kind in own for name in way.partners if _cards(kind, partners[name])})
        if len(takers) > 1 and not _portable(way.rule.when):
            found.append(
                f"rules[{number}] ({way.rule.name}) sends cards to {' and '.join(takers)}: a token of one of "
                f'them means nothing to the other; keep it by a condition on instrument, as "{VAULT_PREFIX}"'
            )
    general = [way for way in plan.ways if _covers(way.rule.when, Conditions())]
    found += [
        f"no rule serves {kind} in general, though a partner could"
        for kind in kinds
        if not any(_takes(way, kind, partners) for way in general)
    ]
    return found


def _all_but_capabilities(rules: Rules, partners: Mapping[str, Capabilities]) -> Iterator[RulesInvalid]:
    yield from _of_shape(rules)
    yield from _of_hops(rules, partners)
    if not rules.rules or rules.rules[-1].when != Conditions():
        yield NoDefaultRule("the last rule must be there, and without conditions", field="rules")
    yield from _of_retries(rules, partners)


def _of_shape(rules: Rules) -> Iterator[RulesInvalid]:
    if rules.note is not None and not (len(rules.note) <= MAX_NOTE and rules.note.isprintable()):
        yield RulesInvalid(f"at most {MAX_NOTE} printable characters", field="note")
    for name in rules.routes:
        if not _NAME.fullmatch(name):
            yield RulesInvalid("lower-case letters, digits, - and _, at most 48", field="routes")
    seen = set()
    for number, rule in enumerate(rules.rules):
        at = f"rules[{number}]"
        if not _NAME.fullmatch(rule.name):
            yield RulesInvalid("lower-case letters, digits, - and _, at most 48", field=f"{at}.name")
        if rule.name in seen:
            yield RulesInvalid("another rule has this name", field=f"{at}.name")
        seen.add(rule.name)
        yield from _of_conditions(rule.when, f"{at}.when")


def _of_conditions(when: Conditions, at: str) -> Iterator[RulesInvalid]:
    for name in ("kind", "method", "currency", "capture", "country", "customer", "instrument"):
        values = getattr(when, name)
        if len(values) > MAX_VALUES or len(set(values)) != len(values):
            yield RulesInvalid(f"at most {MAX_VALUES} values, each once", field=f"{at}.{name}")
    for number, currency in enumerate(when.currency):
        try:
            money.exponent(currency)
        except UnknownCurrency as error:
            yield RulesInvalid(error.detail, field=f"{at}.currency[{number}]")
    for number, country in enumerate(when.country):
        try:
            require_country(country, "country")
        except UnknownCountry as error:
            yield RulesInvalid(error.detail, field=f"{at}.country[{number}]")
    for number, customer in enumerate(when.customer):
        try:
            ids.decode(ids.CUSTOMER, customer)
        except InvalidId as error:
            yield RulesInvalid(error.detail, field=f"{at}.customer[{number}]")
    for number, begins in enumerate(when.instrument):
        if not _TEXT.fullmatch(begins):
            yield RulesInvalid("1 to 64 printable characters", field=f"{at}.instrument[{number}]")
    yield from _of_amounts(when, at)


def _of_amounts(when: Conditions, at: str) -> Iterator[RulesInvalid]:
    for name in ("amount_from", "amount_to"):
        amount = getattr(when, name)
        if amount is not None and not 0 <= amount <= MAX_AMOUNT:
            yield RulesInvalid("minor units, from 0 to 2^53 - 1", field=f"{at}.{name}")
        if amount is not None and len(when.currency) != 1:
            # 1000 minor units are 10 euros, or 1000 yen.
            yield RulesInvalid("an amount needs the one currency that it is of", field=f"{at}.{name}")
    if when.amount_from is not None and when.amount_to is not None and when.amount_from > when.amount_to:
        yield RulesInvalid("the range is empty", field=f"{at}.amount_to")


def _hops(rules: Rules) -> Iterator[tuple[str, Rule | Route]]:
    for number, rule in enumerate(rules.rules):
        yield f"rules[{number}]", rule
    for name, route in rules.routes.items():
        yield f"routes.{name}", route


def _of_hops(rules: Rules, partners: Mapping[str, Capabilities]) -> Iterator[RulesInvalid]:
    for at, one in _hops(rules):
        if len(one.next) > MAX_HOPS:
            yield RulesInvalid(f"at most {MAX_HOPS} to go on to", field=f"{at}.next")
        for field, hop in ((f"{at}.to", one.to), *((f"{at}.next[{n}]", h) for n, h in enumerate(one.next))):
            yield from _of_hop(rules, hop, field, partners)
    circle = _circle(rules)
    if circle is not None:
        yield RoutesInCircle(" → ".join(circle), field=f"routes.{circle[0]}")
    elif any(_length(rules, rule, {}) > MAX_STEPS for rule in rules.rules):
        yield RulesInvalid(f"a rule leads to at most {MAX_STEPS} steps, with all its routes", field="rules")


def _of_hop(
    rules: Rules, hop: Hop, field: str, partners: Mapping[str, Capabilities]
) -> Iterator[RulesInvalid]:
    if (hop.partner is not None) + (hop.route is not None) + bool(hop.split) != 1:
        yield RulesInvalid("exactly one of partner, route and split", field=field)
    if hop.route is not None and hop.route not in rules.routes:
        yield RouteUnknown(f"there is no route {hop.route[:64]!r}", field=f"{field}.route")
    if hop.split:
        if len(hop.split) > MAX_HOPS or len({share.partner for share in hop.split}) != len(hop.split):
            yield RulesInvalid(f"at most {MAX_HOPS} partners, each once", field=f"{field}.split")
        if any(share.weight < 1 for share in hop.split):
            yield WeightsInvalid("each weight is 1 percent at least", field=f"{field}.split")
        elif sum(share.weight for share in hop.split) != WHOLE:
            total = sum(share.weight for share in hop.split)
            yield WeightsInvalid(f"they make {total}, not {WHOLE}", field=f"{field}.split")
    for name in (hop.partner, *(share.partner for share in hop.split)):
        if name is not None and name not in partners:
            yield RoutedPartnerUnknown(f"no partner {name[:64]!r} serves the book", field=field)


def _named(one: Rule | Route) -> list[str]:
    return [hop.route for hop in (one.to, *one.next) if hop.route is not None]


def _circle(rules: Rules) -> list[str] | None:
    """Routes that lead back to the first of them, in order; None: there are no such."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str] | None:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done or name not in rules.routes:
            return None
        for inner in _named(rules.routes[name]):
            found = walk(inner, [*path, name])
            if found is not None:
                return found
        done.add(name)
        return None

    return next((found for name in rules.routes if (found := walk(name, [])) is not None), None)


def _length(rules: Rules, one: Rule | Route, known: dict[str, int]) -> int:
    """How many steps a rule or route has with those that it leads to; there is no circle."""
    length = len(one.next) + 1
    for name in _named(one):
        if name in rules.routes:
            if name not in known:
                known[name] = _length(rules, rules.routes[name], known)
            length += known[name] - 1
    return length


def _of_retries(rules: Rules, partners: Mapping[str, Capabilities]) -> Iterator[RulesInvalid]:
    if len(rules.retries) > MAX_RETRIES:
        yield RulesInvalid(f"at most {MAX_RETRIES} rows", field="retries")
    for number, row in enumerate(rules.retries):
        at = f"retries[{number}]"
        if row.partner is not None and row.partner not in partners:
            yield RoutedPartnerUnknown(
                f"no partner {row.partner[:64]!r} serves the book", field=f"{at}.partner"
            )
        if row.cause is Cause.HARD_DECLINE and row.then is not Then.NEVER:
            yield RetryForbidden("a hard decline is never tried again", field=f"{at}.then")
        if row.then is Then.LATER and row.cause in (Cause.INVALID, Cause.CONFLICT):
            yield RetryForbidden("the same call would be refused again", field=f"{at}.then")
        if not 1 <= row.times <= MAX_HOPS:
            yield RulesInvalid(f"1 to {MAX_HOPS} times", field=f"{at}.times")
        if not 0 <= row.wait_s <= MAX_WAIT_S:
            yield RulesInvalid(f"0 to {MAX_WAIT_S} seconds", field=f"{at}.wait_s")
        if len(row.codes) > MAX_VALUES or not all(_TEXT.fullmatch(code) for code in row.codes):
            yield RulesInvalid(f"at most {MAX_VALUES} codes of partners", field=f"{at}.codes")


def _of_capabilities(rules: Rules, partners: Mapping[str, Capabilities]) -> Iterator[RulesInvalid]:
    """What a rule names, each of its partners must be able to do; what it leaves open, some of it."""
    currencies = sorted({currency for rule in rules.rules for currency in rule.when.currency})
    kinds = combinations([*partners.values()], currencies)
    for number, way in enumerate(compiled(rules).ways):
        meant = [kind for kind in kinds if _speaks_of(way.rule.when, kind)]
        for partner in sorted(way.partners):
            can = [kind for kind in meant if does(partners[partner], kind)]
            missing = _missing(way.rule.when, meant, can)
            if missing is not None:
                yield RoutedPartnerIncapable(f"{partner} cannot do {missing}", field=f"rules[{number}]")


def _missing(when: Conditions, meant: Sequence[Combination], can: Sequence[Combination]) -> str | None:
    """What a partner cannot do of what a rule names, in words; None: nothing.

    Of what is named together, only what some partner can do: nobody pays out by card.
    """
    if not can:
        return "anything of it"
    for named, done in (
        (when.kind, {kind.direction for kind in can}),
        (when.method, {kind.method for kind in can}),
        (when.currency, {kind.currency for kind in can}),
        (when.capture, {kind.capture for kind in can}),
    ):
        for value in named:
            if value not in done:
                return str(getattr(value, "value", value))
    able = {_as_named(when, kind) for kind in can}
    return next((_words(when, kind) for kind in meant if _as_named(when, kind) not in able), None)


def _as_named(when: Conditions, kind: Combination) -> tuple[object, ...]:
    """A kind of payment as far as a rule tells it from others."""
    return (
        kind.direction if when.kind else None,
        kind.method if when.method else None,
        kind.currency if when.currency else None,
        kind.capture if when.capture else None,
    )


def _words(when: Conditions, kind: Combination) -> str:
    parts = [
        kind.direction.value if when.kind else "",
        f"by {kind.method.value}" if when.method else "",
        f"in {kind.currency}" if when.currency else "",
        f"with {kind.capture.value} capture" if when.capture else "",
    ]
    return " ".join(part for part in parts if part)


def _speaks_of(when: Conditions, kind: Combination) -> bool:
    return (
        (not when.kind or kind.direction in when.kind)
        and (not when.method or kind.method in when.method)
        and (not when.currency or kind.currency in when.currency)
        and (not when.capture or kind.capture in when.capture)
    )


def _takes(way: Way, kind: Combination, partners: Mapping[str, Capabilities]) -> bool:
    """Whether a rule is about a kind of payment, and whoever is drawn from its steps can do it."""
    return _speaks_of(way.rule.when, kind) and any(
        all(does(partners[partner], kind) for partner, _ in step) for step in way.steps
    )


def _cards(kind: Combination, can: Capabilities) -> bool:
    return kind.method is Method.CARD and does(can, kind)


def _portable(when: Conditions) -> bool:
    """Whether instruments are the vault's alone, which every partner can be given."""
    return bool(when.instrument) and all(one.startswith(VAULT_PREFIX) for one in when.instrument)


def _covers(wide: Conditions, narrow: Conditions) -> bool:
    """Whether whatever meets `narrow` meets `wide`, leaving aside what capability matrices speak of."""
    least, most = narrow.amount_from or 0, MAX_AMOUNT if narrow.amount_to is None else narrow.amount_to
    return (
        (wide.amount_from or 0) <= least
        and most <= (MAX_AMOUNT if wide.amount_to is None else wide.amount_to)
        and _among(wide.country, narrow.country)
        and _among(wide.customer, narrow.customer)
        and (
            not wide.instrument
            or bool(narrow.instrument and all(one.startswith(wide.instrument) for one in narrow.instrument))
        )
    )


def _among(wide: Sequence[str], narrow: Sequence[str]) -> bool:
    return not wide or (bool(narrow) and set(narrow) <= set(wide))
