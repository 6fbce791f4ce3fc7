"""A rule set as events tell of it."""

import datetime as dt
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from caudal.routing.types import Version
from caudal_base import ids


class RuleSetToldView(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Which rule set it is; `GET /v1/routing/rule-sets/{name}` has its rules, which never change."""

    id: str
    name: str
    """`v3`"""
    version: int
    rules: int
    """How many it has."""
    created_at: Annotated[dt.datetime, Meta(tz=True)]
    created_by: str
    note: str | None = None
    published_at: Annotated[dt.datetime, Meta(tz=True)] | None = None
    """When it was last published; not there: it is a draft."""
    published_by: str | None = None


def rule_set_told(version: Version) -> RuleSetToldView:
    """What is told of a version."""
    return RuleSetToldView(
        id=ids.encode(ids.RULE_SET, UUID(int=version.version)),
        name=f"v{version.version}",
        version=version.version,
        rules=len(version.rules.rules),
        created_at=version.created_at,
        created_by=version.created_by,
        note=version.rules.note,
        published_at=version.published_at,
        published_by=version.published_by,
    )
