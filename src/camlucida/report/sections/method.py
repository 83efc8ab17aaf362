"""How the maps were made: methods by their papers, layers, grids, what was explained, how colours relate to numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from camlucida.report.document import Block, Paragraph, Section, Sentence, Table, Value
from camlucida.report.study import Study


def method(study: Study) -> Section:
    """Methods, layers, grids, targets."""
    cases = study.cases
    blocks: list[Block] = [Paragraph(tuple(_methods(cases)))]
    head = tuple(Sentence(f"method.head_{name}") for name in ("model", "layer", "grid", "cell", "mm", "maps"))
    blocks.append(Table("layers", Sentence("method.layers"), head, tuple(_layers(study))))
    blocks.append(Paragraph(tuple(_explained(cases))))
    return Section("method", tuple(blocks))


def _methods(cases: pd.DataFrame) -> Iterator[Sentence]:
    counts = cases["method"].value_counts(sort=False)
    for name, count in counts.items():
        yield Sentence(f"methods.{name}", {"maps": int(count)})


def _layers(study: Study) -> Iterator[tuple[Value, ...]]:
    for _, rows in study.cases.groupby(["model", "layer", "grid"], sort=False):
        model, layer, grid = (rows[key].iloc[0] for key in ("model", "layer", "grid"))
        cells = study.cells.loc[rows.index]
        heights, widths = cells["height"].median(), cells["width"].median()
        yield (
            str(model),
            str(layer),
            " × ".join(map(str, grid)),
            f"{heights:.0f} × {widths:.0f}" if np.isfinite(heights) else "",
            float(cells["mm"].median()),
            len(rows),
        )


def _explained(cases: pd.DataFrame) -> Iterator[Sentence]:
    for kind, rows in cases.groupby("score_kind", sort=False):
        yield Sentence("method.explained", {"kind": str(kind), "maps": len(rows)})
    signed = int(((cases["low"] < 0) & (cases["high"] > 0)).sum())
    yield Sentence("method.signed", {"signed": signed, "maps": len(cases)})
    yield Sentence("method.scale")
