"""Files of masks, whose names give image and label: LABEL/ID.png, ID_LABEL.png or ID.png."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from camlucida.io.annotations.annotation import Annotation, NamedAnnotation
from camlucida.io.annotations.masks import MASK_SUFFIXES
from camlucida.io.annotations.placed_masks import label_of, mask_of
from camlucida.io.tables import fold

STRUCTURE = frozenset(
    (
        *("masks", "mask", "labels", "label", "annotations", "annotation", "annots"),
        *("gt", "groundtruth", "segmentation", "segmentations", "segmentationclass"),
        *("segmentationobject", "labelstr", "labelsts", "labelsval", "imagestr", "imagests"),
        *("images", "image", "imgs", "img", "jpegimages"),
    )
)
"""Names of folders, folded, that tell files of annotations and images apart, and name neither."""

_ENDINGS = ("mask", "masks", "seg", "segmentation", "label", "labels", "gt", "annotation")
"""Last words of names of masks, which are no labels unless the model has them."""


def mask_annotations(
    file: Path, image: str, label: str, names: Mapping[int, str] | None
) -> list[NamedAnnotation]:
    """The annotation of a mask file, or one for each label of a label map.

    Args:
        file: the mask.
        image, label: that it is of; "" for no label.
        names: value → label of label maps; None for masks of one label.
    """
    if label or not names:
        where = f"mask {file} of {label!r}" if label else f"mask {file}"
        return [(image, label, Annotation(where, partial(mask_of, file)))]
    annotations = []
    for value, name in names.items():
        if value == 0:  # outside
            continue
        read = partial(label_of, file, value, names)
        annotations.append((image, name, Annotation(f"mask {file} of {name!r}", read)))
    return annotations


def bare_stem(path: Path) -> str:
    """The name of a file without suffix, also without that of ``.nii.gz``.

    >>> bare_stem(Path("a.nii.gz")), bare_stem(Path("a.dcm.png"))
    ('a', 'a.dcm')
    """
    return path.name[:-7] if path.name.lower().endswith(".nii.gz") else path.stem


def without_mask_ending(stem: str) -> str:
    """The name of an image, from that of its mask; a name without such an ending is unchanged.

    >>> without_mask_ending("x_mask"), without_mask_ending("x-seg"), without_mask_ending("mask")
    ('x', 'x', 'mask')
    """
    folded = stem.casefold()
    for ending in _ENDINGS:
        for sign in ("_", "-", " "):
            if folded.endswith(sign + ending) and len(stem) > len(ending) + 1:
                return stem[: -len(ending) - 1]
    return stem


def is_mask_file(path: Path) -> bool:
    """Whether a file's suffix is of :data:`~camlucida.io.annotations.masks.MASK_SUFFIXES`.

    >>> is_mask_file(Path("a.nii.gz")), is_mask_file(Path("a.csv.gz"))
    (True, False)
    """
    suffix = path.suffix.lower()
    return suffix in MASK_SUFFIXES and (suffix != ".gz" or path.name.lower().endswith(".nii.gz"))


def image_and_label(parts: tuple[str, ...], by_name: Mapping[str, str]) -> tuple[str, str]:
    """Image and label of a mask file.

    A folder names the label, or the end of the stem, or nothing does ("").

    Args:
        parts: folders, and the stem last.
        by_name: folded label → label.

    >>> image_and_label(("labels", "train", "a_mask"), {"mass": "Mass"})
    ('train/a', '')
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
    stem, named = _cut_label(stem, allowed, by_name)
    folders = [name for name in folders if fold(name) not in STRUCTURE]
    return "/".join([*folders, stem]), named or label


def _cut_label(stem: str, allowed: set[str], by_name: Mapping[str, str]) -> tuple[str, str]:
    """The stem without the label or the word "mask" at its end, and the label."""
    for cut, sign in enumerate(stem):
        if sign != "_" or cut == 0:
            continue
        ending = fold(stem[cut + 1 :])
        if ending in allowed:
            return stem[:cut], by_name[ending]
    for ending in _ENDINGS:
        for sign in ("_", "-", " "):
            if stem.casefold().endswith(sign + ending):
                return _cut_label(stem[: -len(ending) - 1], allowed, by_name)
    return stem, ""
