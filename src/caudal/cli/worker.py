"""`caudal worker`."""

import msgspec
import uvloop

from caudal.cli import opening
from caudal.cli.frame import Call, command, single
from caudal.worker import run
from caudal_base.collector import spare_the_collector
from caudal_base.logs import configure
from caudal_base.secret import Secret

app = single()


@command(app)
def worker(call: Call) -> None:
    """Run the background work alone, as in production: on the database that CAUDAL_DATABASE_URL names.

    Any number of workers may run. SIGTERM lets jobs in work finish.
    """
    configure(level=call.settings.log_level, format=call.settings.log_format)
    opening.require_partners(call)
    with opening.dsn(call) as dsn:
        spare_the_collector()
        uvloop.run(run(msgspec.structs.replace(call.settings, database_url=Secret(dsn))))
    if call.terminal.as_json:
        call.terminal.answer({"stopped": True}, lambda _: None)
