"""Delimited text is read row by row; a bad row is a value, and costs no other row."""

import hashlib
from pathlib import Path

import pytest

from caudal.imports import FileUnreadable, FileUnsuitable, RowError
from caudal.imports.reader import MAX_LINE_BYTES, MAX_RECORD_LINES, Layout, Record, read, scan

SEMICOLONS = Layout(delimiter=";")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rows.csv"


def found(file: Path, content: bytes, layout: Layout = SEMICOLONS) -> list[tuple[int, str | tuple[str, ...]]]:
    """Line by line: the fields of a row, or the code of its error."""
    file.write_bytes(content)
    return [
        (item.line, item.fields if isinstance(item, Record) else item.code)
        for item in read(file, layout, ["b", "a"] if layout.header else ["2", "1"])
    ]


def test_columns_come_in_the_order_asked_for_whatever_their_order_in_the_file(file: Path) -> None:
    assert found(file, b'a;"c";b\r\n1;2;3\r\n4;5;"6;7"\r\n') == [(2, ("3", "1")), (3, ("6;7", "4"))]


def test_without_a_header_columns_have_numbers(file: Path) -> None:
    assert found(file, b"1;2\n3;4", Layout(delimiter=";", header=False)) == [(1, ("2", "1")), (2, ("4", "3"))]


def test_lines_above_the_header_are_passed_over(file: Path) -> None:
    layout = Layout(delimiter=";", skip_lines=2)
    assert found(file, b'Statement of "May\n\xff\xff\na;b\n1;2\n', layout) == [(4, ("2", "1"))]


def test_blank_lines_and_a_byte_order_mark_are_no_rows(file: Path) -> None:
    assert found(file, b"\xef\xbb\xbfa;b\n\n1;2\n\r\n\n3;4\n\n") == [(3, ("2", "1")), (6, ("4", "3"))]


def test_quoted_fields_may_go_over_lines(file: Path) -> None:
    assert found(file, b'a;b\n1;"two\nlines"\n3;4\n') == [(2, ("two\nlines", "1")), (4, ("4", "3"))]


def test_other_encodings_are_decoded(file: Path) -> None:
    layout = Layout(delimiter=";", encoding="cp1250")
    assert found(file, "a;b\nŽižkov;2\n".encode("cp1250"), layout) == [(2, ("2", "Žižkov"))]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (b"1;2;3", "row_width"),
        (b"1", "row_width"),
        (b'1;"2" 3', "row_malformed"),
        (b"1;\xff", "row_encoding"),
        (b"1;2\0", "row_encoding"),
        (b"1;" + b"x" * MAX_LINE_BYTES, "row_too_long"),
        (b"1;" + b"x" * MAX_LINE_BYTES * 5, "row_too_long"),
        (b'1;"never closed', "row_malformed"),
        (b'1;"never closed;' + b"x" * MAX_LINE_BYTES, "row_too_long"),
    ],
)
def test_a_bad_row_is_named_by_its_line_and_costs_no_other_row(file: Path, bad: bytes, code: str) -> None:
    good = b"".join(b"%d;x\n" % number for number in range(50))

    read_rows = found(file, b"a;b\n" + good + bad + b"\n" + good)

    assert read_rows[50] == (52, code)
    assert [fields for _, fields in read_rows[:50]] == [("x", str(number)) for number in range(50)]
    assert [line for line, _ in read_rows[51:]] == list(range(53, 103))
    assert [fields for _, fields in read_rows[51:]] == [("x", str(number)) for number in range(50)]


def test_a_stray_quotation_mark_far_before_another_costs_only_its_own_row(file: Path) -> None:
    content = b'a;b\n1;"x\n2;y\n3;z\n4;"w\n5;v\n'

    # The mark of line 2 pairs with that of line 5; what stands between them are rows all the same.
    assert found(file, content) == [
        (2, "row_malformed"),
        (3, ("y", "2")),
        (4, ("z", "3")),
        (5, "row_malformed"),
        (6, ("v", "5")),
    ]


def test_a_row_of_endless_lines_is_given_up(file: Path) -> None:
    endless = b'1;"x\n' + b'";"x\n' * MAX_RECORD_LINES

    assert found(file, b"a;b\n" + endless)[0] == (2, "row_too_long")


def test_an_error_says_where_in_words(file: Path) -> None:
    file.write_bytes(b"a;b\n1;2;3\n")
    (error,) = read(file, SEMICOLONS, ["a"])
    assert isinstance(error, RowError)
    assert error.text() == "rows.csv, line 2: 3 fields where there should be 2"


@pytest.mark.parametrize("header", [b"a;c\n", b"a;b;b\n", b"", b'"a;b\n'])
def test_a_header_must_have_each_column_once(file: Path, header: bytes) -> None:
    file.write_bytes(header)
    with pytest.raises(FileUnsuitable) as refusal:
        list(read(file, SEMICOLONS, ["a", "b"]))
    assert refusal.value.field in ("a", "b", "file")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable):
        list(read(tmp_path / "none.csv", SEMICOLONS, ["a"]))
    with pytest.raises(FileUnreadable):
        scan(tmp_path)


@pytest.mark.parametrize(("content", "lines"), [(b"", 0), (b"a", 1), (b"a\n", 1), (b"a\nb", 2)])
def test_a_scan_counts_lines_and_hashes(file: Path, content: bytes, lines: int) -> None:
    file.write_bytes(content)
    assert scan(file) == (hashlib.sha256(content).hexdigest(), lines)
