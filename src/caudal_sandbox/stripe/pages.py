"""The 3-D Secure page, where payers prove who they are or fail to; and the same by the control API."""

import html
from typing import Any, Final, Literal
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import msgspec

from caudal_sandbox.control import body_of
from caudal_sandbox.messages import Headers, Request, Response, json_response
from caudal_sandbox.stripe import views
from caudal_sandbox.stripe.account import Account
from caudal_sandbox.stripe.charging import Charging
from caudal_sandbox.stripe.types import Intent

_HTML: Final[Headers] = (("content-type", "text/html; charset=utf-8"),)
_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>3-D Secure, simulated</title>
<body><main>
<h1>3-D Secure, simulated</h1>
<p>{amount} {currency}, {id}</p>
<form method="post"><button name="outcome" value="complete">Complete</button>
<button name="outcome" value="fail">Fail</button></form>
</main></body></html>
"""


class Action(msgspec.Struct, forbid_unknown_fields=True):
    """What the payer of an intent does."""

    payment_intent: str
    outcome: Literal["complete", "fail"] = "complete"


class Pages:
    """Lets payers act."""

    def __init__(self, account: Account, charging: Charging) -> None:
        self._account = account
        self._charging = charging

    def page(self, request: Request) -> Response:
        """The page; with `?outcome=complete` or `fail` what its buttons do."""
        intent = self._waiting(request)
        if intent is None:
            return Response(404, b"This payment does not wait for you.\n", _HTML)
        if request.query:
            return self._done(intent, request.query)
        text = _PAGE.format(amount=intent.amount, currency=intent.currency, id=html.escape(intent.id))
        return Response(200, text.encode(), _HTML)

    def submit(self, request: Request) -> Response:
        """A button of the page."""
        intent = self._waiting(request)
        if intent is None:
            return Response(404, b"This payment does not wait for you.\n", _HTML)
        return self._done(intent, request.body.decode("utf-8", "replace"))

    def control(self, request: Request) -> Response:
        """`POST /control/actions`: the payer acts without a browser."""
        action = body_of(request, Action)
        intent = self._account.intents.get(action.payment_intent)
        if intent is None or intent.status != "requires_action":
            return json_response(404, {"error": f"{action.payment_intent} does not wait for its payer"})
        self._act(intent, complete=action.outcome == "complete")
        return json_response(200, self._view(intent))

    def _waiting(self, request: Request) -> Intent | None:
        id, token = request.segments
        intent = self._account.intents.get(id)
        if intent is None or intent.status != "requires_action" or not intent.client_secret.endswith(token):
            return None
        return intent

    def _done(self, intent: Intent, form: str) -> Response:
        outcome = parse_qs(form).get("outcome", [""])[0]
        if outcome not in ("complete", "fail"):
            return Response(400, b"The outcome is complete or fail.\n", _HTML)
        back = intent.return_url
        self._act(intent, complete=outcome == "complete")
        if back is None:
            return Response(200, b"Done. You may close this page.\n", _HTML)
        return Response(303, b"", (("location", self._return(back, intent)),))

    def _return(self, url: str, intent: Intent) -> str:
        """The way back to the merchant, with what Stripe adds to it."""
        well = intent.status in ("succeeded", "requires_capture", "processing")
        added = {
            "payment_intent": intent.id,
            "payment_intent_client_secret": intent.client_secret,
            "redirect_status": "succeeded" if well else "failed",
        }
        parts = urlsplit(url)
        query = f"{parts.query}&{urlencode(added)}" if parts.query else urlencode(added)
        return urlunsplit(parts._replace(query=query))

    def _act(self, intent: Intent, *, complete: bool) -> None:
        self._charging.authenticated(intent, well=complete)
        self._account.world.store.flush()

    def _view(self, intent: Intent) -> dict[str, Any]:
        return views.intent(self._account, intent)
