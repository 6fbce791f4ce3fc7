"""The client works against any deployment: it brings nothing of one with it."""

import json
import subprocess
import sys

import caudal.client

LOADED = "import json, sys; import caudal.client; print(json.dumps(sorted(sys.modules)))"


def test_the_client_imports_nothing_of_the_rest() -> None:
    told = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)

    loaded = json.loads(told.stdout)
    ours = {name for name in loaded if name.partition(".")[0] in {"caudal", "caudal_base"}}
    assert {name for name in ours if name != "caudal" and not name.startswith("caudal.client")} == set()
    assert not {"psycopg", "litestar", "granian", "structlog"} & set(loaded)


def test_everything_public_is_there_and_explained() -> None:
    for name in caudal.client.__all__:
        assert getattr(caudal.client, name).__doc__, name
