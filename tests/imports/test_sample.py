"""The sample bank is our own: made by a script, the same every time, and with something of everything."""

import make_sample_bank as maker

from caudal.imports import SAMPLE
from caudal.imports.berka import customers_of, rows_of
from caudal.imports.berka_types import Kind
from caudal.imports.types import Row


def test_the_files_are_those_that_the_script_makes() -> None:
    assert {path.name: path.read_bytes().decode() for path in SAMPLE.iterdir()} == maker.files()


def test_it_has_every_kind_of_transaction_and_no_row_that_cannot_be_imported() -> None:
    rows = list(rows_of(SAMPLE, customers_of(SAMPLE)))

    assert all(isinstance(row, Row) for row in rows)
    assert {row.code for row in rows if isinstance(row, Row)} == {kind.value for kind in Kind}
