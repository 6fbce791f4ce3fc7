"""What a team that looks into the riskiest payers each day would find, and how well new victims are found.

Card precision at 100 after the *Fraud Detection Handbook* (Le Borgne, Siblini, Lebichot, Bontempi 2022,
chapter 4): each day the 100 payers with the highest scores are looked into, those found before no more; of
these the share that was defrauded that day, as a mean over days. And the ranking of payments of payers whose
fraud was not known yet, which is what the Handbook measures all its figures on.
"""

from typing import Any, Final

import msgspec
import numpy as np
import pandas as pd

from caudal.training import metrics
from caudal.training.types import Floats, Interval, Places

LOOKED_INTO: Final = 100


class Payers(msgspec.Struct, frozen=True, kw_only=True):
    """Who paid, by numbers; -1 where that is not said."""

    who: Places
    """Of each row of the table."""
    day: Places
    """Of each row, since 1970 or since whenever."""
    fraud_who: Places
    """Of each fraud, also of those in no row of the table."""
    fraud_day: Places
    delay_days: int


class Daily(msgspec.Struct, frozen=True, kw_only=True):
    """Of the days of the test."""

    days: int
    looked_into: int
    """Payers a day."""
    precision: float
    new_rows: int
    """Payments of payers who were not known as defrauded on that day, or during training."""
    new_precision: float
    """The same as `precision` of these alone."""
    new_auc: Interval | None
    new_ap: Interval | None
    """None where hardly any of these payments is a fraud."""


def measure(payers: Payers, y: Any, scores: Floats, train: Places, test: Places) -> Daily | None:
    """The figures of a test; None where it is of no payers, or of less than a day."""
    who, day, outcome = payers.who[test], payers.day[test], y[test]
    days = np.unique(day)
    if not len(test) or (who < 0).all():
        return None
    new = ~_known(payers, who, day, int(payers.day[train].min()))
    enough = min(int(outcome[new].sum()), int((1 - outcome[new]).sum())) >= 10
    return Daily(
        days=len(days),
        looked_into=LOOKED_INTO,
        precision=_precision(who, day, outcome, scores),
        new_rows=int(new.sum()),
        new_precision=_precision(who[new], day[new], outcome[new], scores[new]),
        new_auc=metrics.auc_interval(outcome[new], scores[new]) if enough else None,
        new_ap=metrics.curve_intervals(outcome[new], scores[new], seed=0)["ap"] if enough else None,
    )


def _known(payers: Payers, who: Places, day: Places, since: int) -> Any:
    """Whether a payer was defrauded after `since`, long enough before the day for that to be known."""
    never = np.iinfo(np.int64).max
    first = np.full(max(int(payers.who.max()), int(payers.fraud_who.max(initial=-1))) + 1, never)
    counted = (payers.fraud_day >= since) & (payers.fraud_who >= 0)
    np.minimum.at(first, payers.fraud_who[counted], payers.fraud_day[counted])
    return (who >= 0) & (first[np.maximum(who, 0)] < day - payers.delay_days)


def _precision(who: Places, day: Places, outcome: Any, scores: Floats) -> float:
    rows = pd.DataFrame({"who": who, "day": day, "fraud": outcome, "score": scores})[who >= 0]
    found: set[int] = set()
    shares = []
    for _, of_day in rows.groupby("day"):
        riskiest = of_day[~of_day["who"].isin(found)].groupby("who").max()
        riskiest = riskiest.sort_values("score", ascending=False, kind="stable").head(LOOKED_INTO)
        hits = riskiest.index[riskiest["fraud"] == 1]
        found.update(int(one) for one in hits)
        shares.append(len(hits) / LOOKED_INTO)
    return float(np.mean(shares))
