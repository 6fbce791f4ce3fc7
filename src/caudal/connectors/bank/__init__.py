"""A generic bank: credit transfers out, direct debits in, their returns and refunds, and settlements."""

from caudal.connectors.bank.connector import CAPABILITIES, Bank, create
from caudal.connectors.bank.http import API_VERSION, BankApi

__all__ = ["API_VERSION", "CAPABILITIES", "Bank", "BankApi", "create"]
