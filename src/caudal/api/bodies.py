"""What callers send: bodies and query parameters. Every struct refuses fields that it does not know."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from caudal.api.fields import (
    MAX_VERSION,
    AccountIdText,
    Amount,
    AmountOrZero,
    Code,
    Currency,
    Metadata,
    Moment,
    Rate,
    Reference,
    TransactionIdText,
    TransferIdText,
)
from caudal.ledger import LimitRule, Remainder, Side, Versions
from caudal_base.money import MAX_AMOUNT

MAX_BATCH = 8_000
MAX_POSTINGS = 1_000


class RequestBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What all bodies have in common."""


Version = Annotated[int, Meta(ge=0, le=MAX_VERSION, description="An account's version.")]
MinAvailable = Annotated[
    AmountOrZero, Meta(le=MAX_AMOUNT, description="What each account that it lowers must keep available.")
]
Pending = Annotated[bool, Meta(description="Hold the amount instead of posting it.")]
BeyondLimits = Annotated[
    bool,
    Meta(
        description="What has happened outside already: passes limits and freezes, and goes to the suspense "
        "account where an account is closed. Needs the scope `ledger:beyond_limits`."
    ),
]
Linked = Annotated[bool, Meta(description="Succeeds or fails together with the next item.")]


class IfVersion(RequestBody, frozen=True, kw_only=True):
    """The versions that you saw: the transfer is refused if an account has moved since."""

    debit: Version | None = None
    credit: Version | None = None

    def versions(self) -> Versions:
        """As the ledger has it."""
        return Versions(debit=self.debit, credit=self.credit)


class NewTransfer(RequestBody, frozen=True, kw_only=True):
    """Debit one account, credit another."""

    debit_account: AccountIdText
    credit_account: AccountIdText
    amount: Amount
    currency: Currency
    id: TransferIdText | None = None
    pending: Pending = False
    expires_at: Moment | None = None
    effective_at: Moment | None = None
    code: Code | None = None
    reference: Reference | None = None
    metadata: Metadata | None = None
    if_version: IfVersion | None = None
    min_available: MinAvailable | None = None
    up_to: Annotated[
        bool, Meta(description="Move what is available, at most the amount; the answer says how much.")
    ] = False
    rate: Rate | None = None
    beyond_limits: BeyondLimits = False


class PostHold(RequestBody, frozen=True, kw_only=True):
    """Post a hold, whole or in part."""

    id: TransferIdText | None = None
    amount: Amount | None = None
    remainder: Annotated[Remainder, Meta(description="What becomes of the part that is not posted.")] = (
        Remainder.RELEASE
    )
    effective_at: Moment | None = None
    code: Code | None = None
    reference: Reference | None = None
    metadata: Metadata | None = None
    beyond_limits: BeyondLimits = False


class VoidHold(RequestBody, frozen=True, kw_only=True):
    """Release a hold."""

    id: TransferIdText | None = None
    code: Code | None = None
    reference: Reference | None = None
    metadata: Metadata | None = None


class Reverse(RequestBody, frozen=True, kw_only=True):
    """Move back what a transfer moved, whole what is left of it or a part."""

    id: TransferIdText | None = None
    amount: Amount | None = None
    effective_at: Moment | None = None
    code: Code | None = None
    reference: Reference | None = None
    metadata: Metadata | None = None
    beyond_limits: BeyondLimits = False


class BatchItem(RequestBody, frozen=True, kw_only=True):
    """One command of a batch.

    `transfer` needs both accounts, amount and currency; `post_pending` and `void_pending` need `pending_id`;
    `reversal` needs `original_id`. A field that does not go with the type is refused.
    """

    id: TransferIdText
    type: Literal["transfer", "post_pending", "void_pending", "reversal"] = "transfer"
    debit_account: AccountIdText | None = None
    credit_account: AccountIdText | None = None
    amount: Amount | None = None
    currency: Currency | None = None
    pending_id: TransferIdText | None = None
    original_id: TransferIdText | None = None
    pending: Pending = False
    expires_at: Moment | None = None
    effective_at: Moment | None = None
    code: Code | None = None
    reference: Reference | None = None
    metadata: Metadata | None = None
    if_version: IfVersion | None = None
    min_available: MinAvailable | None = None
    up_to: bool = False
    rate: Rate | None = None
    remainder: Remainder | None = None
    beyond_limits: BeyondLimits = False
    linked: Linked = False


class NewBatch(RequestBody, frozen=True, kw_only=True):
    """Transfers to be carried out in order."""

    transfers: Annotated[list[BatchItem], Meta(min_length=1, max_length=MAX_BATCH)]
    atomic: Annotated[bool, Meta(description="All or nothing: links every item to the next.")] = False


class PostingLine(RequestBody, frozen=True, kw_only=True):
    """An amount on one side of one account."""

    account: AccountIdText
    side: Side
    amount: Amount
    currency: Currency


class MoneyArgument(RequestBody, frozen=True, kw_only=True):
    """An amount given to a template."""

    amount: AmountOrZero
    currency: Currency


TextArgument = Annotated[str, Meta(max_length=500)]


class NewTransaction(RequestBody, frozen=True, kw_only=True):
    """A journal entry: postings that balance in every currency, or a template that makes them."""

    id: TransactionIdText | None = None
    postings: Annotated[list[PostingLine], Meta(min_length=2, max_length=MAX_POSTINGS)] | None = None
    template: (
        Annotated[
            str,
            Meta(
                description="A template's name, or `name@version`.",
                min_length=1,
                max_length=80,
                extra_json_schema={"pattern": "^[a-z][a-z0-9_-]{0,62}(@[1-9][0-9]{0,9})?$"},
            ),
        ]
        | None
    ) = None
    parameters: (
        Annotated[
            dict[Annotated[str, Meta(min_length=1, max_length=63)], MoneyArgument | TextArgument],
            Meta(description="What the template asks for.", max_length=50),
        ]
        | None
    ) = None
    effective_at: Moment | None = None
    code: Code | None = None
    reference: Reference | None = None
    metadata: Metadata | None = None
    beyond_limits: BeyondLimits = False


class NewAccount(RequestBody, frozen=True, kw_only=True):
    """Open an account."""

    currency: Currency
    normal_side: Annotated[Side, Meta(description="The side on which its balance grows.")]
    id: AccountIdText | None = None
    code: Code | None = None
    reference: (
        Annotated[
            str, Meta(description="Your own name for it, unique in the book.", min_length=1, max_length=255)
        ]
        | None
    ) = None
    metadata: Metadata | None = None
    limit: LimitRule = LimitRule.NONE
    overdraft: Annotated[AmountOrZero, Meta(description="By how much the limit may be passed.")] = 0


class NewLimit(RequestBody, frozen=True, kw_only=True):
    """Give an account another limit."""

    limit: LimitRule
    overdraft: AmountOrZero = 0


class Write(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The query parameters of POSTs that write."""

    dry_run: Annotated[
        bool,
        Meta(
            description="Answer as if it were done, and write nothing. A creation is answered with 200 then."
        ),
    ] = False
