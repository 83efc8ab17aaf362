"""Masks and boxes that readers drew in the images of a run.

They come from its folder of masks, its table of boxes, or the columns of its cohort.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from camlucida.core.errors import CamlucidaError, ImageError
from camlucida.core.messages import Message
from camlucida.datasets.annotation_names import with_names_of_images
from camlucida.datasets.ground_truth import GroundTruth, read_ground_truth
from camlucida.datasets.true_masks import TrueMasks
from camlucida.io.annotations import from_boxes
from camlucida.io.annotations.annotation import VoxelGrid
from camlucida.io.keyed_files import actual_path, image_source
from camlucida.metrics.annotations import Floats, Mask
from camlucida.runs import Run
from camlucida.runs.keyed import is_keyed, problem_line

T = TypeVar("T")
Size = tuple[int, int]


def background_label(predictions: pd.DataFrame) -> str | None:
    """The label that stands for the background of a segmentation; None without one.

    Args:
        predictions: of :meth:`~camlucida.runs.Run.predictions`, of one model, with ``label`` and
            ``background``.

    >>> rows = {"label": ["none", "lesion"], "background": [True, False]}
    >>> background_label(pd.DataFrame(rows))
    'none'
    >>> background_label(pd.DataFrame({"label": ["heart", "lung"], "background": False}))
    """
    # Other tasks have no value there.
    marked = predictions["background"].eq(True)
    return next(iter(predictions["label"][marked].astype(str)), None)


class Annotations:
    """Masks and boxes of one run and model.

    What cannot be read is a line in ``problems``, once, and no mask.

    Args:
        run: whose folder of masks and table of boxes these are.
        labels: of the model.
        task: of the model.
        problems: lines are added here.
        background: of the labels; see :func:`background_label`.
    """

    def __init__(
        self,
        run: Run,
        labels: Sequence[str],
        task: str,
        problems: list[str],
        background: str | None = None,
    ) -> None:
        self._labels = tuple(labels)
        self._foreground = tuple(label for label in labels if label != background)
        self._task = task
        self._problems = problems
        self._about = run.about
        self._images = run.image_names()
        self._masks = self._true_masks(run.about["masks"])
        self._boxes = self._true_boxes(run.about["boxes"])

    def mask(self, case: Mapping[str, Any], label: str, size: Size | VoxelGrid) -> Mask | None:
        """(H, W) of a label in an image; None where there is none.

        The mask of this label among the cohort's masks, or the file in its mask column or beside
        the image, or among them the mask that names no label. A mask that names no label holds
        for each label; in a segmentation of two or more labels beside the background for none,
        since it cannot be the truth of them all.

        Args:
            case: with ``image``, ``path`` and ``mask``.
            label: of the model.
            size: (H, W) of the image, or the voxels of a volume.
        """
        read = partial(self._masks.of_label, *_source(case))
        of_label = self._tried(partial(read, label, size))
        if of_label is not None or not self._shared(label):
            return of_label
        return self._tried(partial(read, "", size))

    def has_mask(self, case: Mapping[str, Any]) -> bool:
        """Whether there is a mask in an image, of any label or none; no mask is read.

        Args:
            case: with ``image``, ``path`` and ``mask``.
        """
        image, path, file = _source(case)
        if file is not None and file.is_file():
            return True
        return bool(self._masks.truth.has(image, str(path)))

    def has_box(self, case: Mapping[str, Any]) -> bool:
        """Whether there is a box of any label in an image, or one that names no label.

        Args:
            case: with ``image``, ``path`` and ``box``.
        """
        # A missing box is NaN or None in a table.
        if isinstance(case["box"], (list, tuple, np.ndarray)):
            return True
        image, path, _ = _source(case)
        return bool(self._boxes.has(image, str(path)))

    def boxed(self, case: Mapping[str, Any], label: str, size: Size) -> Mask | None:
        """(H, W), the boxes of :meth:`boxes`, filled; None where there is none.

        Args:
            case: with ``image``, ``path`` and ``box``.
            label: of the model.
            size: (H, W) of the image.
        """
        boxes = self.boxes(case, label, size)
        if boxes is None:
            return None
        return self._tried(partial(_filled, str(case["image"]), boxes, size))

    def boxes(self, case: Mapping[str, Any], label: str, size: Size) -> Floats | None:
        """(N, 4) x, y, width, height; None where there is none.

        Those of this label in the table, or those that name no label, or the cohort's box.

        Args:
            case, label, size: as of :meth:`boxed`.
        """
        image, path, _ = _source(case)
        for name in (label, ""):
            boxes = self._tried(partial(self._boxes.given_boxes, image, str(path), name, size))
            if boxes is not None:
                return boxes
        return None if case["box"] is None else np.asarray([case["box"]], np.float64)

    def _shared(self, label: str) -> bool:
        """Whether a mask that names no label holds for this one."""
        return self._task != "segmentation" or (label,) == self._foreground

    def _true_masks(self, path: str | None) -> TrueMasks:
        folder = None if path is None else actual_path(path)
        masks = TrueMasks(folder, self._labels, self._images)
        if self._tried(lambda: masks.truth) is None:
            return TrueMasks(None, self._labels)
        unread = [note for note in masks.notes if note.code == "notes.masks_unread"]
        if is_keyed(self._about):
            unread = [Message("privacy.annotation") for _ in unread[:1]]
        self._problems += [str(note) for note in unread if str(note) not in self._problems]
        return masks

    def _true_boxes(self, path: str | None) -> GroundTruth:
        nothing = GroundTruth(self._labels, {}, {})
        if path is None:
            return nothing
        read = partial(read_ground_truth, boxes=actual_path(path), labels=self._labels)
        return with_names_of_images(self._tried(read) or nothing, self._images)

    def _tried(self, read: Callable[[], T | None]) -> T | None:
        try:
            return read()
        except CamlucidaError as error:
            line = problem_line(self._about, error)
            if line not in self._problems:
                self._problems.append(line)
            return None


def _source(case: Mapping[str, Any]) -> tuple[str, Path, Path | None]:
    """Id, file and mask file of an image, as its annotations know it.

    Args:
        case: with ``mask``, which the table of boxes alone may lack.
    """
    mask = case.get("mask")
    image, path = image_source(str(case["image"]), str(case["path"]))
    return image, path, actual_path(mask) if isinstance(mask, str) else None


def _filled(image: str, boxes: ArrayLike, size: Size) -> Mask:
    try:
        return from_boxes(boxes, size)
    except CamlucidaError as error:
        raise ImageError(f"{image}: {error.what}", error.fix) from error
