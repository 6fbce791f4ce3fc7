"""A command that is wrong in several ways always gets the reason that stands first in the table of refusals.

Each case starts with a command that is wrong in every way that can be combined, and puts right what was
found, one fault at a time. The reasons must come in the order of the table, and all of them must come.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from caudal.ledger import (
    AccountAction,
    AccountId,
    Book,
    ChangeStatus,
    Command,
    CreateTransfer,
    LimitRule,
    OpenAccount,
    Outcome,
    OutcomeStatus,
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
    own_account_id,
    rules,
)
from caudal.ledger.refusals import BY_CODE, REASONS

NOW = dt.datetime(2026, 3, 10, 12, 0, tzinfo=dt.UTC)
CLOSED_DAY = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
PLACE = {reason.code: place for place, reason in enumerate(REASONS)}


def account(number: int) -> AccountId:
    return AccountId(f"acct_{number:032x}")


def tr(number: int) -> TransferId:
    return TransferId(f"tr_{number:032x}")


A, B, EMPTY, EURO, FROZEN, CLOSED, LIMITED, FULL, NOBODY = (account(number) for number in range(1, 10))
KEPT = own_account_id("bank:settlement:USD")
(
    OPEN_HOLD,
    POSTED_HOLD,
    VOIDED_HOLD,
    EXPIRED_HOLD,
    PLAIN,
    REVERSED,
    PAYMENT_HOLD,
    OF_PAYMENT,
    ON_KEPT,
    KEPT_HOLD,
) = (tr(number) for number in (*range(101, 108), 121, 122, 123))
PAYMENT = f"pay_{7:032x}"


def carry_out(book: Book, *commands: Command) -> list[Outcome]:
    return rules.apply(book, commands, NOW)


def transfer(
    id_: TransferId, debit: AccountId, credit: AccountId, amount: int, **more: Any
) -> CreateTransfer:
    return CreateTransfer(
        id=id_,
        debit_account=debit,
        credit_account=credit,
        amount=amount,
        currency=more.pop("currency", "USD"),
        **more,
    )


@pytest.fixture
def book() -> Book:
    """Accounts in every state, holds in every state, and a closed period."""
    book = Book(recorded_at=NOW)
    limited = {"limit": LimitRule.DEBITS_MUST_NOT_EXCEED_CREDITS}
    for id_, currency, more in (
        (A, "USD", {}), (B, "USD", {}), (EMPTY, "USD", limited), (EURO, "EUR", {}), (FROZEN, "USD", {}),
        (CLOSED, "USD", {}), (FULL, "USD", {}),
        (LIMITED, "USD", {"limit": LimitRule.CREDITS_MUST_NOT_EXCEED_DEBITS}),
    ):  # fmt: skip
        carry_out(book, OpenAccount(id=id_, currency=currency, normal_side=Side.CREDIT, **more))
    held = {"pending": True}
    made = carry_out(
        book,
        *(transfer(id_, A, B, 50, **held) for id_ in (OPEN_HOLD, POSTED_HOLD, VOIDED_HOLD)),
        transfer(EXPIRED_HOLD, A, B, 50, expires_at=NOW + dt.timedelta(seconds=1), **held),
        transfer(PAYMENT_HOLD, A, B, 50, reference=PAYMENT, **held),
        transfer(PLAIN, A, B, 50),
        transfer(REVERSED, A, B, 50),
        PostPending(id=tr(111), pending_id=POSTED_HOLD),
        VoidPending(id=tr(112), pending_id=VOIDED_HOLD),
        ReverseTransfer(id=tr(113), original_id=REVERSED),
        ChangeStatus(account=FROZEN, action=AccountAction.FREEZE),
        ChangeStatus(account=CLOSED, action=AccountAction.CLOSE),
    )
    assert all(outcome.status is OutcomeStatus.CREATED for outcome in made)
    book.for_payments = True
    by_payments = carry_out(
        book,
        OpenAccount(
            id=KEPT, currency="USD", normal_side=Side.DEBIT, reference="bank:settlement:USD", code="payments"
        ),
        transfer(OF_PAYMENT, A, B, 50, reference=PAYMENT),
        transfer(ON_KEPT, KEPT, B, 50),
        transfer(KEPT_HOLD, KEPT, B, 50, pending=True),
    )
    assert all(outcome.status is OutcomeStatus.CREATED for outcome in by_payments)
    book.for_payments = False
    rules.apply(book, [transfer(tr(114), A, B, 1)], NOW + dt.timedelta(seconds=2))
    book.accounts[FULL].debits_posted = book.accounts[FULL].credits_posted = 2**63 - 1
    book.closed_through = dt.date(2026, 2, 28)
    book.refused_ids[tr(900)] = "exceeds_debit_limit"
    book.refused_ids[TransactionId(f"txn_{900:032x}")] = "exceeds_debit_limit"
    return book


def assert_order(book: Book, command: Command, repairs: Sequence[tuple[str, dict[str, Any]]]) -> None:
    found = []
    for code, repair in repairs:
        (outcome,) = carry_out(book, command)
        assert outcome.refusal is not None, f"expected {code}"
        found.append(outcome.refusal.code)
        # What was burned is given a new id: the order, not the memory, is looked at.
        book.refused_ids = {
            id_: reason for id_, reason in book.refused_ids.items() if id_.endswith(f"{900:x}")
        }
        command = msgspec.structs.replace(command, **repair)
    assert found == [code for code, _ in repairs]
    assert found == sorted(found, key=PLACE.__getitem__)
    (outcome,) = carry_out(book, command)
    assert outcome.status is OutcomeStatus.CREATED, outcome.refusal


def test_a_transfer(book: Book) -> None:
    assert_order(
        book,
        transfer(
            tr(900), NOBODY, NOBODY, 0, currency="XXX", expires_at=NOW - dt.timedelta(days=1),
            effective_at=CLOSED_DAY, min_available=-1, rate="x", if_version=Versions(debit=999, credit=999),
        ),
        [
            ("amount_must_be_positive", {"amount": 2**53}),
            ("amount_too_large", {"amount": 2**53 - 1}),
            ("unknown_currency", {"currency": "EUR"}),
            ("same_account", {"credit_account": account(98)}),
            ("expiry_needs_pending", {"expires_at": None}),
            ("min_available_negative", {"min_available": 10}),
            ("rate_invalid", {"rate": "2"}),
            ("rate_needs_two_legs", {"rate": None}),
            ("id_already_refused", {"id": tr(1)}),
            ("debit_account_not_found", {"debit_account": CLOSED}),
            ("credit_account_not_found", {"credit_account": CLOSED, "debit_account": FROZEN}),
            ("currency_mismatch", {"currency": "USD"}),
            ("period_closed", {"effective_at": None, "debit_account": CLOSED, "credit_account": FROZEN}),
            ("debit_account_closed", {"debit_account": FROZEN, "credit_account": CLOSED}),
            ("credit_account_closed", {"credit_account": LIMITED}),
            ("debit_account_frozen", {"debit_account": EMPTY, "credit_account": FROZEN}),
            ("credit_account_frozen", {"credit_account": LIMITED}),
            ("debit_version_mismatch", {"if_version": Versions(credit=999)}),
            ("credit_version_mismatch", {"if_version": None}),
            ("min_available_breached", {"min_available": None}),
            ("exceeds_debit_limit", {"debit_account": FULL}),
            ("exceeds_credit_limit", {"credit_account": B}),
            ("counter_overflow", {"debit_account": A}),
        ],
    )  # fmt: skip


def test_a_hold(book: Book) -> None:
    assert_order(
        book,
        transfer(
            tr(2), NOBODY, B, 5, pending=True, effective_at=CLOSED_DAY, expires_at=NOW - dt.timedelta(days=1)
        ),
        [
            ("pending_has_no_effective_at", {"effective_at": None}),
            ("expires_in_the_past", {"expires_at": None}),
            ("debit_account_not_found", {"debit_account": A}),
        ],
    )


def test_up_to(book: Book) -> None:
    assert_order(
        book,
        transfer(tr(3), EMPTY, FROZEN, 5, up_to=True, rate="1"),
        [
            ("up_to_with_rate", {"rate": None}),
            ("credit_account_frozen", {"credit_account": B}),
            ("nothing_available", {"debit_account": B, "credit_account": A}),
        ],
    )


def test_a_post(book: Book) -> None:
    assert_order(
        book,
        PostPending(id=tr(900), pending_id=tr(999), amount=0, effective_at=CLOSED_DAY),
        [
            ("amount_must_be_positive", {"amount": 2**53}),
            ("amount_too_large", {"amount": 51}),
            ("id_already_refused", {"id": tr(4)}),
            ("pending_transfer_not_found", {"pending_id": PLAIN}),
            ("transfer_not_pending", {"pending_id": PAYMENT_HOLD}),
            ("hold_of_payment", {"pending_id": POSTED_HOLD}),
            ("pending_already_posted", {"pending_id": VOIDED_HOLD}),
            ("pending_already_voided", {"pending_id": EXPIRED_HOLD}),
            ("pending_expired", {"pending_id": KEPT_HOLD}),
            ("account_of_payments", {"pending_id": OPEN_HOLD}),
            ("exceeds_pending_amount", {"amount": 50}),
            ("period_closed", {"effective_at": None}),
        ],
    )


@pytest.mark.parametrize("resolve", [PostPending, VoidPending])
@pytest.mark.parametrize("reference", [None, f"pay_{8:032x}", f"{PAYMENT}0"])
def test_the_hold_of_a_payment_is_resolved_by_the_payments_own_commands_only(
    book: Book, resolve: type[PostPending | VoidPending], reference: str | None
) -> None:
    strange = resolve(id=tr(10), pending_id=PAYMENT_HOLD, reference=reference)
    (refused,) = carry_out(book, strange)
    assert refused.refusal is not None
    assert refused.refusal.code == "hold_of_payment"

    (outcome,) = carry_out(book, msgspec.structs.replace(strange, reference=PAYMENT))
    assert outcome.status is OutcomeStatus.CREATED


def test_the_rest_of_a_payments_hold_is_the_payments_too(book: Book) -> None:
    (posted,) = carry_out(
        book,
        PostPending(
            id=tr(10), pending_id=PAYMENT_HOLD, amount=20, remainder=Remainder.HOLD, reference=PAYMENT
        ),
    )
    assert posted.remainder is not None

    (refused,) = carry_out(book, VoidPending(id=tr(11), pending_id=posted.remainder.id))

    assert refused.refusal is not None
    assert refused.refusal.code == "hold_of_payment"


def test_a_hold_that_only_mentions_a_payment_is_anybodys(book: Book) -> None:
    carry_out(book, transfer(tr(10), A, B, 5, pending=True, reference=f"for {PAYMENT}"))

    (outcome,) = carry_out(book, VoidPending(id=tr(11), pending_id=tr(10)))

    assert outcome.status is OutcomeStatus.CREATED


def test_a_reversal(book: Book) -> None:
    assert_order(
        book,
        ReverseTransfer(id=tr(900), original_id=tr(999), amount=0, effective_at=CLOSED_DAY),
        [
            ("amount_must_be_positive", {"amount": 2**53}),
            ("amount_too_large", {"amount": 51}),
            ("id_already_refused", {"id": tr(5)}),
            ("original_not_found", {"original_id": OPEN_HOLD}),
            ("original_not_posted", {"original_id": OF_PAYMENT}),
            ("transfer_of_payment", {"original_id": ON_KEPT}),
            ("account_of_payments", {"original_id": REVERSED}),
            ("already_reversed", {"original_id": PLAIN}),
            ("exceeds_original_amount", {"amount": 50}),
            ("period_closed", {"effective_at": None}),
        ],
    )


@pytest.mark.parametrize(
    "command",
    [
        transfer(tr(10), KEPT, B, 5),
        transfer(tr(10), A, KEPT, 5, pending=True),
        PostPending(id=tr(10), pending_id=KEPT_HOLD),
        ReverseTransfer(id=tr(10), original_id=OF_PAYMENT),
        ReverseTransfer(id=tr(10), original_id=ON_KEPT, amount=5),
    ],
)
def test_what_payments_keep_is_moved_by_payments_and_to_correct(
    book: Book, command: CreateTransfer | PostPending | ReverseTransfer
) -> None:
    book.closed_through = None
    seq = book.seq

    (refused,) = carry_out(book, command)
    assert refused.refusal is not None
    assert refused.refusal.code in ("account_of_payments", "transfer_of_payment")
    assert not refused.refusal.passing
    assert (book.seq, book.corrected) == (seq, set())

    (corrected,) = carry_out(book, msgspec.structs.replace(command, may_correct=True))
    assert corrected.status is OutcomeStatus.CREATED
    assert book.corrected == {command.id}


def test_what_payments_keep_is_not_closed_and_can_be_frozen(book: Book) -> None:
    (refused,) = carry_out(book, ChangeStatus(account=KEPT, action=AccountAction.CLOSE))
    (frozen,) = carry_out(book, ChangeStatus(account=KEPT, action=AccountAction.FREEZE))

    assert refused.refusal is not None
    assert (refused.refusal.code, refused.refusal.field) == ("account_of_payments", "account")
    assert frozen.status is OutcomeStatus.CREATED


@pytest.mark.parametrize(
    "reference",
    ["fees:income:EUR", "bank:settlement:EUR", "partner:acme:clearing:EUR", "partner:acme:fees:EUR"],
)
def test_nobody_opens_the_accounts_of_payments_in_their_place(book: Book, reference: str) -> None:
    opening = OpenAccount(id=account(50), currency="EUR", normal_side=Side.DEBIT, reference=reference)

    (refused,) = carry_out(book, opening)
    book.for_payments = True
    (opened,) = carry_out(book, opening)

    assert refused.refusal is not None
    assert refused.refusal.code == "reference_reserved"
    assert opened.status is OutcomeStatus.CREATED


def posting(side: Side, account_id: AccountId, amount: int, currency: str = "USD") -> Posting:
    return Posting(account=account_id, side=side, amount=amount, currency=currency)


def test_a_journal_entry(book: Book) -> None:
    debit, credit = Side.DEBIT, Side.CREDIT
    assert_order(
        book,
        RecordTransaction(
            id=TransactionId(f"txn_{900:032x}"),
            postings=(posting(debit, NOBODY, 0, "XXX"), posting(credit, NOBODY, 2)),
            effective_at=CLOSED_DAY,
        ),
        [
            (
                "amount_must_be_positive",
                {"postings": (posting(debit, NOBODY, 1, "XXX"), posting(credit, NOBODY, 2))},
            ),
            ("unknown_currency", {"postings": (posting(debit, NOBODY, 1), posting(credit, NOBODY, 2))}),
            ("same_account", {"postings": ()}),
            ("postings_missing", {"postings": (posting(debit, NOBODY, 1), posting(credit, B, 2))}),
            ("postings_unbalanced", {"postings": (posting(debit, NOBODY, 1), posting(credit, B, 1))}),
            ("id_already_refused", {"id": TransactionId(f"txn_{6:032x}")}),
            ("debit_account_not_found", {"postings": (posting(debit, EURO, 1), posting(credit, B, 1))}),
            ("currency_mismatch", {"postings": (posting(debit, KEPT, 1), posting(credit, B, 1))}),
            ("account_of_payments", {"postings": (posting(debit, A, 1), posting(credit, B, 1))}),
            ("period_closed", {"effective_at": None}),
        ],
    )


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("kind", {"pending": True, "effective_at": None}),
        ("debit_account", {"debit_account": EMPTY}),
        ("credit_account", {"credit_account": EMPTY}),
        ("amount", {"amount": 6}),
        ("currency", {"currency": "EUR"}),
        ("effective_at", {"effective_at": NOW}),
        ("code", {"code": "other"}),
        ("reference", {"reference": "other"}),
        ("metadata", {"metadata": {"a": "c"}}),
        ("if_version", {"if_version": Versions(debit=1)}),
        ("min_available", {"min_available": 1}),
        ("up_to", {"up_to": False}),
        ("beyond_limits", {"beyond_limits": False}),
    ],
)
def test_another_content_under_an_id_names_the_first_field_that_differs(
    book: Book, field: str, change: dict[str, Any]
) -> None:
    original = transfer(
        tr(7), B, A, 5, effective_at=CLOSED_DAY, may_post_closed=True, code="c", reference="r",
        metadata={"a": "b"}, up_to=True, beyond_limits=True,
    )  # fmt: skip
    (first,) = carry_out(book, original)
    assert first.status is OutcomeStatus.CREATED
    (same,) = carry_out(book, msgspec.structs.replace(original, may_post_closed=False))
    assert (same.status, same.transfer) == (OutcomeStatus.EXISTS, first.transfer)
    before = book.seq
    (other,) = carry_out(book, msgspec.structs.replace(original, **change))
    assert other.refusal is not None
    assert other.refusal.code == f"exists_with_different_{field}"
    assert book.seq == before


def test_every_code_that_the_rules_can_give_stands_in_the_table_once() -> None:
    assert len(BY_CODE) == len(REASONS)


@pytest.mark.parametrize(
    "reason", [reason for reason in REASONS if reason.passing], ids=lambda reason: reason.code
)
def test_passing_reasons_depend_on_the_book(reason: Any) -> None:
    """A reason that burns the id must lie behind the look-up of the id itself."""
    assert PLACE[reason.code] > PLACE["id_already_refused"]
