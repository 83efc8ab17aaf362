"""Masks of regions, such as the lungs, that were given to a run or to an evaluation of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from camlucida.core.errors import CamlucidaError
from camlucida.datasets.ground_truth import GroundTruth, read_regions
from camlucida.evaluation.maps.folder import ABOUT
from camlucida.evaluation.maps.of_run import run_regions
from camlucida.io.keyed_files import actual_path, image_source
from camlucida.metrics.annotations import Mask
from camlucida.runs import Run
from camlucida.runs.keyed import problem_line


def regions_folder(run: Run) -> Path | None:
    """The folder of masks of a run's cohort, else of an evaluation in its folder; None for none.

    Args:
        run: an opened run.
    """
    folder = run_regions(run)
    root = run.folder.root / "evaluation"
    for about in sorted([*root.glob(ABOUT), *root.glob(f"*/{ABOUT}")]):
        stored = json.loads(about.read_text("utf-8")).get("regions")
        if folder is None and stored:
            folder = actual_path(stored)
    return folder


class GivenRegions:
    """The masks of regions of several runs.

    What cannot be read is a line in ``problems``, once, and no mask.

    Args:
        runs: opened.
        problems: lines are added here.
    """

    def __init__(self, runs: Sequence[Run], problems: list[str]) -> None:
        self._problems = problems
        self._runs = runs
        self._truths = [self._read(run) for run in runs]

    def masks(self, run: int, image: str, path: str, size: tuple[int, int]) -> Mapping[str, Mask]:
        """Name of a region → mask (H, W) in an image.

        Args:
            run: position of the run.
            image: id of the image in the run.
            path: its file.
            size: (H, W) in original pixels.
        """
        truth = self._truths[run]
        if truth is None:
            return {}
        try:
            name, file = image_source(image, path)
            return truth.masks(name, str(file), size)
        except CamlucidaError as error:
            self._add(self._runs[run], error)
            return {}

    def _read(self, run: Run) -> GroundTruth | None:
        folder = regions_folder(run)
        if folder is None:
            return None
        try:
            return read_regions(folder)
        except CamlucidaError as error:
            self._add(run, error)
            return None

    def _add(self, run: Run, error: CamlucidaError) -> None:
        line = problem_line(run.about, error)
        if line not in self._problems:
            self._problems.append(line)
