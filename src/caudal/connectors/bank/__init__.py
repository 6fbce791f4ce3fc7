"""A generic bank: credit transfers out, direct debits in, their returns and refunds, and settlements."""

from caudal.connectors.bank.connector import API_VERSION, CAPABILITIES, Bank, create

__all__ = ["API_VERSION", "CAPABILITIES", "Bank", "create"]
