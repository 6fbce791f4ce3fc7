"""Files that are made to do harm: each is refused by type, and none ends the process that looks at it."""

import gzip
import pickle
import subprocess
import zipfile
from collections.abc import Callable
from io import BytesIO
from typing import Any

import msgspec
import pytest

from caudal import models
from caudal.models import Kind, ModelCorrupt, ModelFile, ModelInvalid, ModelSchemaUnknown, trial
from caudal.models.format import content_hash
from support.model_worlds import (
    AMOUNT,
    COUNT,
    COUNTRY,
    ROW,
    card,
    lightgbm_file,
    lightgbm_text,
    onnx_bomb,
    onnx_bytes,
    onnx_file,
    points,
    scorecard_file,
)

FILE = scorecard_file()
CONTENT = models.content_of(FILE)


def packed(text: bytes, artifact: bytes = FILE.artifact) -> bytes:
    """A file whose hash is right, whatever is in it."""
    head = f"caudal-model 1 {content_hash(text, artifact)} {len(text)} {len(artifact)}\n"
    return head.encode() + text + b"\n" + artifact


def zipped(content: bytes) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model", content)
    return out.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        gzip.compress(CONTENT, mtime=0),
        zipped(b"0" * 50_000_000),
        pickle.dumps({"model": 1}),
        CONTENT[:-1],
        CONTENT + b"x",
        CONTENT.replace(b"caudal-model 1", b"caudal-model -1", 1),
        b"caudal-model 1 " + b"0" * 64 + b" 999999999 999999999\n{}",
        packed(b'{"schema":1,"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
        packed(b"[" * 200_000),
        packed(b"\xff\xfe"),
        packed(FILE.text.replace(b"0.01", b"NaN", 1)),
    ],
)
def test_what_is_no_model_file_is_corrupt(content: bytes) -> None:
    with pytest.raises(ModelCorrupt):
        models.prepare(content)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda text: text.replace(b'"schema":1', b'"schema":2'), ModelSchemaUnknown),
        (lambda text: text.replace(b'"schema":1', b'"schema":1.5'), ModelCorrupt),
        (lambda text: text[:-1] + b',"name":"twice"}', ModelInvalid),
        (lambda text: text[:-1] + b',"command":"rm"}', ModelInvalid),
        (lambda text: text.replace(b'"calibration_error":0.01', b'"calibration_error":1e999'), ModelInvalid),
        (lambda text: text.replace(b'"card-fraud"', b'"../../etc/passwd"'), ModelInvalid),
        (lambda text: text.replace(b'"typical":2500', b'"typical":' + b"9" * 5_000), ModelInvalid),
    ],
)
def test_a_card_of_another_schema_or_with_more_than_there_is_is_refused(
    change: Callable[[bytes], bytes], error: type[ModelInvalid]
) -> None:
    changed = change(FILE.text)
    assert changed != FILE.text
    with pytest.raises(error):
        models.prepare(packed(changed))


def scorecard(**changes: Any) -> ModelFile:
    return models.assemble(FILE.card, models.artifact_of(msgspec.structs.replace(points(), **changes)))


TERM = points().terms[0]


@pytest.mark.parametrize(
    "artifact",
    [
        FILE.artifact.replace(b'"intercept":-5.0', b'"intercept":NaN'),
        FILE.artifact.replace(b'"intercept":-5.0', b'"intercept":Infinity'),
        FILE.artifact.replace(b'"intercept":-5.0', b'"intercept":1e999'),
        FILE.artifact.replace(b'"intercept":-5.0', b'"intercept":1e308'),
        scorecard(terms=(msgspec.structs.replace(TERM, points=(1e308,) * 4),) * 5).artifact,
        scorecard(terms=(msgspec.structs.replace(TERM, expected=-1e308),) * 5).artifact,
        scorecard(terms=(TERM,) * 5_001).artifact,
        scorecard(terms=()).artifact,
        b"[" * 1_000_000,
        b"{",
        b"",
        lightgbm_text(),
        onnx_bytes(),
    ],
)
def test_a_scorecard_that_is_none_or_whose_points_overflow_is_refused(artifact: bytes) -> None:
    with pytest.raises(ModelInvalid):
        models.prepare(models.assemble(FILE.card, artifact))


def test_inputs_that_are_there_twice_are_refused() -> None:
    with pytest.raises(ModelInvalid, match="there twice"):
        models.assemble(card(inputs=(AMOUNT, COUNT, COUNTRY, AMOUNT)), FILE.artifact)


@pytest.mark.parametrize(
    "changes",
    [
        {"link": models.Points(base_points=600.0, base_odds=50.0, double_odds=5e-324)},
        {"link": models.Points(base_points=-1e308, base_odds=1e308, double_odds=5e-324)},
        {"calibration": models.Platt(slope=1e308, intercept=-1e308)},
        {"inputs": (msgspec.structs.replace(AMOUNT, low=-1.7e308, high=1.7e308), COUNT, COUNTRY)},
    ],
)
def test_a_card_whose_numbers_overflow_gives_probabilities_or_no_score(changes: dict[str, Any]) -> None:
    file = models.assemble(card(**changes), FILE.artifact)
    try:
        prepared = models.prepare(file)
    except ModelInvalid as refused:
        assert refused.detail == "it gives no score for a row of usual values"  # noqa: PT017 - either will do
        return
    assert not [one for one in prepared.measured.broken if one.startswith("range")]
    value = models.load(file).score(ROW).value
    assert value is None or 0.0 <= value <= 1.0


@pytest.mark.parametrize(
    "artifact",
    [
        b"\x00",
        b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        onnx_bytes()[:-5],
        onnx_bytes(kind="NoSuchOperator"),
        onnx_bytes(kind="RandomNormalLike"),
        onnx_bytes(kind="Loop"),
        onnx_bytes(domain="com.example.custom"),
        onnx_bytes(external=True),
        onnx_bomb(100_000, 50_000),
        onnx_bomb(2**40, 2**20),
        onnx_bomb(-1, 5),
        lightgbm_text(),
    ],
)
def test_a_graph_that_reaches_out_draws_by_chance_or_asks_for_all_memory_is_refused(artifact: bytes) -> None:
    with pytest.raises(ModelInvalid):
        models.prepare(onnx_file(artifact))


def test_libraries_are_tried_in_a_process_of_their_own_which_gets_no_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CAUDAL_DATABASE_URL", "postgresql://secret")
    ran = []
    run = subprocess.run

    def seen(*arguments: Any, **more: Any) -> Any:
        ran.append(more["env"])
        return run(*arguments, **more)

    monkeypatch.setattr(trial.subprocess, "run", seen)
    for file in (lightgbm_file(), onnx_file(onnx_bomb(2, 3)), scorecard_file()):
        assert models.prepare(file).measured.latency_us > 0
    assert len(ran) == 2
    assert not [name for one in ran for name in one if name.startswith("CAUDAL_")]


def test_a_trial_that_ends_its_process_or_none_at_all_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    run = subprocess.run

    def killed(command: list[str], **more: Any) -> Any:
        return run([*command[:3], "import os; os.abort()"], **more)

    monkeypatch.setattr(trial.subprocess, "run", killed)
    with pytest.raises(ModelInvalid, match="its trial ended with signal 6"):
        models.prepare(lightgbm_file())

    def endless(command: list[str], **more: Any) -> Any:
        return run([*command[:3], "while True: pass"], **{**more, "timeout": 0.2})

    monkeypatch.setattr(trial.subprocess, "run", endless)
    with pytest.raises(ModelInvalid, match="took more than"):
        models.prepare(lightgbm_file())


def test_a_damaged_text_of_trees_is_refused_wherever_it_is_damaged() -> None:
    """One of the library's own crashes: it ends the process at a blank line within a tree."""
    text = lightgbm_text()
    for at in range(200, len(text), 997):
        for put in (b"\x00", b"\xff", b"\n", b"=", b"9" * 30):
            changed = text[:at] + put + text[at + 1 :]
            try:
                score = models.load(models.assemble(card(Kind.LIGHTGBM), changed)).score(ROW)
            except ModelInvalid:
                continue
            assert score.value is not None
