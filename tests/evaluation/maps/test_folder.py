"""The folder of an evaluation, read again."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from camlucida.core.errors import UsageError
from camlucida.evaluation.maps import folder
from camlucida.evaluation.maps.measure import Tables
from camlucida.metrics.queue import Count
from tests.support.evaluations import evaluation


@pytest.fixture
def written(tmp_path):
    """A folder of an evaluation with a sanity table, and that table."""
    rows, curves, sanity = evaluation(patients=2)
    boxes = pd.DataFrame(columns=list(folder.BOX_COLUMNS))
    tables = Tables(rows, curves, boxes, [], [], Count())
    about = {"failures": [], "notes": [], "count": {}, "seconds": 1.0}
    folder.write(tmp_path, SimpleNamespace(tables=tables, sanity=sanity, about=about))
    return tmp_path, sanity


def test_a_sanity_table_of_an_earlier_version_is_one_line(written):
    path, sanity = written
    assert len(folder.read(path).sanity) == len(sanity)
    sanity.drop(columns=["images", "more"]).to_parquet(path / folder.SANITY)
    with pytest.raises(UsageError, match="lacks images, more: an earlier version") as error:
        folder.read(path)
    assert "camlucida evaluate" in error.value.fix
