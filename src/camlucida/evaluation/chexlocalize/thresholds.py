"""Thresholds of maps, tuned per label: written to a file, and read again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.core.failures import Failure
from camlucida.core.messages import Message, declare
from camlucida.evaluation.chexlocalize.sources import SavedMap, labels_of, patient_id
from camlucida.evaluation.chexlocalize.truth import Segmentations, same_finding
from camlucida.io.tables import find_column, listing, numbers, read_table, texts
from camlucida.metrics.annotations import Floats, Mask
from camlucida.metrics.chexlocalize import mask_iou, unit

declare(
    "chexlocalize",
    {
        "not_tuned": (
            "No threshold could be tuned for {labels}: no map there overlaps a segmentation."
        ),
        "no_threshold": "{labels}: no tuned threshold, so Otsu's is used alone.",
    },
)

THRESHOLDS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Candidates, as of the published tuning."""

COLUMNS = ("threshold", "task", "miou", "images", "patients")
"""Of the file; the first two are those of CheXlocalize's ``tuning_results.csv``."""


def tune(
    maps: Sequence[SavedMap],
    truth: Segmentations,
    progress: Callable[[int], object] = lambda done: None,
) -> tuple[pd.DataFrame, list[Failure]]:
    """The threshold of each label with the largest mean IoU over its positive images.

    As published: IoU where neither the map's mask nor the segmentation is empty, the first of equal
    thresholds.

    Args:
        maps: of images for tuning, of one model and method.
        truth: of these images.
        progress: called with the number of maps done since the last call.

    Returns:
        A row a label, :data:`COLUMNS`; the threshold is NaN where no map overlaps a segmentation.
        And the maps that failed.
    """
    overlaps: dict[str, list[Floats]] = {label: [] for label in labels_of(maps)}
    patients: dict[str, set[str]] = {label: set() for label in overlaps}
    failures = []
    for saved in maps:
        try:
            overlap = _overlaps(saved, truth)
        except CamlucidaError as error:
            failures.append(Failure.of(saved.image, error))
            overlap = None
        if overlap is not None:
            overlaps[saved.label].append(overlap)
            patients[saved.label].add(patient_id(saved))
        progress(1)
    rows = [_best(label, tried, len(patients[label])) for label, tried in overlaps.items()]
    return pd.DataFrame(rows, columns=list(COLUMNS)), failures


def _overlaps(saved: SavedMap, truth: Segmentations) -> Floats | None:
    """IoU at each of :data:`THRESHOLDS`; None where the finding is absent or not annotated."""
    grid_map = saved.read()
    inside = truth.mask(saved.image, saved.path, saved.label, grid_map.size)
    if inside is None or not inside.any():
        return None
    heat = unit(grid_map.on_image())
    return np.array([mask_iou(_above(heat, level), inside) for level in THRESHOLDS])


def _above(heat: Floats | np.ndarray, level: float) -> Mask:
    return np.asarray(heat > level)


def _best(label: str, tried: Sequence[Floats], patients: int) -> tuple[float, str, float, int, int]:
    scores = np.full(len(THRESHOLDS), np.nan)
    if tried:
        table = np.stack(tried)
        finite = np.isfinite(table)
        counted = finite.any(0)
        totals = np.where(finite, table, 0).sum(0)
        scores[counted] = totals[counted] / finite.sum(0)[counted]
    if not np.isfinite(scores).any():
        return float("nan"), label, float("nan"), len(tried), patients
    best = int(np.nanargmax(scores))
    return THRESHOLDS[best], label, float(scores[best]), len(tried), patients


def tuned_thresholds(table: pd.DataFrame) -> dict[str, float]:
    """Label → threshold, of the labels that have one.

    Args:
        table: of :func:`tune`.
    """
    pairs = zip(table["task"], table["threshold"])
    return {str(label): float(level) for label, level in pairs if np.isfinite(level)}


def read_thresholds(path: Path, labels: Sequence[str]) -> dict[str, float]:
    """Thresholds of a file that :func:`tune` or CheXlocalize wrote.

    Args:
        path: a table with columns ``threshold`` and ``task``.
        labels: of the maps.

    Returns:
        Label → threshold in [0, 1], of those of ``labels`` that the file has.

    Raises:
        UsageError: no such columns; a threshold outside [0, 1]; two of one label; none of any of
            these labels.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "tuning_results.csv")
    ...     _ = path.write_text("threshold,task\\n0.4,Airspace Opacity\\n0.2,Edema\\n")
    ...     read_thresholds(path, ["Edema", "Lung Opacity"])
    {'Edema': 0.2, 'Lung Opacity': 0.4}
    """
    frame = read_table(path)
    level = find_column(frame, None, ("threshold",), "threshold column", path)
    task = find_column(frame, None, ("task", "label", "pathology"), "label column", path)
    if level is None or task is None:
        raise UsageError(
            f"{path} has no columns threshold and task: {listing(frame.columns, 12)}",
            "write a row a label, as CheXlocalize's tuning_results.csv",
        )
    values = numbers(frame[level], path)
    if np.any((values < 0) | (values > 1)):
        raise UsageError(f"{path}: a threshold outside 0 to 1", "thresholds are of scaled maps")
    pairs = list(zip(texts(frame[task]), values.tolist()))
    thresholds = {}
    for label in labels:
        of_label = [number for name, number in pairs if same_finding(name, label)]
        if len(of_label) > 1:
            raise UsageError(f"{path}: {len(of_label)} thresholds of {label}", "keep one")
        if of_label and np.isfinite(of_label[0]):
            thresholds[label] = of_label[0]
    if not thresholds:
        raise UsageError(
            f"{path} has no threshold of {listing(labels)}: it has {listing(texts(frame[task]))}",
            "give the file of these labels",
        )
    return thresholds


def check_other_patients(tuning: Iterable[SavedMap], evaluated: Iterable[SavedMap]) -> None:
    """Check that thresholds are tuned on other patients than those that are evaluated.

    Args:
        tuning, evaluated: maps of both.

    Raises:
        UsageError: they share a patient or an image.
    """
    shared = _who(tuning) & _who(evaluated)
    if shared:
        raise UsageError(
            f"{len(shared)} of the patients are in the tuning maps and in the evaluated ones: "
            f"{listing(sorted(shared))}",
            "tune on the validation set, and evaluate on the test set",
        )


def _who(maps: Iterable[SavedMap]) -> set[str]:
    return {saved.patient or saved.image for saved in maps}


def threshold_notes(labels: Sequence[str], thresholds: Mapping[str, float]) -> list[Message]:
    """Which labels have no tuned threshold, where others have one."""
    without = [label for label in labels if label not in thresholds]
    if not thresholds or not without:
        return []
    return [Message("chexlocalize.no_threshold", {"labels": ", ".join(without)})]
