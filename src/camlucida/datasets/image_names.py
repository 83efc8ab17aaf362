"""Names of images: their ids, and the names by which tables and annotations may call them."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from camlucida.core.errors import ImageError
from camlucida.core.failures import Failure
from camlucida.io.image import image_id, known_suffixes
from camlucida.io.tables import count, listing

ID_COLUMNS = ("image", "id", "imageid", "filename", "file", "path", "imageindex")
"""Names that a column of image names usually has, folded, the most telling first."""


MISSING = "image_missing"
"""Code of a failure that stands for rows without an image, and so for no image."""


_FIRST_CHANNEL = "_0000"
OTHER_SUFFIXES = frozenset(
    [".nii", ".gz", ".mha", ".mhd", ".nrrd", ".npy", ".npz", ".dicom", ".jp2", ".tif", ".tiff"]
)
"""Of files that a table may have been made for, beside those that are read here."""


def image_keys(path: Path, shortest: int = 1) -> list[str]:
    r"""Names by which a table or an annotation may call an image, without suffix, longest first.

    These are the ends of its path, joined by "/"; then the last three parts joined by "_", as
    CheXlocalize names ``patient64541/study1/view1_frontal.jpg``. A backslash in a name divides it,
    as in :func:`bare_name`.

    Args:
        path: of the image.
        shortest: number of parts of the shortest name.

    >>> from pathlib import Path
    >>> image_keys(Path("p1/study1/view1.jpg"), 2)
    ['p1/study1/view1', 'study1/view1', 'p1_study1_view1']
    """
    parts = "/".join(_parts(path)).replace("\\", "/").split("/")
    keys = []
    for length in range(len(parts), shortest - 1, -1):
        end = parts[-length:]
        keys.append("/".join(end))
    if len(parts) > 2 and shortest <= 3:
        keys.append("_".join(parts[-3:]))
    return keys


def annotation_keys(image_id: str, file_name: str) -> list[str]:
    """Names by which an annotation may call an image, the most telling first.

    Args:
        image_id: of the image.
        file_name: its file name or path.

    >>> annotation_keys("case_0000", "imagesTr/case_0000.png")
    ['imagesTr/case_0000', 'case_0000', 'imagesTr/case', 'case']
    """
    # A name of fewer parts than the id would fit other images as well.
    parts = image_id.count("/") + 1
    by_file = image_keys(Path(file_name), parts)
    by_id = image_keys(Path(image_id), parts)
    return list(dict.fromkeys([*by_file, *by_id, *_without_channel(Path(file_name), by_file)]))


def _without_channel(path: Path, keys: Sequence[str]) -> list[str]:
    """nnU-Net's names of cases: ``imagesTr/case_0000.png`` is annotated as ``case``."""
    if path.parent.name.casefold() not in ("imagestr", "imagests", "imagesval"):
        return []
    return [key.removesuffix(_FIRST_CHANNEL) for key in keys if key.endswith(_FIRST_CHANNEL)]


def bare_parts(name: str) -> list[str]:
    r"""The parts of a path of any system, without drive letters' slash, ``.`` and ``..``.

    Args:
        name: a path with either separator.

    >>> bare_parts(r".\valid\p1\view1.jpg")
    ['valid', 'p1', 'view1.jpg']
    """
    text = name.replace("\\", "/").strip()
    if re.match(r"https?://", text):
        text = re.split(r"[?#]", text)[0]
    normal = posixpath.normpath(text) if text else ""
    return [part for part in normal.split("/") if part not in ("", ".", "..")]


def bare_name(name: str) -> str:
    r"""The name of an image in a table, as :func:`image_keys` writes it.

    Args:
        name: a path with either separator, with or without suffix.

    >>> bare_name(r"valid\p1\view1.jpg"), bare_name("./a.nii.gz"), bare_name("../films/a.png")
    ('valid/p1/view1', 'a', 'films/a')
    """
    parts = bare_parts(name)
    # Only the suffix of an image goes: "view.1" is a whole name.
    for _ in range(2):
        stem, dot, suffix = parts[-1].rpartition(".") if parts else ("", "", "")
        if stem and f"{dot}{suffix.lower()}" in known_suffixes() | OTHER_SUFFIXES:
            parts[-1] = stem
            if suffix.lower() == "gz":
                continue
        break
    return "/".join(parts)


def image_ids(paths: Sequence[Path]) -> tuple[dict[Path, str], list[Failure]]:
    """The id of each image: the shortest end of its path, without suffix, that no other has.

    Args:
        paths: of the images.

    Returns:
        File → id; and a failure for each file that differs from another in its suffix only.

    >>> ids, failures = image_ids([Path("p1/a.png"), Path("p2/a.png"), Path("p2/b.png")])
    >>> list(ids.values()), failures
    (['p1/a', 'p2/a', 'b'], [])
    """
    # By its absolute path a file that is given twice counts once.
    absolute = {path.absolute(): path for path in paths}
    parts = {path: _parts(full) for full, path in absolute.items()}
    unnamed = list(parts)
    ids: dict[Path, str] = {}
    lengths = [len(of_path) for of_path in parts.values()]
    for length in range(1, 1 + max(lengths, default=0)):
        ends = {path: "/".join(parts[path][-length:]) for path in unnamed}
        occurrences = Counter(ends.values())
        for path, end in ends.items():
            if occurrences[end] == 1:
                ids[path] = end
        unnamed = [path for path in unnamed if path not in ids]
    failures = [_same_name(path) for path in unnamed]
    named = [path for path in parts if path in ids]
    return {path: ids[path] for path in named}, failures


def is_of_image(failure: Failure) -> bool:
    """Whether a failure is that of one image, and does not stand for rows without any.

    >>> is_of_image(Failure("a.png", "image", "a.png: cut short"))
    True
    """
    return failure.code != MISSING


def rows_without_image(where: Path, column: str, names: Sequence[str]) -> Failure:
    """One failure for all rows of a table whose image is not there.

    Args:
        where: the table's file.
        column: that names the images.
        names: the cells of these rows, at least one; "" where the cell is blank.

    >>> print(rows_without_image(Path("labels.csv"), "path", ["a.png", "b.png"]))
    labels.csv: 2 rows without their image: a.png, b.png (correct column 'path', or drop the rows)
    """
    what = f"{where}: {count(names, 'row')} without their image: {listing(names)}"
    if len(names) == 1:
        what = f"{where}: 1 row without its image: {listing(names)}"
    return Failure(str(where), MISSING, what, f"correct column {column!r}, or drop the rows")


def _same_name(path: Path) -> Failure:
    what = f"{path}: another image has the same name but for its suffix"
    return Failure.of(str(path), ImageError(what, "keep one of them, or rename it"))


def _parts(path: Path) -> tuple[str, ...]:
    folders = path.parts[:-1]
    if path.anchor:
        folders = folders[1:]
    return (*folders, image_id(path, None))
