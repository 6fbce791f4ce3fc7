"""Which partners a payment may go to, in which order, and who of them gets it now. Pure.

    plan = compiled(rules)
    chosen = choose(plan, facts, can)                        # the rule, and the partners in order
    partner = first_standing(chosen.partners, health, payment_id)

The same payment always gets the same partners in the same order: a split goes by a hash of the payment's id.
Only `first_standing` looks at what changes from moment to moment.
"""

import datetime as dt
import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from caudal.connectors import Capabilities, CaptureMode, Direction, Method, Supported
from caudal.routing.types import (
    Chosen,
    Conditions,
    Facts,
    Hop,
    Outage,
    PartnerHealth,
    Retry,
    Rule,
    Rules,
)
from caudal_base.check import check

VAULT_PREFIX: Final = "tok_"
"""How the vault's tokens begin, which every partner can be given; others are of one partner."""

WHOLE: Final = 100
"""What the weights of a split make: percent."""

RECOVERY: Final = dt.timedelta(seconds=30)
"""How long after an outage only some payments try a partner, unless one of them comes through before."""

PROBE_EVERY: Final = 20
"""Of so many payments one tries a partner that is recovering."""

Step = tuple[tuple[str, int], ...]
"""Partners with the upper bounds of their shares, the last one `WHOLE`: one of them is meant."""


class Way(msgspec.Struct, frozen=True):
    """A rule with all that it refers to: its partners step by step."""

    rule: Rule
    steps: tuple[Step, ...]

    @property
    def partners(self) -> frozenset[str]:
        """All that it may send a payment to."""
        return frozenset(partner for step in self.steps for partner, _ in step)


class Plan(msgspec.Struct, frozen=True):
    """A rule set, ready to be asked."""

    ways: tuple[Way, ...]
    retries: tuple[Retry, ...] = ()


def compiled(rules: Rules) -> Plan:
    """The plan of rules that `checking` has nothing against."""
    return Plan(
        tuple(
            Way(rule, tuple(step for hop in (rule.to, *rule.next) for step in _steps(rules, hop)))
            for rule in rules.rules
        ),
        rules.retries,
    )


def _steps(rules: Rules, hop: Hop) -> Iterator[Step]:
    if hop.route is not None:
        route = rules.routes[hop.route]
        for each in (route.to, *route.next):
            yield from _steps(rules, each)
    elif hop.partner is not None:
        yield ((hop.partner, WHOLE),)
    else:
        bound, step = 0, []
        for share in hop.split:
            bound += share.weight
            step.append((share.partner, bound))
        yield tuple(step)


def choose(plan: Plan, facts: Facts, can: Callable[[str], bool]) -> Chosen | None:
    """The first rule that holds, with those of its partners that can do it; None: no rule serves it."""
    for way in plan.ways:
        if holds(way.rule.when, facts):
            partners = [partner for partner in _in_order(way, facts.payment_id) if can(partner)]
            if partners:
                return Chosen(way.rule.name, tuple(partners))
    return None


def _in_order(way: Way, payment_id: str) -> list[str]:
    partners: dict[str, None] = {}
    for number, step in enumerate(way.steps):
        place = 0 if len(step) == 1 else drawn(f"{way.rule.name}:{number}", payment_id, WHOLE)
        partners[next(partner for partner, bound in step if place < bound)] = None
    return list(partners)


def drawn(salt: str, payment_id: str, sides: int) -> int:
    """A number from 0 to below `sides`: for one payment always the same, and evenly among many."""
    digest = hashlib.blake2b(payment_id.encode(), digest_size=8, key=salt.encode()[:64]).digest()
    return int.from_bytes(digest, "big") % sides


def holds(when: Conditions, facts: Facts) -> bool:
    """Whether a payment is what a rule speaks of."""
    return (
        (not when.kind or facts.direction in when.kind)
        and (not when.method or facts.method in when.method)
        and (not when.currency or facts.currency in when.currency)
        and (not when.capture or facts.capture in when.capture)
        and (when.amount_from is None or facts.amount >= when.amount_from)
        and (when.amount_to is None or facts.amount <= when.amount_to)
        and (not when.country or facts.country in when.country)
        and (not when.customer or facts.customer in when.customer)
        and (not when.instrument or (facts.instrument or "").startswith(when.instrument))
    )


def first_standing(
    partners: Sequence[str], health: Callable[[str], PartnerHealth], payment_id: str
) -> str | None:
    """Who gets a payment now, of those that it may go to; None: all of them are being drained.

    The first that is up, or recovering with this payment to try it. If nobody is, the first that is not
    being drained: the payment waits there, as it would without rules.
    """
    for partner in partners:
        match health(partner):
            case PartnerHealth.UP:
                return partner
            case PartnerHealth.RECOVERING if drawn(f"probe:{partner}", payment_id, PROBE_EVERY) == 0:
                return partner
            case _:
                continue
    return next((partner for partner in partners if health(partner) is not PartnerHealth.DRAINING), None)


def health_of(
    partner: str, outages: Mapping[str, Outage], drained: Collection[str], now: dt.datetime
) -> PartnerHealth:
    """Whether rules send a partner anything new."""
    if partner in drained:
        return PartnerHealth.DRAINING
    outage = outages.get(partner)
    if outage is None or now >= outage.until + RECOVERY:
        return PartnerHealth.UP
    return PartnerHealth.DOWN if now < outage.until else PartnerHealth.RECOVERING


def capability(
    capabilities: Capabilities, direction: Direction, method: Method, currency: str
) -> Supported | None:
    """The row of a capability matrix that is about a payment; None: the partner does not do it."""
    for row in capabilities.supported:
        fits = row.direction is direction and row.method is method
        if fits and (row.currencies is None or currency in row.currencies):
            return row
    return None


def capable(capabilities: Capabilities, facts: Facts) -> bool:
    """Whether a partner can do a payment: its kind, method, currency, capture mode and amount."""
    row = capability(capabilities, facts.direction, facts.method, facts.currency)
    return row is not None and facts.capture in row.capture_modes and facts.amount >= row.minimum_amount


class Combination(msgspec.Struct, frozen=True):
    """A kind of payment, as capability matrices tell them apart."""

    direction: Direction
    method: Method
    currency: str | None
    """None: one that no rule and no matrix names."""
    capture: CaptureMode

    def __str__(self) -> str:
        """In words."""
        currency = self.currency or "any other currency"
        return f"{self.direction.value} by {self.method.value} in {currency}, {self.capture.value} capture"


def does(capabilities: Capabilities, wanted: Combination) -> bool:
    """Whether a partner can do a kind of payment, of some amount."""
    return any(
        row.direction is wanted.direction
        and row.method is wanted.method
        and (row.currencies is None or wanted.currency in row.currencies)
        and wanted.capture in row.capture_modes
        for row in capabilities.supported
    )


def combinations(capabilities: Sequence[Capabilities], currencies: Sequence[str]) -> list[Combination]:
    """Every kind of payment that some partner can do; `currencies` are those that rules name."""
    found: dict[Combination, None] = {}
    for row in (row for each in capabilities for row in each.supported):
        named: Sequence[str | None] = (
            (None, *currencies) if row.currencies is None else sorted(row.currencies)
        )
        for currency in named:
            for capture in sorted(row.capture_modes, key=lambda mode: mode.value):
                found[Combination(row.direction, row.method, currency, capture)] = None
    check(len(found) < 100_000, "the matrices of partners are small")
    return list(found)
