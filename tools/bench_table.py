"""Put the figures of a benchmark's report into the README, between the two marks of that benchmark.

caudal bench ledger --json | python tools/bench_table.py
caudal bench payments --json > figures.json; python tools/bench_table.py figures.json
caudal bench webhooks --json | python tools/bench_table.py
caudal bench risk --json | python tools/bench_table.py
caudal bench models --json … | python tools/bench_table.py     (into docs/guides/training.md)

Marks that are not there yet are put behind the table before: the ledger's, the payments', the webhooks', and
last those of decisions.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

README: Final = Path(__file__).parent.parent / "README.md"
TRAINING: Final = README.parent / "docs" / "guides" / "training.md"
MARKS: Final = {
    "ledger": ("<!-- bench:start -->", "<!-- bench:end -->"),
    "payments": ("<!-- bench-payments:start -->", "<!-- bench-payments:end -->"),
    "webhooks": ("<!-- bench-webhooks:start -->", "<!-- bench-webhooks:end -->"),
    "risk": ("<!-- bench-risk:start -->", "<!-- bench-risk:end -->"),
    "models": ("<!-- bench-models:start -->", "<!-- bench-models:end -->"),
}

CASES: Final = {
    "batch_uniform": ("uploads of 8,000 over 10,000 accounts", "≥ 40,000/s"),
    "batch_zipfian": ("the same, some accounts far more often", ""),
    "batch_hot": ("the same, one account in every transfer", ""),
    "pending_post": ("uploads of holds and their posts", ""),
    "http_1": ("one transfer a request, 1 client", ""),
    "http_16": ("16 clients", ""),
    "http_64": ("64 clients", "≥ 4,000/s, p99 < 60 ms"),
    "http_256": ("256 clients", ""),
    "http_64_hot": ("64 clients, one account in every transfer", "≥ 0.8 of `http_64`"),
    "balance_at": ("a balance of the past, long history", "as with a short history"),
    "statement": ("a statement, long history", "as with a short history"),
    "sustained": ("payments accepted, all through one settlement account", "≥ 2,000/s, p99 < 100 ms"),
    "sustained_half": ("at half of that", "p99 < 50 ms"),
    "sustained_spread": ("through four partners in four currencies", ""),
    "overload": ("three times what is sustained", "sheds, and loses nothing"),
    "recovery": ("at once afterwards what is sustained", "nothing shed"),
    "end_to_end": ("with worker and sandbox, to the payment's end", "≥ 150/s"),
    "deliver": ("webhooks to an endpoint of this machine, 16 at once", ""),
    "deliver_ordered": ("the same, the events of each payment in order", ""),
    "slow_neighbour": ("beside an endpoint that never answers", "≥ 0.95 of what it is alone"),
    "decide": ("one decision: 14 features, ten rules, a model and a shadow, its record", "p99 < 5 ms"),
    "decide_hot": ("the same, by a card that has a tenth of the history", "p99 < 5 ms"),
    "decide_batch": ("a hundred decisions at once", ""),
    "http": ("decisions over HTTP, a request each; p50 and p99 at half of it", "≥ 500/s, p99 < 10 ms"),
}
"""What each case is, and its budget (DESIGN.md section 7)."""

MODEL_CASES: Final = {
    "ulb": ("card payments of two days, the last fifth of the time as the test", {"auc": 0.98, "ap": 0.79}),
    "sba_2004": ("loans of 1997 to 2003, tested on those of 2004", {"auc": 0.765}),
    "taiwan": ("credit cards, repeated five folds", {"auc": 0.785}),
    "german": ("loans, repeated five folds", {"auc": 0.795}),
}
"""What each data set is, and what is to be reached on it."""

_STAGES: Final = {
    "read_p50_ms": "p50 to read {:.2f} ms",
    "decide_p50_ms": "to decide {:.2f}",
    "model_us": "of which a score takes {:.0f} µs",
    "scored_share": "{:.1%} with a score",
    "write_p50_ms": "to write {:.2f}",
    "p50_ms_at_100000": "with 10⁵ events of history instead of 10⁷ p50 {:.2f}",
    "p99_ms_at_100000": "p99 {:.1f} ms",
}

SHOWN: Final[Mapping[str, Mapping[str, str]]] = {
    "sustained": {
        "api_cpu_us": "{:,.0f} µs of CPU a payment in the API",
        "postgres_cpu_us": "{:,.0f} µs in PostgreSQL",
        "generator_cores": "the load generator takes {:.2f} cores",
        "scored_share": "{:.1%} of all payments of the run with a model's score",
    },
    "overload": {
        "offered_per_second": "{:,.0f}/s offered",
        "shed_per_second": "{:,.0f}/s shed",
        "lost": "{:,.0f} lost",
        "double": "{:,.0f} made twice",
        "generator_cores": "the load generator takes {:.2f} cores",
    },
    "slow_neighbour": {
        "kept": "{:.0%} of the pace without it",
        "kept_cpu": "by the processor's time {:.0%}",
        "cpu_us": "{:,.0f} µs of CPU a webhook, PostgreSQL's included",
    },
    "decide": _STAGES,
    "decide_hot": _STAGES,
    "decide_batch": _STAGES,
    "http": {
        "cpu_api_us": "{:,.0f} µs of CPU a decision in the API",
        "cpu_postgres_us": "{:,.0f} µs in PostgreSQL",
        "scored_share": "{:.1%} with a score",
    },
    "recovery": {"recovered_after_s": "after {:.2f} s"},
    "end_to_end": {
        "oldest_job_s": "oldest job {:.2f} s",
        "ended_after_s": "all ended {:.1f} s after the load",
        "worker_cpu_us": "{:,.0f} µs of CPU a payment in the worker",
        "api_cpu_us": "{:,.0f} µs in the API",
        "postgres_cpu_us": "{:,.0f} µs in PostgreSQL",
        "sandbox_cpu_us": "{:,.0f} µs in the sandbox",
    },
}
"""What of a case's other figures is shown."""

FLOORS: Final = {
    "copy_rows_per_second": "plain COPY of the same rows into the same table: {:,.0f} rows/s",
    "posts_per_second": "the same HTTP client to the same sink without a database: {:,.0f} requests/s",
    "http_requests_per_second": "HTTP to a path that does nothing: {:,.0f} requests/s",
    "balance_at_short_history_per_second": "balances of the past on a hundredth of the history: {:,.0f}/s",
    "statement_short_history_per_second": "statements on a hundredth of the history: {:,.0f}/s",
}
"""What the ratios are to."""


def table(report: dict[str, Any]) -> str:
    """The report as Markdown: the machine, the floors, and a row for each case. Raises `ValueError`.

    A case or floor that is not known here is refused: it would have no words, and no budget.
    """
    unknown = [each["case"] for each in report["cases"] if each["case"] not in CASES]
    unknown += [name for name in report["floor"] if name not in FLOORS]
    if unknown:
        raise ValueError(f"tools/bench_table.py does not know {', '.join(unknown)}")
    lines = [
        f"Machine: {report['machine']}.",
        "",
        "Floors of the same run: "
        + "; ".join(FLOORS[name].format(figure) for name, figure in report["floor"].items())
        + ".",
        "",
        "| case | | per second | p50 ms | p99 ms | of the floor | budget |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    by_case = {each["case"]: each for each in report["cases"]}
    for each in report["cases"]:
        words, budget = CASES[each["case"]]
        more = _more(each)
        cells = [
            f"`{each['case']}`",
            f"{words}: {more}" if more else words,
            _figure(each["per_second"], 0),
            _figure(each["p50_ms"], 2),
            _figure(each["p99_ms"], 1),
            _figure(each["ratio_to_floor"], 2),
            _judged(each, by_case, budget),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def models_table(report: dict[str, Any]) -> str:
    """The figures of training as Markdown, each with its interval. Raises `ValueError`."""
    unknown = [each["case"] for each in report["cases"] if each["case"] not in MODEL_CASES]
    if unknown:
        raise ValueError(f"tools/bench_table.py does not know {', '.join(unknown)}")
    lines = [
        f"Machine: {report['machine']}. Leaks that were named are left out.",
        "",
        "| case | | learner | AUC | average precision | KS | to be reached | leaks named | seconds |",
        "|---|---|---|---|---|---|---|---|---:|",
    ]
    for each in report["cases"]:
        words, least = MODEL_CASES[each["case"]]
        cells = [
            f"`{each['case']}`",
            words,
            each["learner"] + "".join(f"; {name} AUC {auc:.4f}" for name, auc in each["others"].items()),
            *(_between(each, name) for name in ("auc", "ap", "ks")),
            ", ".join(
                f"{name.upper()} {bound}" + _missed(each[name], bound) for name, bound in least.items()
            ),
            ", ".join(f"`{name}`" for name in each["leaks"]),
            f"{each['seconds']:,.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _between(case: dict[str, Any], name: str) -> str:
    return f"{case[name]:.4f} ({case[f'{name}_low']:.3f} to {case[f'{name}_high']:.3f})"


def _missed(value: float, least: float) -> str:
    return "" if value >= least else f": missed by {least - value:.4f}"


def _figure(value: float | None, places: int) -> str:
    return "" if value is None else f"{value:,.{places}f}"


def _more(case: dict[str, Any]) -> str:
    """What else is to be said of a case."""
    figures = case.get("figures", {})
    shown = SHOWN.get(case["case"], {})
    return ", ".join(form.format(figures[name]) for name, form in shown.items() if name in figures)


def _judged(case: dict[str, Any], by_case: dict[str, dict[str, Any]], budget: str) -> str:
    """The budget, and by how much it was missed if it was."""
    shortfalls: dict[str, Callable[[], float]] = {
        "batch_uniform": lambda: case["per_second"] / 40_000,
        "http_64": lambda: min(case["per_second"] / 4_000, 60 / case["p99_ms"]),
        "http_64_hot": lambda: case["per_second"] / (0.8 * by_case["http_64"]["per_second"]),
        "sustained": lambda: min(case["per_second"] / 2_000, 100 / case["p99_ms"]),
        "sustained_half": lambda: 50 / case["p99_ms"],
        "end_to_end": lambda: case["per_second"] / 150,
        "slow_neighbour": lambda: case["figures"]["kept"] / 0.95,
        "decide": lambda: 5 / case["p99_ms"],
        "decide_hot": lambda: 5 / case["p99_ms"],
        "http": lambda: min(case["per_second"] / 500, 10 / case["p99_ms"]),
    }
    reached = shortfalls[case["case"]]() if case["case"] in shortfalls else 1.0
    return budget if reached >= 1 else f"{budget}: missed by {1 - reached:.0%}"


def inserted(readme: str, text: str, name: str = "ledger") -> str:
    """`readme` with `text` between the marks of a benchmark.

    Raises `ValueError` where they are not there once each.
    """
    start_mark, end_mark = MARKS[name]
    before, start, rest = readme.partition(start_mark)
    _, end, after = rest.partition(end_mark)
    if not start or not end or start_mark in rest or end_mark in after:
        raise ValueError(f"expected {start_mark} and then {end_mark}, once each")
    return f"{before}{start_mark}\n{text}\n{end_mark}{after}"


def marked(readme: str, name: str) -> str:
    """`readme` with the marks of a benchmark, put behind the last table before it where there are none."""
    start, end = MARKS[name]
    if start in readme or end in readme:
        return readme
    order = list(MARKS)
    before = [MARKS[each][1] for each in order[: order.index(name)] if MARKS[each][1] in readme]
    return readme.replace(before[-1], f"{before[-1]}\n\n{start}\n{end}", 1) if before else readme


def main() -> int:
    """Read the report from the file that is named, or from standard input, and change the README."""
    text = Path(sys.argv[1]).read_text(encoding="utf-8") if len(sys.argv) > 1 else sys.stdin.read()
    report = json.loads(text)
    if report["name"] == "models":
        page = TRAINING.read_text(encoding="utf-8")
        TRAINING.write_text(inserted(page, models_table(report), "models"), encoding="utf-8")
        return 0
    readme = marked(README.read_text(encoding="utf-8"), report["name"])
    README.write_text(inserted(readme, table(report), report["name"]), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
