"""The contract that every model keeps to, checked by running it: as scikit-learn's `check_estimator` does.

    check_risk_model(scorer)          # raises `ContractBroken`, with everything that is wrong

Bring your own: whatever has `inputs`, `score`, `score_many`, `parts` and `reasons` as `Scorer` has them, or
an estimator with `to_model() -> ModelFile`, and `predict_proba(rows)` to compare with, is checked likewise.
"""

import concurrent.futures
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

from caudal.models import format as model_format
from caudal.models.errors import ModelInvalid
from caudal.models.scoring import Scorer, load, usual
from caudal.models.serving import Measured
from caudal.models.types import Card, Contribution, Input, InputKind, ModelFile, Purpose, Row, Score, Value

ROWS: Final = 64
SWEEPS: Final = 8
STEPS: Final = 24
ADDITIVE_TOLERANCE: Final = 1e-6
"""Of the raw output, or of 1 where that is more: what sums of hundreds of trees lose to rounding."""
MONOTONE_TOLERANCE: Final = 1e-12
SAME_TOLERANCE: Final = 1e-6
"""Between an estimator's own probabilities and its exported model's: ONNX counts in 32 bits."""
LATENCY_US: Final = 1_000.0
LATENCY_ROUNDS: Final = 5
MOST_ROUNDS: Final = 30
"""While one in 100 takes far longer than the usual: then something else ran beside."""
FAR: Final = 4.0
LATENCY_SCORES: Final = 200

Scores = Callable[[Row], Score]


class ContractBroken(AssertionError):
    """A model that does not keep to the contract; `failures` says all of it."""

    def __init__(self, failures: Sequence[str]) -> None:
        """Each failure begins with the name of its check."""
        super().__init__("\n".join(failures))
        self.failures = tuple(failures)


def check_risk_model(estimator_or_scorer: Any, *, seed: int = 0, latency_us: float = LATENCY_US) -> None:
    """Raise `ContractBroken` unless a model keeps to the contract.

    `seed` decides the rows that it is tried with. Raises `ModelInvalid` where an estimator's model cannot be.
    """
    failures: list[str] = []
    if hasattr(estimator_or_scorer, "to_model"):
        file: ModelFile = estimator_or_scorer.to_model()
        failures += _round_trip(file, seed)
        scorer: Any = load(file)
        if hasattr(estimator_or_scorer, "predict_proba"):
            failures += _same(estimator_or_scorer, scorer, seed)
    else:
        scorer = estimator_or_scorer
    failures += broken(scorer, seed=seed)
    if (median := latency(scorer, seed=seed)[0]) > latency_us:
        failures.append(f"latency: a score takes {median:.0f} µs, more than {latency_us:.0f}")
    if failures:
        raise ContractBroken(failures)


def measure(file: ModelFile, scorer: Scorer) -> Measured:
    """What registration keeps: how fast a model is here, and what of the contract it breaks."""
    median, slow = latency(scorer, seed=0)
    failures = [*broken(scorer, seed=0), *_round_trip(file, 0)]
    return Measured(latency_us=median, latency_p99_us=slow, broken=tuple(failures))


def broken(scorer: Any, *, seed: int) -> list[str]:
    """What of the contract a scorer breaks, but for its latency."""
    rows = rows_like(scorer.inputs, ROWS, seed)
    failures: list[str] = []
    for check in (_deterministic, _absent, _unfit, _unknown, _monotone, _explained):
        try:
            failures += check(scorer, rows)
        except Exception as raised:  # whatever comes out of somebody's model is a breach to be told
            failures.append(f"{check.__name__[1:]}: it raised {type(raised).__name__}: {str(raised)[:200]}")
    return failures


def latency(scorer: Any, *, seed: int) -> tuple[float, float]:
    """The median and the 99th percentile of a score, in microseconds: of the quietest of some rounds."""
    rows = rows_like(scorer.inputs, ROWS, seed)
    best = (math.inf, math.inf)
    for rounds in range(MOST_ROUNDS):
        if rounds >= LATENCY_ROUNDS and best[1] <= FAR * best[0]:
            break
        spent = []
        for number in range(LATENCY_SCORES):
            row = rows[number % ROWS]
            begun = time.perf_counter_ns()
            scorer.score(row)
            spent.append(time.perf_counter_ns() - begun)
        spent.sort()
        found = (spent[len(spent) // 2] / 1e3, spent[len(spent) * 99 // 100] / 1e3)
        best = min(best, found, key=lambda pair: pair[1])
    return best


def rows_like(inputs: Sequence[Input], count: int, seed: int) -> list[dict[str, Value]]:
    """Rows as they might come: within what was trained, one in twenty values missing."""
    chosen = random.Random(seed)  # noqa: S311 - rows to try, no secrets
    return [
        {
            one.name: _value(one, chosen)
            for one in inputs
            if one.required or chosen.random() >= 0.05
        }
        for _ in range(count)
    ]  # fmt: skip


def _value(one: Input, chosen: random.Random) -> Value:
    if one.kind is InputKind.CATEGORY:
        return chosen.choice(one.categories)
    low, high = _bounds(one)
    return chosen.uniform(low, high)


def _bounds(one: Input) -> tuple[float, float]:
    middle = float(usual(one))
    spread = max(1.0, abs(middle))
    low = middle - spread if one.low is None else one.low
    high = middle + spread if one.high is None else one.high
    return min(low, high), max(low, high)


def _deterministic(scorer: Any, rows: Sequence[Row]) -> Iterator[str]:
    first = [scorer.score(row) for row in rows]
    for score in first:
        if score.value is not None and not 0.0 <= score.value <= 1.0:
            yield f"range: {score.value} is no probability"
            break
        if score.value is None and not score.why:
            yield "range: no score, and no word why"
            break
    if [scorer.score(row) for row in reversed(rows)] != first[::-1]:
        yield "determinism: the same rows in another order have other scores"
    if list(scorer.score_many(rows)) != first:
        yield "determinism: many rows at once have other scores than one by one"
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        if list(threads.map(scorer.score, rows)) != first:
            yield "determinism: another thread has other scores"


def _absent(scorer: Any, rows: Sequence[Row]) -> Iterator[str]:
    whole = _whole(scorer.inputs)
    for one in scorer.inputs:
        row = _alone(whole, one)
        score = scorer.score({name: value for name, value in row.items() if name != one.name})
        if one.name not in score.missing:
            yield f"missing: {one.name} is not there, and not told as missing"
        if one.required and score.why != "input_required":
            yield f"missing: {one.name} is required, and there is a score without it"
        if scorer.score({**row, one.name: None}) != score:
            yield f"missing: {one.name} as null is not as if it were not there"
    nothing = scorer.score({})
    if set(nothing.missing) != {one.name for one in scorer.inputs}:
        yield "missing: of an empty row not everything is told as missing"
    if scorer.score({**whole, "nobody.knows": 1}) != scorer.score(whole):
        yield "missing: a name that it does not know changes the score"


def _alone(row: Row, one: Input) -> Row:
    """The row without what an input that is a ratio could be made of."""
    return {name: value for name, value in row.items() if name not in (one.ratio or ())}


def _unfit(scorer: Any, rows: Sequence[Row]) -> Iterator[str]:
    whole = _whole(scorer.inputs)
    for one in scorer.inputs:
        row = _alone(whole, one)
        absent = scorer.score({**row, one.name: None})
        for value in (math.nan, math.inf, -math.inf):
            if scorer.score({**row, one.name: value}) != absent:
                yield f"unfit: {one.name} as {value} is not taken as missing"
        if one.kind is InputKind.NUMBER:
            for other in ("text", 10**400):
                if scorer.score({**row, one.name: other}) != absent:
                    yield f"unfit: {one.name} as {str(other)[:8]} is not taken as missing"


def _unknown(scorer: Any, rows: Sequence[Row]) -> Iterator[str]:
    row = _whole(scorer.inputs)
    for one in scorer.inputs:
        if one.kind is InputKind.CATEGORY:
            found = scorer.score({**row, one.name: "nobody has heard of it"})
            expected = scorer.score({**row, one.name: one.unknown})
            if found != expected:
                yield f"unknown: a category of {one.name} that is not declared is not as it says"


def _monotone(scorer: Any, rows: Sequence[Row]) -> Iterator[str]:
    for one in scorer.inputs:
        if not one.monotone:
            continue
        low, high = _bounds(one)
        steps = [low + (high - low) * step / STEPS for step in range(STEPS + 1)]
        for row in rows[:SWEEPS]:
            values = [scorer.score({**row, one.name: step}).value for step in steps]
            known = [one.monotone * value for value in values if value is not None]
            falls = any(later < before - MONOTONE_TOLERANCE for before, later in pairwise(known))
            if falls:
                way = "rise" if one.monotone > 0 else "fall"
                yield f"monotone: the risk does not only {way} with {one.name}"
                break


def _explained(scorer: Any, rows: Sequence[Row]) -> Iterator[str]:
    card: Card | None = getattr(scorer, "card", None)
    for row in rows[:SWEEPS]:
        score = scorer.score(row)
        base, parts = scorer.parts(row)
        if score.raw is not None and scorer.additive:
            whole = math.fsum([base, *(part.points for part in parts)])
            off = abs(abs(whole) - abs(score.raw))
            if off > ADDITIVE_TOLERANCE * max(1.0, abs(score.raw)):
                yield f"reasons: they add up to {whole}, the output is {score.raw}"
                return
        reasons: list[Contribution] = scorer.reasons(row, 4)
        if len(reasons) > 4 or [one.points for one in reasons] != sorted(
            (one.points for one in reasons), reverse=True
        ):
            yield "reasons: they are not ranked, or too many"
            return
        if any(not one.text or not one.code for one in reasons):
            yield "reasons: one has no words, or no code"
            return
    if card is not None and card.purpose is Purpose.CREDIT:
        bare = [one.name for one in card.inputs if one.adverse is None]
        if bare:
            yield f"reasons: no adverse-action code for {', '.join(bare)[:200]}"


def _round_trip(file: ModelFile, seed: int) -> Iterator[str]:
    content = model_format.content_of(file)
    again = model_format.unpack(content)
    if again.hash != file.hash or model_format.content_of(again) != content:
        yield "round trip: the file is not the same after it was read"
        return
    rows = rows_like(file.card.inputs, ROWS, seed)
    if load(file).score_many(rows) != load(again).score_many(rows):
        yield "round trip: the model has other scores after it was read"


def _same(estimator: Any, scorer: Scorer, seed: int) -> Iterator[str]:
    rows = rows_like(scorer.inputs, ROWS, seed)
    for own, score in zip(estimator.predict_proba(rows), scorer.score_many(rows), strict=True):
        if score.value is None or abs(float(own) - score.value) > SAME_TOLERANCE:
            yield f"export: the estimator says {float(own)}, its model {score.value}"
            return


def _whole(inputs: Sequence[Input]) -> dict[str, Value]:
    if not inputs:
        raise ModelInvalid("a model has inputs", field="inputs")
    return {one.name: usual(one) for one in inputs}
