"""The page on payments' states is made from the tables that the code executes."""

import write_payment_states

from caudal.payments import REASONS, TABLE, PaymentState


def test_the_page_is_current() -> None:
    written = write_payment_states.PAGE.read_text(encoding="utf-8")
    assert written == write_payment_states.page(), "run .venv/bin/python tools/write_payment_states.py"


def test_the_diagram_has_every_move_between_states() -> None:
    diagram = write_payment_states.page().partition("```mermaid")[2].partition("```")[0]
    for row in TABLE:
        if row.state is not None and row.state is not row.to and not row.stale:
            assert f"{row.state.value} --> {row.to.value}: " in diagram


def test_every_state_and_every_refusal_has_its_meaning() -> None:
    page = write_payment_states.page()
    for state in PaymentState:
        assert f"| `{state.value}` |  |" not in page.partition("## States")[2].partition("##")[0]
        assert f"### From `{state.value}`" in page
    for reason in REASONS:
        assert f"| `{reason.code}` | {reason.status} | {reason.meaning} |" in page
