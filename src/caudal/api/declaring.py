"""The forms that most endpoints have: a list, one object, and something done to an object."""

from collections.abc import Mapping
from typing import Any

from caudal.access import Scope
from caudal.api.bodies import Write
from caudal.api.endpoint import Endpoint, KeyUse, NoBody, NoQuery, Shape
from caudal.api.views import PageView


def ok(description: str, type_: Any, example: Any) -> dict[int, tuple[Shape, ...]]:
    """An answer of 200, the only one that is no error."""
    return {200: (Shape(description=description, type=type_, example=example),)}


def listing(
    path: str, name: str, tag: str, summary: str, handle: Any, query: Any, *, scope: Scope, row: Any,
    example: Any, description: str = "", answer: str = "A page, the newest first.",
    errors: tuple[int, ...] = (), path_ids: Mapping[str, str] | None = None,
) -> Endpoint[Any, Any]:  # fmt: skip
    """GET a page of rows, each of the struct `row`."""
    return Endpoint(
        method="GET",
        path=path,
        name=name,
        tag=tag,
        summary=summary,
        description=description,
        handle=handle,
        query=query,
        body=NoBody,
        scope=scope,
        answers=ok(answer, PageView[row], example),
        errors=errors,
        path_ids=path_ids or {},
    )


def reading(
    path: str, name: str, tag: str, summary: str, handle: Any, *, scope: Scope, answer: str, view: Any,
    example: Any, path_ids: Mapping[str, str], description: str = "",
) -> Endpoint[Any, Any]:  # fmt: skip
    """GET one object, 404 where it is not there."""
    return Endpoint(
        method="GET",
        path=path,
        name=name,
        tag=tag,
        summary=summary,
        description=description,
        handle=handle,
        query=NoQuery,
        body=NoBody,
        scope=scope,
        answers=ok(answer, view, example),
        errors=(404,),
        path_ids=path_ids,
    )


def action(
    path: str, name: str, tag: str, summary: str, handle: Any, *, scope: Scope, answer: str, view: Any,
    example: Any, path_ids: Mapping[str, str], description: str = "", body: Any = NoBody,
    body_example: Any = None, key: KeyUse = KeyUse.ACCEPTED, errors: tuple[int, ...] = (),
    refuses: bool = False,
) -> Endpoint[Any, Any]:  # fmt: skip
    """POST that changes an object and answers with what it is then."""
    return Endpoint(
        method="POST",
        path=path,
        name=name,
        tag=tag,
        summary=summary,
        description=description,
        handle=handle,
        query=Write,
        body=body,
        scope=scope,
        key=key,
        answers=ok(answer, view, example),
        errors=errors,
        refuses=refuses,
        example=body_example,
        path_ids=path_ids,
    )
