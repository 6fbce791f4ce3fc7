"""What is sent: bodies of POSTs and query parameters. What says nothing is left out."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec

from caudal.client.ids import new_transfer_id
from caudal.client.template_types import Argument, Definition
from caudal.client.types import (
    AccountStatus,
    Basis,
    BookMode,
    IfVersion,
    Limit,
    Posting,
    Remainder,
    Side,
    TransferKind,
)


class Body(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all of them have in common."""


class Marks(Body, frozen=True, kw_only=True):
    """What a caller may write on anything that it records."""

    code: str | None = None
    reference: str | None = None
    metadata: Mapping[str, str] | None = None


class Terms(Marks, frozen=True, kw_only=True):
    """A transfer's accounts, amount and conditions."""

    debit_account: str
    credit_account: str
    amount: int
    currency: str
    pending: bool = False
    expires_at: dt.datetime | None = None
    effective_at: dt.datetime | None = None
    if_version: IfVersion | None = None
    min_available: int | None = None
    up_to: bool = False
    rate: str | None = None
    beyond_limits: bool = False


class NewTransfer(Terms, frozen=True, kw_only=True):
    """POST /v1/transfers"""

    id: str | None = None


class VoidHold(Marks, frozen=True, kw_only=True):
    """POST /v1/transfers/{id}/void"""

    id: str | None = None


class Reverse(Marks, frozen=True, kw_only=True):
    """POST /v1/transfers/{id}/reverse"""

    id: str | None = None
    amount: int | None = None
    effective_at: dt.datetime | None = None
    beyond_limits: bool = False


class PostHold(Reverse, frozen=True, kw_only=True):
    """POST /v1/transfers/{id}/post"""

    remainder: Remainder = Remainder.RELEASE


class TransferItem(Terms, frozen=True, kw_only=True, tag_field="type", tag="transfer"):
    """A transfer in a batch. Its id is made with it, so that the same item never counts twice."""

    id: str = msgspec.field(default_factory=new_transfer_id)
    linked: bool = False
    """Succeeds or fails together with the next item."""


class PostItem(Marks, frozen=True, kw_only=True, tag_field="type", tag="post_pending"):
    """The posting of a hold in a batch."""

    pending_id: str
    id: str = msgspec.field(default_factory=new_transfer_id)
    amount: int | None = None
    """The whole hold if None."""
    remainder: Remainder = Remainder.RELEASE
    effective_at: dt.datetime | None = None
    beyond_limits: bool = False
    linked: bool = False


class VoidItem(Marks, frozen=True, kw_only=True, tag_field="type", tag="void_pending"):
    """The release of a hold in a batch."""

    pending_id: str
    id: str = msgspec.field(default_factory=new_transfer_id)
    linked: bool = False


class ReversalItem(Marks, frozen=True, kw_only=True, tag_field="type", tag="reversal"):
    """A reversal in a batch."""

    original_id: str
    id: str = msgspec.field(default_factory=new_transfer_id)
    amount: int | None = None
    """What is left of the original if None."""
    effective_at: dt.datetime | None = None
    beyond_limits: bool = False
    linked: bool = False


BatchItem: TypeAlias = TransferItem | PostItem | VoidItem | ReversalItem


class Batch(Body, frozen=True, kw_only=True):
    """POST /v1/transfers/batch"""

    transfers: Sequence[BatchItem]
    atomic: bool = False


class NewTransaction(Marks, frozen=True, kw_only=True):
    """POST /v1/transactions"""

    id: str | None = None
    postings: Sequence[Posting] | None = None
    template: str | None = None
    parameters: Mapping[str, Argument] | None = None
    effective_at: dt.datetime | None = None
    beyond_limits: bool = False


class NewAccount(Marks, frozen=True, kw_only=True):
    """POST /v1/accounts"""

    currency: str
    normal_side: Side
    id: str | None = None
    limit: Limit = Limit.NONE
    overdraft: int = 0


class NewLimit(Body, frozen=True, kw_only=True):
    """POST /v1/accounts/{id}/limit"""

    limit: Limit
    overdraft: int = 0


class NewBook(Body, frozen=True, kw_only=True):
    """POST /v1/books"""

    name: str
    mode: BookMode = BookMode.TEST


class NewTemplate(Body, frozen=True, kw_only=True):
    """POST /v1/templates"""

    name: str
    definition: Definition


class NewPeriod(Body, frozen=True, kw_only=True):
    """POST /v1/periods"""

    through: dt.date


class Write(Body, frozen=True, kw_only=True):
    """Whether to do it, or only to say what would come of it."""

    dry_run: bool = False


class ListQuery(Body, frozen=True, kw_only=True):
    """Which page of a list."""

    cursor: str | None = None
    limit: int | None = None


class AccountsQuery(ListQuery, frozen=True, kw_only=True):
    """GET /v1/accounts"""

    code: str | None = None
    reference: str | None = None
    metadata: Mapping[str, str] | None = None
    currency: str | None = None
    status: AccountStatus | None = None


class TransfersQuery(ListQuery, frozen=True, kw_only=True):
    """GET /v1/transfers"""

    code: str | None = None
    reference: str | None = None
    metadata: Mapping[str, str] | None = None
    account: str | None = None
    recorded_from: dt.datetime | None = None
    recorded_before: dt.datetime | None = None
    kind: TransferKind | None = None
    group_seq: int | None = None
    transaction: str | None = None
    related: str | None = None
    newest_first: bool = False


class EntriesQuery(ListQuery, frozen=True, kw_only=True):
    """GET /v1/accounts/{id}/entries"""

    newest_first: bool = False


class TemplatesQuery(ListQuery, frozen=True, kw_only=True):
    """GET /v1/templates"""

    name: str | None = None


class TemplateQuery(Body, frozen=True, kw_only=True):
    """GET /v1/templates/{name}"""

    version: int | None = None


class BalanceQuery(Body, frozen=True, kw_only=True):
    """GET /v1/accounts/{id}/balance"""

    at_seq: int | None = None
    at_recorded: dt.datetime | None = None
    at_effective: dt.datetime | None = None


class TrialBalanceQuery(Body, frozen=True, kw_only=True):
    """GET /v1/trial-balance"""

    at_seq: int | None = None
    at_recorded: dt.datetime | None = None
    at_effective_day: dt.date | None = None


class StatementQuery(Body, frozen=True, kw_only=True):
    """GET /v1/accounts/{id}/statement"""

    from_day: dt.date = msgspec.field(name="from")
    through_day: dt.date = msgspec.field(name="through")
    basis: Basis = Basis.RECORDED


class JournalQuery(Body, frozen=True, kw_only=True):
    """GET /v1/journal"""

    after: int = 0
    limit: int | None = None
