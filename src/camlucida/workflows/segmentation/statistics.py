"""The numbers of each map of a run of segmentations: its size, its heat inside and outside of regions, and what chance makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import ImageError
from camlucida.io.annotations import from_rle
from camlucida.io.annotations.masks import read_mask
from camlucida.metrics.contrast import Contrast, contrast
from camlucida.metrics.score_table import table
from camlucida.metrics.segmentation import Mask, MaskPair, compare_masks, evaluate_segmentation
from camlucida.metrics.statistics import mean_interval
from camlucida.runs import Run
from camlucida.runs.read import is_missing
from camlucida.workflows.segmentation.inputs import Layer

BEYOND = 0.05
"""A map counts as beyond chance where at most this share of the region's places reaches its ratio."""

AVERAGED = (
    "mean",
    "std",
    "max",
    "relative_mean",
    "relative_std",
    "ratio",
    "share",
    "truth_ratio",
    "truth_share",
)
"""Columns of which the summary has means."""

CHANCES = {
    "ratio": "shifted_median",
    "share": "area",
    "truth_ratio": "truth_shifted_median",
    "truth_share": "truth_area",
}
"""Averaged column → column of its chance level."""

SUMMARY = (
    *(
        "layer",
        "method",
        "label",
        "target",
        "metric",
        "estimate",
        "low",
        "high",
        "interval_method",
        "median",
    ),
    *("images", "patients", "chance", "left_out"),
)


@dataclass(frozen=True)
class SegmentationCase:
    """One image of the run.

    Attributes:
        truth: (H, W) of its mask file; None where there is none that can be read.
        predicted: label → (H, W).
        maps: rows of the run's explanations.
        note: why maps are missing; "" if none is.
    """

    image: str
    patient: str
    path: Path
    truth: Mask | None
    predicted: Mapping[str, Mask]
    maps: tuple[int, ...]
    note: str


@dataclass
class SegmentationRun:
    """A run of segmentations as it is told: its images, and what was wrong with them."""

    run: Run
    layers: Sequence[Layer]
    problems: list[tuple[str, str]] = field(default_factory=list)

    @cached_property
    def explanations(self) -> pd.DataFrame:
        """A row a map; with ``label`` and ``asked``, what it is of in one word: predicted, true, component N, pixel R,C."""
        frame = self.run.explanations()
        frame["label"] = frame["target_label"]
        parts = zip(frame["target_source"], frame["target_component"], frame["target_pixel"])
        frame["asked"] = [_part(*part) for part in parts]
        return frame

    def named(self, label: str, asked: str) -> str:
        """A target for people: with its label, where the model has several."""
        return named(label, asked, len(self.labels) > 1)

    @cached_property
    def labels(self) -> list[str]:
        return list(dict.fromkeys(self.run.predictions()["label"]))

    def layer(self, path: str) -> Layer:
        """By its resolved path."""
        return next(layer for layer in self.layers if layer.path == path)

    @cached_property
    def cases(self) -> list[SegmentationCase]:
        """In the order of the cohort; images that could not be read are no cases."""
        maps: dict[str, list[int]] = {}
        for number, image in enumerate(self.explanations["image"]):
            maps.setdefault(image, []).append(number)
        answers = self.run.predictions().groupby("image", sort=False)
        notes = {entry.image: str(entry.failure or entry.note or "") for entry in self.run.entries}
        return [
            self._case(str(image), part, maps.get(str(image), []), notes[str(image)])
            for image, part in answers
        ]

    def _case(
        self, image: str, answer: pd.DataFrame, maps: Sequence[int], note: str
    ) -> SegmentationCase:
        first = answer.iloc[0]
        size = (int(first["original"][0]), int(first["original"][1]))
        predicted = {
            row["label"]: from_rle({"size": size, "counts": row["region"]})
            for _, row in answer.iterrows()
        }
        truth, place = None, first["mask"]
        if isinstance(place, str) and Path(place).is_file():
            try:
                truth = read_mask(Path(place), f"mask {place}", size)
            except ImageError as error:
                self.problems.append((image, str(error)))
        return SegmentationCase(
            image, str(first["patient"]), Path(first["path"]), truth, predicted, tuple(maps), note
        )

    def region(self, case: SegmentationCase, index: int) -> Mask:
        """What the map of a row is a map of, in original pixels: the true mask itself, else the region as the run keeps it."""
        row = self.explanations.iloc[index]
        if row["asked"] == "true" and case.truth is not None:
            return case.truth
        return from_rle({"size": list(row["original"]), "counts": list(row["region"])})


def named(label: object, asked: object, several: bool) -> str:
    """ "predicted", and of a model of several labels "class 2 predicted"."""
    return f"{label} {asked}" if several else str(asked)


def overlap(study: SegmentationRun) -> pd.DataFrame:
    """One row an image with a true mask and a label: columns of :func:`~camlucida.metrics.segmentation.compare_masks`.

    Of a model of several labels, those that were explained in the image.
    """
    return compare_masks(_pairs(study))


def _pairs(study: SegmentationRun) -> Iterator[MaskPair]:
    for case in study.cases:
        explained = list(dict.fromkeys(study.explanations["label"].iloc[list(case.maps)]))
        for label in explained or (study.labels if len(study.labels) == 1 else []):
            if case.truth is not None and label in case.predicted:
                yield MaskPair(case.image, case.patient, label, case.truth, case.predicted[label])


def map_row(
    study: SegmentationRun,
    case: SegmentationCase,
    index: int,
    explanation: Explanation,
    overlaps: pd.DataFrame,
) -> dict[str, Any]:
    """The row of ``statistics.csv`` of one map; NaN where a number does not exist."""
    row = study.explanations.iloc[index]
    layer = study.layer(row["layer"])
    values = explanation.numpy()[
        tuple(slice(*span) for span in explanation.scan.geometry.seen())
    ].astype(np.float64)
    top = float(values.max())
    own = contrast(explanation, study.region(case, index))
    true = contrast(explanation, case.truth) if case.truth is not None else None
    found = overlaps[(overlaps["image"] == case.image) & (overlaps["label"] == row["label"])]
    agreement = (
        found.iloc[0].drop(["image", "patient", "label", "model"])
        if len(found)
        else pd.Series(dtype=float)
    )
    return {
        **{
            "image": case.image,
            "patient": case.patient,
            "label": row["label"],
            "target": row["asked"],
        },
        **{
            "method": row["method"],
            "layer": layer.name,
            "path": layer.path,
            "grid": "x".join(map(str, explanation.grid)),
        },
        **{"score": explanation.score, "probability": explanation.probability},
        **{
            "mean": float(values.mean()),
            "std": float(values.std()),
            "max": top,
            "unit": row["unit"],
        },
        "relative_mean": float(values.mean()) / top if top > 0 else np.nan,
        "relative_std": float(values.std()) / top if top > 0 else np.nan,
        **_flat(own),
        "circular": _circular(layer, row["asked"]),
        **(
            {f"truth_{key}": value for key, value in _flat(true).items()}
            if true is not None
            else {}
        ),
        **agreement.to_dict(),
        "empty": explanation.empty_reason,
    }


def _flat(found: Contrast) -> dict[str, float]:
    """One level: shifted_median, shifted_low, …"""
    nested = asdict(found)
    return {
        f"{key}_{part}" if part else key: number
        for key, value in nested.items()
        for part, number in (value.items() if isinstance(value, dict) else [("", value)])
    }


def _circular(layer: Layer, asked: str) -> str:
    """Whether the ratio is decided beforehand: "yes" behind the encoder, "partly" for the model's own region before it."""
    if layer.behind:
        return "yes"
    return "" if asked == "true" else "partly"


def _part(source: str, component: float | None, pixel: Sequence[int] | None) -> str:
    """ "predicted", "true", "component 2" or "pixel 10,20"."""
    if source == "component" and not is_missing(component):
        return f"component {int(component or 0)}"
    if source == "pixel" and pixel is not None:
        return f"pixel {','.join(map(str, pixel))}"
    return source


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over the images of each layer, method, label and target; columns :data:`SUMMARY`.

    With intervals by patient from ten on. ``beyond_chance`` is the share of maps whose ratio at most :data:`BEYOND` of all places
    of the region reach; were the place of no matter, about as many would be. ``left_out``: maps without the number, or with an
    infinite one (no heat outside).
    """
    found = []
    for keys, part in rows.groupby(list(SUMMARY[:4]), sort=False):
        about = dict(zip(SUMMARY[:4], keys, strict=True))
        columns = {
            name: (part[name], part[CHANCES[name]] if name in CHANCES else None)
            for name in AVERAGED
            if name in part
        }
        beyond = (part["reached"] <= BEYOND).astype(float).where(part["reached"].notna())
        columns["beyond_chance"] = (beyond, pd.Series(BEYOND, index=part.index))
        for name, (values, chance) in columns.items():
            mean = mean_interval(values, list(part["patient"]))
            known = np.isfinite(values)
            level = (
                float(chance[known].replace(np.inf, np.nan).mean())
                if chance is not None and known.any()
                else np.nan
            )
            bounds = (
                mean.estimate,
                mean.low,
                mean.high,
                mean.interval_method,
                float(values[known].median()) if known.any() else np.nan,
            )
            counts = (mean.rows, mean.patients, level, len(part) - mean.rows)
            found.append(about | dict(zip(SUMMARY[4:], (name, *bounds, *counts), strict=True)))
    return pd.DataFrame(found, columns=list(SUMMARY))


def agreement(overlaps: pd.DataFrame) -> pd.DataFrame:
    """Dice, IoU and components found, with intervals by patient and chance levels: a table of figures."""
    return table(evaluate_segmentation(overlaps)) if len(overlaps) else table([])
