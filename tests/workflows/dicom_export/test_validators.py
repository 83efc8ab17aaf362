"""What dciodvfy prints of the objects of a real film is what the documentation shows."""

import re
import shutil
from collections import Counter

import pytest

from tests.support.command_line import run_once
from tests.support.dicom_exports import (
    CHAPTER,
    VALIDATORS,
    complaints,
    explained_warnings,
    validated,
)
from tests.support.models_on_disk import write_model

pytest.importorskip("highdicom")

FOLDERS = ("objects", "plain")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, shared_data):
    """The objects of a film, with its patient and without."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("dicom3tools is not installed (scripts/system_packages.sh)")
    folder = tmp_path_factory.mktemp("validators")
    write_model(folder)
    film = str(shared_data / "dicom/rsna_cxr.dcm")
    words = ("--model", "card.toml", "--target", "Nodule", "--method", "gradcam")
    assert run_once(folder, "explain", film, *words).code == 0
    words = ("export", "dicom", "explanations", "--contours", "--fractional", "--out")
    assert run_once(folder, *words, "objects").code == 0
    assert run_once(folder, *words, "plain", "--deidentify").code == 0
    return folder


def lines_of(folder):
    return [line for path in sorted(folder.glob("*.dcm")) for line in validated(path)]


def test_the_documentation_shows_every_line(folder):
    chapter = VALIDATORS.read_text("utf-8").split(CHAPTER)[1]
    shown = re.search(r"^```text\n(.*?)^```", chapter, re.MULTILINE | re.DOTALL)[1]
    counts = dict(line.split(maxsplit=1)[::-1] for line in shown.splitlines())
    assert {line: int(count) for line, count in counts.items()} == Counter(
        lines_of(folder / "objects")
    )


@pytest.mark.parametrize("name", FOLDERS)
def test_no_object_has_another_warning(folder, name):
    for path in sorted((folder / name).glob("*.dcm")):
        assert complaints(path) == [], path.name


def test_every_warning_that_the_documentation_explains_is_printed(folder):
    lines = [line for name in FOLDERS for line in lines_of(folder / name)]
    for pattern in explained_warnings():
        assert any(pattern.fullmatch(line) for line in lines), pattern.pattern
