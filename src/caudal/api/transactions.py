"""`/v1/transactions`: journal entries of many postings, as given or made by a template."""

from collections.abc import Sequence

import msgspec

from caudal.api.bodies import MoneyArgument, NewTransaction, Write
from caudal.api.endpoint import B, NoBody, NoQuery, Q
from caudal.api.fields import utc
from caudal.api.request import Request
from caudal.api.transfers import MAY_CORRECT, MAY_POST_CLOSED, allow_beyond_limits
from caudal.api.views import json_answer, refusal_answer, transaction_view
from caudal.idempotency import Answer
from caudal.ledger import (
    AccountId,
    Outcome,
    OutcomeStatus,
    Posting,
    RecordTransaction,
    TemplateNotFound,
    TransactionId,
    get_transaction,
    templates,
)
from caudal_base import ids
from caudal_base.errors import CaudalError, InvariantError
from caudal_base.money import MAX_AMOUNT, Money, UnknownCurrency
from caudal_base.personal import refuse_personal
from caudal_base.strictjson import InvalidField, MissingField, UnknownField


def path_transaction_id(request: Request[Q, B]) -> TransactionId:
    """The transaction that the path names. Raises `InvalidId`."""
    text = request.ids["id"]
    ids.decode(ids.TRANSACTION, text)
    return TransactionId(text)


async def create_transaction(request: Request[Write, NewTransaction]) -> Answer:
    """POST /v1/transactions"""
    body = request.body
    if body.beyond_limits:
        allow_beyond_limits(request)
    if body.template is None:
        command = _from_postings(request)
    else:
        try:
            command = await _from_template(request)
        except CaudalError:
            # A newer version of the template may not take what an older one took: a repeat has its answer.
            earlier = await request.earlier_answer()
            if earlier is None:
                raise
            return earlier
    command = msgspec.structs.replace(
        command,
        beyond_limits=body.beyond_limits,
        may_post_closed=MAY_POST_CLOSED in request.principal.scopes,
        may_correct=MAY_CORRECT in request.principal.scopes,
    )
    return await request.carry_out("transaction.create", (command,), _render, dry_run=request.query.dry_run)


def _new_id(request: Request[Write, NewTransaction]) -> TransactionId:
    return TransactionId(request.body.id or request.new_id(ids.TRANSACTION))


def _from_postings(request: Request[Write, NewTransaction]) -> RecordTransaction:
    body = request.body
    if body.postings is None:
        raise MissingField("give postings, or a template", field="postings")
    if body.parameters is not None:
        raise UnknownField("parameters go with a template", field="parameters")
    return RecordTransaction(
        id=_new_id(request),
        postings=tuple(
            Posting(
                account=AccountId(line.account), side=line.side, amount=line.amount, currency=line.currency
            )
            for line in body.postings
        ),
        effective_at=utc(body.effective_at, "effective_at"),
        code=body.code,
        reference=body.reference,
        metadata=body.metadata,
    )


async def _from_template(request: Request[Write, NewTransaction]) -> RecordTransaction:
    body = request.body
    for name in ("postings", "code", "reference", "metadata"):
        if getattr(body, name) is not None:
            raise UnknownField("this comes from the template", field=name)
    name, _, version = (body.template or "").partition("@")
    number = int(version) if version.isascii() and version.isdigit() else None
    if version and (number is None or not 0 < number < 2**31):
        raise InvalidField("expected name or name@version", field="template")
    async with request.services.database.connection() as connection:
        try:
            template = await templates.get(connection, request.book_id, name, number)
        except TemplateNotFound as error:
            raise TemplateNotFound(error.detail, field="template") from None
    arguments = {key: _argument(key, value) for key, value in (body.parameters or {}).items()}
    return templates.expand(
        template,
        arguments,
        transaction_id=_new_id(request),
        effective_at=utc(body.effective_at, "effective_at"),
    )


def _argument(name: str, value: MoneyArgument | str) -> templates.Argument:
    if isinstance(value, str):
        refuse_personal(value, f"parameters.{name}")
        return value
    if not 0 <= value.amount <= MAX_AMOUNT:
        raise InvalidField("an amount is 0 to 2^53 - 1", field=f"parameters.{name}.amount")
    try:
        return Money(value.amount, value.currency)
    except UnknownCurrency as error:
        raise UnknownCurrency(error.detail, field=f"parameters.{name}.currency") from None


def _render(outcomes: Sequence[Outcome]) -> Answer:
    (outcome,) = outcomes
    if outcome.refusal is not None:
        return refusal_answer(outcome.refusal)
    if outcome.transaction is None:
        raise InvariantError("an entry was answered without a transaction")
    view = transaction_view(outcome.transaction, outcome.transfers)
    status = 201 if outcome.status is OutcomeStatus.CREATED else 200
    return json_answer(status, view, ("Location", f"/v1/transactions/{view.id}"))


async def read_transaction(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/transactions/{id}"""
    async with request.services.database.snapshot() as connection:
        entry, transfers = await get_transaction(connection, request.book_id, path_transaction_id(request))
    return json_answer(200, transaction_view(entry, transfers))
