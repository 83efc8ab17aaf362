"""Tables whose rows name examinations, each a folder of images."""

from pathlib import Path

import pandas as pd
import pytest

from camlucida.core.errors import UsageError
from camlucida.datasets.image_rows import match_images

IMAGES = [Path(f"archive/ACC{k}/{k:04}_{view}.dcm") for k in (1, 2) for view in ("L_CC", "L_MLO")]


def matched(table: dict[str, list[str]], pattern: str | None = None):
    return match_images(pd.DataFrame(table), None, IMAGES, "classes.csv", pattern)


@pytest.mark.parametrize("column", ["AccessionNumber", "Study ID", "exam"])
@pytest.mark.parametrize("pattern", [None, "{id}/*"])
def test_the_images_of_an_examination_have_its_row(column, pattern):
    match = matched({column: ["ACC2", "ACC1", "ACC9"], "class": ["b", "a", "c"]}, pattern)
    assert (match.column, match.pattern) == (column, "{id}/*")
    assert [match.rows[path] for path in IMAGES] == [[1], [1], [0], [0]]
    assert "2 rows for 4 images" in str(match.notes[0])
    assert not match.is_by_subject  # a patient may have several examinations


def test_the_folder_of_a_patient_is_of_one_subject():
    match = matched({"PatientID": ["ACC1", "ACC2"], "class": ["a", "b"]})
    assert (match.column, match.is_by_subject) == ("PatientID", True)


def test_names_of_images_go_first():
    match = matched({"image": ["0001_L_CC", "0002_L_CC"], "AccessionNumber": ["ACC2", "ACC1"]})
    assert match.column == "image"
    assert match.rows[IMAGES[0]] == [0]


def test_examinations_without_images_are_refused():
    with pytest.raises(UsageError):
        matched({"AccessionNumber": ["ACC7", "ACC8"]})
