"""The partners that `caudal up` brings where the settings name none: a sandbox that misbehaves a little."""

import contextlib
import functools
import json
import os
import secrets
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from caudal import server, supervisor
from caudal.cli.probe import answers
from caudal.cli.setup import FIRST_BOOK
from caudal_base.secret import Secret
from caudal_base.settings import PartnerSettings

_API_KEYS: Final = {"stripe": "sk_test_sandbox", "bank": "bk_test_sandbox", "meridian": "mk_test_sandbox"}
"""In the order in which they are asked: cards go to Stripe, unless a payment names another."""

_SECRETS: Final[Mapping[str, Callable[[], str]]] = {
    "stripe": lambda: f"whsec_{secrets.token_hex(24)}",
    "bank": lambda: f"whsec_{secrets.token_hex(32)}",
    "meridian": lambda: secrets.token_hex(32),
}
"""What signs each partner's webhooks, as its scheme has it."""

_NOWHERE: Final = "http://127.0.0.1:9"

_JOURNAL: Final = "sandbox.journal"
"""In the data directory: the sandbox goes on after a restart where it stopped."""

_FAULTS: Final = {
    "delay_before": 0.2,
    "delay_ms_min": 20,
    "delay_ms_max": 300,
    "rate_limited": 0.02,
    "unavailable": 0.02,
    "error_after": 0.02,
    "drop_before": 0.02,
    "drop_after": 0.02,
    "search_lag_s": 2,
}
"""Enough for whoever tries it to see calls go wrong, and payments end well all the same.

No errors before the effect: those are kept under the key, so that the payment fails after some time.
"""

_DELIVERY: Final = {"duplicate": 0.1, "delay": 0.2, "reorder": 0.1, "before_response": 0.1, "forge": 0.05}

_HORIZON_S: Final = 10


def known_partners(data_dir: Path) -> dict[str, PartnerSettings]:
    """The partners that the `caudal up` of a data directory has brought, as commands beside it know them.

    By name and by what they can do: commands call nobody, so there is no true address or secret in it.
    """
    if not (data_dir / _JOURNAL).exists():
        return {}
    return {
        name: PartnerSettings(connector=name, book=FIRST_BOOK, url=_NOWHERE, api_key=Secret(key))
        for name, key in _API_KEYS.items()
    }


class Sandbox:
    """The sandbox as a program, and the settings that make it the partners of the first book."""

    def __init__(self, listening: socket.socket, *, api_url: str, data_dir: Path) -> None:
        """`api_url` is where its webhooks go; new secrets sign them each time."""
        self._listening = listening
        self._data_dir = data_dir
        self._webhooks = {
            name: (f"{api_url}/webhooks/in/{name}", secret()) for name, secret in _SECRETS.items()
        }
        self.url = server.url_of(listening)

    @property
    def partners(self) -> str:
        """The setting `partners` of whoever works with it, as JSON."""
        return json.dumps(
            {
                name: {
                    "connector": name,
                    "book": FIRST_BOOK,
                    "url": self.url,
                    "api_key": _API_KEYS[name],
                    "webhook_secrets": [secret],
                    "search_horizon_s": _HORIZON_S,
                    "poll_after_s": 30,
                }
                for name, (_, secret) in self._webhooks.items()
            }
        )

    def program(self, environment: Mapping[str, str], command: tuple[str, ...]) -> supervisor.Program:
        """What is to be kept running; `command` is how Python is called."""
        settings: dict[str, Any] = {
            "faults": dict.fromkeys(self._webhooks, _FAULTS),
            "webhooks": {
                name: {"url": url, "secrets": [secret], **_DELIVERY}
                for name, (url, secret) in self._webhooks.items()
            },
        }
        # Where the database is somebody else's, nothing of ours lies on this machine.
        kept = ("--state", str(self._data_dir / _JOURNAL)) if self._data_dir.is_dir() else ()
        return supervisor.Program(
            name="sandbox",
            stage=supervisor.Stage.CALLED_UPON,
            arguments=(
                sys.executable, *command, "caudal_sandbox", "serve",
                "--listen-fd", str(self._listening.fileno()), *kept,
            ),
            environment={**environment, "CAUDAL_SANDBOX_SETTINGS": json.dumps(settings)},
            descriptors=(self._listening.fileno(),),
            is_ready=functools.partial(answers, self._listening, "/control/health"),
        )  # fmt: skip


@contextlib.contextmanager
def sandbox(*, api_url: str, data_dir: Path) -> Iterator[Sandbox]:
    """A sandbox on a free port of this machine, to be started as a program."""
    with socket.create_server(("127.0.0.1", 0), backlog=server.BACKLOG) as listening:
        os.set_inheritable(listening.fileno(), True)
        yield Sandbox(listening, api_url=api_url, data_dir=data_dir)
