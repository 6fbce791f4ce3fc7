"""Whether requests and events are what the OpenAPI document says."""

import functools
import json
import re
from typing import Any, cast
from urllib.parse import parse_qsl

import httpx
import jsonschema_rs

from caudal.api import document_text
from caudal.events import Event, body_of

Json = dict[str, Any]


def refuse_undocumented(event: Event) -> None:
    """Fail where an event is not what the document says of its type."""
    document = _document()
    content = document["webhooks"][event.type]["post"]["requestBody"]["content"]["application/json"]
    jsonschema_rs.Draft202012Validator(
        {**content["schema"], "components": document["components"]}, validate_formats=True
    ).validate(json.loads(body_of(event)))


@functools.cache
def _document() -> Json:
    return cast("Json", json.loads(document_text()))


class Contract:
    """The operations of the document, found by the requests that call them."""

    def __init__(self) -> None:
        self.document: Json = json.loads(document_text())
        self.operations: list[tuple[str, re.Pattern[str], Json]] = []
        for path, methods in self.document["paths"].items():
            pattern = re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path)))
            for method, operation in methods.items():
                self.operations.append((method.upper(), pattern, operation))
        # The plain paths first: `/v1/transfers/batch` is no transfer's id.
        self.operations.sort(key=lambda known: "(?P" in known[1].pattern)

    def check(self, request: httpx.Request, body: bytes) -> str:
        """The id of the operation that `request` calls; fails where the document does not allow it."""
        for method, pattern, operation in self.operations:
            match = pattern.fullmatch(request.url.path)
            if method == request.method and match is not None:
                self._check_parameters(request, operation, match.groupdict())
                self._check_body(request, operation, body)
                return str(operation["operationId"])
        raise AssertionError(f"the document has no {request.method} {request.url.path}")

    def _check_parameters(self, request: httpx.Request, operation: Json, path: dict[str, str]) -> None:
        known = {(known["in"], known["name"]): known for known in operation["parameters"]}
        given: dict[tuple[str, str], Any] = {("path", name): text for name, text in path.items()}
        for name, text in parse_qsl(
            request.url.query.decode("ascii"), strict_parsing=bool(request.url.query)
        ):
            if pair := re.fullmatch(r"(\w+)\[(.*)\]", name):
                given.setdefault(("query", pair[1]), {})[pair[2]] = text
            else:
                given["query", name] = text
        for where, name in known:
            if where == "header" and name in request.headers:
                given[where, name] = request.headers[name]
        for parameter, value in given.items():
            assert parameter in known, f"{operation['operationId']} has no parameter {parameter}"
            schema = known[parameter]["schema"]
            self._validate(schema, _typed(schema, value))
        missing = {name for name, told in known.items() if told["required"]} - given.keys()
        assert not missing, f"{operation['operationId']} needs {missing}"

    def _check_body(self, request: httpx.Request, operation: Json, body: bytes) -> None:
        expected = operation.get("requestBody")
        if expected is None:
            assert not body, f"{operation['operationId']} takes no body"
            return
        assert body or not expected["required"]
        if body:
            assert request.headers["content-type"] == "application/json"
            self._validate(expected["content"]["application/json"]["schema"], json.loads(body))

    def _validate(self, schema: Json, value: Any) -> None:
        jsonschema_rs.Draft202012Validator(
            {**schema, "components": self.document["components"]}, validate_formats=True
        ).validate(value)


def _typed(schema: Json, text: Any) -> Any:
    """A parameter's text as the schema sees it."""
    if schema.get("type") == "integer":
        return int(text)
    if schema.get("type") == "boolean":
        return {"true": True, "false": False}[text]
    return text
