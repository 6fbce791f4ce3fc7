"""The endpoints of accounts and their history."""

from typing import Any, Final

from caudal.access import Scope
from caudal.api import accounts, examples, history
from caudal.api.account_views import AccountView, BalanceView, EntryView
from caudal.api.bodies import NewAccount, NewLimit, Write
from caudal.api.declaring import action, listing, reading
from caudal.api.endpoint import Endpoint, KeyUse, NoBody, Shape
from caudal.api.queries import AccountsQuery, BalanceQuery, EntriesQuery, StatementQuery
from caudal.api.statement_views import StatementView

_TAG: Final = "Accounts"
_PATH: Final = {"id": examples.CUSTOMER}


def _change(
    verb: str, summary: str, description: str, handle: Any, example: Any, *, body: Any = NoBody,
    body_example: Any = None,
) -> Endpoint[Any, Any]:  # fmt: skip
    """An endpoint that changes an account."""
    return action(
        f"/v1/accounts/{{id}}/{verb}", f"{verb}_account", _TAG, summary, handle, description=description,
        scope=Scope.ACCOUNTS_WRITE, answer="The account after it.", view=AccountView, example=example,
        body=body, body_example=body_example, refuses=True, path_ids=_PATH,
    )  # fmt: skip


ENDPOINTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="POST",
        path="/v1/accounts",
        name="open_account",
        tag=_TAG,
        summary="Open an account",
        handle=accounts.open_account,
        query=Write,
        body=NewAccount,
        scope=Scope.ACCOUNTS_WRITE,
        key=KeyUse.ACCEPTED,
        answers={
            201: (Shape(description="Opened.", type=AccountView, example=examples.ACCOUNT_VIEW),),
            200: (
                Shape(
                    description="The same was opened before under this id.",
                    type=AccountView,
                    example=examples.ACCOUNT_VIEW,
                ),
            ),
        },
        refuses=True,
        example=examples.NEW_ACCOUNT,
    ),
    listing(
        "/v1/accounts", "list_accounts", _TAG, "Find accounts", accounts.find_accounts, AccountsQuery,
        description="In the order of their opening. A page may be shorter than asked, and even empty, and "
        "still have a `next_cursor`.",
        scope=Scope.LEDGER_READ, answer="A page.", row=AccountView, example=examples.ACCOUNT_LIST,
    ),
    reading(
        "/v1/accounts/{id}", "get_account", _TAG, "Read an account", accounts.read_account,
        scope=Scope.LEDGER_READ, answer="As it stands.", view=AccountView, example=examples.ACCOUNT_VIEW,
        path_ids=_PATH,
    ),
    _change(
        "limit", "Give an account another limit", "Refused where the account stands beyond it already.",
        accounts.change_limit, {**examples.ACCOUNT_VIEW, "overdraft": 5000}, body=NewLimit,
        body_example=examples.NEW_LIMIT,
    ),
    _change(
        "freeze",
        "Freeze an account",
        "No new transfers; open holds may be voided, and expire.",
        accounts.freeze,
        examples.FROZEN_ACCOUNT,
    ),
    _change("unfreeze", "Unfreeze an account", "", accounts.unfreeze, examples.ACCOUNT_VIEW),
    _change(
        "close",
        "Close an account",
        "Only at zero and without open holds.",
        accounts.close,
        examples.CLOSED_ACCOUNT,
    ),
    _change("reopen", "Reopen a closed account", "", accounts.reopen, examples.ACCOUNT_VIEW),
    Endpoint(
        method="GET",
        path="/v1/accounts/{id}/balance",
        name="get_balance",
        tag=_TAG,
        summary="Read a balance, now or of the past",
        description="By what was recorded (`at_seq`, `at_recorded`), which never changes, or by value "
        "(`at_effective`), where a later transfer may still count earlier.",
        handle=history.read_balance,
        query=BalanceQuery,
        body=NoBody,
        scope=Scope.LEDGER_READ,
        answers={200: (Shape(description="The balance.", type=BalanceView, example=examples.BALANCE_VIEW),)},
        errors=(404,),
        path_ids=_PATH,
    ),
    listing(
        "/v1/accounts/{id}/entries", "list_entries", _TAG, "List what has touched an account",
        history.read_entries, EntriesQuery,
        description="Holds, voids and expiries included, each with the account's counters after it.",
        scope=Scope.LEDGER_READ, answer="A page.", row=EntryView, example=examples.ENTRY_LIST,
        errors=(404,), path_ids=_PATH,
    ),
    Endpoint(
        method="GET",
        path="/v1/accounts/{id}/statement",
        name="get_statement",
        tag=_TAG,
        summary="A statement of an account",
        description="Of all days from `from` through `through`, as JSON or, by `format=csv` or "
        "`Accept: text/csv`, as CSV. It is streamed: an answer that breaks off is incomplete. In the CSV "
        "a text that a spreadsheet would take for a formula is preceded by an apostrophe.",
        handle=history.read_statement,
        waits=False,
        query=StatementQuery,
        body=NoBody,
        scope=Scope.LEDGER_READ,
        answers={
            200: (
                Shape(description="The statement.", type=StatementView, example=examples.STATEMENT),
                Shape(
                    description="The statement.",
                    media_type="text/csv",
                    example=examples.STATEMENT_CSV,
                ),
            )
        },
        errors=(404, 422),
        path_ids=_PATH,
    ),
)  # fmt: skip
