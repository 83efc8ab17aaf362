"""A two-dimensional mask in a NIfTI file, by nibabel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camlucida.core.errors import ImageError
from camlucida.io.image import MAX_PIXELS, quiet, readable

NIFTI_SUFFIXES = (".nii", ".nii.gz")


def is_nifti(path: Path) -> bool:
    """Whether a file is called as NIfTI.

    >>> is_nifti(Path("a.nii.gz")), is_nifti(Path("a.png"))
    (True, False)
    """
    return path.name.lower().endswith(NIFTI_SUFFIXES)


def nifti_values(path: Path, where: str) -> NDArray[Any]:
    """(H, W) values of a NIfTI file with one slice.

    Its first axis is x. Where its affine names directions, rows and columns are brought to
    DICOM's order (x to the left, y to the back of the patient); without one they are as stored.

    Args:
        path: of the file.
        where: what to call it in an error.

    Raises:
        ImageError: damaged, several slices, or nibabel is not installed.
    """
    try:
        import nibabel
    except ImportError as error:
        raise ImageError(f"{where} is NIfTI", "pip install 'camlucida[nifti]' reads it") from error
    with quiet("nibabel"), readable(path, "a NIfTI file", quote=False):
        image: Any = nibabel.load(path)
        shape = tuple(side for side in image.shape if side != 1)
        if len(image.shape) < 2 or any(side != 1 for side in image.shape[2:]):
            raise ImageError(f"{where} holds a volume of {shape}", "save the slice of the image")
        rows, columns = image.shape[1], image.shape[0]
        if rows * columns > MAX_PIXELS:
            raise ImageError(f"{where} claims {rows} × {columns} pixels", "cut the region out")
        values = np.asarray(image.dataobj).reshape(columns, rows)
        affine = np.asarray(image.affine)
    step_x, step_y = float(affine[0, 0]), float(affine[1, 1])
    in_plane = abs(step_x) > abs(affine[1, 0]) and abs(step_y) > abs(affine[0, 1])
    # The identity is what programs write that know no directions.
    if in_plane and not np.array_equal(affine, np.eye(4)):
        values = values[::-1] if step_x > 0 else values
        values = values[:, ::-1] if step_y > 0 else values
    return np.ascontiguousarray(values.T)
