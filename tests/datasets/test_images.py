from pathlib import Path

import pytest

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message
from camlucida.datasets.image_names import bare_name, image_keys
from camlucida.datasets.images import read_labelled_images
from camlucida.datasets.patients import NO_PATIENTS

LABELS = ("Mass", "Pleural Effusion", "Hernia")
ABC = [Path("films/a.png"), Path("films/b.png"), Path("films/c.png")]


@pytest.fixture
def table(tmp_path):
    def write(*lines, name="t.csv"):
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        return tmp_path / name

    return write


def facts(cohort):
    return {item.id: (item.patient, item.split, item.positives) for item in cohort.images}


def positives(cohort):
    return {item.id: item.positives for item in cohort.images}


# ---- without a table ----------------------------------------------------------------------------


def test_without_a_table_each_image_is_a_patient():
    cohort = read_labelled_images(ABC, labels=LABELS)
    assert facts(cohort) == {name: (f"image:{name}", None, None) for name in "abc"}
    assert [item.path for item in cohort.images] == ABC
    assert (cohort.problems, cohort.notes, cohort.patients_known) == ((), (NO_PATIENTS,), False)


@pytest.mark.parametrize(
    "option", ["id_column", "patient_column", "split_column", "label_column", "split"]
)
def test_options_on_a_table_need_one(option):
    with pytest.raises(UsageError, match=rf"{option.replace('_', ' ')} requested, but no table"):
        read_labelled_images(ABC, **{option: "x"})


def test_ids_take_as_many_folders_as_they_need():
    paths = [
        Path(f"data/{name}")
        for name in (
            "p1/s1/view.png",
            "p1/s2/view.png",
            "p2/s1/view.png",
            "p3/view.png",
            "other.dcm",
        )
    ]
    ids = [item.id for item in read_labelled_images(paths).images]
    assert ids == ["p1/s1/view", "s2/view", "p2/s1/view", "p3/view", "other"]


@pytest.mark.parametrize("folder", ["/mnt/data/nih/", r"D:\data\nih" + "\\"])
def test_paths_of_another_machine_count_from_their_common_folder_on(table, folder):
    sign = folder[-1]
    paths = [Path("mine/p1/a.png"), Path("mine/p2/a.png"), Path("mine/p2/b.png")]
    rows = [f"{folder}p{p}{sign}{name}.png,{p}{name}" for p, name in ((1, "a"), (2, "a"), (2, "b"))]
    cohort = read_labelled_images(paths, table=table("path,patient", *rows))
    assert [item.patient for item in cohort.images] == ["1a", "2a", "2b"]
    where = folder.replace("\\", "/").rstrip("/")
    (note,) = [note for note in cohort.notes if note.code == "notes.other_computer"]
    assert note.values["folder"] == where
    with pytest.raises(UsageError, match="no row of"):
        read_labelled_images([Path("mine/p3/c.png")], table=table("path,patient", *rows))


def test_a_file_given_twice_counts_once():
    assert (
        len(read_labelled_images([Path("a.png"), Path("a.png").absolute(), Path("./a.png")]).images)
        == 1
    )


def test_files_that_differ_in_their_suffix_alone_are_left_out():
    cohort = read_labelled_images([Path("d/a.png"), Path("d/a.jpg"), Path("d/b.png")])
    assert [item.id for item in cohort.images] == ["b"]
    assert [failure.image for failure in cohort.problems] == ["d/a.png", "d/a.jpg"]
    assert "same name but for its suffix (keep one" in str(cohort.problems[0])


def test_an_id_without_an_image_suffix_keeps_its_dots():
    assert [item.id for item in read_labelled_images([Path("d/1.2.840.10008")]).images] == [
        "1.2.840.10008"
    ]


# ---- rows and images ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["b", "b.png", "b.dcm", "films/b.png", "./films/b", "films\\b.png", "FULL"]
)
@pytest.mark.parametrize(
    "column", ["image", "ID", "Image_ID", "File Name", "file", "path", "Image Index"]
)
def test_rows_are_matched_by_stem_name_and_path(table, name, column):
    name = str(ABC[1].absolute()) if name == "FULL" else name
    cohort = read_labelled_images(ABC[1:2], table=table(f"{column},PatientID", f"{name},007"))
    assert facts(cohort) == {"b": ("007", None, None)}
    assert cohort.patients_known


def test_chexlocalize_names_match_paths(table):
    path = Path("CheXpert/valid/patient64541/study1/view1_frontal.jpg")
    cohort = read_labelled_images(
        [path], table=table("id,patient", "patient64541_study1_view1_frontal,64541")
    )
    assert facts(cohort) == {"view1_frontal": ("64541", None, None)}
    assert image_keys(path)[0] == "CheXpert/valid/patient64541/study1/view1_frontal"
    assert image_keys(Path("a/b/c.png"), 3) == ["a/b/c", "a_b_c"]
    assert image_keys(Path("b/c.png"), 2) == ["b/c"]
    assert bare_name("/x/./y/a.b.PNG") == "x/y/a.b"
    assert bare_name("") == ""


def test_the_column_that_fits_most_images_names_them(table):
    cohort = read_labelled_images(
        ABC, table=table("id,filename,patient", "1,a.png,p", "2,b.png,q", "3,c.png,r")
    )
    assert [item.patient for item in cohort.images] == ["p", "q", "r"]
    named = table("study,image,patient", "b,a,p", "a,b,q")
    assert [
        item.patient
        for item in read_labelled_images(ABC[:2], table=named, id_column="Study").images
    ] == ["q", "p"]


def test_the_longest_name_decides(table):
    paths = [Path("x/a.png"), Path("y/a.png"), Path("b.png")]
    cohort = read_labelled_images(
        paths, table=table("image,patient", "y/a.png,2", "x/a.png,1", "b,3")
    )
    assert facts(cohort) == {
        "x/a": ("1", None, None),
        "y/a": ("2", None, None),
        "b": ("3", None, None),
    }


def test_a_row_that_fits_two_images_leaves_both_out(table):
    cohort = read_labelled_images(
        [Path("x/a.png"), Path("y/a.png"), Path("b.png")],
        table=table("image,patient", "a,1", "b,2"),
    )
    assert list(facts(cohort)) == ["b"]
    assert [failure.image for failure in cohort.problems] == ["x/a.png", "y/a.png"]
    line = str(cohort.problems[0])
    assert "row 'a' of" in line
    assert "fits other images too (name the images there with their folders)" in line


def test_an_image_without_a_row_is_left_out(table):
    cohort = read_labelled_images(ABC, table=table("image,patient", "a,1", "c,1"))
    assert list(facts(cohort)) == ["a", "c"]
    (failure,) = cohort.problems
    assert (failure.image, failure.code) == ("films/b.png", "image")
    line = str(failure)
    assert line.startswith("films/b.png: no row in")
    assert "(column 'image')" in line
    assert "\n" not in line


def test_rows_without_an_image_are_noted(table):
    cohort = read_labelled_images(
        ABC[:1], table=table("image,patient", "a,1", "d,1", "e,1", ",2", "f,1")
    )
    (note,) = cohort.notes
    assert note.code == "notes.idle_rows"
    assert (note.values["count"], note.values["names"]) == (4, "d, e, (blank), …")


def test_a_table_of_other_images_is_a_wrong_request(table):
    with pytest.raises(
        UsageError,
        match=r"no row of .*t.csv fits any image: its column 'image' has d, e "
        r"\(the images are a.png, b",
    ):
        read_labelled_images(ABC, table=table("image,patient", "d,1", "e,1"))


def test_rows_that_say_the_same_merge_and_rows_that_disagree_do_not(table):
    lines = (
        "image,patient,labels,age",
        "a,1,Mass|Hernia,7",
        "a.png,1,hernia;mass,8",
        "b,1,Mass,7",
        "b,2,Hernia,7",
        "c,1,,7",
    )
    cohort = read_labelled_images(ABC, table=table(*lines), labels=LABELS)
    assert positives(cohort) == {"a": ("Mass", "Hernia"), "c": ()}
    (note,) = [note for note in cohort.notes if note.code == "notes.merged_rows"]
    assert (note.values["count"], note.values["names"]) == (1, "a")
    (failure,) = cohort.problems
    line = str(failure)
    assert failure.image == "films/b.png"
    assert "2 rows of" in line
    assert "disagree on its patient and labels (keep one row an image)" in line


# ---- columns ------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["id_column", "patient_column", "split_column", "label_column"])
def test_a_column_that_is_not_there(table, option):
    with pytest.raises(
        UsageError,
        match=rf"{option.replace('_', ' ')}: no column 'patientt' in .*did you mean patient\?",
    ):
        read_labelled_images(ABC, table=table("image,patient", "a,1"), **{option: "patientt"})


def test_a_table_without_a_column_of_images(table):
    with pytest.raises(
        UsageError, match=r"no column that usually names images \(say which: name, age\)"
    ):
        read_labelled_images(ABC, table=table("name,age", "x,1", "y,2"))


def test_patients_without_a_column_and_without_a_name(table):
    cohort = read_labelled_images(ABC[:1], table=table("image,age", "a,1"))
    assert not cohort.patients_known
    assert cohort.notes == (NO_PATIENTS,)
    cohort = read_labelled_images(ABC, table=table("image,subject_id", "a,b", "b,", "c,"))
    assert [item.patient for item in cohort.images] == [
        "b",
        "image:b",
        "image:c",
    ]  # image b is not of patient b
    assert cohort.patients_known
    assert cohort.notes[0].code == "notes.no_patient"
    assert (cohort.notes[0].values["count"], cohort.notes[0].values["names"]) == (2, "b, c")


# ---- labels -------------------------------------------------------------------------------------


def test_a_column_a_label(table):
    path = table("image,patient,pleural_effusion,MASS", "a,1,1,0", "b,1,-1.0,True", "c,1,,false")
    cohort = read_labelled_images(ABC, table=path, labels=LABELS)
    assert positives(cohort) == {"a": ("Pleural Effusion",), "b": ("Mass",), "c": ()}
    assert cohort.notes == (
        Message("notes.blank_cells", {"count": 2, "where": str(path)}),
        Message("notes.no_column", {"count": 1, "where": str(path), "names": "Hernia"}),
    )


@pytest.mark.parametrize("column", ["labels", "Label", "finding", "Finding Labels", "diagnoses"])
@pytest.mark.parametrize("separator", ["|", ";", " , "])
def test_a_column_of_names(table, column, separator):
    cell = f"pleural effusion{separator}Nodule{separator}Mass"
    path = table(f'image,patient,"{column}"', f'a,1,"{cell}"', "b,1,No Finding", "c,1,")
    cohort = read_labelled_images(
        ABC, table=path, labels=LABELS, label_column=column if column == "diagnoses" else None
    )
    assert positives(cohort) == {"a": ("Mass", "Pleural Effusion"), "b": (), "c": ()}
    assert cohort.notes == (
        Message("notes.blank_names", {"count": 1, "where": str(path)}),
        Message(
            "notes.strange_labels", {"count": 2, "where": str(path), "names": "No Finding, Nodule"}
        ),
        Message("notes.absent_labels", {"count": 1, "names": "Hernia"}),
    )


def test_a_label_that_holds_a_separator_stays_whole(table):
    path = table("image,patient,labels", 'a,1,"Fracture, rib|Mass"', 'b,1,"fracture, rib"')
    cohort = read_labelled_images(ABC[:2], table=path, labels=("Fracture, rib", "Mass"))
    assert positives(cohort) == {"a": ("Fracture, rib", "Mass"), "b": ("Fracture, rib",)}


def test_labels_that_are_not_there(table):
    path = table("image,patient", "a,1")
    cohort = read_labelled_images(ABC[:1], table=path, labels=LABELS)
    assert positives(cohort) == {"a": None}
    assert cohort.notes == (Message("notes.no_labels", {"where": str(path)}),)
    named = read_labelled_images(ABC[:1], table=table("image,patient,labels", "a,1,Mass"))
    assert positives(named) == {"a": None}
    assert named.notes == ()


def test_wrong_label_cells_and_columns(table):
    with pytest.raises(UsageError, match=r"row 2: '0.37' in column 'mass'"):
        read_labelled_images(ABC[:1], table=table("image,mass", "a,1", "b,0.37"), labels=LABELS)
    with pytest.raises(UsageError, match="several columns for one label: Mass, mass"):
        read_labelled_images(ABC[:1], table=table("image,Mass,mass", "a,1,1"), labels=LABELS)


def test_a_channel_without_a_name_is_no_label(table):
    cohort = read_labelled_images(
        ABC[:1], table=table("image,patient,labels", "a,1,Mass"), labels=("", "Mass", "")
    )
    assert positives(cohort) == {"a": ("Mass",)}
    assert cohort.notes == ()


# ---- splits -------------------------------------------------------------------------------------

SPLITS = (
    "image,patient,split",
    "a,1,test",
    "b,2,test",
    "c,2,train",
    "d,3,train",
    "e,1,test",
    "f,3,",
)


def test_a_patient_in_two_splits_is_left_out_of_the_one_asked_for(table):
    path = table(*SPLITS)
    cohort = read_labelled_images(ABC, table=path, split="test")
    assert facts(cohort) == {"a": ("1", "test", None)}
    assert cohort.notes == (
        Message("notes.idle_rows", {"count": 1, "where": str(path), "names": "e"}),
        Message(
            "notes.torn_left_out",
            {"patients": 1, "images": 1, "where": str(path), "split": "test", "names": "2"},
        ),
    )
    # The image of patient 2 in train need not be given.
    assert [item.id for item in read_labelled_images(ABC[:2], table=path, split="test").images] == [
        "a"
    ]


def test_a_patient_in_two_splits_is_noted(table):
    path = table(*SPLITS)
    cohort = read_labelled_images([*ABC, Path("f.png")], table=path)
    assert [item.split for item in cohort.images] == ["test", "test", "train", None]
    without = {"count": 1, "where": str(path), "names": "f"}
    assert cohort.notes[1:3] == (
        Message("notes.no_split", without),
        Message("notes.torn", {"patients": 1, "images": 2, "where": str(path), "names": "2"}),
    )
    chosen = read_labelled_images([*ABC, Path("f.png")], table=path, split="test")
    assert Message("notes.no_split_left_out", without) in chosen.notes


def test_wrong_splits(table):
    with pytest.raises(
        UsageError, match=r"no split 'valid' in .*t.csv \(its splits: test, train\)"
    ):
        read_labelled_images(ABC, table=table(*SPLITS), split="valid")
    named = read_labelled_images(ABC, table=table(*SPLITS), split="Testing")
    assert facts(named) == {"a": ("1", "test", None)}
    with pytest.raises(UsageError, match="has no split column"):
        read_labelled_images(ABC, table=table("image,patient,part", "a,1,1"), split="1")
    cohort = read_labelled_images(
        ABC[:1], table=table("image,patient,part", "a,1,1"), split="1", split_column="part"
    )
    assert [item.split for item in cohort.images] == ["1"]


# ---- real data ----------------------------------------------------------------------------------


def test_radiographs_of_nih(shared_data):
    folder = shared_data / "nih_cxr"
    path = folder / "labels.csv"
    cohort = read_labelled_images(
        sorted(folder.glob("*.png")),
        table=path,
        labels=("Cardiomegaly", "Effusion", "Hernia", "Mass"),
    )
    assert len(cohort.images) == 10
    assert not cohort.problems
    assert cohort.patients_known
    assert len({item.patient for item in cohort.images}) == 8
    assert facts(cohort)["00000001_002"] == ("1", None, ("Cardiomegaly", "Effusion"))
    assert facts(cohort)["00000003_000"] == ("3", None, ("Hernia",))
    assert cohort.notes == (
        Message(
            "notes.strange_labels",
            {
                "count": 4,
                "where": str(path),
                "names": "Atelectasis, Emphysema, Infiltration, No Finding",
            },
        ),
        Message("notes.absent_labels", {"count": 1, "names": "Mass"}),
    )
