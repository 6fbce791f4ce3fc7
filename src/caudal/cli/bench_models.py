"""`caudal bench models`: training on public data sets."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from caudal.bench import models
from caudal.cli.extras import require_models
from caudal.cli.frame import Call
from caudal.cli.terminal import table
from caudal_base.errors import InvalidRequest

_LEARNERS = ("scorecard", "lightgbm")


def bench_models(
    call: Call,
    ulb: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Card payments of the ULB: creditcard.csv.")
    ] = None,
    sba: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Loans guaranteed by the SBA, with their outcomes.")
    ] = None,
    corpus: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder with taiwan.csv.gz and german.csv.")
    ] = None,
    learner: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="For credit: scorecard, ebm, lightgbm. (default: all but ebm)"),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, max=256, help="(default: one for each processor)")
    ] = None,
) -> None:
    """Train on public data sets, and say AUC, average precision and KS with their intervals: minutes.

    Cases: ulb (80/20 in time, five seeds), sba_2004 (trained on 1997-2003, tested on 2004), taiwan and german
    (repeated stratified five folds). What is not given is not measured.
    """
    require_models()
    unknown = set(learner or ()) - {"scorecard", "ebm", "lightgbm"}
    if unknown:
        raise InvalidRequest(f"no learner {', '.join(sorted(unknown))}", field="--learner")
    data = models.Data(ulb=ulb, sba=sba, corpus=corpus)
    with call.terminal.progress() as progress:
        report = models.run(data, learner or _LEARNERS, threads or os.cpu_count() or 1, progress)
    call.terminal.answer(report, lambda out: _show(report, out))


def _show(report: models.ModelsReport, out: Console) -> None:
    out.print(report.machine)
    columns = ("AUC", "AP", "KS", "calibration error", "seconds")
    figures = table("case", "learner", *columns, right=columns)
    for each in report.cases:
        figures.add_row(
            each.case,
            each.learner,
            f"{each.auc:.4f} ({each.auc_low:.3f}-{each.auc_high:.3f})",
            f"{each.ap:.4f} ({each.ap_low:.3f}-{each.ap_high:.3f})",
            f"{each.ks:.4f} ({each.ks_low:.3f}-{each.ks_high:.3f})",
            f"{each.calibration_error:.4f}",
            f"{each.seconds:,.0f}",
        )
    out.print(figures)
    for each in report.cases:
        out.print(f"{each.case}: {each.protocol}")
        if each.leaks:
            out.print(f"{each.case}: leaks named: {', '.join(each.leaks)}")
        for name, auc in each.others.items():
            out.print(f"{each.case}: {name} AUC {auc:.4f}")
