"""A table of values and a folder of images: which row is which image; notes on the rest."""

import numpy as np
import pandas as pd
import pytest

from camlucida.core.errors import UsageError
from camlucida.workflows.regression.sheet import SheetColumns
from camlucida.workflows.regression.sheet_reader import read_sheet
from camlucida.workflows.regression.tables import usual_width
from tests.support.models_on_disk import write_image


def folder(tmp_path, names=("a", "b", "c"), masks=()):
    for number, name in enumerate(names):
        write_image(tmp_path / "Images" / (name if "." in name else f"{name}.png"), number)
    for name in masks:
        write_image(tmp_path / "Masks" / name)
    return tmp_path / "Images"


def table(tmp_path, suffix="xlsx", **columns):
    path, frame = tmp_path / f"characteristics.{suffix}", pd.DataFrame(columns)
    frame.to_excel(path, index=False) if suffix == "xlsx" else frame.to_csv(path, index=False)
    return path


BY_NAME = SheetColumns()


def read(tmp_path, columns=BY_NAME, **options):
    return read_sheet(
        next(tmp_path.glob("characteristics.*")), tmp_path / "Images", columns, **options
    )


def note_values(sheet, name):
    """The values of the one note with this code."""
    (note,) = [note for note in sheet.notes if note.code == f"sheet.{name}"]
    return dict(note.values)


def refused(tmp_path, columns=BY_NAME, **options):
    with pytest.raises(UsageError) as error:
        read(tmp_path, columns, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    "name",
    ["{}", "{}.png", "{}.JPG", "Images/{}.png", r"D:\study\Images\{}.png", "/home/x/other/{}"],
)
def test_rows_name_their_images_in_many_ways(tmp_path, name):
    folder(tmp_path)
    table(tmp_path, filename=[name.format(x) for x in "cab"], age=[30, 40.5, 50])
    sheet = read(tmp_path)
    assert [(row.path.stem, row.value) for row in sheet.rows] == [("c", 30), ("a", 40.5), ("b", 50)]
    assert (sheet.failures, sheet.value_column, sheet.patient_column) == ((), "age", "")
    codes = ["notes.other_computer"] if ":" in name or name.startswith("/") else []
    assert [note.code for note in sheet.notes] == codes


@pytest.mark.parametrize("suffix", ["xlsx", "csv"])
def test_ids_that_are_numbers(tmp_path, suffix):
    folder(tmp_path, ("1", "2", "03"))
    table(tmp_path, suffix, id=[1, 2, 3], value=[1, 2, 3])
    sheet = read(tmp_path)
    assert [row.path.stem for row in sheet.rows] == ["1", "2", "03"]
    (note,) = sheet.notes
    assert (note.code, note.values["name"], note.values["file"]) == (
        "notes.id_zeros",
        "3",
        "03.png",
    )


def test_a_column_of_names_is_recognised_by_its_values(tmp_path):
    folder(tmp_path)
    table(tmp_path, 编号=["a", "b", "c"], 年龄=[1, 2, 3], 性别=["f", "m", "f"])
    sheet = read(tmp_path, SheetColumns(groups=("性别",)))
    assert sheet.value_column == "年龄"
    assert list(sheet.frame()["性别"]) == ["f", "m", "f"]


def test_masks_beside_the_images_or_in_a_folder(tmp_path):
    folder(tmp_path, masks=("a.png", "b.jpg"))
    write_image(tmp_path / "drawn" / "c.jpeg")
    table(tmp_path, image=["a", "b", "c"], age=[1, 2, 3])
    assert [row.mask and row.mask.name for row in read(tmp_path).rows] == ["a.png", "b.jpg", None]
    assert [
        row.mask and row.mask.name for row in read(tmp_path, masks=tmp_path / "drawn").rows
    ] == [None, None, "c.jpeg"]


def test_a_folder_that_holds_images_and_masks(tmp_path):
    folder(tmp_path, masks=("a.png", "b.png"))
    table(tmp_path, image=["a", "b"], age=[1, 2])
    sheet = read_sheet(tmp_path / "characteristics.xlsx", tmp_path, BY_NAME)
    assert [(row.path.parent.name, row.mask.parent.name) for row in sheet.rows] == [
        ("Images", "Masks")
    ] * 2


def test_what_each_bad_row_costs(tmp_path):
    folder(tmp_path, ("a", "b", "c", "d", "e", "f.png", "f.bmp", "extra"))
    names = ["a", "gone", "", "b", "c", "d", "d", "e", "e", "f"]
    values = [1, 2, 3, None, "x", 5, 5, 6, 7, 8]
    table(tmp_path, image=names, age=pd.Series(values, dtype=object))
    sheet = read(tmp_path)
    assert [(row.path.stem, row.value) for row in sheet.rows] == [("a", 1), ("d", 5)]
    lines = [str(failure) for failure in sheet.failures]
    for words in (
        "2 rows without their image: gone, (blank) (correct column 'image', ",
        "row 5: 'x' in column 'age'",
        "row 10: 'f' fits 2 images",
        "rows 8, 9 of",
    ):
        assert sum(words in line for line in lines) == 1, words
    assert len(lines) == 4
    assert note_values(sheet, "no_value") == {"count": 1, "names": "b", "column": "age"}
    assert note_values(sheet, "repeated")["names"] == "d.png"
    assert note_values(sheet, "no_row")["names"] == "extra.png"


def test_a_suffix_distinguishes_two_images(tmp_path):
    folder(tmp_path, ("f.png", "f.bmp"))
    table(tmp_path, image=["f.bmp"], age=[8])
    assert read(tmp_path).rows[0].path.name == "f.bmp"


def test_a_split_without_patients_of_another(tmp_path):
    folder(tmp_path, "abcd")
    table(
        tmp_path,
        image=[*"abcd"],
        age=[1, 2, 3, 4],
        patient=["p", "q", "q", "r"],
        split=["test", "test", "train", "train"],
    )
    sheet = read(tmp_path, split="test")
    assert [row.path.stem for row in sheet.rows] == ["a"]
    torn = note_values(sheet, "torn_patients")
    assert (torn["count"], torn["split"], torn["names"]) == (1, "test", "q")
    assert len(read(tmp_path).rows) == 4
    assert note_values(read(tmp_path), "all_splits")["names"] == "test, train"
    assert "its splits: test, train" in refused(tmp_path, split="val")
    assert sheet.frame()["patient"].tolist() == ["p"]


def test_which_column_is_the_value(tmp_path):
    folder(tmp_path)
    table(tmp_path, image=[*"abc"], patient=[1, 2, 3], ctr=[0.4, 0.5, 0.6], sex=[*"fmf"])
    assert read(tmp_path).value_column == "ctr"
    table(tmp_path, image=[*"abc"], ctr=[0.4, 0.5, 0.6], weight=[1, 2, 3])
    assert (
        "several columns that may hold the true value: ctr, weight (name it by --value-column"
        in refused(tmp_path)
    )
    table(tmp_path, image=[*"abc"], age=[1, 2, 3], weight=[1, 2, 3])
    assert read(tmp_path).value_column == "age"
    assert "did you mean weight?" in refused(tmp_path, SheetColumns(value="wieght"))
    assert "holds no number: a, b, c" in refused(tmp_path, SheetColumns(value="image"))


def test_the_sheet_that_names_the_images_is_read_with_a_note(tmp_path):
    folder(tmp_path)
    data, notes = (
        pd.DataFrame({"id": [*"abc"], "age": [30, 40, 50]}),
        pd.DataFrame({"note": ["read me"]}),
    )
    for sheets in ({"data": data, "README": notes}, {"README": notes, "data": data}):
        with pd.ExcelWriter(tmp_path / "characteristics.xlsx") as book:
            for name, frame in sheets.items():
                frame.to_excel(book, sheet_name=name, index=False)
        (note,) = read(tmp_path).notes
        assert (note.code, note.values["sheet"]) == ("table.sheet", "'data'")
        assert "(sheet 'README' of 2) has no column that may hold" in refused(
            tmp_path, SheetColumns(sheet="README")
        )


def test_what_cannot_be_evaluated_at_all(tmp_path):
    assert "no folder of images" in refused_missing(tmp_path)
    folder(tmp_path)
    assert "fits any image" in refused(tmp_path)
    assert "its column 'image' has x" in refused(tmp_path, SheetColumns(id="image"))
    assert "has a name that is used here" in refused_group(tmp_path)
    assert "--group-column: no column 'sex'" in refused(tmp_path, SheetColumns(groups=("sex",)))
    assert "no masks " in refused(tmp_path, masks=tmp_path / "none")
    table(tmp_path, image=[*"abc"], age=[None, None, 1])
    assert read(tmp_path).rows[0].value == 1


def refused_missing(tmp_path):
    table(tmp_path, image=["x"], age=[1])
    return refused(tmp_path)


def refused_group(tmp_path):
    table(tmp_path, image=[*"abc"], age=[1, 2, 3], error=[*"uvw"])
    return refused(tmp_path, SheetColumns(groups=("error",)))


@pytest.mark.parametrize(
    ("truth", "width"),
    [
        ([35, 52, 81], 10),
        ([0.2, 0.9], 0.1),
        ([500, 4000], 500),
        ([5, 5], 10),
        ([], 10),
        ([np.nan, 3], 10),
        ([0, 120], 20),
    ],
)
def test_width_of_groups(truth, width):
    assert usual_width(truth) == pytest.approx(width)
