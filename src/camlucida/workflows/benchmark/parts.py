"""Measurements of single models, kept beside the result until it is written.

A benchmark takes long; one that is stopped goes on after the last model that it finished.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from camlucida.core.files import write_json
from camlucida.io.tables import write_table
from camlucida.workflows.benchmark.arms import Scored

FOLDER = "parts"
TABLES = ("rows", "meta", "verification", "tag")
"""Of Scored; a table without rows has no file."""
RECORD = "part.json"
"""Written last: a part without it was not finished."""


@dataclass(frozen=True)
class Parts:
    """The finished measurements of one request, a folder each.

    Attributes:
        folder: theirs.
    """

    folder: Path

    @classmethod
    def of(cls, out: Path, request: Mapping[str, Any]) -> Parts:
        """The parts of a request; those of another request in the same place are left alone.

        Args:
            out: folder of the benchmark.
            request: whatever decides the numbers.
        """
        text = json.dumps(request, sort_keys=True, default=str)
        return cls(out / FOLDER / hashlib.sha256(text.encode()).hexdigest()[:16])

    def read(self, name: str) -> tuple[Scored, float] | None:
        """A part and the seconds that it took; None: it is not finished."""
        folder = self.folder / name
        if not (folder / RECORD).is_file():
            return None
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        tables = {table: pd.read_parquet(folder / f"{table}.parquet") for table in record["tables"]}
        scored = Scored(
            tables.pop("rows", pd.DataFrame()),
            failures=record["failures"],
            same=record["same"],
            **tables,
        )
        return scored, record["seconds"]

    def write(self, name: str, scored: Scored, seconds: float) -> None:
        """Keep a part.

        Args:
            name: unique among the parts.
            scored: the measurement.
            seconds: that it took.
        """
        folder = self.folder / name
        present = [table for table in TABLES if len(getattr(scored, table))]
        for table in present:
            write_table(getattr(scored, table), folder / f"{table}.parquet")
        record = {
            "tables": present,
            "failures": scored.failures,
            "same": dict(scored.same),
            "seconds": seconds,
        }
        write_json(folder / RECORD, record)

    def remove(self) -> None:
        """Once the result is written, its parts are of no use."""
        shutil.rmtree(self.folder, ignore_errors=True)
        parent = self.folder.parent
        if parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()
