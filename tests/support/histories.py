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
    """Six accounts: four in USD (one limited, one with an overdraft, one an asset) and two in EUR."""
    return [
        OpenAccount(id=ACCOUNTS[0], currency="USD", normal_side=Side.CREDIT),
        OpenAccount(
            id=ACCOUNTS[1],
            currency="USD",
            normal_side=Side.CREDIT,
            limit=LimitRule.DEBITS_MUST_NOT_EXCEED_CREDITS,
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
            id=ACCOUNTS[3],
            currency="USD",
            normal_side=Side.DEBIT,
            limit=LimitRule.CREDITS_MUST_NOT_EXCEED_DEBITS,
        ),
        OpenAccount(id=ACCOUNTS[4], currency="EUR", normal_side=Side.CREDIT, code="2000"),
        OpenAccount(id=ACCOUNTS[5], currency="EUR", normal_side=Side.DEBIT),
    ]


@dataclass(frozen=True)
class Step:
    """One batch, some seconds after the one before."""

    seconds: int
    commands: list[Command]


_rarely = st.sampled_from([False] * 7 + [True])
_amounts = st.one_of(
    st.integers(1, 60), st.integers(1, 60), st.integers(1, 60), st.sampled_from([0, 300, 2**53])
)
_effective = st.sampled_from(
    [
        None,
        None,
        None,
        START - dt.timedelta(days=40),
        START - dt.timedelta(days=3),
        START + dt.timedelta(days=2),
    ]
)
_expiries = st.sampled_from(
    [None, *(START + dt.timedelta(seconds=seconds) for seconds in (-5, 20, 45, 90, 200))]
)
_metadata = st.sampled_from([None, None, {"order": "1"}])


class _Issued:
    """The ids that a history has used so far: most commands refer to one of them, some to none."""

    def __init__(self) -> None:
        self.holds: list[TransferId] = []
        self.posted: list[TransferId] = []
        self.all: list[TransferId] = []

    def fresh(self, draw: st.DrawFn) -> TransferId:
        """A new id, or now and then one that was used before."""
        id_ = (
            draw(st.sampled_from(self.all)) if self.all and draw(_rarely) else transfer_id(len(self.all) + 1)
        )
        self.all.append(id_)
        return id_

    def one_of(self, draw: st.DrawFn, ids: list[TransferId]) -> TransferId:
        known = self.all if draw(_rarely) else ids
        return draw(st.sampled_from(known)) if known else transfer_id(999)


def _pair(draw: st.DrawFn) -> tuple[AccountId, AccountId, str]:
    if draw(_rarely):
        accounts = st.sampled_from([*ACCOUNTS, UNKNOWN])
        return draw(accounts), draw(accounts), draw(st.sampled_from(["USD", "EUR", "XXX"]))
    accounts, currency = draw(st.sampled_from([(ACCOUNTS[:4], "USD")] * 3 + [(ACCOUNTS[4:], "EUR")]))
    debit, credit = draw(st.permutations(accounts))[:2]
    return debit, credit, currency


def _create(draw: st.DrawFn, issued: _Issued) -> CreateTransfer:
    debit, credit, currency = _pair(draw)
    plain = draw(st.booleans())
    return CreateTransfer(
        id=issued.fresh(draw),
        debit_account=debit,
        credit_account=credit,
        amount=draw(_amounts),
        currency=currency,
        effective_at=None if plain else draw(_effective),
        code=None if plain else draw(st.sampled_from([None, "fee"])),
        reference=None if plain else draw(st.sampled_from([None, "ref-1"])),
        metadata=None if plain else draw(_metadata),
        if_version=None
        if plain
        else draw(st.sampled_from([None, None, None, Versions(debit=7), Versions(credit=8)])),
        min_available=None if plain else draw(st.sampled_from([None, None, 0, 10, -1])),
        up_to=not plain and draw(_rarely),
        beyond_limits=draw(_rarely),
        linked=draw(_rarely),
        may_post_closed=draw(_rarely),
    )


def _hold(draw: st.DrawFn, issued: _Issued) -> CreateTransfer:
    debit, credit, currency = _pair(draw)
    id_ = issued.fresh(draw)
    issued.holds.append(id_)
    return CreateTransfer(
        id=id_,
        debit_account=debit,
        credit_account=credit,
        amount=draw(_amounts),
        currency=currency,
        pending=True,
        expires_at=draw(_expiries),
        beyond_limits=draw(_rarely),
        linked=draw(_rarely),
    )


def _post(draw: st.DrawFn, issued: _Issued) -> PostPending:
    pending = issued.one_of(draw, issued.holds)
    id_ = issued.fresh(draw)
    issued.posted.append(id_)
    return PostPending(
        id=id_,
        pending_id=pending,
        amount=draw(st.one_of(st.none(), st.integers(1, 20), _amounts)),
        remainder=draw(st.sampled_from(Remainder)),
        effective_at=draw(_effective),
        beyond_limits=draw(_rarely),
        linked=draw(_rarely),
    )


def _void(draw: st.DrawFn, issued: _Issued) -> VoidPending:
    pending = issued.one_of(draw, issued.holds)
    return VoidPending(id=issued.fresh(draw), pending_id=pending, linked=draw(_rarely))


def _reverse(draw: st.DrawFn, issued: _Issued) -> ReverseTransfer:
    original = issued.one_of(draw, issued.posted)
    return ReverseTransfer(
        id=issued.fresh(draw),
        original_id=original,
        amount=draw(st.one_of(st.none(), st.integers(1, 20))),
        effective_at=draw(_effective),
        beyond_limits=draw(_rarely),
        linked=draw(_rarely),
    )


def _conversion(draw: st.DrawFn, issued: _Issued) -> list[CreateTransfer]:
    rate, second = draw(st.sampled_from([("0.5", 10), ("0.5", 10), ("2", 40), ("0.5", 11), ("0", 10)]))
    legs = [(ACCOUNTS[0], ACCOUNTS[1], 20, "USD"), (ACCOUNTS[4], ACCOUNTS[5], second, "EUR")]
    return [
        CreateTransfer(
            id=issued.fresh(draw),
            debit_account=debit,
            credit_account=credit,
            amount=amount,
            currency=currency,
            rate=rate,
            linked=index == 0,
        )
        for index, (debit, credit, amount, currency) in enumerate(legs)
    ]


def _change(draw: st.DrawFn, _issued: _Issued) -> Command:
    account = draw(st.sampled_from([*ACCOUNTS, UNKNOWN]))
    match draw(st.sampled_from(["status", "status", "limit", "open"])):
        case "status":
            return ChangeStatus(
                account=account, action=draw(st.sampled_from(AccountAction)), linked=draw(_rarely)
            )
        case "limit":
            overdraft = draw(st.sampled_from([0, 0, 25]))
            return ChangeLimit(account=account, limit=draw(st.sampled_from(LimitRule)), overdraft=overdraft)
        case _:
            return OpenAccount(
                id=draw(st.sampled_from([*ACCOUNTS, AccountId(f"acct_{77:032x}")])),
                currency=draw(st.sampled_from(["USD", "EUR"])),
                normal_side=draw(st.sampled_from(Side)),
                reference=draw(st.sampled_from([None, "customer-3", "customer-9"])),
            )


def _entry(draw: st.DrawFn, _issued: _Issued) -> RecordTransaction:
    amounts = draw(st.lists(st.integers(1, 20), min_size=1, max_size=3))
    accounts = draw(st.permutations(ACCOUNTS[:4]))
    postings = [
        Posting(account=account, side=Side.DEBIT, amount=amount, currency="USD")
        for account, amount in zip(accounts[1:], amounts, strict=False)
    ]
    total = sum(posting.amount for posting in postings) + draw(_rarely)
    postings.append(Posting(account=accounts[0], side=Side.CREDIT, amount=total, currency="USD"))
    return RecordTransaction(
        id=TransactionId(f"txn_{draw(st.integers(1, 6)):032x}"),
        postings=tuple(draw(st.permutations(postings))),
        effective_at=draw(_effective),
        metadata=draw(_metadata),
        beyond_limits=draw(_rarely),
        linked=draw(_rarely),
    )


_MAKERS = [_create] * 4 + [_hold] * 4 + [_post] * 3 + [_void, _reverse, _reverse, _entry, _change]


@st.composite
def histories(draw: st.DrawFn) -> list[Step]:
    """Batches after the opening of the accounts and the funding of two of them."""
    issued = _Issued()
    funding: list[Command] = [
        CreateTransfer(
            id=issued.fresh(draw),
            debit_account=debit,
            credit_account=credit,
            amount=200,
            currency=currency,
            beyond_limits=True,
        )
        for debit, credit, currency in ((ACCOUNTS[3], ACCOUNTS[1], "USD"), (ACCOUNTS[5], ACCOUNTS[4], "EUR"))
    ]
    steps = [Step(0, opening()), Step(1, funding)]
    for _ in range(draw(st.integers(1, 7))):
        commands: list[Command] = []
        for maker in draw(st.lists(st.sampled_from(_MAKERS), min_size=1, max_size=6)):
            commands.append(maker(draw, issued))
            if maker is _create:
                issued.posted.append(commands[-1].id)
        if draw(_rarely):
            commands += _conversion(draw, issued)
        steps.append(Step(draw(st.sampled_from([0, 1, 10, 30])), commands))
    return steps
