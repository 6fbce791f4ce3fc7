"""Benchmarks: what `caudal bench` runs. Each answers a `Report`."""

from caudal.bench import ledger, payments, webhooks
from caudal.bench.report import Case, Report

__all__ = ["Case", "Report", "ledger", "payments", "webhooks"]
