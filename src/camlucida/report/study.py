"""What a report is about."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from camlucida.runs import Run


@dataclass(frozen=True)
class Study:
    """Runs that are reported together. An image that is in several of them, by its id and file, is one image.

    Attributes:
        runs: at least one.
        folder: the report's; pictures are written below it.
    """

    runs: tuple[Run, ...]
    folder: Path

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What each run is called: its folder's name, or its path where two folders have the same."""
        places = [run.folder.root.absolute() for run in self.runs]
        short = [place.name for place in places]
        return tuple(short if len(set(short)) == len(short) else map(str, places))

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """One row a run, image, model and label: :meth:`Run.predictions`, and ``run``, the run's place in ``runs``."""
        return pd.concat([run.predictions().assign(run=at) for at, run in enumerate(self.runs)], ignore_index=True)

    @cached_property
    def images(self) -> pd.DataFrame:
        """One row an image of the cohorts, computed or not: image, path, patient, split, mask, box, group_*."""
        tables = [run.query("SELECT * EXCLUDE (model, positives, unknown, value) FROM cohort") for run in self.runs]
        return pd.concat(tables, ignore_index=True).drop_duplicates(["image", "path"], ignore_index=True)

    @cached_property
    def truth(self) -> pd.DataFrame:
        """One row an image and label that a model was asked for: image, path, patient, task, label, truth, synthetic."""
        columns = ["image", "path", "patient", "task", "label", "truth", "synthetic"]
        return self.predictions[columns].drop_duplicates(["image", "path", "task", "label"], ignore_index=True)
