"""Benchmarks: what `caudal bench` runs. Each answers a `Report`."""

from caudal.bench import ledger, payments
from caudal.bench.report import Case, Report

__all__ = ["Case", "Report", "ledger", "payments"]
