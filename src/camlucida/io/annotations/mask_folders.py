"""Folders of masks, whose files name image and label: LABEL/ID.png, ID_LABEL.png or ID.png."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from camlucida.core.errors import UsageError
from camlucida.io.annotations.annotation import Annotation
from camlucida.io.annotations.documents import NamedAnnotation
from camlucida.io.annotations.masks import MASK_SUFFIXES, read_mask
from camlucida.io.tables import fold


def read_mask_folder(
    folder: Path, labels: Sequence[str]
) -> tuple[list[NamedAnnotation], list[str]]:
    """Masks of a folder and its sub-folders; no file is opened yet.

    Args:
        folder: with LABEL/ID.png, ID_LABEL.png or ID.png, of :data:`MASK_SUFFIXES`; ID may have
            folders before it. Hidden files are passed over.
        labels: that a folder or the end of a file name can mean, without case, spaces and
            underscores.

    Returns:
        Annotations, the label "" where none is named; and the files that are no masks.

    Raises:
        UsageError: no such folder, or no mask in it.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     Path(folder, "case1_mass.png").touch()
    ...     annotations, others = read_mask_folder(Path(folder), ["Mass"])
    >>> [(image, label) for image, label, _ in annotations]
    [('case1', 'Mass')]
    """
    if not folder.is_dir():
        raise UsageError(
            f"masks: {folder} is not a folder",
            "give the folder that holds LABEL/ID.png, ID_LABEL.png or ID.png",
        )
    visible = _visible_files(folder)
    masks = [path for path in visible if _is_mask(path)]
    if not masks:
        raise UsageError(
            f"no mask in {folder}",
            f"put LABEL/ID.png, ID_LABEL.png or ID.png there ({' '.join(MASK_SUFFIXES)})",
        )
    by_name = {fold(label): label for label in labels if label}
    annotations = []
    for path in masks:
        image, label = _image_and_label(path.with_suffix("").parts, by_name)
        file = folder / path
        where = f"mask {file} of {label!r}" if label else f"mask {file}"
        annotation = Annotation(where, partial(read_mask, file))
        annotations.append((image, label, annotation))
    others = [path.as_posix() for path in visible if not _is_mask(path)]
    return annotations, others


def _visible_files(folder: Path) -> list[Path]:
    """Files of a folder and its sub-folders, relative to it, in order of their names."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    paths = [path.relative_to(folder) for path in files]
    return [path for path in paths if not _is_hidden(path)]


def _is_mask(path: Path) -> bool:
    return path.suffix.lower() in MASK_SUFFIXES


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _image_and_label(parts: tuple[str, ...], by_name: Mapping[str, str]) -> tuple[str, str]:
    """Image and label of a mask file.

    A folder names the label, or the end of the stem, or nothing does ("").
    """
    *folders, stem = parts
    label = ""
    allowed = set(by_name)
    for position, name in enumerate(folders):
        folded = fold(name)
        if folded in by_name:
            label = by_name[folded]
            # below the folder of a label, the stem may repeat that label and no other
            allowed = {folded}
            del folders[position]
            break
    for cut, sign in enumerate(stem):
        if sign != "_" or cut == 0:
            continue
        ending = fold(stem[cut + 1 :])
        if ending in allowed:
            stem, label = stem[:cut], by_name[ending]
            break
    return "/".join([*folders, stem]), label
