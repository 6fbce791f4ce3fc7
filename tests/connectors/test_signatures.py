import base64
import datetime as dt
import hashlib
import hmac
import json

import pytest
import standardwebhooks
import stripe

from caudal.connectors import (
    KeyedScheme,
    KeyNeeded,
    RefusalReason,
    Scheme,
    Signed,
    StandardWebhooks,
    StripeScheme,
    WebhookRefused,
)
from caudal_base.secret import Secret
from support.corpus import corpus

NOW = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)
BODY = '{"id": "evt_1", "name": "Zoë"}'.encode()
OLD, NEW = Secret("whsec_old_old_old"), Secret("whsec_new_new_new")
STANDARD_OLD = Secret("whsec_" + base64.b64encode(b"old" * 8).decode())
STANDARD_NEW = Secret("whsec_" + base64.b64encode(b"new" * 8).decode())


def refusal(scheme: Scheme, headers: dict[str, str], body: bytes = BODY) -> RefusalReason:
    with pytest.raises(WebhookRefused) as caught:
        scheme.verify(headers, body, now=NOW)
    assert caught.value.status == 400
    assert caught.value.problem()["reason"] == caught.value.reason.value
    return caught.value.reason


def stripe_signature(secret: Secret, at: dt.datetime = NOW, body: bytes = BODY) -> str:
    content = f"{int(at.timestamp())}.".encode() + body
    return hmac.new(secret.reveal().encode(), content, hashlib.sha256).hexdigest()


def stripe_header(*secrets: Secret, at: dt.datetime = NOW) -> dict[str, str]:
    signatures = ",".join(f"v1={stripe_signature(secret, at)}" for secret in secrets)
    return {"stripe-signature": f"t={int(at.timestamp())},{signatures},v0=6ffbb59b2300aae63f272406069a9788"}


def standard_headers(*secrets: Secret, at: dt.datetime = NOW, body: bytes = BODY) -> dict[str, str]:
    signers = [standardwebhooks.Webhook(secret.reveal()) for secret in secrets]
    signed = [signer.sign(msg_id="msg_1", timestamp=at, data=body.decode()) for signer in signers]
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signed),
    }


SCHEMES = [
    pytest.param(StripeScheme((OLD, NEW)), stripe_header, OLD, NEW, id="stripe"),
    pytest.param(
        StandardWebhooks((STANDARD_OLD, STANDARD_NEW)),
        standard_headers,
        STANDARD_OLD,
        STANDARD_NEW,
        id="standard",
    ),
]
STRANGER = Secret("whsec_" + base64.b64encode(b"someone else").decode())


@pytest.mark.parametrize(("scheme", "headers", "old", "new"), SCHEMES)
def test_any_of_our_secrets_may_have_signed_and_others_may_have_too(scheme, headers, old, new) -> None:
    for signers in ((old,), (new,), (STRANGER, old), (new, STRANGER), (old, new)):
        assert scheme.verify(headers(*signers), BODY, now=NOW).at == NOW
    assert refusal(scheme, headers(STRANGER)) is RefusalReason.NO_MATCH


@pytest.mark.parametrize(("scheme", "headers", "old", "new"), SCHEMES)
def test_a_signature_holds_five_minutes_either_way(scheme, headers, old, new) -> None:
    tolerance, second = dt.timedelta(minutes=5), dt.timedelta(seconds=1)
    for at in (NOW - tolerance, NOW + tolerance):
        assert scheme.verify(headers(new, at=at), BODY, now=NOW).at == at
    assert refusal(scheme, headers(new, at=NOW - tolerance - second)) is RefusalReason.TOO_OLD
    assert refusal(scheme, headers(new, at=NOW + tolerance + second)) is RefusalReason.TOO_NEW


@pytest.mark.parametrize(("scheme", "headers", "old", "new"), SCHEMES)
def test_a_forgery_with_a_stale_time_is_called_a_forgery(scheme, headers, old, new) -> None:
    assert refusal(scheme, headers(STRANGER, at=NOW - dt.timedelta(days=1))) is RefusalReason.NO_MATCH


@pytest.mark.parametrize(("scheme", "headers", "old", "new"), SCHEMES)
def test_every_changed_byte_of_the_body_is_seen(scheme, headers, old, new) -> None:
    signed = headers(new)
    for index in range(len(BODY)):
        tampered = BODY[:index] + bytes([BODY[index] ^ 1]) + BODY[index + 1 :]
        assert refusal(scheme, signed, tampered) is RefusalReason.NO_MATCH
    assert refusal(scheme, signed, BODY[:-1]) is RefusalReason.NO_MATCH
    assert refusal(scheme, signed, BODY + b"\n") is RefusalReason.NO_MATCH
    assert refusal(scheme, signed, b"") is RefusalReason.NO_MATCH


@pytest.mark.parametrize(("scheme", "headers", "old", "new"), SCHEMES)
def test_without_secrets_nothing_is_good(scheme, headers, old, new) -> None:
    assert refusal(type(scheme)(()), headers(old, new)) is RefusalReason.NO_MATCH


def test_stripes_own_library_signs_what_we_accept_and_accepts_what_we_sign() -> None:
    header = stripe.WebhookSignature.generate_signature_header(
        BODY.decode(), NEW.reveal(), int(NOW.timestamp())
    )
    assert StripeScheme((NEW,)).verify({"stripe-signature": header}, BODY, now=NOW) == Signed(None, NOW)
    real = dt.datetime.now(dt.UTC)
    assert stripe.WebhookSignature.verify_header(
        BODY.decode(), stripe_header(NEW, at=real)["stripe-signature"], NEW.reveal(), tolerance=300
    )


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (None, RefusalReason.MISSING),
        ("", RefusalReason.MISSING),
        ("t=1795348800", RefusalReason.MISSING),
        (f"v1={stripe_signature(NEW)}", RefusalReason.MISSING),
        (f"t=1795348800,v0={stripe_signature(NEW)}", RefusalReason.MISSING),
        (f"t=,v1={stripe_signature(NEW)}", RefusalReason.MALFORMED),
        (f"t=now,v1={stripe_signature(NEW)}", RefusalReason.MALFORMED),
        (f"t=-1795348800,v1={stripe_signature(NEW)}", RefusalReason.MALFORMED),
        (f"t=١٧٩,v1={stripe_signature(NEW)}", RefusalReason.MALFORMED),
        (f"t={'9' * 40},v1={stripe_signature(NEW)}", RefusalReason.MALFORMED),
        (f"t=1795348800,t=1795348801,v1={stripe_signature(NEW)}", RefusalReason.MALFORMED),
        ("t=1795348800" + ",v1=00" * 17, RefusalReason.MALFORMED),
        ("t=1795348800,v1=", RefusalReason.NO_MATCH),
        ("t=1795348800,v1=é", RefusalReason.NO_MATCH),
        (f"t=1795348800,v1={stripe_signature(NEW)[:-1]}", RefusalReason.NO_MATCH),
        (f"t=1795348801,v1={stripe_signature(NEW)}", RefusalReason.NO_MATCH),
        (f"t=1795348800,v1={stripe_signature(NEW).upper()}", RefusalReason.NO_MATCH),
    ],
)
def test_stripe_headers_out_of_form_are_refused(header: str | None, reason: RefusalReason) -> None:
    assert int(NOW.timestamp()) == 1795348800
    headers = {} if header is None else {"stripe-signature": header}
    assert refusal(StripeScheme((NEW,)), headers) is reason


def test_the_vectors_of_standard_webhooks_hold() -> None:
    vectors = json.loads((corpus("webhooks") / "standard_webhooks_v1.json").read_text())["vectors"]
    assert vectors
    for vector in vectors:
        scheme = StandardWebhooks((Secret(vector["secret"]),))
        at = dt.datetime.fromtimestamp(vector["timestamp"], dt.UTC)
        body = vector["payload"].encode()
        assert scheme.verify(vector["headers"], body, now=at) == Signed(vector["id"], at)
        for header in vector["headers"]:
            for changed in ({header: vector["headers"][header] + "0"}, {header: "1"}):
                with pytest.raises(WebhookRefused):
                    scheme.verify({**vector["headers"], **changed}, body, now=at)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"webhook-id": ""}, RefusalReason.MISSING),
        ({"webhook-timestamp": ""}, RefusalReason.MISSING),
        ({"webhook-signature": ""}, RefusalReason.MISSING),
        ({"webhook-signature": "v1a,AAAA"}, RefusalReason.MISSING),
        ({"webhook-signature": " ".join(["v1,AAAA"] * 17)}, RefusalReason.MALFORMED),
        ({"webhook-timestamp": "1e9"}, RefusalReason.MALFORMED),
        ({"webhook-id": "msg.1"}, RefusalReason.MALFORMED),
        ({"webhook-id": "müsli"}, RefusalReason.MALFORMED),
        ({"webhook-id": "msg_2"}, RefusalReason.NO_MATCH),
        ({"webhook-signature": "v1,ü"}, RefusalReason.NO_MATCH),
        ({"webhook-signature": "v1"}, RefusalReason.NO_MATCH),
    ],
)
def test_standard_webhooks_out_of_form_are_refused(change: dict[str, str], reason: RefusalReason) -> None:
    scheme = StandardWebhooks((STANDARD_NEW,))
    assert refusal(scheme, {**standard_headers(STANDARD_NEW), **change}) is reason


def test_signed_text_cannot_be_cut_at_another_place() -> None:
    """`id.time.body` signed with a body that begins like a time is no signature of `id.time` as an id."""
    inner = f"{int(NOW.timestamp())}.x"
    headers = standard_headers(STANDARD_NEW, body=inner.encode())
    moved = {**headers, "webhook-id": f"msg_1.{int(NOW.timestamp())}"}
    assert refusal(StandardWebhooks((STANDARD_NEW,)), moved, b"x") is RefusalReason.MALFORMED


def test_a_secret_that_is_no_base64_is_refused_without_being_said() -> None:
    for text in ("whsec_", "whsec_***", "not base64!"):
        with pytest.raises(ValueError, match=r"^a secret of Standard Webhooks is whsec_ and base64$"):
            StandardWebhooks((Secret(text),))


class BodyOnly:
    """As Marqeta signs: HMAC of the body, and no time."""

    def verify(self, headers, body, *, now) -> Signed:
        wanted = base64.b64encode(hmac.digest(b"key", body, hashlib.sha1)).decode()
        if not hmac.compare_digest(headers.get("x-marqeta-signature", ""), wanted):
            raise WebhookRefused(RefusalReason.NO_MATCH, "signed with another key")
        return Signed(id=None, at=None)


class Keyed:
    """As Plaid signs: the header names a public key that has to be fetched."""

    def __init__(self) -> None:
        self.keys: dict[str, str] = {}

    def verify(self, headers, body, *, now) -> Signed:
        key_id, _, signature = headers["plaid-verification"].partition(":")
        if key_id not in self.keys:
            raise KeyNeeded(key_id)
        if signature != hashlib.sha256(self.keys[key_id].encode() + body).hexdigest():
            raise WebhookRefused(RefusalReason.NO_MATCH, "signed with another key")
        return Signed(id=None, at=now)

    async def learn(self, key_id: str) -> bool:
        if key_id == "k1":
            self.keys[key_id] = "public"
        return key_id == "k1"


def test_schemes_without_a_time_and_with_keys_to_fetch_fit_the_interface() -> None:
    body_only: Scheme = BodyOnly()
    signature = base64.b64encode(hmac.digest(b"key", BODY, hashlib.sha1)).decode()
    assert body_only.verify({"x-marqeta-signature": signature}, BODY, now=NOW) == Signed(None, None)
    assert refusal(body_only, {"x-marqeta-signature": "x"}) is RefusalReason.NO_MATCH


async def test_a_key_that_is_needed_is_named_and_verifying_again_succeeds() -> None:
    keyed: KeyedScheme = Keyed()
    headers = {"plaid-verification": "k1:" + hashlib.sha256(b"public" + BODY).hexdigest()}
    assert refusal(keyed, headers) is RefusalReason.KEY_UNKNOWN
    assert await keyed.learn("k1")
    assert keyed.verify(headers, BODY, now=NOW) == Signed(None, NOW)
    assert not await keyed.learn("k2")
