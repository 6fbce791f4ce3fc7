"""Group commit for many books: a coalescer for each."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

from caudal_base.coalesce import Coalescer, Limits, Stats
from caudal_base.errors import CaudalError

C = TypeVar("C")
R = TypeVar("R")


class Coalescers(Generic[C, R]):
    """A coalescer for each book, begun when the first command for it comes. Belongs to one event loop."""

    def __init__(
        self,
        run: Callable[[int, Sequence[C]], Awaitable[Sequence[R | CaudalError]]],
        *,
        weight: Callable[[C], int] = lambda _: 1,
        limits: Limits | None = None,
    ) -> None:
        """As of `Coalescer`, of whose `run` the first argument is the book."""
        self._run = run
        self._weight = weight
        self._limits = limits
        self._by_book: dict[int, Coalescer[C, R]] = {}

    async def submit(self, book_id: int, command: C) -> R:
        """See `Coalescer.submit`."""
        coalescer = self._by_book.get(book_id)
        if coalescer is None:
            coalescer = Coalescer[C, R](partial(self._run, book_id), weight=self._weight, limits=self._limits)
            self._by_book[book_id] = coalescer
            coalescer.start()
        return await coalescer.submit(command)

    def admit(self, book_id: int) -> None:
        """Raise `Unavailable` where a command would be refused now: before any work is put into it."""
        coalescer = self._by_book.get(book_id)
        if coalescer is not None:
            coalescer.admit()

    async def drain(self) -> None:
        """Finish what waits, refuse what comes."""
        for coalescer in self._by_book.values():
            await coalescer.drain()

    def stats(self) -> dict[int, Stats]:
        """Each book's counters."""
        return {book_id: coalescer.stats() for book_id, coalescer in self._by_book.items()}
