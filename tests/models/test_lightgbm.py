"""LightGBM's models score as LightGBM says, and a text that is not sound never reaches the library."""

import math
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from caudal import models
from caudal.models import ModelCorrupt, ModelInvalid, Row
from support.model_worlds import AMOUNT, COUNT, COUNTRY, lightgbm_file, lightgbm_text

ROWS: list[Row] = [
    {
        AMOUNT.name: 100.0 * number * number,
        COUNT.name: number % 31 if number % 5 else None,
        COUNTRY.name: country,
    }
    for number, country in zip(range(30), ["DE", "FR", "other", "US", None] * 6, strict=True)
]


def scorer() -> models.Scorer:
    return models.load(lightgbm_file())


def expected(text: bytes | None = None) -> list[float]:
    """What LightGBM's own package says of `ROWS`, as log odds."""
    import lightgbm

    places = {"DE": 0.0, "FR": 1.0, "other": 2.0, "US": 2.0, None: math.nan}
    table = [
        [
            row[AMOUNT.name],
            math.nan if row[COUNT.name] is None else row[COUNT.name],
            places[row[COUNTRY.name]],
        ]  # type: ignore[index]
        for row in ROWS
    ]
    booster = lightgbm.Booster(model_str=(text or lightgbm_text()).decode())
    return [float(one) for one in booster.predict(table, raw_score=True)]


def test_each_score_is_what_the_library_says_bit_for_bit() -> None:
    found = scorer()
    assert [found.score(row).raw for row in ROWS] == expected()
    assert [score.raw for score in found.score_many(ROWS)] == expected()


def test_threads_have_buffers_of_their_own() -> None:
    found = scorer()
    with ThreadPoolExecutor(4) as threads:
        assert [score.raw for score in threads.map(found.score, ROWS * 20)] == expected() * 20


def test_reasons_are_shapley_values_that_add_up_to_the_score() -> None:
    found = scorer()
    for row in ROWS:
        base, parts = found.parts(row)
        assert math.fsum([base, *(part.points for part in parts)]) == pytest.approx(
            found.score(row).raw, abs=1e-9
        )
    (first, *_) = found.reasons({AMOUNT.name: 99_000, COUNT.name: 1, COUNTRY.name: "DE"})
    assert (first.name, first.text) == (AMOUNT.name, "amount: 99000")


def test_it_keeps_to_the_contract() -> None:
    models.check_risk_model(scorer(), latency_us=100_000)


def change(pattern: str, replacement: str) -> bytes:
    text, count = re.subn(pattern, replacement, lightgbm_text().decode(), count=1, flags=re.M)
    assert count == 1
    # The sizes of the trees are right again, so that it is the tree itself that is looked at.
    start = text.index("Tree=0")
    trees = re.split(r"(?=^Tree=\d+$)", text[start : text.index("end of trees")], flags=re.M)[1:]
    sizes = " ".join(str(len(tree)) for tree in trees)
    return re.sub(r"^tree_sizes=.*$", f"tree_sizes={sizes}", text, count=1, flags=re.M).encode()


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        (r"^tree$", "bush"),
        (r"^version=v4$", "version=v9"),
        (r"^split_feature=\d+", "split_feature=3"),
        (r"^split_feature=\d+ ", "split_feature="),
        (r"^left_child=-?\d+", "left_child=99"),
        (r"^left_child=-?\d+", "left_child=0"),
        (r"^right_child=-?\d+", "right_child=-8"),
        (r"^threshold=\S+", "threshold=nan"),
        (r"^leaf_value=\S+", "leaf_value=inf"),
        (r"^leaf_value=\S+ ", "leaf_value="),
        (r"^num_leaves=7", "num_leaves=9999999"),
        (r"^num_leaves=7", "num_leaves=8"),
        (r"^cat_threshold=\S+", "cat_threshold=1 1 1"),
        (r"^cat_boundaries=0 \d+", "cat_boundaries=0 99"),
        (r"^num_cat=[1-9]", "num_cat=0"),
        (r"^is_linear=0", "is_linear=1"),
        (r"^Tree=3$", "Tree=4"),
        (r"^max_feature_idx=2", "max_feature_idx="),
    ],
)
def test_a_text_that_would_lead_the_library_astray_is_corrupt(pattern: str, replacement: str) -> None:
    file = models.assemble(lightgbm_file().card, change(pattern, replacement))
    with pytest.raises(ModelCorrupt):
        models.load(file)


@pytest.mark.parametrize(
    "pattern",
    [
        r"^(leaf_value=)",
        r"^(shrinkage=)",
        r"^(split_feature=)",
        r"^(num_cat=)",
    ],
)
@pytest.mark.parametrize("more", ["\n", "\n\n\n", "".join(f"line_{number}=1\n" for number in range(30))])
def test_lines_at_which_the_library_would_end_the_process_never_reach_it(pattern: str, more: str) -> None:
    file = models.assemble(lightgbm_file().card, change(pattern, more + r"\1"))
    found = models.load(file)
    assert [found.score(row).raw for row in ROWS] == expected()


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        (r"^leaf_value=\S+", "leaf_value=1_0"),
        (r"^leaf_value=\S+", "leaf_value=0x10"),
        (r"^leaf_value=\S+", "leaf_value=+1"),
        (r"^leaf_value=\S+", "leaf_value=" + "1" * 400),
        (r"^leaf_count=\S+", "leaf_count=99999999999"),
        (r"^leaf_count=\S+", "leaf_count=-1"),
        (r"^leaf_count=\S+ ", "leaf_count="),
        (r"^decision_type=\S+", "decision_type=12"),
        (r"^threshold=\S+", "threshold=infinity"),
        (r"^shrinkage=\S+", "shrinkage="),
        (r"^num_leaves=7", "num_leaves=7\r"),
        (r"^num_leaves=7", "num_leaves=7\nnum_leaves=7"),
        (r"^internal_weight=\S+", "internal_weight=nan"),
    ],
)
def test_numbers_that_the_library_might_read_otherwise_are_corrupt(pattern: str, replacement: str) -> None:
    with pytest.raises(ModelCorrupt):
        models.load(models.assemble(lightgbm_file().card, change(pattern, replacement)))


@pytest.mark.parametrize("infinite", ["inf", "-inf"])
def test_a_split_that_asks_whether_there_is_a_value_has_an_infinite_threshold(infinite: str) -> None:
    text = change(r"^threshold=(\S+) \S+", rf"threshold=\1 {infinite}")
    found = models.load(models.assemble(lightgbm_file().card, text))
    assert [found.score(row).raw for row in ROWS] == expected(text) != expected()


def chain(leaves: int) -> bytes:
    """A model of one tree that is as deep as it can be."""
    nodes = leaves - 1
    members = {
        "num_leaves": leaves, "num_cat": 0, "split_feature": [0] * nodes, "threshold": [*range(nodes)],
        "decision_type": [2] * nodes, "left_child": [-1 - number for number in range(nodes)],
        "right_child": [*range(1, nodes), -leaves], "leaf_value": [0.5] * leaves, "is_linear": 0,
        "shrinkage": 1,
    }  # fmt: skip
    tree = "Tree=0\n" + "".join(
        f"{name}={' '.join(map(str, value)) if isinstance(value, list) else value}\n"
        for name, value in members.items()
    )
    head = re.sub(r"^tree_sizes=.*$", f"tree_sizes={len(tree) + 2}", lightgbm_text().decode(), flags=re.M)
    return f"{head[: head.index('Tree=0')]}{tree}\n\nend of trees\n".encode()


def test_a_tree_may_be_deep_but_not_so_deep_that_reasons_end_the_process() -> None:
    deep = models.load(models.assemble(lightgbm_file().card, chain(257)))
    assert deep.score({AMOUNT.name: 1.0}).raw == 0.5
    for leaves in (258, 60_000):
        with pytest.raises(ModelInvalid, match="deeper than 256"):
            models.load(models.assemble(lightgbm_file().card, chain(leaves)))


@pytest.mark.parametrize("pattern", [r"^tree_sizes=\d+", r"^tree_sizes="])
def test_sizes_that_are_not_those_of_the_trees_are_corrupt(pattern: str) -> None:
    text = re.sub(pattern, "tree_sizes=77", lightgbm_text().decode(), count=1, flags=re.M).encode()
    with pytest.raises(ModelCorrupt):
        models.load(models.assemble(lightgbm_file().card, text))


def test_every_tenth_of_a_model_is_no_model() -> None:
    text = lightgbm_text()
    for part in range(10):
        with pytest.raises(ModelCorrupt):
            models.load(models.assemble(lightgbm_file().card, text[: len(text) * part // 20]))


def test_a_model_of_other_inputs_than_the_card_says_is_refused() -> None:
    file = models.assemble(lightgbm_file(inputs=(AMOUNT, COUNT)).card, lightgbm_text())
    with pytest.raises(ModelInvalid) as refused:
        models.load(file)
    assert refused.value.detail == "it has 3 inputs, the card 2"


def test_several_classes_are_refused() -> None:
    with pytest.raises(ModelInvalid):
        models.load(models.assemble(lightgbm_file().card, change(r"^num_class=1", "num_class=3")))
