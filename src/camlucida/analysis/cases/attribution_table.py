"""What the heat of each map does: how it is spread, and how much of it lies on the border, on text, outside the body, on masks.

A share is the part of the positive heat (after the method's ReLU) that lies in a region; its chance level is what a uniform map
would score there: the region's area, of what the model saw of the image. No model is run.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from camlucida.analysis.cases.annotations import Annotations
from camlucida.analysis.cases.image_regions import ImageRegions, reduced, shrink, to_reduced
from camlucida.core.geometry import Geometry
from camlucida.metrics import METRICS, localisation
from camlucida.metrics.annotations import Floats, Mask
from camlucida.metrics.ceiling import area_average
from camlucida.runs import Run
from camlucida.runs.read import stored_geometry

COLUMNS = [
    *(
        "spread",
        "gini",
        "entropy",
        "peripheral",
        "peripheral_chance",
        "border_share",
        "border_area",
        "text_share",
        "text_area",
    ),
    *(
        "outside_share",
        "outside_area",
        "artefact_share",
        "artefact_area",
        "mask_share",
        "mask_area",
        "mask_ceiling",
        "mask_hit",
    ),
    *("mask_ap", "box_share", "box_area", "negative_share", "centre_y", "centre_x"),
]
"""Columns of :func:`attribution_table`."""

NATIVE = {"spread": "area_above_half", "gini": "gini", "entropy": "entropy"}
"""Column → metric, of the positive heat on the map's own grid."""

NAN = float("nan")


def attribution_table(
    runs: Sequence[Run], cases: pd.DataFrame, progress: Callable[..., object] | None = None
) -> pd.DataFrame:
    """One row a case, of the same index; columns :data:`COLUMNS`, NaN where a number cannot be measured.

    On the map's own grid, of its positive part: ``spread`` (share of cells at half the maximum or above), ``gini``, ``entropy``
    (nats); and ``negative_share``, Σ|negative| ÷ Σ|all| of the signed map, before any ReLU.

    In original pixels, as the map is carried back: ``…_share`` of the heat beside ``…_area``, its chance level: ``border``
    (frame of 5 % a side), ``text`` (burned in; NaN where none is found), ``outside`` (of the body; NaN where it fills the
    image), ``artefact`` (their union), ``mask``, ``box`` (of the case's label, or that name none); ``peripheral`` (outside the
    central rectangle of half the image's area) beside ``peripheral_chance``, ½ where the model saw the whole image;
    ``mask_ceiling``, the share that the best map of this grid would have; ``mask_hit``, the share of the hottest pixels inside
    the mask, and ``mask_ap``, average precision, for both of which ``mask_area`` is chance; ``centre_y``, ``centre_x``, the
    centre of the heat in shares of the image's sides. A map without positive heat has areas, and no shares.

    Images of more than :data:`~camlucida.analysis.cases.image_regions.LONGEST` pixels a side are reduced to that by area averaging; there a mask
    is the share of each pixel that it covers, and for ``mask_hit``, ``mask_ap`` and ``mask_ceiling`` the pixels of which it
    covers half. Places that are found in the picture need the image as it was explained: without it they are NaN.

    Args:
        runs: those of ``cases``.
        cases: rows of :func:`~camlucida.cases.case_table`, any choice of them.
        progress: called with how many maps were measured since the last call, and once with their ``total``.

    Returns:
        The table; its ``attrs["problems"]`` has a line for each mask or table of boxes that cannot be read.
    """
    report = progress or (lambda done=0, total=None: None)
    report(0, total=len(cases))
    problems: list[str] = []
    stored, marks = [run.explanations() for run in runs], _marks(runs, cases, problems)
    rows: dict[Any, dict[str, float]] = {}
    for path, of_image in cases.groupby("path", sort=False):
        film = ImageRegions(str(path))
        for place in dict.fromkeys(map(int, of_image["run"])):
            part = of_image[of_image["run"] == place]
            for index, raw, number in zip(
                part.index, runs[place].raw(part["explanation"].tolist()), part["explanation"]
            ):
                case, row = _plain(part.loc[index]), _plain(stored[place].loc[number])
                rows[index] = _measured(raw, row, case, film, marks[place, case["model"]])
                report(1)
    table = (
        pd.DataFrame.from_dict(rows, orient="index", columns=COLUMNS)
        .reindex(cases.index)
        .astype(float)
    )
    table.attrs = {"problems": problems}
    return table


def _marks(
    runs: Sequence[Run], cases: pd.DataFrame, problems: list[str]
) -> dict[tuple[int, str], Annotations]:
    """(run, model) → its marks; models that share them have the same, so that a mask is read once."""
    kept: dict[Hashable, Annotations] = {}
    found = {}
    for place in dict.fromkeys(map(int, cases["run"])):
        run = runs[place]
        said = run.query("SELECT model, label, task FROM predictions ORDER BY position, row")
        for model, rows in said.groupby("model", sort=False):
            labels, task = tuple(dict.fromkeys(rows["label"])), str(rows["task"].iloc[0])
            key = run.about["masks"], run.about["boxes"], labels, task
            if key not in kept:
                kept[key] = Annotations(run, labels, task, problems)
            found[place, str(model)] = kept[key]
    return found


def _measured(
    raw: Tensor,
    row: Mapping[str, Any],
    case: Mapping[str, Any],
    film: ImageRegions,
    marks: Annotations,
) -> dict[str, float]:
    cells = (raw.relu() if row["relu"] else raw).double().numpy()
    positive, magnitude = np.maximum(cells, 0), raw.double().abs()
    found = {
        name: METRICS[metric].run(positive) if positive.any() else NAN
        for name, metric in NATIVE.items()
    }
    total = float(magnitude.sum())
    found["negative_share"] = float(magnitude[raw < 0].sum()) / total if total else NAN
    if raw.ndim == 2:
        geometry = to_reduced(stored_geometry(row))
        found |= _Carried(cells, geometry, film).shares(
            row["image_sha256"], tuple(map(int, row["original"])), case, marks
        )
    return found


class _Carried:
    """A map on the pixels of its image, (h, w), and what the model saw of them.

    Args:
        cells: (rows, columns) of the map's own grid, after the method's ReLU.
        geometry: of :func:`~camlucida.analysis.cases.image_regions.to_reduced`.
        film: the image.
    """

    def __init__(self, cells: Floats, geometry: Geometry, film: ImageRegions) -> None:
        self._grid, self._geometry, self._film = cells.shape, geometry, film
        down, across = film.carriers(geometry, cells.shape)
        self._heat = down @ cells @ across.T
        self._positive = np.maximum(self._heat, 0)
        self._total = float(self._positive.sum())

    def shares(
        self, sha256: str, original: Sequence[int], case: Mapping[str, Any], marks: Annotations
    ) -> dict[str, float]:
        """Every column that is not measured on the map's own grid."""
        height, width = original
        film, key, label = (
            self._film,
            (id(marks), case["mask"], case["box"], case["label"]),
            case["label"],
        )
        mask = film.once(("mask", key), lambda: _small(marks.mask(case, label, (height, width))))
        box = film.once(("box", key), lambda: _small(marks.boxed(case, label, (height, width))))
        places = film.places(sha256, (height, width))
        found = {}
        for name in ("border", "text", "outside", "artefact", "periphery"):
            found[f"{name}_share"], found[f"{name}_area"] = self.share(
                places.get(name), (name, sha256)
            )
        found["peripheral"], found["peripheral_chance"] = (
            found.pop("periphery_share"),
            found.pop("periphery_area"),
        )
        for name, marked in (("mask", mask), ("box", box)):
            found[f"{name}_share"], found[f"{name}_area"] = self.share(marked, (name, key))
        if mask is not None and mask.any():
            found |= self._against(mask, key)
        if self._total:
            for axis, name in enumerate(("centre_y", "centre_x")):
                length = self._heat.shape[axis]
                found[name] = float(
                    self._positive.sum(1 - axis) @ (np.arange(length) + 0.5) / length / self._total
                )
        return found

    def share(self, region: Floats | None, key: Hashable) -> tuple[float, float]:
        """Share of the heat in a region, and the region's share of what the model saw, kept under ``key``."""
        if region is None:
            return NAN, NAN
        area = self._film.once(("area", self._geometry, key), lambda: self._area(region))
        known = self._total and not np.isnan(area)
        return float(np.vdot(self._positive, region)) / self._total if known else NAN, area

    def _area(self, region: Floats) -> float:
        seen = self._film.seen(self._geometry)
        return float(np.vdot(seen, region) / seen.sum()) if region.any() and seen.any() else NAN

    def _against(self, mask: Floats, key: Hashable) -> dict[str, float]:
        half = mask >= 0.5

        def ceiling() -> float:
            best = _Carried(
                area_average(half, self._grid, self._geometry), self._geometry, self._film
            )
            return best.share(mask, ("mask", key))[0]

        found = {
            "mask_ceiling": self._film.once(("ceiling", self._grid, self._geometry, key), ceiling)
        }
        if self._total:
            found["mask_hit"] = localisation.hit(self._heat, half)
            found["mask_ap"] = localisation.average_precision(self._heat, half)
        return found


def _plain(row: pd.Series) -> dict[str, Any]:
    return {str(name): value for name, value in row.items()}


def _small(mask: Mask | None) -> Floats | None:
    return None if mask is None else shrink(mask, reduced((mask.shape[0], mask.shape[1])))
