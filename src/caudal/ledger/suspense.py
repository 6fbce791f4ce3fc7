"""The accounts that stand in for closed ones, and how any account enters a book."""

from caudal.ledger.book import SYSTEM_REFERENCE, Book, derived_id
from caudal.ledger.types import Account, AccountEventKind, AccountId, AccountStatus, Side
from caudal_base.check import check


def redirect(
    book: Book, command_id: str, debit: Account, credit: Account
) -> tuple[Account, Account, tuple[AccountId | None, AccountId | None]]:
    """Put the suspense account in the place of a closed one, for what has happened all the same."""
    debit_closed, credit_closed = debit.status is AccountStatus.CLOSED, credit.status is AccountStatus.CLOSED
    if debit_closed == credit_closed:
        return debit, credit, (None, None)
    suspense = suspense_account(book, command_id, debit.currency)
    if debit_closed:
        return suspense, credit, (debit.id, None)
    return debit, suspense, (None, credit.id)


def suspense_account(book: Book, command_id: str, currency: str) -> Account:
    """The book's suspense account of a currency, opened when it is first needed."""
    reference = suspense_reference(currency)
    known = book.references.get(reference)
    if known is not None:
        return book.accounts[known]
    account = Account(
        no=book.next_account_no,
        id=AccountId(derived_id("acct", command_id, reference)),
        currency=currency,
        normal_side=Side.CREDIT,
        code="suspense",
        reference=reference,
        opened_at=book.recorded_at,
    )
    return add_account(book, account)


def suspense_reference(currency: str) -> str:
    """The reference by which a currency's suspense account is found."""
    return f"{SYSTEM_REFERENCE}suspense:{currency}"


def add_account(book: Book, account: Account) -> Account:
    """Enter a new account into the book."""
    check(account.no == book.next_account_no, "account numbers are handed out in order")
    book.next_account_no += 1
    book.accounts[account.id] = account
    book.openings[account.id] = (account.max_net_debit, account.max_net_credit)
    if account.reference is not None:
        book.references[account.reference] = account.id
    book.new_accounts.append(account)
    book.note(account, AccountEventKind.OPENED)
    return account
