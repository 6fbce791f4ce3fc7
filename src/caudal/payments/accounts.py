"""The ledger accounts between which payments move money. Their ids follow from what they are for."""

from functools import lru_cache
from typing import Final

from caudal.ledger import AccountId, OpenAccount, Side, derived_id, own_account_id

BANK: Final = "bank:settlement"
INCOME: Final = "fees:income"


@lru_cache(maxsize=65_536)
def wallet(customer: str, currency: str) -> AccountId:
    """A customer's account in a currency."""
    return AccountId(derived_id("acct", customer, currency))


@lru_cache(maxsize=4096)
def _system(reference: str) -> AccountId:
    return own_account_id(reference)


def clearing(partner: str, currency: str) -> AccountId:
    """What a partner owes us (or we it): charges in, refunds, fees and settlements out. Ends at zero."""
    return _system(f"partner:{partner}:clearing:{currency}")


def partner_fees(partner: str, currency: str) -> AccountId:
    """What a partner has cost."""
    return _system(f"partner:{partner}:fees:{currency}")


def bank(currency: str) -> AccountId:
    """Our bank account, as far as partners pay into it and draw on it."""
    return _system(f"{BANK}:{currency}")


def income(currency: str) -> AccountId:
    """What customers have paid us in fees."""
    return _system(f"{INCOME}:{currency}")


def opening(partner: str | None, currency: str) -> list[OpenAccount]:
    """The commands that open a book's own accounts for a partner and a currency; repeats change nothing."""
    names = [(f"{BANK}:{currency}", Side.DEBIT), (f"{INCOME}:{currency}", Side.CREDIT)]
    if partner is not None:
        names += [
            (f"partner:{partner}:clearing:{currency}", Side.DEBIT),
            (f"partner:{partner}:fees:{currency}", Side.DEBIT),
        ]
    return [
        OpenAccount(
            id=_system(reference), currency=currency, normal_side=side, code="payments", reference=reference
        )
        for reference, side in names
    ]
