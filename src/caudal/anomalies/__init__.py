"""Anomalies: what is unlike an entity's own past, found online and explained in words.

    await anomalies.declare(connection, book_id, stream, caller=caller, ledger=ledger, at=clock.now())
    more = await anomalies.follow(connection, book_id, version, cases=cases, new_ids=new_ids, caller=caller)

A job of each book follows the events of features in the order in which they became known; what is found is
kept with all that it was computed of, and grouped into cases by entity.
"""

from caudal.anomalies.detecting import Watch
from caudal.anomalies.errors import (
    AnomalyNotFound,
    AnomalySilenceInvalid,
    AnomalyStreamInvalid,
    AnomalyStreamNotFound,
)
from caudal.anomalies.following import FOLLOW, PERIODICS, PURGE, follow, handlers
from caudal.anomalies.rules import MAX_STREAMS
from caudal.anomalies.service import (
    behind,
    declare,
    get_anomaly,
    get_stream,
    list_anomalies,
    list_silences,
    list_streams,
    silence,
)
from caudal.anomalies.types import (
    Anomaly,
    AnomalyBurst,
    AnomalyCounterparty,
    AnomalyDetector,
    AnomalyFilter,
    AnomalyLevel,
    AnomalyPeriod,
    AnomalyStream,
    Behind,
    Found,
    History,
    Profile,
    Silence,
    StreamVersion,
)
from caudal.anomalies.views import (
    AnomalyExplainedView,
    AnomalySilenceView,
    AnomalyStreamStandingView,
    AnomalyView,
    anomaly_view,
    explained_view,
    silence_view,
    stream_view,
)

__all__ = [
    "FOLLOW",
    "MAX_STREAMS",
    "PERIODICS",
    "PURGE",
    "Anomaly",
    "AnomalyBurst",
    "AnomalyCounterparty",
    "AnomalyDetector",
    "AnomalyExplainedView",
    "AnomalyFilter",
    "AnomalyLevel",
    "AnomalyNotFound",
    "AnomalyPeriod",
    "AnomalySilenceInvalid",
    "AnomalySilenceView",
    "AnomalyStream",
    "AnomalyStreamInvalid",
    "AnomalyStreamNotFound",
    "AnomalyStreamStandingView",
    "AnomalyView",
    "Behind",
    "Found",
    "History",
    "Profile",
    "Silence",
    "StreamVersion",
    "Watch",
    "anomaly_view",
    "behind",
    "declare",
    "explained_view",
    "follow",
    "get_anomaly",
    "get_stream",
    "handlers",
    "list_anomalies",
    "list_silences",
    "list_streams",
    "silence",
    "silence_view",
    "stream_view",
]
