"""Annotations of any kind, from a file or folder: the kind is seen in the content."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, starmap
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, Value, declare
from camlucida.io.annotations.annotation import AnnotationSet
from camlucida.io.annotations.box_tables import is_box_table
from camlucida.io.annotations.class_names import FILES, class_names
from camlucida.io.annotations.coco import is_coco, read_coco
from camlucida.io.annotations.dicom_objects import dicom_modality, read_dicom_objects
from camlucida.io.annotations.documents import (
    json_kind,
    read_json,
    read_polygon_file,
    read_rle_file,
)
from camlucida.io.annotations.label_maps import folders_of_names
from camlucida.io.annotations.mask_names import (
    STRUCTURE,
    bare_stem,
    image_and_label,
    is_mask_file,
    mask_annotations,
)
from camlucida.io.annotations.masks import MASK_SUFFIXES
from camlucida.io.annotations.rle_tables import is_rle_table, read_rle_table
from camlucida.io.annotations.voc import read_voc, voc_root
from camlucida.io.annotations.yolo import read_yolo, yolo_rows
from camlucida.io.image import known_suffixes
from camlucida.io.tables import fold, listing

declare(
    "notes",
    {
        "class_names": "names of classes are read from {where}",
        "files_not_used": (
            "{count} {count:|file|files} in {where} not used, as not of {kind}: {names}"
        ),
    },
)

_TABLES = (".csv", ".tsv", ".xlsx", ".parquet")
_PICTURES = "masks"
_START = 2**20
_KEYS = (b'"annotations"', b'"images"', b'"categories"', b'"counts"', b'"img_size"')
"""Bytes of a JSON file that are looked at first, and keys that annotations have there."""

_JPEG = (".jpg", ".jpeg")
_IMAGE_COLUMNS = ("image", "id", "imageid", "filename", "file", "path", "imageindex", "patientid")


@dataclass
class _Files:
    """The files of a folder by kind."""

    coco: dict[Path, Any] = field(default_factory=dict)
    rle: list[Path] = field(default_factory=list)
    polygons: list[Path] = field(default_factory=list)
    yolo: dict[str, Path] = field(default_factory=dict)
    voc: dict[str, tuple[Path, Element]] = field(default_factory=dict)
    tables: list[Path] = field(default_factory=list)
    rle_tables: list[Path] = field(default_factory=list)
    dicom: list[Path] = field(default_factory=list)
    masks: list[Path] = field(default_factory=list)
    pictures: list[Path] = field(default_factory=list)
    lossy: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)

    def kinds(self) -> list[str]:
        """The kinds of annotation that there are."""
        names = ("coco", "rle", "polygons", "yolo", "voc", "tables", "rle_tables", "dicom", "masks")
        return [name for name in names if getattr(self, name)]


def read_annotations(
    path: Path,
    labels: Sequence[str] = (),
    names: Mapping[int, str] | None = None,
) -> tuple[AnnotationSet, list[Path]]:
    """Annotations of a file or folder of any kind, but tables of boxes, which are returned.

    Args:
        path: COCO or CheXlocalize JSON, YOLO text files, Pascal VOC XML, DICOM SEG or RTSTRUCT,
            masks (PNG, TIFF, BMP, NumPy, NIfTI), or a table; or a folder of one of them.
        labels: that names of masks can mean.
        names: number → label, of label maps and of YOLO's classes; None looks for a file beside.

    Returns:
        The annotations, and the tables of boxes.

    Raises:
        UsageError: missing, none of these kinds, or several kinds in one folder.
    """
    if not path.exists():
        raise UsageError(f"no annotations {path}", "correct the path")
    files = _sorted_files(path)
    kind = _kind(path, files)
    result = _read(path, kind, files, labels, names)
    result.files = _files_read(files, kind)
    _note_others(result, path, files)
    return result, files.tables


def _kind(path: Path, files: _Files) -> str:
    """The one kind of annotation; pictures that are no usual masks count where there is none."""
    kinds = files.kinds()
    if len(kinds) > 1:
        examples = [f"{kind}: {_example(files, kind)}" for kind in kinds]
        raise UsageError(
            f"{path} holds annotations of {len(kinds)} kinds ({'; '.join(examples)})",
            f"give one of them: --masks {_example(files, kinds[0])}",
        )
    if kinds:
        return kinds[0]
    if files.pictures:
        files.masks = files.pictures
        files.others += files.lossy
    else:
        files.masks = [file for file in files.lossy if file.suffix.lower() in _JPEG]
    if files.masks:
        return _PICTURES
    seen = listing(file.name for file in (*files.others, *files.lossy)) or "no file"
    raise UsageError(
        f"no annotations in {path} ({seen})",
        "give COCO or CheXlocalize JSON, YOLO, Pascal VOC, DICOM SEG or RTSTRUCT, a table of boxes "
        f"or run lengths, or masks ({' '.join(MASK_SUFFIXES)})",
    )


def json_kind_of_file(path: Path) -> str:
    """What annotations a JSON file holds: "coco", "rle", "polygons", or "" for anything else.

    Args:
        path: of the file.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_START)
        # Most JSON files are something else, and may be large.
        document = read_json(path) if any(key in start for key in _KEYS) else None
    except (OSError, UsageError):
        return ""
    return "coco" if is_coco(document) else json_kind(document)


def is_table(path: Path) -> bool:
    """Whether a file is to be read as a table of boxes: it is none of the other kinds.

    Args:
        path: of the file; a missing one is, so that reading it says so.

    >>> is_table(Path("boxes.csv")), is_table(Path("a.xml"))
    (True, False)
    """
    suffix = path.suffix.lower()
    if path.is_dir() or suffix in (".xml", ".txt", ".dcm") or is_mask_file(path):
        return False
    if suffix != ".json" or not path.is_file():
        return bool(suffix) or not path.is_file()
    document = read_json(path)
    return not is_coco(document) and not json_kind(document)


def _read(
    path: Path, kind: str, files: _Files, labels: Sequence[str], names: Mapping[int, str] | None
) -> AnnotationSet:
    reader = _NAMED_KINDS.get(kind)
    if reader is not None:
        return reader(files)
    # Numbers stand for labels in what is left.
    named, source = names, None
    if not named:
        of_files = [file.parent for file in files.yolo.values()]
        folders = [*of_files, *folders_of_names(path, kind == "yolo")]
        named, source = class_names(dict.fromkeys(folders))
    if kind == "yolo":
        result = read_yolo(files.yolo, named)
    elif kind == "rle_tables":
        result = _joined([read_rle_table(file, _IMAGE_COLUMNS, named) for file in files.rle_tables])
    else:
        result = _masks(path, files, labels, named)
    if source is not None:
        result.notes.append(Message("notes.class_names", {"where": str(source)}))
    return result


def _rle(files: _Files) -> AnnotationSet:
    drawn = chain.from_iterable(map(read_rle_file, files.rle))
    return AnnotationSet("run-length codes", list(drawn))


def _outlines(files: _Files) -> AnnotationSet:
    drawn = chain.from_iterable(map(read_polygon_file, files.polygons))
    return AnnotationSet("outlines", list(drawn))


def _masks(
    path: Path, files: _Files, labels: Sequence[str], names: Mapping[int, str]
) -> AnnotationSet:
    root = path if path.is_dir() else path.parent
    by_name = {fold(label): label for label in labels if label}
    result = AnnotationSet("masks", by_folder=True)
    for file in files.masks:
        parts = (*file.relative_to(root).parts[:-1], bare_stem(file))
        result.drawn += mask_annotations(file, *image_and_label(parts, by_name), names)
    return result


def _joined(sets: Iterable[AnnotationSet]) -> AnnotationSet:
    first, *others = sets
    for other in others:
        first.drawn += other.drawn
        first.boxed += other.boxed
        first.aliases = {**other.aliases, **first.aliases}
        first.notes += other.notes
    return first


_NAMED_KINDS: dict[str, Callable[[_Files], AnnotationSet]] = {
    "coco": lambda files: _joined(starmap(read_coco, files.coco.items())),
    "rle": _rle,
    "polygons": _outlines,
    "voc": lambda files: read_voc(files.voc),
    "dicom": lambda files: read_dicom_objects(files.dicom),
    "tables": lambda _: AnnotationSet("a table of boxes"),
}
"""Kinds whose files name the labels."""


def _note_others(result: AnnotationSet, path: Path, files: _Files) -> None:
    others = [file for file in files.others if file.name not in FILES]
    if not others:
        return
    names = listing(file.relative_to(path).as_posix() for file in others)
    values: dict[str, Value] = {"count": len(others), "where": str(path), "names": names}
    values["kind"] = result.kind
    result.notes.append(Message("notes.files_not_used", values))


def _files_read(files: _Files, kind: str) -> list[Path]:
    content = getattr(files, kind)
    if kind == "yolo":
        return list(content.values())
    if kind == "voc":
        return [file for file, _ in content.values()]
    return list(content)


def _example(files: _Files, kind: str) -> str:
    content = getattr(files, kind)
    first = next(iter(content))
    if kind == "yolo":
        first = content[first].parent
    if kind == "voc":
        first = content[first][0].parent
    if kind == "masks":
        first = first.parent
    return str(first)


# ---- kinds of file ------------------------------------------------------------------------------


def _sorted_files(path: Path) -> _Files:
    files = _Files()
    if not path.is_dir():
        _sort(files, path, path.parent)
        if files.pictures:
            files.masks, files.pictures = files.pictures, []
        return files
    for file in sorted(path.rglob("*")):
        relative = file.relative_to(path)
        hidden = any(part.startswith((".", "__MACOSX")) for part in relative.parts)
        if file.is_file() and not hidden:
            _sort(files, file, path)
    return files


def _sort(files: _Files, file: Path, root: Path) -> None:
    """Put a file where it belongs; by its content, where the suffix leaves a choice."""
    suffix = file.suffix.lower()
    sorter = _SORTERS.get(suffix)
    if file.name in FILES:
        files.others.append(file)
    elif sorter is not None and sorter(files, file, root):
        pass
    elif is_mask_file(file):
        folders = file.relative_to(root).parts[:-1]
        in_masks = any(fold(name) in _MASK_FOLDERS for name in folders)
        (files.masks if in_masks else files.pictures).append(file)
    elif dicom_modality(file) in ("SEG", "RTSTRUCT"):
        files.dicom.append(file)
    elif suffix in known_suffixes():
        files.lossy.append(file)
    else:
        files.others.append(file)


_MASK_FOLDERS = frozenset(("masks", "mask", "segmentationclass", "labelstr", "gt", "groundtruth"))


def _sort_json(files: _Files, file: Path, root: Path) -> bool:
    document = read_json(file)
    if is_coco(document):
        files.coco[file] = document
        return True
    kind = json_kind(document)
    if kind:
        getattr(files, kind).append(file)
    return bool(kind)


def _sort_text(files: _Files, file: Path, root: Path) -> bool:
    try:
        rows = yolo_rows(file.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError):
        return False
    if rows is not None:
        files.yolo[image_of(file, root)] = file
    return rows is not None


def _sort_xml(files: _Files, file: Path, root: Path) -> bool:
    annotation = voc_root(file, file.read_bytes())
    if annotation is not None:
        files.voc[image_of(file, root)] = (file, annotation)
    return annotation is not None


def _sort_table(files: _Files, file: Path, root: Path) -> bool:
    if is_box_table(file, _IMAGE_COLUMNS):
        files.tables.append(file)
    elif is_rle_table(file, _IMAGE_COLUMNS):
        files.rle_tables.append(file)
    else:
        return False
    return True


_SORTERS: dict[str, Callable[[_Files, Path, Path], bool]] = {
    ".json": _sort_json,
    ".txt": _sort_text,
    ".xml": _sort_xml,
    **dict.fromkeys(_TABLES, _sort_table),
}


def image_of(file: Path, root: Path) -> str:
    """The image that a file of annotations is named after, as a path from its folder.

    Args:
        file: of annotations.
        root: the folder that was given.

    >>> image_of(Path("d/labels/train/a.txt"), Path("d"))
    'train/a'
    """
    *folders, _ = file.relative_to(root).parts
    kept = [name for name in folders if fold(name) not in STRUCTURE]
    return "/".join([*kept, file.stem])
