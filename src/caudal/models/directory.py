"""What serves, as a process keeps it: models are loaded once."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from caudal.models import format as model_format
from caudal.models import scoring, store
from caudal.models.errors import ModelNotFound
from caudal.models.scoring import Scorer
from caudal.models.serving import NO_SERVING, Loaded, Serving, ServingVersion
from caudal.models.types import Purpose
from caudal_base.database import Connection
from caudal_base.errors import CaudalError

MAX_SCORERS: Final = 64
PREPARED: Final = 4
"""So many of a book's newest models are loaded before anybody has them serve."""


class Directory:
    """Models as a process keeps them, for all of its books. Belongs to one event loop.

    They are known by their content: a shadow that becomes the champion is not loaded again.
    """

    def __init__(self) -> None:
        """Nothing is loaded yet."""
        self._scorers: dict[str, Scorer] = {}
        self._looked_at: set[UUID] = set()
        """Models that `prepare` need not look at again: they are loaded, or cannot be."""

    async def load(self, connection: Connection, book_id: int, purpose: Purpose = Purpose.FRAUD) -> Serving:
        """What serves a purpose now; `NO_SERVING` where nobody ever said.

        A model that was not known is read and loaded meanwhile, for some 100 ms, off the event loop.
        """
        found = await store.serving(connection, book_id, purpose)
        return NO_SERVING if found is None else await self._load(connection, book_id, found)

    async def prepare(self, connection: Connection, book_id: int) -> None:
        """Load what may come to serve, off every batch's way: the newest models, and those that serve."""
        serving: list[UUID | None] = []
        for purpose in Purpose:
            found = await store.serving(connection, book_id, purpose)
            if found is not None:
                serving += (found.champion, found.challenger, *found.shadows)
        newest = await store.newest(connection, book_id, PREPARED)
        wanted = {each for each in (*serving, *newest) if each is not None and each not in self._looked_at}
        self._looked_at |= (await self._models(connection, book_id, sorted(wanted))).keys()

    async def load_version(self, connection: Connection, book_id: int, version: int) -> Serving:
        """What served as a decision of the past was made. Raises `ModelNotFound`."""
        if version == 0:
            return NO_SERVING
        found = await store.served(connection, book_id, version)
        if found is None:
            raise ModelNotFound("the book has no such version of what serves", field="version")
        return await self._load(connection, book_id, found)

    async def load_model(self, connection: Connection, book_id: int, id: UUID) -> Loaded:
        """A model, whatever its stage. Raises `ModelNotFound`."""
        found = await self._models(connection, book_id, [id])
        if id not in found:
            raise ModelNotFound("the book has no such model", field="id")
        return found[id]

    async def _load(self, connection: Connection, book_id: int, found: ServingVersion) -> Serving:
        wanted = [each for each in (found.champion, found.challenger, *found.shadows) if each is not None]
        models = await self._models(connection, book_id, wanted)
        is_missing = found.champion is None and await store.had_champion(connection, book_id, found.purpose)
        return Serving(
            version=found.version,
            terms=found.terms,
            champion=models.get(found.champion) if found.champion else None,
            challenger=models.get(found.challenger) if found.challenger else None,
            share=found.share,
            shadows=tuple(models[each] for each in found.shadows if each in models),
            is_missing=is_missing,
        )

    async def _models(
        self, connection: Connection, book_id: int, wanted: Sequence[UUID]
    ) -> dict[UUID, Loaded]:
        if not wanted:
            return {}
        rows = await store.identities(connection, book_id, sorted(set(wanted)))
        hashes = {row[3] for row in rows}
        # Held here: while some are read, others may leave the process's own to make room.
        scorers = {hash_: self._scorers[hash_] for hash_ in hashes if hash_ in self._scorers}
        unknown = [id for id, _, _, hash_ in rows if hash_ not in scorers]
        why: dict[str, str] = {}
        if unknown:
            for _, _, _, hash_, card, artifact in await store.contents(connection, book_id, unknown):
                try:
                    scorer = await asyncio.to_thread(_loaded, card, artifact, hash_)
                except CaudalError as refused:
                    why[hash_] = refused.code
                else:
                    scorers[hash_] = scorer
                    self._keep(hash_, scorer, hashes)
        return {
            id: Loaded(
                id=id, name=name, version=version, hash=hash_, scorer=scorers.get(hash_),
                why=why.get(hash_),
            )
            for id, name, version, hash_ in rows
        }  # fmt: skip

    def _keep(self, hash_: str, scorer: Scorer, in_use: Iterable[str]) -> None:
        self._scorers[hash_] = scorer
        needed = set(in_use)
        for other in [each for each in self._scorers if each not in needed]:
            if len(self._scorers) <= MAX_SCORERS:
                break
            del self._scorers[other]


def _loaded(card: bytes, artifact: bytes, hash_: str) -> Scorer:
    return scoring.load(model_format.read(card, artifact, expected=hash_))
