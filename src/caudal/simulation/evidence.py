"""All that can be known at the end of a run: what the callers were told, what we keep, what partners did."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from caudal.connectors import Operation
from caudal.ledger import Finding as LedgerFinding
from caudal.payments import Attempt, AttemptState, Payment
from caudal.simulation.arrivals import Deliveries
from caudal.simulation.operators import Acted
from caudal.simulation.plans import Action
from caudal.simulation.requests import Asked
from caudal.simulation.store import Stored


class Place(NamedTuple):
    """Where amounts are added up."""

    partner: str
    currency: str


class Effect(msgspec.Struct, frozen=True, kw_only=True, rename={"object_id": "id"}):
    """Something that happened at a partner, by the partner's own book."""

    partner: str
    kind: str
    object_id: str
    parent_id: str | None
    attempt_id: str | None
    amount: int
    delta: int
    """What it did to the partner's debt to us."""
    currency: str
    """In small letters."""

    @property
    def place(self) -> Place:
        """Where it counts."""
        return Place(self.partner, self.currency.upper())


class PartnerBook(msgspec.Struct, frozen=True):
    """The sandbox's book of effects."""

    effects: list[Effect]
    balances: dict[str, dict[str, int]]
    attempts: dict[str, int]
    """How often each attempt had its effect."""


CAUSED: frozenset[str] = frozenset(
    {"charge", "authorisation", "increment", "cancel", "capture", "refund", "payout_out", "debit_in"}
)
"""Kinds of effects that an attempt of ours has itself."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What the invariants are held against."""

    asked: list[Asked]
    stored: Stored
    book: PartnerBook
    sandbox_counts: Mapping[str, int]
    """Of webhooks, by what happened to them."""
    ledger: list[LedgerFinding]
    audit_changed: int
    """Records of the audit log that are not what was written."""
    events_missed: list[int]
    events_last: Mapping[str, str]
    """The last state of each payment that the feed of events told of."""
    wrongly_accepted: list[str]
    programs_died: list[str]
    """Those that ended though nobody killed them."""
    server_errors: list[str]
    leaks: list[str]
    acted: Acted = msgspec.field(default_factory=Acted)
    """What operators did to routes."""
    deliveries: Deliveries = msgspec.field(default_factory=Deliveries)
    """Of webhooks to customers' endpoints."""

    @property
    def payments(self) -> dict[str, Payment]:
        """Those that we keep, by id."""
        return self.stored.payments

    @cached_property
    def by_payment(self) -> dict[str, list[Attempt]]:
        """The attempts of each payment."""
        return grouped((attempt.payment_id, attempt) for attempt in self.stored.attempts.values())

    @cached_property
    def caused(self) -> dict[str, list[Effect]]:
        """By attempt, the effects that it had itself."""
        return grouped(
            (effect.attempt_id, effect)
            for effect in self.book.effects
            if effect.attempt_id is not None and effect.kind in CAUSED
        )

    @cached_property
    def of_payment(self) -> dict[str | None, list[Effect]]:
        """By our payment, what happened at its partner; under None what belongs to no payment of ours."""
        known: dict[tuple[str | None, str | None], str] = {
            (p.partner, p.partner_id): p.id for p in self.payments.values() if p.partner_id is not None
        }
        known |= {(partner, name): payment_id for (partner, name), payment_id in self._left.items()}

        def payment_of(effect: Effect) -> str | None:
            attempt = self.stored.attempts.get(effect.attempt_id or "")
            if attempt is not None:
                return attempt.payment_id
            found = (known.get((effect.partner, name)) for name in (effect.parent_id, effect.object_id))
            return next((payment_id for payment_id in found if payment_id is not None), None)

        return grouped((payment_of(effect), effect) for effect in self.book.effects)

    @cached_property
    def _left(self) -> dict[tuple[str, str], str]:
        """By partner and its id, the payments of attempts that another has taken the place of."""
        return {
            (each.partner, each.partner_id): each.payment_id
            for each in self.stored.attempts.values()
            if each.superseded and each.partner_id is not None
        }

    def is_superseded(self, effect: Effect) -> bool:
        """Whether it is of an attempt that another has taken the place of, or gives back what that took."""
        attempt = self.stored.attempts.get(effect.attempt_id or "")
        if attempt is not None:
            return attempt.superseded or attempt.target_id is not None
        return any((effect.partner, name) in self._left for name in (effect.parent_id, effect.object_id))

    @cached_property
    def mistaken(self) -> frozenset[str]:
        """Payments of which the partner did something else than was asked, and that were not accepted so.

        What it took it has given back: of these our book holds nothing.
        """
        return frozenset(
            payment.id
            for payment in self.payments.values()
            if payment.reported_amount is not None and payment.captured_amount == 0
        )

    @cached_property
    def kept(self) -> Counter[Place]:
        """What partners took by mistake and could not be made to give back: told of, and for a person."""
        counted: Counter[Place] = Counter()
        for payment_id in self.mistaken:
            attempts = self.by_payment.get(payment_id, [])
            back = [a for a in attempts if a.operation is Operation.REFUND and a.part_id is None]
            if back and all(attempt.state is AttemptState.FAILED for attempt in back):
                for effect in self.of_payment.get(payment_id, []):
                    counted[effect.place] += effect.delta if effect.kind not in ("fee", "settlement") else 0
        return counted

    @cached_property
    def at_partner(self) -> Counter[tuple[Place, str]]:
        """Amounts by place and kind of effect, without those of mistakes and of superseded attempts."""
        counted: Counter[tuple[Place, str]] = Counter()
        for payment_id, effects in self.of_payment.items():
            for effect in effects if payment_id not in self.mistaken else ():
                if not self.is_superseded(effect):
                    counted[effect.place, effect.kind] += effect.amount
        return counted

    @cached_property
    def failed_refunds(self) -> frozenset[str]:
        """The partner's ids of refunds that came back after they had been paid."""
        return frozenset(effect.object_id for effect in self.book.effects if effect.kind == "refund_failure")

    def accepted(self, action: Action) -> list[Asked]:
        """The requests for `action` that were answered with a 2xx."""
        return [asked for asked in self.asked if asked.ask.action is action and asked.accepted]

    def refused(self, action: Action) -> list[Asked]:
        """Those that were answered with a 4xx."""
        return [
            asked
            for asked in self.asked
            if asked.ask.action is action and asked.answers and not asked.accepted
        ]


def grouped(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, list[Any]]:
    """The second values by the first ones."""
    found: defaultdict[Any, list[Any]] = defaultdict(list)
    for key, value in pairs:
        found[key].append(value)
    return dict(found)
