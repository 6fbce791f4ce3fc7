"""The bank itself: its orders, our account with it, and what time does to them. No HTTP.

Orders move by their account's plan, or as a test directs. What is open is settled at midnight, UTC.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final

from caudal_base.check import check
from caudal_sandbox.bank import rules
from caudal_sandbox.bank.errors import Refusal
from caudal_sandbox.bank.types import Entry, Fee, Kind, Money, Order, Settlement, Status
from caudal_sandbox.clock import Clock
from caudal_sandbox.draws import Draws
from caudal_sandbox.effects import Effects
from caudal_sandbox.effects import Kind as Effect
from caudal_sandbox.store import Store, Table

PARTNER: Final = "bank"

Tell = Callable[[str, Order | Settlement], None]
"""Sends an event of this type about what it is given, as that stands at this moment."""

_STEP: Final = "bank.step"
_SETTLE: Final = "bank.settle"
_DAY_S: Final = 86_400
_PREFIXES: Final = {Kind.TRANSFER: "trf", Kind.DIRECT_DEBIT: "dd", Kind.REFUND: "rfd"}


class Bank:
    """One customer's account with the bank."""

    def __init__(self, store: Store, clock: Clock, draws: Draws, effects: Effects, tell: Tell) -> None:
        self._orders: Table[Order] = store.table("bank.order", Order, reference=lambda order: order.reference)
        self._entries: Table[Entry] = store.table("bank.entry", Entry)
        self._settlements: Table[Settlement] = store.table("bank.settlement", Settlement)
        self._open: list[Entry] = []
        self._lines: defaultdict[str, list[Entry]] = defaultdict(list)
        self._clock = clock
        self._draws = draws
        self._effects = effects
        self._tell = tell
        clock.on(_STEP, self._step)
        clock.on(_SETTLE, self._settle_daily)

    def reload(self) -> None:
        """Take what the store holds."""
        self._open = [entry for entry in self._entries if entry.settlement is None]
        self._lines.clear()
        for entry in self._entries:
            if entry.settlement is not None:
                self._lines[entry.settlement].append(entry)

    def order(
        self, kind: Kind, *, reference: str, amount: Money, account: str, remittance: str | None
    ) -> Order:
        """Take a transfer or a direct debit. Raises `Refusal`, and then there is none."""
        plan = rules.plan_of(account)
        if plan is None:
            raise Refusal(422, "unknown_account", "there is no account with this token")
        _check_amount(amount)
        done = Money(max(1, amount.amount + plan.amount_off), plan.currency or amount.currency)
        order = self._new(kind, reference, done, account, remittance)
        if kind is Kind.DIRECT_DEBIT:
            order.refunded = Money(0, done.currency)
        return self._begin(order, rules.steps(plan, kind))

    def refund(self, debit_id: str, *, reference: str, amount: Money, remittance: str | None) -> Order:
        """Give back a part or the rest of what a direct debit collected. Raises `Refusal`."""
        debit = self.find(Kind.DIRECT_DEBIT, debit_id)
        if debit.status is not Status.COLLECTED:
            raise Refusal(409, "not_refundable", f"the direct debit is {debit.status.value}")
        if amount.currency != debit.amount.currency:
            raise Refusal(422, "currency_mismatch", "a refund has the direct debit's currency")
        _check_amount(amount)
        left = debit.amount.amount - _refunded(debit)
        if amount.amount > left:
            raise Refusal(422, "amount_too_large", f"{left} of the direct debit may still be refunded")
        plan = rules.plan_of(debit.account)
        self._add_refunded(debit, amount.amount)
        refund = self._new(Kind.REFUND, reference, amount, debit.account, remittance)
        refund.direct_debit = debit.id
        return self._begin(refund, () if plan is None else rules.steps(plan, Kind.REFUND))

    def cancel(self, kind: Kind, order_id: str, *, reference: str | None) -> Order:
        """Call off what has not been carried out; `reference` is of the call. Raises `Refusal`."""
        order = self.find(kind, order_id)
        if not rules.allows(order, Status.CANCELLED):
            raise Refusal(409, "not_cancellable", f"it is {order.status.value}")
        self._move(order, Status.CANCELLED, None)
        self._effects.add(
            PARTNER,
            Effect.CANCEL,
            order.id,
            amount=order.amount.amount,
            delta=0,
            currency=order.amount.currency,
            attempt_id=reference,
        )
        return order

    def find(self, kind: Kind, order_id: str) -> Order:
        """The order of this kind and id. Raises `Refusal`."""
        order = self._orders.get(order_id)
        if order is None or order.object is not kind:
            raise Refusal(404, "not_found", f"there is no {kind.value.replace('_', ' ')} with this id")
        return order

    def search(self, kind: Kind, reference: str, *, lag_s: float) -> list[Order]:
        """The orders of this kind and reference, oldest first, but for those of the last `lag_s` seconds."""
        seen_until = self._now() - dt.timedelta(seconds=lag_s)
        found = self._orders.find("reference", reference)
        return [order for order in found if order.object is kind and order.created_at <= seen_until]

    def direct(self, order_id: str, status: Status, reason: str | None) -> Order:
        """Make an order move, as a test wants it. Raises `Refusal` where the rules know no such move."""
        order = self._orders.get(order_id)
        if order is None:
            raise Refusal(404, "not_found", "there is no order with this id")
        if not rules.allows(order, status):
            raise Refusal(409, "no_such_move", f"what is {order.status.value} cannot be {status.value}")
        self._move(order, status, reason)
        return order

    def settle(self) -> list[Settlement]:
        """Book all entries that are open, one settlement for each currency; nothing where there are none."""
        by_currency: defaultdict[str, list[Entry]] = defaultdict(list)
        for entry in self._open:
            by_currency[entry.amount.currency].append(entry)
        self._open = []
        return [self._settle(currency, by_currency[currency]) for currency in sorted(by_currency)]

    def settlements(self) -> Iterator[Settlement]:
        """All of them, oldest first."""
        return iter(self._settlements)

    def lines(self, settlement_id: str) -> list[Entry]:
        """The entries of a settlement. Raises `Refusal`."""
        if self._settlements.get(settlement_id) is None:
            raise Refusal(404, "not_found", "there is no settlement with this id")
        return self._lines[settlement_id]

    def _settle_daily(self, _: str) -> None:
        self.settle()

    def _now(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self._clock.now(), dt.UTC)

    def _new(self, kind: Kind, reference: str, amount: Money, account: str, remittance: str | None) -> Order:
        now = self._now()
        return Order(
            id=self._draws.id(_PREFIXES[kind]),
            object=kind,
            reference=reference,
            amount=amount,
            account=account,
            remittance=remittance,
            created_at=now,
            updated_at=now,
        )

    def _begin(self, order: Order, steps: tuple[rules.Step, ...]) -> Order:
        """Keep a new order, take the steps that are due at once, plan the others.

        What ends at once has no `accepted` event.
        """
        self._orders.put(order)
        if not steps or steps[0].after_s > 0:
            self._tell(rules.event_type(order.object, Status.PENDING), order)
        for step in steps:
            if step.after_s == 0:
                self._move(order, step.status, step.reason)
            else:
                at = self._clock.now() + step.after_s
                self._clock.schedule(at, _STEP, f"{order.id} {step.status.value} {step.reason or ''}")
        return order

    def _step(self, subject: str) -> None:
        """A planned step is due. Where somebody was quicker, the plan no longer fits, and nothing happens."""
        order_id, status, reason = subject.split(" ")
        order = self._orders.get(order_id)
        if order is not None and rules.allows(order, Status(status)):
            self._move(order, Status(status), reason or None)

    def _move(self, order: Order, status: Status, reason: str | None) -> None:
        check(rules.allows(order, status), f"a bank's order went from {order.status} to {status}")
        order.status = status
        order.reason = rules.reason(reason)
        order.updated_at = self._now()
        movement = rules.MOVEMENTS.get((order.object, status))
        if movement is not None:
            self._book(order, movement)
        self._orders.put(order)
        if order.object is Kind.REFUND and status is Status.FAILED:
            debit = self._orders.get(order.direct_debit or "")
            check(debit is not None, "a refund without its direct debit")
            if debit is not None:
                self._add_refunded(debit, -order.amount.amount)
        self._tell(rules.event_type(order.object, status), order)

    def _add_refunded(self, debit: Order, amount: int) -> None:
        debit.refunded = Money(_refunded(debit) + amount, debit.amount.currency)
        self._orders.put(debit)

    def _book(self, order: Order, movement: rules.Movement) -> None:
        """Enter a movement on our account, and what it costs."""
        amount, currency = order.amount.amount, order.amount.currency
        entry = Entry(
            id=self._draws.id("ent"),
            kind=movement.line,
            source=order.id,
            direct_debit=order.direct_debit or None,
            reference=order.reference,
            amount=Money(movement.sign * amount, currency),
            fee=Money(movement.fee, currency),
            created_at=order.updated_at,
        )
        if not self._open:
            midnight = (self._clock.now() // _DAY_S + 1) * _DAY_S
            self._clock.schedule(midnight, _SETTLE, "")
        self._open.append(self._entries.put(entry))
        self._effect(order, movement.effect, amount, movement.sign * amount)
        if movement.fee:
            order.fees = [*order.fees, Fee(entry.id, entry.fee)]
            self._effect(order, Effect.FEE, movement.fee, -movement.fee)

    def _effect(self, order: Order, kind: Effect, amount: int, delta: int) -> None:
        self._effects.add(
            PARTNER,
            kind,
            order.id,
            amount=amount,
            delta=delta,
            currency=order.amount.currency,
            attempt_id=order.reference,
            parent_id=order.direct_debit or None,
        )

    def _settle(self, currency: str, entries: list[Entry]) -> Settlement:
        net = sum(entry.amount.amount - entry.fee.amount for entry in entries)
        now = self._now()
        settlement = Settlement(
            id=self._draws.id("stl"),
            amount=Money(net, currency),
            status="posted",
            lines=len(entries),
            created_at=now,
            posted_at=now,
        )
        self._settlements.put(settlement)
        for entry in entries:
            entry.settlement = settlement.id
            self._entries.put(entry)
        self._lines[settlement.id] = entries
        self._effects.add(
            PARTNER, Effect.SETTLEMENT, settlement.id, amount=abs(net), delta=-net, currency=currency
        )
        self._tell("settlement.posted", settlement)
        return settlement


def _check_amount(amount: Money) -> None:
    if amount.currency not in rules.CURRENCIES:
        raise Refusal(422, "currency_not_supported", "the bank does not move this currency")
    if not 1 <= amount.amount <= rules.LARGEST_AMOUNT:
        raise Refusal(422, "invalid_amount", f"an amount is from 1 to {rules.LARGEST_AMOUNT}")


def _refunded(debit: Order) -> int:
    """What of a direct debit has been given back or is on its way."""
    return debit.refunded.amount if isinstance(debit.refunded, Money) else 0
