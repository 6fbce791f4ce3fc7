"""How long a run waits for what comes to an end."""

import time

import pytest

from caudal.simulation.healing import Patience


def test_who_waits_is_patient_as_long_as_anything_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = [
        (0.0, 100, 0),
        (9.0, 120, 5),  # what has ended left more behind
        (18.0, 119, 5),
        (18.5, 90, 5),  # less is left than ever
        (28.0, 95, 5),
        (29.0, 91, 5),  # less than before is not less than ever
    ]
    moments = iter([0.0, *(now for now, _, _ in seen)])
    monkeypatch.setattr(time, "monotonic", lambda: next(moments))
    patience = Patience(10)
    assert [patience.lost(left, ended) for _, left, ended in seen] == [False] * 5 + [True]
