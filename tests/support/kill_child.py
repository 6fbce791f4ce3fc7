"""A child: carries out the order of its command line, and writes down what it has to say, if it lives."""

import asyncio
import logging
import os
import sys
import traceback
from pathlib import Path

import msgspec
import structlog

from support.kill_programs import Order, Result, run


async def _whole(order: Order, result: Path) -> None:
    try:
        said = await run(order)
    except Exception:  # whatever it is, the test must be told
        said = Result(error=traceback.format_exc())
    result.write_bytes(msgspec.json.encode(said))
    # What is open is left to the system: nothing is drained, finished or closed.
    os._exit(0)


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    asyncio.run(_whole(msgspec.json.decode(sys.argv[1], type=Order), Path(sys.argv[2])))
