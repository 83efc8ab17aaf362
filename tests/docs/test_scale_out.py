"""The page on scale: its examples read a real run without this package."""

import re
from contextlib import chdir, redirect_stdout
from io import StringIO

import torch

from camlucida.runs import Run, execute
from camlucida.runs.parts import META, PREDICTIONS
from tests.support.cohorts import write_cohort
from tests.support.paths import REPOSITORY

PAGE = (REPOSITORY / "docs/how-to/scale-out.md").read_text("utf-8")


def test_a_run_is_read_without_this_package(tmp_path):
    execute(write_cohort(tmp_path / "cohort"), tmp_path / "runs/nih")
    duck, frames, tensors = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict = {}
    with chdir(tmp_path), redirect_stdout(StringIO()) as printed:
        for block in (duck, frames, tensors):
            assert "camlucida" not in block
            exec(block, names)
    run = Run.open(tmp_path / "runs/nih")
    assert "Nodule" in printed.getvalue()
    assert len(names["maps"]) == len(run.explanations())
    assert names["strongest"]["high"].iloc[0] == run.explanations()["high"].max()
    torch.testing.assert_close(names["raw"], run.raw([0])[0], rtol=0, atol=0)


def test_columns_of_the_page_are_those_of_the_files():
    table = PAGE[PAGE.index("| file | one row") :]
    listed = {
        name.strip() for cell in re.findall(r"`([a-z_0-9, …]+)`", table) for name in cell.split(",")
    }
    files = {*META.names, *PREDICTIONS.names}
    assert set(PREDICTIONS.names) <= listed
    of_cohort = {"path", "patient", "split", "mask", "positives", "unknown", "box"}
    assert listed - files - of_cohort <= {"…", "7x7"}
