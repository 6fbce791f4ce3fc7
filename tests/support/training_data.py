"""Files to train on, made up: payments with compromised terminals and cards, and loans with leaks in them."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


def write_csv(path: Path, columns: Mapping[str, Sequence[Any]]) -> Path:
    """A CSV file of columns; None is nothing."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def loans(count: int, seed: int = 1) -> dict[str, list[Any]]:
    """Loans whose default follows income, debt, age of the business and region; with columns that leak."""
    random = np.random.default_rng(seed)
    income = np.round(random.lognormal(10.3, 0.5, count))
    debt = np.round(random.beta(2, 4, count), 3)
    years = random.integers(0, 30, count)
    region = random.choice(["north", "south", "east", "west"], count, p=[0.4, 0.3, 0.2, 0.1])
    sex = random.choice(["f", "m"], count)
    shift = np.array([{"north": -0.4, "south": 0.2, "east": 0.6, "west": 0.0}[one] for one in region])
    z = -1.6 - 1.1 * (np.log(income) - 10.3) + 4 * (debt - 0.33) - 0.06 * (years - 10) + shift
    bad = random.random(count) < 1 / (1 + np.exp(-1.4 * z))
    day = np.sort(random.integers(0, 1_400, count))
    opened = np.datetime64("2018-01-01") + day
    recovered = np.where(bad, np.round(random.random(count) * 5_000) + 10, 0)
    months = np.where(bad, random.integers(3, 30, count), random.choice([36, 60, 84], count))
    written_off = [str(opened[place] + 200) if bad[place] else "" for place in range(count)]
    return {
        "ref": [f"L{number:06d}" for number in random.permutation(count)],
        "opened": [str(one) for one in opened],
        "annual": [f"${one:,.2f} " for one in income],
        "burden": debt.tolist(),
        "years": years.tolist(),
        "where": region.tolist(),
        "gender": sex.tolist(),
        "recovered": recovered.tolist(),
        "months": months.tolist(),
        "written_off": written_off,
        "state": ["CHGOFF" if one else "P I F" for one in bad],
    }


def payments(customers: int, terminals: int, days: int, seed: int = 1) -> dict[str, list[Any]]:
    """Payments with large frauds, terminals compromised for four weeks, cards for two.

    After the published description of the simulator of the *Fraud Detection Handbook* (chapter 3), with the
    same columns: amounts above 220 are fraud; each day some terminals are taken, and all payments at them
    are fraud for 28 days; each day some cards, and a third of their payments, five times as high, for 14.
    """
    random = np.random.default_rng(seed)
    home, shops = random.uniform(0, 100, (customers, 2)), random.uniform(0, 100, (terminals, 2))
    mean, rate = random.uniform(5, 100, customers), random.uniform(0, 4, customers)
    radius = 5 * max(1.0, np.sqrt(2_000 / terminals))
    rows: list[tuple[int, int, int, float]] = []
    for customer in range(customers):
        near = np.flatnonzero(np.hypot(*(shops - home[customer]).T) < radius)
        for day, count in enumerate(random.poisson(rate[customer], days) if len(near) else ()):
            seconds = random.normal(43_200, 20_000, count).astype(int)
            for second in seconds[(seconds > 0) & (seconds < 86_400)]:
                amount = random.normal(mean[customer], mean[customer] / 2)
                if amount < 0:
                    amount = random.uniform(0, 2 * mean[customer])
                rows.append(
                    (day * 86_400 + int(second), customer, int(random.choice(near)), round(amount, 2))
                )
    rows.sort()
    moment, customer_of, terminal_of, amounts = (np.array(each) for each in zip(*rows, strict=True))
    fraud = amounts > 220
    when = moment // 86_400
    taken_terminals, taken_cards = max(1, terminals // 5_000), max(1, customers // 1_700)
    for day in range(days):
        for terminal in random.choice(terminals, taken_terminals, replace=False):
            fraud |= (terminal_of == terminal) & (when >= day) & (when < day + 28)
        for customer in random.choice(customers, taken_cards, replace=False):
            of_card = np.flatnonzero((customer_of == customer) & (when >= day) & (when < day + 14))
            stolen = random.choice(of_card, len(of_card) // 3, replace=False)
            amounts[stolen] = np.round(amounts[stolen] * 5, 2)
            fraud[stolen] = True
    start = np.datetime64("2018-04-01T00:00:00")
    return {
        "number": list(range(len(rows))),
        "moment": [str(start + int(one)).replace("T", " ") for one in moment],
        "who": customer_of.tolist(),
        "place": terminal_of.tolist(),
        "sum": amounts.tolist(),
        "seconds": moment.tolist(),
        "day": when.tolist(),
        "bad": fraud.astype(int).tolist(),
    }
