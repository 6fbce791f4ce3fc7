"""Lists that are longer than a page."""

from collections.abc import AsyncIterator
from typing import Generic, TypeVar

import msgspec

from caudal.client.bodies import ListQuery
from caudal.client.sending import Sender
from caudal.client.types import Page

Row = TypeVar("Row")


class Rows(Generic[Row]):
    """The rows of a list, fetched page by page as they are asked for.

    `async for row in …` gives every row; `pages()` gives pages, whose `next_cursor` can be kept and given to
    the same list as `cursor` later. While rows are being added none is skipped and none repeated.
    """

    def __init__(self, sender: Sender, type_: type[Page[Row]], path: str, query: ListQuery) -> None:
        """Made by the resources; nothing is fetched yet."""
        self._sender = sender
        self._type = type_
        self._path = path
        self._query = query

    async def __aiter__(self) -> AsyncIterator[Row]:
        """All rows from the cursor on."""
        async for page in self.pages():
            for row in page.data:
                yield row

    async def pages(self) -> AsyncIterator[Page[Row]]:
        """All pages from the cursor on; at least one."""
        query = self._query
        while True:
            page = await self._sender.read(self._type, self._path, query)
            yield page
            if page.next_cursor is None:
                return
            query = msgspec.structs.replace(query, cursor=page.next_cursor)
