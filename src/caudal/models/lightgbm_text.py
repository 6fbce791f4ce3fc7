"""LightGBM's text model, read to its end and written anew before the library sees it.

The library believes what a file says: sizes, children and features that are out of bounds are read out of
bounds there, and a line that it does not expect ends the process. So each member of each tree is checked
here, and the library gets a text of those members alone, in the order in which it writes them itself. What is
not read here is refused: several classes, linear trees, averaged forests. Numbers go over as they are
written. The format is that of LightGBM's `src/boosting/gbdt_model_text.cpp` and `src/io/tree.cpp`, version v4
(v3 has the same members).
"""

import math
import re
from itertools import pairwise
from typing import Final

from caudal.models.errors import ModelCorrupt, ModelInvalid

VERSIONS: Final = frozenset({"v3", "v4"})
MAX_TREES: Final = 20_000
MAX_LEAVES: Final = 65_536
MAX_DEPTH: Final = 256
"""Of a tree: reasons go down it by recursion."""
MAX_WORK: Final = 2_000_000_000
"""Of all trees together, leaves times the square of the depth: what reasons cost, in seconds at most."""

_END: Final = b"end of trees"
_CATEGORICAL: Final = 1
"""Of a node's decision type, the lowest bit; the others say what is missing, and where that goes."""
_DECISIONS: Final = 12
_INTEGERS: Final = re.compile(r"-?[0-9]{1,10}(?: -?[0-9]{1,10})*", re.ASCII)
_FLOAT: Final = r"-?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,3})?"
_FLOATS: Final = re.compile(rf"{_FLOAT}(?: {_FLOAT})*", re.ASCII)
_THRESHOLDS: Final = re.compile(rf"(?:{_FLOAT}|-?inf)(?: (?:{_FLOAT}|-?inf))*", re.ASCII)
"""An infinite one asks whether there is a value at all: the library writes it so, and knows it again."""
_WORDS: Final = range(2**32)
_INT32: Final = range(-(2**31), 2**31)
_OF_NODES: Final = ("split_gain", "internal_value", "internal_weight")
_WRITTEN: Final = (
    "num_leaves", "num_cat", "split_feature", "split_gain", "threshold", "decision_type", "left_child",
    "right_child", "leaf_value", "leaf_weight", "leaf_count", "internal_value", "internal_weight",
    "internal_count", "cat_boundaries", "cat_threshold", "is_linear", "shrinkage",
)  # fmt: skip
"""The members of a tree, as the library writes them. It reads at most 22 lines."""

Members = dict[str, str]


def sound_text(artifact: bytes, inputs: int) -> bytes:
    """The same model as a text that the library can be given.

    Raises `ModelCorrupt` for a text that is not whole, `ModelInvalid` for a model that does not fit.
    """
    if b"\0" in artifact or not artifact.isascii():
        raise _corrupt("it is no text")
    start = artifact.find(b"\nTree=0\n") + 1
    if start == 0:
        raise _corrupt("it has no trees")
    header = _members(artifact[:start].split(b"\n")[1:])
    sizes = _refuse_header(artifact, header, inputs)
    trees: list[bytes] = []
    work = 0
    for number, size in enumerate(sizes):
        tree = artifact[start : start + size]
        if size <= 0 or not tree.startswith(b"Tree=%d\n" % number):
            raise _corrupt(f"tree {number} is not where it should be")
        members = _members(tree.split(b"\n")[1:])
        work += _refuse_tree(members, inputs, number)
        trees.append(_written(number, members))
        start += size
    if not artifact.startswith(_END, start):
        raise _corrupt("the trees do not end where they should")
    if work > MAX_WORK:
        raise ModelInvalid("its trees are so deep that reasons would take many seconds", field="artifact")
    return _headed(header["version"], inputs, trees)


def _refuse_header(artifact: bytes, header: Members, inputs: int) -> list[int]:
    """Check what stands before the trees; their sizes."""
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
    return sizes


def _headed(version: str, inputs: int, trees: list[bytes]) -> bytes:
    """The whole text. Neither names nor an objective are needed for raw scores."""
    header = (
        f"tree\nversion={version}\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n"
        f"max_feature_idx={inputs - 1}\n"
        f"feature_names={' '.join(f'input_{number}' for number in range(inputs))}\n"
        f"feature_infos={' '.join(['none'] * inputs)}\n"
        f"tree_sizes={' '.join(str(len(tree)) for tree in trees)}\n\n"
    )
    return b"".join((header.encode(), *trees, _END, b"\n"))


def _written(number: int, members: Members) -> bytes:
    lines = [f"{name}={members[name]}\n" for name in _WRITTEN if name in members]
    return f"Tree={number}\n{''.join(lines)}\n\n".encode()


def _refuse_tree(tree: Members, features: int, number: int) -> int:
    """Check a tree; what its reasons cost."""
    try:
        return _refuse_members(tree, features)
    except ModelCorrupt as wrong:
        raise _corrupt(f"tree {number}: {wrong.detail}") from None


def _refuse_members(tree: Members, features: int) -> int:
    leaves, categorical = _integer(tree, "num_leaves"), _integer(tree, "num_cat")
    if not 1 <= leaves <= MAX_LEAVES or not 0 <= categorical < leaves:
        raise _corrupt("a number of leaves or of categorical splits that cannot be")
    if tree.get("is_linear", "0") != "0":
        raise _corrupt("linear trees are not taken")
    if not _finite(_floats(tree, "leaf_value"), leaves):
        raise _corrupt("leaf_value")
    if not _finite(_floats(tree, "shrinkage"), 1):
        raise _corrupt("shrinkage")
    if leaves == 1:
        # The library reads no more than this of a tree that has no splits.
        for name in set(tree) - {"num_leaves", "num_cat", "leaf_value", "shrinkage"}:
            del tree[name]
        return 1
    nodes = leaves - 1
    _refuse_optional(tree, leaves, nodes)
    split, decisions = _integers(tree, "split_feature"), _integers(tree, "decision_type")
    if len(split) != nodes or not all(0 <= one < features for one in split):
        raise _corrupt("split_feature")
    if len(decisions) != nodes or not all(0 <= one < _DECISIONS for one in decisions):
        raise _corrupt("decision_type")
    thresholds = _floats(tree, "threshold", _THRESHOLDS)
    if len(thresholds) != nodes:
        raise _corrupt("threshold")
    depth = _depth(_integers(tree, "left_child"), _integers(tree, "right_child"), leaves)
    if depth > MAX_DEPTH:
        raise ModelInvalid(f"a tree is deeper than {MAX_DEPTH}", field="artifact")
    _refuse_categories(tree, categorical, decisions, thresholds)
    return leaves * depth * depth


def _refuse_optional(tree: Members, leaves: int, nodes: int) -> None:
    """What the library can do without is right where it is there, and left out where it is empty."""
    for name, count in (("leaf_count", leaves), ("internal_count", nodes)):
        if tree.get(name) and not all(one >= 0 for one in _counted(_integers(tree, name), count, name)):
            raise _corrupt(name)
    for name, count in (("leaf_weight", leaves), *((name, nodes) for name in _OF_NODES)):
        if tree.get(name) and not _finite(_floats(tree, name), count):
            raise _corrupt(name)
    for name in ("leaf_count", "internal_count", "leaf_weight", *_OF_NODES):
        if tree.get(name) == "":
            del tree[name]


def _depth(left: list[int], right: list[int], leaves: int) -> int:
    """How deep it is. Every node and leaf is the child of one node before it; the first node of none."""
    nodes = leaves - 1
    if len(left) != nodes or len(right) != nodes:
        raise _corrupt("left_child, right_child")
    depths = {0: 1}
    seen: set[int] = set()
    for node, children in enumerate(zip(left, right, strict=True)):
        for child in children:
            within = node < child < nodes or -leaves <= child < 0
            if not within or child in seen or node not in depths:
                raise _corrupt("left_child, right_child")
            seen.add(child)
            if child > 0:
                depths[child] = depths[node] + 1
    return max(depths.values())


def _refuse_categories(
    tree: Members, categorical: int, decisions: list[int], thresholds: list[float]
) -> None:
    """A categorical split's threshold says which of the sets of categories it asks about."""
    asked = [
        threshold
        for decision, threshold in zip(decisions, thresholds, strict=True)
        if decision & _CATEGORICAL
    ]
    if any(not (0 <= one < categorical and one.is_integer()) for one in asked):
        raise _corrupt("a categorical split without categories")
    if categorical == 0:
        for name in ("cat_boundaries", "cat_threshold"):
            tree.pop(name, None)
        return
    bounds, words = _integers(tree, "cat_boundaries"), _integers(tree, "cat_threshold", _WORDS)
    growing = all(before <= later for before, later in pairwise(bounds))
    if len(bounds) != categorical + 1 or bounds[0] != 0 or bounds[-1] != len(words) or not growing:
        raise _corrupt("cat_boundaries")


def _members(lines: list[bytes]) -> Members:
    found: Members = {}
    for line in lines:
        name, _, value = line.decode("ascii").partition("=")
        if name in found:
            raise _corrupt(f"{name[:32]} is there twice")
        if name:
            found[name] = value
    return found


def _integer(members: Members, name: str) -> int:
    return _counted(_integers(members, name), 1, name)[0]


def _integers(members: Members, name: str, within: range = _INT32) -> list[int]:
    text = members.get(name)
    if text is None or _INTEGERS.fullmatch(text) is None:
        raise _corrupt(name)
    found = [int(part) for part in text.split(" ")]
    if min(found) not in within or max(found) not in within:
        raise _corrupt(name)
    return found


def _floats(members: Members, name: str, form: re.Pattern[str] = _FLOATS) -> list[float]:
    text = members.get(name)
    if text is None or form.fullmatch(text) is None:
        raise _corrupt(name)
    return [float(part) for part in text.split(" ")]


def _counted(found: list[int], count: int, name: str) -> list[int]:
    if len(found) != count:
        raise _corrupt(name)
    return found


def _finite(numbers: list[float], count: int) -> bool:
    return len(numbers) == count and all(math.isfinite(number) for number in numbers)


def _corrupt(detail: str) -> ModelCorrupt:
    return ModelCorrupt(f"LightGBM's text: {detail}", field="artifact")
