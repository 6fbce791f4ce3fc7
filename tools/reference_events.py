"""The page docs/reference/events.md, made from the catalogue of events and the schemas of their data."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from reference_text import HEAD, first_line, table

from caudal.api import FAMILIES, schemas_of

_EVENTS_INTRODUCTION: Final = """\
# Events

An event is told for every change of state of what is listed here, in the transaction of the change.
`GET /v1/events` shows it, and [webhooks](../guides/webhooks-out.md) bring it, byte for byte the same:

```json
{
  "id": "evt_0199f3a5c2d47e8f9a0b1c2d3e4f5a6b",
  "seq": 1017,
  "type": "payment.succeeded",
  "version": 1,
  "object_type": "payment",
  "object": "pay_0199f3a4c2d47e8f9a0b1c2d3e4f5a6b",
  "created_at": "2026-03-02T09:30:15.123456Z",
  "data": {}
}
```

`seq` is its place among the events of its book, without gaps. `data` is the object after the change, as the
API showed it then; its form follows from the type and the `version`. A version changes when a reader would
have to: a field that goes, or means something else. Fields may be added without, so ignore those that you do
not know. An event never changes: old ones keep the version that they were told in.

The same is there for programs: the [OpenAPI document](openapi.json) has an entry under `webhooks` for each
type, with the JSON Schema of its version and an example.

What has a log of its own is not told again: what is posted in the ledger, by `seq` (`GET /v1/transfers`), the
statuses of its accounts, and who did what (the audit log). Partners' outages come and go by measurement:
`GET /v1/routing/partners` shows them.
"""


def events_page() -> str:
    """docs/reference/events.md"""
    parts = [HEAD + _EVENTS_INTRODUCTION]
    inner: dict[str, Any] = {}
    for family in FAMILIES:
        rows = ((f"`{type_}`", meaning) for type_, meaning in family.types.items())
        ((reference,), components) = schemas_of([family.data])
        name = reference["$ref"].rpartition("/")[2]
        inner |= {other: one for other, one in components.items() if other != name}
        parts += [
            f"## {family.object_type}: version {family.version}\n",
            table(("type", "meaning"), rows),
            first_line(components[name].get("description")) + "\n",
            table(("field of `data`", "type", "", "meaning"), _fields(name, components)),
            "```json\n" + json.dumps(family.example, indent=2, ensure_ascii=False) + "\n```\n",
        ]
    parts.append("## Objects in `data`\n")
    for name in sorted(name for name, one in inner.items() if "properties" in one):
        parts += [
            f"### {name}\n",
            first_line(inner[name].get("description")) + "\n",
            table(("field", "type", "", "meaning"), _fields(name, inner)),
        ]
    return "\n".join(parts)


def _fields(name: str, components: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """The rows of an object's fields."""
    for field, schema in components[name]["properties"].items():
        yield (
            f"`{field}`",
            _json_type(schema, components),
            "" if field in components[name].get("required", ()) else "may be left out",
            schema.get("description", "").replace("\n", " "),
        )


def _json_type(schema: Mapping[str, Any], components: Mapping[str, Any]) -> str:
    """What a field may be, in a word or two."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        target = components[name]
        if "properties" in target:
            return f"[{name}](#{name.lower()})"
        if "enum" in target:
            return " ".join(f"`{value}`" for value in target["enum"])
        return str(target.get("type", "any"))
    if "anyOf" in schema:
        return " or ".join(_json_type(one, components) for one in schema["anyOf"])
    if "enum" in schema:
        return " ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array" and "items" in schema:
        return f"array of {_json_type(schema['items'], components)}"
    return str(schema.get("format", schema.get("type", "any")))
