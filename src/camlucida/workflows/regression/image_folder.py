"""The images of a folder, and their masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from camlucida.core.errors import UsageError
from camlucida.datasets.mask_paths import MASK_SUFFIXES, mask_beside
from camlucida.io import expand_paths
from camlucida.io.image import image_id


@dataclass(frozen=True)
class ImageFolder:
    """The images of a folder.

    Attributes:
        folder: searched with its subfolders.
        paths: the images, masks left out.
        masks: file or folder of annotations of any kind; None looks beside each image.
    """

    folder: Path
    paths: Sequence[Path]
    masks: Path | None

    @classmethod
    def read(cls, folder: Path, masks: Path | None) -> ImageFolder:
        """Search a folder.

        Raises:
            UsageError: no such folder, or no image in it.
        """
        if not folder.is_dir():
            raise UsageError(f"no folder of images {folder}", "correct --image-dir")
        files, errors = expand_paths([folder])
        paths = [path for path in files if not _is_mask(path, folder, masks)]
        if not paths:
            fix = str(errors[0]) if errors else "its masks are not counted"
            raise UsageError(f"there is no image in {folder}", fix)
        return cls(folder, paths, masks)

    def mask(self, image: Path) -> Path | None:
        """The mask of an image: of its stem in ``masks``, else in the folder Masks beside it."""
        if self.masks is None:
            beside = mask_beside(image.absolute())
            return beside if beside is not None and beside.is_file() else None
        stem = image_id(image, None)
        candidates = (self.masks / f"{stem}{suffix}" for suffix in MASK_SUFFIXES)
        return next((path for path in candidates if path.is_file()), None)


def _is_mask(path: Path, folder: Path, masks: Path | None) -> bool:
    """Whether an image lies in a folder called Masks below ``folder``, or in ``masks``."""
    parents = path.relative_to(folder).parts[:-1]
    if "masks" in map(str.casefold, parents):
        return True
    return masks is not None and path.absolute().is_relative_to(masks.absolute())
