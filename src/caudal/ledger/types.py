"""The ledger's vocabulary: accounts, the commands that change a book, and what is recorded of them.

Amounts and counters are integers in minor units of the account's currency. Ids are the external form
(`acct_…`, `tr_…`, `txn_…`); inside the database they are UUIDs, and accounts have a narrow number beside.

None of these structs can be part of a reference cycle, so the garbage collector need not track them
(`gc=False`): a batch of 8,000 makes some 30,000 of them.
"""

import datetime as dt
import enum
from typing import NewType, TypeAlias

import msgspec

AccountId = NewType("AccountId", str)
TransferId = NewType("TransferId", str)
TransactionId = NewType("TransactionId", str)
Metadata: TypeAlias = dict[str, str]
"""What a caller keeps with an object: at most 50 pairs, keys to 40 and values to 500 characters."""

COUNTER_MAX = 2**63 - 1
"""A counter is a PostgreSQL bigint; a transfer that would pass this is refused."""


class Side(enum.Enum):
    """The side on which an account's balance grows."""

    DEBIT = "debit"
    """Assets and expenses: what the book owns, or has spent."""
    CREDIT = "credit"
    """Liabilities, equity and income: what the book owes, as a customer's balance."""


class AccountStatus(enum.Enum):
    """Whether callers may move money on an account."""

    OPEN = "open"
    FROZEN = "frozen"
    """No new transfers; open holds may be voided and expire."""
    CLOSED = "closed"
    """As frozen, and at zero; may be reopened."""


class LimitRule(enum.Enum):
    """What bounds an account. The overdraft says by how much the bound may be passed."""

    NONE = "none"
    DEBITS_MUST_NOT_EXCEED_CREDITS = "debits_must_not_exceed_credits"
    CREDITS_MUST_NOT_EXCEED_DEBITS = "credits_must_not_exceed_debits"


class TransferKind(enum.Enum):
    """What a row of the journal does to the counters of its two accounts."""

    POSTED = "posted"
    """Adds the amount to debits posted of the one and credits posted of the other."""
    PENDING = "pending"
    """A hold: adds the amount to the pending counters."""
    POST = "post_pending"
    """Releases a hold whole and posts at most its amount."""
    VOID = "void_pending"
    """Releases a hold; moves nothing."""
    EXPIRY = "expiry"
    """Releases a hold whose time has passed; written by the ledger itself."""
    REVERSAL = "reversal"
    """Posts back, whole or in part, what an earlier transfer posted."""


class HoldState(enum.Enum):
    """Where a hold stands. Only OPEN may change, and only once."""

    OPEN = "open"
    POSTED = "posted"
    VOIDED = "voided"
    EXPIRED = "expired"


class Remainder(enum.Enum):
    """What becomes of the part of a hold that a post leaves."""

    RELEASE = "release"
    HOLD = "hold"
    """It is held anew, under a new id and with the same expiry."""


class Versions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The versions that a caller saw: the transfer is refused if an account has moved since."""

    debit: int | None = None
    credit: int | None = None


class Posting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of a journal entry: an amount on one side of one account."""

    account: AccountId
    side: Side
    amount: int
    currency: str


class Account(msgspec.Struct, kw_only=True, gc=False):
    """An account as the rules see it. The counters move; the rest changes by account commands only."""

    no: int
    """Its narrow number inside the book, never shown outside."""
    id: AccountId
    currency: str
    normal_side: Side
    status: AccountStatus = AccountStatus.OPEN
    debits_posted: int = 0
    credits_posted: int = 0
    debits_pending: int = 0
    credits_pending: int = 0
    max_net_debit: int | None = None
    """Bound of debits posted and pending less credits posted; None is no bound."""
    max_net_credit: int | None = None
    """Bound of credits posted and pending less debits posted; None is no bound."""
    version: int = 0
    """The seq that last touched the account."""
    next_expiry: dt.datetime | None = None
    """Never later than the earliest expiry among the account's open holds."""
    code: str | None = None
    reference: str | None = None
    metadata: Metadata | None = None
    opened_at: dt.datetime | None = None
    kept: bool = False
    """Payments keep it: nobody else moves money on it, but to correct."""


class Terms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What was asked of a transfer beyond its row's columns; most transfers have none."""

    requested: int | None = None
    """With up_to, the amount asked for; the row has the amount moved."""
    whole: bool = False
    """A post or reversal that named no amount."""
    remainder: Remainder | None = None
    expires_at: dt.datetime | None = None
    if_version: Versions | None = None
    min_available: int | None = None
    rate: str | None = None
    beyond_limits: bool = False
    debit_redirected: AccountId | None = None
    """The closed account in whose place the suspense account was debited."""
    credit_redirected: AccountId | None = None


class Transfer(msgspec.Struct, frozen=True, gc=False):
    """One row of a book's journal. Immutable."""

    seq: int
    """Its place in the book's gap-free order."""
    id: TransferId
    recorded_at: dt.datetime
    debit_no: int
    credit_no: int
    debit_account: AccountId
    credit_account: AccountId
    currency: str
    amount: int
    kind: TransferKind
    debit_after: tuple[int, int, int, int]
    """The debited account's counters after it: debits posted, credits posted, debits and credits pending."""
    credit_after: tuple[int, int, int, int]
    related_seq: int | None = None
    """The hold that it resolves, or the transfer that it reverses."""
    related_id: TransferId | None = None
    group_seq: int | None = None
    """The seq of the first member of its linked group or journal entry."""
    effective_at: dt.datetime | None = None
    """None: when it was recorded."""
    code: str | None = None
    reference: str | None = None
    metadata: Metadata | None = None
    terms: Terms | None = None


class Hold(msgspec.Struct, kw_only=True, gc=False):
    """The state of a pending transfer, which itself never changes."""

    seq: int
    id: TransferId
    debit_no: int
    credit_no: int
    amount: int
    expires_at: dt.datetime | None
    state: HoldState = HoldState.OPEN
    resolved_seq: int | None = None


class Transaction(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A recorded journal entry: its postings as the caller gave them, and the transfers that carry them."""

    id: TransactionId
    first_seq: int
    last_seq: int
    recorded_at: dt.datetime
    postings: tuple[Posting, ...]
    effective_at: dt.datetime | None = None
    code: str | None = None
    reference: str | None = None
    metadata: Metadata | None = None
    template: str | None = None
    beyond_limits: bool = False


class AccountEventKind(enum.Enum):
    """What happened to an account, beside transfers."""

    OPENED = "opened"
    FROZEN = "frozen"
    UNFROZEN = "unfrozen"
    CLOSED = "closed"
    REOPENED = "reopened"
    LIMIT_CHANGED = "limit_changed"


class AccountEvent(msgspec.Struct, frozen=True, gc=False):
    """An account's change of status or limit, in its place in the book's order."""

    seq: int
    account_no: int
    account: AccountId
    kind: AccountEventKind
    status: AccountStatus
    max_net_debit: int | None
    max_net_credit: int | None
    recorded_at: dt.datetime


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """Why a command was refused: a code of the table `refusals.REASONS`, the field, and words for people."""

    code: str
    detail: str
    field: str | None = None
    passing: bool = False
    """Rests on the state of the book, which may change: the id is burned, so that a late duplicate fails."""


class OutcomeStatus(enum.Enum):
    """What became of a command."""

    CREATED = "created"
    EXISTS = "exists"
    """The same command was carried out before; the answer is the original's."""
    REFUSED = "refused"


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """The result of one command."""

    status: OutcomeStatus
    transfer: Transfer | None = None
    """Of a transfer command, what it recorded."""
    remainder: Transfer | None = None
    """Of a post that holds the rest anew, the new hold."""
    transaction: Transaction | None = None
    transfers: tuple[Transfer, ...] = ()
    """Of a journal entry, its transfers in order."""
    account: Account | None = None
    """Of an account command, the account after it (a copy)."""
    refusal: Refusal | None = None
