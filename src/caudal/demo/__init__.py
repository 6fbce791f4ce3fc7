"""A trading day in a minute: a whole deployment, two hot accounts, a spike, a partner's outage, a report."""

from caudal.demo.day import run
from caudal.demo.page import page
from caudal.demo.tables import Table, tables
from caudal.demo.types import Live, Parameters, Percentiles, Report

__all__ = ["Live", "Parameters", "Percentiles", "Report", "Table", "page", "run", "tables"]
