"""The maps of one training run among the tables of all runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from camlucida.runs import Run
from camlucida.runs.stored_scan import stored_geometry


@dataclass(frozen=True)
class TrainingMaps:
    """The maps of one run.

    Attributes:
        run: open.
        index: of the run in the tables.
        all_cases, all_heat: tables of all runs, same index.
    """

    run: Run
    index: int
    all_cases: pd.DataFrame
    all_heat: pd.DataFrame

    @cached_property
    def cases(self) -> pd.DataFrame:
        """Cases of this run at every layer."""
        return self.all_cases[self.all_cases["run"] == self.index]

    @cached_property
    def layers(self) -> list[str]:
        """In the order of the request."""
        return list(dict.fromkeys(self.cases["layer"]))

    @cached_property
    def main(self) -> pd.DataFrame:
        """Cases at the first layer."""
        return self.cases[self.cases["layer"] == self.layers[0]]

    @property
    def main_heat(self) -> pd.DataFrame:
        """Heat of the maps at the first layer."""
        return self.all_heat.loc[self.main.index]

    @cached_property
    def confidence(self) -> Mapping[str, float]:
        """Image → probability of the predicted class."""
        largest = self.run.predictions().groupby("image")["probability"].max()
        return {str(image): float(value) for image, value in largest.items()}

    def cell(self) -> float:
        """Longer side of a cell of the first layer's maps, in image pixels; median over images."""
        rows = self.run.explanations().loc[self.main["explanation"]].to_dict("records")
        sides = [max(stored_geometry(row).cell(row["grid"])) for row in rows]
        return float(np.median(sides))
