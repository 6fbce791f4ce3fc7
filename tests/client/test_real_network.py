"""Over real sockets: what the examples say, and connections that really break."""

import asyncio
import contextlib
import logging
import os
import re
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import caudal.client
from caudal.client import Caudal, Retry, Side
from support.client_settings import Setting

README = Path(__file__).parents[2] / "README.md"
MOST_LINES = 15


def examples() -> dict[str, str]:
    """The programs that show a first transfer, by where they stand."""
    docstring = caudal.client.__doc__ or ""
    program = docstring.partition("\n\n")[2].partition("\n\nMoney is")[0]
    found = {"docstring": textwrap.dedent(program)}
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)):
        if "caudal.client" in block and "transfers.create" in block:
            found[f"README-{number}"] = block
    return found


@pytest.mark.parametrize("where", examples())
async def test_the_example_of_a_first_transfer_runs(url: str, setting: Setting, where: str) -> None:
    program = examples()[where]
    assert len([line for line in program.splitlines() if line.strip()]) <= MOST_LINES
    assert "http://127.0.0.1:8000" in program

    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program.replace("http://127.0.0.1:8000", url),
        env={**os.environ, "CAUDAL_API_KEY": setting.key},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()

    assert (process.returncode, err) == (0, b"")
    assert out == b"1050\n"
    async with Caudal(url, setting.key) as client:
        assert [transfer.amount async for transfer in client.transfers.list()] == [1050]


class Cutter:
    """A way to the server on which the connection breaks when an answer to a POST comes, so many times."""

    def __init__(self, url: str, cuts: int) -> None:
        self.cuts = cuts
        self.requests = 0
        self.url = ""
        self._to = urlsplit(url)

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._to.hostname, self._to.port)
        try:
            while request := await reader.read(65_536):
                self.requests += request.startswith(b"POST")
                back.write(request)
                answer = await there.read(65_536)
                if self.cuts and request.startswith(b"POST"):
                    self.cuts -= 1
                    return
                writer.write(answer)
                await writer.drain()
        finally:
            for end in (writer, back):
                end.close()
                with contextlib.suppress(ConnectionError):
                    await end.wait_closed()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator["Cutter"]:
        server = await asyncio.start_server(self.pass_on, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield self


async def test_a_connection_cut_after_the_work_leads_to_one_effect_and_no_secret_in_the_logs(
    url: str, setting: Setting, caplog: pytest.LogCaptureFixture
) -> None:
    # By name too: whatever configured the logs of this process before has made it quiet.
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, logger="httpcore"):
        async with (
            Cutter(url, cuts=2).open() as way,
            Caudal(way.url, setting.key, retry=Retry(first_wait_s=0.001, longest_wait_s=0.001)) as client,
        ):
            cash = await client.accounts.open(currency="USD", normal_side=Side.DEBIT)
            way.cuts = 2
            ana = await client.accounts.open(currency="USD", normal_side=Side.CREDIT)
            transfer = await client.transfers.create(
                debit_account=cash.id, credit_account=ana.id, amount=100, currency="USD"
            )

            assert [row.id async for row in client.accounts.list()] == [cash.id, ana.id]
            assert [row.id async for row in client.transfers.list()] == [transfer.id]
            assert client.retries == 4
            assert way.requests == 3 + 4
    assert "httpcore" in {record.name.partition(".")[0] for record in caplog.records}
    assert setting.key not in caplog.text
