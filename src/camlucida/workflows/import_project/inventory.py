"""The files of a training project by kind, as far as their names tell it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from camlucida.core.errors import UsageError
from camlucida.core.files import reading
from camlucida.core.messages import declare
from camlucida.datasets.annotation_discovery import ANNOTATION_FOLDERS
from camlucida.io import expand_paths
from camlucida.io.tables import fold
from camlucida.models.checkpoint_file import SUFFIXES
from camlucida.models.side_files import NAMES
from camlucida.workflows.import_project.log import ImportLog

declare(
    "not_imported",
    {"others": "{count} other {count:|file|files}: {kinds}"},
)

SKIPPED_FOLDERS = frozenset(("__pycache__", "node_modules", "site-packages", "venv", "env"))
"""Folders in which a project has nothing of its own."""

TABLES = (".csv", ".tsv", ".xlsx", ".parquet")
RECORD = "import.json"
WRITTEN_HERE = frozenset((RECORD, "explanations.json", "ledger.sqlite"))
"""What an import, an explanation and a run write; a folder with any of them is not searched."""


@dataclass(frozen=True)
class Inventory:
    """The files of a project, sorted.

    Attributes:
        folder: of the project, absolute.
        checkpoints, tables, documents: by their suffixes; documents are TOML and JSON.
        images: pictures that lie in no folder of annotations.
        others: files of no kind, which may be annotations.
    """

    folder: Path
    checkpoints: tuple[Path, ...]
    tables: tuple[Path, ...]
    documents: tuple[Path, ...]
    images: tuple[Path, ...]
    others: tuple[Path, ...] = ()


def take_inventory(folder: Path) -> Inventory:
    """Search a folder with its subfolders; hidden ones are left out.

    Args:
        folder: of the project.

    Raises:
        UsageError: no such folder.
    """
    with reading(folder, UsageError, "the project"):
        if not folder.is_dir():
            raise UsageError(f"no folder {folder}", "give the folder of a training project")
    files = sorted(_files(folder))
    pictures, _ = expand_paths([folder])
    visible = set(files)
    images = [path for path in pictures if path in visible and not below_annotations(path, folder)]
    checkpoints = _with_suffix(files, SUFFIXES)
    tables = _with_suffix(files, TABLES)
    documents = _with_suffix(files, (".toml", ".json"))
    known = {*pictures, *checkpoints, *tables}
    others = [path for path in files if path not in known and not _is_read_elsewhere(path, folder)]
    return Inventory(folder, checkpoints, tables, documents, tuple(images), tuple(others))


def leave_others(inventory: Inventory, log: ImportLog) -> None:
    """Say which files are of no kind and were used by nothing.

    Args:
        inventory: of the project.
        log: names every file that was used, or not used for a reason.
    """
    named = {message.values.get("file") for message in (*log.recognised, *log.unused)}
    others = [path for path in inventory.others if log.name(path) not in named]
    if not others:
        return
    kinds = Counter(path.suffix.lower() or path.name for path in others)
    shown = [f"{count} {kind}" for kind, count in kinds.most_common(8)]
    log.leave("others", count=len(others), kinds=", ".join(shown))


def _with_suffix(files: Sequence[Path], suffixes: Collection[str]) -> tuple[Path, ...]:
    return tuple(path for path in files if path.suffix.lower() in suffixes)


def below_annotations(path: Path, folder: Path) -> bool:
    """Whether a file lies in a folder of masks or other annotations.

    Args:
        path: of the file.
        folder: of the project; names above it do not count.
    """
    parents = path.relative_to(folder).parts[:-1]
    return any(fold(name) in ANNOTATION_FOLDERS for name in parents)


def _files(folder: Path) -> Iterator[Path]:
    for root, names, files in os.walk(folder):
        if not WRITTEN_HERE.isdisjoint(files):
            names.clear()
            continue
        names[:] = [name for name in names if not _is_skipped(name)]
        yield from (Path(root, name) for name in files if not name.startswith("."))


def _is_skipped(name: str) -> bool:
    return name.startswith(".") or name in SKIPPED_FOLDERS


def _is_read_elsewhere(path: Path, folder: Path) -> bool:
    """Whether a file may state options, or be an annotation: what uses it says so."""
    return path.stem in NAMES or below_annotations(path, folder) or path.suffix == ".toml"
