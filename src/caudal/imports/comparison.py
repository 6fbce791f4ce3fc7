"""Our balances against the bank's stated ones, account by account and day by day: the pure part.

The bank printed its amounts rounded to 0.10 and added up the exact ones, so a balance that is the exact sum
of the printed amounts drifts from the stated balance by some tenths. That is what the comparison shows.
"""

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from caudal.imports.berka_types import CURRENCY, Transaction
from caudal_base.money import format_decimal

OFF: Final = 200
"""From 2.00 on (in minor units) a day counts as off."""

WORST_KEPT: Final = 10

_EDGES: Final = (0, 1, 11, 21, 51, 101, 200, 1_000, 10_000)
"""Where the buckets of the differences begin, in minor units: the first one is of the exact days."""


class DayKey(NamedTuple):
    """An account on a day."""

    account: str
    """The bank's number of it."""
    day: dt.date


class StatedDay(msgspec.Struct):
    """What the bank's file says of an account-day."""

    stated: list[int]
    """The balances after each of its transactions, in minor units."""
    movement: int = 0
    """Credits less debits of its transactions, in minor units."""


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """How many account-days differ by so much, whichever way."""

    from_minor: int
    below_minor: int | None
    """None is no bound."""
    account_days: int


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """An account-day, with the stated balance that comes nearest to ours; in minor units."""

    account: str
    day: dt.date
    ours: int
    stated: int
    difference: int
    """Stated less ours."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What the comparison found."""

    transactions: int
    """Rows of the file."""
    accounts: int
    """Accounts that the file has transactions of."""
    account_days: int
    """Accounts on days on which they have transactions."""
    exact: int
    """Account-days at whose end our balance is one that a transaction of the day states."""
    off_by_2_or_more: int
    """Account-days on which no stated balance is nearer to ours than 2.00."""
    posted_exactly: int
    """Account-days over which our balance moved by just what the day's transactions come to."""
    not_in_ledger: int
    """Account-days of accounts that the ledger has not: neither exact nor off."""
    currency: str
    differences: tuple[Bucket, ...]
    worst: tuple[Difference, ...]
    """The greatest differences, at most ten."""


def stated_days(transactions: Iterable[Transaction]) -> tuple[int, dict[DayKey, StatedDay]]:
    """How many transactions there are, and what they state by account-day. Memory grows with the days."""
    count = 0
    days: dict[DayKey, StatedDay] = {}
    for transaction in transactions:
        count += 1
        key = DayKey(transaction.account, transaction.day)
        stated = days.get(key)
        if stated is None:
            days[key] = stated = StatedDay([])
        stated.stated.append(transaction.stated)
        stated.movement += transaction.signed
    return count, days


def compare(transactions: int, days: Mapping[DayKey, StatedDay], ours: Mapping[DayKey, int]) -> Comparison:
    """Hold our balances at the end of each account-day against what the bank states.

    `ours` lacks the account-days of accounts that are not in the ledger.
    """
    differences = [_difference(key, days[key].stated, ours[key]) for key in days if key in ours]
    counts = [0] * len(_EDGES)
    for difference in differences:
        counts[bisect_right(_EDGES, abs(difference.difference)) - 1] += 1
    off = [d for d in differences if abs(d.difference) >= OFF]
    differing = sorted(
        (d for d in differences if d.difference), key=lambda d: (-abs(d.difference), d.day, d.account)
    )
    return Comparison(
        transactions=transactions,
        accounts=len({key.account for key in days}),
        account_days=len(days),
        exact=counts[0],
        off_by_2_or_more=len(off),
        posted_exactly=_posted_exactly(days, ours),
        not_in_ledger=len(days) - len(differences),
        currency=CURRENCY,
        differences=tuple(
            Bucket(from_minor=start, below_minor=end, account_days=count)
            for start, end, count in zip(_EDGES, (*_EDGES[1:], None), counts, strict=True)
        ),
        worst=tuple(differing[:WORST_KEPT]),
    )


def _difference(key: DayKey, stated: Sequence[int], ours: int) -> Difference:
    nearest = min(stated, key=lambda balance: abs(balance - ours))
    return Difference(account=key.account, day=key.day, ours=ours, stated=nearest, difference=nearest - ours)


def _posted_exactly(days: Mapping[DayKey, StatedDay], ours: Mapping[DayKey, int]) -> int:
    """Balances start at zero: an account's first transaction is its opening deposit."""
    before: dict[str, int] = {}
    exactly = 0
    for key in sorted(days):
        if key in ours:
            exactly += ours[key] - before.get(key.account, 0) == days[key].movement
            before[key.account] = ours[key]
    return exactly


def render(comparison: Comparison) -> str:
    """The comparison for people, as plain text."""
    c = comparison
    lines = [
        f"{c.transactions:,} transactions on {c.accounts:,} accounts, {c.account_days:,} account-days",
        f"{c.posted_exactly:,} account-days moved in the ledger by exactly what the bank's rows say",
        f"{c.exact:,} end at a balance that the bank states, to the last unit",
        f"{c.off_by_2_or_more:,} are off by {format_decimal(OFF, c.currency)} {c.currency} or more",
    ]
    if c.not_in_ledger:
        lines.append(f"{c.not_in_ledger:,} are of accounts that the ledger does not have")
    lines += ["", f"Difference in {c.currency}   Account-days"]
    lines += [f"{label(b, c.currency):>17}   {b.account_days:>12,}" for b in c.differences]
    if c.worst:
        lines += ["", f"{'Account':>8}  {'Day':<10}  {'Ours':>14}  {'Stated':>14}  {'Difference':>12}"]
        lines += [
            f"{w.account:>8}  {w.day.isoformat()}  {format_decimal(w.ours, c.currency):>14}  "
            f"{format_decimal(w.stated, c.currency):>14}  {format_decimal(w.difference, c.currency):>12}"
            for w in c.worst
        ]
    return "\n".join(lines)


def label(bucket: Bucket, currency: str) -> str:
    """What a bucket holds, in words: `0.00`, `0.01 to 0.10`, `100.00 and more`."""
    start = format_decimal(bucket.from_minor, currency)
    if bucket.below_minor is None:
        return f"{start} and more"
    if bucket.below_minor == bucket.from_minor + 1:
        return start
    return f"{start} to {format_decimal(bucket.below_minor - 1, currency)}"
