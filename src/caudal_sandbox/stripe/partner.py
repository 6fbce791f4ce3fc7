"""Stripe as a partner of the sandbox: its routes, its words for errors, its signature."""

import base64
import binascii
import hmac
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, Literal

import msgspec

from caudal_sandbox.control import body_of, guarded
from caudal_sandbox.messages import Request, Response, json_response
from caudal_sandbox.partner import Partner, Trouble
from caudal_sandbox.routing import Router
from caudal_sandbox.stripe import disputes, errors, form, intents, payouts, refunds
from caudal_sandbox.stripe.account import API_VERSION, Account
from caudal_sandbox.stripe.charging import Charging
from caudal_sandbox.stripe.form import Parameters, Shape
from caudal_sandbox.stripe.money import Balance
from caudal_sandbox.stripe.pages import Pages
from caudal_sandbox.stripe.reading import Reading
from caudal_sandbox.stripe.rendering import Rendering
from caudal_sandbox.world import World

MAX_KEY: Final = 255

_ONLY_EXPAND: Final[Shape] = {"expand": {"*": None}}


class OpenDispute(msgspec.Struct, forbid_unknown_fields=True):
    """A payer goes to their bank."""

    payment_intent: str
    amount: int | None = None
    reason: str = "fraudulent"
    inquiry: bool = False


class CloseDispute(msgspec.Struct, forbid_unknown_fields=True):
    """The bank decides."""

    status: Literal["won", "lost"]


class Stripe(Partner):
    """Stripe's API for one account."""

    name: ClassVar[str] = "stripe"
    default_events: ClassVar[tuple[str, ...]] = (
        "payment_intent.*",
        "refund.*",
        "charge.dispute.*",
        "payout.*",
    )

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._account = Account(world, self)
        balance = Balance(self._account)
        charging = Charging(self._account, balance)
        self._rendering = Rendering(self._account)
        self._reading = Reading(self._account, self._rendering, lambda: self.faults.search_lag_s)
        self._intents = intents.Intents(self._account, charging, balance)
        self._refunds = refunds.Refunds(self._account, balance)
        self._disputes = disputes.Disputes(self._account, balance)
        self._payouts = payouts.Payouts(self._account, balance)
        self._pages = Pages(self._account, charging)

    def reload(self) -> None:
        super().reload()
        self._account.reload()
        self._payouts.begin()

    def add_routes(self, router: Router) -> None:
        """`/v1/…`, the 3-D Secure page, and disputes, actions and payouts of the control API."""
        self._add_calls(router)
        self._add_reads(router)
        router.add("GET", "/3ds/*/*", self._pages.page)
        router.add("POST", "/3ds/*/*", self._pages.submit)
        router.add("POST", "/control/actions", guarded(self._pages.control))
        router.add("POST", "/control/disputes", guarded(self._open_dispute))
        router.add("POST", "/control/disputes/*/close", guarded(self._close_dispute))
        router.add("POST", "/control/payouts/*/fail", guarded(self._fail_payout))
        router.otherwise("/v1/", self.call(self._unrecognised))

    def _add_calls(self, router: Router) -> None:
        made, refunds_, disputes_, payouts_ = self._intents, self._refunds, self._disputes, self._payouts
        for pattern, shape, new in (
            ("payment_intents", intents.CREATE, made.create),
            ("refunds", refunds.CREATE, refunds_.create),
            ("payouts", payouts.CREATE, payouts_.create),
        ):
            router.add("POST", f"/v1/{pattern}", self.call(self._creating(shape, new)))
        for pattern, shape, act in (
            ("payment_intents/*", intents.UPDATE, made.update),
            ("payment_intents/*/confirm", intents.CONFIRM, made.confirm),
            ("payment_intents/*/capture", intents.CAPTURE, made.capture),
            ("payment_intents/*/increment_authorization", intents.INCREMENT, made.increment),
            ("payment_intents/*/cancel", intents.CANCEL, made.cancel),
            ("refunds/*", refunds.UPDATE, refunds_.update),
            ("refunds/*/cancel", refunds.CANCEL, refunds_.cancel),
            ("disputes/*", disputes.UPDATE, disputes_.update),
            ("disputes/*/close", disputes.CLOSE, disputes_.close),
            ("payouts/*", payouts.UPDATE, payouts_.update),
        ):
            router.add("POST", f"/v1/{pattern}", self.call(self._acting(shape, act)))

    def _add_reads(self, router: Router) -> None:
        account, reading = self._account, self._reading
        one: dict[str, Callable[[str], Any]] = {
            "payment_intents": account.intent,
            "charges": account.charge,
            "refunds": account.refund,
            "disputes": account.dispute,
            "payouts": account.payout,
            "balance_transactions": account.transaction,
            "payment_methods": account.method,
        }
        for name, find in one.items():
            router.add("GET", f"/v1/{name}/*", self.call(self._retrieving(find)))
        many: dict[str, Callable[[Request], dict[str, Any]]] = {
            "payment_intents": reading.intents,
            "payment_intents/search": reading.search,
            "charges": reading.charges,
            "refunds": reading.refunds,
            "disputes": reading.disputes,
            "payouts": reading.payouts,
            "balance_transactions": reading.transactions,
            "events": reading.events,
        }
        for name, read in many.items():
            router.add("GET", f"/v1/{name}", self.call(self._reading_many(read)))
        router.add("GET", "/v1/balance", self.call(lambda _: self._answer(self._payouts.balance())))
        router.add("GET", "/v1/events/*", self.call(self._event))

    def authenticate(self, request: Request) -> Response | None:
        """Any secret key of test mode, as a bearer or as the user of basic authentication."""
        if _key_of(request.headers.get("authorization", "")).startswith("sk_test_"):
            return None
        message = "Invalid API Key provided: this is test mode, whose keys begin with sk_test_."
        return json_response(401, errors.body("invalid_request_error", message))

    def trouble(self, trouble: Trouble, request: Request) -> Response:
        """Stripe's words."""
        key = request.headers.get("idempotency-key", "")
        match trouble:
            case Trouble.RATE_LIMITED:
                message = "Request rate limit exceeded."
                return json_response(429, errors.body("invalid_request_error", message, code="rate_limit"))
            case Trouble.UNAVAILABLE:
                return json_response(503, errors.body("api_error", "Stripe is temporarily unavailable."))
            case Trouble.INTERNAL:
                message = "An unknown error occurred"
                return json_response(500, errors.body("api_error", message))
            case Trouble.KEY_IN_FLIGHT:
                message = f"There is currently another in-progress request using this Idempotent Key: {key}."
                return json_response(
                    409, errors.body("invalid_request_error", message, code="idempotency_key_in_use")
                )
            case Trouble.KEY_OTHER_PARAMETERS:
                message = f"Keys for idempotent requests need the parameters of their first use: {key}."
                return json_response(400, errors.body("idempotency_error", message))
            case Trouble.KEY_OTHER_ENDPOINT:
                message = f"Keys for idempotent requests need the endpoint of their first use: {key}."
                return json_response(400, errors.body("idempotency_error", message))

    def parameters(self, request: Request) -> bytes:
        """The same parameters in another order are the same."""
        return b"&".join(sorted(request.body.split(b"&")))

    def sign(self, event_id: str, body: bytes, secrets: Sequence[str], at: int) -> list[tuple[str, str]]:
        """`Stripe-Signature`, with a `v1` for each secret."""
        signed = b"%d." % at + body
        made = [f"v1={hmac.digest(secret.encode(), signed, 'sha256').hex()}" for secret in secrets]
        return [("stripe-signature", ",".join((f"t={at}", *made)))]

    def settle(self) -> list[dict[str, Any]]:
        """Pay everything out now."""
        return [self._rendering.object(payout) for payout in self._payouts.settle()]

    def _creating(
        self, shape: Shape, create: Callable[[Parameters, Request], Any]
    ) -> Callable[[Request], Response]:
        def carry_out(request: Request) -> Response:
            given = _body(request, shape)
            paths = given.texts("expand")
            row = create(given, request)
            return self._answer(self._rendering.expanded(row, paths))

        return carry_out

    def _acting(
        self, shape: Shape, act: Callable[[str, Parameters, Request], Any]
    ) -> Callable[[Request], Response]:
        def carry_out(request: Request) -> Response:
            given = _body(request, shape)
            paths = given.texts("expand")
            row = act(request.segments[0], given, request)
            return self._answer(self._rendering.expanded(row, paths))

        return carry_out

    def _retrieving(self, find: Callable[[str], Any]) -> Callable[[Request], Response]:
        shape = {**_ONLY_EXPAND, "client_secret": None}

        def carry_out(request: Request) -> Response:
            given = Parameters(form.decode(request.query), shape)
            row = find(request.segments[0])
            return self._answer(self._rendering.expanded(row, given.texts("expand")))

        return carry_out

    def _reading_many(self, read: Callable[[Request], dict[str, Any]]) -> Callable[[Request], Response]:
        return lambda request: self._answer(read(request))

    def _event(self, request: Request) -> Response:
        event = self._account.events.get(request.segments[0])
        if event is None:
            raise errors.missing("event", request.segments[0])
        return self._answer(event.body)

    def _unrecognised(self, request: Request) -> Response:
        message = f"Unrecognized request URL ({request.method}: {request.path})."
        return json_response(404, errors.body("invalid_request_error", message))

    def _answer(self, value: Any) -> Response:
        return json_response(200, value, ("stripe-version", API_VERSION))

    def _open_dispute(self, request: Request) -> Response:
        asked = body_of(request, OpenDispute)
        if asked.reason not in disputes.REASONS:
            return json_response(400, {"error": f"a reason is one of {', '.join(disputes.REASONS)}"})
        intent = self._account.intents.get(asked.payment_intent)
        if intent is None or intent.charge is None:
            return json_response(404, {"error": f"there is no charge of {asked.payment_intent}"})
        charge = self._account.charge(intent.charge)
        try:
            dispute = self._disputes.open(
                charge, amount=asked.amount, reason=asked.reason, inquiry=asked.inquiry
            )
        except errors.Refusal as refusal:
            return refusal.response
        self.world.store.flush()
        return json_response(200, self._rendering.object(dispute))

    def _close_dispute(self, request: Request) -> Response:
        status = body_of(request, CloseDispute).status
        dispute = self._account.disputes.get(request.segments[0])
        if dispute is None or not self._disputes.is_open(dispute):
            return json_response(404, {"error": f"there is no open dispute {request.segments[0]}"})
        self._disputes.end(dispute, won=status == "won")
        self.world.store.flush()
        return json_response(200, self._rendering.object(dispute))

    def _fail_payout(self, request: Request) -> Response:
        payout = self._account.payouts.get(request.segments[0])
        if payout is None or payout.status == "failed":
            return json_response(404, {"error": f"there is no payout {request.segments[0]} that could fail"})
        self._payouts.fail(payout)
        self.world.store.flush()
        return json_response(200, self._rendering.object(payout))


def _body(request: Request, shape: Shape) -> Parameters:
    if len(request.headers.get("idempotency-key", "")) > MAX_KEY:
        raise errors.invalid(f"Idempotency keys have at most {MAX_KEY} characters.")
    try:
        text = request.body.decode("ascii")
    except UnicodeDecodeError:
        raise errors.invalid("Parameters come percent-encoded.") from None
    return Parameters(form.decode(text), shape)


def _key_of(authorization: str) -> str:
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""
