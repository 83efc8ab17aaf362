"""A run of segmentations, image by image: masks, predictions and maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from camlucida.analysis.cases.annotations import background_label
from camlucida.attribution.input_probe import INPUT
from camlucida.core.errors import CamlucidaError
from camlucida.core.failures import Failure
from camlucida.core.messages import Message, quoted
from camlucida.datasets.true_masks import TrueMasks
from camlucida.io.annotations import from_rle
from camlucida.io.keyed_files import actual_path, image_source
from camlucida.metrics.segmentation import Mask
from camlucida.runs import Run
from camlucida.runs.keyed import kept_failure
from camlucida.runs.read import is_missing
from camlucida.workflows.segmentation.inputs import Layer


@dataclass(frozen=True)
class SegmentationCase:
    """One image of the run.

    Attributes:
        image, patient, path: of the image.
        truths: label → (H, W) of its true mask, "" for one that names no label; empty where there
            is none that can be read.
        predicted: label → (H, W).
        maps: rows of the run's explanations.
        note: why maps are missing; None if none is.
        background: the label that :func:`~camlucida.analysis.cases.annotations.background_label`
            names.
    """

    image: str
    patient: str
    path: Path
    truths: Mapping[str, Mask]
    predicted: Mapping[str, Mask]
    maps: tuple[int, ...]
    note: Message | None
    background: str | None = None

    def truth(self, label: str) -> Mask | None:
        """The true mask (H, W) of a label, or the one that names no label; None without any.

        Args:
            label: of the model.
        """
        return self.truths.get(label, self.truths.get(""))

    @property
    def truth_is_empty(self) -> bool:
        """Whether there are true masks, and all are empty."""
        return bool(self.truths) and not any(map(np.any, self.truths.values()))

    @property
    def predicts_nothing(self) -> bool:
        """Whether every label but the background is empty."""
        regions = [mask for label, mask in self.predicted.items() if label != self.background]
        return not any(map(np.any, regions))


@dataclass
class SegmentationRun:
    """A run of segmentations.

    Attributes:
        run: open.
        layers: that were explained.
        failures: masks that cannot be read; known once :attr:`cases` is read.
    """

    run: Run
    layers: Sequence[Layer]
    failures: list[Failure] = field(default_factory=list)

    @cached_property
    def explanations(self) -> pd.DataFrame:
        """A row a map, with ``label`` and ``target_name``.

        The latter is predicted, true, component N, or pixel ROW,COLUMN.
        """
        frame = self.run.explanations()
        frame["label"] = frame["target_label"]
        parts = zip(frame["target_source"], frame["target_component"], frame["target_pixel"])
        frame["target_name"] = [_region_name(*part) for part in parts]
        return frame

    @cached_property
    def labels(self) -> list[str]:
        """Labels that the model predicts."""
        return list(dict.fromkeys(self.run.predictions()["label"]))

    @cached_property
    def true_masks(self) -> TrueMasks:
        """True masks of the images."""
        masks = self.run.about["masks"]
        path = None if masks is None else actual_path(masks)
        return TrueMasks(path, tuple(self.labels), self.run.image_names())

    def target_name(self, label: str, region: str) -> str:
        """A target for people: with its label, where the model has more than one."""
        return target_name(label, region, len(self.labels) > 1)

    def layer(self, path: str) -> Layer:
        """A layer by its resolved path; of a map of the pixels, the input."""
        if path == INPUT:
            return Layer(INPUT, INPUT, ())
        return next(layer for layer in self.layers if layer.path == path)

    @cached_property
    def cases(self) -> list[SegmentationCase]:
        """In the order of the cohort; images that could not be read are no cases."""
        maps: dict[str, list[int]] = {}
        for number, image in enumerate(self.explanations["image"]):
            maps.setdefault(image, []).append(number)
        notes = {entry.image: _note(entry.failure or entry.note) for entry in self.run.entries}
        by_image = self.run.predictions().groupby("image", sort=False)
        return [
            self._case(str(image), predictions, maps.get(str(image), []), notes[str(image)])
            for image, predictions in by_image
        ]

    def region(self, case: SegmentationCase, index: int) -> Mask:
        """The region that a map explains, in original pixels.

        The true mask itself where that is explained, else the region as the run stores it.

        Args:
            case: of the map.
            index: row of the map.
        """
        row = self.explanations.iloc[index]
        truth = case.truth(str(row["label"]))
        if row["target_source"] == "true" and truth is not None:
            return truth
        return from_rle({"size": list(row["original"]), "counts": list(row["region"])})

    def _case(
        self, image: str, predictions: pd.DataFrame, maps: Sequence[int], note: Message | None
    ) -> SegmentationCase:
        first = predictions.iloc[0]
        size = (int(first["original"][0]), int(first["original"][1]))
        predicted = {}
        for label, counts in zip(predictions["label"], predictions["region"]):
            predicted[label] = from_rle({"size": size, "counts": counts})
        patient, path = str(first["patient"]), Path(first["path"])
        truths = self._truths(image, path, first["mask"], size)
        return SegmentationCase(
            image,
            patient,
            path,
            truths,
            predicted,
            tuple(maps),
            note,
            background_label(predictions),
        )

    def _truths(
        self, image: str, path: Path, mask: object, size: tuple[int, int]
    ) -> dict[str, Mask]:
        file = actual_path(mask) if isinstance(mask, str) else None
        name, image_file = image_source(image, str(path))
        try:
            return self.true_masks.of_image(name, image_file, file, size)
        except CamlucidaError as error:
            self.failures.append(kept_failure(self.run.about, Failure.of(image, error)))
            return {}


def target_name(label: object, region: object, with_label: bool) -> str:
    """A target for people.

    >>> target_name("lesion", "predicted", False), target_name("lesion", "predicted", True)
    ('predicted', 'lesion predicted')
    """
    return f"{label} {region}" if with_label else str(region)


def _note(note: Failure | Message | None) -> Message | None:
    return quoted(str(note)) if isinstance(note, Failure) else note


def _region_name(source: str, component: float | None, pixel: Sequence[int] | None) -> str:
    """``predicted``, ``true``, ``component 2`` or ``pixel 10,20``."""
    if source == "component" and not is_missing(component):
        return f"component {int(component or 0)}"
    if source == "pixel" and pixel is not None:
        return f"pixel {','.join(map(str, pixel))}"
    return source
