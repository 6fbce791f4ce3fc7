"""psycopg's pipelines with fewer sends and fewer round trips."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg import AsyncConnection, pq
from psycopg.abc import PQGen
from psycopg.rows import TupleRow

from caudal_base.check import check


class _OneSend(psycopg.AsyncPipeline):
    """A pipeline that sends what was queued when a result is asked for, or at its end, and all at once.

    psycopg sends each statement as it comes, and so asks the operating system, the event loop and the server
    to look up once for each: that was a fifth of the CPU of a small batch of ten statements.
    Should a later psycopg no longer call these two, each statement is sent by itself again and nothing else
    changes; a test counts the sends.
    """

    def _communicate_gen(self) -> PQGen[None]:
        yield from ()

    def _fetch_gen(self, *, flush: bool) -> PQGen[None]:
        # What went wrong first is what is told. The rest is read all the same, or the connection is lost.
        first: psycopg.Error | None = None
        try:
            yield from super()._communicate_gen()
        except psycopg.Error as error:
            first = error
        try:
            yield from super()._fetch_gen(flush=flush)
        except psycopg.Error as error:
            first = first or error
        if first is not None:
            raise first


class PipelinedConnection(AsyncConnection[TupleRow]):
    """A connection whose BEGIN and COMMIT travel with the statements of a pipeline.

    psycopg waits for BEGIN before it sends what follows, also in a pipeline. Here it is only queued, which
    saves every batch a round trip. Should a later psycopg no longer call `_start_query`, the wait is back
    and nothing else changes; a test counts the round trips.
    """

    _begun_by: object = None

    @asynccontextmanager
    async def pipeline(self) -> AsyncIterator[psycopg.AsyncPipeline]:
        opens = self._pipeline is None
        if opens:
            self._pipeline = _OneSend(self)
        try:
            async with super().pipeline() as pipeline:
                yield pipeline
        finally:
            if opens:
                self._pipeline = None

    async def queue_commit(self) -> None:
        """See `queue_commit`."""
        check(self._pipeline is not None, "COMMIT is queued in a pipeline")
        async with self.lock:
            await self.wait(self._exec_command(b"COMMIT"))
        self._begun_by = None

    def _start_query(self) -> PQGen[None]:
        pipeline = self._pipeline
        if pipeline is None or self._autocommit:
            yield from super()._start_query()
            return
        # Until the pipeline's next Sync libpq does not know of the transaction that its BEGIN opened.
        if self._begun_by is pipeline or self.pgconn.transaction_status != pq.TransactionStatus.IDLE:
            return
        yield from self._exec_command(self._get_tx_start_command())
        self._begun_by = pipeline

    async def commit(self) -> None:
        # For the same reason: without the Sync, psycopg would see nothing to commit.
        if self._pipeline is not None:
            await self._pipeline.sync()
        await super().commit()
        self._begun_by = None

    async def rollback(self) -> None:
        await super().rollback()
        self._begun_by = None


async def queue_commit(connection: AsyncConnection[TupleRow]) -> None:
    """Send COMMIT behind the statements of the open pipeline, as the last of them: a round trip less.

    Where one of them fails, COMMIT is passed over with the rest, and the transaction is rolled back as ever.
    So what must hold has to be refused by the statements themselves: when the pipeline ends it is done.
    """
    check(isinstance(connection, PipelinedConnection), "the connection is one of a `Database`")
    if isinstance(connection, PipelinedConnection):
        await connection.queue_commit()
