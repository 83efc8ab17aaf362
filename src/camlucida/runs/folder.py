"""Where the files of a run are, and who may write to them."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from camlucida.core.errors import UsageError

FORMAT = 3
"""Of the folder and its ledger; another one is refused, not guessed at."""

FOLDERS = ("maps", "meta", "predictions")
"""Sub-folders of the parts."""

TEMPORARY = ".camlucida-"
"""How the names of unfinished files begin."""


@dataclass(frozen=True)
class RunFolder:
    """The layout of a run.

    ``run.json``: models, request and notes; ``cohort.parquet``: what the table says of each image;
    ``ledger.sqlite``: the state of each item; ``maps/``, ``meta/`` and ``predictions/``: the parts;
    ``figures/``, ``report/`` and ``exports/``: for later commands.
    """

    root: Path

    @property
    def about(self) -> Path:
        """Models, request and notes; JSON."""
        return self.root / "run.json"

    @property
    def cohort(self) -> Path:
        """One row an image and model."""
        return self.root / "cohort.parquet"

    @property
    def ledger(self) -> Path:
        """SQLite."""
        return self.root / "ledger.sqlite"

    def part(self, name: str) -> dict[str, Path]:
        """The three files of a part."""
        return {
            "maps": self.root / "maps" / f"{name}.safetensors",
            "meta": self.root / "meta" / f"{name}.parquet",
            "predictions": self.root / "predictions" / f"{name}.parquet",
        }

    def exists(self) -> bool:
        """Whether a run was begun here: there is its ledger, or a part that can restore it."""
        return self.ledger.is_file() or bool(self.part_numbers())

    def part_numbers(self) -> list[int]:
        """Numbers of the parts with a file of maps, ascending."""
        paths = (self.root / "maps").glob("part-*.safetensors")
        return sorted(int(path.stem.partition("-")[2]) for path in paths if is_part(path))

    def make(self) -> None:
        """Make the folders that are missing; durable."""
        for name in FOLDERS:
            (self.root / name).mkdir(parents=True, exist_ok=True)
        sync_folder(self.root)

    def check_free(self) -> None:
        """Check that a new run would not write over somebody's file.

        Raises:
            UsageError: it would.
        """
        names = [path.name for path in (self.about, self.cohort) if path.exists()]
        if names and not self.exists():
            raise UsageError(
                f"{self.root} holds {' and '.join(names)}, but no run",
                "give another --out, or move them away",
            )

    def strays(self, parts: set[str]) -> list[Path]:
        """What a killed process left behind: unfinished files, and files of other parts.

        Args:
            parts: names of the parts that count.

        Returns:
            Paths; never one of a file that another program wrote.
        """
        strays = []
        for name in FOLDERS:
            for path in sorted((self.root / name).glob("*")):
                is_other = is_part(path) and path.stem not in parts
                if is_other or path.name.startswith(TEMPORARY):
                    strays.append(path)
        return [*strays, *sorted(self.root.glob(f"{TEMPORARY}*"))]

    def read_about(self) -> dict[str, Any]:
        """The content of ``run.json``.

        Raises:
            UsageError: damaged, of another program, or of another format.
        """
        try:
            about = dict(json.loads(self.about.read_text("utf-8")))
            number = int(about["format"])
        except (ValueError, LookupError, TypeError) as error:
            what = f"{self.about} cannot be read as that of a run ({type(error).__name__}: {error})"
            raise UsageError(
                what, "take it away, and go on with --resume: it is written again"
            ) from error
        check_format(number, self.about)
        return about


def check_format(number: int, path: Path) -> None:
    """Refuse a run of another format.

    Args:
        number: the format that the file states.
        path: of that file.

    Raises:
        UsageError: the format is not :data:`FORMAT`.

    >>> check_format(FORMAT, Path("run.json"))
    """
    if number == FORMAT:
        return
    fix = "update camlucida" if number > FORMAT else "run it again into a new folder"
    raise UsageError(f"{path} is of format {number}, and this version reads {FORMAT}", fix)


def is_part(path: PurePath) -> bool:
    """Whether a file has the name of a part's.

    Args:
        path: in one of :data:`FOLDERS`.

    >>> is_part(Path("maps/part-00007.safetensors")), is_part(Path("maps/part-notes.txt"))
    (True, False)
    """
    return re.fullmatch(r"part-\d{5,}\.(safetensors|parquet)", path.name) is not None


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    if os.name == "nt":  # Windows has no handle on a folder; it writes names through
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def one_writer(folder: RunFolder) -> Iterator[None]:
    """Hold the run for this process.

    The system releases it when the process dies, however it dies.

    Raises:
        UsageError: another process holds it.
    """
    with closing(
        sqlite3.connect(folder.root / "writer.lock", timeout=0, isolation_level=None)
    ) as lock:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            raise UsageError(
                f"another process is writing to the run {folder.root}", "wait for it, or end it"
            ) from error
        yield
