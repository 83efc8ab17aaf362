"""What changed between two studies: the score, and the map, signed, on one scale, where both studies can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from camlucida.analysis.change.registration import Alignment
from camlucida.attribution.engine import explain
from camlucida.attribution.explanation import Explanation
from camlucida.attribution.requests import TargetLike
from camlucida.core.errors import ModelMismatchError, UsageError
from camlucida.io.image import RawImage, to_display
from camlucida.models import LoadedModel
from camlucida.models.preprocessing import prepare

Floats = NDArray[np.float64]

SHIFTED = 0.1
"""Change of a probability from which a label is shown where none is asked for."""


@dataclass(frozen=True)
class Change:
    """One label in two studies of a patient.

    Attributes:
        before, after: of the same model, label, method and layer.
        alignment: from the film before to the film after.
        before_map, after_map: (H, W) in pixels of the film before, unit of the maps; NaN where a film, or what the model saw of
            it, ends.
        difference: after − before; NaN where either is.
        moved: the film before, moved as the film after lies, and explained again; None where nothing was moved.
        moved_difference: its map, carried back, minus ``before_map``: what movement and resampling alone make of the map.
    """

    before: Explanation
    after: Explanation
    alignment: Alignment
    before_map: Floats
    after_map: Floats
    difference: Floats
    moved: Explanation | None = None
    moved_difference: Floats | None = None

    @property
    def limit(self) -> float:
        """The largest magnitude in either map: one full colour for both."""
        return float(np.nanmax(np.abs([self.before_map, self.after_map]), initial=0.0))

    @property
    def score(self) -> float:
        """After − before."""
        return self.after.score - self.before.score

    @property
    def probability(self) -> float | None:
        """After − before; None for a regression."""
        if self.before.probability is None or self.after.probability is None:
            return None
        return self.after.probability - self.before.probability


def difference(
    before: Explanation, after: Explanation, alignment: Alignment, moved: Explanation | None = None
) -> Change:
    """The change between two explanations.

    Args:
        before, after: of two films, by one model, of one target, by one method at one layer.
        alignment: of the films.
        moved: of the film before, moved as the film after lies (:func:`moved_film`).

    Raises:
        UsageError: the maps are not of the same model, target, method, layer or unit, or the alignment is of other films.
    """
    for what, values in (
        ("model", [_model(e) for e in (before, after)]),
        ("target", [before.target, after.target]),
        ("method", [before.method, after.method]),
        ("layer", [before.layer, after.layer]),
        ("unit", [before.provenance.get("unit"), after.provenance.get("unit")]),
    ):
        if values[0] != values[1]:
            raise UsageError(
                f"maps of different {what}s: {values[0]} and {values[1]}",
                "compare what one model says of one target",
            )
    if alignment.size != before.scan.geometry.original:
        raise UsageError(
            f"an alignment of a film of {alignment.size} for a map of {before.scan.geometry.original}"
        )
    first, second = _seen_map(before), alignment.carry(_seen_map(after))
    if moved is None:
        return Change(before, after, alignment, first, second, second - first)
    return Change(
        before,
        after,
        alignment,
        first,
        second,
        second - first,
        moved,
        alignment.carry(_seen_map(moved)) - first,
    )


def changes(
    model: LoadedModel,
    before: RawImage,
    after: RawImage,
    alignment: Alignment,
    labels: Sequence[str] = (),
    method: str = "gradcam",
) -> tuple[list[Change], list[str]]:
    """Every label in two studies, explained by one model.

    Args:
        model: of classification or regression.
        before, after: as read.
        alignment: of their pixels.
        labels: asked for; every label if none is.
        method: registry name.

    Returns:
        The changes, of every label that was explained; and the names of those to show: the labels asked for, else the most
        probable of each study and every one whose probability changed by :data:`SHIFTED` or more.

    Raises:
        ModelMismatchError: the model is for segmentation.
        UsageError: no such label, or words that mean another label in each study.
    """
    if model.card.task == "segmentation":
        raise ModelMismatchError(
            "a change is that of one score, and the model segments",
            "explain both films, and compare the regions",
        )
    films = [before, after, *([moved_film(before, after, alignment)] if alignment.moved else [])]
    scans = [
        replace(prepare(film, model.card.input), id=name)
        for film, name in zip(films, ("before", "after", "moved"))
    ]
    regression = model.card.task == "regression"
    asked: list[TargetLike] | None = list(labels) if labels else None if regression else ["all"]
    found = [explain(model, scan, asked, method) for scan in scans]
    maps = [{item.target: item for item in of_film} for of_film in found]
    if maps[0].keys() != maps[1].keys():
        names = ", ".join(maps[0].keys() ^ maps[1].keys())
        raise UsageError(
            f"{names}: not asked of both studies",
            "name labels: words such as top3 mean others in each study",
        )
    moved = maps[2] if alignment.moved else {}
    result = [
        difference(first, maps[1][name], alignment, moved.get(name))
        for name, first in maps[0].items()
    ]
    return result, [
        change.before.target for change in result
    ] if labels or regression else _telling(result)


def moved_film(before: RawImage, after: RawImage, alignment: Alignment) -> RawImage:
    """The film before, moved into the place of the film after; beyond its edge, the edge's grey."""
    size = (after.pixels.shape[0], after.pixels.shape[1])

    def move(values: NDArray[np.float32]) -> NDArray[np.float32]:
        planes = [values] if values.ndim == 2 else [values[..., i] for i in range(values.shape[2])]
        carried = [alignment.back(plane, size).astype(np.float32) for plane in planes]
        return carried[0] if values.ndim == 2 else np.stack(carried, axis=-1)

    pixels = move(before.pixels)
    windowed = None if before.windowed is None else move(before.windowed)
    display = to_display(pixels if windowed is None else windowed)
    return replace(
        before, pixels=pixels, display=display, windowed=windowed, id=f"{before.id}_moved"
    )


def _telling(found: Sequence[Change]) -> list[str]:
    best = [
        max(found, key=lambda change: getattr(change, study).probability or 0.0)
        for study in ("before", "after")
    ]
    shifted = [change for change in found if abs(change.probability or 0.0) >= SHIFTED]
    order = sorted(shifted, key=lambda change: -abs(change.probability or 0.0))
    return list(dict.fromkeys(change.before.target for change in (*order, *best)))


def _model(found: Explanation) -> str:
    about = found.provenance.get("model", {})
    return str(about.get("sha256") or about.get("name"))


def _seen_map(found: Explanation) -> Floats:
    """The map in original pixels, NaN where the model saw nothing."""
    values = np.full(found.scan.geometry.original, np.nan)
    window = tuple(slice(first, last) for first, last in found.scan.geometry.seen())
    values[window] = found.numpy()[window]
    return values
