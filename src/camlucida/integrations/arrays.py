"""A run as the tables and arrays of other tools: Arrow and xarray.

pandas needs no bridge: ``run.predictions()`` and ``run.explanations()`` are data frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from camlucida.core.errors import UsageError
from camlucida.runs import Run

if TYPE_CHECKING:
    import xarray

ABOUT = ("image", "model", "method", "layer", "target", "score", "probability", "empty_reason")
"""Columns of ``run.explanations()`` that are coordinates of the maps."""


def to_arrow(run: Run, table: str = "predictions") -> pa.Table:
    """A table of a run for Arrow, and so for Polars, DuckDB, Spark or datasets.

    Args:
        run: computed.
        table: "predictions" or "explanations".

    Returns:
        One row an image, model and label, or one a map.

    Raises:
        UsageError: there is no such table.
    """
    if table not in ("predictions", "explanations"):
        raise UsageError(f"no table {table!r}", "give predictions or explanations")
    return pa.Table.from_pandas(getattr(run, table)(), preserve_index=False)


def to_xarray(run: Run, rows: Sequence[int] | None = None) -> xarray.Dataset:
    """Stored maps as a labelled array.

    Args:
        run: computed.
        rows: of ``run.explanations()``, all of one grid; None for all.

    Returns:
        Variable ``map`` (case, row, column), signed float32 on the layer's grid, before any ReLU;
        volumes have (case, slice, row, column). Coordinates of ``case`` are :data:`ABOUT`.

    Raises:
        UsageError: xarray is not installed, no map, or maps of several grids.
    """
    try:
        import xarray
    except ImportError as error:
        raise UsageError("this export needs xarray", 'pip install "camlucida[arrays]"') from error
    table = run.explanations()
    chosen = list(table.index) if rows is None else list(rows)
    if not chosen:
        raise UsageError("there is no map to export", "finish the run, or give rows")
    maps = [raw.numpy() for raw in run.raw(chosen)]
    grids = {each.shape for each in maps}
    if len(grids) > 1:
        listed = ", ".join(" × ".join(map(str, grid)) for grid in sorted(grids))
        raise UsageError(f"maps of several grids: {listed}", "give the rows of one layer")
    values: Any = np.stack(maps)
    axes = ("slice", "row", "column")[-(values.ndim - 1) :]
    part = table.loc[chosen]
    about = {name: ("case", part[name].to_numpy()) for name in ABOUT}
    attributes = {"use": "research use only", "content": "signed maps on the grid of the layer"}
    return xarray.Dataset(
        {"map": (("case", *axes), values)}, {"case": chosen, **about}, attrs=attributes
    )
