"""What the heat of each map does: how it is spread, and how much of it lies on the border, on text, outside the body, on masks.

A share is the part of the positive heat (after the method's ReLU) that lies in a region; its chance level is what a uniform map
would score there: the region's area, of what the model saw of the image. No model is run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from camlucida.cases.film import Film, on_film, reduced, shrink
from camlucida.cases.marks import Marks
from camlucida.geometry import Geometry
from camlucida.metrics import METRICS, localisation
from camlucida.metrics.annotations import Floats, Mask, from_boxes
from camlucida.metrics.ceiling import best_map
from camlucida.ops import resize
from camlucida.runs import Run
from camlucida.runs.read import stored_geometry

COLUMNS = [
    *("spread", "gini", "entropy", "peripheral", "peripheral_chance", "border_share", "border_area", "text_share", "text_area"),
    *("outside_share", "outside_area", "artefact_share", "artefact_area", "mask_share", "mask_area", "mask_ceiling", "mask_hit"),
    *("mask_ap", "box_share", "box_area", "negative_share", "centre_y", "centre_x"),
]
"""Columns of :func:`heat_table`."""

NATIVE = {"spread": "area_above_half", "gini": "gini", "entropy": "entropy"}
"""Column → metric, of the positive heat on the map's own grid."""

NAN = float("nan")


def heat_table(runs: Sequence[Run], cases: pd.DataFrame, progress: Callable[..., object] | None = None) -> pd.DataFrame:
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

    Images of more than :data:`~camlucida.cases.film.LONGEST` pixels a side are reduced to that by area averaging; there a mask
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
    stored = [run.explanations() for run in runs]
    marks = {key: Marks(runs[key[0]], labels, task, problems) for key, labels, task in _models(runs, cases)}
    rows: dict[Any, dict[str, float]] = {}
    for path, of_image in cases.groupby("path", sort=False):
        film = Film(str(path))
        for place in dict.fromkeys(map(int, of_image["run"])):
            part = of_image[of_image["run"] == place]
            for index, raw, number in zip(part.index, runs[place].raw(part["explanation"].tolist()), part["explanation"]):
                case, row = _plain(part.loc[index]), _plain(stored[place].loc[number])
                rows[index] = _measured(raw, row, case, film, marks[place, case["model"]])
                report(1)
    table = pd.DataFrame.from_dict(rows, orient="index", columns=COLUMNS).reindex(cases.index).astype(float)
    table.attrs = {"problems": problems}
    return table


def _models(runs: Sequence[Run], cases: pd.DataFrame) -> Iterator[tuple[tuple[int, str], list[str], str]]:
    """((run, model), its labels, its task)."""
    for place in dict.fromkeys(cases["run"]):
        said = runs[place].query("SELECT model, label, task FROM predictions ORDER BY position, row")
        for model, rows in said.groupby("model", sort=False):
            yield (int(place), str(model)), list(dict.fromkeys(rows["label"])), str(rows["task"].iloc[0])


def _measured(raw: Tensor, row: Mapping[str, Any], case: Mapping[str, Any], film: Film, marks: Marks) -> dict[str, float]:
    cells = raw.relu() if row["relu"] else raw
    positive, magnitude = cells.clamp(min=0).double().numpy(), raw.double().abs()
    found = {name: METRICS[metric].run(positive) if positive.any() else NAN for name, metric in NATIVE.items()}
    total = float(magnitude.sum())
    found["negative_share"] = float(magnitude[raw < 0].sum()) / total if total else NAN
    if raw.ndim == 2:
        geometry = on_film(stored_geometry(row))
        heat = geometry.map_to_original(resize(cells[None], geometry.model))[0].double().numpy()
        found |= _Carried(heat, geometry, film).shares(row, case, marks)
    return found


class _Carried:
    """A map on the pixels of its image, (h, w), and what the model saw of them."""

    def __init__(self, heat: Floats, geometry: Geometry, film: Film) -> None:
        self._heat, self._geometry, self._film = heat, geometry, film
        self._positive = np.maximum(heat, 0)
        self._total, self._seen = float(self._positive.sum()), film.seen(geometry)

    def shares(self, row: Mapping[str, Any], case: Mapping[str, Any], marks: Marks) -> dict[str, float]:
        """Every column that is not measured on the map's own grid."""
        film, original = self._film, (int(row["original"][0]), int(row["original"][1]))
        of_model = case["run"], case["model"], case["label"]
        mask = film.once(("mask", *of_model), lambda: _small(marks.mask(case, case["label"], original)))
        box = film.once(("box", *of_model), lambda: _small(_filled(marks, case, original)))
        regions = film.places(row["image_sha256"], original) | {"mask": mask, "box": box}
        found = {}
        for name in ("border", "text", "outside", "artefact", "mask", "box"):
            found[f"{name}_share"], found[f"{name}_area"] = self._share(regions.get(name))
        found["peripheral"], found["peripheral_chance"] = self._share(regions["periphery"])
        if mask is not None and mask.any():
            found |= self._against(mask, tuple(row["grid"]), of_model)
        if self._total:
            for axis, name in enumerate(("centre_y", "centre_x")):
                length = self._heat.shape[axis]
                found[name] = float(self._positive.sum(1 - axis) @ (np.arange(length) + 0.5) / length / self._total)
        return found

    def _share(self, region: Floats | None) -> tuple[float, float]:
        """Share of the heat in a region, and the region's share of what the model saw."""
        if region is None or not region.any():
            return NAN, NAN
        share = float(np.vdot(self._positive, region)) / self._total if self._total else NAN
        seen = float(self._seen.sum())
        return share, float(np.vdot(self._seen, region)) / seen if seen else NAN

    def _against(self, mask: Floats, grid: Sequence[int], of_model: tuple[Any, ...]) -> dict[str, float]:
        half = mask >= 0.5

        def ceiling() -> float:
            return _Carried(best_map(half, grid, self._geometry), self._geometry, self._film)._share(mask)[0]

        found = {"mask_ceiling": self._film.once(("ceiling", tuple(grid), self._geometry, *of_model), ceiling)}
        if self._total:
            found["mask_hit"] = localisation.hit(self._heat, half)
            found["mask_ap"] = localisation.average_precision(self._heat, half)
        return found


def _plain(row: pd.Series) -> dict[str, Any]:
    return {str(name): value for name, value in row.items()}


def _small(mask: Mask | None) -> Floats | None:
    return None if mask is None else shrink(mask, reduced((mask.shape[0], mask.shape[1])))


def _filled(marks: Marks, case: Mapping[str, Any], size: tuple[int, int]) -> Mask | None:
    boxes = marks.boxes(case, case["label"], size)
    return None if boxes is None else from_boxes(boxes, size)
