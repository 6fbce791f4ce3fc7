"""The API key is in the requests, and nowhere else that anybody might print."""

import logging
import pickle
import pprint
import traceback

import pytest

from caudal.client import Caudal, CaudalError, OutcomeUnknown, Retry, Unauthenticated
from support.client_settings import Pair, Setting
from support.unreliable import answers, lost_answer

SECRET = "caudal_test_canary0123456789"


def test_a_client_prints_where_it_connects_and_no_secret() -> None:
    client = Caudal("https://someone:password@ledger.test/base", SECRET)

    assert repr(client) == "<Caudal https://ledger.test/base>"
    for part in (client, client._http.auth, client._http.headers, client.accounts, client._sender):
        assert SECRET not in repr(part)
        assert SECRET not in pprint.pformat(part)


@pytest.mark.parametrize("key", ["", "with space", "with\nline", "käy", "a\0b"])
def test_what_cannot_be_a_key_is_refused_without_being_repeated(key: str) -> None:
    with pytest.raises(ValueError) as caught:
        Caudal("http://ledger.test", key)

    assert not key or key not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("url", ["ledger.test", "ftp://ledger.test", ""])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="http"):
        Caudal(url, SECRET)


async def test_neither_errors_nor_logs_hold_the_key(
    setting: Setting, pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    caught: list[CaudalError] = []
    with caplog.at_level(logging.DEBUG):
        async with setting.client(key=SECRET, retry=Retry(attempts=2)) as caudal:
            for fault in (lost_answer, answers(503), answers(200, b"{}")):
                setting.network.faults = [fault, fault]
                try:
                    await caudal.accounts.close(pair.ana.id)
                except CaudalError as error:
                    caught.append(error)

    assert [type(error) for error in caught] == [OutcomeUnknown] * 3
    assert setting.network.seen[-1].headers["authorization"] == f"Bearer {SECRET}"
    for error in caught:
        printed = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        assert SECRET not in printed + repr(error) + str(vars(error))
    assert "again in" in caplog.text
    assert SECRET not in caplog.text
    assert all(SECRET not in str(vars(record)) for record in caplog.records)


async def test_errors_travel_between_processes(setting: Setting) -> None:
    async with setting.client(key=SECRET) as caudal:
        with pytest.raises(Unauthenticated) as caught:
            await caudal.accounts.get("acct_" + "1" * 32)
        setting.network.faults = [answers(503)] * 5
        with pytest.raises(OutcomeUnknown) as unknown:
            await caudal.accounts.freeze("acct_" + "1" * 32)

    for error in (caught.value, unknown.value):
        there = pickle.loads(pickle.dumps(error))
        assert type(there) is type(error)
        assert vars(there) == vars(error)
        assert str(there) == str(error)
