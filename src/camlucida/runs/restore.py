"""A lost or damaged ledger, made again from what the parts say of their items."""

from __future__ import annotations

from itertools import chain

import pyarrow as pa
import pyarrow.parquet as pq

from camlucida.core.messages import Message, declare
from camlucida.runs.folder import TEMPORARY, RunFolder
from camlucida.runs.items import FinishedItem, Key
from camlucida.runs.ledger import DamagedLedger, Ledger
from camlucida.runs.parts import read_record
from camlucida.runs.slots import Shard, images_of, part_slots

declare(
    "notes",
    {
        "restored_ledger": (
            "the ledger was lost or damaged, and restored from {parts} {parts:|part|parts} "
            "with {items} {items:|item|items}"
        ),
    },
)


def read_ledger(folder: RunFolder) -> tuple[Ledger, list[Message]]:
    """The ledger of a run for reading; one that is lost is restored in memory.

    Args:
        folder: of the run; nothing in it is changed.

    Returns:
        The ledger, and a note where it was restored.

    Raises:
        UsageError: it is of another version, cannot be opened, or no part can restore it.
    """
    try:
        return Ledger.read(folder.ledger), []
    except DamagedLedger:
        if not folder.part_numbers():
            raise
    ledger = Ledger.in_memory(folder.ledger)
    note = restore(folder, ledger)
    ledger.set_cohort(cohort_keys(folder))
    return ledger, [note]


def write_ledger(folder: RunFolder) -> tuple[Ledger, list[Message]]:
    """The ledger of a run for writing, made if it is missing, restored if it is lost.

    A damaged file is kept beside it, as ``ledger.sqlite.damaged``.

    Args:
        folder: of the run.

    Returns:
        The ledger, and a note where it was restored.

    Raises:
        UsageError: it is of another version, or cannot be opened.
    """
    try:
        ledger = Ledger.write(folder.ledger)
        if ledger.entries() or not folder.part_numbers():
            return ledger, []
        ledger.close()
    except DamagedLedger:
        _put_aside(folder)
    # Restored beside its place, so that a killed process leaves no half of it there.
    temporary = folder.root / f"{TEMPORARY}ledger"
    temporary.unlink(missing_ok=True)
    with Ledger.write(temporary) as restored:
        note = restore(folder, restored)
    temporary.replace(folder.ledger)
    return Ledger.write(folder.ledger), [note]


def restore(folder: RunFolder, ledger: Ledger) -> Message:
    """Fill an empty ledger from the parts that are whole.

    An item that is in more than one part belongs to the latest. Items without rows are not in any
    part, and are pending.

    Args:
        folder: of the run.
        ledger: empty.

    Returns:
        A note of what was restored.
    """
    keys: set[Key] = set()
    parts = 0
    for number in folder.part_numbers():
        stored = read_record(folder, number)
        if stored is None:
            continue
        record, digests = stored
        items = [FinishedItem.from_json(item) for item in record["items"]]
        keys |= {item.key for item in items}
        ledger.set_cohort(sorted(keys))
        ledger.finish(number, items, record["provenance"], digests)
        parts += 1
    return Message("notes.restored_ledger", {"parts": parts, "items": len(keys)})


def _put_aside(folder: RunFolder) -> None:
    """Move a damaged ledger away, and remove what belongs to its last transactions."""
    for suffix in ("-wal", "-shm", "-journal"):
        folder.ledger.with_name(folder.ledger.name + suffix).unlink(missing_ok=True)
    folder.ledger.replace(folder.ledger.with_name(f"{folder.ledger.name}.damaged"))


def cohort_keys(folder: RunFolder) -> list[Key]:
    """(image, model) in the cohort's order; none where its table cannot be read.

    Args:
        folder: of a run; of a shard, the keys of that shard.
    """
    try:
        rows = pq.read_table(folder.cohort, columns=["image", "model"]).to_pylist()
    except (OSError, pa.ArrowException):
        return []
    keys: dict[str, list[Key]] = {}
    for row in rows:
        keys.setdefault(row["model"], []).append((row["image"], row["model"]))
    shard = folder.read_about().get("shard") if folder.about.is_file() else None
    if shard is None:
        return list(chain.from_iterable(keys.values()))
    of_shard = Shard(shard["index"], shard["count"])
    slots = part_slots(list(keys.values()), shard["part"], of_shard)
    return list(chain.from_iterable(map(images_of, slots)))
