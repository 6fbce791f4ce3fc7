import json

from support.worlds import World, problem


async def test_the_journal_has_everything_in_order_without_gaps(world: World) -> None:
    debit, credit = await world.pair()
    moved = await world.moved(debit, credit)
    await world.post(f"/v1/accounts/{credit}/freeze")

    first = (await world.get("/v1/journal", limit=3)).json()
    rest = (await world.get("/v1/journal", after=first["next_after"])).json()
    done = (await world.get("/v1/journal", after=rest["next_after"])).json()

    rows = first["data"] + rest["data"]
    assert [row["seq"] for row in rows] == [1, 2, 3, 4]
    assert [row["type"] for row in rows] == ["account_event", "account_event", "transfer", "account_event"]
    assert rows[2]["transfer"] == moved
    assert rows[3]["account_event"]["kind"] == "frozen"
    assert (first["head"], done["data"], done["next_after"]) == (4, [], 4)


async def test_the_journal_streams_as_lines(world: World) -> None:
    debit, credit = await world.pair()
    for _ in range(3):
        await world.moved(debit, credit)

    asked = await world.get("/v1/journal", format="ndjson", after=1)
    accepted = await world.http.get(
        "/v1/journal", headers=world.headers(Accept="application/x-ndjson"), params={"after": 1}
    )

    assert asked.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line)["seq"] for line in asked.text.splitlines()] == [2, 3, 4, 5]
    assert accepted.text == asked.text


async def test_transfers_are_found_by_what_they_have(world: World) -> None:
    one, other = await world.pair()
    third = await world.account()
    first = await world.moved(one, other, code="sale", reference="a", metadata={"order": "1", "shop": "x"})
    second = await world.moved(one, third, code="sale", metadata={"order": "2", "shop": "x"})
    held = await world.moved(third, other, pending=True)

    async def found(**conditions: str | int) -> list[int]:
        response = await world.get("/v1/transfers", **conditions)
        assert response.status_code == 200, response.text
        return [row["seq"] for row in response.json()["data"]]

    assert await found() == [first["seq"], second["seq"], held["seq"]]
    assert await found(newest_first="true", limit=1) == [held["seq"]]
    assert await found(account=third) == [second["seq"], held["seq"]]
    assert await found(code="sale") == [first["seq"], second["seq"]]
    assert await found(reference="a") == [first["seq"]]
    assert await found(kind="pending") == [held["seq"]]
    assert await found(**{"metadata[shop]": "x", "metadata[order]": "2"}) == [second["seq"]]
    assert await found(recorded_from=second["recorded_at"]) == [second["seq"], held["seq"]]
    assert await found(recorded_before=second["recorded_at"]) == [first["seq"]]
    voided = (await world.post(f"/v1/transfers/{held['id']}/void")).json()
    assert await found(related=held["id"]) == [voided["seq"]]


async def test_pages_neither_skip_nor_repeat_while_transfers_are_recorded(world: World) -> None:
    debit, credit = await world.pair()
    expected = [(await world.moved(debit, credit))["id"] for _ in range(5)]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await world.get("/v1/transfers", limit=2, **cursor)).json()
        seen += [row["id"] for row in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
        if len(expected) < 7:
            expected.append((await world.moved(debit, credit))["id"])

    assert seen == expected


async def test_the_trial_balance_balances_now_and_then(world: World) -> None:
    debit, credit = await world.account(code="bank"), await world.account(code="customer")
    first = await world.moved(debit, credit, 100)
    await world.moved(debit, credit, 50, effective_at="2020-01-01T00:00:00Z")

    now = (await world.get("/v1/trial-balance")).json()
    then = (await world.get("/v1/trial-balance", at_seq=first["seq"])).json()
    by_value = (await world.get("/v1/trial-balance", at_effective_day="2020-06-01")).json()

    for told, amount in ((now, 150), (then, 100), (by_value, 50)):
        assert told["balanced"] is True
        assert {(row["code"], row["debits_posted"], row["credits_posted"]) for row in told["rows"]} == {
            ("bank", amount, 0),
            ("customer", 0, amount),
        }
        assert [(row["debits_posted"], row["credits_posted"]) for row in told["totals"]] == [(amount, amount)]
    both = await world.get("/v1/trial-balance", at_seq=1, at_effective_day="2020-06-01")
    assert problem(both) == (400, "invalid_parameter", "at_effective_day")


async def test_periods_close_in_order(world: World) -> None:
    first = await world.post("/v1/periods", {"through": "2020-01-31"})
    second = await world.post("/v1/periods", {"through": "2020-02-29"})
    future = await world.post("/v1/periods", {"through": "2999-01-01"})
    beyond = await world.post("/v1/periods", {"through": "9999-12-31"})

    assert first.status_code == 201
    assert first.json()["closed_by"].startswith("key_")
    assert problem(future) == (422, "period_not_over", "through")
    assert problem(beyond) == (400, "invalid_parameter", "through")
    page = (await world.get("/v1/periods", limit=1)).json()
    rest = (await world.get("/v1/periods", limit=1, cursor=page["next_cursor"])).json()
    assert page["data"] + rest["data"] == [second.json(), first.json()]
    assert problem(await world.get("/v1/periods", cursor="soon"))[:2] == (400, "invalid_parameter")


async def test_the_metrics_count_requests_batches_and_connections(world: World) -> None:
    await world.moved(*await world.pair())

    response = await world.get("/metrics")

    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    for line in (
        'caudal_http_requests_total{method="POST",route="/v1/transfers",status="201"}',
        'caudal_http_request_duration_seconds_count{method="POST",route="/v1/accounts"}',
        f'caudal_ledger_queue_batches_total{{book="{world.book.book_id}"}} 3.0',
        f'caudal_ledger_batch_requests_count{{book="{world.book.book_id}"}} 3.0',
        "caudal_database_pool_size",
    ):
        assert line in response.text
