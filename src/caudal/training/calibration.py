"""Scores into probabilities: Platt's scaling (1999), with his targets that no score of a bin can reach."""

from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from caudal.training.types import Floats, Platt


def fit(log_odds: Floats, y: Any) -> Platt:
    """The slope and intercept that are most likely. The slope is never negative: it would turn the score."""
    positives, negatives = float(y.sum()), float(len(y) - y.sum())
    targets = np.where(y == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    # Scores are brought to a common scale first, so that the search begins near its end.
    centre, scale = float(np.mean(log_odds)), float(np.std(log_odds)) or 1.0
    scaled = (log_odds - centre) / scale

    def loss(at: Floats) -> tuple[float, Floats]:
        z = at[0] * scaled + at[1]
        error = expit(z) - targets
        value = float(np.mean(np.logaddexp(0, z) - targets * z))
        return value, np.array([np.mean(error * scaled), np.mean(error)])

    start = np.array([scale, centre])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(1e-6, None), (None, None)])
    slope = float(found.x[0]) / scale
    return Platt(slope, float(found.x[1]) - slope * centre)


def apply(platt: Platt, log_odds: Floats) -> Floats:
    """Calibrated probabilities."""
    probability: Floats = expit(platt.slope * log_odds + platt.intercept)
    return probability
