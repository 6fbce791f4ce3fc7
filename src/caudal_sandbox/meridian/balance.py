"""The merchant's balance with Meridian: what moved on it, and the reports by which it is paid out."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final

from caudal_sandbox.effects import Kind as Effect
from caudal_sandbox.meridian import reports
from caudal_sandbox.meridian.errors import not_found
from caudal_sandbox.meridian.types import Entry, Payment, Report
from caudal_sandbox.store import Table
from caudal_sandbox.world import World

PARTNER: Final = "meridian"

COMMISSION_RATE: Final = 0.012
COMMISSION: Final = 10
"""In minor units, beside the rate."""
DISPUTE_FEE: Final = 1_500

_SETTLE: Final = "meridian.settle"
_PAY: Final = "meridian.pay"
_DAY_S: Final = 86_400

Tell = Callable[[Report], None]
"""Says that there is a report, or that it has been paid."""


class Balance:
    """What is due to the merchant. Paid out each midnight UTC, by currency, and booked a day later."""

    def __init__(self, world: World, tell: Tell) -> None:
        self._world = world
        self._entries: Table[Entry] = world.store.table("meridian.entry", Entry)
        self._reports: Table[Report] = world.store.table("meridian.report", Report)
        self._tell = tell
        self._open: list[Entry] = []
        world.clock.on(_SETTLE, self._close_daily)
        world.clock.on(_PAY, self._pay)

    def reload(self) -> None:
        """Take what the store holds."""
        self._open = [entry for entry in self._entries if entry.report is None]

    def move(
        self, type: str, payment: Payment, source: str, reference: str, gross: int, *, effect: Effect,
        commission: int = 0, attempt_id: str | None = None,
    ) -> None:  # fmt: skip
        """Enter a movement, and what it costs."""
        clock = self._world.clock
        if not self._open:
            clock.schedule((clock.now() // _DAY_S + 1) * _DAY_S, _SETTLE, "")
        entry = Entry(
            id=self._world.draws.id("ln", 16), type=type, source=source, payment=payment.id,
            reference=reference, gross=gross, commission=commission, currency=payment.currency,
        )  # fmt: skip
        self._open.append(self._entries.put(entry))
        self.note(effect, payment, source, abs(gross), gross, attempt_id=attempt_id)
        if commission:
            self.note(Effect.FEE, payment, source, commission, -commission)

    def note(
        self, effect: Effect, payment: Payment, source: str, amount: int, delta: int, *,
        attempt_id: str | None = None,
    ) -> None:  # fmt: skip
        """Write into the book of effects what happened to a payment."""
        self._world.effects.add(
            PARTNER, effect, source, amount=amount, delta=delta, currency=payment.currency,
            attempt_id=attempt_id, parent_id=None if source == payment.id else payment.id,
        )  # fmt: skip

    def settle(self) -> list[Report]:
        """Pay out what is due now, booked at once; and book what is on its way."""
        for report in list(self._reports):
            if not report.is_paid:
                self._pay(report.id)
        made = self._close()
        for report in made:
            self._pay(report.id)
        return made

    def reports(self) -> Iterator[Report]:
        """All of them, oldest first."""
        return iter(self._reports)

    def file(self, name: str) -> str:
        """A report as a file. Raises `Refusal`."""
        report = self._reports.get(name)
        if report is None:
            raise not_found("there is no report of this name")
        return reports.text(report, (entry for entry in self._entries if entry.report == name))

    def _close_daily(self, _: str) -> None:
        self._close()

    def _close(self) -> list[Report]:
        """One report for each currency with movements."""
        by_currency: defaultdict[str, list[Entry]] = defaultdict(list)
        for entry in self._open:
            by_currency[entry.currency].append(entry)
        self._open = []
        return [self._report(currency, by_currency[currency]) for currency in sorted(by_currency)]

    def _report(self, currency: str, entries: list[Entry]) -> Report:
        now = self._world.clock.now()
        net = sum(entry.gross - entry.commission for entry in entries)
        name = reports.name_of(currency, len(self._reports) + 1, now)
        report = self._reports.put(
            Report(id=name, currency=currency, net=net, created_at=now, value_at=now + _DAY_S)
        )
        for entry in entries:
            entry.report = name
            self._entries.put(entry)
        self._world.effects.add(
            PARTNER, Effect.SETTLEMENT, name, amount=abs(net), delta=-net, currency=currency
        )
        self._world.clock.schedule(report.value_at, _PAY, name)
        self._tell(report)
        return report

    def _pay(self, name: str) -> None:
        report = self._reports.get(name)
        if report is not None and not report.is_paid:
            report.is_paid, report.value_at = True, self._world.clock.now()
            self._reports.put(report)
            self._tell(report)


def commission_of(amount: int) -> int:
    """What an amount that is captured costs."""
    return round(amount * COMMISSION_RATE) + COMMISSION
