import subprocess
import sys

import pytest

from caudal_base.check import check
from caudal_base.errors import InvariantError


def test_what_holds_passes() -> None:
    check(True, "never seen")


def test_what_does_not_hold_raises_with_its_message() -> None:
    with pytest.raises(InvariantError) as caught:
        check(False, "debits differ from credits")
    assert caught.value.detail == "debits differ from credits"


def test_it_stays_on_when_python_drops_assertions() -> None:
    program = "from caudal_base.check import check; assert False; check(False, 'still here')"
    run = subprocess.run([sys.executable, "-O", "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "InvariantError: still here" in run.stderr
