"""Every map measured against the segmentation of its label: rows of scores and pixel counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camlucida.core.errors import CamlucidaError
from camlucida.core.failures import Failure
from camlucida.core.messages import Message, declare
from camlucida.datasets.patients import NO_PATIENTS
from camlucida.evaluation.chexlocalize.sources import (
    GridMap,
    SavedMap,
    labels_of,
    no_patients,
    patient_id,
)
from camlucida.evaluation.chexlocalize.thresholds import threshold_notes
from camlucida.evaluation.chexlocalize.truth import Segmentations
from camlucida.io.tables import listing
from camlucida.metrics.annotations import Mask
from camlucida.metrics.chance import shifted_overlap
from camlucida.metrics.chexlocalize import chexlocalize_hit, mask_iou, pixel_counts, segment

declare(
    "chexlocalize",
    {
        "not_annotated": (
            "{count} {count:|map is|maps are} of an image or label without ground truth, and "
            "{count:|is|are} left out: {names}"
        ),
        "without_map": (
            "{count} {count:|image|images} of the ground truth {count:|has|have} no map, and "
            "{count:|is|are} left out: {names}"
        ),
        "constant": (
            "{count} {count:|map is|maps are} constant: nothing is segmented, and the hit is that "
            "of the first pixel."
        ),
    },
)

NAN = float("nan")
OTSU, TUNED = "otsu", "tuned"
KEYS = ("model", "method", "layer", "label", "image", "patient")
ROW_COLUMNS = (*KEYS, "metric", "segmentation", "value", "chance", "ceiling")
COUNTS = ("tp", "fp", "tn", "fn")
PIXEL_COLUMNS = (
    *(*KEYS, "segmentation", "positive"),
    *COUNTS,
    *(f"ceiling_{name}" for name in COUNTS),
)


@dataclass
class Measured:
    """What was measured.

    Attributes:
        rows: one row a map, metric and segmentation, :data:`ROW_COLUMNS`: ``iou`` (of maps that
            segment anything), ``iou_all`` (0 where a map segments nothing) and ``hit``, each of a
            positive image alone.
        pixels: counts of each map and segmentation, :data:`PIXEL_COLUMNS`, of positive and negative
            images; ``ceiling_…`` those of the best map of the grid.
        failures: maps that could not be measured.
        notes: what was left out.
    """

    rows: pd.DataFrame
    pixels: pd.DataFrame
    failures: list[Failure] = field(default_factory=list)
    notes: list[Message] = field(default_factory=list)


def measure_maps(
    maps: Sequence[SavedMap],
    truth: Segmentations,
    thresholds: Mapping[str, float],
    progress: Callable[[int], object] = lambda done: None,
) -> Measured:
    """Measure maps with Otsu's threshold, and with the tuned one where a label has it.

    Args:
        maps: of any models, methods and labels; each is read once, one at a time.
        truth: their segmentations.
        thresholds: label → threshold in [0, 1].
        progress: called with the number of maps done since the last call.
    """
    rows: list[tuple[Any, ...]] = []
    pixels: list[tuple[Any, ...]] = []
    measured = Measured(pd.DataFrame(), pd.DataFrame())
    without_truth: list[str] = []
    constant = 0
    for saved in maps:
        try:
            grid_map = saved.read()
            inside = truth.mask(saved.image, saved.path, saved.label, grid_map.size)
            if inside is None:
                without_truth.append(f"{saved.label} in {saved.image}")
            else:
                comparison = _compared(saved, grid_map, inside, thresholds.get(saved.label))
                constant += comparison.is_constant
                rows += comparison.rows()
                pixels += comparison.pixels()
        except CamlucidaError as error:
            measured.failures.append(Failure.of(saved.image, error))
        progress(1)
    measured.rows = pd.DataFrame(rows, columns=list(ROW_COLUMNS))
    measured.pixels = pd.DataFrame(pixels, columns=list(PIXEL_COLUMNS))
    measured.notes = [*truth.notes, *threshold_notes(labels_of(maps), thresholds)]
    measured.notes += _left_out("not_annotated", without_truth)
    measured.notes += _left_out("without_map", _images_without_map(maps, truth))
    if constant:
        measured.notes.append(Message("chexlocalize.constant", {"count": constant}))
    if no_patients(maps):
        measured.notes.append(NO_PATIENTS)
    return measured


@dataclass(frozen=True)
class _Comparison:
    """One map, compared with the segmentation of its label.

    Attributes:
        keys: of :data:`KEYS`.
        truth: (H, W).
        heat: (H, W) of the map.
        best: (H, W) of the best map of its grid; None where the finding is absent or was not seen.
        masks: segmentation → mask of the map, and of the best map (empty without one).
    """

    keys: tuple[str, ...]
    truth: Mask
    heat: NDArray[np.floating]
    best: NDArray[np.floating] | None
    masks: Mapping[str, tuple[Mask, Mask]]

    @property
    def is_constant(self) -> bool:
        return bool(self.heat.min() == self.heat.max())

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Scores of a positive image."""
        if not self.truth.any():
            return
        area = float(self.truth.mean())
        hit = chexlocalize_hit(self.heat, self.truth)
        best_hit = NAN if self.best is None else chexlocalize_hit(self.best, self.truth)
        yield (*self.keys, "hit", "", hit, area, best_hit)
        for name, (mask, best_mask) in self.masks.items():
            chance, _ = shifted_overlap(mask, self.truth)
            ceiling = NAN if self.best is None else mask_iou(best_mask, self.truth, False)
            overlap, whole = (mask_iou(mask, self.truth, only) for only in (True, False))
            yield (*self.keys, "iou", name, overlap, chance if mask.any() else NAN, ceiling)
            yield (*self.keys, "iou_all", name, whole, chance, ceiling)

    def pixels(self) -> Iterator[tuple[Any, ...]]:
        """Counts of pixels, of a positive or negative image."""
        positive = bool(self.truth.any())
        for name, (mask, best_mask) in self.masks.items():
            counts = pixel_counts(mask, self.truth)
            ceilings = pixel_counts(best_mask, self.truth)
            yield (*self.keys, name, positive, *counts, *ceilings)


def _compared(
    saved: SavedMap, grid_map: GridMap, truth: Mask, threshold: float | None
) -> _Comparison:
    heat = grid_map.on_image()
    best = grid_map.best(truth) if truth.any() else None
    # The model may never have seen the place of the finding.
    best = best if best is not None and best.any() else None
    levels: dict[str, float | None] = {OTSU: None}
    if threshold is not None:
        levels[TUNED] = threshold
    masks = {}
    for name, level in levels.items():
        best_mask = np.zeros_like(truth) if best is None else segment(best, level)
        masks[name] = segment(heat, level), best_mask
    keys = (*saved.series, saved.label, saved.image, patient_id(saved))
    return _Comparison(keys, truth, heat, best, masks)


def _left_out(code: str, names: Sequence[str]) -> list[Message]:
    if not names:
        return []
    return [Message(f"chexlocalize.{code}", {"count": len(names), "names": listing(names)})]


def _images_without_map(maps: Sequence[SavedMap], truth: Segmentations) -> list[str]:
    names = [(saved.image, saved.path) for saved in maps]
    used = truth.truth.names_of(dict.fromkeys(names))
    return [name for name in truth.truth.drawn if name not in used]
