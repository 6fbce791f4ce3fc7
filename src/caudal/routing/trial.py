"""What rules would have done with payments of the past. Pure.

All partners are taken to have been up: rules are compared, not the partners' bad days.
"""

from collections.abc import Iterable, Mapping

import msgspec

from caudal.connectors import Capabilities
from caudal.routing.rules import VAULT_PREFIX, Plan, capable, choose
from caudal.routing.types import Facts, Figures


class Past(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A payment as it was made."""

    facts: Facts
    partner: str
    """Who carried it out, or was to."""
    named: bool
    """The caller named the partner: rules have no say."""
    approved: bool


class TrialLine(msgspec.Struct, frozen=True, kw_only=True):
    """What would have gone by one rule to one partner as its first choice, in one currency."""

    rule: str
    """Empty: the caller had named the partner."""
    partner: str
    currency: str
    payments: int
    amount: int
    before: int
    """How many of these payments this partner had."""
    approved_amount: int
    """Of those that came through, wherever they went."""
    cost: int | None
    """What the partner would have taken for `approved_amount`, at what it took of late; None: not known."""


class Unserved(msgspec.Struct, frozen=True, kw_only=True):
    """Payments that no rule serves."""

    kind: str
    method: str
    currency: str
    payments: int
    amount: int
    example: str
    """The id of one of them."""


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the payments of the past."""

    payments: int
    moved: int
    """Payments that would have gone to another partner than they did."""
    foreign: int
    """Of those, the ones by an instrument that is not the vault's: it may mean nothing to that partner."""
    lines: tuple[TrialLine, ...]
    unserved: tuple[Unserved, ...]


class _Sum:
    """Of one line, so far."""

    def __init__(self) -> None:
        self.payments = self.amount = self.before = 0
        self.approved: dict[str, int] = {}
        """By method."""


class Rates:
    """What partners take of what they approve, as figures of the past tell."""

    def __init__(self, figures: Iterable[Figures]) -> None:
        """Figures of several rules and days add up."""
        self._sums: dict[tuple[str, str, str], tuple[int, int]] = {}
        for each in figures:
            key = (each.lane.partner, each.lane.currency, each.lane.method)
            amount, cost = self._sums.get(key, (0, 0))
            self._sums[key] = amount + each.approved_amount, cost + each.cost

    def cost(self, partner: str, currency: str, amounts: Mapping[str, int]) -> int | None:
        """Of amounts by method, in minor units rounded down; None where nothing tells."""
        total = 0
        for method, amount in amounts.items():
            approved, cost = self._sums.get((partner, currency, method), (0, 0))
            if not approved or not cost:
                return None
            total += amount * cost // approved
        return total


class Trier:
    """Takes in payments one after another."""

    def __init__(self, plan: Plan, partners: Mapping[str, Capabilities], rates: Rates) -> None:
        """`partners` are those of the book."""
        self._plan = plan
        self._partners = partners
        self._rates = rates
        self._sums: dict[tuple[str, str, str], _Sum] = {}
        self._unserved: dict[tuple[str, str, str], Unserved] = {}
        self._payments = self._moved = self._foreign = 0

    def take(self, past: Past) -> None:
        """Another payment."""
        self._payments += 1
        facts = past.facts
        rule, partner = "", past.partner
        if not past.named:
            chosen = choose(self._plan, facts, lambda name: capable(self._partners[name], facts))
            if chosen is None:
                self._leave(facts)
                return
            rule, partner = chosen.rule, chosen.partners[0]
        same = partner == past.partner
        self._moved += not same
        own = facts.instrument is not None and not facts.instrument.startswith(VAULT_PREFIX)
        self._foreign += not same and own
        line = self._sums.setdefault((rule, partner, facts.currency), _Sum())
        line.payments += 1
        line.amount += facts.amount
        line.before += same
        if past.approved:
            method = facts.method.value
            line.approved[method] = line.approved.get(method, 0) + facts.amount

    def _leave(self, facts: Facts) -> None:
        key = (facts.direction.value, facts.method.value, facts.currency)
        known = self._unserved.get(key)
        self._unserved[key] = Unserved(
            kind=key[0], method=key[1], currency=key[2],
            payments=1 if known is None else known.payments + 1,
            amount=facts.amount if known is None else known.amount + facts.amount,
            example=facts.payment_id if known is None else known.example,
        )  # fmt: skip

    def result(self) -> Trial:
        """What has come of those taken in so far; the largest lines first."""
        lines = [
            TrialLine(
                rule=rule, partner=partner, currency=currency, payments=one.payments, amount=one.amount,
                before=one.before, approved_amount=sum(one.approved.values()),
                cost=self._rates.cost(partner, currency, one.approved),
            )
            for (rule, partner, currency), one in self._sums.items()
        ]  # fmt: skip
        lines.sort(key=lambda line: (-line.payments, line.rule, line.partner, line.currency))
        unserved = sorted(self._unserved.values(), key=lambda one: (-one.payments, one.kind, one.currency))
        return Trial(
            payments=self._payments, moved=self._moved, foreign=self._foreign, lines=tuple(lines),
            unserved=tuple(unserved),
        )  # fmt: skip
