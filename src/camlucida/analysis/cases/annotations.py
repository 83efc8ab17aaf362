"""What readers marked in the images of a run: masks and boxes, from its folder, its table of boxes, or its cohort's columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from camlucida.core.errors import CamlucidaError, ImageError
from camlucida.datasets.ground_truth import GroundTruth, read_ground_truth
from camlucida.io.annotations import from_boxes
from camlucida.io.annotations.masks import read_mask
from camlucida.metrics.annotations import Floats, Mask
from camlucida.runs import Run

T = TypeVar("T")
Size = tuple[int, int]


class Annotations:
    """Masks and boxes of one run and model. What cannot be read is a line in ``problems``, once, and no mask.

    Args:
        run: whose folder of masks and table of boxes these are.
        labels: of the model.
        task: of the model.
        problems: lines are added here.
    """

    def __init__(self, run: Run, labels: Sequence[str], task: str, problems: list[str]) -> None:
        self._labels = tuple(labels)
        self._task = task
        self._problems = problems
        self._masks = self._truth(run.about["masks"], "masks")
        self._boxes = self._truth(run.about["boxes"], "boxes")

    def mask(self, case: Mapping[str, Any], label: str, size: Size) -> Mask | None:
        """(H, W) of a label in an image: the folder's mask of this label, else the file in the cohort's mask column or beside
        the image, else the folder's mask that names no label. None where there is none.

        A mask that names no label holds for each; for a segmentation of several labels (beside the background, channel 0 of
        several) for none, for it cannot be the truth of them all.

        Args:
            case: with ``image``, ``path`` and ``mask``.
            label: of the model.
            size: (H, W) of the image.
        """
        image, path = str(case["image"]), str(case["path"])
        own = self._tried(partial(self._masks.mask, image, path, label, size))
        if own is not None or not self._shared(label):
            return own
        file = case["mask"]
        if isinstance(file, str) and Path(file).is_file():
            return self._tried(partial(read_mask, Path(file), f"mask {file}", size))
        return self._tried(partial(self._masks.mask, image, path, "", size))

    def has_mask(self, case: Mapping[str, Any]) -> bool:
        """Whether there is a mask of any label in an image, or one that names no label; none is read."""
        file = case["mask"]
        own = isinstance(file, str) and Path(file).is_file()
        return own or bool(self._masks.has(str(case["image"]), str(case["path"])))

    def has_box(self, case: Mapping[str, Any]) -> bool:
        """Whether there is a box of any label in an image, or one that names no label."""
        own = isinstance(case["box"], (list, tuple, np.ndarray))
        return own or bool(self._boxes.has(str(case["image"]), str(case["path"])))

    def boxed(self, case: Mapping[str, Any], label: str, size: Size) -> Mask | None:
        """(H, W), filled: :meth:`boxes`."""
        found = self.boxes(case, label, size)
        return (
            None
            if found is None
            else self._tried(partial(_filled, str(case["image"]), found, size))
        )

    def boxes(self, case: Mapping[str, Any], label: str, size: Size) -> Floats | None:
        """(N, 4) x, y, width, height: those of this label in the table, else those that name none, else the cohort's box."""
        image, path = str(case["image"]), str(case["path"])
        for name in (label, ""):
            found = self._tried(partial(self._boxes.given_boxes, image, path, name, size))
            if found is not None:
                return found
        return None if case["box"] is None else np.asarray([case["box"]], np.float64)

    def _shared(self, label: str) -> bool:
        return self._task != "segmentation" or [label] == list(
            self._labels[len(self._labels) > 1 :]
        )

    def _truth(self, place: str | None, kind: str) -> GroundTruth:
        nothing = GroundTruth(self._labels, {}, {})
        if place is None:
            return nothing
        masks, boxes = (Path(place) if kind == own else None for own in ("masks", "boxes"))
        return (
            self._tried(partial(read_ground_truth, masks=masks, boxes=boxes, labels=self._labels))
            or nothing
        )

    def _tried(self, read: Callable[[], T | None]) -> T | None:
        try:
            return read()
        except CamlucidaError as error:
            if str(error) not in self._problems:
                self._problems.append(str(error))
            return None


def _filled(image: str, boxes: ArrayLike, size: Size) -> Mask:
    try:
        return from_boxes(boxes, size)
    except CamlucidaError as error:
        raise ImageError(f"{image}: {error.what}", error.fix) from error
