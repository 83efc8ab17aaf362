"""Parts that are written again: without rows of no item, or many small ones as few large ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camlucida.core.errors import UsageError
from camlucida.runs.folder import RunFolder, one_writer
from camlucida.runs.items import Key, LedgerEntry
from camlucida.runs.ledger import Ledger
from camlucida.runs.parts import (
    Digests,
    Map,
    Row,
    damaged_file,
    part_name,
    read_part,
    read_record,
    write_part,
)

ITEMS = 4096
"""Items of a compacted part: one file of maps for 128 parts of 32 images."""


@dataclass(frozen=True)
class Compacted:
    """What :func:`compact` did.

    Attributes:
        before, after: number of parts.
    """

    before: int
    after: int


def compact(root: Path, items: int = ITEMS) -> Compacted:
    """Join the parts of a run into larger ones; every table and map stays as it is.

    Killed at any moment, the run is as it was before, or as it is after a step.

    Args:
        root: folder of the run.
        items: of a new part, ≥ 1; the last may hold fewer.

    Raises:
        UsageError: not a run, one that another process writes to, or a damaged part.
    """
    folder = RunFolder(root)
    if not folder.ledger.is_file():
        raise UsageError(f"{root} is not the folder of a run", "give the folder of a run")
    with one_writer(folder), Ledger.write(folder.ledger) as ledger:
        digests, before = ledger.digests(), len(ledger.parts())
        for number in digests:
            damaged = damaged_file(folder, number, digests[number])
            if damaged is not None:
                fix = "compute it again first: camlucida run … --resume"
                raise UsageError(f"{damaged} is missing or damaged", fix)
        held = held_items(ledger)
        for numbers in _groups(ledger.parts(), items):
            entries: list[LedgerEntry] = []
            for number in numbers:
                entries += held[number]
            rewrite(folder, ledger, numbers, entries)
        remove_strays(folder, ledger)
        return Compacted(before, len(ledger.parts()))


def held_items(ledger: Ledger) -> dict[int, list[LedgerEntry]]:
    """Number of each part → the items whose rows it holds.

    Args:
        ledger: of the run.
    """
    held: dict[int, list[LedgerEntry]] = {number: [] for number in ledger.parts()}
    for entry in ledger.entries():
        if entry.part is not None:
            held[entry.part].append(entry)
    return held


def rewrite(
    folder: RunFolder, ledger: Ledger, numbers: Sequence[int], entries: Iterable[LedgerEntry]
) -> None:
    """Write the rows of some items into one new part, in place of the parts that hold them.

    Args:
        folder: of the run.
        ledger: open for writing.
        numbers: of the old parts.
        entries: the items that are kept; without any there is no new part.
    """
    keys = {entry.key for entry in entries}
    rows: list[Row] = []
    maps: list[Map] = []
    predictions: list[Row] = []
    for number in numbers:
        part_rows, part_maps, part_predictions = read_part(folder, number)
        kept = [i for i, row in enumerate(part_rows) if _key(row) in keys]
        rows += [part_rows[i] for i in kept]
        maps += [part_maps[i] for i in kept]
        predictions += [row for row in part_predictions if _key(row) in keys]
    first: dict[Key, int] = dict.fromkeys(keys, 0)
    for i, row in reversed(list(enumerate(predictions))):
        first[_key(row)] = i
    new = ledger.next_part() if keys else None
    digests: Digests = {}
    if new is not None:
        record = _kept_record(folder, numbers, first)
        digests = write_part(folder, new, rows, maps, predictions, record)
    ledger.rewrite(numbers, new, first, digests)


def remove_strays(folder: RunFolder, ledger: Ledger) -> None:
    """Remove files of parts that the ledger does not name, and unfinished files.

    Args:
        folder: of the run.
        ledger: of the run.
    """
    for path in folder.strays(set(map(part_name, ledger.parts()))):
        path.unlink()


def _groups(parts: Mapping[int, int], items: int) -> Iterator[list[int]]:
    """Neighbouring parts that fit into one; none of a single part."""
    group: list[int] = []
    size = 0
    for number, count in parts.items():
        if group and size + count > items:
            yield from [group] if len(group) > 1 else []
            group, size = [], 0
        group.append(number)
        size += count
    if len(group) > 1:
        yield group


def _key(row: Row) -> Key:
    return row["image"], row["model"]


def _kept_record(
    folder: RunFolder, numbers: Sequence[int], rows: Mapping[Key, int]
) -> dict[str, Any]:
    """The record of some parts, of the items in ``rows`` alone, each with its new first row."""
    items: list[dict[str, Any]] = []
    provenance: dict[str, str] = {}
    for number in numbers:
        stored = read_record(folder, number)
        if stored is None:
            continue
        kept = [item for item in stored[0]["items"] if tuple(item["key"]) in rows]
        items += [item | {"row": rows[tuple(item["key"])]} for item in kept]
        provenance |= stored[0]["provenance"]
    return {"items": items, "provenance": provenance}
