import io
import json
from collections.abc import Callable

import check_licences
import pytest

Check = Callable[..., bool]


def package(
    expression: str = "UNKNOWN",
    classifier: str = "UNKNOWN",
    metadata: str = "UNKNOWN",
    name: str = "something",
) -> dict[str, str]:
    """One row of `pip-licenses --from=all --format=json`."""
    return {
        "Name": name,
        "Version": "1.0",
        "License-Expression": expression,
        "License-Classifier": classifier,
        "License-Metadata": metadata,
    }


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> Check:
    """Runs the check on the packages given; whether all were allowed."""

    def run(*packages: dict[str, str]) -> bool:
        monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(packages)))
        return check_licences.main() == 0

    return run


@pytest.mark.parametrize(
    "allowed",
    [
        package("MIT"),
        package("LGPL-3.0-only"),
        package("Apache-2.0 AND BSD-2-Clause"),
        package("GPL-3.0-only OR MIT"),
        package(classifier="MIT License"),
        package(classifier="DFSG approved; MIT License"),
        package(classifier="Mozilla Public License 2.0 (MPL 2.0)", metadata="MPL-2.0"),
        package(metadata="BSD-3-Clause"),
        package(metadata="MIT License\n\nCopyright (c) 2022 Somebody\n\nPermission is hereby granted"),
        package(name="interpret-core"),
        package("MIT", classifier="GNU General Public License v3 (GPLv3)"),
    ],
)
def test_a_licence_of_the_list_is_allowed(check: Check, allowed: dict[str, str]) -> None:
    assert check(allowed)


@pytest.mark.parametrize(
    "refused",
    [
        package("GPL-3.0-only"),
        package("AGPL-3.0-or-later"),
        package("BUSL-1.1"),
        package("BSL-1.1"),
        package("Elastic-2.0"),
        package("SSPL-1.0"),
        package("MIT AND GPL-2.0-only"),
        package("GPL-2.0-only OR AGPL-3.0-only"),
        package("(MIT OR GPL-3.0-only) AND GPL-3.0-only"),
        package("GPL-2.0-only WITH Classpath-exception-2.0"),
        package(classifier="GNU General Public License v3 (GPLv3)"),
        package(classifier="MIT License; GNU Affero General Public License v3"),
        package(classifier="OSI Approved"),
        package(metadata="GPL"),
        package(metadata="see the file COPYING"),
        package(),
    ],
)
def test_any_other_licence_is_refused_by_name(
    check: Check, capsys: pytest.CaptureFixture[str], refused: dict[str, str]
) -> None:
    assert not check(package("MIT"), refused)
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("something 1.0: licence not allowed")


def test_reading_nothing_is_no_success(check: Check) -> None:
    assert not check()
