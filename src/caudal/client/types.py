"""What the API answers with. Amounts are integers of minor units of the currency beside them; times are UTC.

Fields that a newer API adds are passed over, and new members of enums kept as they are: a client goes on
working with a deployment that is ahead of it.
"""

import datetime as dt
import enum
from collections.abc import Mapping
from typing import Generic, Self, TypeVar

import msgspec

Row = TypeVar("Row")


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What all answers have in common."""


class OpenEnum(enum.StrEnum):
    """Words of which the API may come to know more.

    A word that this client does not know is a member named UNKNOWN whose value is that word.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = "UNKNOWN"
        member._value_ = value
        return member


class Side(enum.StrEnum):
    """The side of an account on which a posting stands, or on which its balance grows."""

    DEBIT = "debit"
    """Assets and expenses: what the book owns, or has spent."""
    CREDIT = "credit"
    """Liabilities, equity and income: what the book owes, as a customer's balance."""


class AccountStatus(OpenEnum):
    """Whether callers may move money on an account."""

    OPEN = "open"
    FROZEN = "frozen"
    """No new transfers; open holds may be voided, and expire."""
    CLOSED = "closed"
    """As frozen, and at zero; may be reopened."""


class Limit(OpenEnum):
    """What bounds an account; an overdraft says by how much the bound may be passed."""

    NONE = "none"
    DEBITS_MUST_NOT_EXCEED_CREDITS = "debits_must_not_exceed_credits"
    CREDITS_MUST_NOT_EXCEED_DEBITS = "credits_must_not_exceed_debits"


class TransferKind(OpenEnum):
    """What a transfer does to its two accounts."""

    POSTED = "posted"
    PENDING = "pending"
    """A hold."""
    POST = "post_pending"
    """Releases a hold whole, and posts at most its amount."""
    VOID = "void_pending"
    EXPIRY = "expiry"
    REVERSAL = "reversal"


class HoldState(OpenEnum):
    """Where a hold stands. Only OPEN may change, and only once."""

    OPEN = "open"
    POSTED = "posted"
    VOIDED = "voided"
    EXPIRED = "expired"


class Remainder(OpenEnum):
    """What becomes of the part of a hold that is not posted."""

    RELEASE = "release"
    HOLD = "hold"
    """It is held anew, by a hold of its own."""


class AccountEventKind(OpenEnum):
    """What happened to an account beside transfers."""

    OPENED = "opened"
    FROZEN = "frozen"
    UNFROZEN = "unfrozen"
    CLOSED = "closed"
    REOPENED = "reopened"
    LIMIT_CHANGED = "limit_changed"


class ItemStatus(OpenEnum):
    """What became of an item of a batch."""

    CREATED = "created"
    EXISTS = "exists"
    """The same was done before under this id; its transfer is the original."""
    REFUSED = "refused"


class BookMode(OpenEnum):
    """Whether a book's money is real."""

    LIVE = "live"
    TEST = "test"


class Basis(OpenEnum):
    """By which of its two times a transfer falls into a statement."""

    RECORDED = "recorded"
    EFFECTIVE = "effective"


class RowType(OpenEnum):
    """What a row of the journal is."""

    TRANSFER = "transfer"
    ACCOUNT_EVENT = "account_event"


class Page(Answer, Generic[Row], frozen=True, kw_only=True):
    """A page of a list. It may be shorter than asked, and even empty, and still have a next one."""

    data: tuple[Row, ...]
    next_cursor: str | None
    """Where the next page starts; None at the end."""


class Counters(Answer, frozen=True, kw_only=True):
    """Sums of all that was ever posted or is held, by side."""

    debits_posted: int
    credits_posted: int
    debits_pending: int
    credits_pending: int


class Account(Counters, frozen=True, kw_only=True):
    """An account as it stands."""

    id: str
    currency: str
    normal_side: Side
    status: AccountStatus
    balance: int
    """Posted; positive on the normal side."""
    available: int
    """The balance less what is held out of it."""
    limit: Limit
    overdraft: int
    """By how much the limit may be passed."""
    version: int
    """The seq that last touched it; for `IfVersion`."""
    opened_at: dt.datetime
    code: str | None = None
    reference: str | None = None
    metadata: Mapping[str, str] | None = None


class Balance(Answer, frozen=True, kw_only=True):
    """A balance at a moment."""

    account: str
    currency: str
    normal_side: Side
    balance: int
    """Posted; positive on the normal side."""
    debits_posted: int
    credits_posted: int
    seq: int
    """The book's last seq that is counted."""
    available: int | None = None
    """The balance less what is held out of it; None by effective time, since holds have no value date."""
    debits_pending: int | None = None
    credits_pending: int | None = None
    version: int | None = None
    """The seq that had last touched the account."""
    effective_at: dt.datetime | None = None
    """Of a balance by effective time: the moment."""


class IfVersion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The versions that you saw: a transfer under them is refused if an account has moved since."""

    debit: int | None = None
    credit: int | None = None


class Transfer(Answer, frozen=True, kw_only=True):
    """A transfer as it was recorded; it never changes, but for the `state` of a hold."""

    id: str
    seq: int
    """Its place in the book's gap-free order."""
    kind: TransferKind
    debit_account: str
    credit_account: str
    amount: int
    """What moved; with `up_to` perhaps less than was `requested`."""
    currency: str
    recorded_at: dt.datetime
    effective_at: dt.datetime | None = None
    """When it counts for value, if not when it was recorded."""
    state: HoldState | None = None
    """Of a hold: where it stands, as far as this answer knows."""
    expires_at: dt.datetime | None = None
    pending_id: str | None = None
    """The hold that it resolves."""
    original_id: str | None = None
    """The transfer that it reverses."""
    group_seq: int | None = None
    """The seq of the first member of its linked group or transaction."""
    remainder: Remainder | None = None
    remainder_id: str | None = None
    """The new hold over what a post has left."""
    code: str | None = None
    reference: str | None = None
    metadata: Mapping[str, str] | None = None
    requested: int | None = None
    """With `up_to`: the amount that was asked for."""
    if_version: IfVersion | None = None
    min_available: int | None = None
    rate: str | None = None
    beyond_limits: bool = False
    debit_redirected_from: str | None = None
    """The closed account in whose place the suspense account was debited."""
    credit_redirected_from: str | None = None


class TransferDetail(Transfer, frozen=True, kw_only=True):
    """A transfer, with what has become of it since."""

    resolved_by: str | None = None
    """Of a hold: the post, void or expiry that closed it."""
    reversed_amount: int = 0
    """How much of it reversals have taken back."""
    transaction: str | None = None
    """The transaction that it belongs to."""


class ItemError(Answer, frozen=True, kw_only=True):
    """Why an item of a batch was refused."""

    code: str
    detail: str
    field: str | None = None


class ItemResult(Answer, frozen=True, kw_only=True):
    """What became of an item of a batch: it has a transfer, or an error."""

    status: ItemStatus
    transfer: Transfer | None = None
    error: ItemError | None = None


class BatchResult(Answer, frozen=True, kw_only=True):
    """The items' results, in their order, and how many there are of each kind."""

    results: tuple[ItemResult, ...]
    created: int
    exists: int
    refused: int


class Posting(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a transaction: an amount on one side of one account."""

    account: str
    side: Side
    amount: int
    currency: str


class Transaction(Answer, frozen=True, kw_only=True):
    """A journal entry: its postings as they were given, and the transfers that carry them."""

    id: str
    first_seq: int
    last_seq: int
    recorded_at: dt.datetime
    postings: tuple[Posting, ...]
    effective_at: dt.datetime | None = None
    code: str | None = None
    reference: str | None = None
    metadata: Mapping[str, str] | None = None
    template: str | None = None
    """The template that made it, as `name@version`."""
    beyond_limits: bool = False
    transfers: tuple[Transfer, ...] = ()


class Book(Answer, frozen=True, kw_only=True):
    """A set of accounts that balance together; it never changes."""

    id: str
    name: str
    mode: BookMode
    created_at: dt.datetime
