"""Random histories of a book, for hypothesis: few accounts and few ids, so that commands meet one another."""

import datetime as dt
from dataclasses import dataclass

from hypothesis import strategies as st

from caudal.ledger import (
    AccountAction,
    AccountId,
    ChangeLimit,
    ChangeStatus,
    Command,
    CreateTransfer,
    LimitRule,
    OpenAccount,
    Posting,
    PostPending,
    RecordTransaction,
    Remainder,
    ReverseTransfer,
    Side,
    TransactionId,
    TransferId,
    Versions,
    VoidPending,
)

START = dt.datetime(2026, 3, 1, 12, 0, tzinfo=dt.UTC)
ACCOUNTS = tuple(AccountId(f"acct_{number:032x}") for number in range(1, 7))
UNKNOWN = AccountId(f"acct_{99:032x}")


def transfer_id(number: int) -> TransferId:
    return TransferId(f"tr_{number:032x}")


def opening() -> list[Command]:
    """Six accounts: four in USD, of which one limited, one with an overdraft and one an asset, and two in EUR."""
    return [
        OpenAccount(id=ACCOUNTS[0], currency="USD", normal_side=Side.CREDIT),
        OpenAccount(
            id=ACCOUNTS[1], currency="USD", normal_side=Side.CREDIT, limit=LimitRule.DEBITS_MUST_NOT_EXCEED_CREDITS
        ),
        OpenAccount(
            id=ACCOUNTS[2],
            currency="USD",
            normal_side=Side.CREDIT,
            limit=LimitRule.DEBITS_MUST_NOT_EXCEED_CREDITS,
            overdraft=30,
            reference="customer-3",
            metadata={"owner": "3"},
        ),
        OpenAccount(
            id=ACCOUNTS[3], currency="USD", normal_side=Side.DEBIT, limit=LimitRule.CREDITS_MUST_NOT_EXCEED_DEBITS
        ),
        OpenAccount(id=ACCOUNTS[4], currency="EUR", normal_side=Side.CREDIT, code="2000"),
        OpenAccount(id=ACCOUNTS[5], currency="EUR", normal_side=Side.DEBIT),
    ]


@dataclass(frozen=True)
class Step:
    """One batch, some seconds after the one before."""

    seconds: int
    commands: list[Command]


_ids = st.integers(1, 14).map(transfer_id)
_accounts = st.sampled_from([*ACCOUNTS, *ACCOUNTS, *ACCOUNTS[:4], UNKNOWN])
_amounts = st.one_of(st.integers(1, 40), st.sampled_from([0, 100, 2**53 - 1, 2**53]))
_currencies = st.sampled_from(["USD"] * 6 + ["EUR", "XXX"])
_codes = st.sampled_from([None, None, "fee"])
_metadata = st.sampled_from([None, None, {"order": "1"}])
_often_false = st.sampled_from([False, False, False, True])
_effective = st.sampled_from(
    [None, None, None, START - dt.timedelta(days=40), START - dt.timedelta(days=3), START + dt.timedelta(days=2)]
)
_expiries = st.sampled_from([None, *(START + dt.timedelta(seconds=seconds) for seconds in (-5, 20, 45, 90))])

_create = st.builds(
    CreateTransfer,
    id=_ids,
    debit_account=_accounts,
    credit_account=_accounts,
    amount=_amounts,
    currency=_currencies,
    effective_at=_effective,
    code=_codes,
    reference=st.sampled_from([None, None, "ref-1"]),
    metadata=_metadata,
    if_version=st.sampled_from([None] * 6 + [Versions(debit=3), Versions(credit=4)]),
    min_available=st.sampled_from([None] * 5 + [0, 10]),
    up_to=_often_false,
    beyond_limits=_often_false,
    linked=_often_false,
    may_post_closed=_often_false,
)
_hold = st.builds(
    CreateTransfer,
    id=_ids,
    debit_account=_accounts,
    credit_account=_accounts,
    amount=_amounts,
    currency=_currencies,
    pending=st.just(True),
    expires_at=_expiries,
    beyond_limits=_often_false,
    linked=_often_false,
)
_post = st.builds(
    PostPending,
    id=_ids,
    pending_id=_ids,
    amount=st.one_of(st.none(), _amounts),
    remainder=st.sampled_from(Remainder),
    effective_at=_effective,
    beyond_limits=_often_false,
    linked=_often_false,
)
_void = st.builds(VoidPending, id=_ids, pending_id=_ids, linked=_often_false)
_reverse = st.builds(
    ReverseTransfer,
    id=_ids,
    original_id=_ids,
    amount=st.one_of(st.none(), _amounts),
    effective_at=_effective,
    beyond_limits=_often_false,
    linked=_often_false,
)
_change = st.one_of(
    st.builds(ChangeStatus, account=_accounts, action=st.sampled_from(AccountAction), linked=_often_false),
    st.builds(ChangeLimit, account=_accounts, limit=st.sampled_from(LimitRule), overdraft=st.sampled_from([0, 0, 25])),
    st.builds(
        OpenAccount,
        id=st.sampled_from([*ACCOUNTS, AccountId(f"acct_{77:032x}")]),
        currency=st.sampled_from(["USD", "EUR"]),
        normal_side=st.sampled_from(Side),
        reference=st.sampled_from([None, "customer-3", "customer-9"]),
    ),
)


@st.composite
def _entry(draw: st.DrawFn) -> RecordTransaction:
    amounts = draw(st.lists(st.integers(1, 20), min_size=1, max_size=3))
    accounts = draw(st.permutations(ACCOUNTS[:4]))
    postings = [
        Posting(account=account, side=Side.DEBIT, amount=amount, currency="USD")
        for account, amount in zip(accounts[1:], amounts, strict=False)
    ]
    total = sum(posting.amount for posting in postings) + draw(st.sampled_from([0] * 8 + [1]))
    postings.append(Posting(account=accounts[0], side=Side.CREDIT, amount=total, currency="USD"))
    return RecordTransaction(
        id=TransactionId(f"txn_{draw(st.integers(1, 3)):032x}"),
        postings=tuple(draw(st.permutations(postings))),
        effective_at=draw(_effective),
        metadata=draw(_metadata),
        beyond_limits=draw(_often_false),
        linked=draw(_often_false),
    )


_commands = st.one_of(_create, _create, _create, _hold, _hold, _post, _void, _reverse, _entry(), _change)

histories = st.lists(
    st.builds(Step, seconds=st.sampled_from([0, 1, 10, 30]), commands=st.lists(_commands, min_size=1, max_size=6)),
    min_size=1,
    max_size=8,
)
