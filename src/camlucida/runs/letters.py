"""The images of a run into which letters seem to be burned: its parts record it of each map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from camlucida.core.messages import Message
from camlucida.metrics.burned_in import LETTERS, MARKER, letters_notes
from camlucida.runs.folder import RunFolder
from camlucida.runs.items import LedgerEntry
from camlucida.runs.parts import part_name

_COLUMNS = ["image", "model", "identity", "warnings"]


def notes_of_letters(folder: RunFolder, entries: Sequence[LedgerEntry]) -> list[Message]:
    """A note of the images with letters, and one of those with a side marker alone.

    The parts are read without a database: to open one takes longer than to read a small run.

    Args:
        folder: of a run.
        entries: of its ledger.
    """
    parts: dict[int, dict[tuple[str, str, str], LedgerEntry]] = {}
    for entry in entries:
        if entry.position is not None and entry.part is not None:
            key = (entry.image, entry.model, entry.identity)
            parts.setdefault(entry.part, {})[key] = entry
    found: dict[str, list[LedgerEntry]] = {LETTERS.code: [], MARKER.code: []}
    for number, items in parts.items():
        with pq.ParquetFile(folder.part(part_name(number))["meta"]) as file:
            table = file.read(_COLUMNS)
        for code, of_code in found.items():
            keys = _keys_with(table, code)
            # A row that the ledger does not name is stale.
            of_code += [items[key] for key in keys if key in items]
    return letters_notes(_images(found[LETTERS.code]), _images(found[MARKER.code]))


def _keys_with(table: pa.Table, code: str) -> Iterator[tuple[str, str, str]]:
    """Image, model and identity of each map with a warning."""
    for batch in table.to_batches():
        warnings = batch.column("warnings")
        is_of_code = pc.equal(pc.list_flatten(warnings), code)
        rows = pc.filter(pc.list_parent_indices(warnings), is_of_code)
        columns = (batch.column(name).take(rows).to_pylist() for name in _COLUMNS[:3])
        yield from zip(*columns)


def _images(entries: Sequence[LedgerEntry]) -> list[str]:
    """Names in the cohort's order, each once."""
    in_order = sorted(entries, key=_position)
    return list(dict.fromkeys(entry.image for entry in in_order))


def _position(entry: LedgerEntry) -> int:
    return entry.position or 0
