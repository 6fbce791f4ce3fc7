"""Seeded worlds: callers, faults and crashes drawn from one number, and what must hold afterwards."""

from caudal.simulation.invariants import INVARIANTS
from caudal.simulation.payments import run as simulate_payments
from caudal.simulation.types import Finding, Parameters, Report, Victim

__all__ = ["INVARIANTS", "Finding", "Parameters", "Report", "Victim", "simulate_payments"]
