"""The OpenAPI 3.1 document, made from the endpoints' own declarations: what it says is what is served."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from caudal.access import BOOK_HEADER
from caudal.api import openapi_webhooks
from caudal.api.endpoint import Access, Endpoint, KeyUse, NoBody, Shape
from caudal.api.event_types import EventFamily
from caudal.api.schemas import REFERENCE, Json, schemas_of
from caudal.api.views import Problem
from caudal.idempotency import HEADER as KEY_HEADER
from caudal_base.errors import PROBLEM_MEDIA_TYPE

VERSION: Final = "1.2"
"""Of the contract: the second number grows with every addition."""

_ID: Final = re.compile(r"([a-z]+)_[0-9a-f]{32}")
_NAME: Final = "^[a-z][a-z0-9_-]{0,62}$"
_VERSIONED: Final = "^[a-z][a-z0-9_-]{0,62}(@[1-9][0-9]{0,8})?$"

_INTRODUCTION: Final = """\
Customers, their payments, and the ledger under both, over HTTP. Amounts are integers of minor units with an
ISO 4217 currency, at most 2^53 - 1. Times are RFC 3339 in UTC. Unknown fields and parameters are refused by
name.

**Answers.** A 2xx or a 4xx is final; a 4xx has moved no money. A 5xx, or no answer, means that the outcome is
unknown: repeat the same request with the same `Idempotency-Key` and learn the truth.

**Repeats.** A key belongs to the caller and the book for 30 days. The first final answer is given again byte
for byte, with `Idempotent-Replayed: true`; the same key with another request is 422. Not kept: 400, 401, 403,
413, 415, 429, 5xx.

**Books.** A key that is bound to one book implies it; with others the header `Caudal-Book` says which.

**Lists** are `{"data": [...], "next_cursor": ...}`. Give `next_cursor` as `cursor` for the next page; while
rows are being added none is skipped and none repeated.

**Events** of every type stand under `webhooks`, each with the schema of its version: webhooks and
`GET /v1/events` bring them byte for byte the same.

**Errors** are problem details (RFC 9457) with a stable `code`; all codes stand at `/docs/errors`.
"""

_ERRORS: Final = {
    400: ("BadRequest", "The request is malformed; `field` says where.", "invalid_field", "amount"),
    401: ("Unauthorized", "There is no valid API key.", "unauthenticated", None),
    403: ("Forbidden", "The key lacks a scope, or does not reach the book.", "missing_scope", None),
    404: ("NotFound", "No such thing, or none that the key reaches.", "account_not_found", "account"),
    409: ("Conflict", "The present state does not allow it.", "debit_account_frozen", "debit_account"),
    413: ("TooLarge", "The body is too large.", "payload_too_large", None),
    415: ("UnsupportedMediaType", "The body is not JSON.", "unsupported_media_type", "Content-Type"),
    422: ("Unprocessable", "A rule refuses it.", "exceeds_debit_limit", "amount"),
    429: (
        "TooManyRequests",
        "The key makes more requests than it may: repeat after `Retry-After` seconds. Nothing was done.",
        "rate_limited",
        None,
    ),
    500: ("InternalError", "A bug of ours; nothing was kept.", "invariant_violated", None),
    503: (
        "Unavailable",
        "For now it cannot be done or confirmed: repeat with the same key after `Retry-After` seconds.",
        "unavailable",
        None,
    ),
}


def document(endpoints: Sequence[Endpoint[Any, Any]], families: Sequence[EventFamily] = ()) -> Json:
    """The document of `endpoints`, those that are not documented left out, and of what events tell."""
    shown = [endpoint for endpoint in endpoints if endpoint.documented]
    types = _types(shown, families)
    schemas, components = schemas_of(types)
    by_type = dict(zip(map(id, types), schemas, strict=True))
    paths: Json = {}
    for endpoint in shown:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, by_type)
    tags = dict.fromkeys(endpoint.tag for endpoint in shown)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Caudal",
            "version": VERSION,
            "summary": "Accounts, balances and payments on an exact ledger",
            "description": _INTRODUCTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in tags],
        "paths": paths,
        "webhooks": openapi_webhooks.webhooks(families),
        "components": {
            "schemas": components,
            "parameters": openapi_webhooks.parameters(),
            "responses": {_ERRORS[status][0]: _problem(status) for status in _ERRORS},
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "caudal_…",
                    "description": "An API key, as `Authorization: Bearer caudal_…`.",
                }
            },
        },
    }


def _types(endpoints: Sequence[Endpoint[Any, Any]], families: Sequence[EventFamily]) -> list[Any]:
    """Every type that the document speaks of, once."""
    types: dict[int, Any] = {id(type_): type_ for type_ in (Problem, openapi_webhooks.EVENT)}
    types |= {id(family.data): family.data for family in families}
    for endpoint in endpoints:
        if endpoint.body is not NoBody:
            types[id(endpoint.body)] = endpoint.body
        for shapes in endpoint.answers.values():
            types.update((id(shape.type), shape.type) for shape in shapes if shape.type is not None)
    return list(types.values())


def _operation(endpoint: Endpoint[Any, Any], by_type: dict[int, Json]) -> Json:
    operation: Json = {
        "operationId": endpoint.name,
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "description": _description(endpoint),
        "security": [] if endpoint.access is Access.PUBLIC else [{"key": []}],
        "parameters": [*_path(endpoint), *_query(endpoint), *_headers(endpoint)],
        "responses": {
            str(status): answer
            for status, answer in sorted(
                [
                    *(
                        (status, _answer(endpoint, shapes, by_type))
                        for status, shapes in endpoint.answers.items()
                    ),
                    *((status, _refusal(status)) for status in statuses(endpoint)),
                ],
                key=lambda pair: pair[0],
            )
        },
    }
    if endpoint.raw:
        operation["requestBody"] = {
            "required": True,
            "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
        }
    elif endpoint.body is not NoBody:
        operation["requestBody"] = {
            "required": not endpoint.body_is_optional,
            "content": {
                "application/json": {"schema": by_type[id(endpoint.body)], "example": endpoint.example}
            },
        }
    return operation


def _description(endpoint: Endpoint[Any, Any]) -> str:
    needs = "" if endpoint.scope is None else f"Scope: `{endpoint.scope.value}`."
    return "\n\n".join(text for text in (endpoint.description, needs) if text)


def statuses(endpoint: Endpoint[Any, Any]) -> list[int]:
    """The statuses of errors that the endpoint may answer with."""
    found = {400, 500, 503, *endpoint.errors}
    if endpoint.access is not Access.PUBLIC:
        found |= {401, 403, 429}
    if endpoint.access is Access.BOOK:
        found.add(404)  # the header may name no book
    if endpoint.method != "GET":
        found |= {413} if endpoint.raw else {413, 415}
    if endpoint.key is not KeyUse.NONE:
        found.add(422)  # the key may have been used for another request
    if endpoint.refuses:
        found |= {404, 409, 422}
    return sorted(found)


def _path(endpoint: Endpoint[Any, Any]) -> list[Json]:
    parameters = []
    for name, example in endpoint.path_ids.items():
        match = _ID.fullmatch(example)
        name_pattern = _VERSIONED if "@" in example else _NAME
        pattern = f"^{match[1]}_[0-9a-f]{{32}}$" if match else name_pattern
        parameters.append(
            {
                "name": name,
                "in": "path",
                "required": True,
                "schema": {"type": "string", "pattern": pattern},
                "example": example,
            }
        )
    return parameters


def _query(endpoint: Endpoint[Any, Any]) -> list[Json]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(endpoint.query)}
    if not fields:
        return []
    (_,), components = schemas_of([endpoint.query])
    (component,) = components.values() if len(components) == 1 else (components[endpoint.query.__name__],)
    parameters: list[Json] = []
    for name, schema in component["properties"].items():
        plain = _inlined(_without_null(schema), components)
        parameter: Json = {"name": name, "in": "query", "required": fields[name].required}
        if "description" in plain:
            parameter["description"] = plain.pop("description")
        if plain.get("type") == "object":
            parameter |= {"style": "deepObject", "explode": True}
        parameters.append({**parameter, "schema": plain})
    return parameters


def _without_null(schema: Json) -> Json:
    """The schema of a parameter that may be left out: it has no way to be null."""
    schema = {key: value for key, value in schema.items() if not (key == "default" and value is None)}
    options = [option for option in schema.pop("anyOf", ()) if option.get("type") != "null"]
    for option in options:
        schema |= option
    return schema


def _inlined(schema: Json, components: dict[str, Json]) -> Json:
    """`schema` with the enum that it refers to in its place."""
    name = schema.pop("$ref", None)
    if name is None:
        return schema
    found = components[name.removeprefix(REFERENCE)]
    return {**{key: value for key, value in found.items() if key != "title"}, **schema}


def _headers(endpoint: Endpoint[Any, Any]) -> list[Json]:
    parameters: list[Json] = []
    if endpoint.key is not KeyUse.NONE:
        parameters.append(
            {
                "name": KEY_HEADER,
                "in": "header",
                "required": endpoint.key is KeyUse.REQUIRED,
                "description": "Makes repeats of this request harmless: 1 to 255 printable ASCII characters.",
                "schema": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 255,
                    "pattern": "^[!-~]([ -~]*[!-~])?$",
                },
                "example": "order-17-attempt-1",
            }
        )
    if endpoint.access is Access.BOOK:
        parameters.append(
            {
                "name": BOOK_HEADER,
                "in": "header",
                "required": False,
                "description": "The book's name or id; needed where the key reaches several.",
                "schema": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 63,
                    "pattern": "^[a-z0-9][a-z0-9_-]*$",
                },
                "example": "main",
            }
        )
    return parameters


def _answer(endpoint: Endpoint[Any, Any], shapes: Sequence[Shape], by_type: dict[int, Json]) -> Json:
    content: Json = {}
    headers: dict[str, str] = {"X-Request-Id": "The request's id, to be named in questions about it."}
    for shape in shapes:
        headers |= shape.headers
        if shape.type is None:
            content[shape.media_type] = {"schema": {"type": "string"}, "example": shape.example}
        else:
            content[shape.media_type] = {"schema": by_type[id(shape.type)], "example": shape.example}
    if endpoint.key is not KeyUse.NONE:
        headers["Idempotent-Replayed"] = "`true` where this is an answer given before."
    return {
        "description": shapes[0].description,
        "headers": {
            name: {"description": text, "schema": {"type": "string"}} for name, text in headers.items()
        },
        "content": content,
    }


def _refusal(status: int) -> Json:
    return {"$ref": f"#/components/responses/{_ERRORS[status][0]}"}


def _problem(status: int) -> Json:
    _, description, code, field = _ERRORS[status]
    example: Json = {
        "type": f"/docs/errors#{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": description,
        "code": code,
    }
    if field is not None:
        example["field"] = field
    answer: Json = {
        "description": description,
        "content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": REFERENCE + "Problem"}, "example": example}},
    }
    if status in (429, 503):
        answer["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    if status == 429:
        answer["headers"] |= {
            "RateLimit-Policy": {
                "description": 'What it may, such as `"key";q=100;w=2`: 100 in 2 seconds.',
                "schema": {"type": "string"},
            },
            "RateLimit": {
                "description": 'What is left, such as `"key";r=0;t=2`: none, all in 2 seconds.',
                "schema": {"type": "string"},
            },
        }
    return answer
