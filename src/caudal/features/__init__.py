"""What is known of customers, cards, devices, merchants at any moment: declared once, served in
decisions, and read of the past for training, to the same bits.

`Lookup` serves a batch of decisions; `record` keeps events of other sources; `query` is the SQL of the past.
"""

from caudal.features.errors import EventInvalid, FeatureSetNotFound, FeaturesInvalid
from caudal.features.offline import (
    DROP_SERIES_TABLES,
    Dialect,
    query,
    series_sums,
    series_tables,
    summed_series,
    value,
)
from caudal.features.online import Lookup
from caudal.features.plan import Asked, Plan
from caudal.features.rules import (
    MOST_DISTINCT,
    grain_of,
    is_name,
    key_of,
    matches,
    problems,
    problems_of_filter,
    seconds_of,
)
from caudal.features.service import FILL_AT_ONCE, fill, get_version, load_plan, publish, record
from caudal.features.store_sets import Version, events_behind
from caudal.features.types import Aggregate, Entity, Event, Feature, FeatureSet, Filter, Series, Value

__all__ = [
    "DROP_SERIES_TABLES",
    "FILL_AT_ONCE",
    "MOST_DISTINCT",
    "Aggregate",
    "Asked",
    "Dialect",
    "Entity",
    "Event",
    "EventInvalid",
    "Feature",
    "FeatureSet",
    "FeatureSetNotFound",
    "FeaturesInvalid",
    "Filter",
    "Lookup",
    "Plan",
    "Series",
    "Value",
    "Version",
    "events_behind",
    "fill",
    "get_version",
    "grain_of",
    "is_name",
    "key_of",
    "load_plan",
    "matches",
    "problems",
    "problems_of_filter",
    "publish",
    "query",
    "record",
    "seconds_of",
    "series_sums",
    "series_tables",
    "summed_series",
    "value",
]
