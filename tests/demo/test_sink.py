"""The endpoint of the day: it takes what is well signed, once, and now and then it is not well."""

import datetime as dt
import json
import zlib
from itertools import count

import httpx
from standardwebhooks.webhooks import Webhook

from caudal.demo.sink import Sink
from caudal_base.secret import Secret

SECRET = "whsec_c2VjcmV0IG9mIHRoZSBkYXkncyBlbmRwb2ludA=="  # of these tests
WELL, UNWELL = (
    next(
        f"evt_{number}" for number in count(1) if (zlib.crc32(f"evt_{number}".encode()) % 250 == 0) is unwell
    )
    for unwell in (False, True)
)


def webhook(
    id_: str = WELL, secret: str = SECRET, type: str = "payment.created"
) -> tuple[dict[str, str], bytes]:
    now = dt.datetime.now(dt.UTC)
    told = {"id": id_, "seq": 7, "type": type, "object": "pay_1", "created_at": now.isoformat(), "data": {}}
    body = json.dumps(told)
    signature = Webhook(secret).sign(id_, now, body)
    headers = {
        "webhook-id": id_,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    return headers, body.encode()


def sink() -> Sink:
    made = Sink()
    made.trust(Secret(SECRET))
    return made


def test_what_is_well_signed_has_arrived_once_however_often_it_comes() -> None:
    it = sink()
    assert [it.take(*webhook()) for _ in range(2)] == [200, 200]
    assert list(it.delays) == [WELL]
    assert 0 <= it.delays[WELL] < 60
    assert it.order == [("pay_1", 7)]
    assert it.attempts == {WELL: 2}


def test_what_another_has_signed_is_refused_and_counts_for_nothing() -> None:
    it = sink()
    assert it.take(*webhook(secret="whsec_b3RoZXIgb3RoZXIgb3RoZXIgb3RoZXI=")) == 400
    assert (it.refused, it.delays, it.attempts.total()) == (1, {}, 0)


def test_one_event_in_many_is_answered_with_503_at_its_first_attempt() -> None:
    it = sink()
    assert [it.take(*webhook(UNWELL)) for _ in range(2)] == [503, 200]
    assert list(it.delays) == [UNWELL]


def test_it_hears_of_payments_that_have_ended() -> None:
    it = sink()
    it.take(*webhook())
    assert it.ended == set()
    it.take(*webhook("evt_end", type="payment.failed"))
    assert it.ended == {"pay_1"}


async def test_it_serves_one_request_after_the_other_over_http() -> None:
    async with sink().listening() as it, httpx.AsyncClient() as client:
        answers = []
        for secret in (SECRET, "whsec_b3RoZXIgb3RoZXIgb3RoZXIgb3RoZXI="):
            headers, body = webhook(secret=secret)
            answers.append(await client.post(f"http://127.0.0.1:{it.port}/", content=body, headers=headers))
    assert [answer.status_code for answer in answers] == [200, 400]
