"""Seeded worlds: callers, faults and crashes drawn from one number, and what must hold afterwards."""

from caudal.simulation.arrivals import INVARIANTS as INVARIANTS_OF_DELIVERIES
from caudal.simulation.evidence import Evidence, PartnerBook
from caudal.simulation.http import Http, NoAnswer, Reply
from caudal.simulation.invariants import INVARIANTS, broken
from caudal.simulation.leaks import search as search_leaks
from caudal.simulation.nursery import Nursery
from caudal.simulation.partners import Control
from caudal.simulation.payments import run as simulate_payments
from caudal.simulation.plans import Action, Ask, Manner, stream
from caudal.simulation.processes import Kept
from caudal.simulation.requests import Asked
from caudal.simulation.store import Stored, balances, unrest
from caudal.simulation.store import read as read_stored
from caudal.simulation.types import Finding, Parameters, Report, Victim
from caudal.simulation.world import BOOK, NEEDED, SANDBOX, World, answers, python, start

__all__ = [
    "BOOK",
    "INVARIANTS",
    "INVARIANTS_OF_DELIVERIES",
    "NEEDED",
    "SANDBOX",
    "Action",
    "Ask",
    "Asked",
    "Control",
    "Evidence",
    "Finding",
    "Http",
    "Kept",
    "Manner",
    "NoAnswer",
    "Nursery",
    "Parameters",
    "PartnerBook",
    "Reply",
    "Report",
    "Stored",
    "Victim",
    "World",
    "answers",
    "balances",
    "broken",
    "python",
    "read_stored",
    "search_leaks",
    "simulate_payments",
    "start",
    "stream",
    "unrest",
]
