"""Benchmarks: what `caudal bench` runs. Each answers a `Report`."""

from caudal.bench import ledger, models, payments, risk, webhooks
from caudal.bench.report import Case, Report, machine, percentile

__all__ = ["Case", "Report", "ledger", "machine", "models", "payments", "percentile", "risk", "webhooks"]
