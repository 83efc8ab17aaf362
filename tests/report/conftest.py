"""A small finished run, made once."""

import pytest

from camlucida.runs import Run, execute
from tests.runs.cohorts import write_cohort


@pytest.fixture(scope="session")
def small_run(tmp_path_factory) -> Run:
    """Six random films of three patients, one of them broken; two labels with truth, one without."""
    folder = tmp_path_factory.mktemp("report")
    about = {"command": "camlucida run cohort.toml", "versions": {"camlucida": "0", "torch": "0"}}
    execute(write_cohort(folder / "cohort"), folder / "run", device="cpu", about=about)
    return Run.open(folder / "run")
