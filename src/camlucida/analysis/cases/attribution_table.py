"""Where the heat of each map lies: spread, border, burned-in text, outside the body, annotations.

A share is the part of the positive heat (after the method's ReLU) that lies in a region. Its chance
level is the share of a uniform map: the region's area, as a share of what the model saw of the
image. No model is run.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from camlucida.analysis.cases.annotations import Annotations, background_label
from camlucida.analysis.cases.given_regions import GivenRegions
from camlucida.analysis.cases.image_regions import ImageRegions, reduced, shrink, to_reduced
from camlucida.core.geometry import Geometry
from camlucida.metrics import METRICS, localisation
from camlucida.metrics.annotations import Floats, Mask
from camlucida.metrics.ceiling import area_average
from camlucida.metrics.lung_fields import ZONES
from camlucida.runs import Run
from camlucida.runs.stored_scan import stored_geometry

COLUMNS = [
    "spread",
    "gini",
    "entropy",
    "peripheral",
    "peripheral_chance",
    "border_share",
    "border_area",
    "text_share",
    "text_area",
    "outside_share",
    "outside_area",
    "artefact_share",
    "artefact_area",
    "mask_share",
    "mask_area",
    "mask_ceiling",
    "mask_hit",
    "mask_ap",
    "box_share",
    "box_area",
    "negative_share",
    "centre_y",
    "centre_x",
    *chain.from_iterable((f"{zone}_share", f"{zone}_area") for zone in ZONES),
    "zones_given",
]
"""Columns of :func:`attribution_table`."""

NATIVE = {"spread": "area_above_half", "gini": "gini", "entropy": "entropy"}
"""Column → metric, of the positive heat on the map's grid."""

NAN = float("nan")
Row = Mapping[str, Any]


def attribution_table(
    runs: Sequence[Run],
    cases: pd.DataFrame,
    progress: Callable[..., object] | None = None,
    zones: bool = False,
) -> pd.DataFrame:
    """One row a case, of the same index; columns :data:`COLUMNS`, NaN where nothing was measured.

    On the map's grid, of its positive part: ``spread`` (share of cells at half the maximum or
    above), ``gini``, ``entropy`` (nats); and ``negative_share``, Σ|negative| ÷ Σ|all| of the signed
    map, before any ReLU.

    In original pixels, as the map is carried back: ``…_share`` of the heat beside ``…_area``, its
    chance level: ``border`` (frame of 5 % a side), ``text`` (burned in; NaN where there is none),
    ``outside`` (of the body; NaN where it fills the image), ``artefact`` (their union), ``mask``,
    ``box`` (of the case's label, or of no label); ``peripheral`` (outside the central rectangle of
    half the image's area) beside ``peripheral_chance``, ½ where the model saw the whole image;
    ``mask_ceiling``, the share of the best map of this grid; ``mask_hit``, the share of the hottest
    pixels inside the mask, and ``mask_ap``, average precision, for both of which ``mask_area`` is
    chance; ``centre_y``, ``centre_x``, the centre of the heat in shares of the image's sides. A map
    without positive heat has areas, and no shares.

    Images with a side of more than :data:`~camlucida.analysis.cases.image_regions.LONGEST` pixels
    are reduced to that by area averaging. There a mask is the share of each pixel that it covers,
    and for ``mask_hit``, ``mask_ap`` and ``mask_ceiling`` the pixels of which it covers half. The
    zones of the lungs (:data:`~camlucida.metrics.lung_fields.ZONES`) are those of the masks that
    were given to the run or its evaluation, else detected (``zones_given`` is 1 or 0); NaN where
    they are not requested, and where no lung fields are detected.
    Regions that are detected in the picture need the image as it was explained: without it they are
    NaN.

    Args:
        runs: those of ``cases``.
        cases: rows of :func:`~camlucida.analysis.cases.case_table.case_table`.
        progress: called with the number of maps that were measured since the last call, and once
            with their ``total``.
        zones: whether the zones of the lungs are measured; to detect them takes about 0.2 s an
            image.

    Returns:
        The table; its ``attrs["problems"]`` has a line for each mask or table of boxes that cannot
        be read.
    """
    report = progress or (lambda done=0, total=None: None)
    report(0, total=len(cases))
    problems: list[str] = []
    stored = [run.explanations() for run in runs]
    annotations = case_annotations(runs, cases, problems)
    given = GivenRegions(runs if zones else (), problems)
    rows: dict[Any, dict[str, float]] = {}
    for path, of_image in cases.groupby("path", sort=False):
        first = _plain(of_image.iloc[0])
        masks = partial(given.masks, int(first["run"]), str(first["image"]), str(path))
        # One image at a time, for all of its maps.
        regions = ImageRegions(str(path), masks if zones else None)
        for number, part in of_image.groupby("run", sort=False):
            run = int(str(number))
            maps = runs[run].raw(part["explanation"].tolist())
            for index, raw, explanation in zip(part.index, maps, part["explanation"]):
                case = _plain(part.loc[index])
                row = _plain(stored[run].loc[explanation])
                of_model = annotations[run, case["model"]]
                rows[index] = _measured(raw, row, case, regions, of_model)
                report(1)
    table = pd.DataFrame.from_dict(rows, orient="index", columns=COLUMNS)
    table = table.reindex(cases.index).astype(float)
    table.attrs = {"problems": problems}
    return table


def case_annotations(
    runs: Sequence[Run], cases: pd.DataFrame, problems: list[str]
) -> dict[tuple[int, str], Annotations]:
    """(run, model) → its annotations, shared by models of the same, so that a mask is read once.

    Args:
        runs: of the cases.
        cases: of :func:`~camlucida.analysis.cases.case_table.case_table`.
        problems: lines on what cannot be read are added here.
    """
    shared: dict[Hashable, Annotations] = {}
    of_models = {}
    for number in dict.fromkeys(map(int, cases["run"])):
        run = runs[number]
        predictions = run.query(
            "SELECT model, label, task, background FROM predictions ORDER BY position, row"
        )
        for model, rows in predictions.groupby("model", sort=False):
            labels = tuple(dict.fromkeys(rows["label"]))
            task = str(rows["task"].iloc[0])
            background = background_label(rows)
            key = run.about["masks"], run.about["boxes"], labels, task, background
            if key not in shared:
                shared[key] = Annotations(run, labels, task, problems, background)
            of_models[number, str(model)] = shared[key]
    return of_models


def _measured(
    raw: Tensor, row: Row, case: Row, regions: ImageRegions, annotations: Annotations
) -> dict[str, float]:
    """Every column of one map."""
    explained = raw.relu() if row["relu"] else raw
    cells = explained.double().numpy()
    positive = np.maximum(cells, 0)
    has_heat = bool(positive.any())
    columns = {}
    for name, metric in NATIVE.items():
        columns[name] = METRICS[metric].run(positive) if has_heat else NAN
    magnitude = raw.double().abs()
    total = float(magnitude.sum())
    negative = float(magnitude[raw < 0].sum())
    columns["negative_share"] = negative / total if total else NAN
    if raw.ndim == 2:
        carried = _CarriedMap(cells, to_reduced(stored_geometry(row)), regions)
        size = tuple(map(int, row["original"]))
        columns |= carried.shares(row["image_sha256"], size, case, annotations)
    return columns


class _CarriedMap:
    """A map on the pixels of its image, (h, w), and what the model saw of them.

    Args:
        cells: (rows, columns) of the map's grid, after the method's ReLU.
        geometry: of :func:`~camlucida.analysis.cases.image_regions.to_reduced`.
        regions: of the image.
    """

    def __init__(self, cells: Floats, geometry: Geometry, regions: ImageRegions) -> None:
        self._grid, self._geometry, self._regions = cells.shape, geometry, regions
        down, across = regions.carriers(geometry, cells.shape)
        self._heat = down @ cells @ across.T
        self._positive = np.maximum(self._heat, 0)
        self._total = float(self._positive.sum())

    def shares(
        self, sha256: str, original: Sequence[int], case: Row, annotations: Annotations
    ) -> dict[str, float]:
        """Every column that is not measured on the map's grid."""
        height, width = original
        regions = self._regions.shares(sha256, (height, width))
        columns: dict[str, float] = {}
        for name in ("border", "text", "outside", "artefact", *ZONES):
            share = self.share(regions.get(name), (name, sha256))
            columns[f"{name}_share"], columns[f"{name}_area"] = share
        if ZONES[0] in regions:
            columns["zones_given"] = float(self._regions.zones_given)
        periphery = self.share(regions.get("periphery"), ("periphery", sha256))
        columns["peripheral"], columns["peripheral_chance"] = periphery
        return columns | self._annotated((height, width), case, annotations) | self._centre()

    def share(self, region: Floats | None, key: Hashable) -> tuple[float, float]:
        """Share of the heat in a region, and the region's share of what the model saw.

        The latter is kept under ``key``.
        """
        if region is None:
            return NAN, NAN
        area_key = ("area", self._geometry, key)
        area = self._regions.once(area_key, lambda: self._area(region))
        if not self._total or np.isnan(area):
            return NAN, area
        inside = float(np.vdot(self._positive, region))
        return inside / self._total, area

    def _annotated(
        self, size: tuple[int, int], case: Row, annotations: Annotations
    ) -> dict[str, float]:
        """Columns of the masks and boxes of readers."""
        label = case["label"]
        key = (id(annotations), case["mask"], case["box"], label)
        once = self._regions.once
        mask = once(("mask", key), lambda: _small(annotations.mask(case, label, size)))
        box = once(("box", key), lambda: _small(annotations.boxed(case, label, size)))
        columns: dict[str, float] = {}
        columns["mask_share"], columns["mask_area"] = self.share(mask, ("mask", key))
        columns["box_share"], columns["box_area"] = self.share(box, ("box", key))
        if mask is not None and mask.any():
            columns |= self._against(mask, key)
        return columns

    def _centre(self) -> dict[str, float]:
        """Centre of the heat, in shares of the image's sides."""
        columns: dict[str, float] = {}
        if not self._total:
            return columns
        for axis, name in enumerate(("centre_y", "centre_x")):
            length = self._heat.shape[axis]
            pixel_centres = np.arange(length) + 0.5
            moment = self._positive.sum(1 - axis) @ pixel_centres
            columns[name] = float(moment / length / self._total)
        return columns

    def _area(self, region: Floats) -> float:
        seen = self._regions.seen(self._geometry)
        if not (region.any() and seen.any()):
            return NAN
        return float(np.vdot(seen, region) / seen.sum())

    def _against(self, mask: Floats, key: Hashable) -> dict[str, float]:
        """Localisation of the heat in a mask, beside the best share that the grid allows."""
        half = mask >= 0.5

        def ceiling() -> float:
            averaged = area_average(half, self._grid, self._geometry)
            best = _CarriedMap(averaged, self._geometry, self._regions)
            return best.share(mask, ("mask", key))[0]

        ceiling_key = ("ceiling", self._grid, self._geometry, key)
        columns = {"mask_ceiling": self._regions.once(ceiling_key, ceiling)}
        if self._total:
            columns["mask_hit"] = localisation.hit(self._heat, half)
            columns["mask_ap"] = localisation.average_precision(self._heat, half)
        return columns


def _plain(row: pd.Series) -> dict[str, Any]:
    return {str(name): value for name, value in row.items()}


def _small(mask: Mask | None) -> Floats | None:
    if mask is None:
        return None
    height, width = mask.shape
    return shrink(mask, reduced((height, width)))
