"""The typed errors of features.

CaudalError
├── NotFound               404  feature_set_not_found
└── Unprocessable          422
    ├── FeaturesInvalid         features_invalid
    └── EventInvalid            risk_event_invalid
"""

from caudal_base.errors import NotFound, Unprocessable


class FeatureSetNotFound(NotFound):
    """The book has no feature set of this version, or none at all."""

    code = "feature_set_not_found"
    title = "There is no such feature set"


class FeaturesInvalid(Unprocessable):
    """A declaration that cannot be: `field` names the part at fault."""

    code = "features_invalid"
    title = "The features cannot be so"


class EventInvalid(Unprocessable):
    """An event that features cannot count: a name, a time or a number that is out of bounds."""

    code = "risk_event_invalid"
    title = "The event cannot be so"
