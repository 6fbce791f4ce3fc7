"""A caller of the HTTP API: a book of its own, an API key, and words for what a test does most."""

import itertools
from dataclasses import dataclass, field
from typing import Any

import httpx

from caudal import access
from caudal.access import OPERATOR, Caller, CreateKey, Environment, Scope
from caudal.api import Services
from caudal.ledger import BookInfo, BookMode, create_book
from caudal_base import ids

ALL_SCOPES = frozenset(Scope) - {Scope.ADMIN}
_numbers = itertools.count(1)


def some_id(prefix: str, services: Services) -> str:
    """A new id of the kind `prefix`."""
    return ids.encode(prefix, services.ids.new())


async def new_book(services: Services, *, name: str | None = None) -> BookInfo:
    """An empty book."""
    async with services.database.transaction() as connection:
        return await create_book(
            connection,
            id=services.ids.new(),
            name=name or f"book-{next(_numbers)}",
            mode=BookMode.TEST,
            now=services.clock.now(),
        )


async def new_key(
    services: Services, books: frozenset[int] | None, scopes: frozenset[Scope] = ALL_SCOPES
) -> str:
    """An API key's text."""
    command = CreateKey(name="test", scopes=scopes, books=books, environment=Environment.TEST)
    async with services.database.transaction() as connection:
        (issued,) = await access.create_keys(
            connection,
            [command],
            caller=Caller(principal=OPERATOR, request_id="test"),
            at=services.clock.now(),
            new_ids=services.ids,
        )
    assert isinstance(issued, access.IssuedKey)
    return issued.text.reveal()


@dataclass
class World:
    """A book and a caller who may do everything in it."""

    http: httpx.AsyncClient
    services: Services
    book: BookInfo
    key: str
    _keys: "itertools.count[int]" = field(default_factory=itertools.count)

    def headers(self, **more: str) -> dict[str, str]:
        """The caller's own, and more: `Caudal_Book="main"`."""
        named = {name.replace("_", "-"): value for name, value in more.items()}
        return {"Authorization": f"Bearer {self.key}", **named}

    async def post(
        self, path: str, body: Any = None, *, key: str | None = None, **headers: str
    ) -> httpx.Response:
        """POST with an idempotency key of its own, unless one is given."""
        key = f"key-{next(self._keys)}" if key is None else key
        return await self.http.post(
            path, json={} if body is None else body, headers=self.headers(Idempotency_Key=key, **headers)
        )

    async def send(self, path: str, content: bytes, **headers: str) -> httpx.Response:
        """POST bytes as JSON, or as another type that `Content_Type` says."""
        fresh = {"Idempotency_Key": f"key-{next(self._keys)}", "Content_Type": "application/json"}
        return await self.http.post(path, content=content, headers=self.headers(**{**fresh, **headers}))

    async def get(self, path: str, **parameters: Any) -> httpx.Response:
        """GET; `at` stands for nothing special."""
        return await self.http.get(path, params=parameters, headers=self.headers())

    async def account(self, **fields: Any) -> str:
        """A new account's id."""
        body = {"currency": "USD", "normal_side": "credit", **fields}
        response = await self.post("/v1/accounts", body)
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    async def pair(self) -> tuple[str, str]:
        """Two new accounts."""
        return await self.account(), await self.account()

    async def funded(self, amount: int, **fields: Any) -> str:
        """A new account that may not be overdrawn, with `amount` on it."""
        limit = {"limit": "debits_must_not_exceed_credits", **fields}
        source, account = await self.account(normal_side="debit"), await self.account(**limit)
        await self.moved(source, account, amount)
        return account

    async def moved(self, debit: str, credit: str, amount: int = 100, **fields: Any) -> dict[str, Any]:
        """What a transfer that passed answered."""
        response = await self.post("/v1/transfers", transfer(debit, credit, amount, **fields))
        assert response.status_code == 201, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def balance(self, account: str, **parameters: Any) -> int:
        """An account's posted balance."""
        response = await self.get(f"/v1/accounts/{account}/balance", **parameters)
        assert response.status_code == 200, response.text
        return int(response.json()["balance"])

    async def seq(self) -> int:
        """The book's last seq: what a refusal must leave as it is."""
        return int((await self.get("/v1/journal", limit=1)).json()["head"])


def transfer(debit: str, credit: str, amount: Any = 100, **fields: Any) -> dict[str, Any]:
    """A transfer's body."""
    return {"debit_account": debit, "credit_account": credit, "amount": amount, "currency": "USD", **fields}


def problem(response: httpx.Response) -> tuple[int, str, str | None]:
    """Status, code and field of a response that must be problem details."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    told = response.json()
    assert told["status"] == response.status_code
    assert told["type"] == f"/docs/errors#{told['code']}"
    return response.status_code, told["code"], told.get("field")
