"""`caudal.transactions` and `caudal.templates`"""

import datetime as dt
from collections.abc import Mapping, Sequence

from caudal.client.bodies import NewTemplate, NewTransaction, TemplateQuery, TemplatesQuery, Write
from caudal.client.ids import TRANSACTION, identify, new_idempotency_key
from caudal.client.listing import Rows
from caudal.client.sending import Sender, segment
from caudal.client.template_types import Argument, Definition, Template
from caudal.client.types import Page, Posting, Transaction

_TRANSACTIONS = "/v1/transactions"
_TEMPLATES = "/v1/templates"


class Transactions:
    """Journal entries of many postings: all of them or none; debits equal credits in every currency."""

    def __init__(self, sender: Sender) -> None:
        """Made by `Caudal`."""
        self._sender = sender

    async def record(
        self,
        postings: Sequence[Posting],
        *,
        effective_at: dt.datetime | None = None,
        code: str | None = None,
        reference: str | None = None,
        metadata: Mapping[str, str] | None = None,
        beyond_limits: bool = False,
        id: str | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Transaction:
        """Record 2 to 1,000 postings. Raises `Unprocessable` (`postings_unbalanced`), `Conflict`."""
        identity = identify(TRANSACTION, id, idempotency_key)
        body = NewTransaction(
            id=identity.id,
            postings=postings,
            effective_at=effective_at,
            code=code,
            reference=reference,
            metadata=metadata,
            beyond_limits=beyond_limits,
        )
        return await self._record(body, identity.key, dry_run=dry_run)

    async def from_template(
        self,
        template: str,
        parameters: Mapping[str, Argument],
        *,
        effective_at: dt.datetime | None = None,
        beyond_limits: bool = False,
        id: str | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Transaction:
        """Record what a template makes of `parameters`; it is named by `name`, or `name@version`.

        Raises `NotFound` for a template that is none, `Unprocessable` for parameters that do not fit it.
        """
        identity = identify(TRANSACTION, id, idempotency_key)
        body = NewTransaction(
            id=identity.id,
            template=template,
            parameters=parameters,
            effective_at=effective_at,
            beyond_limits=beyond_limits,
        )
        return await self._record(body, identity.key, dry_run=dry_run)

    async def get(self, id: str) -> Transaction:
        """A transaction as it was recorded, with the transfers that carry it. Raises `NotFound`."""
        return await self._sender.read(Transaction, f"{_TRANSACTIONS}/{segment(id)}")

    async def _record(self, body: NewTransaction, key: str, *, dry_run: bool) -> Transaction:
        return await self._sender.write(
            Transaction, _TRANSACTIONS, body, key=key, query=Write(dry_run=dry_run)
        )


class Templates:
    """Named sets of postings with parameters: fee splits, percentages. A version never changes."""

    def __init__(self, sender: Sender) -> None:
        """Made by `Caudal`."""
        self._sender = sender

    async def create(
        self, name: str, definition: Definition, *, idempotency_key: str | None = None
    ) -> Template:
        """Keep a definition: as the next version of `name`, or find the version that has it already.

        Raises `Unprocessable` (`template_invalid`) for one that can never balance; `field` says where.
        """
        key = new_idempotency_key() if idempotency_key is None else idempotency_key
        body = NewTemplate(name=name, definition=definition)
        return await self._sender.write(Template, _TEMPLATES, body, key=key)

    async def get(self, name: str, *, version: int | None = None) -> Template:
        """A version, or the newest. Raises `NotFound`."""
        query = TemplateQuery(version=version)
        return await self._sender.read(Template, f"{_TEMPLATES}/{segment(name)}", query)

    def list(
        self, *, name: str | None = None, cursor: str | None = None, page_size: int | None = None
    ) -> Rows[Template]:
        """Every version of every template, or of the one called `name`."""
        query = TemplatesQuery(name=name, cursor=cursor, limit=page_size)
        return Rows(self._sender, Page[Template], _TEMPLATES, query)
