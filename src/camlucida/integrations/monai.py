"""MONAI: a data list as a cohort, and maps within its transforms as MetaTensors.

Its networks and bundles need no bridge: ``monai:FOLDER`` is a bundle.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from camlucida.attribution.engine import explain
from camlucida.attribution.explanation import Explanation
from camlucida.core.errors import UsageError
from camlucida.integrations.cohort import new_folder, write_cohort

if TYPE_CHECKING:
    from monai.data.meta_tensor import MetaTensor

LABEL = "label"


def cohort_of_datalist(
    data: Sequence[Mapping[str, Any]],
    folder: str | Path,
    model: str,
    labels: Sequence[str] = (),
    image_key: str = "image",
) -> Path:
    """Write a data list, as MONAI's datasets take it, as a cohort. No file is copied.

    Args:
        data: one dict an item. ``image_key`` holds the path of the image. ``"label"`` may hold the
            path of its mask, the index of its class, or for each of ``labels`` a 0, a 1, or NaN
            where nothing is known. Texts and numbers under other keys become columns,
            ``"patient"`` and ``"split"`` with their meaning.
        folder: new or empty.
        model: card, factory or checkpoint; a bundle as ``monai:FOLDER``.
        labels: names of the classes, where the label is an index or a list.
        image_key: of the image in each dict.

    Returns:
        COHORT.toml, for ``camlucida run``.

    Raises:
        UsageError: no item, an item without a path, a label that ``labels`` does not name, or a
            folder that is not empty.
    """
    if not data:
        raise UsageError("the data list has no item", "give a list of dicts")
    rows = [_row(item, index, labels, image_key) for index, item in enumerate(data)]
    columns = {"path": "image", "id": "image"}
    names = set(chain.from_iterable(rows))
    columns |= {key: key for key in ("mask", "patient", "split") if key in names}
    if "class" in names:
        columns["labels"] = "class"
    return write_cohort(new_folder(folder), rows, model, {}, columns)


def _row(
    item: Mapping[str, Any], index: int, labels: Sequence[str], image_key: str
) -> dict[str, Any]:
    path = item.get(image_key)
    if not isinstance(path, (str, Path)):
        raise UsageError(
            f"item {index} has no path under {image_key!r}",
            "give the data list before its transforms",
        )
    row: dict[str, Any] = {"image": str(Path(path).absolute())}
    if LABEL in item:
        row |= _truth(item[LABEL], index, labels)
    rest = {key: value for key, value in item.items() if key not in (image_key, LABEL)}
    return row | {key: value for key, value in rest.items() if isinstance(value, (str, Real))}


def _truth(label: Any, index: int, labels: Sequence[str]) -> dict[str, Any]:
    """The columns of a label: a mask's file, the name of a class, or a column for each label."""
    if isinstance(label, (str, Path)):
        return {"mask": str(Path(label).absolute())}
    if isinstance(label, Integral):
        number = int(label)
        if not 0 <= number < len(labels):
            raise UsageError(f"item {index}: no name for class {number}", "give labels = [...]")
        return {"class": labels[number]}
    values = list(label)
    if len(values) != len(labels):
        raise UsageError(
            f"item {index} has {len(values)} labels, and {len(labels)} are named",
            "give labels = [...], one name each",
        )
    return {name: _state(value, index) for name, value in zip(labels, values, strict=True)}


def _state(value: Any, index: int) -> int | str:
    """0 or 1; blank where nothing is known (NaN)."""
    number = float(value)
    if math.isnan(number):
        return ""
    if number not in (0, 1):
        raise UsageError(f"item {index} has the label {number:g}", "give 0, 1, or NaN if unknown")
    return int(number)


def to_metatensor(explanation: Explanation, image: MetaTensor) -> MetaTensor:
    """A map on the voxels of the network's input, with the position of its image.

    Args:
        explanation: of ``image``, as the network saw it.
        image: (C, *spatial), with its affine and the transforms that were applied to it, which
            ``monai.transforms.Invertd`` takes back for the map as well.

    Returns:
        (1, *spatial), in the units of the score, signed where the method is.

    Raises:
        UsageError: the map is not of this image.
    """
    from monai.data.meta_tensor import MetaTensor

    size = tuple(image.shape[1:])
    if tuple(explanation.geometry().model) != size:
        what = f"the map is of an image of {explanation.geometry().model}, not of {size}"
        raise UsageError(what, "give the tensor that was explained")
    return MetaTensor(
        explanation.map()[None].cpu(),
        affine=image.affine.clone(),
        meta=dict(image.meta),
        applied_operations=list(image.applied_operations),
    )


def explain_transform(
    model: torch.nn.Module, key: str = "image", target: Any = None, **options: Any
) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """A step for ``monai.transforms.Compose``, after those that prepare the network's input.

    It adds ``KEY_map``, the map as :func:`to_metatensor` gives it, and ``KEY_explanation``.

    Args:
        model: the network, on any device.
        key: of the image, (C, *spatial).
        target: one target, as of :func:`camlucida.explain`; None for the task's default.
        options: further arguments of :func:`camlucida.explain`, such as ``method`` and ``layer``.

    Returns:
        dict → dict. It raises UsageError where the request means several maps.
    """

    def explained(item: Mapping[str, Any]) -> dict[str, Any]:
        image = item[key]
        device = next(model.parameters()).device
        batch = torch.as_tensor(image)[None].as_subclass(torch.Tensor).to(device)
        maps = explain(model, batch, target, **options)
        if len(maps) != 1:
            names = ", ".join(each.target for each in maps) or "no target"
            raise UsageError(f"the request means {len(maps)} maps: {names}", "give one target")
        return {
            **item,
            f"{key}_map": to_metatensor(maps[0], image),
            f"{key}_explanation": maps[0],
        }

    return explained
