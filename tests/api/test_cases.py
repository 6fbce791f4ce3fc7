"""Cases over HTTP."""

from caudal.access import Scope
from support.worlds import World, new_key, problem

CASES = "/v1/cases"
NEW = {"kind": "alert", "key": "payout-file", "title": "The payout file is late", "severity": "high"}


async def test_a_case_is_opened_once_worked_on_and_read_with_its_history(world: World) -> None:
    opened = await world.post(CASES, {**NEW, "subjects": [{"kind": "partner", "id": "bank"}]})
    again = await world.post(CASES, {**NEW, "what": "Still late."})
    case = opened.json()["id"]
    await world.post(f"{CASES}/{case}/assign", {"assignee": "ana"})
    await world.post(f"{CASES}/{case}/note", {"text": "Asked the bank."})
    closed = await world.post(f"{CASES}/{case}/close", {"outcome": "resolved"})

    assert (opened.status_code, again.status_code, closed.status_code) == (201, 200, 200)
    assert opened.headers["location"] == f"{CASES}/{case}"
    assert (again.json()["id"], again.json()["occurrences"]) == (case, 2)
    told = (await world.get(f"{CASES}/{case}")).json()
    assert [one["what"] for one in told["newest_occurrences"]] == ["Still late.", "The payout file is late"]
    assert [one["text"] for one in told["notes"]] == ["Asked the bank."]
    assert (told["state"], told["outcome"], told["assignee"]) == ("closed", "resolved", "ana")
    assert (await world.post(f"{CASES}/{case}/reopen")).json()["state"] == "open"


async def test_cases_are_listed_in_pages_and_a_rehearsal_opens_none(world: World) -> None:
    for number in range(3):
        await world.post(CASES, {**NEW, "key": f"k{number}"})
    assert (await world.post(f"{CASES}?dry_run=true", {**NEW, "key": "k9"})).status_code == 200

    first = (await world.get(CASES, limit=2, state="open")).json()
    rest = (await world.get(CASES, limit=2, cursor=first["next_cursor"])).json()
    assert [one["key"] for one in first["data"] + rest["data"]] == ["k2", "k1", "k0"]
    assert rest["next_cursor"] is None
    assert (await world.get(CASES, subject="partner:bank")).json()["data"] == []


async def test_bad_requests_and_keys_without_the_scope_are_refused(world: World) -> None:
    assert problem(await world.get(CASES, subject="partner")) == (400, "invalid_parameter", "subject")
    assert problem(await world.get(CASES, cursor="x")) == (400, "invalid_parameter", "cursor")
    assert problem(await world.post(CASES, {**NEW, "severity": "huge"}))[0] == 400
    assert problem(await world.post(CASES, {**NEW, "title": "call +4915112345678"})) == (
        422, "personal_data_refused", "title",
    )  # fmt: skip
    assert problem(await world.get(f"{CASES}/case_{'7' * 32}")) == (404, "case_not_found", None)
    world.key = await new_key(world.services, frozenset({world.book.book_id}), frozenset({Scope.CASES_READ}))
    assert problem(await world.post(CASES, NEW)) == (403, "missing_scope", None)
    assert (await world.get(CASES)).status_code == 200
