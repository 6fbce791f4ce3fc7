"""`/v1/templates`: named sets of postings with parameters."""

import re
from typing import Final

from caudal import audit
from caudal.api.bodies import Write
from caudal.api.endpoint import NoBody
from caudal.api.fields import Time
from caudal.api.paging import bad_cursor, page_answer
from caudal.api.queries import TemplateQuery, TemplatesQuery
from caudal.api.request import Request
from caudal.api.views import View, json_answer
from caudal.idempotency import Answer
from caudal.ledger import OutcomeStatus, TemplateNotFound, templates
from caudal_base.database import Connection

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}", re.ASCII)
_CURSOR: Final = re.compile(r"([a-z][a-z0-9_-]{0,62})@([0-9]{1,9})", re.ASCII)


class TemplateView(View, frozen=True, kw_only=True):
    """A version of a template; it never changes."""

    name: str
    version: int
    created_at: Time
    definition: templates.Definition


def _view(template: templates.Template) -> TemplateView:
    return TemplateView(
        name=template.name,
        version=template.version,
        created_at=template.created_at,
        definition=template.definition,
    )


async def create_template(request: Request[Write, templates.NewTemplate]) -> Answer:
    """POST /v1/templates"""
    body = request.body
    templates.refuse_invalid(body.name, body.definition)

    async def work(connection: Connection) -> Answer:
        now = request.services.clock.now()
        (kept,) = await templates.create(connection, request.book_id, [body], at=now)
        await audit.append(
            connection,
            [request.record("template.create", kept.template.label, kept.status.value, at=now)],
        )
        created = kept.status is OutcomeStatus.CREATED
        location = ("Location", f"/v1/templates/{kept.template.name}?version={kept.template.version}")
        return json_answer(201 if created else 200, _view(kept.template), location)

    return await request.once(work, dry_run=request.query.dry_run)


async def find_templates(request: Request[TemplatesQuery, NoBody]) -> Answer:
    """GET /v1/templates"""
    query = request.query
    after = ("", 0)
    if query.cursor is not None:
        match = _CURSOR.fullmatch(query.cursor)
        if match is None:
            raise bad_cursor()
        after = (match[1], int(match[2]))
    async with request.services.database.connection() as connection:
        found = await templates.find(
            connection, request.book_id, name=query.name, after=after, limit=query.limit
        )
    next_ = found[-1].label if len(found) == query.limit else None
    return page_answer([_view(template) for template in found], next_)


async def read_template(request: Request[TemplateQuery, NoBody]) -> Answer:
    """GET /v1/templates/{name}"""
    name = request.ids["name"]
    if not _NAME.fullmatch(name):
        raise TemplateNotFound("no template has this name and version", field="name")
    async with request.services.database.connection() as connection:
        template = await templates.get(connection, request.book_id, name, request.query.version)
    return json_answer(200, _view(template))
