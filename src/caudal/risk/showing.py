"""What people and programs are shown of decisions. Nothing here opens or commits a transaction."""

from collections.abc import Mapping, Sequence

import msgspec

from caudal import features
from caudal.features import Feature
from caudal.risk.decision_types import Record
from caudal_base.database import Connection


class FeatureShown(msgspec.Struct, frozen=True, kw_only=True):
    """A feature as it was served."""

    name: str
    value: int | float | None
    """None: it was missing."""
    about: str
    """What it tells, in words; empty where the set does not say."""


async def features_of(
    connection: Connection, book_id: int, records: Sequence[Record]
) -> dict[str, tuple[FeatureShown, ...]]:
    """The features that decisions were served, with their names, by the decision's id."""
    versions = {record.served.feature_set for record in records if record.served.feature_set}
    declared: Mapping[int, tuple[Feature, ...]] = {
        version: (await features.get_version(connection, book_id, version)).declared.features
        for version in sorted(versions)
    }
    return {record.id: shown(record, declared.get(record.served.feature_set, ())) for record in records}


def shown(record: Record, declared: Sequence[Feature]) -> tuple[FeatureShown, ...]:
    """The features that a decision was served, with the names that its set declares."""
    return tuple(
        FeatureShown(name=feature.name, value=value, about=feature.about)
        for feature, value in zip(declared, record.served.features, strict=False)
    )
