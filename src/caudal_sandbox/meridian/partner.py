"""Meridian over HTTP: its routes under `/meridian/v3`, its words for errors, its notifications."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, Final
from urllib.parse import parse_qs

from caudal_sandbox.control import BadBody, body_of, guarded
from caudal_sandbox.faults import Faults
from caudal_sandbox.meridian import bodies, notifications, views
from caudal_sandbox.meridian.acquirer import Acquirer
from caudal_sandbox.meridian.balance import PARTNER, Balance
from caudal_sandbox.meridian.disputes import Disputes
from caudal_sandbox.meridian.errors import Refusal, malformed
from caudal_sandbox.meridian.notifications import Notifier
from caudal_sandbox.meridian.pages import PATH, Pages
from caudal_sandbox.meridian.types import Payment
from caudal_sandbox.messages import Request, Response, json_response
from caudal_sandbox.partner import Operation, Partner, Trouble
from caudal_sandbox.partner import Refusal as Refused
from caudal_sandbox.routing import Router
from caudal_sandbox.store import Table
from caudal_sandbox.world import World

ROOT: Final = "/meridian/v3"

KEY_PREFIX: Final = "mk_test_"
"""Every API key that begins so is good."""

KEY_LIFETIME_S: Final = 3_600.0
"""Whoever repeats a call later makes a second payment."""

ACCEPTED: Final = b"[accepted]"
"""What a notification must be answered with; after anything else it is sent again."""

_WORDS: Final = {
    Trouble.RATE_LIMITED: (429, "M-600", "too many requests"),
    Trouble.UNAVAILABLE: (503, "M-900", "temporarily unavailable"),
    Trouble.INTERNAL: (500, "M-500", "internal error"),
    Trouble.KEY_IN_FLIGHT: (422, "M-401", "a request with this idempotency key is being processed"),
    Trouble.KEY_OTHER_PARAMETERS: (422, "M-400", "the idempotency key came with another body"),
    Trouble.KEY_OTHER_ENDPOINT: (422, "M-400", "the idempotency key was used at another address"),
}


class Meridian(Partner):
    """An acquirer: cards in euros, pounds and kronor."""

    name: ClassVar[str] = PARTNER
    default_faults: ClassVar[Faults] = Faults(key_lifetime_s=KEY_LIFETIME_S)
    keeps_errors: ClassVar[bool] = False
    signs_time: ClassVar[bool] = False
    acknowledgement: ClassVar[bytes] = ACCEPTED

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._notifier = Notifier(
            world,
            lambda id, body: self.dispatch(id, "notifications", body),
            wants=self.wants,
            hurried=lambda: self.is_hurried,
        )
        self._balance = Balance(world, self._notifier.tell_report)
        payments: Table[Payment] = world.store.table(
            "meridian.payment", Payment, reference=lambda payment: payment.reference
        )
        tell = self._notifier.tell
        self._disputes = Disputes(world, payments, self._balance, tell)
        self._acquirer = Acquirer(world, payments, self._balance, tell, self._disputes.soon)
        self._pages = Pages(world, self._acquirer)

    def add_routes(self, router: Router) -> None:
        """`/meridian/v3/…`, the payers' page, and payers and disputes in the control API."""
        router.add("POST", f"{ROOT}/payments", self._writes(self._pay))
        for name, receive in (
            ("captures", self._capture), ("cancellations", self._cancel), ("refunds", self._refund),
        ):  # fmt: skip
            router.add("POST", f"{ROOT}/payments/*/{name}", self._writes(receive))
        router.add("GET", f"{ROOT}/search", self._reads(self._search))
        router.add("GET", f"{ROOT}/reports", self._reads(self._reports))
        router.add("GET", f"{ROOT}/reports/*", self._reads(self._report))
        router.otherwise("/meridian/v3", lambda _: _error(404, "M-100", "there is nothing at this address"))
        router.add("GET", f"{PATH}/*/*", self._pages.page)
        router.add("POST", f"{PATH}/*/*", self._pages.submit)
        router.add("POST", "/control/meridian/payers", guarded(self._pages.control))
        router.add("POST", "/control/meridian/disputes", guarded(self._open_dispute))
        router.add("POST", "/control/meridian/disputes/*/close", guarded(self._close_dispute))

    def authenticate(self, request: Request) -> Response | None:
        """Let in whoever has a key."""
        if not request.headers.get("x-api-key", "").startswith(KEY_PREFIX):
            return _error(401, "M-200", "send an API key as X-API-Key")
        return None

    def trouble(self, trouble: Trouble, request: Request) -> Response:
        """Meridian's words for an error."""
        return _error(*_WORDS[trouble])

    def sign(self, event_id: str, body: bytes, secrets: Sequence[str], at: int) -> list[tuple[str, str]]:
        """No header: each item says its signatures itself."""
        return []

    def seal(
        self, event_id: str, body: bytes, secrets: Sequence[str], at: int
    ) -> tuple[list[tuple[str, str]], bytes]:
        """The batch with its items signed."""
        return [], notifications.seal(body, secrets)

    def tampered(self, body: bytes) -> bytes:
        """Every amount has become another."""
        return body.replace(b'"value":"', b'"value":"9')

    def hasten(self) -> int:
        """Send the items that wait for others."""
        waited = self._notifier.waiting
        self._notifier.send()
        return waited

    @property
    def held(self) -> int:
        """Items that wait for others."""
        return self._notifier.waiting

    def settle(self) -> list[dict[str, Any]]:
        """Pay out what is due, booked at once."""
        return [views.report(report) for report in self._balance.settle()]

    def reload(self) -> None:
        """Take what the store holds."""
        super().reload()
        self._balance.reload()

    def _reads(self, operation: Operation) -> Any:
        return self.call(partial(_answered, operation))

    def _writes(self, operation: Operation) -> Any:
        return self.call(partial(_answered, partial(_with_key, operation)))

    def _pay(self, request: Request) -> Response:
        asked = body_of(request, bodies.NewPayment)
        return json_response(200, views.result(self._acquirer.pay(asked, self._pages.address(request))))

    def _capture(self, request: Request) -> Response:
        asked = body_of(request, bodies.NewModification)
        return json_response(200, views.received(self._acquirer.capture(request.segments[0], asked)))

    def _cancel(self, request: Request) -> Response:
        asked = body_of(request, bodies.NewCancellation)
        return json_response(200, views.received(self._acquirer.cancel(request.segments[0], asked)))

    def _refund(self, request: Request) -> Response:
        asked = body_of(request, bodies.NewModification)
        return json_response(200, views.received(self._acquirer.refund(request.segments[0], asked)))

    def _search(self, request: Request) -> Response:
        reference = parse_qs(request.query).get("merchantReference", [""])[-1]
        if not reference:
            raise malformed("name the merchantReference that is looked for")
        found = self._acquirer.search(reference, lag_s=self.faults.search_lag_s)
        return json_response(200, {"results": [views.found(one) for one in found]})

    def _reports(self, request: Request) -> Response:
        since = parse_qs(request.query).get("createdFrom", [""])[-1]
        made = [views.report(report) for report in self._balance.reports()]
        return json_response(200, {"reports": [report for report in made if report["createdAt"] >= since]})

    def _report(self, request: Request) -> Response:
        text = self._balance.file(request.segments[0])
        return Response(200, text.encode(), (("content-type", "text/csv; charset=utf-8"),))

    def _open_dispute(self, request: Request) -> Response:
        asked = body_of(request, bodies.OpenDispute)
        return self._directed(
            lambda: self._disputes.open(self._acquirer.payment(asked.psp_reference), asked.amount)
        )

    def _close_dispute(self, request: Request) -> Response:
        won = body_of(request, bodies.CloseDispute).status == "won"
        return self._directed(lambda: self._disputes.close(request.segments[0], won=won))

    def _directed(self, do: Callable[[], Any]) -> Response:
        try:
            done = do()
        except Refusal as refusal:
            return json_response(refusal.status, {"error": refusal.message})
        self.world.store.flush()
        return json_response(200, done)


def _error(status: int, code: str, message: str) -> Response:
    return json_response(status, {"status": status, "errorCode": code, "message": message})


def _answered(operation: Operation, request: Request) -> Response:
    """The operation's answer; refusals in Meridian's words, under which no key is kept."""
    try:
        return operation(request)
    except Refusal as refusal:
        raise Refused(_error(refusal.status, refusal.code, refusal.message), kept=False) from refusal
    except BadBody as bad:
        raise Refused(_error(400, "M-100", str(bad)), kept=False) from bad


def _with_key(operation: Operation, request: Request) -> Response:
    """Refuse what changes something and has no idempotency key."""
    if not request.headers.get("idempotency-key"):
        raise malformed("send an Idempotency-Key")
    return operation(request)
