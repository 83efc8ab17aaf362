"""Where the mask file of an image lies, where nothing names it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from camlucida.core.messages import Message, Value, declare
from camlucida.io.annotations.mask_names import bare_stem, without_mask_ending
from camlucida.io.image import VOLUME_SUFFIXES, image_id
from camlucida.io.tables import listing

declare(
    "notes",
    {
        "masks_among_images": (
            "{count} {count:|file is a mask|files are masks} by {count:|its name|their names}, and "
            "no {count:|image|images}: {names}"
        ),
    },
)

MASK_SUFFIXES = (".png", ".jpg", ".jpeg")
_ANY_SUFFIX = (*MASK_SUFFIXES, ".bmp", ".tif", ".tiff", ".npy", ".nii", ".gz")


def mask_beside(image: Path) -> Path | None:
    """Where an image in a folder "Images" has its mask: in the folder "Masks" beside that one.

    Args:
        image: path of the image.

    Returns:
        ``…/Masks/a/b.png``, ``.jpg`` or ``.jpeg`` for ``…/Images/a/b.dcm``, the first that is
        there, else the first; None without a folder "Images".
    """
    folders = _folders_beside(image)
    return None if folders is None else mask_in(Path(*folders), image)


def masks_beside(images: Sequence[Path]) -> Path | None:
    """The one folder "Masks" beside "Images" that has no mask file of an image's own name.

    What it holds is to be read as annotations of any kind.

    Args:
        images: files.
    """
    roots = {_folders_beside(image.absolute()) for image in images}
    folders = {root[0] for root in roots if root is not None and root[0].is_dir()}
    if len(folders) != 1:
        return None
    files = [mask_beside(image.absolute()) for image in images]
    has_own = any(file is not None and file.is_file() for file in files)
    return None if has_own else folders.pop()


def _folders_beside(image: Path) -> tuple[Path, Path] | None:
    """The folder "Masks" beside "Images", and the folders in it; None without "Images"."""
    parts = list(image.parts)
    folders = [part.casefold() for part in parts[:-1]]
    if "images" not in folders:
        return None
    # The innermost of folders of that name.
    level = len(folders) - 1 - folders[::-1].index("images")
    root = Path(*parts[:level])
    # File systems of Linux tell the two apart.
    lower = not (root / "Masks").is_dir() and (root / "masks").is_dir()
    return root / ("masks" if lower else "Masks"), Path(*parts[level + 1 : -1])


def mask_folder_beside(image: Path) -> bool:
    """Whether the folder of masks of :func:`mask_beside` is there.

    Args:
        image: path of the image.
    """
    beside = mask_beside(image.absolute())
    return beside is not None and beside.parent.is_dir()


def mask_in(folder: Path, image: Path) -> Path:
    """The mask file of an image's stem in a folder; the first suffix where none is there.

    Args:
        folder: of masks.
        image: path of the image.
    """
    stem = image_id(image, None)
    candidates = [folder / f"{stem}{suffix}" for suffix in (*MASK_SUFFIXES, *VOLUME_SUFFIXES)]
    return next((path for path in candidates if path.is_file()), candidates[0])


def mask_of_name(image: Path) -> Path | None:
    """The mask ``x_mask.png`` in the folder of the image ``x.png``; None where none is there.

    Args:
        image: path of the image.
    """
    folder = image.parent
    if not folder.is_dir():
        return None
    return _masks_of_names(folder, folder.stat().st_mtime_ns).get(bare_stem(image))


@lru_cache(maxsize=8)
def _masks_of_names(folder: Path, changed: int) -> dict[str, Path]:
    """Stem of an image → its mask, of the masks in a folder of images; listed once."""
    masks = {}
    for file in sorted(folder.iterdir()):
        name = bare_stem(file)
        stem = without_mask_ending(name)
        if stem != name and file.suffix.lower() in _ANY_SUFFIX:
            masks[stem] = file
    return masks


def split_masks(paths: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Images, and the masks among them: ``x_mask.png`` in the folder of ``x.png``.

    Args:
        paths: of images and masks.

    Returns:
        Images and masks, in the order given.

    >>> images, masks = split_masks([Path("x.png"), Path("x_mask.png"), Path("y_seg.png")])
    >>> [path.name for path in images], [path.name for path in masks]
    (['x.png', 'y_seg.png'], ['x_mask.png'])
    """
    listed = list(paths)
    names = {(path.parent, bare_stem(path)) for path in listed}
    images: list[Path] = []
    masks: list[Path] = []
    for path in listed:
        stem = bare_stem(path)
        bare = without_mask_ending(stem)
        is_mask = bare != stem and (path.parent, bare) in names
        (masks if is_mask else images).append(path)
    return images, masks


def masks_note(masks: Iterable[Path]) -> list[Message]:
    """A note on the masks that :func:`split_masks` tells apart, where there are any.

    Args:
        masks: their files.
    """
    names = [path.name for path in masks]
    if not names:
        return []
    values: dict[str, Value] = {"count": len(names), "names": listing(names)}
    return [Message("notes.masks_among_images", values)]
