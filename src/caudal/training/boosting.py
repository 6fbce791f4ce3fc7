"""LightGBM: small trees, several boosters of different seeds made into one, calibrated afterwards.

The average of boosters is one booster with all their trees and a part of each leaf: one artifact, and one
call at run time.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import lightgbm as lgb
import msgspec
import numpy as np

from caudal import models
from caudal.training.encoding import Encoder
from caudal.training.types import Floats

_COMMON: Final[Mapping[str, Any]] = {
    "objective": "binary",
    "verbosity": -1,
    "deterministic": True,
    "force_col_wise": True,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "cat_smooth": 10.0,
    "cat_l2": 10.0,
    "max_cat_to_onehot": 12,
}


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """How many trees of which size."""

    leaves: int
    rounds: int
    rate: float
    least_rows: int
    columns: float
    """The share of inputs that a tree may use."""
    rows: float
    """The share of rows that a tree is grown on."""
    bags: int
    bins: int = 255
    drawn_cuts: bool = False
    """Each split tries one cut that is drawn (extremely randomised trees): less is learned of few rows."""
    smooth: float = 10.0
    """Towards the mean, of a category's leaf."""

    def parameters(self, seed: int, threads: int) -> dict[str, Any]:
        """LightGBM's."""
        return {
            **_COMMON,
            "num_leaves": self.leaves,
            "learning_rate": self.rate,
            "min_data_in_leaf": self.least_rows,
            "feature_fraction": self.columns,
            "bagging_fraction": self.rows,
            "max_bin": self.bins,
            "cat_smooth": self.smooth,
            "extra_trees": self.drawn_cuts,
            "seed": seed,
            "num_threads": threads,
        }


def credit_setting(rows: int) -> Setting:
    """What held best on credit files of this size: the fewer the rows, the smaller the trees."""
    if rows < 5_000:
        return Setting(
            leaves=8, rounds=700, rate=0.02, least_rows=5, columns=0.3, rows=0.7, bags=4, drawn_cuts=True
        )
    if rows < 100_000:
        return Setting(leaves=8, rounds=500, rate=0.03, least_rows=40, columns=0.3, rows=0.7, bags=3, bins=63)
    return Setting(
        leaves=31, rounds=350, rate=0.05, least_rows=100, columns=0.4, rows=0.7, bags=1, smooth=50.0
    )


def fraud_settings(rows: int, positives: int) -> tuple[Setting, ...]:
    """The one to begin with, and the others to try: with few frauds smaller trees, and several boosters."""
    bags = 3 if rows >= 20_000 else 1
    small = Setting(leaves=12, rounds=250, rate=0.03, least_rows=20, columns=0.5, rows=0.8, bags=bags)
    large = Setting(leaves=31, rounds=300, rate=0.05, least_rows=50, columns=0.5, rows=0.8, bags=1)
    careful = msgspec.structs.replace(large, leaves=16, rounds=600, rate=0.02, columns=0.4)
    return (small, large, careful) if rows < 100_000 or positives < 300 else (large, small, careful)


class Boosted(msgspec.Struct, frozen=True, kw_only=True):
    """A fitted model."""

    text: str
    """LightGBM's own."""
    booster: Any
    gains: Mapping[str, float]
    """What each input is worth, as shares of one."""

    def raw(self, matrix: Floats) -> Floats:
        """Log odds."""
        found: Floats = np.asarray(
            self.booster.predict(matrix, raw_score=True, num_threads=1), dtype=np.float64
        )
        return found


def fit(
    setting: Setting, encoder: Encoder, matrix: Floats, y: Any, *, seed: int, threads: int = 1
) -> Boosted:
    """Train on a matrix of `encoder`. The same seed gives the same trees."""
    boosters = [
        _one(setting.parameters(seed * 100 + bag, threads), setting.rounds, encoder, matrix, y)
        for bag in range(setting.bags)
    ]
    text = merged([booster.model_to_string() for booster in boosters])
    gains = np.sum([booster.feature_importance("gain") for booster in boosters], axis=0)
    total = float(gains.sum()) or 1.0
    return Boosted(
        text=text,
        booster=lgb.Booster(model_str=text),
        gains={one.name: float(gain) / total for one, gain in zip(encoder.inputs, gains, strict=True)},
    )


def _one(parameters: dict[str, Any], rounds: int, encoder: Encoder, matrix: Floats, y: Any) -> Any:
    monotone = [one.monotone for one in encoder.inputs]
    if any(monotone):
        parameters["monotone_constraints"] = monotone
        parameters["monotone_constraints_method"] = "advanced"
    data = lgb.Dataset(
        matrix,
        label=y,
        feature_name=[f"x{place}" for place in range(len(encoder.inputs))],
        categorical_feature=encoder.categorical,
        params={"max_bin": parameters["max_bin"], "verbosity": -1},
        free_raw_data=True,
    )
    return lgb.train(parameters, data, num_boost_round=rounds)


_TREES: Final = re.compile(r"^Tree=\d+$", re.M)
_LEAVES: Final = re.compile(r"^(leaf_value|internal_value)=(.*)$", re.M)
_SIZES: Final = re.compile(r"^tree_sizes=.*$", re.M)


def merged(texts: Sequence[str]) -> str:
    """One booster whose output is the mean of those given, as LightGBM's text."""
    if len(texts) == 1:
        return texts[0]
    head, trees, tail = "", [], ""
    for text in texts:
        begins = _TREES.search(text)
        ends = text.index("end of trees")
        if begins is None:
            continue
        head, tail = text[: begins.start()], text[ends:]
        body = text[begins.start() : ends]
        places = [match.start() for match in _TREES.finditer(body)] + [len(body)]
        trees += [body[start:end] for start, end in itertools.pairwise(places)]
    share = 1.0 / len(texts)
    scaled = [
        _LEAVES.sub(lambda match: _scaled(match, share), _TREES.sub(f"Tree={number}", tree))
        for number, tree in enumerate(trees)
    ]
    sizes = " ".join(str(len(tree.encode())) for tree in scaled)
    return _SIZES.sub(f"tree_sizes={sizes}", head) + "".join(scaled) + tail


def _scaled(match: re.Match[str], share: float) -> str:
    values = (repr(float(value) * share) for value in match[2].split())
    return f"{match[1]}={' '.join(values)}"


def artifact(model: Boosted) -> tuple[models.Kind, bytes]:
    """As the registry keeps it."""
    return models.Kind.LIGHTGBM, model.text.encode()
