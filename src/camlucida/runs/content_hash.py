"""One hash of all that a run's results rest on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from camlucida.runs.folder import FOLDERS, RunFolder
from camlucida.runs.identity import file_sha256

EVALUATION = "evaluation"
"""Folder in that of a run, with what was measured of its maps."""


def content_hash(folder: RunFolder) -> str:
    """SHA-256 of the list of a run's result files and their SHA-256 sums.

    The files are ``run.json``, ``cohort.parquet``, the parts and the evaluation; not the ledger,
    which counts attempts, nor reports, which are made of these. The list is what ``sha256sum``
    prints, in the order of the bytes of the paths, so that a shell computes the same hash::

        cd RUN && find run.json cohort.parquet maps meta predictions evaluation -type f \\
            | LC_ALL=C sort | xargs sha256sum | sha256sum

    Args:
        folder: of the run.

    Returns:
        64 hexadecimal digits.
    """
    paths = sorted(path.relative_to(folder.root).as_posix().encode() for path in _files(folder))
    lines = [f"{file_sha256(folder.root / path.decode())}  ".encode() + path for path in paths]
    return hashlib.sha256(b"".join(line + b"\n" for line in lines)).hexdigest()


def _files(folder: RunFolder) -> Iterator[Path]:
    for path in (folder.about, folder.cohort):
        if path.is_file():
            yield path
    for name in (*FOLDERS, EVALUATION):
        yield from (path for path in (folder.root / name).rglob("*") if path.is_file())
