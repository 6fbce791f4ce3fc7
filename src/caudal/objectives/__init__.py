"""Objectives: what is promised of the service, how fast the budget for failures burns, and who is told.

    meter.accepted(book_id, status, seconds)          # in the API, on the way of a request: two counts
    await meter.flush(database)                       # every few seconds
    await objectives.put(connection, book_id, objective, caller=caller, ledger=ledger, at=clock.now())
    await objectives.watched(connection, book_id)     # with how each of them stands

A job of each book counts what other rooms have done, evaluates the burn rates over several windows, and tells
of alerts that open and end as events: `objective.burning`, `objective.recovered`.
"""

from caudal.objectives.errors import ObjectiveInvalid, ObjectiveNotFound
from caudal.objectives.meter import Meter
from caudal.objectives.prometheus import rule_file
from caudal.objectives.rules import BURN_RULES, DEFAULTS, WINDOWS
from caudal.objectives.service import MAX_OBJECTIVES, get, history, put, watched
from caudal.objectives.types import Indicator, Objective, Severity, Standing, Version, Watched
from caudal.objectives.views import ObjectiveStandingView, ObjectiveView, objective_view
from caudal.objectives.watching import BURNING, PERIODICS, RECOVERED, WATCH, evaluate, handlers, measure

__all__ = [
    "BURNING",
    "BURN_RULES",
    "DEFAULTS",
    "MAX_OBJECTIVES",
    "PERIODICS",
    "RECOVERED",
    "WATCH",
    "WINDOWS",
    "Indicator",
    "Meter",
    "Objective",
    "ObjectiveInvalid",
    "ObjectiveNotFound",
    "ObjectiveStandingView",
    "ObjectiveView",
    "Severity",
    "Standing",
    "Version",
    "Watched",
    "evaluate",
    "get",
    "handlers",
    "history",
    "measure",
    "objective_view",
    "put",
    "rule_file",
    "watched",
]
