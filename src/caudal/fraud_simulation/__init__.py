"""A world of payments with fraud in it, for models, rules and tests: drawn from a seed, and labelled.

    from caudal.fraud_simulation import World, simulate

    history = simulate(World(days=90, customers=5_000, terminals=1_000, seed=1))
    history.at_us, history.customer, history.amount, history.fraud     # arrays, in the order of time

Customers pay at terminals near them and online, each in their own way. Terminals and cards are compromised
now and then, accounts are taken over, the ways of fraud drift, and labels come late or never. `write` makes
a file of it, in our columns or in those of the Fraud Detection Handbook's simulator; `drive` lets it pay
through the API of a running book. It needs the extra `caudal[models]`.
"""

from caudal.fraud_simulation.files import Columns, refuse_file, table_of, write
from caudal.fraud_simulation.live import Driven, drive
from caudal.fraud_simulation.simulator import simulate
from caudal.fraud_simulation.types import CURRENCY, History, Scenario, World

__all__ = [
    "CURRENCY",
    "Columns",
    "Driven",
    "History",
    "Scenario",
    "World",
    "drive",
    "refuse_file",
    "simulate",
    "table_of",
    "write",
]
