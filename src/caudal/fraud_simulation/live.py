"""A simulated world that pays for real: through the API of a running book, faster than life.

Each payment is made when it is due, by a customer who is taken on when they first pay, and labelled when its
fraud is reported. So decisions, features and labels meet what they would meet in life.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from caudal.client import (
    Caudal,
    CaudalError,
    CustomerType,
    Method,
    NotFound,
    PaymentContext,
    PaymentKind,
    Refused,
    RiskLabelKind,
)
from caudal.fraud_simulation.types import COUNTRIES, CURRENCY, History

PRODUCT: Final = "fraud-simulation"
INSTRUMENT: Final = "tok_card_ok"
"""What the sandbox's partners charge; which card it is stands in the payment's context."""

_AT_ONCE: Final = 16
_US: Final = 1_000_000

Told = Callable[[int, int], None]


class Driven(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    payments: int
    """That were taken; those that were declined too."""
    verdicts: Mapping[str, int]
    """By what was decided."""
    frauds: Mapping[str, int]
    """The same of those that are fraud in truth."""
    labels: int
    """That were taken."""
    refused: Mapping[str, int]
    """Requests, by code; `unanswered` are those whose outcome nobody knows."""
    behind_s: float
    """How late the latest request was: more than some seconds is more than the API takes."""
    seconds: float


async def drive(
    history: History, caudal: Caudal, *, speed: float, partner: str | None = None, name: str = "sim",
    told: Told = lambda _done, _all: None,
) -> Driven:  # fmt: skip
    """Let a world pay, `speed` times as fast as life. Labels that are reported after its end are not sent.

    `name` begins the references of its customers and payments: another for each run. Raises `CaudalError`
    where customers cannot be taken on.
    """
    driver = _Driver(history, caudal, speed, partner, name)
    await driver.prepare()
    await driver.run(told)
    return driver.report()


class _Driver:
    def __init__(
        self, history: History, caudal: Caudal, speed: float, partner: str | None, name: str
    ) -> None:
        self._history, self._caudal = history, caudal
        self._speed, self._partner, self._name = speed, partner, name
        self._customers: dict[int, asyncio.Task[str]] = {}
        self._payments: dict[int, asyncio.Future[str]] = {}
        self._taken = 0
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._verdicts: Counter[str] = Counter()
        self._frauds: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._labels = 0
        self._behind_s = 0.0
        self._began = time.monotonic()

    async def prepare(self) -> None:
        """The product that its customers have."""
        try:
            await self._caudal.products.get(PRODUCT)
        except NotFound:
            await self._caudal.products.create(PRODUCT, currencies=(CURRENCY,))

    async def run(self, told: Told) -> None:
        """Each payment and each label when it is due."""
        history = self._history
        end = history.at_us[-1] if len(history) else 0
        due = [(int(at), 0, number) for number, at in enumerate(history.at_us)]
        due += [(int(at), 1, number) for number, at in enumerate(history.labelled_us) if 0 <= at <= end]
        due.sort()
        self._began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for done, (at, is_label, number) in enumerate(due):
                late = self._elapsed() - (at - due[0][0]) / _US / self._speed
                if late < 0:
                    await asyncio.sleep(-late)
                self._behind_s = max(self._behind_s, late)
                await self._room.acquire()
                if not is_label:
                    self._payments[number] = asyncio.get_running_loop().create_future()
                tasks.create_task(self._carry_out(number, is_label=bool(is_label)))
                told(done + 1, len(due))

    def report(self) -> Driven:
        """What came of it."""
        return Driven(
            payments=self._taken, verdicts=dict(self._verdicts), frauds=dict(self._frauds),
            labels=self._labels, refused=dict(self._refused), behind_s=round(self._behind_s, 3),
            seconds=round(self._elapsed(), 3),
        )  # fmt: skip

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    async def _carry_out(self, number: int, *, is_label: bool) -> None:
        try:
            await (self._label(number) if is_label else self._pay(number))
        except Refused as refusal:
            self._refused[refusal.code] += 1
        except CaudalError:
            self._refused["unanswered"] += 1
        finally:
            self._payments[number].cancel()  # of one that was not taken: a label must not wait for it
            self._room.release()

    async def _pay(self, number: int) -> None:
        history = self._history
        customer = int(history.customer[number])
        if customer not in self._customers:
            self._customers[customer] = asyncio.create_task(self._take_on(customer))
        made = await self._caudal.payments.create(
            kind=PaymentKind.PAY_IN,
            customer=await self._customers[customer],
            amount=int(history.amount[number]),
            currency=CURRENCY,
            method=Method.CARD,
            partner=self._partner,
            instrument=INSTRUMENT,
            reference=f"{self._name}-{number}",
            context=self._context(number),
        )
        self._payments[number].set_result(made.id)
        self._taken += 1
        verdict = "approve" if made.decision is None else made.decision.verdict
        self._verdicts[verdict] += 1
        if history.fraud[number]:
            self._frauds[verdict] += 1

    def _context(self, number: int) -> PaymentContext:
        history = self._history
        device = int(history.device[number])
        return PaymentContext(
            device=None if device < 0 else f"d{device:07d}",
            # Of the range for documentation (RFC 3849): nobody's.
            ip=None if device < 0 else f"2001:db8::{device >> 16:x}:{device & 0xFFFF:x}",
            merchant=f"m{int(history.terminal[number]):07d}",
            card_token=f"tok_card_k{int(history.card[number]):07d}",
            country=COUNTRIES[int(history.country[number])],
        )

    async def _take_on(self, customer: int) -> str:
        made = await self._caudal.customers.create(
            type=CustomerType.PERSON,
            product=PRODUCT,
            jurisdiction="ES",
            reference=f"{self._name}-c{customer}",
        )
        return made.id

    async def _label(self, number: int) -> None:
        (payment,), _ = await asyncio.wait([self._payments[number]])
        if not payment.cancelled():
            await self._caudal.labels.add(payment.result(), RiskLabelKind.FRAUD)
            self._labels += 1
