"""Each notebook runs from its first cell to its last, on a small cohort, by nbmake."""

import os
import subprocess
import sys

import nbformat
import pytest

from tests.support.cohorts import write_cohort
from tests.support.paths import REPOSITORY

FOLDER = REPOSITORY / "examples/notebooks"
BOOKS = sorted(FOLDER.glob("*.ipynb"))
NAMES = ("own_classifier", "report", "reader_study")
"""In this order, for the second reads the run of the first."""

SMALL = """
from pathlib import Path
FOLDER, OUT = Path("cohort"), Path("run")
FILM, CARD, COMPARED = FOLDER / "films/1.png", FOLDER / "card.toml", 3
SECTIONS, READINGS = ["data"], None
"""
"""Runs after each cell of parameters."""


def write_small(name, folder):
    """Copy a notebook, which gets the parameters of the test after its own."""
    book = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    for cell in book.cells:
        if "parameters" in cell.metadata.get("tags", ()):
            cell.metadata["nbmake"] = {"post_cell_execute": SMALL.splitlines()}
    nbformat.write(book, folder / f"{name}.ipynb")


def outputs(path):
    """What the cells of a notebook put out."""
    cells = nbformat.read(path, as_version=4).cells
    return [output for cell in cells for output in cell.get("outputs", ())]


def test_the_notebooks_run(tmp_path):
    assert {path.stem for path in BOOKS} == set(NAMES)
    write_cohort(tmp_path / "cohort", films=4, broken=None)
    for name in NAMES:
        write_small(name, tmp_path)
    settings = {
        "PYTHONPATH": str(REPOSITORY / "src"),
        "MPLBACKEND": "agg",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    words = ["-p", "nbmake.pytest_plugin", "--nbmake", "--overwrite", "--nbmake-timeout=300"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *words, *(f"{name}.ipynb" for name in NAMES)],
        cwd=tmp_path,
        env=os.environ | settings,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert (tmp_path / "run/report/report.html").is_file()
    made = [output for name in NAMES for output in outputs(tmp_path / f"{name}.ipynb")]
    texts = "".join(output.get("text", "") for output in made)
    assert "mean correlation" in texts
    assert "INVENTED readings" in texts
    pictures = [output for output in made if "image/png" in output.get("data", {})]
    assert len(pictures) >= 2


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_the_notebooks_are_stored_without_outputs(path):
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    for cell in book.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
