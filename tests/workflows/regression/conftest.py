"""A study that was evaluated once."""

import pytest

from camlucida.workflows.regression.sheet import SheetColumns
from tests.support.regression_study import evaluated, write_study


@pytest.fixture(scope="module")
def cohort_folder(tmp_path_factory):
    folder = write_study(tmp_path_factory.mktemp("cohort_folder"))
    assert not evaluated(
        folder, columns=SheetColumns(groups=("sex",)), samples=(2,), layer="backbone.features.5"
    ).failures
    return folder
