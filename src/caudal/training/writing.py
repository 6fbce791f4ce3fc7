"""What training leaves behind: model files, the report, the model card for people, the declared features."""

from pathlib import Path
from typing import Final

import msgspec

from caudal import models
from caudal.features import FeatureSet
from caudal.training import report
from caudal.training.service import Trained
from caudal.training.types import Interval

REPORT: Final = "report.html"
CARD: Final = "model-card.md"
FEATURES: Final = "features.json"


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """The paths."""

    report: Path
    card: Path
    files: tuple[Path, ...]
    """Of the models, in the order of the candidates."""
    features: Path | None


def write(trained: Trained, folder: Path) -> Written:
    """Write everything into a folder, which is made; what is there of an earlier run is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for file in trained.files:
        path = folder / f"{file.card.name}{models.SUFFIX}"
        path.write_bytes(models.pack(file.card, file.artifact))
        files.append(path)
    page = folder / REPORT
    page.write_text(report.html(trained), encoding="utf-8")
    card = folder / CARD
    card.write_text(card_text(trained), encoding="utf-8")
    declared = None
    if trained.features:
        declared = folder / FEATURES
        declared.write_bytes(
            msgspec.json.format(msgspec.json.encode(FeatureSet(features=trained.features)), indent=2) + b"\n"
        )
    return Written(report=page, card=card, files=tuple(files), features=declared)


def card_text(trained: Trained) -> str:
    """The model card, in the order of Mitchell et al. (2019): details, use, figures, factors."""
    best = trained.candidate(trained.recommended)
    file = trained.files[trained.candidates.index(best)]
    card = file.card
    figures = best.figures
    lines = [
        f"# {card.name}",
        "",
        f"{card.about}.",
        "",
        "## Details",
        "",
        f"- Kind: {card.kind.value}, {len(file.artifact):,} bytes; content hash `{file.hash}`",
        f"- Made by {card.training.code_version}, seed {card.training.seed}",
        f"- Validation: {card.training.protocol}",
        f"- Data: {card.training.rows:,} rows, {card.training.positives:,} with the risk; BLAKE2b-256 "
        f"`{card.training.data_hash}`",
        "",
        "## Use",
        "",
        *(f"- {text}" for text in card.notes.values()),
        "",
        "## Figures",
        "",
        "Of rows that the model did not see, with 95 % intervals.",
        "",
        "| figure | value | from | to |",
        "| --- | ---: | ---: | ---: |",
        _row("AUC", figures.auc),
        _row("KS", figures.ks),
        _row("average precision", figures.ap),
        *(_row(f"caught at {float(at):.1%} false alarms", one) for at, one in figures.recall_at_fpr.items()),
        f"| expected calibration error | {figures.calibration_error:.4f} | | |",
        f"| stability of the score (PSI) | {figures.stability:.4f} | | |",
        "",
        "## Leaks",
        "",
        *_leaks(trained),
        "",
        "## Fairness",
        "",
        *([f"- {one.attribute} {one.group}: {one.approved:.1%} pass, {one.ratio:.2f} of the best"
           for one in figures.groups] or ["Not looked at: no groups were named."]),
        "",
        "## Inputs",
        "",
        "| input | kind | least | greatest | trend |",
        "| --- | --- | ---: | ---: | --- |",
        *(_input(one) for one in card.inputs),
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def _leaks(trained: Trained) -> list[str]:
    return [
        f"- `{each.name}`: {each.why}; {'left out' if each.left_out else 'kept'}" for each in trained.suspects
    ] or ["None was found."]


def _row(name: str, interval: Interval) -> str:
    return f"| {name} | {interval.value:.4f} | {interval.low:.4f} | {interval.high:.4f} |"


def _input(one: models.Input) -> str:
    if one.kind is models.InputKind.CATEGORY:
        return f"| `{one.name}` | {len(one.categories):,} categories | | | |"
    low, high = ("" if bound is None else f"{bound:,.6g}" for bound in (one.low, one.high))
    trend = {1: "risk never falls", -1: "risk never rises", 0: ""}[one.monotone]
    return f"| `{one.name}` | number | {low} | {high} | {trend} |"
