"""Attempts in a machine's cases: found by their ids, and put in the place of what they were. Pure."""

import datetime as dt

from caudal.payments.machine import Machine
from caudal.payments.types import Attempt, Case


def find_attempt(machine: Machine, attempt_id: str) -> tuple[Case, Attempt] | None:
    """The attempt with this id, and its payment."""
    payment_id = machine.of_attempt.get(attempt_id)
    if payment_id is None:
        return None
    case = machine.cases[payment_id]
    return case, next(attempt for attempt in case.attempts if attempt.id == attempt_id)


def put_attempt(machine: Machine, case: Case, attempt: Attempt) -> Case:
    """Put a changed attempt in the place of the one with its id."""
    attempts = tuple(attempt if a.id == attempt.id else a for a in case.attempts)
    return machine.replace(case, attempts=attempts)


def passed(moment: dt.datetime | None, lifetime: dt.timedelta | None, now: dt.datetime) -> bool:
    """Whether `lifetime` has gone by since `moment`; never where there is none."""
    return moment is not None and lifetime is not None and moment + lifetime <= now
