"""A bank with a modern API: credit transfers, direct debits, refunds, returns and settlements."""

from caudal_sandbox.bank.partner import BankPartner

__all__ = ["BankPartner"]
