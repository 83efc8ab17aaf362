"""Saliency maps as CheXlocalize releases them: a pickle an image and label.

``patient64541_study1_view1_frontal_Edema_map.pkl`` holds ``map`` (1, 1, h, w), ``cxr_dims`` (width,
height of the radiograph), ``task``, ``prob``, ``gt`` and ``cxr_img``. It is read without running
anything of it: :mod:`camlucida.io.pickles`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from camlucida.core.errors import ImageError, UsageError
from camlucida.core.files import reading
from camlucida.io.image import MAX_PIXELS
from camlucida.io.pickles import PickleDamage, Stub, read_pickled
from camlucida.io.tables import fold

PATTERN = "*_map.pkl"
"""Names of the files: IMAGE_LABEL_map.pkl."""

_FORM = 'write a dict with "map" of shape (1, 1, h, w), "cxr_dims" (width, height) and "task"'


@dataclass(frozen=True)
class SaliencyMap:
    """One map of one label in one image.

    Attributes:
        values: (h, w) float32, as it was saved.
        size: (H, W) of the radiograph, in pixels.
        label: "" where the file does not say.
        probability: of the model; NaN where the file does not say.
    """

    values: NDArray[np.float32]
    size: tuple[int, int]
    label: str
    probability: float


def map_files(folder: Path) -> list[tuple[str, str, Path]]:
    """The map files of a folder and its sub-folders.

    Args:
        folder: holds ``IMAGE_LABEL_map.pkl``; a label has no underscore.

    Returns:
        Image, label and file of each, in order of their names.

    Raises:
        UsageError: no such folder; no such file in it; a name without a label.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     Path(folder, "p1_study1_view1_frontal_Lung Lesion_map.pkl").touch()
    ...     [(image, label) for image, label, _ in map_files(Path(folder))]
    [('p1_study1_view1_frontal', 'Lung Lesion')]
    """
    if not folder.is_dir():
        raise UsageError(f"no folder {folder}", "give the folder of the maps, or of a run")
    files = sorted(path for path in folder.rglob(PATTERN) if path.is_file())
    if not files:
        raise UsageError(
            f"{folder} holds no map of the form IMAGE_LABEL_map.pkl, and is not a run",
            "give a folder of CheXlocalize's maps, or one that `camlucida run` wrote",
        )
    return [(*_image_and_label(path), path) for path in files]


def _image_and_label(path: Path) -> tuple[str, str]:
    image, _, label = path.name.removesuffix("_map.pkl").rpartition("_")
    if not image or not label:
        raise UsageError(f"{path} names no image and label", "call it IMAGE_LABEL_map.pkl")
    return image, label


def read_saliency_map(path: Path) -> SaliencyMap:
    """Read one map file; nothing of it is executed.

    Args:
        path: of the pickle.

    Raises:
        ImageError: unreadable or damaged; without map or size; a map that is not one grid of finite
            numbers; a size that no radiograph has.

    >>> import pickle
    >>> from tempfile import TemporaryDirectory
    >>> content = {"map": np.ones((1, 1, 2, 3)), "cxr_dims": (30, 20), "task": "Edema"}
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "a_Edema_map.pkl")
    ...     _ = path.write_bytes(pickle.dumps(content))
    ...     saved = read_saliency_map(path)
    >>> saved.values.shape, saved.size, saved.label
    ((2, 3), (20, 30), 'Edema')
    """
    try:
        with reading(path, ImageError, "the map"):
            content = read_pickled(path).content
    except PickleDamage as error:
        raise ImageError(
            f"{path} is not a readable pickle of a map: {error}",
            "the file is damaged, or holds something else",
        ) from error
    if not isinstance(content, dict) or not {"map", "cxr_dims"} <= set(content):
        what = f"a {content.name}" if isinstance(content, Stub) else "no map and cxr_dims"
        raise ImageError(f"{path} holds {what}", _FORM)
    label = content.get("task", "")
    return SaliencyMap(
        _values(content["map"], path),
        _size(content["cxr_dims"], path),
        label if isinstance(label, str) else "",
        _number(content),
    )


def check_label(saved: SaliencyMap, label: str, path: Path) -> None:
    """Check that a file holds the map of the label that its name says.

    Args:
        saved: what it holds.
        label: of its name.
        path: of the file.

    Raises:
        ImageError: they differ.
    """
    if saved.label and fold(saved.label) != fold(label):
        raise ImageError(
            f"{path} holds the map of {saved.label!r}, its name says {label!r}",
            "rename the file, or write the right map",
        )


def _values(values: Any, path: Path) -> NDArray[np.float32]:
    if isinstance(values, Tensor):
        values = values.detach().float().numpy()
    array = np.asarray(values) if isinstance(values, (np.ndarray, list)) else np.zeros(0)
    numeric = array.dtype.kind in "biuf"
    # Axes of length 1 before the two of the grid: batch and channel.
    leading = array.shape[:-2]
    if not numeric or array.ndim < 2 or array.size == 0 or set(leading) - {1}:
        raise ImageError(f"{path} holds no map of one grid", _FORM)
    grid = array.reshape(array.shape[-2:]).astype(np.float32)
    if not np.isfinite(grid).all():
        raise ImageError(f"{path}: the map holds NaN or infinite values", "compute the map again")
    return grid


def _size(sides: Any, path: Path) -> tuple[int, int]:
    """(H, W) of the file's (width, height)."""
    if isinstance(sides, (Tensor, np.ndarray)):
        sides = sides.tolist()
    whole = isinstance(sides, (list, tuple)) and len(sides) == 2
    if not whole or not all(isinstance(side, (int, float)) and side >= 1 for side in sides):
        raise ImageError(f"{path} has no cxr_dims of two sides", _FORM)
    width, height = (int(side) for side in sides)
    if width * height > MAX_PIXELS:
        raise ImageError(f"{path}: cxr_dims of more than {MAX_PIXELS} pixels", _FORM)
    return height, width


def _number(content: Mapping[Any, Any]) -> float:
    value = content.get("prob")
    if isinstance(value, (Tensor, np.ndarray)):
        numbers = value.reshape(-1).tolist()
        value = numbers[0] if len(numbers) == 1 else None
    return float(value) if isinstance(value, (int, float)) else float("nan")
