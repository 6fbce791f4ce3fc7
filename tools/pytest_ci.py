"""What continuous integration asks of pytest beyond a developer's run; loaded with `-p pytest_ci`.

- A test that skips because something is not installed fails: in CI everything must be there.
- With CAUDAL_TEST_DATABASE_URL only the tests that use that server are run: the others had their turn.
"""

import os
from collections.abc import Generator

import pytest

ACCEPTED = (
    "corpus absent",
    "file systems cannot be mounted",
    "is about what root does",
    "no interpreter with the packages is in an ordinary user's reach",
    "only a superuser may",
    "only root can",
    "plans are held on the embedded PostgreSQL",
)
"""How the reasons begin that say what a test is about, rather than what is missing."""


def complaint(reason: str) -> str | None:
    """Why a skip for `reason` is a failure in CI; None if it may be."""
    reason = reason.removeprefix("Skipped: ")
    return None if reason.startswith(ACCEPTED) else f"skipped in CI, where nothing may be missing: {reason}"


def refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure unless its reason is accepted."""
    if report.skipped and isinstance(report.longrepr, tuple) and not hasattr(report, "wasxfail"):
        message = complaint(report.longrepr[2])
        if message is not None:
            report.outcome = "failed"
            report.longrepr = message


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Of a test."""
    report = yield
    refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Of a whole file."""
    report = yield
    refuse_skip(report)
    return report


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep what uses the server that CAUDAL_TEST_DATABASE_URL names."""
    if not os.environ.get("CAUDAL_TEST_DATABASE_URL"):
        return
    rest = [item for item in items if "server" not in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=rest)
    items[:] = [item for item in items if "server" in getattr(item, "fixturenames", ())]
