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
    """
    if not folder.is_dir():
        raise UsageError(
            f"masks: {folder} is not a folder",
            "give the folder that holds LABEL/ID.png, ID_LABEL.png or ID.png",
        )
    paths = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    visible = [path for path in paths if not _is_hidden(path)]
    masks = [path for path in visible if path.suffix.lower() in MASK_SUFFIXES]
    if not masks:
        raise UsageError(
            f"no mask in {folder}",
            f"put LABEL/ID.png, ID_LABEL.png or ID.png there ({' '.join(MASK_SUFFIXES)})",
        )
    by_name = {fold(label): label for label in labels if label}
    annotations = []
    for path in masks:
        image, label = _image_and_label(path.with_suffix("").parts, by_name)
        where = f"mask {folder / path}" + (f" of {label!r}" if label else "")
        annotations.append((image, label, Annotation(where, partial(read_mask, folder / path))))
    others = [path.as_posix() for path in visible if path.suffix.lower() not in MASK_SUFFIXES]
    return annotations, others


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _image_and_label(parts: tuple[str, ...], by_name: Mapping[str, str]) -> tuple[str, str]:
    """Image and label of a mask file.

    A folder names the label, or the end of the stem, or nothing does ("").
    """
    *folders, stem = parts
    at = next((i for i, name in enumerate(folders) if fold(name) in by_name), None)
    # below the folder of a label, the stem may repeat that label and no other
    allowed = set(by_name) if at is None else {fold(folders.pop(at))}
    label = "" if at is None else by_name[fold(parts[at])]
    for cut in (i for i, sign in enumerate(stem) if sign == "_" and i):
        if fold(stem[cut + 1 :]) in allowed:
            stem, label = stem[:cut], by_name[fold(stem[cut + 1 :])]
            break
    return "/".join([*folders, stem]), label
