"""Which images of a project are taken, as folders wherever a folder holds nothing else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from camlucida.core.messages import Message, declare
from camlucida.datasets.annotation_discovery import IMAGE_FOLDERS
from camlucida.io import expand_paths
from camlucida.io.tables import fold
from camlucida.workflows.import_project.log import ImportLog
from camlucida.workflows.import_project.tables import ProjectTable, held_out_rank

declare(
    "imported",
    {
        "images": "images {folders}: {count} {count:|image|images}, {reason}",
        "named_images": "named by {file}",
        "held_out_images": "of the {split} folder, which goes before those of training",
        "usual_images": "in the folder that is called as one of images",
        "all_images": "the only ones that are not in a folder of results",
        "given_images": "as given",
    },
)
declare(
    "not_imported",
    {
        "images": (
            "{count} other {count:|image|images} in {folders}; --images FOLDER takes others"
        ),
    },
)

RESULT_FOLDERS = frozenset(
    (
        *("outputs", "output", "out", "results", "result", "runs", "logs", "log", "figures"),
        *("figure", "figs", "fig", "plots", "plot", "assets", "docs", "doc", "visualizations"),
        *("checkpoints", "weights", "models", "gradcam", "explanations", "screenshots", "tests"),
    )
)
"""Folders whose pictures are rather drawn by the project than its data; folded."""

_SPLITS = ("test", "validation")


def choose_images(
    images: Sequence[Path], table: ProjectTable | None, given: Path | None, log: ImportLog
) -> list[Path]:
    """The images of the cohort.

    Those that the table names, else those in folders that are called as folders of images are,
    else all that lie in no folder of results; of these the held-out ones, where folders tell.

    Args:
        images: of the project.
        table: of their labels or values; None for none.
        given: folder that the user named.
        log: takes what is used and what is not.

    Returns:
        Sorted paths.
    """
    if given is not None:
        candidates, reason = list(images), Message("imported.given_images")
    elif table is not None:
        candidates = list(table.images)
        reason = Message("imported.named_images", {"file": log.name(table.path)})
    else:
        candidates, reason = _by_folders(images, log.folder)
    chosen = candidates
    if given is None:
        chosen, split = _held_out(candidates, log.folder)
        if split:
            reason = Message("imported.held_out_images", {"split": split})
    if not chosen:
        return []
    folders = log.names(as_folders(chosen))
    log.use("images", folders=folders, count=len(chosen), reason=reason)
    others = sorted(set(images).difference(chosen))
    if others:
        places = log.names(dict.fromkeys(path.parent for path in others))
        log.leave("images", count=len(others), folders=places)
    return sorted(chosen)


def _by_folders(images: Sequence[Path], folder: Path) -> tuple[list[Path], Message]:
    data = [path for path in images if not _is_in(path, folder, RESULT_FOLDERS)]
    usual = [path for path in data if _is_in(path, folder, IMAGE_FOLDERS)]
    if usual:
        return usual, Message("imported.usual_images")
    return data, Message("imported.all_images")


def _is_in(path: Path, folder: Path, names: frozenset[str]) -> bool:
    return any(fold(part) in names for part in path.relative_to(folder).parts[:-1])


def _held_out(images: Sequence[Path], folder: Path) -> tuple[list[Path], str]:
    """The images of the test folders, else of validation; and which, where there are others."""
    ranks = {path: held_out_rank(*path.relative_to(folder).parts[:-1]) for path in images}
    best = min(ranks.values(), default=2)
    if best >= len(_SPLITS) or len(set(ranks.values())) == 1:
        return list(images), ""
    return [path for path, rank in ranks.items() if rank == best], _SPLITS[best]


def as_folders(chosen: Sequence[Path]) -> list[Path]:
    """Folders and files that hold exactly these images.

    Args:
        chosen: images, at least one.

    Returns:
        The largest folders in which nothing else is an image, and the other files by themselves.
    """
    return _folders_below(Path(os.path.commonpath([path.parent for path in chosen])), chosen)


def _folders_below(top: Path, chosen: Sequence[Path]) -> list[Path]:
    wanted = set(chosen)
    present, _ = expand_paths([top])
    if wanted.issuperset(present):
        return [top]
    places: list[Path] = []
    by_child: dict[Path, list[Path]] = {}
    for path in sorted(wanted):
        child = top / path.relative_to(top).parts[0]
        by_child.setdefault(child, []).append(path)
    for child, paths in by_child.items():
        places += _folders_below(child, paths) if child.is_dir() else [child]
    return places
