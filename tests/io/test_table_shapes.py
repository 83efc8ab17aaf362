"""Tables as people have them: titles, two header rows, blocks, sheets, encodings, separators."""

import datetime
import tracemalloc

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camlucida.core.errors import UsageError
from camlucida.io.tables import notes_of, numbers, read_table, source, texts, write_table
from camlucida.io.tables.header import find_header
from tests.support import tables
from tests.support.tables import EXPECTED, HEAD, ROWS, write_text, write_workbook


def cells(frame):
    return {name: texts(frame[name]) for name in frame.columns}


def codes(frame):
    return [note.code for note in notes_of(frame)]


SHAPES = {
    "plain": ([HEAD, *ROWS], []),
    "title": (tables.title_above(), ["table.title_rows"]),
    "facts": (tables.facts_above(), ["table.title_rows"]),
    "groups": (tables.groups_above(), ["table.two_header_rows"]),
    "repeated groups": (tables.repeated_groups(), ["table.two_header_rows"]),
    "title and groups": ([["Study"], *tables.groups_above()], ["table.two_header_rows"]),
    "legend": (tables.legend_beside(), ["table.block"]),
}


@pytest.mark.parametrize("kind", ["csv", "semicolon", "tsv", "bar", "xlsx"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_header_is_found_and_told(tmp_path, shape, kind):
    rows, expected = SHAPES[shape]
    if kind == "xlsx":
        path = write_workbook(tmp_path / "t.xlsx", {"data": rows})
    else:
        separator = {"semicolon": ";", "bar": "|"}.get(kind, "\t" if kind == "tsv" else ",")
        width = max(map(len, rows))
        padded = [[*row, *[None] * (width - len(row))] for row in rows]
        path = write_text(tmp_path / ("t.tsv" if kind == "tsv" else "t.csv"), padded, separator)
    frame = read_table(path)
    assert cells(frame) == EXPECTED
    assert codes(frame) == expected


def test_a_title_that_is_not_padded_with_separators(tmp_path):
    path = write_text(tmp_path / "t.csv", [["Study A; second export"], HEAD, *ROWS], ";")
    frame = read_table(path)
    assert cells(frame) == EXPECTED
    (note,) = notes_of(frame)
    assert (note.values["row"], note.values["count"]) == (2, 1)
    assert str(note) == f"{path}: the columns are named in row 2; 1 row above is passed over"


def test_merged_groups_and_titles_of_a_workbook(tmp_path):
    rows = [
        ["Density study", None, None, None, None],
        ["id", "left", None, "right", None],
        [None, "age", "label", "age", "label"],
        ["f01", 41, "A", 42, "B"],
        ["f02", 51, "B", 52, "A"],
    ]
    merged = ["A1:E1", "A2:A3", "B2:C2", "D2:E2"]
    frame = read_table(write_workbook(tmp_path / "t.xlsx", {"s": rows}, merged))
    assert list(frame.columns) == ["id", "left age", "left label", "right age", "right label"]
    assert texts(frame["right age"]) == ["42", "52"]
    (note,) = notes_of(frame)
    assert (note.code, note.values["upper"], note.values["row"]) == ("table.two_header_rows", 2, 3)


def test_tables_side_by_side_that_continue_each_other(tmp_path):
    path = write_workbook(tmp_path / "t.xlsx", {"s": tables.two_blocks()})
    frame = read_table(path)
    assert texts(frame["id"]) == ["f01", "f02", "f03", "x1", "x2", "x3"]
    assert codes(frame) == ["table.continued"]


def test_tables_side_by_side_on_the_same_rows(tmp_path):
    rows = tables.two_blocks()
    for row, left in zip(rows[1:], rows[1:]):
        row[5] = left[0]  # the same ids, so that neither continues the other
    path = write_workbook(tmp_path / "t.xlsx", {"s": rows})
    fits = {"f": lambda frame: int("Hernia" not in texts(frame["label"]))}
    fits["x"] = lambda frame: int("Hernia" in texts(frame["label"]))
    assert cells(read_table(path, fits=fits["f"])) == EXPECTED
    other = read_table(path, fits=fits["x"])
    assert texts(other["label"]) == ["Hernia", "", "Mass"]
    assert codes(other) == ["table.block"]
    with pytest.raises(UsageError, match="side by side that fit equally well"):
        read_table(path, fits=lambda frame: 1)


def test_the_sheet_of_data_is_read_and_told(tmp_path):
    notes = [["Notes"], ["Labels by two readers"], ["age in years"]]
    path = write_workbook(tmp_path / "t.xlsx", {"Notes": notes, "data": [HEAD, *ROWS]})
    frame = read_table(path)
    assert cells(frame) == EXPECTED
    (note,) = notes_of(frame)
    assert str(note) == f"{path}: 'data' is read; not read: Notes"
    assert source(path, frame) == f"{path} (sheet 'data' of 2)"
    assert list(read_table(path, sheet="notes").columns) == ["Notes"]
    assert cells(read_table(path, sheet="2")) == EXPECTED
    with pytest.raises(UsageError, match=r"no sheet 'dat' in .*did you mean data"):
        read_table(path, sheet="dat")
    with pytest.raises(UsageError, match="is no workbook with sheets"):
        read_table(write_text(tmp_path / "t.csv", [HEAD, *ROWS]), sheet="data")


def test_sheets_that_fit_equally_well_are_refused(tmp_path):
    path = write_workbook(tmp_path / "t.xlsx", {"train": [HEAD, *ROWS], "test": [HEAD, *ROWS]})
    with pytest.raises(UsageError, match=r"well: 'train', 'test' \(say .*--sheet train"):
        read_table(path, fits=lambda frame: 1)
    assert texts(read_table(path, fits=lambda frame: 1, sheet="test")["id"]) == EXPECTED["id"]


def test_a_column_apart_belongs_to_the_table(tmp_path):
    rows = [[*HEAD, None, "remark"], [*ROWS[0], None, "blurred"], *ROWS[1:]]
    frame = read_table(write_workbook(tmp_path / "t.xlsx", {"s": rows}))
    assert list(frame.columns) == [*HEAD, "remark"]
    assert codes(frame) == []


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_encodings_of_spreadsheets(tmp_path, encoding, separator):
    rows = [[*HEAD[:3], "Größe"], *([*row[:3], "é"] for row in ROWS)]
    frame = read_table(write_text(tmp_path / "t.csv", rows, separator, encoding))
    assert texts(frame["Größe"]) == ["é"] * 3
    assert texts(frame["id"]) == EXPECTED["id"]


def test_bars_and_commas_inside_cells_are_no_separators(tmp_path):
    path = write_text(tmp_path / "t.csv", [["id", "label"], ["a", "x|y"], ["b", "x|z|y"]])
    assert texts(read_table(path)["label"]) == ["x|y", "x|z|y"]
    rows = [["id", "value"], ["a", "2,5"], ["b", "3,25"]]
    path = write_text(tmp_path / "u.csv", rows, ";")
    assert texts(read_table(path)["value"]) == ["2,5", "3,25"]


def test_a_data_row_is_no_second_header(tmp_path):
    path = write_text(tmp_path / "t.csv", [["id", "label"], ["a", "Mass"], ["b", "Hernia"]])
    assert cells(read_table(path)) == {"id": ["a", "b"], "label": ["Mass", "Hernia"]}
    path = write_text(tmp_path / "u.csv", [["id", "", ""], ["a.png", "Mass", "f"], ["b", "x", "m"]])
    assert list(read_table(path).columns) == ["id", "column 2", "column 3"]


NAMES = st.text("abcdefgh", min_size=1, max_size=5)


@given(
    names=st.lists(NAMES, min_size=2, max_size=5, unique_by=str.casefold),
    rows=st.lists(st.lists(st.integers(0, 999), min_size=5, max_size=5), min_size=2, max_size=6),
)
def test_a_first_row_of_names_is_always_the_header(names, rows):
    grid = [names, *([str(cell) for cell in row[: len(names)]] for row in rows)]
    header = find_header(grid)
    assert (header.names, header.row, header.titles) == (tuple(names), 0, 0)


def test_decimal_commas():
    assert numbers(pd.Series(["2,5", "", "-3,25", "4"]), "t").tolist()[::2] == [2.5, -3.25]
    assert numbers(pd.Series(["0,125", "0,250"]), "t").tolist() == [0.125, 0.25]
    for column in (["2,5", "3.5"], ["1,234", "5,678"], ["1,2,3"], ["1.234,5"]):
        with pytest.raises(UsageError, match="decimal point"):
            numbers(pd.Series(column, name="x"), "t")


def test_dates_of_a_workbook_are_text(tmp_path):
    day = datetime.datetime(2024, 1, 31)
    noon = datetime.datetime(2024, 1, 31, 12)
    path = write_workbook(tmp_path / "t.xlsx", {"s": [["id", "day", "x"], [day, noon, 1]]})
    frame = read_table(path)
    assert texts(frame["id"]) == ["2024-01-31"]
    assert texts(frame["day"]) == ["2024-01-31 12:00:00"]


def test_what_was_chosen_survives_being_written(tmp_path):
    frame = read_table(write_text(tmp_path / "t.csv", [["Study", ""], ["id", "x"], ["a", "1"]]))
    write_table(frame, tmp_path / "t.parquet")
    assert codes(frame) == ["table.title_rows"]


# ---- workbooks that claim more than they hold ---------------------------------------------------


def bomb(tmp_path, rows, after=b""):
    return tables.write_bomb(tmp_path / "t.xlsx", tables.sheet_document(rows, after))


def text_cell(ref, text):
    return f'<c r="{ref}" t="inlineStr"><is><t>{text}</t></is></c>'.encode()


SMALL = b"<row>" + text_cell("A1", "id") + b"</row><row>" + text_cell("A2", "f01") + b"</row>"


def test_merged_areas_count_within_the_rows_that_are_used(tmp_path):
    after = b'<mergeCells count="2"><mergeCell ref="A2:XFD1048576"/>'
    after += b'<mergeCell ref="B1:XFD1"/></mergeCells>'
    path = bomb(tmp_path, SMALL, after)
    tracemalloc.start()
    frame = read_table(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert cells(frame) == {"id": ["f01"]}
    assert peak < 50e6


def test_many_merged_areas_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("camlucida.io.tables.workbook.MAX_CELLS", 100)
    areas = b'<mergeCell ref="A1:A2"/>' * 60
    with pytest.raises(UsageError, match="more than 100 merged cells"):
        read_table(bomb(tmp_path, SMALL, b"<mergeCells>" + areas + b"</mergeCells>"))


def test_cells_that_hold_an_error_are_blank_and_noted(tmp_path):
    row = b"<row>" + text_cell("A2", "f01") + b'<c r="B2" t="e"><v>#N/A</v></c></row>'
    head = b"<row>" + text_cell("A1", "id") + text_cell("B1", "age") + b"</row>"
    frame = read_table(bomb(tmp_path, head + row))
    assert cells(frame) == {"id": ["f01"], "age": [""]}
    assert codes(frame) == ["table.errors"]


HOSTILE = {
    "area": (
        b'<row r="1"><c r="A1"><v>1</v></c></row><row r="20"><c r="J20"><v>1</v></c></row>',
        "MAX_AREA",
        "100 cells, blank ones",
    ),
    "free area": (
        b'<row r="9"><c r="J9"><v>1</v></c></row><row><c><v>1</v></c><c><v>2</v></c></row>',
        "MAX_AREA",
        "100 cells, blank ones",
    ),
    "cells": (b"<row>" + b"<c><v>1</v></c>" * 60 + b"</row>", "MAX_TAGS", "100 elements"),
    "far": (b'<row><c r="XFD1"><v>1</v></c></row>', "MAX_CELLS", "100 cells, blank ones"),
    "rows": (b'<row r="2000000000"><c><v>1</v></c></row>', None, "1,048,576 rows"),
    "entity": (b"<!ENTITY a 'b'>", None, "declares XML entities"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_workbook_that_would_take_minutes_is_refused_at_once(tmp_path, monkeypatch, name):
    rows, limit, words = HOSTILE[name]
    if limit:
        monkeypatch.setattr(f"camlucida.io.tables.workbook.{limit}", 100)
    with pytest.raises(UsageError, match=words) as caught:
        read_table(bomb(tmp_path, rows))
    assert "\n" not in str(caught.value)


def test_keys_and_values_above_a_wider_header(tmp_path):
    path = tmp_path / "t.csv"
    above = "".join(f"key {number},value\n" for number in range(5))
    path.write_text(f"{above}image,labels,patient\na.png,Mass,7\nb.png,Edema,8\n")
    frame = read_table(path)
    assert list(frame) == ["image", "labels", "patient"]
    assert [note.code for note in notes_of(frame)] == ["table.title_rows"]
    # A column without a name is no reason to take the first row of words for the header.
    path.write_text("image,labels,\na,Mass,left\nb,Edema,right\n")
    assert len(read_table(path)) == 2
