"""Images that the cells of a predictions file lead to."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from camlucida.workflows.training_runs.folders import TrainingRun
from camlucida.workflows.training_runs.image_finder import ImageFinder
from camlucida.workflows.training_runs.validation import _find_all


@pytest.fixture
def finder(tmp_path):
    """Of a run beside a folder ``films`` with an image of each patient."""
    for name in ("p1/a.png", "p1/b.png", "p2/c.png"):
        path = tmp_path / "films" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(path)
    run = TrainingRun(tmp_path / "run", tmp_path / "run/best.pth", None, {}, 1, None)
    return ImageFinder(run, tmp_path / "films", None)


CELLS = {
    "names": (["a.png", "c.png"], ["p1/a.png", "p2/c.png"], []),
    "paths of another computer": (
        ["/data/x/p1/a.png", "/data/x/p2/c.png"],
        ["p1/a.png", "p2/c.png"],
        [],
    ),
    "other letters": (["A.PNG", "c.png"], ["p1/a.png", "p2/c.png"], ["notes.id_case"]),
    # Before, the only image called a.png was taken for that of any patient, without a word.
    "another patient's image": (["p2/a.png", "p1/b.png"], [None, "p1/b.png"], []),
    "other folders throughout": (
        ["x/a.png", "y/c.png"],
        ["p1/a.png", "p2/c.png"],
        ["notes.file_names_alone"],
    ),
}


@pytest.mark.parametrize("name", CELLS)
def test_cells(finder, tmp_path, name):
    cells, expected, codes = CELLS[name]
    frame = pd.DataFrame({"image": cells})
    files, notes = _find_all(finder, frame, "image", tmp_path / "val_predictions.csv")
    shown = [file and file.relative_to(tmp_path / "films").as_posix() for file in files]
    assert shown == expected
    assert [note.code for note in notes] == codes
