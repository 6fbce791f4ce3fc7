"""The callers: each takes the next script and carries it out."""

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from caudal.simulation.following import Known, Progress
from caudal.simulation.http import Http, NoAnswer
from caudal.simulation.partners import Control
from caudal.simulation.plans import Action, Ask, Deed, Script, Step
from caudal.simulation.requests import Asked, Sender

_WAIT_S: Final = 10.0
"""How long a script waits for the state that its next step needs, before its caller loses patience."""

_DISPUTES: Final = frozenset({Deed.DISPUTE, Deed.WIN_DISPUTE, Deed.LOSE_DISPUTE})
_CLOSES: Final = {Deed.WIN_DISPUTE: "won", Deed.LOSE_DISPUTE: "lost"}
_AUTHENTICATIONS: Final = {Deed.AUTHENTICATE: "complete", Deed.FAIL_AUTHENTICATION: "fail"}


class Callers:
    """All callers of a run, and what they share."""

    def __init__(self, sender: Sender, progress: Progress, control: Control) -> None:
        self._sender = sender
        self._progress = progress
        self._control = control
        self._disputes: dict[str, str] = {}
        self.begun = 0
        self._over = False
        self._moved = asyncio.Condition()
        self.skipped: Counter[str] = Counter()
        """Steps that were not taken since their state did not come, by shape."""
        self.wrongly_accepted: list[str] = []
        """Requests that had to be refused, and were not."""

    async def run(self, scripts: Sequence[Script], clients: int) -> None:
        """Carry all scripts out, so many at a time."""
        remaining = iter(scripts)
        self._over = False
        async with asyncio.TaskGroup() as tasks:
            for _ in range(clients):
                tasks.create_task(self._client(remaining))
        self._over = True
        await self._tell()

    async def reached(self, count: int) -> bool:
        """Wait until so many scripts have been begun; False: all callers have left before."""
        async with self._moved:
            await self._moved.wait_for(lambda: self.begun >= count or self._over)
        return not self._over

    async def _client(self, scripts: Iterator[Script]) -> None:
        for script in scripts:
            self.begun += 1
            await self._tell()
            await self._carry_out(script)

    async def _tell(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    async def _carry_out(self, script: Script) -> None:
        asked = self._begin(script, script.create)
        await self._send(asked)
        if not asked.accepted:
            return
        for step in script.steps:
            known = await self._progress.until(script.payment_id, step.after, within_s=_WAIT_S)
            if known is None:
                self.skipped[script.shape] += 1
                return
            asks = [self._begin(script, ask) for ask in step.asks]
            await asyncio.gather(
                *(self._send(each) for each in asks), *(self._do(deed, script, known) for deed in step.deeds)
            )
            await self._until_changed(script, step, known)

    async def _until_changed(self, script: Script, step: Step, known: Known) -> None:
        """After a capture or an increment the state comes back: the next step is about the next time."""
        if any(ask.action in (Action.CAPTURE, Action.INCREMENT) for ask in step.asks):
            away = frozenset({"capturing", "incrementing", "succeeded", "review"})
            if known.state == "authorised":
                await self._progress.until(script.payment_id, away, within_s=0.3)

    async def _send(self, asked: Asked) -> None:
        await self._sender.send(asked)
        if asked.ask.refused and asked.accepted:
            self.wrongly_accepted.append(f"{asked.path} {asked.ask.key}: {asked.ask.body}")

    def _begin(self, script: Script, ask: Ask) -> Asked:
        path = "/v1/payments"
        if ask.action is not Action.CREATE:
            path += f"/{script.payment_id}/{ask.action.value}"
        return self._sender.begin(ask, script.payment_id, path, msgspec.json.encode(dated(ask.body)))

    async def _do(self, deed: Deed, script: Script, known: Known) -> None:
        """What somebody does at the partner's; it may be too late for it, or too early."""
        try:
            if deed in _DISPUTES:
                await self._dispute(deed, known)
            elif deed is Deed.RETURN:
                of = "transfer" if script.create.body["kind"] == "payout" else "direct_debit"
                await self._control.try_call("POST", "returns", {of: known.partner_id})
            elif known.action_url is not None:
                await visit(known.action_url, _AUTHENTICATIONS[deed])
        except NoAnswer:
            self.skipped[f"deed {deed.value}"] += 1

    async def _dispute(self, deed: Deed, known: Known) -> None:
        if known.partner_id is None:
            return
        at_meridian = known.partner == "meridian"
        path = "meridian/disputes" if at_meridian else "disputes"
        if deed is Deed.DISPUTE:
            of = "pspReference" if at_meridian else "payment_intent"
            reason = {} if at_meridian else {"reason": "fraudulent"}
            status, answer = await self._control.try_call("POST", path, {of: known.partner_id, **reason})
            if status < 300:
                self._disputes[known.partner_id] = answer["id"]
        elif known.partner_id in self._disputes:
            path = f"{path}/{self._disputes[known.partner_id]}/close"
            await self._control.try_call("POST", path, {"status": _CLOSES[deed]})


async def visit(url: str, outcome: str) -> None:
    """Do as the customer's browser does at the partner's page."""
    host, _, path = url.removeprefix("http://").partition("/")
    http = Http(int(host.rpartition(":")[2]), {})
    try:
        await http.request("GET", f"/{path}?outcome={outcome}", timeout_s=5.0)
    finally:
        http.close()


def dated(body: Any) -> dict[str, Any]:
    """The body with the seconds from now on in `execute_at` made a time."""
    content = dict(body)
    after = content.get("execute_at")
    if after is not None:
        at = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=float(after))
        content["execute_at"] = at.isoformat()
    return content
