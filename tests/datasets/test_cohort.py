"""COHORT.toml and what the table says of each image."""

from pathlib import Path

import pandas as pd
import pytest

from camlucida.core.errors import UsageError
from camlucida.core.failures import Failure
from camlucida.core.messages import Message
from camlucida.datasets.cohort import read_cohort
from camlucida.datasets.cohort_file import (
    CohortColumns,
    CohortConfig,
    ExplainConfig,
    ModelEntry,
    read_cohort_file,
)
from camlucida.datasets.mask_paths import mask_beside
from tests.support.annotation_files import write_coco
from tests.support.models_on_disk import write_image
from tests.support.paths import REPOSITORY

LABELS = ("Nodule", "Mass")


def write(folder: Path, text: str) -> Path:
    path = folder / "cohort.toml"
    path.write_text(text)
    return path


def members(folder: Path, text: str, labels=LABELS):
    return read_cohort(read_cohort_file(write(folder, text)), labels)


@pytest.fixture
def films(tmp_path):
    for i in range(4):
        write_image(tmp_path / f"Images/f{i}.png", i)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('images = "f"\nmodle = "m.toml"', "modle is not a key of a cohort.*did you mean model"),
        (
            'images = "f"\nmodel = "m"\n[columns]\npatients = "p"',
            "columns.patients is not a key.*did you mean patient",
        ),
        (
            'images = "f"\n[[models]]\ncard = "m"\nsede = 1',
            r"models\[0\].sede is not a key.*did you mean seed",
        ),
        ('images = "f"\n[[models]]\nname = "m"', r"models\[0\].card is missing"),
        ('images = "f"\n[[models]]\ncard = "m"\nweight = 0', r"weight = 0: .*greater than 0"),
        ('images = "f"\nmodel = "m"\n[explain]\nmethod = []', r"explain.method = \[\]"),
        ('images = "f"\nmodel = "m"\n[explain]\nmethods = "x"', "did you mean method"),
        ('images = 3\nmodel = ["m"]', "model = "),
        ('images = "f"', 'give either model = "card.toml" or'),
        ('images = "f"\nmodel = "m"\n[[models]]\ncard = "n"', "give either"),
        ('model = "m"', "neither images nor a table"),
        ('images = "f"\nmodel = "m"\nsplit = "test"', "split requested, but no table"),
        ('images = "f"\nmodel = "m"\n[columns]\nid = "a"', "columns.id requested, but no table"),
        ("images = f", "not valid TOML"),
        ('images = "f"\nmodel = "m"\n[explain]\ntarget = true', "explain.target = True"),
        (
            'images = "f"\nmodel = "m"\ncolumns = "id"',
            r"columns = 'id': should be a section: \[columns\]",
        ),
        ('images = "f"\n[models]\ncard = "m"', r"models = .*\[\[models\]\]"),
    ],
)
def test_bad_toml_is_one_line(tmp_path, text, message):
    with pytest.raises(UsageError, match=message) as error:
        read_cohort_file(write(tmp_path, text))
    assert "\n" not in str(error.value)
    assert "cohort.toml" in str(error.value)


def test_missing_files_are_one_line(tmp_path):
    write(tmp_path, "")
    with pytest.raises(UsageError, match=r"no cohort .*did you mean cohort.toml"):
        read_cohort_file(tmp_path / "cohrt.toml")
    with pytest.raises(UsageError, match="is a folder"):
        read_cohort_file(tmp_path)
    (tmp_path / "films").mkdir()
    with pytest.raises(UsageError, match=r"is a folder.*with two lines, images"):
        read_cohort_file(tmp_path / "films")
    (tmp_path / "cohort.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="UTF-8"):
        read_cohort_file(tmp_path / "cohort.toml")


def test_words_and_lists_and_paths(tmp_path):
    (tmp_path / "card.toml").write_text("")
    text = 'images = ["a", "b"]\n[[models]]\ncard = "card.toml"\ncheckpoint = "w.pth"\nseed = 1\n'
    text += '[[models]]\ncard = "timm:resnet18"\n'
    text += (
        '[[models]]\ncard = "net.py:build"\n[explain]\ntarget = ["top3", 2]\nmethod = "gradcam"\n'
    )
    file = read_cohort_file(write(tmp_path, text))
    assert (file.name, file.config.images, file.config.explain.target) == (
        "cohort",
        ("a", "b"),
        ("top3", 2),
    )
    assert (file.config.explain.method, file.config.explain.layer) == (("gradcam",), None)
    cards = [(entry.card, entry.checkpoint) for entry in file.models()]
    own = f"{tmp_path / 'net.py'}:build"
    assert cards == [
        (str(tmp_path / "card.toml"), str(tmp_path / "w.pth")),
        ("timm:resnet18", None),
        (own, None),
    ]


@pytest.mark.parametrize("suffix", ["csv", "xlsx", "parquet", "json"])
def test_everything_that_a_table_says(films, suffix):
    frame = pd.DataFrame(
        {
            "file": [f"f{i}.png" for i in range(4)],
            "pat": ["p0", "p0", "p1", ""],
            "age": ["61.5", "7", "", "80"],
            "outline": ["m/f0.png", "", "", ""],
            "where": ["1, 2, 3, 4", "[1;2;3;4.5]", "", ""],
            "sex": ["f", "m", "f", ""],
            "Nodule": ["1", "0", "-1", "1"],
        }
    )
    writers = {"csv": frame.to_csv, "xlsx": frame.to_excel, "parquet": frame.to_parquet}
    if suffix == "json":
        frame.to_json(films / "t.json", orient="records")
    else:
        writers[suffix](films / f"t.{suffix}", index=False)
    text = f'images = "Images"\ntable = "t.{suffix}"\nmodel = "m"\n'
    text += '[columns]\nid = "file"\npatient = "pat"\nvalue = "age"\n'
    result = members(films, text + 'mask = "outline"\nbox = "where"\ngroups = ["sex"]')
    one, two, three, four = result.images
    assert [m.patient for m in result.images] == ["p0", "p0", "p1", "image:f3"]
    assert [m.value for m in result.images] == [61.5, 7.0, None, 80.0]
    assert one.mask == films / "m/f0.png"
    assert two.mask == films / "Masks/f1.png"  # beside "Images", where the table is blank
    assert [m.box for m in result.images] == [(1, 2, 3, 4), (1, 2, 3, 4.5), None, None]
    assert [m.groups["sex"] for m in result.images] == ["f", "m", "f", ""]
    assert [m.positives for m in result.images] == [("Nodule",), (), (), ("Nodule",)]
    assert [sorted(m.unknown) for m in (one, three)] == [["Mass"], ["Mass", "Nodule"]]
    assert [note.values["count"] for note in result.notes if note.code == "notes.no_mask"] == [4]
    assert four.id == "f3"


def test_a_table_can_name_the_images(films):
    (films / "t.csv").write_text("path,label\nImages/f0.png,Mass\nImages/f9.png,\n,Mass\n")
    result = members(films, 'table = "t.csv"\nmodel = "m"')
    assert [m.path for m in result.images] == [films / "Images/f0.png"]
    assert [(m.positives, sorted(m.unknown)) for m in result.images] == [(("Mass",), [])]


def test_rows_without_their_image_are_one_line(films):
    rows = "".join(f"Images/gone{i}.png,\n" for i in range(87))
    (films / "t.csv").write_text(f"path,label\n{rows}Images/f0.png,Mass\n,Mass\n")
    result = members(films, 'table = "t.csv"\nmodel = "m"')
    where = str(films / "t.csv")
    names = "Images/gone0.png, Images/gone1.png, Images/gone2.png, …"
    what = f"{where}: 88 rows without their image: {names}"
    fix = "correct column 'path', or drop the rows"
    assert result.problems == (Failure(where, "image_missing", what, fix),)


def test_a_folder_is_enough(films):
    result = members(films, 'images = "Images"\nmodel = "m"')
    assert [m.id for m in result.images] == ["f0", "f1", "f2", "f3"]
    assert all(m.positives is None for m in result.images)
    assert not result.patients_known


def test_rows_that_disagree_cost_that_image(films):
    (films / "t.csv").write_text("image,age\nf0,1\nf0,2\nf1,3\nf1,3\nf2,4\n")
    result = members(
        films, 'images = "Images"\ntable = "t.csv"\nmodel = "m"\n[columns]\nvalue = "age"'
    )
    assert [(m.id, m.value) for m in result.images] == [("f1", 3.0), ("f2", 4.0)]
    lines = [failure.what for failure in result.problems]
    assert any("2 rows of" in line and "disagree on its value" in line for line in lines)
    assert any("f3.png: no row" in line for line in lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('images = "nowhere"\nmodel = "m"', "there is no image .*no such file"),
        (
            'images = "Images"\ntable = "t.csv"\nmodel = "m"\n[columns]\nvalue = "agee"',
            "no column 'agee'.*did you mean age",
        ),
        (
            'images = "Images"\ntable = "t.csv"\nmodel = "m"\n[columns]\ngroups = ["age", "sx"]',
            "no column 'sx'.*did you mean sex",
        ),
        (
            'images = "Images"\ntable = "t.csv"\nmodel = "m"\n[columns]\nvalue = "sex"',
            "'f' in column 'sex'",
        ),
        (
            'images = "Images"\ntable = "t.csv"\nmodel = "m"\n[columns]\nbox = "sex"',
            "'f' is not a box",
        ),
        ('images = "Images"\nmasks = "nomasks"\nmodel = "m"', "masks: .*nomasks does not exist"),
        ('images = "Images"\nboxes = "b.csv"\nmodel = "m"', "boxes: .*b.csv does not exist"),
        ('table = "bare.csv"\nmodel = "m"', "has no path column"),
        ('images = "Images"\ntable = "t.csv"\nmodel = "m"\nsplit = "test"', "has no split column"),
    ],
)
def test_bad_cohorts_are_one_line(films, text, message):
    (films / "t.csv").write_text("image,age,sex\nf0,1,f\nf1,2,m\nf2,3,f\nf3,4,m\n")
    (films / "bare.csv").write_text("age\n1\n")
    with pytest.raises(UsageError, match=message):
        members(films, text)


def test_a_mask_folder_and_masks_beside_images(films):
    write_image(films / "Masks/f1.jpg")
    write_image(films / "other/f2.jpeg")
    result = members(films, 'images = "Images"\nmodel = "m"')
    assert result.images[1].mask == films / "Masks/f1.jpg"
    result = members(films, 'images = "Images"\nmasks = "other"\nmodel = "m"')
    assert result.images[2].mask == films / "other/f2.jpeg"
    assert Message("notes.no_mask", {"count": 3, "names": "f0, f1, f3"}) in result.notes
    assert mask_beside(Path("a/Images/b/c.dcm")) == Path("a/Masks/b/c.png")
    assert mask_beside(Path("a/films/c.dcm")) is None


def test_masks_that_nobody_has_are_not_missed(films):
    """A folder called Images alone does not mean that there should be masks."""
    for mask in (films / "Masks").glob("*"):
        mask.unlink()
    text = 'images = "Images"\nmodel = "m"'
    assert "notes.no_mask" not in [note.code for note in members(films, text).notes]
    write_image(films / "Masks/f1.png")
    without = Message("notes.no_mask", {"count": 3, "names": "f0, f2, f3"})
    assert without in members(films, text).notes


def test_every_key_is_documented():
    text = (REPOSITORY / "docs/how-to/runs.md").read_text("utf-8")
    for part in (CohortConfig, CohortColumns, ModelEntry, ExplainConfig):
        for name in part.model_fields:
            assert f"`{name}`" in text, name


def test_files_of_another_machine_are_one_line_not_one_each(films):
    rows = [f"/mnt/other/f{i}.png,p{i}" for i in range(4)]
    (films / "t.csv").write_text("\n".join(["path,patient", *rows, ""]))
    with pytest.raises(
        UsageError,
        match=r"none of the 4 files in column 'path' .* such as /mnt/other/f0.png .*images = ",
    ):
        members(films, 'table = "t.csv"\nmodel = "m"\n')
    result = members(films, 'images = "Images"\ntable = "t.csv"\nmodel = "m"\n')
    assert [member.patient for member in result.images] == ["p0", "p1", "p2", "p3"]


def test_a_file_of_annotations_names_the_images_without_one(films):
    write_coco(films / "coco.json", name="f1.png")
    text = 'images = "Images"\nmasks = "coco.json"\nmodel = "card.toml"\n'
    notes = members(films, text).notes
    assert Message("notes.no_mask", {"count": 3, "names": "f0, f2, f3"}) in notes
