"""The pure part of posting a lot: which commands its rows make, and which rows the outcomes refuse."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from caudal.imports.rules import account_id_of
from caudal.imports.types import Party, Row, RowError
from caudal.ledger import (
    AccountId,
    AccountIdentity,
    Command,
    CreateTransfer,
    OpenAccount,
    Outcome,
    OutcomeStatus,
    Refusal,
)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The commands of a lot: the accounts that it opens, then a transfer for each row that has an amount."""

    rows: Sequence[Row]
    opening: Mapping[str, OpenAccount]
    """By reference."""
    moving: Sequence[int]
    """The indices of the rows that have an amount."""
    commands: Sequence[Command]
    unknown: Mapping[int, Party]
    """Rows, by index, that name an account which is not there and may not be opened."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger made of a plan."""

    created: int
    existing: int
    accounts_opened: int
    errors: Mapping[int, RowError]
    """By the index of the row."""
    overtaken: bool
    """An account was opened by somebody else between the look-up and the book's lock: plan again."""


def parties(row: Row) -> tuple[Party, Party]:
    """Both accounts of a row."""
    return (row.debit, row.credit)


def plan(rows: Sequence[Row], known: Mapping[str, AccountIdentity]) -> Plan:
    """The commands for `rows`, where `known` are the accounts that there are, by reference."""
    accounts: dict[str, AccountId] = {reference: identity.id for reference, identity in known.items()}
    opening: dict[str, OpenAccount] = {}
    unknown: dict[int, Party] = {}
    for index, row in enumerate(rows):
        for party in parties(row):
            if party.reference in accounts:
                continue
            if party.may_open:
                opening[party.reference] = _opening(party, row.currency)
                accounts[party.reference] = opening[party.reference].id
            else:
                unknown.setdefault(index, party)
    moving = [index for index, row in enumerate(rows) if row.amount and index not in unknown]
    transfers = (_transfer(rows[index], accounts) for index in moving)
    return Plan(
        rows=rows, opening=opening, moving=moving, commands=[*opening.values(), *transfers], unknown=unknown
    )


def result_of(plan: Plan, outcomes: Sequence[Outcome], file: str) -> Result:
    """What `outcomes`, one for each command of `plan`, say of its rows."""
    refused_accounts = {
        reference: outcome.refusal
        for reference, outcome in zip(plan.opening, outcomes, strict=False)
        if outcome.refusal is not None
    }
    errors = {
        index: _error(file, plan.rows[index], _NOT_THERE, party.column)
        for index, party in plan.unknown.items()
    }
    for index, row in enumerate(plan.rows):
        for party in parties(row):
            if party.reference in refused_accounts:
                refusal = refused_accounts[party.reference]
                errors.setdefault(index, _error(file, row, refusal, party.column))
    transfers = outcomes[len(plan.opening) :]
    for index, outcome in zip(plan.moving, transfers, strict=True):
        if outcome.refusal is not None:
            row = plan.rows[index]
            column = _column_of(row, outcome.refusal.field)
            errors.setdefault(index, _error(file, row, outcome.refusal, column))
    opened = outcomes[: len(plan.opening)]
    return Result(
        created=sum(outcome.status is OutcomeStatus.CREATED for outcome in transfers),
        existing=sum(outcome.status is OutcomeStatus.EXISTS for outcome in transfers),
        accounts_opened=sum(outcome.status is OutcomeStatus.CREATED for outcome in opened),
        errors=errors,
        overtaken=any(refusal.code == "reference_taken" for refusal in refused_accounts.values()),
    )


_NOT_THERE: Final = Refusal("account_not_found", "the book has no account of this reference")


def _opening(party: Party, currency: str) -> OpenAccount:
    return OpenAccount(
        id=account_id_of(party.reference),
        currency=currency,
        normal_side=party.normal_side,
        code=party.code,
        reference=party.reference,
        metadata=party.metadata,
        limit=party.limit,
        overdraft=party.overdraft,
    )


def _transfer(row: Row, accounts: Mapping[str, AccountId]) -> CreateTransfer:
    return CreateTransfer(
        id=row.id,
        debit_account=accounts[row.debit.reference],
        credit_account=accounts[row.credit.reference],
        amount=row.amount,
        currency=row.currency,
        effective_at=row.effective_at,
        code=row.code,
        reference=row.reference,
        metadata=row.metadata,
    )


def _error(file: str, row: Row, refusal: Refusal, column: str | None) -> RowError:
    return RowError(file=file, line=row.line, code=refusal.code, detail=refusal.detail, column=column)


def _column_of(row: Row, field: str | None) -> str | None:
    """The column of the file behind a field of the transfer."""
    match field:
        case "debit_account":
            return row.debit.column
        case "credit_account":
            return row.credit.column
        case "id" | "amount" | "currency" | "effective_at":
            column: str | None = getattr(row.columns, field)
            return column
        case _:
            return None
