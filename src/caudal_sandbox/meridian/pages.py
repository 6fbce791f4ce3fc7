"""The page to which payers are sent who must prove who they are; and the same by the control API."""

import html
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from caudal_sandbox.control import body_of
from caudal_sandbox.meridian import bodies, views
from caudal_sandbox.meridian.acquirer import Acquirer
from caudal_sandbox.meridian.types import Payment, Status, decimal
from caudal_sandbox.messages import Headers, Request, Response, json_response
from caudal_sandbox.world import World

PATH: Final = "/meridian/3ds"

_HTML: Final[Headers] = (("content-type", "text/html; charset=utf-8"),)
_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Card check, simulated</title>
<body><main>
<h1>Card check, simulated</h1>
<p>{value} {currency}, {id}</p>
<form method="post"><button name="outcome" value="complete">Complete</button>
<button name="outcome" value="fail">Fail</button></form>
</main></body></html>
"""


class Pages:
    """Lets payers act."""

    def __init__(self, world: World, acquirer: Acquirer) -> None:
        self._world = world
        self._acquirer = acquirer

    def address(self, request: Request) -> str:
        """Where the pages are, as whoever calls reaches this sandbox."""
        return f"http://{request.headers.get('host', 'localhost')}{PATH}"

    def page(self, request: Request) -> Response:
        """The page; with `?outcome=complete` or `fail` what its buttons do."""
        payment = self._waiting(request)
        if payment is None:
            return Response(404, b"This payment does not wait for you.\n", _HTML)
        if request.query:
            return self._done(payment, request.query)
        value = decimal(payment.amount, payment.currency)
        text = _PAGE.format(value=value, currency=payment.currency, id=html.escape(payment.id))
        return Response(200, text.encode(), _HTML)

    def submit(self, request: Request) -> Response:
        """A button of the page."""
        payment = self._waiting(request)
        if payment is None:
            return Response(404, b"This payment does not wait for you.\n", _HTML)
        return self._done(payment, request.body.decode("utf-8", "replace"))

    def control(self, request: Request) -> Response:
        """`POST /control/meridian/payers`: the payer, or a slow issuer, acts."""
        asked = body_of(request, bodies.Payer)
        payment = self._acquirer.payments.get(asked.psp_reference)
        if payment is None or payment.status not in (Status.REDIRECT, Status.PENDING):
            return json_response(404, {"error": f"{asked.psp_reference} waits for nobody"})
        self._act(payment, asked.outcome == "complete")
        return json_response(200, views.found(payment))

    def _waiting(self, request: Request) -> Payment | None:
        id, secret = request.segments
        payment = self._acquirer.payments.get(id)
        waits = payment is not None and payment.status is Status.REDIRECT and payment.secret == secret
        return payment if waits else None

    def _done(self, payment: Payment, form: str) -> Response:
        outcome = parse_qs(form).get("outcome", [""])[0]
        if outcome not in ("complete", "fail"):
            return Response(400, b"The outcome is complete or fail.\n", _HTML)
        self._act(payment, outcome == "complete")
        if payment.return_url is None:
            return Response(200, b"Done. You may close this page.\n", _HTML)
        parts = urlsplit(payment.return_url)
        added = urlencode({"pspReference": payment.id, "resultCode": payment.status.value})
        query = f"{parts.query}&{added}" if parts.query else added
        return Response(303, b"", (("location", urlunsplit(parts._replace(query=query))),))

    def _act(self, payment: Payment, complete: bool) -> None:
        self._acquirer.act(payment, complete=complete)
        self._world.store.flush()
