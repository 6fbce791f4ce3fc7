"""What became of payments, by day, week or month: volume, approval, fraud, loss and cohorts.

The figures come from one row for each payment, as it stands, whether an export or the database has it. Rates
are in basis points: 1 is one in ten thousand.
"""

import datetime as dt
import enum
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from caudal.risk import BAD

_FRAUD: Final = tuple(sorted(kind.value for kind in BAD if kind.value != "defaulted"))
MOST_COHORTS: Final = 36


class By(enum.Enum):
    """How long a period is."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """Payments that were asked for in a period, in one currency."""

    period: dt.date
    """Its first day, in UTC."""
    currency: str
    kind: str
    payments: int
    amount: int
    """What was asked."""
    succeeded: int
    succeeded_amount: int
    declined: int
    """By our decision."""
    failed: int
    """By partners."""
    approval_bp: float | None
    """Of what has come to an end by a yes or a no: the share of yes."""


class Fraud(msgspec.Struct, frozen=True, kw_only=True):
    """Of the payments of a period those that turned out to be fraud, as far as it is known by now."""

    period: dt.date
    currency: str
    payments: int
    """That were carried out."""
    amount: int
    frauds: int
    fraud_amount: int
    fraud_bp: float | None
    """Of the number."""
    fraud_amount_bp: float | None
    """Of the amount."""
    caught: int
    """Declined by our decision."""


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """What payments of a period have cost, in minor units."""

    period: dt.date
    currency: str
    amount: int
    """Carried out."""
    disputed: int
    """Of disputes that are open: it may come back."""
    lost: int
    """Of disputes that are lost."""
    dispute_fees: int
    refunded: int
    loss_bp: float | None
    """Lost and fees, of what was carried out."""


class Cohort(msgspec.Struct, frozen=True, kw_only=True):
    """Customers whose first payment was in one month, in a month of theirs."""

    month: dt.date
    age: int
    """In months; 0 is that of the first payment."""
    customers: int
    """In the cohort."""
    active: int
    """Who paid in this month."""
    active_bp: float
    payments: int
    frauds: int
    fraud_bp: float | None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. What was not asked for is empty."""

    book: str
    by: By
    since: dt.date | None
    """The first day of a payment, and behind the last; None where there are none."""
    until: dt.date | None
    volume: tuple[Volume, ...] = ()
    fraud: tuple[Fraud, ...] = ()
    loss: tuple[Loss, ...] = ()
    cohorts: tuple[Cohort, ...] = ()


SECTIONS: Final = ("volume", "fraud", "loss", "cohorts")

# What is carried out: the money has moved, or is held for us.
_DONE: Final = "state in ('succeeded', 'authorised', 'capturing', 'returned')"

RELATIONS: Final = f"""
create temp table pay as
select p.id, cast(p.created_at as date) as day, p.customer, p.kind, p.state, p.currency, p.amount,
       p.refunded_amount as refunded, {_DONE} as done,
       p.state = 'declined' as declined, p.state = 'failed' as failed,
       coalesce(w.bad, false) as fraud,
       coalesce(d.disputed, 0) as disputed, coalesce(d.lost, 0) as lost, coalesce(d.fees, 0) as fees
  from payments_now p
  left join (select subject, arg_max(kind in {_FRAUD}, known_at) as bad
               from labels_now
              where kind not like 'other_dispute%'
              group by subject) w
    on w.subject = p.id
  left join (select payment,
                    sum(amount) filter (state = 'open') as disputed,
                    sum(amount) filter (state = 'lost') as lost,
                    sum(fee_amount) as fees
               from disputes_now
              group by payment) d
    on d.payment = p.id
 where (p.currency = $currency or $currency is null)
   and (p.created_at >= $since or $since is null)
   and (p.created_at < $until or $until is null)
"""

_BP: Final = "round(10000.0 * {} / nullif({}, 0), 1)"

_VOLUME: Final = f"""
select cast(date_trunc($by, day) as date) as period, currency, kind, count(*) as payments,
       cast(sum(amount) as bigint) as amount, count(*) filter (done) as succeeded,
       cast(coalesce(sum(amount) filter (done), 0) as bigint) as succeeded_amount,
       count(*) filter (declined) as declined, count(*) filter (failed) as failed,
       {_BP.format("count(*) filter (done)", "count(*) filter (done or declined or failed)")} as approval_bp
  from pay
 group by all
 order by all
"""

_FALSE: Final = "coalesce(sum(amount) filter (done and fraud), 0)"

_FRAUDS: Final = f"""
select cast(date_trunc($by, day) as date) as period, currency, count(*) filter (done) as payments,
       cast(coalesce(sum(amount) filter (done), 0) as bigint) as amount,
       count(*) filter (done and fraud) as frauds,
       cast({_FALSE} as bigint) as fraud_amount,
       {_BP.format("count(*) filter (done and fraud)", "count(*) filter (done)")} as fraud_bp,
       {_BP.format(_FALSE, "sum(amount) filter (done)")} as fraud_amount_bp,
       count(*) filter (declined) as caught
  from pay
 where kind = 'pay_in'
 group by all
 order by all
"""

_LOSS: Final = f"""
select cast(date_trunc($by, day) as date) as period, currency,
       cast(coalesce(sum(amount) filter (done), 0) as bigint) as amount,
       cast(sum(disputed) as bigint) as disputed, cast(sum(lost) as bigint) as lost,
       cast(sum(fees) as bigint) as dispute_fees, cast(sum(refunded) as bigint) as refunded,
       {_BP.format("sum(lost + fees)", "sum(amount) filter (done)")} as loss_bp
  from pay
 where kind = 'pay_in'
 group by all
 order by all
"""

_COHORTS: Final = f"""
with first as (
select customer, date_trunc('month', min(day)) as month
  from pay
 group by customer
),
size as (
select month, count(*) as customers
  from first
 group by month
)
select cast(f.month as date) as month, datediff('month', f.month, p.day) as age,
       any_value(s.customers) as customers, count(distinct p.customer) as active,
       {_BP.format("count(distinct p.customer)", "any_value(s.customers)")} as active_bp,
       count(*) as payments, count(*) filter (done and fraud) as frauds,
       {_BP.format("count(*) filter (done and fraud)", "count(*) filter (done)")} as fraud_bp
  from pay p
  join first f
    on f.customer = p.customer
  join size s
    on s.month = f.month
 group by f.month, age
 order by f.month, age
"""

_STATEMENTS: Final[dict[str, tuple[str, Any]]] = {
    "volume": (_VOLUME, Volume),
    "fraud": (_FRAUDS, Fraud),
    "loss": (_LOSS, Loss),
    "cohorts": (_COHORTS, Cohort),
}


def report(
    connection: Any, book: str, *, sections: Sequence[str] = SECTIONS, by: By | None = None,
    since: dt.datetime | None = None, until: dt.datetime | None = None, currency: str | None = None,
) -> Report:  # fmt: skip
    """The figures, of a DuckDB connection with `payments_now`, `labels_now` and `disputes_now`.

    Without `by` periods are days up to three months, weeks up to two years, and months beyond.
    """
    parameters = {"currency": currency, "since": since, "until": until}
    connection.execute(RELATIONS, parameters)
    try:
        first, last = connection.execute("select min(day), max(day) from pay").fetchone()
        chosen = by or _fitting(first, last)
        found = {}
        for section in sections:
            statement, type_ = _STATEMENTS[section]
            needs = {"by": chosen.value} if "$by" in statement else {}
            rows = connection.execute(statement, needs).to_arrow_table().to_pylist()
            found[section] = tuple(type_(**row) for row in rows)
    finally:
        connection.execute("drop table pay")
    behind = None if last is None else last + dt.timedelta(days=1)
    return Report(book=book, by=chosen, since=first, until=behind, **found)


def _fitting(first: dt.date | None, last: dt.date | None) -> By:
    days = 0 if first is None or last is None else (last - first).days
    return By.DAY if days <= 92 else By.WEEK if days <= 730 else By.MONTH
