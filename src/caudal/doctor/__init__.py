"""The doctor: what is wrong with a deployment, since when, and what mends it. Reads, and changes nothing.

    findings = await examine(Patient(dsn=…), clock)

It works on a system that runs and on one that does not: a database that is down is a finding. Each look is
bounded, so that it can be called on the worst of days.
"""

from caudal.doctor.figures import Figures, figures
from caudal.doctor.service import Patient, examine, unreachable
from caudal.doctor.types import MANY, Finding, Severity

__all__ = ["MANY", "Figures", "Finding", "Patient", "Severity", "examine", "figures", "unreachable"]
