"""A whole sandbox: its world, its partners, its routes."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Final

from caudal_sandbox.bank import BankPartner
from caudal_sandbox.control import Control
from caudal_sandbox.meridian import Meridian
from caudal_sandbox.messages import Request, Response
from caudal_sandbox.partner import Partner
from caudal_sandbox.routing import Router
from caudal_sandbox.stripe import Stripe
from caudal_sandbox.world import World

PARTNERS: Final[tuple[type[Partner], ...]] = (Stripe, BankPartner, Meridian)
"""What is simulated."""


class Sandbox:
    """Partners on one set of routes. `handle` answers requests; `start` lets time go by."""

    def __init__(self, *, seed: int = 0, state: Path | None = None, settings: bytes = b"{}") -> None:
        """`state` is the journal to go on with; `settings` are those of `Control.configure`.

        Raises `StateUnreadable` and `BadBody`.
        """
        self.world = World(seed=seed)
        self.partners = {kind.name: kind(self.world) for kind in PARTNERS}
        self._router = Router()
        self._control = Control(self.world, self.partners)
        self._control.add_routes(self._router)
        for partner in self.partners.values():
            partner.add_routes(self._router)
            self.world.sender.add(partner)
        self.world.store.open(state)
        self.world.begin()
        for partner in self.partners.values():
            partner.reload()
        self._control.configure(settings)
        self.world.store.flush()

    def handle(self, request: Request) -> Response | Awaitable[Response]:
        """The answer to a request."""
        return self._router.handle(request)

    def start(self) -> None:
        """Begin to send webhooks and to do what is due, in the running loop."""
        self.world.clock.start(asyncio.get_running_loop())
        self.world.sender.reload()

    async def close(self) -> None:
        """Stop, and write down what is left to do."""
        self.world.clock.stop()
        await self.world.sender.close()
        self.world.store.close()
