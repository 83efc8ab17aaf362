"""What the figures of a comparison share: colours, names of map series, and the lines below."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pandas as pd
from matplotlib.figure import Figure

from camlucida.figures.notice import notice_line
from camlucida.figures.style import wrapped_text

GREY = "#767676"


def table_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table, column → value."""
    named = table.rename(columns=str)
    return cast("list[dict[str, Any]]", named.to_dict("records"))


def name_in_group(name: str, group: str) -> str:
    """A map series's name without its group, which stands beside it.

    >>> name_in_group("seed 1 · fold 2", "fold 2")
    'seed 1'
    """
    return name.replace(f" · {group}", "") if group else name


def pair_name(pair: Mapping[str, Any]) -> str:
    """Both map series of a pair, and their group below.

    >>> pair_name({"first": "seed 1", "second": "seed 2", "group": "fold 3"})
    'seed 1 – seed 2\\nfold 3'
    """
    group = pair["group"]
    first = name_in_group(pair["first"], group)
    second = name_in_group(pair["second"], group)
    lines = (wrapped_text(f"{first} – {second}", 44), wrapped_text(group, 44))
    return "\n".join(filter(None, lines))


def with_footer(figure: Figure, note: str, synthetic: bool) -> Figure:
    """Add how to read the figure and the notice below it."""
    width = int(figure.get_figwidth() * 17)
    figure.supxlabel(f"{wrapped_text(note, width)}\n{notice_line(synthetic)}", fontsize=7.5)
    return figure
