"""The client in a test: on a network that can fail, and in no time."""

import datetime as dt
from dataclasses import dataclass, field

from caudal.api import Services
from caudal.client import Account, Caudal, Retry
from support.unreliable import Network

YESTERDAY = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
URL = "http://caudal.test"


@dataclass
class Setting:
    """A client, the network behind it, and how long it waited."""

    services: Services
    network: Network
    key: str
    waits: list[float] = field(default_factory=list)

    def client(
        self, *, key: str | None = None, book: str | None = None, retry: Retry | None = None
    ) -> Caudal:
        """Another client on the same network; waiting takes no time, and is written down."""

        async def wait(seconds: float) -> None:
            self.waits.append(seconds)

        return Caudal(URL, key or self.key, book=book, retry=retry, transport=self.network, sleep=wait)


@dataclass(frozen=True)
class Pair:
    """Where money comes from, and a customer who may not be overdrawn."""

    cash: Account
    ana: Account


async def fund(caudal: Caudal, pair: Pair, amount: int = 1000) -> str:
    """The id of a transfer that has given Ana money."""
    transfer = await caudal.transfers.create(
        debit_account=pair.cash.id, credit_account=pair.ana.id, amount=amount, currency="USD"
    )
    return transfer.id
