"""Routing as the command line shows it: the same names as the API's."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import msgspec
from rich.console import Console

from caudal import routing
from caudal.cli.terminal import facts
from caudal.connectors import Capabilities
from caudal.payments import Tried
from caudal.routing import Conditioned, Figures, Outcome, Version


def version_shape(
    version: Version, current: int | None, partners: Mapping[str, Capabilities]
) -> dict[str, Any]:
    """A rule set, with what speaks against it."""
    problems = routing.problems(version.rules, partners)
    written = msgspec.to_builtins(version.rules)
    return {
        "name": f"v{version.version}",
        "version": version.version,
        "current": version.version == current,
        "rules": written["rules"],
        "routes": written.get("routes", {}),
        "retries": written.get("retries", []),
        "note": version.rules.note,
        "created_at": version.created_at,
        "created_by": version.created_by,
        "published_at": version.published_at,
        "published_by": version.published_by,
        "problems": [{"code": one.code, "detail": one.detail, "field": one.field} for one in problems],
        "warnings": [] if problems else routing.warnings(version.rules, partners),
    }


def show_rule_set(out: Console, shape: Mapping[str, Any]) -> None:
    """A rule set for people: its rules in order, then what speaks against it."""
    state = "current" if shape["current"] else "published before" if shape["published_at"] else "draft"
    rows = [("rule set", f"{shape['name']} ({state})"), ("created", shape["created_at"])]
    if shape["note"]:
        rows.append(("note", shape["note"]))
    rows += [
        (f"rule {rule['name']}", f"{_when(rule.get('when', {}))} → {_way(rule)}") for rule in shape["rules"]
    ]
    rows += [(f"route {name}", _way(route)) for name, route in shape["routes"].items()]
    rows += [("retry", _retry(row)) for row in shape["retries"]]
    rows += [("problem", f"{one['detail']} ({one['field']}, {one['code']})") for one in shape["problems"]]
    rows += [("warning", text) for text in shape["warnings"]]
    out.print(facts(rows))


def _when(conditions: Mapping[str, Any]) -> str:
    parts = []
    for name, value in conditions.items():
        shown = str(value) if isinstance(value, int) else ", ".join(value)
        parts.append(f"{name} {shown}")
    return "; ".join(parts) or "everything"


def _way(one: Mapping[str, Any]) -> str:
    return ", then ".join(_hop(hop) for hop in (one["to"], *one.get("next", ())))


def _hop(hop: Mapping[str, Any]) -> str:
    if hop.get("split"):
        return " / ".join(f"{share['partner']} {share['weight']} %" for share in hop["split"])
    return f"route {hop['route']}" if "route" in hop else str(hop.get("partner"))


def _retry(row: Mapping[str, Any]) -> str:
    where = f" at {row['partner']}" if "partner" in row else ""
    codes = f" ({', '.join(row['codes'])})" if row.get("codes") else ""
    wait = f" after {row['wait_s']} s" if row.get("wait_s") else ""
    return f"{row['cause']}{codes}{where}: {row['then']}{wait}, {row.get('times', 1)} times at most"


def trial_shape(tried: Tried, since: dt.date, through: dt.date) -> dict[str, Any]:
    """What came of a trial."""
    trial = tried.trial
    return {
        "from_day": since.isoformat(),
        "through_day": through.isoformat(),
        "payments": trial.payments,
        "moved": trial.moved,
        "foreign": trial.foreign,
        "lines": [{**msgspec.structs.asdict(one), "rule": one.rule or None} for one in trial.lines],
        "unserved": [msgspec.structs.asdict(one) for one in trial.unserved],
        "complete": tried.complete,
    }


def figures_shape(one: Figures) -> dict[str, Any]:
    """What was counted of a lane."""
    return {
        "rule": one.lane.rule or None,
        "partner": one.lane.partner,
        "currency": one.lane.currency,
        "method": one.lane.method,
        "approved": one.counts.get(Outcome.APPROVED, 0),
        "soft_declines": one.counts.get(Outcome.SOFT_DECLINE, 0),
        "hard_declines": one.counts.get(Outcome.HARD_DECLINE, 0),
        "failed": one.counts.get(Outcome.FAILED, 0),
        "not_sent": one.counts.get(Outcome.NOT_SENT, 0),
        "approved_amount": one.approved_amount,
        "cost": one.cost,
        "approval_basis_points": one.approval_basis_points,
        "cost_basis_points": one.cost_basis_points,
    }


def condition_shape(one: Conditioned) -> dict[str, Any]:
    """A partner's health."""
    outage, drain = one.outage, one.drain
    return {
        "partner": one.partner,
        "health": one.health.value,
        "outage": None
        if outage is None
        else {"reason": outage.reason, "since": outage.since, "until": outage.until},
        "drain": None if drain is None else {"reason": drain.reason, "since": drain.since, "by": drain.by},
    }
