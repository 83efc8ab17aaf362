"""What changed between two studies of a patient: the score, and the map, signed, on one scale.

A change is computed where both images can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from camlucida.analysis.change.alignment import Alignment
from camlucida.attribution.engine import explain
from camlucida.attribution.explanation import Explanation
from camlucida.attribution.requests import TargetLike
from camlucida.core.errors import ModelMismatchError, UsageError
from camlucida.io.image import RawImage, to_display
from camlucida.models import LoadedModel
from camlucida.models.preprocessing import prepare

Floats = NDArray[np.float64]

SHIFTED = 0.1
"""Change of a probability from which a label is shown where none is requested."""


@dataclass(frozen=True)
class Change:
    """One label in two studies of a patient.

    Attributes:
        before, after: of the same model, label, method and layer.
        alignment: from the image before to the image after.
        before_map, after_map: (H, W) in pixels of the image before, unit of the maps; NaN where an
            image, or what the model saw of it, ends.
        difference: after − before; NaN where either is.
        moved: the image before, moved as the image after lies, and explained again; None where
            nothing was moved.
        moved_difference: its map, carried back, minus ``before_map``: the change of the map by
            movement and resampling alone.
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
        before, after: of two images, by one model, of one target, by one method at one layer.
        alignment: of the images.
        moved: of the image before, moved as the image after lies (:func:`moved_image`).

    Raises:
        UsageError: the maps are not of the same model, target, method, layer or unit, or the
            alignment is of other images.
    """
    facts = zip(_facts(before).items(), _facts(after).values())
    for (name, first), second in facts:
        if first != second:
            what = f"maps of different {name}s: {first} and {second}"
            raise UsageError(what, "compare maps of one model and target")
    size = before.scan.geometry.original
    if alignment.size != size:
        what = f"an alignment of an image of {alignment.size} for a map of {size}"
        raise UsageError(what, "align the images that were explained")
    before_map = _seen_map(before)
    after_map = alignment.carry(_seen_map(after))
    change = Change(before, after, alignment, before_map, after_map, after_map - before_map)
    if moved is None:
        return change
    moved_difference = alignment.carry(_seen_map(moved)) - before_map
    return replace(change, moved=moved, moved_difference=moved_difference)


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
        labels: requested; every label if none is.
        method: registry name.

    Returns:
        The changes, of every label that was explained; and the names of those to show: the labels
        requested, else the most probable of each study and every one whose probability changed by
        :data:`SHIFTED` or more.

    Raises:
        ModelMismatchError: the model is for segmentation.
        UsageError: no such label, or a request that means another label in each study.
    """
    task = model.card.task
    if task == "segmentation":
        what = "a change is that of one score, and the model segments"
        raise ModelMismatchError(what, "explain both images, and compare the regions")
    images = {"before": before, "after": after}
    if alignment.moved:
        images["moved"] = moved_image(before, after, alignment)
    request: list[TargetLike] | None = list(labels) or None
    if request is None and task != "regression":
        request = ["all"]
    maps = {name: _explained(model, image, name, request, method) for name, image in images.items()}
    if maps["before"].keys() != maps["after"].keys():
        names = ", ".join(maps["before"].keys() ^ maps["after"].keys())
        what = f"{names}: not explained in both studies"
        raise UsageError(what, "name labels: a request such as top3 means others in each study")
    moved = maps.get("moved", {})
    result = [
        difference(first, maps["after"][name], alignment, moved.get(name))
        for name, first in maps["before"].items()
    ]
    if labels or task == "regression":
        return result, [change.before.target for change in result]
    return result, _worth_showing(result)


def moved_image(before: RawImage, after: RawImage, alignment: Alignment) -> RawImage:
    """The image before, resampled as the image after lies; beyond its edge, the edge's grey."""
    size = (after.pixels.shape[0], after.pixels.shape[1])

    def move(values: NDArray[np.float32]) -> NDArray[np.float32]:
        if values.ndim == 2:
            return alignment.back(values, size).astype(np.float32)
        planes = [move(values[..., i]) for i in range(values.shape[2])]
        return np.stack(planes, axis=-1)

    pixels = move(before.pixels)
    windowed = None if before.windowed is None else move(before.windowed)
    display = to_display(pixels if windowed is None else windowed)
    name = f"{before.id}_moved"
    return replace(before, pixels=pixels, display=display, windowed=windowed, id=name)


def _explained(
    model: LoadedModel,
    image: RawImage,
    name: str,
    request: list[TargetLike] | None,
    method: str,
) -> dict[str, Explanation]:
    """Target → its explanation."""
    scan = replace(prepare(image, model.card.input), id=name)
    return {item.target: item for item in explain(model, scan, request, method)}


def _worth_showing(result: Sequence[Change]) -> list[str]:
    """Labels whose probability changed, largest first, then the most probable of each study."""
    shifted = [change for change in result if abs(change.probability or 0.0) >= SHIFTED]
    ordered = sorted(shifted, key=lambda change: -abs(change.probability or 0.0))
    before = max(result, key=lambda change: change.before.probability or 0.0)
    after = max(result, key=lambda change: change.after.probability or 0.0)
    return list(dict.fromkeys(change.before.target for change in (*ordered, before, after)))


def _facts(explanation: Explanation) -> dict[str, str]:
    """What must be the same in both maps."""
    model = explanation.provenance.get("model", {})
    return {
        "model": str(model.get("sha256") or model.get("name")),
        "target": explanation.target,
        "method": explanation.method,
        "layer": explanation.layer,
        "unit": str(explanation.provenance.get("unit")),
    }


def _seen_map(explanation: Explanation) -> Floats:
    """The map in original pixels, NaN where the model saw nothing."""
    geometry = explanation.scan.geometry
    values = np.full(geometry.original, np.nan)
    window = tuple(slice(first, last) for first, last in geometry.seen())
    values[window] = explanation.numpy()[window]
    return values
