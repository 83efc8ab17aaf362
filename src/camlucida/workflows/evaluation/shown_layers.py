"""Layers of tables as people read them: of a map of several layers or blocks, their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import pandas as pd

ShownLayers: TypeAlias = Mapping[tuple[str, str], str]
"""Method and layer → how people read it, where the name of the layer says less."""

_SHOWN = "shown_layer"


def with_shown_layers(table: pd.DataFrame, shown: ShownLayers) -> pd.DataFrame:
    """A table with the column that :func:`layer_of` reads.

    Args:
        table: with columns ``method`` and ``layer``; one without rows is returned as it is.
        shown: layers that have another name for people.

    >>> table = pd.DataFrame({"method": ["legrad", "rise"], "layer": ["(input)", "(input)"]})
    >>> shown = {("legrad", "(input)"): "blocks.0 … blocks.11"}
    >>> list(map(layer_of, with_shown_layers(table, shown).to_dict("records")))
    ['blocks.0 … blocks.11', '(input)']
    """
    if table.empty:
        return table
    pairs = zip(table["method"], table["layer"])
    return table.assign(**{_SHOWN: [shown.get(pair, pair[1]) for pair in pairs]})


def layer_of(record: Mapping[Any, Any]) -> str:
    """The layer of a row for people.

    Args:
        record: of a table, of :func:`with_shown_layers` or as it is.

    >>> layer_of({"method": "gradcam", "layer": "layer4"})
    'layer4'
    """
    return str(record.get(_SHOWN, record["layer"]))


def shown_layers_of(rows: pd.DataFrame, shown: ShownLayers) -> list[str]:
    """The layers of rows for people, each once.

    Args:
        rows: with columns ``method`` and ``layer``.
        shown: as of :func:`with_shown_layers`.
    """
    pairs = rows[["method", "layer"]].drop_duplicates()
    return list(dict.fromkeys(map(layer_of, with_shown_layers(pairs, shown).to_dict("records"))))
