"""The notebooks run from the first cell to the last, in one kernel, on a small cohort."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.support.cohorts import write_cohort
from tests.support.paths import REPOSITORY

FOLDER = REPOSITORY / "examples/notebooks"
BOOKS = sorted(FOLDER.glob("*.ipynb"))
SMALL = """
from pathlib import Path
FOLDER, OUT = Path("cohort"), Path("run")
FILM, CARD, COMPARED = FOLDER / "films/1.png", FOLDER / "card.toml", 3
SECTIONS, READINGS = ["data"], None
"""
"""Runs after each cell of parameters."""


def code(book):
    """The code of a notebook, with the parameters of the test after its own."""
    for cell in book.cells:
        if cell.cell_type == "code":
            yield cell
            if "parameters" in cell.metadata.get("tags", ()):
                yield nbformat.v4.new_code_cell(SMALL)


def test_the_notebooks_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_cohort(tmp_path / "cohort", films=4, broken=None)
    names = ("own_classifier", "report", "reader_study")
    books = [nbformat.read(FOLDER / f"{name}.ipynb", as_version=4) for name in names]
    assert len(books) == len(BOOKS)
    cells = [cell for book in books for cell in code(book)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "MPLBACKEND": "agg"}
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute(env=environment)
    assert Path("run/report/report.html").is_file()
    outputs = [output for cell in cells for output in cell.outputs]
    texts = "".join(output.get("text", "") for output in outputs)
    assert "mean correlation" in texts
    assert "INVENTED readings" in texts
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) >= 2


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_the_notebooks_are_stored_without_outputs(path):
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    for cell in book.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
