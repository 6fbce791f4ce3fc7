"""Templates in the database: kept under a name, in versions that never change.

[kept] = await templates.create(connection, book_id, [NewTemplate(…)], at=clock.now())
entry = templates.expand(kept.template, {"price": Money(1050, "EUR"), …}, transaction_id=…)
await ledger.apply(connection, book_id, [entry])  # or ledger.dry_run
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from psycopg.rows import TupleRow

from caudal.ledger.errors import BookNotFound, TemplateInvalid, TemplateNotFound
from caudal.ledger.store import LOCK_BOOK
from caudal.ledger.template_expansion import expand
from caudal.ledger.template_rules import refuse_invalid
from caudal.ledger.template_types import (
    Argument,
    Definition,
    Derived,
    Fixed,
    KeptTemplate,
    Leg,
    NewTemplate,
    Parameter,
    ParameterType,
    Percent,
    Rest,
    Share,
    Sum,
    Template,
    Weight,
    Whole,
)
from caudal.ledger.types import OutcomeStatus
from caudal_base import arrays
from caudal_base.check import check
from caudal_base.database import Connection
from caudal_base.errors import InvalidRequest

__all__ = [
    "Argument",
    "Definition",
    "Derived",
    "Fixed",
    "KeptTemplate",
    "Leg",
    "NewTemplate",
    "Parameter",
    "ParameterType",
    "Percent",
    "Rest",
    "Share",
    "Sum",
    "Template",
    "Weight",
    "Whole",
    "create",
    "expand",
    "find",
    "get",
    "refuse_invalid",
]

MAX_PAGE: Final = 1_000

# One row per definition given, in order. The book's lock is held, so that versions have no gaps and no twins.
_CREATE: Final = """
with given as (
    select ordinality, name, definition
      from unnest(%(names)s, %(definitions)s) with ordinality as u(name, definition, ordinality)
), known as (
    select g.ordinality, g.name, g.definition, min(t.version) as version
      from given g
      left join ledger.template t
        on t.book_id = %(book_id)s and t.name = g.name and t.definition = g.definition
     group by g.ordinality, g.name, g.definition
), fresh as (
    select name, definition, row_number() over (partition by name order by min(ordinality)) as place
      from known
     where version is null
     group by name, definition
), inserted as (
    insert into ledger.template (book_id, name, version, definition, created_at)
    select %(book_id)s, f.name,
           f.place + coalesce((select max(version)
                                 from ledger.template
                                where book_id = %(book_id)s
                                  and name = f.name), 0),
           f.definition, %(at)s
      from fresh f
    returning name, version, definition, created_at
)
select k.ordinality, true, i.name, i.version, i.definition, i.created_at
  from known k
  join inserted i
    on i.name = k.name and i.definition = k.definition
 where k.version is null
 union all
select k.ordinality, false, t.name, t.version, t.definition, t.created_at
  from known k
  join ledger.template t
    on t.book_id = %(book_id)s and t.name = k.name and t.version = k.version
 order by 1
"""

_GET: Final = """
select name, version, definition, created_at
  from ledger.template
 where book_id = %(book_id)s
   and name = %(name)s
   and (version = %(version)s or %(version)s::integer is null)
 order by version desc
 limit 1
"""

_FIND: Final = """
select name, version, definition, created_at
  from ledger.template
 where book_id = %(book_id)s
   and (name = %(name)s or %(name)s::text is null)
   and (name, version) > (%(after_name)s, %(after_version)s)
 order by name, version
 limit %(limit)s
"""


async def create(
    connection: Connection, book_id: int, templates: Sequence[NewTemplate], *, at: dt.datetime
) -> list[KeptTemplate]:
    """Keep each definition under its name, under the book's lock; one result each, in order.

    A definition that the name has in some version already is answered with the first such version
    (`EXISTS`); another becomes the next version. Raises `TemplateInvalid` naming the template and the field
    at fault (`templates[1].definition.legs[0].account`), and keeps none then; a caller who has just one calls
    `refuse_invalid` before, for the field alone. Raises `BookNotFound`.
    """
    for index, template in enumerate(templates):
        try:
            refuse_invalid(template.name, template.definition)
        except TemplateInvalid as error:
            raise TemplateInvalid(error.detail, field=f"templates[{index}].{error.field}") from None
    parameters: dict[str, Any] = {
        "book_id": book_id,
        "names": arrays.texts([template.name for template in templates]),
        "definitions": arrays.jsonbs([msgspec.json.encode(template.definition) for template in templates]),
        "at": at,
    }
    async with connection.pipeline():
        head = await connection.execute(LOCK_BOOK, parameters)
        kept = await connection.execute(_CREATE, parameters)
        if await head.fetchone() is None:
            raise BookNotFound("there is no such book")
        rows = await kept.fetchall()
    check(len(rows) == len(templates), "every definition has a version")
    created = {(row[2], row[3]) for row in rows if row[1]}
    return [_kept(row, created) for row in rows]


async def get(connection: Connection, book_id: int, name: str, version: int | None = None) -> Template:
    """A template by name, in the version named or the newest one. Raises `TemplateNotFound`."""
    cursor = await connection.execute(_GET, {"book_id": book_id, "name": name, "version": version})
    row = await cursor.fetchone()
    if row is None:
        raise TemplateNotFound("no template has this name and version", field="name")
    return _template_of(row)


async def find(
    connection: Connection,
    book_id: int,
    *,
    name: str | None = None,
    after: tuple[str, int] = ("", 0),
    limit: int = 50,
) -> list[Template]:
    """Every version of every template (or of `name`), by name and version: the first `limit` behind `after`.

    `after` is the name and version of the last one seen. `InvalidRequest` for a limit outside 1 to 1,000.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidRequest(f"a page has 1 to {MAX_PAGE} templates", field="limit")
    parameters = {
        "book_id": book_id,
        "name": name,
        "after_name": after[0],
        "after_version": after[1],
        "limit": limit,
    }
    return [_template_of(row) for row in await (await connection.execute(_FIND, parameters)).fetchall()]


def _kept(row: TupleRow, created: set[tuple[str, int]]) -> KeptTemplate:
    """Of two equal definitions in one call the first one makes the version, and the other finds it."""
    template = _template_of(row[2:])
    key = (template.name, template.version)
    if key not in created:
        return KeptTemplate(OutcomeStatus.EXISTS, template)
    created.remove(key)
    return KeptTemplate(OutcomeStatus.CREATED, template)


def _template_of(row: TupleRow) -> Template:
    return Template(
        name=row[0], version=row[1], definition=msgspec.convert(row[2], Definition), created_at=row[3]
    )
