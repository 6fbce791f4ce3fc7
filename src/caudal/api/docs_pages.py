"""The documentation as HTML, made from the OpenAPI document and from the errors themselves.

Nothing is loaded but one stylesheet of our own; there is no script.
"""

import json
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any, Final

from caudal import payments
from caudal.api.schemas import REFERENCE, Json
from caudal.ledger import REASONS
from caudal_base.errors import CaudalError

STYLESHEET: Final = "/docs/style.css"

_PAGES: Final = (
    ("/docs", "Operations"),
    ("/docs/webhooks", "Webhooks"),
    ("/docs/schemas", "Schemas"),
    ("/docs/errors", "Errors"),
    ("/openapi.json", "OpenAPI 3.1"),
)

_OUTSIDE_HTTP: Final = ("caudal_base.settings", "caudal_base.embedded", "caudal_base.database", "caudal.cli")
"""Modules whose errors stop a process or a command and answer no request."""


def operations_page(document: Json) -> str:
    """Every operation: what it takes, what it answers, with examples."""
    parts = [_paragraphs(document["info"]["description"])]
    for tag in document["tags"]:
        parts.append(f'<h2 id="{escape(tag["name"].lower())}">{escape(tag["name"])}</h2>')
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if tag["name"] in operation["tags"]:
                    parts += _operation(path, method, operation)
    tags = "".join(
        f'<li><a href="#{escape(tag["name"].lower())}">{escape(tag["name"])}</a></li>'
        for tag in document["tags"]
    )
    return _page("Operations", f"<nav aria-label='Sections'><ul>{tags}</ul></nav>" + "\n".join(parts))


def webhooks_page(document: Json) -> str:
    """Every event that is told of: what it means, what it carries, an example as it is sent."""
    found = [(type_, methods["post"]) for type_, methods in document["webhooks"].items()]
    overview = _table(
        ("Event", "Meaning"),
        (
            (f'<a href="#{escape(type_)}">{_code(type_)}</a>', _inline(post["summary"]))
            for type_, post in found
        ),
    )
    headers = _table(
        ("Header", ""),
        (
            (_code(header["name"]), _inline(header["description"]))
            for header in document["components"]["parameters"].values()
            if header["name"].startswith("webhook-")
        ),
    )
    parts = [
        "<p>What is sent to your endpoints, and stands in the list of events. Every webhook is a POST with "
        "an event as its body, signed by Standard Webhooks; any 2xx says that it has arrived.</p>",
        headers,
        overview,
    ]
    for type_, post in found:
        content = post["requestBody"]["content"]["application/json"]
        event, form = content["schema"]["allOf"]
        parts.append(
            f'<h3 id="{escape(type_)}">{_code(type_)}</h3><p>{_inline(post["summary"])}.</p>'
            f"<p>{_type(event)}, version {form['properties']['version']['const']}, with data "
            f"{_type(form['properties']['data'])}</p>"
            f"<details><summary>Example</summary>{_example(content['example'])}</details>"
        )
    return _page("Webhooks", "\n".join(parts))


def schemas_page(document: Json) -> str:
    """Every body and answer, field by field."""
    parts = []
    for name, schema in document["components"]["schemas"].items():
        parts.append(f'<h2 id="{escape(name)}">{escape(name)}</h2>')
        parts.append(_paragraphs(schema.get("description", "")))
        if "enum" in schema:
            values = ", ".join(_code(value) for value in schema["enum"])
            parts.append(f"<p>One of {values}.</p>")
        elif "properties" in schema:
            parts.append(_fields(schema))
        else:
            parts.append(f"<p>{_type(schema)}</p>")
    return _page("Schemas", "\n".join(parts))


def errors_page() -> str:
    """Every code that a problem may have, and the order in which the ledger looks for reasons."""
    general = _table(
        ("Code", "Status", "Title", "When"),
        (
            (_code(error.code), str(error.status), escape(error.title), escape(_first_line(error)))
            for error in http_errors()
        ),
        [error.code for error in http_errors()],
    )
    # An anchor stands once in a page, with the first that has the code.
    taken = {error.code for error in http_errors()}
    reasons = _table(
        ("Code", "Status", "Stays refused", "Meaning"),
        (
            (
                _code(reason.code),
                str(int(reason.status)),
                "yes" if reason.passing else "",
                escape(reason.meaning),
            )
            for reason in REASONS
        ),
        [None if reason.code in taken else reason.code for reason in REASONS],
    )
    taken |= {reason.code for reason in REASONS}
    of_payments = _table(
        ("Code", "Status", "Meaning"),
        ((_code(reason.code), str(reason.status), escape(reason.meaning)) for reason in payments.REASONS),
        [None if reason.code in taken else reason.code for reason in payments.REASONS],
    )
    return _page(
        "Errors",
        "<h2 id='requests'>Of requests</h2><p>The status decides what to do: 4xx is final and moved no "
        f"money; 5xx means that the outcome is unknown, so repeat with the same key.</p>{general}"
        "<h2 id='commands'>Of ledger commands</h2><p>A command that is wrong in several ways always gets the "
        "reason that stands first. Where the reason is one that may pass, the command's id <em>stays "
        f"refused</em>: a late duplicate cannot succeed after you gave up.</p>{reasons}"
        "<h2 id='payments'>Of payments</h2><p>What the ledger refuses of a payment has the ledger's code: "
        f"<code>exceeds_debit_limit</code> where the balance does not cover it.</p>{of_payments}",
    )


def http_errors() -> list[type[CaudalError]]:
    """The errors that may answer a request, each code once, by status and code."""
    found: dict[str, type[CaudalError]] = {}
    for error in _descendants(CaudalError):
        ours = error.__module__.startswith(("caudal.", "caudal_base."))
        if ours and "code" in vars(error) and not error.__module__.startswith(_OUTSIDE_HTTP):
            found.setdefault(error.code, error)
    return sorted(found.values(), key=lambda error: (error.status, error.code))


def _descendants(cls: type[CaudalError]) -> Iterator[type[CaudalError]]:
    for child in cls.__subclasses__():
        yield child
        yield from _descendants(child)


def _first_line(error: type[CaudalError]) -> str:
    return (error.__doc__ or "").strip().split("\n", 1)[0]


def _page(title: str, content: str) -> str:
    links = "".join(
        f'<li><a href="{href}"{" aria-current=page" if name == title else ""}>{name}</a></li>'
        for href, name in _PAGES
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)} · Caudal</title><link rel="stylesheet" href="{STYLESHEET}"></head>'
        f'<body><nav aria-label="Pages"><ul>{links}</ul></nav><main><h1>{escape(title)}</h1>'
        f"{content}</main></body></html>\n"
    )


def _operation(path: str, method: str, operation: Json) -> list[str]:
    parts = [
        f'<h3 id="{escape(operation["operationId"])}"><span class="method {method}">{method.upper()}</span> '
        f"<code>{escape(path)}</code></h3><p>{escape(operation['summary'])}.</p>",
        _paragraphs(operation["description"]),
    ]
    if operation["parameters"]:
        rows = (
            (
                _code(parameter["name"]),
                escape(parameter["in"]),
                "yes" if parameter["required"] else "",
                _type(parameter["schema"]),
                escape(parameter.get("description", "")),
            )
            for parameter in operation["parameters"]
        )
        parts.append(_table(("Parameter", "In", "Required", "Type", ""), rows))
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body is not None:
        parts.append(f"<h4>Body: {_type(body['schema'])}</h4>{_example(body['example'])}")
    for status, answer in operation["responses"].items():
        parts += _response(status, answer)
    failures = [
        f'<a href="/docs/errors">{status}</a>'
        for status, answer in operation["responses"].items()
        if "$ref" in answer
    ]
    parts.append(f'<p class="quiet">Errors: {", ".join(failures)}</p>')
    return parts


def _response(status: str, answer: Json) -> Iterator[str]:
    for media_type, content in answer.get("content", {}).items():
        described = f"<h4>{status} {escape(answer['description'])} {_type(content['schema'])}"
        yield f"{described} <code>{escape(media_type)}</code></h4>"
        if "example" in content:
            yield f"<details><summary>Example</summary>{_example(content['example'])}</details>"


def _fields(schema: Json) -> str:
    required = schema.get("required", ())
    rows = (
        (_code(name), "yes" if name in required else "", _type(field), escape(field.get("description", "")))
        for name, field in schema["properties"].items()
    )
    return _table(("Field", "Required", "Type", ""), rows)


def _table(
    head: Iterable[str], rows: Iterable[Iterable[str]], ids: Iterable[str | None] | None = None
) -> str:
    """A table; cells are HTML already, `ids` are the rows' anchors."""
    anchors = iter(ids) if ids is not None else None
    lines = []
    for row in rows:
        id_ = None if anchors is None else next(anchors)
        anchor = "" if id_ is None else f' id="{escape(id_)}"'
        lines.append(f"<tr{anchor}>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>")
    names = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(lines)
    return f'<div class="scroll"><table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table></div>'


def _type(schema: Json) -> str:
    """A schema in a few words of HTML."""
    if "$ref" in schema:
        name = escape(schema["$ref"].removeprefix(REFERENCE))
        return f'<a href="/docs/schemas#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(option) for option in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(_code(value) for value in schema["enum"])
    if schema.get("type") == "array" and "items" in schema:
        return f"list of {_type(schema['items'])}"
    words = escape(str(schema.get("format", schema.get("type", "any"))))
    limits = [
        f"{sign} {schema[name]}"
        for name, sign in (
            ("minimum", "≥"),
            ("maximum", "≤"),
            ("minLength", "length ≥"),
            ("maxLength", "length ≤"),
        )
        if name in schema
    ]
    return f'{words} <span class="quiet">{escape(", ".join(limits))}</span>' if limits else words


def _code(value: Any) -> str:
    return f"<code>{escape(str(value))}</code>"


def _example(value: Any) -> str:
    return f'<pre tabindex="0">{escape(json.dumps(value, indent=2, ensure_ascii=False))}</pre>'


def _paragraphs(text: str) -> str:
    """Text with the little of Markdown that our descriptions use: paragraphs, `code`, **strong**."""
    return "".join(f"<p>{_inline(paragraph)}</p>" for paragraph in text.split("\n\n") if paragraph.strip())


def _inline(text: str) -> str:
    parts = escape(text, quote=False).split("`")
    marked = "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))
    strong = marked.split("**")
    return "".join(f"<strong>{part}</strong>" if index % 2 else part for index, part in enumerate(strong))
