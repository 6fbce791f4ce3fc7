"""What a batch of commands on payments needs to know before it can be carried out. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from caudal.connectors import (
    NotSent,
    PartnerFee,
    Refused,
    Reported,
    Settlement,
    Snapshot,
    Status,
    Subject,
)
from caudal.payments.commands import (
    Answered,
    Command,
    CreatePayment,
    Heard,
    Looked,
    Send,
    Settle,
)
from caudal.payments.creation import DEFAULT_METHOD
from caudal.payments.hearing import fees_of
from caudal.payments.refusals import Refusal
from caudal.payments.routes import Choice, Routes
from caudal.payments.store import Known
from caudal.payments.types import Case, PaymentKind
from caudal_base import decide


def known_of(commands: Iterable[Command]) -> Known:
    """Under what names the commands' payments are to be looked for."""
    known = Known()
    for command in commands:
        match command:
            case CreatePayment():
                if command.chosen:
                    known.payments.add(command.id)
            case Send() | Answered() | Looked():
                known.attempts.add(command.attempt_id)
            case Heard():
                _add_snapshot(known, command.partner, command.snapshot)
            case Settle():
                pass
            case _:
                known.payments.add(command.payment_id)
        if isinstance(command, Answered) and isinstance(command.answer, Reported):
            _add_attempt(known, command.answer.snapshot)
        elif isinstance(command, Looked) and isinstance(command.found, Reported):
            _add_attempt(known, command.found.snapshot)
    return known


def _add_snapshot(known: Known, partner: str, snapshot: Snapshot) -> None:
    _add_attempt(known, snapshot)
    known.partner_ids.add((partner, snapshot.partner_id))
    if snapshot.parent_id is not None:
        known.partner_ids.add((partner, snapshot.parent_id))


def _add_attempt(known: Known, snapshot: Snapshot) -> None:
    if snapshot.attempt_id is not None and snapshot.subject is not Subject.SETTLEMENT:
        known.attempts.add(snapshot.attempt_id)


def customers_of(creations: Sequence[CreatePayment]) -> list[str]:
    """The customers that creations name."""
    found = {command.customer for command in creations}
    found.update(command.destination for command in creations if command.destination is not None)
    return sorted(found)


def customers_of_cases(cases: Iterable[Case]) -> list[str]:
    """The customers of payments."""
    found = set[str]()
    for case in cases:
        found.add(case.payment.customer)
        if case.payment.destination is not None:
            found.add(case.payment.destination)
    return sorted(found)


def choice_of(command: CreatePayment, routes: Routes) -> Choice | Refusal | None:
    """Who will carry a creation out; None of an internal one."""
    if command.kind is PaymentKind.INTERNAL:
        return None
    return routes.choose(command, command.method or DEFAULT_METHOD[command.kind])


def subject_of(command: CreatePayment, partner: str | None) -> decide.Subject:
    """A creation as what decides must prepare for it; its limits are not known yet."""
    method = command.method or DEFAULT_METHOD.get(command.kind)
    return decide.Subject(
        payment_id=command.id, kind=command.kind.value, customer_id=command.customer, amount=command.amount,
        currency=command.currency, method=None if method is None else method.value, partner=partner,
        instrument=command.instrument, context=command.context, limits=(),
    )  # fmt: skip


def subject_of_case(case: Case) -> decide.Subject:
    """A scheduled payment in the same way."""
    payment = case.payment
    return decide.Subject(
        payment_id=payment.id, kind=payment.kind.value, customer_id=payment.customer, amount=payment.amount,
        currency=payment.currency, method=None if payment.method is None else payment.method.value,
        partner=payment.partner, instrument=payment.instrument, context=payment.context, limits=(),
    )  # fmt: skip


def fees_in(commands: Iterable[Command], cases: Mapping[str, Case]) -> Iterator[tuple[str, PartnerFee]]:
    """The partners' fees that commands tell of, each with its partner."""
    attempts = {a.id: a.partner for case in cases.values() for a in case.attempts}
    for command in commands:
        match command:
            case Heard():
                yield from ((command.partner, fee) for fee in command.snapshot.fees if fee.amount)
            case Settle():
                if command.settlement.arrived:
                    yield from ((command.partner, fee) for fee in fees_of(command.settlement))
            case Answered(answer=Reported(snapshot)) | Looked(found=Reported(snapshot)):
                partner = attempts.get(command.attempt_id)
                if partner is not None:
                    yield from ((partner, fee) for fee in snapshot.fees if fee.amount)
            case _:
                pass


def cases_to_retry(commands: Iterable[Command], cases: Mapping[str, Case]) -> list[Case]:
    """The payments of which commands may say that they came to nothing where they are."""
    of_attempt = {a.id: case for case in cases.values() for a in case.attempts}
    found = {}
    for command in commands:
        match command:
            case Answered(attempt_id=attempt, answer=NotSent() | Refused()):
                found[attempt] = of_attempt.get(attempt)
            case Answered(attempt_id=attempt, answer=Reported(snapshot)):
                found[attempt] = of_attempt.get(attempt) if snapshot.status is Status.FAILED else None
            case Looked(attempt_id=attempt, found=Refused()):
                found[attempt] = of_attempt.get(attempt)
            case Looked(attempt_id=attempt, found=Reported(snapshot)):
                found[attempt] = of_attempt.get(attempt) if snapshot.status is Status.FAILED else None
            case Heard(snapshot=snapshot) if snapshot.status is Status.FAILED:
                known = of_attempt.get(snapshot.attempt_id or "")
                ours = known or next(
                    (c for c in cases.values() if c.payment.partner_id == snapshot.partner_id), None
                )
                found[snapshot.partner_id] = ours
            case _:
                pass
    return [case for case in found.values() if case is not None]


def settlement_attempts(commands: Iterable[Command]) -> dict[str, str]:
    """By the partner's id of a fee that a settlement tells of, the attempt that it is of."""
    return {
        line.partner_id: line.attempt_id
        for command in commands
        if isinstance(command, Settle) and command.settlement.arrived
        for line in command.settlement.lines
        if line.attempt_id is not None
    }


def arrived_in(commands: Iterable[Command]) -> list[tuple[str, str]]:
    """The partners and ids of the settlements that have arrived."""
    return [
        (command.partner, command.settlement.partner_id)
        for command in commands
        if isinstance(command, Settle) and command.settlement.arrived
    ]


def settlements_in(commands: Iterable[Command]) -> list[tuple[str, Settlement]]:
    """The settlements that commands would post."""
    return [
        (command.partner, command.settlement)
        for command in commands
        if isinstance(command, Settle) and command.settlement.arrived and command.settlement.amount
    ]
