"""Datasets of TorchXRayVision as cohorts. Its models need no bridge: ``torchxrayvision:NAME``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from camlucida.core.errors import UsageError
from camlucida.core.files import slug, write_bytes
from camlucida.integrations.cohort import new_folder, write_cohort

SCALE = 1024
"""Its images have the values −1024 for black to 1024 for white."""

FACTS, GROUPS = ("view", "sex_male", "age_years"), ("view", "sex_male")
"""Columns of ``dataset.csv`` that the table has too, and those of them that are groups."""


def cohort_of_dataset(
    dataset: Any, folder: str | Path, model: str, rows: Sequence[int] | None = None
) -> Path:
    """Write a dataset of TorchXRayVision, or some of its items, as a cohort.

    Each image is written as the dataset gives it, as a 16-bit PNG, so that a model of the package
    sees the same values. Labels of which the dataset says nothing (NaN) stay blank.

    Args:
        dataset: of :mod:`torchxrayvision.datasets`, also subset or merged, without augmentation.
            What its ``transform`` cuts off is not in the cohort.
        folder: new or empty.
        model: card, factory (``torchxrayvision:densenet121-res224-all``) or checkpoint.
        rows: of the items; None for all.

    Returns:
        COHORT.toml, for ``camlucida run``.

    Raises:
        UsageError: the folder is not empty; the dataset augments its images at random; an image
            with values outside ±1024.
    """
    if getattr(dataset, "data_aug", None) is not None:
        raise UsageError("the dataset augments its images at random", "make it with data_aug=None")
    root = new_folder(folder)
    table: list[dict[str, Any]] = []
    has_masks = False
    for index in range(len(dataset)) if rows is None else rows:
        sample = dataset[index]
        name = f"{index:06d}"
        write_bytes(_file(root / "images" / f"{name}.png"), _png(sample["img"], index))
        masks = sample.get("pathology_masks") or {}
        _write_masks(root / "masks", name, masks, dataset.pathologies)
        has_masks |= bool(masks)
        table.append(_row(dataset, index, name))
    config = {"images": "images"} | ({"masks": "masks"} if has_masks else {})
    names = set(chain.from_iterable(table))
    columns: dict[str, Any] = {"id": "image"}
    if "patient" in names:
        columns["patient"] = "patient"
    groups = [name for name in GROUPS if name in names]
    if groups:
        columns["groups"] = groups
    return write_cohort(root, table, model, config, columns)


def _row(dataset: Any, index: int, name: str) -> dict[str, Any]:
    """What the dataset says of an item; a label that it does not know is left out."""
    row: dict[str, Any] = {"image": name}
    facts = dataset.csv.iloc[index]
    if "patientid" in facts:
        row["patient"] = _patient(dataset, index, facts["patientid"])
    row |= {name: facts[name] for name in FACTS if name in facts}
    for label, value in zip(dataset.pathologies, dataset.labels[index], strict=True):
        row[label] = "" if np.isnan(value) else int(value)
    return row


def _patient(dataset: Any, index: int, name: Any) -> Any:
    """A patient; of merged datasets with the number of theirs, as two may number them alike."""
    origin = getattr(dataset, "which_dataset", None)
    return name if origin is None or pd.isna(name) else f"{int(origin[index])}-{name}"


def _png(values: NDArray[Any], index: int) -> bytes:
    """An image (1, H, W) of ±1024 as a 16-bit grey PNG; exact for films of 8 bits."""
    grey = np.asarray(values, np.float64)
    if grey.ndim != 3 or len(grey) != 1 or not np.abs(grey).max() <= SCALE * (1 + 1e-6):
        low, high = grey.min(), grey.max()
        raise UsageError(
            f"item {index} has the shape {grey.shape} and values from {low:g} to {high:g}",
            f"images of TorchXRayVision are (1, H, W) with values from -{SCALE} to {SCALE}",
        )
    levels = np.rint((grey[0].clip(-SCALE, SCALE) + SCALE) / (2 * SCALE) * 65535)
    buffer = BytesIO()
    Image.fromarray(levels.astype(np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()


def _write_masks(
    folder: Path, name: str, masks: Mapping[int, NDArray[Any]], labels: Sequence[str]
) -> None:
    """``ID_LABEL.png`` of each label with a mask."""
    for number, mask in masks.items():
        picture = Image.fromarray((np.asarray(mask).squeeze() > 0).astype(np.uint8) * 255)
        buffer = BytesIO()
        picture.save(buffer, "PNG")
        write_bytes(_file(folder / f"{name}_{slug(labels[number])}.png"), buffer.getvalue())


def _file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
