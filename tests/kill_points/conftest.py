"""Which steps are taken: some, or all to write the page."""

import pytest

from support.kill_steps import STEPS


def pytest_addoption(parser: pytest.Parser) -> None:
    """Understood where this folder is named on the command line."""
    parser.addoption("--write-kill-points", action="store_true", help="take all steps, and write the page")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each step that is taken."""
    if "step" in metafunc.fixturenames:
        write = metafunc.config.getoption("--write-kill-points", default=False)
        taken = [step for step in STEPS if step.sampled or write]
        metafunc.parametrize("step", taken, ids=lambda step: step.title)
