"""What a run is read as: SQL views over its parts, its ledger and its cohort, so that nothing stale is ever in a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from camlucida.core.files import without_dots
from camlucida.datasets.cohort import CohortImage
from camlucida.runs.folder import RunFolder
from camlucida.runs.ledger import LedgerEntry
from camlucida.runs.parts import META, PREDICTIONS, part_name

GROUP = "group_"
"""What stands before the name of a group column."""

_TEXTS = pa.list_(pa.string())


def cohort_schema(groups: Sequence[str]) -> pa.Schema:
    """Of ``cohort.parquet``."""
    plain = [(name, pa.string()) for name in ("image", "model", "path", "patient", "split", "mask")]
    truth = [
        ("value", pa.float64()),
        ("box", pa.list_(pa.float64())),
        ("positives", _TEXTS),
        ("unknown", _TEXTS),
    ]
    return pa.schema([*plain, *truth, *((GROUP + name, pa.string()) for name in groups)])


def cohort_rows(members: Iterable[tuple[str, Sequence[CohortImage]]]) -> list[dict[str, Any]]:
    """One row an image and model.

    Args:
        members: model's name and its members.
    """
    return [
        {
            "image": member.id,
            "model": model,
            "path": str(without_dots(member.path)),
            "patient": member.patient,
            "split": member.split,
            "mask": None if member.mask is None else str(member.mask),
            "value": member.value,
            "box": None if member.box is None else list(member.box),
            "positives": None if member.positives is None else list(member.positives),
            "unknown": sorted(member.unknown),
            **{GROUP + name: group or None for name, group in member.groups.items()},
        }
        for model, of_model in members
        for member in of_model
    ]


def connect(folder: RunFolder, entries: Sequence[LedgerEntry]) -> duckdb.DuckDBPyConnection:
    """An in-memory database with the views ``items``, ``cohort``, ``predictions`` and ``explanations``."""
    db = duckdb.connect()
    if db.execute("SELECT current_setting('enable_progress_bar')").fetchall() == [(True,)]:
        db.execute(
            "SET enable_progress_bar = false"
        )  # a notebook without widgets has none, and refuses to be told so
    live = [entry for entry in entries if entry.position is not None]
    db.register("items", _items(live))
    db.execute(f"CREATE VIEW cohort AS SELECT * FROM read_parquet({_quoted(str(folder.cohort))})")
    names = [
        part_name(number)
        for number in sorted({entry.part for entry in live if entry.part is not None})
    ]
    for kind, schema in (("meta", META), ("predictions", PREDICTIONS)):
        files = [str(folder.part(name)[kind]) for name in names]
        db.register(
            f"no_{kind}", pa.table({**{f.name: pa.array([], f.type) for f in schema}, **_NOWHERE})
        )
        listed = f"[{', '.join(map(_quoted, files))}]"
        options = "filename = true, file_row_number = true, union_by_name = true"  # an older part may lack a column
        source = f"read_parquet({listed}, {options})" if files else f"no_{kind}"
        db.execute(
            f"CREATE VIEW all_{kind} AS SELECT *, parse_filename(filename, true) AS part FROM {source}"
        )
    db.execute(f"CREATE VIEW predictions AS {_SELECT.format(kind='predictions', extra=_TRUTH)}")
    db.execute(f"CREATE VIEW explanations AS {_SELECT.format(kind='meta', extra='')}")
    return db


_NOWHERE = {"filename": pa.array([], pa.string()), "file_row_number": pa.array([], pa.int64())}

_TRUTH = """CASE WHEN r.task = 'regression' THEN c.value
    WHEN c.positives IS NULL OR list_contains(c.unknown, r.label) THEN NULL
    ELSE list_contains(c.positives, r.label)::DOUBLE END AS truth,"""
"""1, 0, or NULL where the table does not say; the true value of a regression."""

_SELECT = """SELECT r.* EXCLUDE (filename, file_row_number), {extra} i.position,
    c.* EXCLUDE (image, model, value, positives, unknown), r.file_row_number AS row
    FROM all_{kind} r
    JOIN items i ON r.image = i.image AND r.model = i.model AND r.identity = i.identity AND r.part = i.part
    JOIN cohort c ON r.image = c.image AND r.model = c.model"""


def _items(entries: Sequence[LedgerEntry]) -> pa.Table:
    names = ("image", "model", "position", "state", "attempts", "identity", "error", "note")
    columns = {name: [getattr(entry, name) for entry in entries] for name in names}
    parts = [None if entry.part is None else part_name(entry.part) for entry in entries]
    whole = ("position", "attempts")
    typed = {
        name: pa.array(cells, pa.int64() if name in whole else pa.string())
        for name, cells in columns.items()
    }
    return pa.table({**typed, "part": pa.array(parts, pa.string())})


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
