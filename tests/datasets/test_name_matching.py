"""Names of images in tables as people have them: the right image, or none."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camlucida.core.errors import UsageError
from camlucida.datasets.image_rows import match_images
from camlucida.datasets.images import read_labelled_images
from camlucida.datasets.name_matching import match_names
from tests.support.tables import write_text, write_workbook

WHERE = "t.csv"


def match(names, paths, column="image", **options):
    frame = pd.DataFrame({column: names})
    return match_images(
        frame, options.pop("id_column", None), list(map(Path, paths)), WHERE, **options
    )


def rows(matched):
    return {path.name: list(of_path) for path, of_path in matched.rows.items()}


def codes(matched):
    return [note.code for note in matched.notes]


FILMS = ["/data/films/p1/a01.png", "/data/films/p2/b02.png"]


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["./p1/a01.png", "./p2/b02.png"], None),
        (["..\\films\\p1\\a01.png", "..\\films\\p2\\b02.png"], None),
        (["p1/a01.nii.gz", "p2/b02.nii.gz"], None),
        (["old/p1/a01.jpg", "old/p2/b02.jpg"], "notes.other_root"),
        (["./old/x/p1/a01.jpg", "./old/x/p2/b02.jpg"], "notes.other_root"),
        (["C:\\old\\p1\\a01.dcm", "C:\\old\\p2\\b02.dcm"], "notes.other_computer"),
        (
            ["\\\\server\\share\\p1\\a01.dcm", "\\\\server\\share\\p2\\b02.dcm"],
            "notes.other_computer",
        ),
        (["P1/A01.PNG", "P2/B02.PNG"], "notes.id_case"),
        (["A01", "b02"], "notes.id_case"),
        (["x/1/a01.png", "y/2/b02.png"], "notes.file_names_alone"),
    ],
)
def test_paths_of_other_roots_systems_and_letters(names, code):
    matched = match(names, FILMS)
    assert rows(matched) == {"a01.png": [0], "b02.png": [1]}
    assert codes(matched) == ([code] if code else [])
    for note in matched.notes:
        assert "\n" not in str(note)


def test_a_film_whose_name_holds_a_backslash():
    matched = match(["a\\01.png", "b"], ["/data/a\\01.png", "/data/b.png"])
    assert rows(matched) == {"a\\01.png": [0], "b.png": [1]}


def test_accents_that_are_encoded_in_two_ways():
    matched = match(["cafe\u0301.png"], ["/d/caf\u00e9.png"])
    assert rows(matched) == {"caf\u00e9.png": [0]}
    assert codes(matched) == ["notes.id_case"]


def test_zeros_that_a_spreadsheet_ate(tmp_path):
    path = write_workbook(tmp_path / "t.xlsx", {"s": [["id", "patient"], [7, "p"], [12345, "q"]]})
    films = [Path("00007.png"), Path("12345.png"), Path("00008.png")]
    joined = read_labelled_images(films, table=path)
    assert {image.id: image.patient for image in joined.images} == {"00007": "p", "12345": "q"}
    (note,) = [note for note in joined.notes if note.code == "notes.id_zeros"]
    assert (note.values["count"], note.values["name"]) == (1, "7")
    assert len(joined.problems) == 1


def test_zeros_are_not_guessed_where_a_column_kept_its_own():
    matched = match(["7", "008", "b"], ["/d/007.png", "/d/008.png", "/d/b.png"])
    assert rows(matched) == {"007.png": [], "008.png": [1], "b.png": [2]}


def test_two_images_of_one_number_get_no_row():
    matched = match(["7", "9"], ["/d/007.png", "/d/07.png", "/d/9.png"])
    assert rows(matched) == {"007.png": [], "07.png": [], "9.png": [1]}


def test_two_images_that_differ_in_case_alone_share_no_row():
    matched = match(["FILM", "b"], ["/d/Film.png", "/d/film.png", "/d/b.png"])
    assert rows(matched) == {"Film.png": [], "film.png": [], "b.png": [1]}


def test_two_spellings_of_one_name_are_left_alone():
    matched = match(["a", "A", "b"], ["/d/a.png", "/d/b.png"])
    assert rows(matched) == {"a.png": [0], "b.png": [2]}
    assert rows(match(["xa", "XA", "b"], ["/d/Xa.png", "/d/b.png"]))["Xa.png"] == []


def test_folders_are_not_dropped_where_names_repeat():
    with pytest.raises(UsageError, match="no row of"):
        match(["x/view1.png", "y/view1.png"], ["/d/p/view1.png"])


def test_columns_that_lead_to_different_rows_are_refused():
    frame = pd.DataFrame({"image": ["a", "b"], "id": ["b", "a"]})
    films = [Path("a.png"), Path("b.png")]
    with pytest.raises(UsageError, match=r"'image' and 'id' of t.csv name as many images"):
        match_images(frame, None, films, WHERE)
    assert rows(match_images(frame, "id", films, WHERE)) == {"a.png": [1], "b.png": [0]}


def test_a_column_of_any_name_that_names_the_images():
    matched = match(["a", "b"], ["/d/a.png", "/d/b.png"], column="Aufnahme")
    assert rows(matched) == {"a.png": [0], "b.png": [1]}
    assert codes(matched) == ["notes.id_column"]


@pytest.mark.parametrize("cell", ["1.23457E+11", "2024-02-01"])
def test_ids_that_a_spreadsheet_spoilt_are_told(cell):
    with pytest.raises(UsageError, match="export them as text"):
        match([cell], ["/d/x.png"])


# ---- one row, several images --------------------------------------------------------------------

SUBJECTS = ["P01", "P02", "P03", "P04"]


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("{0}_{1}", "{id}_{n}"),
        ("{0}-{1}", "{id}-{n}"),
        ("film_{0}_{1}", "*_{id}_{n}"),
        ("{0}_L_CC{1}", "{id}_*"),
        ("{0}/view{1}", "{id}/*"),
        ("{0}/study1/view{1}", "{id}/*/*"),
    ],
)
def test_images_of_a_subject_are_found_by_a_pattern(name, pattern):
    paths = [f"/d/{name.format(subject, n)}.png" for subject in SUBJECTS for n in (1, 2)]
    matched = match(SUBJECTS, paths, column="id")
    assert matched.pattern == pattern
    assert list(matched.rows.values()) == [[row] for row in range(4) for _ in range(2)]
    assert codes(matched) == ["notes.id_pattern"]
    again = match(SUBJECTS, paths, column="id", pattern=pattern)
    assert again.rows == matched.rows


def test_numbers_of_subjects_and_of_images():
    paths = [f"/d/anon_{subject}_{n}.png" for subject in range(1, 21) for n in (1, 2)]
    matched = match([str(subject) for subject in range(1, 41)], paths, column="id")
    assert matched.pattern == "*_{id}_{n}"
    assert rows(matched)["anon_13_2.png"] == [12]


def test_a_pattern_that_could_be_another_is_refused():
    ids = [str(number) for number in range(1, 5)]
    paths = [f"/d/{visit}_{subject}.png" for visit in (1, 2) for subject in (1, 2, 3)]
    with pytest.raises(UsageError, match=r"\{id\}.*--id-pattern"):
        match(ids, paths, column="id")
    matched = match(ids, paths, column="id", pattern="{n}_{id}")
    assert rows(matched)["2_3.png"] == [2]


@pytest.mark.parametrize(
    ("pattern", "words"), [("P_{n}", "write {id} once"), ("{id}x", "no image")]
)
def test_wrong_patterns(pattern, words):
    with pytest.raises(UsageError, match=words):
        match(SUBJECTS, ["/d/P01_1.png"], column="id", pattern=pattern)


def test_the_subject_of_a_pattern_is_the_patient(tmp_path):
    table = write_text(tmp_path / "t.csv", [["id", "Mass"], *([name, 1] for name in SUBJECTS)])
    films = [Path(f"{subject}_{n}.png") for subject in SUBJECTS for n in (1, 2)]
    joined = read_labelled_images(films, table=table, labels=["Mass"])
    assert [image.patient for image in joined.images[:3]] == ["P01", "P01", "P02"]
    assert joined.patients_known
    assert not joined.problems


# ---- never the wrong image ----------------------------------------------------------------------

PART = st.from_regex(r"[a-c]{1,2}[0-9]{0,3}|[0-9]{1,4}", fullmatch=True)
IMAGES = st.lists(st.tuples(PART, PART), min_size=1, max_size=6, unique=True)

MANGLED = {
    "as it is": lambda folder, stem: f"{folder}/{stem}.png",
    "stem": lambda folder, stem: stem,
    "suffix": lambda folder, stem: f"{folder}/{stem}.DCM",
    "windows": lambda folder, stem: f"D:\\data\\{folder}\\{stem}.png",
    "root": lambda folder, stem: f"./old/{folder}/{stem}.png",
    "capitals": lambda folder, stem: f"{folder}/{stem}.png".upper(),
    "zeros": lambda folder, stem: stem.lstrip("0") or "0" if stem.isdigit() else stem,
    "joined": lambda folder, stem: f"{folder}_{stem}",
}


@given(images=IMAGES, extra=IMAGES, mangling=st.sampled_from(sorted(MANGLED)))
def test_a_row_is_never_joined_to_another_image(images, extra, mangling):
    """Rows of images that are not given are in the table, too."""
    mangle = MANGLED[mangling]
    everything = list(dict.fromkeys([*images, *extra]))
    names = [mangle(*pair) for pair in everything]
    keys = {Path(f"/root/{folder}/{stem}.png"): (folder, stem) for folder, stem in images}
    try:
        matched = match_images(pd.DataFrame({"image": names}), None, list(keys), WHERE)
    except UsageError:
        return
    for path, of_path in matched.rows.items():
        fits_one = sum(of_path == other for other in matched.rows.values()) == 1
        for row in of_path:
            # A row that fits several images is an error where it is read.
            right = everything[row] == keys[path] or names[row] == mangle(*keys[path])
            assert right or not fits_one, (path, names[row])


@given(images=IMAGES)
def test_names_as_they_are_always_find_their_image(images):
    paths = {Path(f"/root/{folder}/{stem}.png"): row for row, (folder, stem) in enumerate(images)}
    keys = {path: [f"{path.parent.name}/{path.stem}", path.stem] for path in paths}
    names = [f"{folder}/{stem}.png" for folder, stem in images]
    assert match_names(names, keys).rows == {path: [row] for path, row in paths.items()}


@given(
    ids=st.lists(PART, min_size=2, max_size=8, unique_by=str.casefold),
    counts=st.lists(st.integers(1, 3), min_size=8, max_size=8),
    shape=st.sampled_from(["{}_{}", "{}-{}", "film_{}_{}", "{}_R_{}"]),
)
def test_a_pattern_leads_to_the_right_subject_or_is_refused(ids, counts, shape):
    owners = {}
    for row, (name, number) in enumerate(zip(ids, counts)):
        for n in range(1, number + 1):
            owners[Path(f"/d/{shape.format(name, n)}.png")] = row
    try:
        matched = match_images(pd.DataFrame({"id": ids}), None, list(owners), WHERE)
    except UsageError:
        return
    for path, of_path in matched.rows.items():
        assert of_path in ([], [owners[path]]), (path, ids)
