"""Where each payment stands, as its caller knows it: from answers, and from the feed of events.

One reader follows `/v1/events` for all callers, as a service of theirs would; a caller waits for a state.
"""

import asyncio
import contextlib
from collections import defaultdict
from typing import Any, Final

import msgspec

from caudal.simulation.http import Http, NoAnswer

_PAGE: Final = 500
_PAUSE_S: Final = 0.12
_AFTER_TROUBLE_S: Final = 0.1

FINAL: Final = frozenset({"succeeded", "declined", "failed", "cancelled", "expired", "returned"})


class _Event(msgspec.Struct, frozen=True):
    seq: int
    id: str
    type: str
    object_type: str
    object: str
    data: msgspec.Raw


class _Page(msgspec.Struct, frozen=True):
    data: list[_Event]
    next_after: int


class _View(msgspec.Struct, frozen=True):
    state: str
    version: int = 0
    partner: str | None = None
    partner_id: str | None = None
    next_action: dict[str, Any] | None = None


class Known(msgspec.Struct, frozen=True):
    """What was last heard of a payment."""

    state: str
    partner: str | None
    partner_id: str | None
    action_url: str | None


_decode_page = msgspec.json.Decoder(_Page).decode
_decode_view = msgspec.json.Decoder(_View).decode


class Progress:
    """Follows all payments of a run."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._known: dict[str, Known] = {}
        self._waiting: defaultdict[str, list[asyncio.Future[None]]] = defaultdict(list)
        self._after = 0
        self.seqs_missed: list[int] = []
        """Events whose seq does not follow the one before."""
        self._caught_up = asyncio.Event()
        self.stopped = False

    @property
    def states(self) -> dict[str, str]:
        """The state of each payment that the feed has told of last."""
        return {payment_id: known.state for payment_id, known in self._known.items()}

    async def until_caught_up(self, *, within_s: float) -> None:
        """Wait until the feed has been read to its end, or time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                self._caught_up.clear()
                await self._caught_up.wait()
                self._caught_up.clear()
                await self._caught_up.wait()

    async def until(self, payment_id: str, states: frozenset[str], *, within_s: float) -> Known | None:
        """Wait until the payment is in one of the states; None: it has ended otherwise, or time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while True:
                    known = self._known.get(payment_id)
                    if known is not None and known.state in states:
                        return known
                    if known is not None and known.state in FINAL:
                        return None
                    changed = asyncio.get_running_loop().create_future()
                    self._waiting[payment_id].append(changed)
                    await changed
        return None

    async def follow(self) -> None:
        """Read the feed until `stopped`, whatever dies meanwhile."""
        while not self.stopped:
            try:
                reply = await self._http.request(
                    "GET", f"/v1/events?after={self._after}&limit={_PAGE}", timeout_s=5.0
                )
            except NoAnswer:
                await asyncio.sleep(_AFTER_TROUBLE_S)
                continue
            if reply.status != 200:
                await asyncio.sleep(_AFTER_TROUBLE_S)
                continue
            page = _decode_page(reply.body)
            for event in page.data:
                self._take(event)
            if len(page.data) < _PAGE:
                self._caught_up.set()
                await asyncio.sleep(_PAUSE_S)

    def _take(self, event: _Event) -> None:
        if event.seq != self._after + 1:
            self.seqs_missed.append(event.seq)
        self._after = event.seq
        if event.object_type != "payment":
            return
        view = _decode_view(event.data)
        url = None if view.next_action is None else view.next_action.get("url")
        self._known[event.object] = Known(view.state, view.partner, view.partner_id, url)
        for waiting in self._waiting.pop(event.object, ()):
            if not waiting.done():
                waiting.set_result(None)
