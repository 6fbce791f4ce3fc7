"""Texts as numbers and dates, in the ways that files of other countries and systems write them."""

import gzip
import math
from pathlib import Path

import pytest

from caudal.training import DataUnreadable, Wishes, reading, roles
from caudal.training.types import ColumnKind
from support.training_data import write_csv


def values(path: Path, name: str = "x") -> list[float]:
    found: list[float] = reading.read(path).columns[name].values.tolist()
    return found


def test_commas_before_fractions_are_told_from_those_between_thousands(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x;y;z\n1.234,50;1,234;12,5\n7;1,000,000;3,25\n(2,5);5;4\n")
    assert values(path) == [1234.5, 7, -2.5]
    assert values(path, "y") == [1234, 1_000_000, 5]
    assert values(path, "z") == [12.5, 3.25, 4]


def test_two_byte_texts_and_western_ones_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("Größe;x\nä;1,5\n", encoding="utf-16")
    assert values(path) == [1.5]
    path.write_bytes("Größe;x\nä;1,5\n".encode("latin-1"))
    assert reading.read(path).columns["Größe"].values.tolist() == ["ä"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04....", "save it as CSV"),
        (b"PAR1....", "Parquet"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0)[:-9], "read to its end"),
        (b"a,b\n1,2\n", "read to its end"),
        (b"\x00\x01\x02" * 99, "CSV"),
        (b"a,b\n", "no rows"),
    ],
)
def test_what_is_no_table_is_refused_without_a_trace(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / ("a.csv" if said in {"save it as CSV", "Parquet", "CSV", "no rows"} else "a.csv.gz")
    path.write_bytes(content)
    with pytest.raises(DataUnreadable, match=said):
        reading.read(path)


@pytest.mark.parametrize(
    "texts",
    [
        ["25/07/2018 10:00", "05/07/2018 00:00"],  # the first says that days come first, of all of them
        ["25.07.2018 10:00:00", "05.07.2018 00:00:00"],
        ["07/25/2018 10:00", "07/05/2018 00:00"],
        ["2018-07-25T10:00:00Z", "2018-07-05T00:00:00Z"],
        ["2018-07-25 12:00:00+02:00", "2018-07-05 00:00:00+00:00"],
    ],
)
def test_a_column_of_dates_has_one_order_of_day_and_month(tmp_path: Path, texts: list[str]) -> None:
    column = reading.read(write_csv(tmp_path / "a.csv", {"x": texts})).columns["x"]
    assert column.kind is ColumnKind.DATE
    assert column.values.tolist() == pytest.approx([17_737 + 10 / 24, 17_717])


def test_years_of_two_figures_lie_between_1950_and_2049(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", {"x": ["01-Jan-67", "01-Jan-07", "01-Jan-49"]})
    assert values(path) == [-1096, 13_514, 28_855]


def test_moments_that_are_written_as_numbers_are_dates(tmp_path: Path) -> None:
    count = range(12)
    columns = {
        "x": [20_180_101 + one for one in count],
        "ms": [1_530_000_000_000 + one * 86_400_000 for one in count],
        "opened_at": [1_530_000_000 + one * 86_400 for one in count],
        "sum": [1_530_000_000 + one * 86_400 for one in count],
    }
    table = reading.read(write_csv(tmp_path / "a.csv", columns))
    kinds = {name: column.kind for name, column in table.columns.items()}
    assert kinds == {
        "x": ColumnKind.DATE, "ms": ColumnKind.DATE, "opened_at": ColumnKind.DATE, "sum": ColumnKind.NUMBER,
    }  # fmt: skip
    assert table.columns["ms"].values[1] - table.columns["ms"].values[0] == 1
    assert table.columns["opened_at"].values[0] == pytest.approx(1_530_000_000 / 86_400)
    said = reading.read(tmp_path / "a.csv", declared={"ms": ColumnKind.NUMBER})
    assert said.columns["ms"].kind is ColumnKind.NUMBER


def test_infinity_is_missing(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", {"x": ["1", "inf", "-Infinity", "NaN", "2"]})
    assert [math.isnan(one) for one in values(path)] == [False, True, True, True, False]


def test_numbers_of_customers_are_no_input_even_in_a_part_of_them(tmp_path: Path) -> None:
    some = [(number * 7919) % 3_001 for number in range(500)]  # of three thousand, in no order
    path = write_csv(
        tmp_path / "a.csv", {"no": some, "n": [one % 400 for one in some], "bad": [0, 0, 0, 0, 1] * 100}
    )
    found = roles.assign(reading.read(path), Wishes())
    assert (found.inputs, set(found.left_out)) == (("n",), {"no"})
