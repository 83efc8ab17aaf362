"""The images of a folder by any name that a table may call them, and their masks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from camlucida.core.errors import UsageError
from camlucida.datasets.cohort import MASK_SUFFIXES, mask_beside
from camlucida.datasets.image_names import bare_name, image_keys
from camlucida.io import expand_paths
from camlucida.io.image import image_id


@dataclass(frozen=True)
class ImageFolder:
    """The images of a folder.

    Attributes:
        folder: searched with its subfolders.
        paths: the images, masks left out.
        by_name: every name that a table may call an image → images.
        masks: folder of masks; None looks beside each image.
    """

    folder: Path
    paths: Sequence[Path]
    by_name: Mapping[str, Sequence[Path]]
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
        by_name: dict[str, list[Path]] = defaultdict(list)
        for path in paths:
            for key in dict.fromkeys(image_keys(path.absolute())):
                by_name[key].append(path)
        return cls(folder, paths, by_name, masks)

    def named(self, name: str) -> Sequence[Path]:
        """The images that a row may mean by ``name``.

        The longest end of the name that fits any image counts; where it fits more than one, the
        image with the same suffix.
        """
        parts = bare_name(name).split("/")
        ends = ("/".join(parts[start:]) for start in range(len(parts)))
        fitting = next((self.by_name[end] for end in ends if end in self.by_name), [])
        file_name = PurePosixPath(name.replace("\\", "/")).name
        exact = [path for path in fitting if path.name == file_name]
        return exact if len(exact) == 1 else fitting

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
