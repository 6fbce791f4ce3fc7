"""What rules may speak of: payments, lists, the features of a set, and the model's score. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final

from caudal.expressions import (
    BOOL,
    DOUBLE,
    INT,
    STRING,
    TIMESTAMP,
    Environment,
    Kind,
    Type,
    one_of,
    optional,
)
from caudal.features import Aggregate, FeatureSet
from caudal.rules.types import ApplicationValue, RiskRules, RuleStage, RuleSubject

APPLICATION: Final = "application."
FEATURES: Final = "features."
SCORE: Final = "model.score"
AT: Final = "payment.at"
"""The moment of the decision: known without being given."""

_PAYMENT: Final[Mapping[str, Type]] = {
    "payment.amount": INT,
    "payment.currency": STRING,
    "payment.kind": one_of("pay_in", "payout", "internal"),
    AT: TIMESTAMP,
    "payment.method": optional(STRING),
    "payment.customer": optional(STRING),
    "payment.card": optional(STRING),
    "payment.device": optional(STRING),
    "payment.ip": optional(STRING),
    "payment.country": optional(STRING),
    "payment.merchant": optional(STRING),
}

_LISTS: Final[Mapping[str, Type]] = {f"lists.{name}": optional(BOOL) for name in ("block", "allow", "watch")}

_INTEGERS: Final = frozenset(
    {Aggregate.COUNT, Aggregate.SUM, Aggregate.DISTINCT, Aggregate.MIN, Aggregate.MAX}
)

_OF_KIND: Final[Mapping[str, Type]] = {kind.value: Type(kind) for kind in (Kind.INT, Kind.DOUBLE)}


_OF_VALUE: Final[Mapping[ApplicationValue, Type]] = {
    ApplicationValue.INT: INT,
    ApplicationValue.DOUBLE: DOUBLE,
    ApplicationValue.STRING: STRING,
    ApplicationValue.BOOL: BOOL,
}


def type_of(aggregate: Aggregate) -> Type:
    """Counts and sums are whole numbers; what is divided, or measured in seconds, is not."""
    return INT if aggregate in _INTEGERS else DOUBLE


def features_of(declared: FeatureSet | None) -> dict[str, str]:
    """The features of a set by name, with their types as texts; none where there is no set."""
    features = () if declared is None else declared.features
    return {feature.name: type_of(feature.aggregate).kind.value for feature in features}


def environment(
    rules: RiskRules, features: Mapping[str, str], stage: RuleStage, on: RuleSubject,
    only: Iterable[str] | None = None,
) -> Environment:  # fmt: skip
    """The names that rules on something may speak of at a stage; of them `only` some, if that is given.

    `features` are those of the set. A feature may always be missing: a customer is new, a device is not told.
    So may all that an application has.
    """
    types = dict(_LISTS)
    if on is RuleSubject.PAYMENT:
        types |= _PAYMENT
        types |= {FEATURES + name: optional(_OF_KIND[kind]) for name, kind in features.items()}
    else:
        types |= {APPLICATION + name: optional(_OF_VALUE[kind]) for name, kind in rules.application.items()}
    if stage is RuleStage.AFTER_MODEL:
        types[SCORE] = optional(DOUBLE)
    if only is not None:
        kept = set(only)
        types = {name: type_ for name, type_ in types.items() if name in kept}
    return Environment(types)
