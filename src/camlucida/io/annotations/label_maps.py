"""Label maps: masks of several labels, whose values a file beside names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from camlucida.core.errors import ImageError
from camlucida.io.annotations.class_names import class_names
from camlucida.io.annotations.mask_names import STRUCTURE
from camlucida.io.annotations.masks import label_values
from camlucida.io.annotations.nifti import is_nifti
from camlucida.io.annotations.volume_masks import map_values
from camlucida.io.tables import fold


def label_map_names(path: Path) -> Mapping[int, str]:
    """Value → label of a mask file that is a label map; empty for a mask of one label.

    It is one if a file beside names classes, and every value but 0 is one of them.

    Args:
        path: of the mask, of an image or a volume.

    Raises:
        UsageError: the file of names gives none.
    """
    names, _ = class_names(folders_of_names(path))
    if not names:
        return {}
    try:
        values = _values(path)
    except ImageError:  # reading it as a mask says so
        return {}
    return names if values - {0} <= set(names) else {}


def folders_of_names(path: Path, numbered: bool = False) -> list[Path]:
    """Where a file with names of classes may lie: here, and two folders up.

    A list of classes above a folder of masks may be of something else.

    Args:
        path: file or folder of annotations.
        numbered: they give labels by number alone.
    """
    folder = path if path.is_dir() else path.parent
    folders = [folder, *folder.absolute().parents[:2]]
    return folders if numbered or fold(folder.name) in STRUCTURE else folders[:1]


def _values(path: Path) -> set[float]:
    if is_nifti(path):
        return map_values(path)
    return set(np.unique(label_values(path, f"mask {path}")).tolist())
