"""Every step of a payment's way is killed at every point, comes to the same end, and the page says how."""

from collections.abc import Iterator

import pytest
import structlog

from support import kill_page
from support.kill_children import Children, children
from support.kill_page import Row
from support.kill_steps import STEPS, Step
from support.kill_trials import killed_at, trial
from support.sandboxes import SDK_WARNS

pytestmark = SDK_WARNS


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Children]:
    # What is killed leaves much to complain about, and rendering it would take most of the time.
    with structlog.testing.capture_logs(), children(tmp_path_factory.mktemp("children")) as running:
        yield running


@pytest.fixture(scope="module")
def seen() -> dict[str, list[Row]]:
    """By the titles of the steps, what their kills showed."""
    return {}


@pytest.mark.timeout(600)
async def test_wherever_it_is_killed_a_step_comes_to_the_same_end(
    step: Step,
    shared_dsn: str,
    nursery: Children,
    seen: dict[str, list[Row]],
    pytestconfig: pytest.Config,
) -> None:
    undisturbed = await trial(shared_dsn, nursery, step)
    assert undisturbed.ended["effects"] == sorted(step.effects)
    assert undisturbed.ended.get(f"payment {step.ends}") == (1 if step.ends else None)
    rows = []
    for point in undisturbed.points:
        killed = await killed_at(shared_dsn, nursery, step, point)
        free = {name: undisturbed.ended[name] for name in step.may_differ}
        assert {**killed.ended, **free} == undisturbed.ended, point
        rows.append(kill_page.row(point, killed))
    seen[step.title] = rows
    if not pytestconfig.getoption("--write-kill-points", default=False):
        told = [each.timeless for each in kill_page.written()[step.title]]
        assert [each.timeless for each in rows] == told, "run make kill-points"
    else:
        # Of steps that were left out this time, the page keeps what it says.
        kill_page.write({**kill_page.written(), **seen})


def test_the_page_has_all_steps_and_no_others() -> None:
    page = kill_page.written()
    assert list(page) == [step.title for step in STEPS], "run make kill-points"
    assert kill_page.PAGE.read_text(encoding="utf-8") == kill_page.page(page), "run make kill-points"
