"""Who is let in, to what, and under which name they are remembered."""

import pytest

from caudal.access import Scope
from caudal.api import ENDPOINTS
from caudal.api.endpoint import Access
from support.worlds import ALL_SCOPES, World, new_book, new_key, problem, transfer

GUARDED = [endpoint for endpoint in ENDPOINTS if endpoint.access is not Access.PUBLIC]
PUBLIC = [endpoint for endpoint in ENDPOINTS if endpoint.access is Access.PUBLIC]
OPEN = [endpoint for endpoint in PUBLIC if endpoint.method == "GET"]


def path_of(path: str) -> str:
    return path.replace("{id}", "x").replace("{name}", "x")


@pytest.mark.parametrize("endpoint", GUARDED, ids=lambda e: e.name)
async def test_without_a_key_nothing_is_told(world: World, endpoint) -> None:  # type: ignore[no-untyped-def]
    response = await world.http.request(endpoint.method, path_of(endpoint.path))

    assert problem(response)[:2] == (401, "unauthenticated")
    assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("endpoint", GUARDED, ids=lambda e: e.name)
async def test_every_endpoint_has_a_scope(world: World, endpoint) -> None:  # type: ignore[no-untyped-def]
    scopes = ALL_SCOPES - {endpoint.scope}
    world.key = await new_key(world.services, frozenset({world.book.book_id}), scopes)

    response = await world.http.request(
        endpoint.method, path_of(endpoint.path), headers=world.headers(), json={}
    )

    assert problem(response)[:2] == (403, "missing_scope")
    assert response.json()["scope"] == endpoint.scope.value


def test_partners_alone_post_without_a_key() -> None:
    assert {endpoint.name for endpoint in PUBLIC} - {endpoint.name for endpoint in OPEN} == {
        "receive_webhook"
    }


@pytest.mark.parametrize("endpoint", OPEN, ids=lambda e: e.name)
async def test_health_and_docs_are_open(world: World, endpoint) -> None:  # type: ignore[no-untyped-def]
    assert (await world.http.get(endpoint.path)).status_code == 200


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer x", "Basic eDp5", "Bearer caudal_test_" + "0" * 44 + "_000000"]
)
async def test_credentials_that_are_none(world: World, authorization: str) -> None:
    response = await world.http.get("/v1/accounts", headers={"Authorization": authorization})

    assert problem(response)[:2] == (401, "unauthenticated")


async def test_recording_past_limits_needs_its_scope(world: World) -> None:
    account = await world.funded(100)
    body = transfer(account, await world.account(), 500, beyond_limits=True)
    everything = world.key
    world.key = await new_key(
        world.services, frozenset({world.book.book_id}), ALL_SCOPES - {Scope.LEDGER_BEYOND_LIMITS}
    )

    refused = await world.post("/v1/transfers", body)
    world.key = everything
    allowed = await world.post("/v1/transfers", body)

    assert problem(refused)[:2] == (403, "missing_scope")
    assert refused.json()["scope"] == "ledger:beyond_limits"
    assert allowed.status_code == 201
    assert allowed.json()["beyond_limits"] is True


async def test_recording_into_a_closed_period_needs_its_scope(world: World) -> None:
    debit, credit = await world.pair()
    await world.post("/v1/periods", {"through": "2020-12-31"})
    body = transfer(debit, credit, effective_at="2020-06-01T00:00:00Z")
    everything = world.key
    world.key = await new_key(
        world.services, frozenset({world.book.book_id}), ALL_SCOPES - {Scope.LEDGER_POST_CLOSED_PERIOD}
    )

    refused = await world.post("/v1/transfers", body)
    world.key = everything
    allowed = await world.post("/v1/transfers", body)

    assert problem(refused) == (409, "period_closed", "effective_at")
    assert allowed.status_code == 201


async def test_a_key_of_one_book_implies_it(world: World) -> None:
    other = await new_book(world.services)

    response = await world.http.get("/v1/accounts", headers=world.headers(Caudal_Book=other.name))

    assert problem(response) == (403, "book_out_of_reach", "Caudal-Book")
    assert (await world.get("/v1/accounts")).status_code == 200


async def test_whether_another_book_exists_is_not_told(world: World) -> None:
    other = await new_book(world.services)

    there = await world.http.get("/v1/accounts", headers=world.headers(Caudal_Book=other.id))
    nowhere = await world.http.get("/v1/accounts", headers=world.headers(Caudal_Book="nowhere"))

    assert problem(there) == problem(nowhere)
    assert there.json()["detail"] == nowhere.json()["detail"]


async def test_a_key_of_several_books_must_say_which(world: World) -> None:
    other = await new_book(world.services)
    world.key = await new_key(world.services, frozenset({world.book.book_id, other.book_id}))

    unsaid = await world.get("/v1/accounts")
    by_name = await world.http.get("/v1/accounts", headers=world.headers(Caudal_Book=other.name))
    by_id = await world.http.get("/v1/accounts", headers=world.headers(Caudal_Book=other.id))

    assert problem(unsaid) == (400, "book_required", "Caudal-Book")
    assert (by_name.status_code, by_id.status_code) == (200, 200)


async def test_a_key_of_all_books_learns_that_a_book_does_not_exist(world: World) -> None:
    world.key = await new_key(world.services, None)

    response = await world.http.get("/v1/accounts", headers=world.headers(Caudal_Book="nowhere"))

    assert problem(response)[:2] == (404, "book_not_found")


async def test_books_do_not_see_one_another(world: World) -> None:
    account = await world.account()
    other = await new_book(world.services)
    world.key = await new_key(world.services, frozenset({other.book_id}))

    assert problem(await world.get(f"/v1/accounts/{account}"))[:2] == (404, "account_not_found")
    assert (await world.get("/v1/accounts")).json() == {"data": [], "next_cursor": None}


async def test_a_good_request_id_is_taken_over_and_another_replaced(world: World) -> None:
    good = await world.http.get("/health/live", headers={"X-Request-Id": "abc-123"})
    other = await world.http.get("/health/live", headers={"Request-Id": "web:17"})
    bad = await world.http.get("/health/live", headers={"X-Request-Id": "a b\tc"})

    assert good.headers["x-request-id"] == "abc-123"
    assert other.headers["x-request-id"] == "web:17"
    assert bad.headers["x-request-id"].startswith("req_")


async def test_what_was_done_is_audited_with_its_request(world: World) -> None:
    debit, credit = await world.pair()

    response = await world.http.post(
        "/v1/transfers",
        json=transfer(debit, credit),
        headers=world.headers(Idempotency_Key="a", X_Request_Id="request-17"),
    )

    async with world.services.database.connection() as connection:
        cursor = await connection.execute(
            "select convert_from(leaf, 'UTF8') from audit.record where book_id = %s and object_id = %s",
            (world.book.book_id, response.json()["id"]),
        )
        ((leaf,),) = await cursor.fetchall()
    for word in ('"transfer.create"', '"request-17"', '"created"', '"key_'):
        assert word in leaf


async def test_answers_carry_security_headers(world: World) -> None:
    for response in (await world.get("/v1/accounts"), await world.get("/v1/nothing")):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
    assert (await world.get("/v1/accounts")).headers["cache-control"] == "no-store"
