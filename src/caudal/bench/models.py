"""`caudal bench models`: what training reaches on public data sets, read from paths that are given.

- `ulb`: card payments of two days in 2013 (Dal Pozzolo et al. 2015); the last fifth in time is the test,
  means over five seeds.
- `sba_2004`: loans guaranteed by the SBA (Li, Mickel, Taylor 2018); trained on the fiscal years 1997 to 2003,
  tested on 2004, without the columns that the leak check names.
- `taiwan`, `german`: credit cards (Yeh 2009), loans (Hofmann 1994); repeated stratified folds, seed 0.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from caudal.bench.report import machine
from caudal.models import Purpose
from caudal_base.errors import InvalidRequest

NAME: Final = "models"
CASES: Final = ("ulb", "sba_2004", "taiwan", "german")
SEEDS: Final = (0, 1, 2, 3, 4)

Progress = Callable[[str, int, int], None]


class ModelCase(msgspec.Struct, frozen=True, kw_only=True):
    """A data set's figures, each with its 95 % interval."""

    case: str
    learner: str
    """Whose figures these are: the best of those trained."""
    auc: float
    auc_low: float
    auc_high: float
    ap: float
    ap_low: float
    ap_high: float
    ks: float
    ks_low: float
    ks_high: float
    calibration_error: float
    protocol: str
    rows: int
    positives: int
    leaks: tuple[str, ...]
    """Columns that the leak check named."""
    others: dict[str, float]
    """The AUC of the other learners."""
    seconds: float


class ModelsReport(msgspec.Struct, frozen=True, kw_only=True):
    """What training reaches, on this machine."""

    name: str
    machine: str
    cases: list[ModelCase]


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """Where the data sets are; None is not measured."""

    ulb: Path | None = None
    sba: Path | None = None
    corpus: Path | None = None
    """The folder with `credit`, or that folder."""


def run(data: Data, learners: Sequence[str], threads: int, progress: Progress) -> ModelsReport:
    """Measure every data set that is given: minutes. `learners` are tried on the data sets of credit.

    Raises `InvalidRequest` where nothing is given, and the errors of training.
    """
    wanted = [(case, path) for case in CASES if (path := _path(data, case)) is not None]
    if not wanted:
        raise InvalidRequest("say where the data is: --ulb FILE, --sba FILE, --corpus DIR", field="--corpus")
    cases = []
    for number, (case, path) in enumerate(wanted):

        def told(what: str, done: int, total: int, case: str = case, number: int = number) -> None:
            share = done / total if total else 0.0
            progress(f"{case}: {what}", round((number + share) * 100), len(wanted) * 100)

        cases.append(_measured(case, path, learners, threads, told))
    return ModelsReport(name=NAME, machine=machine(), cases=cases)


def _path(data: Data, case: str) -> Path | None:
    match case:
        case "ulb":
            return data.ulb
        case "sba_2004":
            return data.sba
    if data.corpus is None:
        return None
    folder = data.corpus / "credit" if (data.corpus / "credit").is_dir() else data.corpus
    found = sorted(folder.glob(f"{case}.*"))
    if not found:
        raise InvalidRequest(f"there is no {case}.csv in {folder.name}", field="--corpus")
    return found[0]


def _measured(case: str, path: Path, learners: Sequence[str], threads: int, progress: Progress) -> ModelCase:
    # Training brings libraries that take seconds to import.
    from caudal import training

    fraud = case == "ulb"
    wishes = training.Wishes()
    if case == "sba_2004":
        wishes = training.Wishes(
            time="ApprovalFY", train_from="1997", train_until="2003", test_from="2004", test_until="2004"
        )
    order = training.Order(
        path=path,
        purpose=Purpose.FRAUD if fraud else Purpose.CREDIT,
        name=case.replace("_", "-"),
        wishes=wishes,
        learners=() if fraud else tuple(learners),
        seeds=SEEDS if fraud else (0,),
        threads=threads,
    )
    began = time.monotonic()
    trained = training.train(order, progress)
    best = max(trained.candidates, key=lambda each: each.figures.auc.value)
    figures = best.figures
    said = trained.division.said + (f"; means over {len(SEEDS)} seeds" if fraud else "")
    return ModelCase(
        case=case, learner=best.learner,
        auc=figures.auc.value, auc_low=figures.auc.low, auc_high=figures.auc.high,
        ap=figures.ap.value, ap_low=figures.ap.low, ap_high=figures.ap.high,
        ks=figures.ks.value, ks_low=figures.ks.low, ks_high=figures.ks.high,
        calibration_error=figures.calibration_error, protocol=said, rows=trained.rows,
        positives=trained.positives, leaks=tuple(each.name for each in trained.suspects),
        others={
            each.learner: each.figures.auc.value for each in trained.candidates if each is not best
        },
        seconds=round(time.monotonic() - began, 1),
    )  # fmt: skip
