"""What the audit log says of what no caller asked for: partners' words, the worker's calls, the clock."""

import datetime as dt
import re
from collections.abc import Sequence
from typing import Final

from caudal import audit
from caudal.payments.commands import Answered, Command, Heard, Looked, Send, Settle, TimeOut
from caudal.payments.outcomes import Outcome, OutcomeStatus
from caudal.payments.types import AttemptState

_WORKER: Final = "worker"
_CLOCK: Final = "clock"
_UNFIT: Final = re.compile(r"[^!-~]")


def records(
    book_id: int, at: dt.datetime, commands: Sequence[Command], outcomes: Sequence[Outcome]
) -> list[audit.Record]:
    """One record for each command that changed something, or was refused."""
    found = []
    for command, outcome in zip(commands, outcomes, strict=True):
        told = _told(command, outcome)
        if told is not None:
            principal, action, object_id, course, result = told
            found.append(
                audit.Record(
                    book_id=book_id,
                    at=at,
                    principal=principal,
                    action=action,
                    object_id=object_id,
                    request_id=course,
                    result=result,
                    details=_details(outcome),
                )
            )
    return found


def _told(command: Command, outcome: Outcome) -> tuple[str, str, str, str, str] | None:
    """Principal, action, object, in the course of what, and result."""
    if outcome.status not in (OutcomeStatus.APPLIED, OutcomeStatus.REFUSED):
        return None
    payment, attempt = outcome.payment, outcome.attempt
    refused = None if outcome.refusal is None else outcome.refusal.code
    match command:
        case Send() if attempt is not None:
            return _WORKER, "attempt.send", attempt.id, attempt.id, attempt.state.value
        case Answered() | Looked() if attempt is not None:
            if isinstance(command, Looked) and attempt.state is AttemptState.UNKNOWN and refused is None:
                return None  # asked, and nothing learned
            action = "attempt.answer" if isinstance(command, Answered) else "attempt.look"
            return _partner(attempt.partner), action, attempt.id, attempt.id, refused or attempt.state.value
        case Heard() if payment is not None:
            course = _fit(command.snapshot.partner_id)
            return (
                _partner(command.partner),
                "payment.hear",
                payment.id,
                course,
                refused or payment.state.value,
            )
        case TimeOut() if payment is not None:
            return _CLOCK, "payment.time_out", payment.id, payment.id, refused or payment.state.value
        case Settle():
            name = _fit(command.settlement.partner_id)
            return _partner(command.partner), "settlement.post", name, name, "posted"
        case _:
            return None


def _details(outcome: Outcome) -> audit.Details:
    payment, attempt = outcome.payment, outcome.attempt
    if payment is None:
        return {}
    told: audit.Details = {"payment": payment.id, "state": payment.state.value}
    retried = attempt is not None and attempt.superseded and payment.partner is not None
    return {**told, "tried_next": payment.partner} if retried else told


def _partner(name: str) -> str:
    return f"partner:{name}"


def _fit(text: str) -> str:
    """A partner's id as the log takes it: printable ASCII, not too long."""
    return _UNFIT.sub("?", text)[:255] or "?"
