"""`/v1/accounts`: opening, finding, freezing, closing."""

from collections.abc import Sequence

from caudal.api.account_views import account_view
from caudal.api.bodies import NewAccount, NewLimit, Write
from caudal.api.endpoint import B, NoBody, NoQuery, Q
from caudal.api.paging import number, page_answer
from caudal.api.queries import AccountsQuery
from caudal.api.request import Request
from caudal.api.views import json_answer, refusal_answer
from caudal.idempotency import Answer
from caudal.ledger import (
    AccountAction,
    AccountCommand,
    AccountFilter,
    AccountId,
    ChangeLimit,
    ChangeStatus,
    OpenAccount,
    Outcome,
    OutcomeStatus,
    get_account,
    list_accounts,
)
from caudal_base import ids
from caudal_base.errors import InvariantError


def path_account_id(request: Request[Q, B]) -> AccountId:
    """The account that the path names. Raises `InvalidId`."""
    text = request.ids["id"]
    ids.decode(ids.ACCOUNT, text)
    return AccountId(text)


def _render_opened(outcomes: Sequence[Outcome]) -> Answer:
    (outcome,) = outcomes
    if outcome.refusal is not None:
        return refusal_answer(outcome.refusal)
    if outcome.account is None:
        raise InvariantError("an account command was answered without an account")
    status = 201 if outcome.status is OutcomeStatus.CREATED else 200
    location = ("Location", f"/v1/accounts/{outcome.account.id}")
    return json_answer(status, account_view(outcome.account), location)


def _render_changed(outcomes: Sequence[Outcome]) -> Answer:
    (outcome,) = outcomes
    if outcome.refusal is not None:
        return refusal_answer(outcome.refusal)
    if outcome.account is None:
        raise InvariantError("an account command was answered without an account")
    return json_answer(200, account_view(outcome.account))


async def open_account(request: Request[Write, NewAccount]) -> Answer:
    """POST /v1/accounts"""
    body = request.body
    command = OpenAccount(
        id=AccountId(body.id or request.new_id(ids.ACCOUNT)),
        currency=body.currency,
        normal_side=body.normal_side,
        code=body.code,
        reference=body.reference,
        metadata=body.metadata,
        limit=body.limit,
        overdraft=body.overdraft,
    )
    return await request.carry_out("account.open", (command,), _render_opened, dry_run=request.query.dry_run)


async def find_accounts(request: Request[AccountsQuery, NoBody]) -> Answer:
    """GET /v1/accounts"""
    query = request.query
    wanted = AccountFilter(
        code=query.code,
        reference=query.reference,
        currency=query.currency,
        status=query.status,
        metadata=query.metadata,
    )
    services = request.services
    async with services.database.connection() as connection:
        page = await list_accounts(
            connection,
            request.book_id,
            wanted,
            now=services.clock.now(),
            after=number(query.cursor) or 0,
            limit=query.limit,
        )
    return page_answer([account_view(account) for account in page.rows], page.next)


async def read_account(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/accounts/{id}"""
    services = request.services
    async with services.database.connection() as connection:
        account = await get_account(
            connection, request.book_id, path_account_id(request), now=services.clock.now()
        )
    return json_answer(200, account_view(account))


async def change_limit(request: Request[Write, NewLimit]) -> Answer:
    """POST /v1/accounts/{id}/limit"""
    body = request.body
    command = ChangeLimit(account=path_account_id(request), limit=body.limit, overdraft=body.overdraft)
    return await _change(request, "account.limit", command)


async def freeze(request: Request[Write, NoBody]) -> Answer:
    """POST /v1/accounts/{id}/freeze"""
    return await _change_status(request, AccountAction.FREEZE)


async def unfreeze(request: Request[Write, NoBody]) -> Answer:
    """POST /v1/accounts/{id}/unfreeze"""
    return await _change_status(request, AccountAction.UNFREEZE)


async def close(request: Request[Write, NoBody]) -> Answer:
    """POST /v1/accounts/{id}/close"""
    return await _change_status(request, AccountAction.CLOSE)


async def reopen(request: Request[Write, NoBody]) -> Answer:
    """POST /v1/accounts/{id}/reopen"""
    return await _change_status(request, AccountAction.REOPEN)


async def _change_status(request: Request[Write, NoBody], action: AccountAction) -> Answer:
    command = ChangeStatus(account=path_account_id(request), action=action)
    return await _change(request, f"account.{action.value}", command)


async def _change(request: Request[Write, B], action: str, command: AccountCommand) -> Answer:
    return await request.carry_out(action, (command,), _render_changed, dry_run=request.query.dry_run)
