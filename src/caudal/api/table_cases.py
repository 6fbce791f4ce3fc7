"""The endpoints of cases."""

from typing import Any, Final

from caudal.access import Scope
from caudal.api import cases
from caudal.api.bodies import Write
from caudal.api.declaring import action, listing, reading
from caudal.api.endpoint import Endpoint, KeyUse, Shape
from caudal.cases import CaseDetailView, CaseView

_TAG: Final = "Cases"
CASE: Final = "case_0199f3a5d2e47f8091a2b3c4d5e6f708"
_CUSTOMER: Final = "cus_0199f3a5a1b27c3d8e4f506172839405"
_PATH: Final = {"id": CASE}
VIEW: Final = {
    "id": CASE,
    "kind": "anomaly",
    "key": f"customer:{_CUSTOMER}",
    "title": f"Unusual: customer {_CUSTOMER}",
    "severity": "medium",
    "state": "open",
    "subjects": [{"kind": "customer", "id": _CUSTOMER}],
    "due_at": "2026-03-05T09:30:15.123456Z",
    "occurrences": 1,
    "first_at": "2026-03-02T09:30:11.402000Z",
    "last_at": "2026-03-02T09:30:11.402000Z",
    "opened_at": "2026-03-02T09:30:15.123456Z",
    "opened_by": "anomalies",
    "updated_at": "2026-03-02T09:30:15.123456Z",
}
ASSIGNED: Final = {**VIEW, "assignee": "ana", "updated_at": "2026-03-02T10:02:44.010203Z"}
CLOSED: Final = {
    **ASSIGNED,
    "state": "closed",
    "outcome": "confirmed",
    "closed_at": "2026-03-02T11:15:00.000000Z",
    "closed_by": "key_0199f3a0c2d47e8f9a0b1c2d3e4f5a6b",
    "updated_at": "2026-03-02T11:15:00.000000Z",
}
REOPENED: Final = {
    **ASSIGNED, "due_at": "2026-03-06T08:00:00Z", "updated_at": "2026-03-03T08:00:00.000000Z",
}  # fmt: skip
_DETAIL: Final = {
    **ASSIGNED,
    "newest_occurrences": [
        {
            "reference": "ano_6f1c2d3e4b5a8967a8b9c0d1e2f30415",
            "at": "2026-03-02T09:30:11.402000Z",
            "what": "14 payments in the hour, usually 0 to 3 at this time of the week.",
        }
    ],
    "notes": [
        {
            "number": 1,
            "at": "2026-03-02T10:05:00.000000Z",
            "by": "key_0199f3a0c2d47e8f9a0b1c2d3e4f5a6b",
            "text": "Asked the customer.",
        }
    ],
}
_NEW: Final = {
    "kind": "alert", "key": "payout-file-2026-03-02", "title": "The payout file is late", "severity": "high",
}  # fmt: skip


def _change(
    verb: str, summary: str, description: str, handle: Any, body: Any, body_example: Any, example: Any
) -> Endpoint[Any, Any]:
    """An endpoint that changes a case."""
    return action(
        f"/v1/cases/{{id}}/{verb}", f"{verb}_case", _TAG, summary, handle, description=description,
        scope=Scope.CASES_WRITE, answer="The case after it.", view=CaseView, example=example, body=body,
        body_example=body_example, errors=(404, 409, 422), path_ids=_PATH,
    )  # fmt: skip


ENDPOINTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="POST",
        path="/v1/cases",
        name="open_case",
        tag=_TAG,
        summary="Open a case",
        description="Of a kind and key one case is open at a time: what happens again is another occurrence "
        "of it, which takes the higher severity and all subjects. Due by its severity, unless said: "
        "`critical` in 4 hours, `high` in a day, `medium` in 3, `low` in 7.",
        handle=cases.create,
        query=Write,
        body=cases.NewCase,
        scope=Scope.CASES_WRITE,
        key=KeyUse.ACCEPTED,
        answers={
            201: (Shape(description="A new case.", type=CaseView, example=VIEW),),
            200: (
                Shape(
                    description="Another occurrence of the case that is open, or it is a dry run.",
                    type=CaseView,
                    example={**VIEW, "occurrences": 2},
                ),
            ),
        },
        errors=(422,),
        example=_NEW,
    ),
    listing(
        "/v1/cases", "list_cases", _TAG, "Find cases", cases.find, cases.CasesQuery,
        scope=Scope.CASES_READ, row=CaseView, example={"data": [VIEW], "next_cursor": None},
    ),
    reading(
        "/v1/cases/{id}", "get_case", _TAG, "Read a case", cases.read, scope=Scope.CASES_READ,
        description="With its notes and its newest 100 occurrences.", answer="The case.",
        view=CaseDetailView, example=_DETAIL, path_ids=_PATH,
    ),
    _change(
        "assign", "Assign a case", "Without `assignee` it is nobody's.", cases.assign,
        cases.NewCaseAssignment, {"assignee": "ana"}, ASSIGNED,
    ),
    _change(
        "note", "Write on a case", "Open or closed; at most 1,000 notes.", cases.note, cases.NewCaseNote,
        {"text": "Asked the customer."}, ASSIGNED,
    ),
    _change(
        "close", "Close a case", "What happens again under its key opens another.", cases.close,
        cases.CaseClosing, {"outcome": "confirmed", "note": "The card is blocked."}, CLOSED,
    ),
    _change(
        "reopen", "Reopen a case", "Due anew. 409 while another case is open under its key.", cases.reopen,
        cases.CaseReopening, {"due_at": "2026-03-06T08:00:00Z"}, REOPENED,
    ),
)  # fmt: skip
