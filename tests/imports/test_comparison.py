"""Our balances beside the bank's stated ones: exact, by how much not, and which are the worst."""

import datetime as dt

import pytest

from caudal.imports import Difference, label, render
from caudal.imports.berka_types import Kind, Transaction
from caudal.imports.comparison import DayKey, compare, stated_days

DAY = dt.date(1993, 5, 7)


def on(day: int, amount: int, stated: int, *, account: str = "1", kind: Kind = Kind.CASH_IN) -> Transaction:
    return Transaction(
        line=2,
        number="1",
        account=account,
        day=DAY.replace(day=day),
        kind=kind,
        amount=amount,
        stated=stated,
        symbol=None,
        counterparty=None,
    )


def key(day: int, account: str = "1") -> DayKey:
    return DayKey(account, DAY.replace(day=day))


def test_an_account_day_gathers_the_stated_balances_and_the_movement_of_its_transactions() -> None:
    count, days = stated_days(
        [on(1, 700, 700), on(2, 100, 900, kind=Kind.CASH_OUT), on(1, 300, 1_000), on(1, 5, 5, account="2")]
    )

    assert count == 4
    assert {name: (day.stated, day.movement) for name, day in days.items()} == {
        key(1): ([700, 1_000], 1_000),
        key(2): ([900], -100),
        key(1, "2"): ([5], 5),
    }


def test_a_day_is_exact_where_any_of_its_transactions_states_our_balance() -> None:
    count, days = stated_days([on(1, 700, 1_000), on(1, 300, 700), on(2, 10, 1_020)])

    found = compare(count, days, {key(1): 1_000, key(2): 1_010})

    assert (found.transactions, found.accounts, found.account_days) == (3, 1, 2)
    assert (found.exact, found.off_by_2_or_more) == (1, 0)
    assert found.worst == (
        Difference(account="1", day=DAY.replace(day=2), ours=1_010, stated=1_020, difference=10),
    )


def test_the_difference_is_that_of_the_nearest_stated_balance() -> None:
    count, days = stated_days([on(1, 1, 500), on(1, 1, 90), on(1, 1, 1_500)])

    (worst,) = compare(count, days, {key(1): 100}).worst

    assert (worst.stated, worst.difference) == (90, -10)


@pytest.mark.parametrize(("difference", "off"), [(199, 0), (200, 1), (-199, 0), (-200, 1), (33_220, 1)])
def test_from_two_units_on_a_day_is_off(difference: int, off: int) -> None:
    count, days = stated_days([on(1, 1, 1_000 + difference)])

    assert compare(count, days, {key(1): 1_000}).off_by_2_or_more == off


def test_every_day_falls_into_one_bucket() -> None:
    differences = [0, 0, 1, -10, 11, 20, -50, 51, 100, 101, 199, 200, 999, 1_000, 9_999, 10_000, -(10**9)]
    count, days = stated_days([on(1, 1, d, account=str(n)) for n, d in enumerate(differences)])

    found = compare(count, days, dict.fromkeys(days, 0))

    assert [(label(b, "CZK"), b.account_days) for b in found.differences] == [
        ("0.00", 2),
        ("0.01 to 0.10", 2),
        ("0.11 to 0.20", 2),
        ("0.21 to 0.50", 1),
        ("0.51 to 1.00", 2),
        ("1.01 to 1.99", 2),
        ("2.00 to 9.99", 2),
        ("10.00 to 99.99", 2),
        ("100.00 and more", 2),
    ]


def test_the_ten_worst_come_first_and_no_exact_one_is_among_them() -> None:
    count, days = stated_days([on(1, 1, 10 * n, account=str(n)) for n in range(15)])

    found = compare(count, days, dict.fromkeys(days, 0))

    assert [worst.difference for worst in found.worst] == [10 * n for n in range(14, 4, -1)]
    assert [w.difference for w in compare(1, {key(1): days[key(1, "0")]}, {key(1): 0}).worst] == []


def test_days_of_accounts_that_the_ledger_has_not_are_neither_exact_nor_off() -> None:
    count, days = stated_days([on(1, 1, 1), on(1, 1, 1, account="2")])

    found = compare(count, days, {key(1): 1})

    assert (found.account_days, found.exact, found.off_by_2_or_more, found.not_in_ledger) == (2, 1, 0, 1)
    assert sum(bucket.account_days for bucket in found.differences) == 1


def test_a_day_is_posted_exactly_where_our_balance_moved_by_the_sum_of_its_rows() -> None:
    count, days = stated_days([on(3, 30, 0), on(1, 10, 0), on(2, 20, 0, kind=Kind.CASH_OUT)])

    assert compare(count, days, {key(1): 10, key(2): -10, key(3): 20}).posted_exactly == 3
    assert compare(count, days, {key(1): 10, key(2): -11, key(3): 20}).posted_exactly == 1


def test_it_reads_as_text() -> None:
    count, days = stated_days([on(1, 70_000, 70_000), on(2, 1_010, 71_360), on(2, 1, 1, account="2")])

    assert render(compare(count, days, {key(1): 70_000, key(2): 71_010})).splitlines() == [
        "3 transactions on 2 accounts, 3 account-days",
        "2 account-days moved in the ledger by exactly what the bank's rows say",
        "1 end at a balance that the bank states, to the last unit",
        "1 are off by 2.00 CZK or more",
        "1 are of accounts that the ledger does not have",
        "",
        "Difference in CZK   Account-days",
        "             0.00              1",
        "     0.01 to 0.10              0",
        "     0.11 to 0.20              0",
        "     0.21 to 0.50              0",
        "     0.51 to 1.00              0",
        "     1.01 to 1.99              0",
        "     2.00 to 9.99              1",
        "   10.00 to 99.99              0",
        "  100.00 and more              0",
        "",
        " Account  Day                   Ours          Stated    Difference",
        "       1  1993-05-02          710.10          713.60          3.50",
    ]
