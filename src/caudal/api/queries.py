"""What callers ask of lists and reads: their query parameters."""

import datetime as dt
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from caudal.api.fields import (
    AccountIdText,
    Code,
    Currency,
    Cursor,
    Limit,
    Metadata,
    Moment,
    Reference,
    Seq,
    TransactionIdText,
    TransferIdText,
)
from caudal.ledger import AccountStatus, Basis, TransferKind


class _Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all of them have in common."""


Day = Annotated[dt.date, Meta(description="A day in UTC, from 1900 to 2999.")]
NewestFirst = Annotated[bool, Meta(description="Go backwards from the newest.")]


class PageQuery(_Query, frozen=True, kw_only=True):
    """A list without conditions."""

    cursor: Cursor | None = None
    limit: Limit = 100


class AccountsQuery(_Query, frozen=True, kw_only=True):
    """Which accounts: those that meet every condition."""

    code: Code | None = None
    reference: Reference | None = None
    currency: Currency | None = None
    status: AccountStatus | None = None
    metadata: Metadata | None = None
    cursor: Cursor | None = None
    limit: Limit = 100


class TransfersQuery(_Query, frozen=True, kw_only=True):
    """Which transfers: those that meet every condition."""

    account: AccountIdText | None = None
    recorded_from: Moment | None = None
    recorded_before: Moment | None = None
    code: Code | None = None
    reference: Reference | None = None
    metadata: Metadata | None = None
    kind: TransferKind | None = None
    group_seq: Seq | None = None
    transaction: TransactionIdText | None = None
    related: TransferIdText | None = None
    newest_first: NewestFirst = False
    cursor: Cursor | None = None
    limit: Limit = 100


class BalanceQuery(_Query, frozen=True, kw_only=True):
    """Of which moment; now if none is given, and at most one can be."""

    at_seq: Seq | None = None
    at_recorded: Moment | None = None
    at_effective: Moment | None = None


class EntriesQuery(_Query, frozen=True, kw_only=True):
    """Which way through the entries."""

    newest_first: NewestFirst = False
    cursor: Cursor | None = None
    limit: Limit = 100


class StatementQuery(_Query, frozen=True, kw_only=True):
    """Which days, both included, by which order, and in which form."""

    from_day: Day = msgspec.field(name="from")
    through_day: Day = msgspec.field(name="through")
    basis: Basis = Basis.RECORDED
    format: Literal["json", "csv"] | None = None


class TemplatesQuery(_Query, frozen=True, kw_only=True):
    """All templates, or the versions of one."""

    name: Annotated[str, Meta(min_length=1, max_length=63)] | None = None
    cursor: Cursor | None = None
    limit: Limit = 100


class TemplateQuery(_Query, frozen=True, kw_only=True):
    """Which version; the newest if none is given."""

    version: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None


class TrialBalanceQuery(_Query, frozen=True, kw_only=True):
    """Of which moment; now if none is given, and at most one can be."""

    at_seq: Seq | None = None
    at_recorded: Moment | None = None
    at_effective_day: Day | None = None


class JournalQuery(_Query, frozen=True, kw_only=True):
    """From where on."""

    after: Seq = 0
    limit: Limit = 1_000
    format: Annotated[
        Literal["json", "ndjson"] | None,
        Meta(description="`ndjson` streams everything up to now, a line each."),
    ] = None
