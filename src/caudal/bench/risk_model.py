"""The models of benchmarks: a champion and a shadow of LightGBM, trained on made-up rows with fixed seeds.

They are of the size that training on real payments makes, and are kept, promoted and asked as any others are.
Without `caudal[models]` there are none, and the figures say so.
"""

import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Sequence
from typing import Any, Final

from caudal import models
from caudal.access import Caller
from caudal.bench.world import World
from caudal.features import FeatureSet
from caudal.models import Card, Input, InputKind, Kind, Outcome, Prepared, Purpose, Registered, Stage, Terms
from caudal_base.clock import SystemClock
from caudal_base.errors import CaudalError

NAME: Final = "bench"
TREES: Final = 200
LEAVES: Final = 31
SEEDS: Final = (0, 1)
"""Of the champion and the shadow."""
ROWS: Final = 20_000

TERMS: Final = Terms(
    challenge_at=0.9, review_at=0.95, decline_at=0.99, fallback=Outcome.APPROVE, deadline_ms=1_000
)
"""No score reaches a threshold, since no made-up row is fraud more than a third of the time. None is late,
however busy the machine: what a score costs is to be in every figure."""

_COUNTRIES: Final = ("DE", "FR", "other")
_MISSING: Final = 0.05
_WHY: Final = "a benchmark's model, which nobody has validated"
_CLOCK: Final = SystemClock()

_SCORED: Final = """
select coalesce(count(score)::float8 / nullif(count(*), 0), 0)
  from risk.decision
 where book_id = %s
"""


def installed() -> bool:
    """Whether there is what trains and runs them."""
    return all(importlib.util.find_spec(name) is not None for name in ("lightgbm", "numpy"))


def prepare(features: FeatureSet, trees: int = TREES) -> tuple[Prepared, ...]:
    """The champion and the shadow, trained, tried and measured: some seconds. None where they cannot run."""
    if not installed():
        return ()
    return tuple(models.prepare(_trained(features, trees, seed)) for seed in SEEDS)


async def serve(world: World, prepared: Sequence[Prepared], *, author: Caller, approver: Caller) -> None:
    """Let the first of them decide in a book, and the others score beside it; nothing for none."""
    if not prepared:
        return
    at = _CLOCK.now()
    kept: list[Registered] = []
    for each in prepared:
        async with world.database.transaction() as connection:
            kept.append(
                await models.register(
                    connection, world.book_id, each, caller=author, ledger=world.ledger, at=at
                )
            )
    async with world.database.transaction() as connection:
        _done(await models.set_terms(
            connection, world.book_id, TERMS, caller=approver, ledger=world.ledger, at=at
        ))  # fmt: skip
    for model, stage in ((kept[0], Stage.SHADOW), (kept[0], Stage.CHAMPION), *(
        (shadow, Stage.SHADOW) for shadow in kept[1:]
    )):  # fmt: skip
        async with world.database.transaction() as connection:
            _done(await models.change_stage(
                connection, world.book_id, model.id, stage, caller=approver, ledger=world.ledger, at=at,
                override=_WHY,
            ))  # fmt: skip


async def scored_share(world: World) -> float:
    """Of the decisions of a book, those with a model's score: all of them, or none without models."""
    async with world.database.connection() as connection:
        row = await (await connection.execute(_SCORED, (world.book_id,))).fetchone()
    return 0.0 if row is None else round(float(row[0]), 4)


def _trained(features: FeatureSet, trees: int, seed: int) -> models.ModelFile:
    # It takes a second to import, and is not everywhere.
    import lightgbm

    inputs = _inputs(features)
    rows, labels = _rows(inputs, seed)
    parameters = {
        "objective": "binary", "num_leaves": LEAVES, "learning_rate": 0.05, "min_data_in_leaf": 20,
        "feature_fraction": 0.5, "seed": seed, "num_threads": 1, "deterministic": True,
        "force_col_wise": True, "verbosity": -1,
    }  # fmt: skip
    data = lightgbm.Dataset(rows, labels, categorical_feature=[len(inputs) - 1])
    text: str = lightgbm.train(parameters, data, trees).model_to_string()
    card = Card(
        name=NAME, about="a benchmark's model of made-up rows", kind=Kind.LIGHTGBM, purpose=Purpose.FRAUD,
        inputs=inputs,
        training=models.Training(
            rows=ROWS, positives=int(labels.sum()), data_hash=hashlib.sha256(rows.tobytes()).hexdigest(),
            code_version=f"caudal {importlib.metadata.version('caudal')}", protocol="none: made-up rows",
            seed=seed, parameters={"trees": trees, "leaves": LEAVES},
        ),
    )  # fmt: skip
    return models.assemble(card, text.encode())


def _inputs(features: FeatureSet) -> tuple[Input, ...]:
    """Every feature, the amount, and the country as a category, which is the last."""
    names = ("payment.amount", *(f"features.{each.name}" for each in features.features))
    numbers = [Input(name=name, about=name.rpartition(".")[2], low=0.0, high=100_000.0) for name in names]
    country = Input(
        name="payment.country", about="country", kind=InputKind.CATEGORY, categories=_COUNTRIES,
        unknown="other",
    )  # fmt: skip
    return (*numbers, country)


def _rows(inputs: Sequence[Input], seed: int) -> tuple[Any, Any]:
    """Values over five orders of magnitude, some of them missing, and who of them is fraud."""
    import numpy as np

    random = np.random.default_rng(seed)
    numbers = 10.0 ** random.uniform(0, 5, (ROWS, len(inputs) - 1))
    country = random.integers(0, len(_COUNTRIES), ROWS)
    weights = random.normal(size=len(inputs) - 1)
    odds = (np.log10(numbers) - 2.5) @ weights / len(inputs) ** 0.5 + (country == 2)
    chance = 0.3 / (1.0 + np.exp(2.0 - odds))
    labels = (random.random(ROWS) < chance).astype(int)
    numbers[random.random(numbers.shape) < _MISSING] = np.nan
    return np.column_stack([numbers, country]).astype(float), labels


def _done(result: object) -> None:
    if isinstance(result, CaudalError):
        raise result
