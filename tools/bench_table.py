"""Put the figures of `caudal bench ledger --json` into the README, between its two marks.

caudal bench ledger --json | python tools/bench_table.py
python tools/bench_table.py figures.json
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

README: Final = Path(__file__).parent.parent / "README.md"
START: Final = "<!-- bench:start -->"
END: Final = "<!-- bench:end -->"

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
}
"""What each case is, and its budget (DESIGN.md section 7)."""

FLOORS: Final = {
    "copy_rows_per_second": "plain COPY of the same rows into the same table: {:,.0f} rows/s",
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
        cells = [
            f"`{each['case']}`",
            words,
            _figure(each["per_second"], 0),
            _figure(each["p50_ms"], 2),
            _figure(each["p99_ms"], 1),
            _figure(each["ratio_to_floor"], 2),
            _judged(each, by_case, budget),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _figure(value: float | None, places: int) -> str:
    return "" if value is None else f"{value:,.{places}f}"


def _judged(case: dict[str, Any], by_case: dict[str, dict[str, Any]], budget: str) -> str:
    """The budget, and by how much it was missed if it was."""
    shortfalls = {
        "batch_uniform": lambda: case["per_second"] / 40_000,
        "http_64": lambda: min(case["per_second"] / 4_000, 60 / case["p99_ms"]),
        "http_64_hot": lambda: case["per_second"] / (0.8 * by_case["http_64"]["per_second"]),
    }
    reached = shortfalls[case["case"]]() if case["case"] in shortfalls else 1.0
    return budget if reached >= 1 else f"{budget}: missed by {1 - reached:.0%}"


def inserted(readme: str, text: str) -> str:
    """`readme` with `text` between the marks. Raises `ValueError` where they are not there once each."""
    before, start, rest = readme.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end or START in rest or END in after:
        raise ValueError(f"expected {START} and then {END}, once each")
    return f"{before}{START}\n{text}\n{END}{after}"


def main() -> int:
    """Read the report from the file that is named, or from standard input, and change the README."""
    text = Path(sys.argv[1]).read_text(encoding="utf-8") if len(sys.argv) > 1 else sys.stdin.read()
    readme = README.read_text(encoding="utf-8")
    README.write_text(inserted(readme, table(json.loads(text))), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
