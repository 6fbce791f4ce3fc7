"""LightGBM's text model, read far enough to know that the library will not stumble over it.

The library believes what a file says: sizes, children and features that are out of bounds are read out of
bounds there. So all of them are checked here first, and what is not read here is refused: several classes,
linear trees, averaged forests. The format is that of LightGBM's `src/boosting/gbdt_model_text.cpp` and
`src/io/tree.cpp`, version v4 (v3 has the same members).
"""

import math
from itertools import pairwise
from typing import Final

from caudal.models.errors import ModelCorrupt, ModelInvalid

VERSIONS: Final = frozenset({"v3", "v4"})
MAX_TREES: Final = 20_000
MAX_LEAVES: Final = 65_536

_END: Final = b"end of trees"
_CATEGORICAL: Final = 1
"""Of a node's decision type, the lowest bit."""


def refuse_lightgbm(artifact: bytes, inputs: int) -> None:
    """Raise `ModelCorrupt` for a text that is not whole, `ModelInvalid` for a model that does not fit."""
    if b"\0" in artifact or not artifact.isascii():
        raise _corrupt("it is no text")
    start = artifact.find(b"\nTree=0\n") + 1
    if start == 0:
        raise _corrupt("it has no trees")
    header = _members(artifact[:start].split(b"\n")[1:])
    if not artifact.startswith(b"tree\n") or header.get("version") not in VERSIONS:
        raise _corrupt("it does not begin as LightGBM's models of version v3 or v4 do")
    if "average_output" in header or _integer(header, "num_class") != 1:
        raise ModelInvalid("one class, and trees that add up", field="artifact")
    if _integer(header, "num_tree_per_iteration") != 1:
        raise ModelInvalid("one tree for each iteration", field="artifact")
    features = _integer(header, "max_feature_idx") + 1
    if features != inputs:
        raise ModelInvalid(f"it has {features} inputs, the card {inputs}", field="artifact")
    for name in ("feature_names", "feature_infos"):
        if len(header.get(name, "").split(" ")) != features:
            raise _corrupt(f"{name} are not as many as inputs")
    sizes = _integers(header, "tree_sizes")
    if not 1 <= len(sizes) <= MAX_TREES:
        raise ModelInvalid(f"1 to {MAX_TREES} trees", field="artifact")
    for number, size in enumerate(sizes):
        tree = artifact[start : start + size]
        if size <= 0 or not tree.startswith(b"Tree=%d\n" % number):
            raise _corrupt(f"tree {number} is not where it should be")
        _refuse_tree(_members(tree.split(b"\n")[1:]), features, number)
        start += size
    if not artifact.startswith(_END, start):
        raise _corrupt("the trees do not end where they should")


def _refuse_tree(tree: dict[str, str], features: int, number: int) -> None:
    try:
        _refuse_members(tree, features)
    except ModelCorrupt as wrong:
        raise _corrupt(f"tree {number}: {wrong.detail}") from None


def _refuse_members(tree: dict[str, str], features: int) -> None:
    leaves, categorical = _integer(tree, "num_leaves"), _integer(tree, "num_cat")
    if not 1 <= leaves <= MAX_LEAVES or not 0 <= categorical < leaves:
        raise _corrupt("a number of leaves or of categorical splits that cannot be")
    if tree.get("is_linear", "0") != "0":
        raise _corrupt("linear trees are not taken")
    if not _finite(_floats(tree, "leaf_value"), leaves):
        raise _corrupt("leaf_value")
    for name, most in (("leaf_count", leaves), ("leaf_weight", leaves)):
        if tree.get(name, "") and len(tree[name].split(" ")) != most:
            raise _corrupt(name)
    if not math.isfinite(_floats(tree, "shrinkage")[0]):
        raise _corrupt("shrinkage")
    if leaves == 1:
        return
    nodes = leaves - 1
    split, decisions = _integers(tree, "split_feature"), _integers(tree, "decision_type")
    if len(split) != nodes or not all(0 <= one < features for one in split):
        raise _corrupt("split_feature")
    if len(decisions) != nodes or not all(0 <= one < 128 for one in decisions):
        raise _corrupt("decision_type")
    thresholds = _floats(tree, "threshold")
    if len(thresholds) != nodes or any(math.isnan(one) for one in thresholds):
        raise _corrupt("threshold")
    for name in ("split_gain", "internal_value", "internal_weight", "internal_count"):
        if tree.get(name, "") and not _finite(_floats(tree, name), nodes):
            raise _corrupt(name)
    _refuse_shape(_integers(tree, "left_child"), _integers(tree, "right_child"), leaves)
    _refuse_categories(tree, categorical, decisions, thresholds)


def _refuse_shape(left: list[int], right: list[int], leaves: int) -> None:
    """Every node and every leaf is the child of one node that comes before it; the first node of none."""
    nodes = leaves - 1
    if len(left) != nodes or len(right) != nodes:
        raise _corrupt("left_child, right_child")
    seen = set()
    for node, children in enumerate(zip(left, right, strict=True)):
        for child in children:
            if not (node < child < nodes or -leaves <= child < 0) or child in seen:
                raise _corrupt("left_child, right_child")
            seen.add(child)


def _refuse_categories(
    tree: dict[str, str], categorical: int, decisions: list[int], thresholds: list[float]
) -> None:
    """A categorical split's threshold says which of the sets of categories it asks about."""
    asked = [
        threshold
        for decision, threshold in zip(decisions, thresholds, strict=True)
        if decision & _CATEGORICAL
    ]
    if any(not (0 <= one < categorical and one == int(one)) for one in asked):
        raise _corrupt("a categorical split without categories")
    if categorical == 0:
        return
    bounds, words = _integers(tree, "cat_boundaries"), _integers(tree, "cat_threshold")
    growing = all(before <= later for before, later in pairwise(bounds))
    if len(bounds) != categorical + 1 or bounds[0] != 0 or bounds[-1] != len(words) or not growing:
        raise _corrupt("cat_boundaries")
    if not all(0 <= word < 2**32 for word in words):
        raise _corrupt("cat_threshold")


def _members(lines: list[bytes]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        name, _, value = line.decode("ascii").partition("=")
        if name in found:
            raise _corrupt(f"{name[:32]} is there twice")
        if name:
            found[name] = value
    return found


def _integer(members: dict[str, str], name: str) -> int:
    found = _integers(members, name)
    if len(found) != 1:
        raise _corrupt(name)
    return found[0]


def _integers(members: dict[str, str], name: str) -> list[int]:
    try:
        return [int(part) for part in members[name].split(" ")]
    except (KeyError, ValueError):
        raise _corrupt(name) from None


def _floats(members: dict[str, str], name: str) -> list[float]:
    try:
        return [float(part) for part in members[name].split(" ")]
    except (KeyError, ValueError):
        raise _corrupt(name) from None


def _finite(numbers: list[float], count: int) -> bool:
    return len(numbers) == count and all(math.isfinite(number) for number in numbers)


def _corrupt(detail: str) -> ModelCorrupt:
    return ModelCorrupt(f"LightGBM's text: {detail}", field="artifact")
