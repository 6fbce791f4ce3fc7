"""Texts that cannot be sent: a lone surrogate is no character, and UTF-8 cannot hold it."""

from collections.abc import Awaitable, Callable

import pytest

from caudal.client import Caudal, InvalidRequest
from support.client_settings import Pair, Setting

BAD = "a\ud800"


def open_account(caudal: Caudal, _: Pair) -> Awaitable[object]:
    return caudal.accounts.open(currency="USD", normal_side="credit", reference=BAD)  # type: ignore[arg-type]


def metadata_value(caudal: Caudal, pair: Pair) -> Awaitable[object]:
    return caudal.transfers.create(
        debit_account=pair.cash.id, credit_account=pair.ana.id, amount=1, currency="USD", metadata={"k": BAD}
    )


def metadata_key(caudal: Caudal, pair: Pair) -> Awaitable[object]:
    return caudal.transfers.create(
        debit_account=pair.cash.id, credit_account=pair.ana.id, amount=1, currency="USD", metadata={BAD: "v"}
    )


def path(caudal: Caudal, _: Pair) -> Awaitable[object]:
    return caudal.accounts.get(BAD)


async def query(caudal: Caudal, _: Pair) -> object:
    return [account async for account in caudal.accounts.list(reference=BAD)]


def key(caudal: Caudal, pair: Pair) -> Awaitable[object]:
    return caudal.accounts.freeze(pair.ana.id, idempotency_key=BAD)


@pytest.mark.parametrize(
    ("call", "field", "code"),
    [
        (open_account, "reference", "lone_surrogate"),
        (metadata_value, "metadata.k", "lone_surrogate"),
        (metadata_key, "metadata", "lone_surrogate"),
        (path, "id", "lone_surrogate"),
        (query, "reference", "lone_surrogate"),
        (key, "idempotency_key", "invalid_idempotency_key"),
    ],
)
async def test_a_text_that_cannot_be_sent_is_refused_and_nothing_is_sent(
    setting: Setting,
    caudal: Caudal,
    pair: Pair,
    call: Callable[[Caudal, Pair], Awaitable[object]],
    field: str,
    code: str,
) -> None:
    sent = len(setting.network.seen)

    with pytest.raises(InvalidRequest) as caught:
        await call(caudal, pair)

    assert (caught.value.field, caught.value.code, caught.value.status) == (field, code, None)
    assert len(setting.network.seen) == sent
