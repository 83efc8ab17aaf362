"""The tables of a run: SQL views over its parts, its ledger and its cohort.

A view holds what the ledger names, so that no stale row is ever in a table.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

import duckdb
import pyarrow as pa

from camlucida.core.files import without_dots
from camlucida.datasets.cohort import CohortImage
from camlucida.io.keyed_files import MASK
from camlucida.runs.folder import RunFolder
from camlucida.runs.identity import canonical
from camlucida.runs.items import LedgerEntry
from camlucida.runs.parts import META, PREDICTIONS, part_name

GROUP = "group_"
"""What stands before the name of a group column."""

_TEXTS = pa.list_(pa.string())


def cohort_schema(groups: Sequence[str]) -> pa.Schema:
    """Of ``cohort.parquet``.

    Args:
        groups: names of the cohort's group columns.
    """
    plain = [(name, pa.string()) for name in ("image", "model", "path", "patient", "split", "mask")]
    truth = [
        ("value", pa.float64()),
        ("box", pa.list_(pa.float64())),
        ("positives", _TEXTS),
        ("unknown", _TEXTS),
    ]
    return pa.schema([*plain, *truth, *((GROUP + name, pa.string()) for name in groups)])


def cohort_rows(models: Iterable[tuple[str, Sequence[CohortImage]]]) -> list[dict[str, Any]]:
    """One row for each image and model.

    Args:
        models: name of each model, and the cohort's images.
    """
    rows = []
    for model, images in models:
        rows += [_cohort_row(model, image) for image in images]
    return rows


def _cohort_row(model: str, image: CohortImage) -> dict[str, Any]:
    return {
        "image": image.id,
        "model": model,
        "path": str(without_dots(image.path)) if image.keyed is None else image.keyed.as_posix(),
        "patient": image.patient,
        "split": image.split,
        "mask": _mask(image),
        "value": image.value,
        "box": None if image.box is None else list(image.box),
        "positives": None if image.positives is None else list(image.positives),
        "unknown": sorted(image.unknown),
        **{GROUP + name: group or None for name, group in image.groups.items()},
    }


def _mask(image: CohortImage) -> str | None:
    if image.mask is None:
        return None
    return str(image.mask) if image.keyed is None else (image.keyed / MASK).as_posix()


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """The in-memory database of the process: to open one takes longer than to read a small run."""
    db = duckdb.connect()
    if db.execute("SELECT current_setting('enable_progress_bar')").fetchall() == [(True,)]:
        # in a notebook without widgets there is none, and switching it off again is an error
        db.execute("SET enable_progress_bar = false")
    return db


atexit.register(_database.cache_clear)  # before DuckDB itself is taken down
if hasattr(os, "register_at_fork"):
    # A forked process has none of the threads that its parent's database would wait for.
    os.register_at_fork(before=_database.cache_clear)


def connect(folder: RunFolder, entries: Sequence[LedgerEntry]) -> duckdb.DuckDBPyConnection:
    """A connection with the views of a run; what is done by it ends with it.

    The views are ``items``, ``cohort``, ``predictions`` and ``explanations``.
    """
    db = _database().cursor()
    db.begin()
    current = [entry for entry in entries if entry.position is not None]
    db.register("items", _items(current))
    db.execute(
        f"CREATE TEMP VIEW cohort AS SELECT * FROM read_parquet({_quoted(str(folder.cohort))})"
    )
    numbers = sorted({entry.part for entry in current if entry.part is not None})
    for kind, schema in (("meta", META), ("predictions", PREDICTIONS)):
        files = [str(folder.part(part_name(number))[kind]) for number in numbers]
        _view_parts(db, kind, schema, files)
    db.execute(
        f"CREATE TEMP VIEW predictions AS {_SELECT.format(kind='predictions', extra=_TRUTH)}"
    )
    db.execute(f"CREATE TEMP VIEW explanations AS {_SELECT.format(kind='meta', extra='')}")
    return db


def _view_parts(
    db: duckdb.DuckDBPyConnection, kind: str, schema: pa.Schema, files: Sequence[str]
) -> None:
    """The view ``all_KIND`` of all rows of these files; without files it has no rows."""
    listed = f"[{', '.join(map(_quoted, files))}]"
    # union_by_name reads the schema of every file, so that a damaged one is found here
    options = "filename = true, file_row_number = true, union_by_name = true"
    source = f"read_parquet({listed}, {options})"
    if not files:
        empty = {item.name: pa.array([], item.type) for item in schema}
        db.register(f"no_{kind}", pa.table(empty | _NO_PLACE))
        source = f"no_{kind}"
    part = "parse_filename(filename, true) AS part"
    db.execute(f"CREATE TEMP VIEW all_{kind} AS SELECT *, {part} FROM {source}")


_NO_PLACE = {"filename": pa.array([], pa.string()), "file_row_number": pa.array([], pa.int64())}

_TRUTH = """CASE WHEN r.task = 'regression' THEN c.value
    WHEN c.positives IS NULL OR list_contains(c.unknown, r.label) THEN NULL
    ELSE list_contains(c.positives, r.label)::DOUBLE END AS truth,"""
"""1, 0, or NULL where the table does not say; the true value of a regression."""

_SELECT = """SELECT r.* EXCLUDE (filename, file_row_number), {extra} i.position,
    c.* EXCLUDE (image, model, value, positives, unknown), r.file_row_number AS row
    FROM all_{kind} r
    JOIN items i
    ON r.image = i.image AND r.model = i.model AND r.identity = i.identity AND r.part = i.part
    JOIN cohort c ON r.image = c.image AND r.model = c.model"""


def _items(entries: Sequence[LedgerEntry]) -> pa.Table:
    schema = pa.schema(
        [
            *((name, pa.string()) for name in ("image", "model", "state", "identity", "part")),
            *(("position", pa.int64()), ("attempts", pa.int64())),
            *((name, pa.string()) for name in ("error_code", "error", "fix")),
            ("missing", pa.string()),
        ]
    )
    return pa.Table.from_pylist(list(map(_item_row, entries)), schema=schema)


def _item_row(entry: LedgerEntry) -> dict[str, Any]:
    failure = entry.failure
    return {
        "image": entry.image,
        "model": entry.model,
        "state": entry.state,
        "identity": entry.identity,
        "part": None if entry.part is None else part_name(entry.part),
        "position": entry.position,
        "attempts": entry.attempts,
        "error_code": "" if failure is None else failure.code,
        "error": "" if failure is None else failure.what,
        "fix": "" if failure is None else failure.fix,
        # most items miss no map, and 100,000 are written here when a run is opened
        "missing": canonical([asdict(each) for each in entry.missing]) if entry.missing else "[]",
    }


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
