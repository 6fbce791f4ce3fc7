"""`Caudal`: a connection to the API, and its resources."""

import asyncio
import datetime as dt
import importlib.metadata
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Final, Self

import httpx

from caudal.client.accounts import Accounts
from caudal.client.anomalies import Anomalies
from caudal.client.bodies import JournalQuery, TrialBalanceQuery
from caudal.client.books import Books, Periods
from caudal.client.cases import Cases
from caudal.client.customers import Customers, Products
from caudal.client.decisions import Decisions, Features, Reviews
from caudal.client.disputes import Disputes, Refunds
from caudal.client.events import Events
from caudal.client.models import Models
from caudal.client.objectives import Objectives
from caudal.client.payments import Payments
from caudal.client.payouts import Payouts
from caudal.client.reports import JournalPage, JournalRow, TrialBalance
from caudal.client.retry import Retry
from caudal.client.risk import RiskLabels
from caudal.client.risk_rules import RiskRules
from caudal.client.routing import Routing
from caudal.client.sending import Bearer, Sender, Sleep
from caudal.client.transactions import Templates, Transactions
from caudal.client.transfers import Transfers
from caudal.client.webhook_endpoints import WebhookEndpoints
from caudal.client.webhooks import InboundWebhooks

_USER_AGENT: Final = f"caudal-python/{importlib.metadata.version('caudal')}"


class Caudal:
    """A client of one book. Make one and keep it: it holds connections, and tasks may share it.

    Every write carries an idempotency key, made here unless the call names one, and is repeated with the same
    bytes under it when connections fail, time runs out, or the API answers 429 or 5xx. So it has one effect,
    however often it was sent. Calls raise `CaudalError`; what has no answer in the end is `OutcomeUnknown`.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        book: str | None = None,
        retry: Retry | None = None,
        timeout_s: float = 15.0,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Connects at the first call.

        `book` is the id or name of the book to work on, needed where the API key reaches several. `timeout_s`
        bounds each wait on the network, `retry` a call as a whole. `transport` and `sleep` stand in for the
        network and for waiting: a proxy, a simulation. Raises `ValueError` for what is no URL or key.
        """
        if not base_url.startswith(("http://", "https://")):
            raise ValueError("the base URL begins with http:// or https://")
        headers = {"User-Agent": _USER_AGENT}
        if book is not None:
            headers["Caudal-Book"] = book
        self._base_url = base_url
        self._http = httpx.AsyncClient(
            base_url=base_url,
            auth=Bearer(key),
            headers=headers,
            timeout=timeout_s,
            transport=transport,
            follow_redirects=False,
        )
        self._sender = Sender(self._http, retry or Retry(), sleep)
        self.accounts: Final = Accounts(self._sender)
        self.transfers: Final = Transfers(self._sender)
        self.transactions: Final = Transactions(self._sender)
        self.templates: Final = Templates(self._sender)
        self.books: Final = Books(self._sender)
        self.periods: Final = Periods(self._sender)
        self.customers: Final = Customers(self._sender)
        self.products: Final = Products(self._sender)
        self.payments: Final = Payments(self._sender)
        self.payouts: Final = Payouts(self._sender)
        self.refunds: Final = Refunds(self._sender)
        self.disputes: Final = Disputes(self._sender)
        self.decisions: Final = Decisions(self._sender)
        self.reviews: Final = Reviews(self._sender)
        self.features: Final = Features(self._sender)
        self.rules: Final = RiskRules(self._sender)
        self.models: Final = Models(self._sender)
        self.anomalies: Final = Anomalies(self._sender)
        self.cases: Final = Cases(self._sender)
        self.labels: Final = RiskLabels(self._sender)
        self.routing: Final = Routing(self._sender)
        self.objectives: Final = Objectives(self._sender)
        self.events: Final = Events(self._sender)
        self.webhooks_in: Final = InboundWebhooks(self._sender)
        self.webhook_endpoints: Final = WebhookEndpoints(self._sender)

    @property
    def retries(self) -> int:
        """How many attempts, of all calls so far, were repeats."""
        return self._sender.retries

    async def trial_balance(
        self,
        *,
        at_seq: int | None = None,
        at_recorded: dt.datetime | None = None,
        at_effective_day: dt.date | None = None,
    ) -> TrialBalance:
        """The book by chart code and currency: now, at one moment, or at the end of a day by value (UTC).

        Raises `InvalidRequest` for two moments.
        """
        query = TrialBalanceQuery(at_seq=at_seq, at_recorded=at_recorded, at_effective_day=at_effective_day)
        return await self._sender.read(TrialBalance, "/v1/trial-balance", query)

    async def journal(
        self, *, after: int = 0, follow: bool = True, poll_s: float = 1.0, page_size: int | None = None
    ) -> AsyncIterator[JournalRow]:
        """Everything that happened in the book behind the seq `after`, in order and each once.

        At the end it waits for more and asks every `poll_s` seconds; with `follow=False` it ends there. Where
        it raises `Unavailable`, go on with the seq of the last row.
        """
        while True:
            query = JournalQuery(after=after, limit=page_size)
            page = await self._sender.read(JournalPage, "/v1/journal", query)
            for row in page.data:
                yield row
            after = page.next_after
            if after >= page.head or not page.data:
                if not follow:
                    return
                await self._sender.sleep(poll_s)

    async def aclose(self) -> None:
        """Close the connections. Not needed in `async with`."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        """The client itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self.aclose()

    def __repr__(self) -> str:
        """Without the API key, nor what a URL may hold of user and password."""
        url = httpx.URL(self._base_url)
        return f"<Caudal {url.copy_with(userinfo=b'')}>"
