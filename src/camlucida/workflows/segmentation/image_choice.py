"""Which images of a segmentation project are explained, and where their masks are."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from camlucida.core.errors import CamlucidaError, UsageError
from camlucida.core.messages import Message, declare
from camlucida.datasets.annotation_discovery import annotations_beside, unused_note
from camlucida.datasets.annotation_names import with_names_of_images
from camlucida.datasets.ground_truth import read_ground_truth
from camlucida.datasets.mask_paths import mask_folder_beside, masks_note, split_masks
from camlucida.io import expand_paths

IMAGE_FOLDERS = ("test/images", "test", "images", "")
"""Where the images of a data folder are looked for, in order; letter case aside."""

MASK_FOLDERS = ("masks", "mask")
"""What folders of masks are called, letter case aside; no image is taken from one."""

declare(
    "image_choice",
    {
        "one": "the given image, {path}",
        "all": "all images of {folder}, {count} in number",
        "sample": (
            "{count} of the {total} images of {folder}, drawn at random without replacement "
            "(Python's random, seed {seed})"
        ),
    },
)


@dataclass(frozen=True)
class Images:
    """The images to explain.

    Attributes:
        paths: sorted.
        masks: folder of their masks, or file or folder of annotations of any kind; None to look
            for ``/Images/`` → ``/Masks/`` and ``x_mask.png`` beside ``x.png``.
        rule: how they were chosen.
        notes: on masks among the images, and on annotations that are seen and not used.
    """

    paths: tuple[Path, ...]
    masks: Path | None
    rule: Message
    notes: tuple[Message, ...] = ()


def one_image(path: str | Path, masks: Path | None = None) -> Images:
    """A single image.

    Args:
        path: of the image.
        masks: folder of masks; None looks for one.

    Raises:
        UsageError: it does not exist, or is a folder or pattern of several.
    """
    paths, errors = expand_paths([path])
    if errors:
        raise UsageError(errors[0].what, errors[0].fix)
    if len(paths) > 1:
        fix = "give one of them, or the folder as --data-dir"
        raise UsageError(f"{path} holds {len(paths)} images", fix)
    masks = _existing(masks) or _mask_folder(paths[0].parent)
    notes: list[Message] = []
    if masks is None:
        masks, notes = _annotations(paths)
    rule = Message("image_choice.one", {"path": str(path)})
    return Images(tuple(paths), masks, rule, tuple(notes))


def sampled_images(
    data_dir: str | Path, masks: Path | None = None, count: int = 10, seed: int = 0
) -> Images:
    """``count`` images of a data folder, drawn without replacement; all if there are no more.

    Args:
        data_dir: holds images in the first of :data:`IMAGE_FOLDERS` that exists.
        masks: folder of masks of the same stem; else one of :data:`MASK_FOLDERS` in the folder of
            images, beside it or above.
        count: 1 or more.
        seed: of the draw.

    Raises:
        UsageError: no such folder, or no image in it.
    """
    data_dir = Path(data_dir).expanduser()
    if not data_dir.is_dir():
        raise UsageError(f"no folder {data_dir}", "give the folder that holds test/ or images/")
    folder, files = _first_with_images(data_dir)
    paths, among = split_masks(files)
    notes = masks_note(among)
    masks = _existing(masks) or _mask_folder(folder, data_dir)
    if masks is None and not among:
        masks, notes = _annotations(paths)
    values: dict[str, str | int] = {"folder": str(folder), "count": len(paths)}
    if count >= len(paths):
        return Images(tuple(paths), masks, Message("image_choice.all", values), tuple(notes))
    values |= {"count": count, "total": len(paths), "seed": seed}
    drawn = sorted(random.Random(seed).sample(paths, count))
    rule = Message("image_choice.sample", values)
    return Images(tuple(drawn), masks, rule, tuple(notes))


def _first_with_images(data_dir: Path) -> tuple[Path, list[Path]]:
    for name in IMAGE_FOLDERS:
        folder = _subfolder(data_dir, name)
        paths = [] if folder is None else _images_of(folder)
        if folder is not None and paths:
            return folder, paths
    names = ", ".join(name or "the folder itself" for name in IMAGE_FOLDERS)
    raise UsageError(f"no image in {data_dir}", f"looked in {names}")


def _subfolder(folder: Path, name: str) -> Path | None:
    """``test/images`` of a folder, letter case aside; None where it does not exist."""
    for part in filter(None, name.split("/")):
        inside = {path.name.casefold(): path for path in sorted(folder.iterdir()) if path.is_dir()}
        if part not in inside:
            return None
        folder = inside[part]
    return folder


def _images_of(folder: Path) -> list[Path]:
    paths, _ = expand_paths([folder])
    return sorted(path for path in paths if not _below_masks(path.relative_to(folder)))


def _below_masks(path: Path) -> bool:
    return any(part.casefold() in MASK_FOLDERS for part in path.parts[:-1])


def _existing(masks: Path | None) -> Path | None:
    if masks is None:
        return None
    if not masks.exists():
        fix = "give the folder that holds a mask of the same stem for each image, or COCO JSON"
        raise UsageError(f"--mask-dir: no folder or file {masks}", fix)
    if masks.is_file():
        read_ground_truth(masks=masks, labels=())  # fails before the model is loaded
    return masks


def _annotations(images: Sequence[Path]) -> tuple[Path | None, list[Message]]:
    """The one file of annotations beside images that names any of them, and notes on others."""
    fitting = []
    notes: list[Message] = []
    if mask_folder_beside(images[0]):
        return None, notes  # the cohort finds these itself
    names = [(image.stem, str(image)) for image in images]
    for path in annotations_beside(images):
        try:
            truth = with_names_of_images(read_ground_truth(masks=path, labels=()), names)
        except CamlucidaError:
            notes.append(unused_note([path], "--mask-dir"))
            continue
        # A table of boxes holds no mask.
        if truth.drawn and truth.names_of(names):
            fitting.append(path)
    if len(fitting) == 1:
        return fitting[0], notes
    return None, [*notes, unused_note(fitting, "--mask-dir")] if fitting else notes


def _mask_folder(folder: Path, top: Path | None = None) -> Path | None:
    """A folder of masks in or beside that of the images, or in ``top``.

    None where the cohort finds the masks itself: ``/Images/`` → ``/Masks/``.
    """
    if mask_folder_beside(folder / "x.png"):
        return None
    for parent in (folder, folder.absolute().parent, top or folder):
        for path in sorted(parent.iterdir()):
            if path.is_dir() and path.name.casefold() in MASK_FOLDERS:
                return path
    return None
