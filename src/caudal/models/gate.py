"""Whether a model may decide: what its card and its registration say, against what the book asks. Pure."""

import datetime as dt
from collections.abc import Iterator
from typing import Final

from caudal.models.comparing import Comparison
from caudal.models.serving import Gate, Registered
from caudal.models.types import Purpose, Stage

HOUR: Final = dt.timedelta(hours=1)


def misses(model: Registered, gate: Gate, at: dt.datetime, compared: Comparison | None = None) -> list[str]:
    """What a model does not meet, in words; empty: it may decide. `compared` is it beside the champion."""
    return [
        *_of_metrics(model, gate), *_of_data(model, gate), *_of_running(model, gate, at),
        *([] if compared is None else _of_comparison(compared)),
    ]  # fmt: skip


def _of_comparison(compared: Comparison) -> Iterator[str]:
    for one in compared.worse:
        yield (
            f"comparison: {one.measure} is {one.challenger:.4f}, {compared.champion}'s {one.champion:.4f} "
            f"on the same {compared.rows:,} decisions: worse by {-one.high:.4f} to {-one.low:.4f}"
        )


def _of_metrics(model: Registered, gate: Gate) -> Iterator[str]:
    for name, least in sorted(gate.least.items()):
        metric = model.card.metrics.get(name)
        if metric is None:
            yield f"{name}: not measured"
        elif metric.low is None or metric.high is None:
            yield f"{name}: measured without an interval"
        elif metric.low < least:
            yield f"{name}: the interval begins at {metric.low:.4g}, below {least:.4g}"
    error = model.card.calibration_error
    if error is None:
        yield "calibration error: not measured"
    elif error > gate.max_calibration_error:
        yield f"calibration error: {error:.4g}, above {gate.max_calibration_error:.4g}"


def _of_data(model: Registered, gate: Gate) -> Iterator[str]:
    card = model.card
    if card.stability is None:
        yield "stability: not measured"
    elif card.stability > gate.max_stability:
        yield f"stability: PSI {card.stability:.4g}, above {gate.max_stability:.4g}"
    if card.leaks is None:
        yield "leak check: not done"
    else:
        kept = [leak.name for leak in card.leaks if leak.kept]
        if kept:
            yield f"leak check: {', '.join(kept)} predicts too well, and was left in"
    if card.purpose is Purpose.CREDIT and not card.groups:
        yield "fairness: groups were not looked at"
    for group in card.groups:
        if group.ratio < gate.min_four_fifths:
            yield (
                f"fairness: {group.attribute} {group.group} is approved {group.ratio:.2f} times as often as "
                f"the best group, below {gate.min_four_fifths:.2f}"
            )


def _of_running(model: Registered, gate: Gate, at: dt.datetime) -> Iterator[str]:
    measured = model.measured
    if measured.latency_p99_us > gate.max_latency_us:
        yield f"latency: {measured.latency_p99_us:.0f} µs for 99 in 100, above {gate.max_latency_us}"
    for broken in measured.broken:
        yield f"contract: {broken}"
    if gate.min_shadow_hours:
        wanted = gate.min_shadow_hours * HOUR
        if model.stage is Stage.CHALLENGER:
            return
        if model.shadow_since is None or at - model.shadow_since < wanted:
            yield f"shadow: for less than {gate.min_shadow_hours} hours"
