import json
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from camlucida.core.errors import UsageError
from camlucida.io.tables import (
    FORMULA_STARTS,
    count,
    find_column,
    flags,
    fold,
    listing,
    notes_of,
    numbers,
    read_table,
    texts,
    write_table,
)

ROWS = [["image", " Finding Labels ", "age"], ["00001", " Mass|Hernia ", "7"], ["00002", "", "8.5"]]


def written(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def workbook(path, rows):
    book = Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_csv_is_text_stripped_of_blanks(tmp_path, separator, encoding, newline):
    text = newline.join(separator.join(row) for row in ROWS) + newline
    frame = read_table(written(tmp_path / "a.CSV", text.encode(encoding)))
    assert list(frame.columns) == ["image", "Finding Labels", "age"]
    assert frame.to_numpy().tolist() == [["00001", "Mass|Hernia", "7"], ["00002", "", "8.5"]]


def test_tsv_is_separated_by_tabs_alone(tmp_path):
    frame = read_table(written(tmp_path / "a.tsv", "image\tfindings, all; of them\n1\tx,y;z\n"))
    assert frame.to_dict("list") == {"image": ["1"], "findings, all; of them": ["x,y;z"]}


def test_quoted_cells_hold_separators_quotes_and_lines(tmp_path):
    frame = read_table(written(tmp_path / "a.csv", '"a;;b",c\n"1,\n2","say ""x"""\n'))
    assert frame.to_dict("list") == {"a;;b": ["1,\n2"], "c": ['say "x"']}


def test_one_column_needs_no_separator(tmp_path):
    assert read_table(written(tmp_path / "a.csv", "image\nx\n\ny\n")).to_dict("list") == {
        "image": ["x", "y"]
    }


def test_nameless_columns_go_if_empty_and_are_numbered_if_not(tmp_path):
    frame = read_table(written(tmp_path / "a.csv", ",image,,\n0,x,,\n1,y,,\n,,,\n"))
    assert frame.to_dict("list") == {"column 1": ["0", "1"], "image": ["x", "y"]}


def test_xlsx_keeps_numbers_and_drops_blank_rows_and_columns(tmp_path):
    rows = [
        ["id ", "patient", None, "age"],
        [" 00001", 1, None, 7.5],
        [None] * 4,
        ["00002", 2, None, None],
        [None] * 4,
    ]
    frame = read_table(workbook(tmp_path / "a.xlsx", rows))
    assert list(frame.columns) == ["id", "patient", "age"]
    assert frame["id"].tolist() == ["00001", "00002"]
    assert texts(frame["patient"]) == ["1", "2"]
    assert frame["age"].iloc[0] == 7.5
    assert np.isnan(frame["age"].iloc[1])


def test_xlsx_cells_merged_over_rows_stand_in_each(tmp_path):
    book = Workbook()
    sheet = book.active
    for row in (
        ["patient", "image", "sex"],
        ["p1", "a", "f"],
        [None, "b", None],
        [None, "c", "m"],
        ["p2", "d", "m"],
    ):
        sheet.append(row)
    sheet.merge_cells("A2:A4")
    book.save(tmp_path / "a.xlsx")
    frame = read_table(tmp_path / "a.xlsx")
    assert list(frame["patient"]) == ["p1", "p1", "p1", "p2"]
    assert list(frame["sex"]) == ["f", "", "m", "m"]  # blank, not merged


def test_xlsx_cells_of_mixed_kinds_become_text(tmp_path):
    frame = read_table(workbook(tmp_path / "a.xlsx", [["id", 2024], ["a", 1], [7, "x"]]))
    assert frame.to_dict("list") == {"id": ["a", "7"], "2024": ["1", "x"]}


def test_parquet_keeps_types_and_an_index_is_a_column(tmp_path):
    frame = pd.DataFrame(
        {"id": pd.Categorical([" a", "b "]), "n": [1, 2], "x": [0.5, np.nan], "s": ["u", None]}
    )
    frame.set_index("id").to_parquet(tmp_path / "a.parquet")
    found = read_table(tmp_path / "a.parquet")
    assert found["id"].tolist() == ["a", "b"]
    assert found["n"].dtype == np.int64
    assert found["x"].dtype == np.float64
    assert found["s"].tolist() == ["u", ""]


def test_json_records_keep_ids_as_they_are(tmp_path):
    records = [{"id": "00001", "when": "2020-01-01", "x": 1.5}, {"id": "2", " y ": True}]
    frame = read_table(written(tmp_path / "a.json", "\ufeff" + json.dumps(records)))
    assert list(frame.columns) == ["id", "when", "x", "y"]
    assert frame["id"].tolist() == ["00001", "2"]
    assert frame["when"].tolist() == ["2020-01-01", ""]
    assert frame["y"].tolist() == ["", "True"]


WRONG = [
    ("a.csv", "", "is empty"),
    ("a.csv", "\n \n", "no columns"),
    ("a.csv", "image,label\n", "no rows, only the columns image, label"),
    ("a.csv", "image, image \nx,y\n", "more than one column named 'image'"),
    ("a.csv", "image,label\nx,1\ny\n", "line 3: 1 cell, where the first line has 2"),
    ("a.csv", "image,label\nx,1,2\n", "line 2: 3 cells"),
    ("a.csv", 'image,label\nx,"1\n', "cannot read .* unexpected end of data"),
    ("a.csv", "image,label\nx,é\n".encode("latin-1"), r"not UTF-8 text \(line 2\)"),
    ("a.csv", "image\nx\n".encode("utf-16") + b"x", "not UTF-16"),
    ("a.csv", b"image\nx\0\n", "NUL"),
    ("a.xlsx", b"PK\x03\x04 cut short", "cannot read .* as an XLSX workbook"),
    ("a.xlsx", b"image,label\n", "cannot read .* as an XLSX workbook"),
    ("a.parquet", b"PAR1 cut short", "cannot read .* as a Parquet table"),
    ("a.json", '[{"a": 1}', "cannot read .* as JSON"),
    ("a.json", '{"a": {"0": 1}}', "not a list of records"),
    ("a.json", "[1, 2]", "not a list of records"),
    ("a.json", "[]", "no columns"),
    ("a.json", "[{}]", "no columns"),
    ("a.json", '[{"a": 1, "a ": 2}]', "more than one column named 'a'"),
    ("a.json", '[{"a": [1, 2]}]', "column 'a' holds lists"),
    (
        "a.xls",
        b"\xd0\xcf\x11\xe0",
        r"not a table that can be read \(readable: .csv .tsv .xlsx .parquet .json\)",
    ),
    ("table", b"a,b", "not a table"),
]


@pytest.mark.parametrize(("name", "content", "words"), WRONG)
def test_a_bad_table_is_one_line_that_names_it(tmp_path, name, content, words):
    with pytest.raises(UsageError, match=words) as caught:
        read_table(written(tmp_path / name, content))
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders(tmp_path):
    written(tmp_path / "labels.csv", "a\n1\n")
    with pytest.raises(UsageError, match=r"no such table.*did you mean labels.csv"):
        read_table(tmp_path / "label.csv")
    with pytest.raises(UsageError, match="missing"):
        read_table(tmp_path / "none" / "label.csv")
    with pytest.raises(UsageError, match="is a folder"):
        read_table(tmp_path)


def test_duplicate_columns_of_parquet_and_xlsx(tmp_path):
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(
        pyarrow.table([pyarrow.array([1]), pyarrow.array([2])], names=["x", "x"]),
        tmp_path / "a.parquet",
    )
    workbook(tmp_path / "a.xlsx", [["x", "x"], [1, 2]])
    for name in ("a.parquet", "a.xlsx"):
        with pytest.raises(UsageError, match="more than one column named 'x'"):
            read_table(tmp_path / name)


def test_a_truncated_parquet_and_workbook(tmp_path):
    write_table(pd.DataFrame({"x": range(1000)}), tmp_path / "a.parquet")
    workbook(tmp_path / "a.xlsx", [["x"], [1]])
    for name in ("a.parquet", "a.xlsx"):
        whole = (tmp_path / name).read_bytes()
        with pytest.raises(UsageError, match="cut short"):
            read_table(written(tmp_path / name, whole[: len(whole) // 2]))


def test_a_workbook_that_inflates_beyond_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("camlucida.io.tables.limits.MAX_BYTES", 10_000)
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b" " * 20_000)
    with pytest.raises(UsageError, match="inflates to 20,000 bytes"):
        read_table(tmp_path / "a.xlsx")
    with pytest.raises(UsageError, match="the limit is 10,000"):
        read_table(written(tmp_path / "a.csv", "a\n" * 6_000))


def test_csv_cells_that_look_like_formulas_are_defused(tmp_path):
    frame = pd.DataFrame(
        {
            "=id": ["=1+1", "@x", "+a", "-b", "\tc", "\rd", "a=b", ""],
            "x": [-1.5, 2, np.nan, -3, 0, 0, 0, 0],
        }
    )
    frame["c"] = pd.Categorical(["=2"] * 8)
    write_table(frame, tmp_path / "a.csv")
    found = read_table(tmp_path / "a.csv")
    assert found["'=id"].tolist() == ["'=1+1", "'@x", "'+a", "'-b", "'\tc", "'\rd", "a=b", ""]
    assert found["x"].tolist() == ["-1.5", "2.0", "", "-3.0", "0.0", "0.0", "0.0", "0.0"]
    assert found["c"].tolist() == ["'=2"] * 8
    assert frame["=id"][0] == "=1+1"


def test_a_table_is_written_to_parquet_or_csv_only(tmp_path):
    with pytest.raises(UsageError, match=r"write .parquet or .csv"):
        write_table(pd.DataFrame({"a": [1]}), tmp_path / "a.xlsx")
    assert not list(tmp_path.iterdir())


CELL = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=6).map(str.strip)


@given(
    cells=st.lists(
        st.tuples(CELL, st.floats(allow_nan=False, allow_infinity=False), st.booleans()),
        min_size=1,
        max_size=5,
    ),
    suffix=st.sampled_from(["csv", "parquet"]),
)
def test_tables_round_trip(tmp_path_factory, cells, suffix):
    frame = pd.DataFrame(cells, columns=["text", "number", "flag"])
    path = tmp_path_factory.mktemp("tables") / f"a.{suffix}"
    write_table(frame, path)
    found = read_table(path)
    expected = [
        f"'{cell}" if suffix == "csv" and cell.startswith(FORMULA_STARTS) else cell
        for cell, _, _ in cells
    ]
    assert found["text"].tolist() == expected
    assert numbers(found["number"], path).tolist() == [value for _, value, _ in cells]
    assert flags(found["flag"], path) == [value for _, _, value in cells]


def test_texts_of_any_column():
    assert texts(pd.Series([1.0, 2.5, None])) == ["1", "2.5", ""]
    assert texts(pd.Series([" a ", None, 3], dtype=object)) == ["a", "", "3"]
    assert texts(pd.Series([True, False])) == ["True", "False"]


def test_flags():
    column = pd.Series(
        ["1", "1.0", "TRUE", "0", "0.0", "false", "", "-1", "-1.0", "nan"], name="Mass"
    )
    assert flags(column, "t.csv") == [True] * 3 + [False] * 3 + [None] * 4
    assert flags(pd.Series([1.0, 0.0, -1.0, None]), "t.csv") == [True, False, None, None]
    with pytest.raises(UsageError, match=r"t.csv, row 2: '0.37' in column 'Mass' \(write 1, 0"):
        flags(pd.Series(["1", "0.37"], name="Mass"), "t.csv")


def test_numbers():
    np.testing.assert_array_equal(
        numbers(pd.Series(["1", "2.5e1", "", "nan"]), "t.csv"), [1, 25, np.nan, np.nan]
    )
    for cell in ("2,500", "x", "inf"):
        with pytest.raises(UsageError, match=r"t.csv, row 1.*in column 'x'.*decimal point"):
            numbers(pd.Series([cell], name="x"), "t.csv")


def test_columns_are_found_without_case_spaces_and_underscores():
    frame = pd.DataFrame({"Patient ID": ["p"], "patient_id": ["q"], "age": [1]})
    assert fold("Patient ID") == fold("patient_id") == fold("PatientID")
    assert (
        find_column(frame, None, ("patient", "patientid"), "patient column", "t.csv")
        == "Patient ID"
    )
    assert find_column(frame, "patient_id", (), "patient column", "t.csv") == "patient_id"
    assert find_column(frame, "AGE", (), "age", "t.csv") == "age"
    assert find_column(frame, None, ("sex",), "sex", "t.csv") is None
    with pytest.raises(
        UsageError, match=r"patient column: no column 'patientt' in t.csv \(did you mean .*atient"
    ):
        find_column(frame, "patientt", (), "patient column", "t.csv")


def test_words_for_messages():
    assert [count("a" * n, "row") for n in range(3)] == ["0 rows", "1 row", "2 rows"]
    assert listing(["a", "", "c"]) == "a, (blank), c"
    assert listing("abcd", 2) == "a, b, …"


def test_a_table_that_goes_on_beside_itself_is_read_as_one(tmp_path):
    book = Workbook()
    for first, ids in ((1, ("a", "b")), (4, ("c", "d"))):
        for row, cells in enumerate([("ID", "Age"), *((name, 40 + first) for name in ids)], 1):
            for column, cell in enumerate(cells):
                book.active.cell(row, first + column, cell)
    book.save(tmp_path / "two.xlsx")
    frame = read_table(tmp_path / "two.xlsx")
    assert frame["ID"].tolist() == ["a", "b", "c", "d"]
    assert [float(age) for age in frame["Age"]] == [41, 41, 44, 44]
    assert any("read as one, 4 rows" in str(note) for note in notes_of(frame))
    book.active.cell(2, 4, "a")  # the same name in both: two tables
    book.save(tmp_path / "apart.xlsx")
    assert len(read_table(tmp_path / "apart.xlsx")) == 2
