"""A model file is whole, of this schema, and what its hash says; else it is refused by type."""

import hashlib
import json

import msgspec
import pytest

from caudal import models
from caudal.models import (
    Isotonic,
    Metric,
    ModelCorrupt,
    ModelHashMismatch,
    ModelInvalid,
    ModelSchemaUnknown,
    Platt,
)
from support.model_worlds import AMOUNT, COUNTRY, card, lightgbm_file, scorecard_file


def test_what_is_packed_is_unpacked_to_equal_bytes() -> None:
    content = models.pack(card(), b'{"terms": []}')
    file = models.unpack(content)
    assert file.card == card()
    assert file.artifact == b'{"terms": []}'
    assert models.content_of(file) == content


def test_the_hash_is_over_card_and_artifact() -> None:
    file = scorecard_file()
    expected = hashlib.blake2b(len(file.text).to_bytes(8, "big") + file.text + file.artifact, digest_size=32)
    assert file.hash == expected.hexdigest()
    assert scorecard_file(shift=0.5).hash != file.hash
    assert models.assemble(card(about="another"), file.artifact).hash != file.hash


@pytest.mark.parametrize("cut", [0, 10, 90, 200, -1])
def test_a_file_that_is_cut_off_is_corrupt(cut: int) -> None:
    with pytest.raises(ModelCorrupt):
        models.unpack(models.content_of(scorecard_file())[:cut])


def test_a_byte_that_was_changed_is_found() -> None:
    content = bytearray(models.content_of(scorecard_file()))
    content[-5] ^= 1
    with pytest.raises(ModelHashMismatch):
        models.unpack(bytes(content))


def test_a_card_of_another_schema_is_refused_as_such_whatever_else_it_holds() -> None:
    written = json.loads(scorecard_file().text)
    later = json.dumps({**written, "schema": 2, "of_later": True}).encode()
    with pytest.raises(ModelSchemaUnknown):
        models.read(later, b"", expected=None)
    content = models.content_of(scorecard_file()).replace(b"caudal-model 1 ", b"caudal-model 2 ", 1)
    with pytest.raises(ModelSchemaUnknown):
        models.unpack(content)


def test_a_field_that_nobody_knows_is_refused_by_name() -> None:
    written = json.loads(scorecard_file().text)
    with pytest.raises(ModelInvalid) as refused:
        models.read(json.dumps({**written, "inputz": []}).encode(), b"", expected=None)
    assert refused.value.field == "inputz"


def test_a_card_that_later_code_would_write_otherwise_keeps_its_bytes_and_its_hash() -> None:
    file = scorecard_file()
    spaced = json.dumps(json.loads(file.text), indent=1).encode()
    digest = hashlib.blake2b(len(spaced).to_bytes(8, "big") + spaced + file.artifact, digest_size=32)
    kept = models.read(spaced, file.artifact, expected=digest.hexdigest())
    assert (kept.text, kept.hash) == (spaced, digest.hexdigest())


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"inputs": (AMOUNT, AMOUNT)}, "inputs[1].name"),
        ({"inputs": (msgspec.structs.replace(AMOUNT, categories=("a",)),)}, "inputs[0].categories"),
        ({"inputs": (msgspec.structs.replace(COUNTRY, categories=()),)}, "inputs[0].categories"),
        ({"inputs": (msgspec.structs.replace(COUNTRY, unknown="US"),)}, "inputs[0].unknown"),
        ({"inputs": (msgspec.structs.replace(AMOUNT, low=5.0, high=1.0),)}, "inputs[0].low"),
        ({"calibration": Platt(slope=-1.0, intercept=0.0)}, "calibration.slope"),
        ({"calibration": Isotonic(x=(0.1, 0.1), y=(0.0, 1.0))}, "calibration.x"),
        ({"calibration": Isotonic(x=(0.1, 0.2), y=(0.5, 0.4))}, "calibration.y"),
        ({"calibration": Isotonic(x=(0.1, 0.2), y=(0.5, 1.4))}, "calibration.y"),
        ({"metrics": {"auc": Metric(value=0.9, low=0.95)}}, "metrics.auc"),
        ({"stability": float("inf")}, "stability"),
        ({"input_histograms": {"nobody": models.Histogram(counts=(1,))}}, "input_histograms.nobody"),
        ({"score_histogram": models.Histogram(counts=(1, 2), edges=(0.1, 0.2))}, "score_histogram.counts"),
    ],
)
def test_a_card_that_contradicts_itself_is_refused_with_the_part_at_fault(
    changes: dict[str, object], field: str
) -> None:
    with pytest.raises(ModelInvalid) as refused:
        models.pack(card(**changes), b"")
    assert refused.value.field == field


def test_preparing_refuses_an_artifact_of_another_kind() -> None:
    wrong = models.assemble(lightgbm_file().card, scorecard_file().artifact)
    with pytest.raises(ModelCorrupt):
        models.prepare(models.content_of(wrong))
