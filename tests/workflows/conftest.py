"""The smallest density cohort, made once."""

import shutil
from pathlib import Path

import pytest

from camlucida.phantom.cohorts import write_density


@pytest.fixture(scope="session")
def density(tmp_path_factory) -> Path:
    """Twelve films and the runs of three seeds and three folds; not to be written to."""
    return write_density(tmp_path_factory.mktemp("density"), 12)


@pytest.fixture
def cohort(density, tmp_path) -> Path:
    """A copy to be changed."""
    return Path(shutil.copytree(density, tmp_path / "cohort"))
