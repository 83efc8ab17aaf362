"""A mask file on the pixels of its image, or on the voxels of its volume."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from camlucida.io.annotations.annotation import AnnotatedImage, Mask
from camlucida.io.annotations.masks import label_of_image, mask_of_image
from camlucida.io.annotations.volume_masks import volume_label, volume_mask


def mask_of(path: Path, where: str, image: AnnotatedImage) -> Mask:
    """A mask of one label.

    Args:
        path: of the file.
        where: names the mask.
        image: the image or volume that it is of.

    Returns:
        (H, W), or (D, H, W) of a volume.

    Raises:
        ImageError: as :func:`~camlucida.io.annotations.masks.mask_of_image` and
            :func:`~camlucida.io.annotations.volume_masks.volume_mask`.
    """
    if image.voxels is not None:
        return volume_mask(path, where, image.voxels)
    return mask_of_image(path, where, image)


def label_of(
    path: Path, value: int, names: Mapping[int, str], where: str, image: AnnotatedImage
) -> Mask:
    """The mask of one value of a label map.

    Args:
        path, where, image: as of :func:`mask_of`.
        value: of the label.
        names: value → label, of all its labels.

    Raises:
        ImageError: as :func:`mask_of`; a value beside 0 that has no name.
    """
    if image.voxels is not None:
        return volume_label(path, value, names, where, image.voxels)
    return label_of_image(path, value, names, where, image)
