"""What is known of customers, cards, devices, merchants at any moment: declared once, served in
decisions, and read of the past for training, to the same bits.

`Lookup` serves a batch of decisions; `record` keeps events of other sources; `query` is the SQL of the past.
"""

from caudal.features.errors import EventInvalid, FeatureSetNotFound, FeaturesInvalid
from caudal.features.offline import Dialect, query, value
from caudal.features.online import Lookup
from caudal.features.plan import Asked, Plan
from caudal.features.rules import MOST_DISTINCT, key_of, problems
from caudal.features.service import FILL_AT_ONCE, fill, get_version, load_plan, publish, record
from caudal.features.store_sets import Version
from caudal.features.types import Aggregate, Entity, Event, Feature, FeatureSet, Filter, Value

__all__ = [
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
    "Value",
    "Version",
    "fill",
    "get_version",
    "key_of",
    "load_plan",
    "problems",
    "publish",
    "query",
    "record",
    "value",
]
