"""Arrow and xarray have what the run has."""

import numpy as np
import pytest

from camlucida.core.errors import UsageError
from camlucida.integrations.arrays import ABOUT, to_arrow, to_xarray


@pytest.mark.parametrize("name", ["predictions", "explanations"])
def test_arrow_tables_are_the_data_frames(small_run, name):
    table, frame = to_arrow(small_run, name), getattr(small_run, name)()
    assert table.column_names == list(frame)
    assert table.num_rows == len(frame)
    assert table.column("image").to_pylist() == frame["image"].tolist()


def test_an_unknown_table_is_refused(small_run):
    with pytest.raises(UsageError, match="no table 'maps'"):
        to_arrow(small_run, "maps")


def test_maps_are_the_stored_ones_with_their_names(small_run):
    pytest.importorskip("xarray", reason="maps as arrays need pip install '.[arrays]'")
    rows = small_run.explanations()
    chosen = [3, 0, 2]
    data = to_xarray(small_run, chosen)
    assert data["map"].dims == ("case", "row", "column")
    assert data["map"].dtype == np.float32
    for number, raw in zip(chosen, small_run.raw(chosen), strict=True):
        np.testing.assert_array_equal(data["map"].sel(case=number), raw.numpy())
    for name in ABOUT:
        assert data[name].to_numpy().tolist() == rows.loc[chosen, name].tolist() or name in (
            "probability",
            "empty_reason",
        )
    assert data.attrs["use"] == "research use only"
    assert len(to_xarray(small_run)["case"]) == len(rows)


def test_no_map_and_maps_of_several_grids_are_refused(small_run, monkeypatch):
    pytest.importorskip("xarray", reason="maps as arrays need pip install '.[arrays]'")
    with pytest.raises(UsageError, match="no map to export"):
        to_xarray(small_run, [])
    first, second, *_ = small_run.raw([0, 1])
    monkeypatch.setattr(type(small_run), "raw", lambda *_: [first, second[:1]])
    with pytest.raises(UsageError, match="maps of several grids"):
        to_xarray(small_run, [0, 1])
