"""Between a run that stopped and the run that goes on: what is still true, and what has to be computed again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from camlucida.core.messages import Message, declare, prefixed
from camlucida.io.tables import listing
from camlucida.runs.compute import item_identity
from camlucida.runs.folder import RunFolder
from camlucida.runs.identity import changed, file_sha256
from camlucida.runs.ledger import Key, Ledger, LedgerEntry
from camlucida.runs.parts import is_whole, part_name, read_part, write_part
from camlucida.runs.plan import ModelPlan

declare(
    "notes",
    {
        "lost_parts": (
            "{count} {count:|part|parts} missing or damaged, their items are "
            "computed again: {names}"
        ),
        "again_image": (
            "{count} {count:|item|items} computed again; changed: the image, or what "
            "is true of it: {names}"
        ),
        "again": "{count} {count:|item|items} computed again; changed: {fields}",
        "gone_images": (
            "{count} {count:|image|images} can no longer be read, what was computed "
            "of them is kept: {names}"
        ),
        "left_items": (
            "{count} {count:|item|items} no longer in the cohort, kept in the folder "
            "but in no table: {names}"
        ),
    },
)

DEATHS = 3
"""How often the process may die on a part before its images are tried one by one, and on one of them before it is given up."""


def recover(folder: RunFolder, ledger: Ledger) -> list[Message]:
    """What a killed process left behind goes; a part whose files were taken away or cut short is computed again.

    Returns:
        What to tell of it, one line each.
    """
    lost = [number for number in ledger.parts() if not is_whole(folder, number)]
    for number in lost:
        ledger.forget(number)
    for path in folder.strays({part_name(number) for number in ledger.parts()}):
        path.unlink()
    names = listing(map(part_name, lost))
    return [Message("notes.lost_parts", {"count": len(lost), "names": names})] if lost else []


def sync(ledger: Ledger, plans: Sequence[ModelPlan], before: Mapping[str, Any]) -> list[Message]:
    """Bring the ledger to this cohort: what is no longer true of an item's image, model or request is pending again.

    Args:
        before: ``run.json`` of the run that goes on; empty for a new one.

    Returns:
        What to tell of it, one line each.
    """
    ledger.set_cohort([key for plan in plans for key in plan.keys])
    known = {entry.key: entry for entry in ledger.entries()}
    recipes = {model["name"]: model["recipe"] for model in before.get("models", ())}
    notes: list[Message] = []
    gone: list[Key] = []
    for plan in plans:
        stale, unreadable = _stale(plan, known)
        hopeful = [key for key in plan.keys if _hopeful(known[key])]
        ledger.reset([*stale, *hopeful])
        gone += unreadable
        if stale:
            fields = changed(recipes.get(plan.name, {}), plan.recipe)
            names = listing(image for image, _ in stale)
            again = {"fields": ", ".join(fields)} if fields else {"names": names}
            note = Message(
                "notes.again" if fields else "notes.again_image", {"count": len(stale), **again}
            )
            notes.append(prefixed(plan.name, note))
    if gone:
        images = list(dict.fromkeys(image for image, _ in gone))
        notes.append(Message("notes.gone_images", {"count": len(images), "names": listing(images)}))
    left = [entry.image for entry in known.values() if entry.position is None]
    if left:
        notes.append(Message("notes.left_items", {"count": len(left), "names": listing(left)}))
    return notes


def tidy(folder: RunFolder, ledger: Ledger) -> None:
    """Parts that hold rows of no item any more are written again without them."""
    held: dict[int, list[LedgerEntry]] = {number: [] for number in ledger.parts()}
    for entry in ledger.entries():
        if entry.part is not None:
            held[entry.part].append(entry)
    for number, items in ledger.parts().items():
        if len(held[number]) < items:
            _rewrite(folder, ledger, number, held[number])
    recover(folder, ledger)


def _rewrite(
    folder: RunFolder, ledger: Ledger, number: int, entries: Iterable[LedgerEntry]
) -> None:
    live = {entry.key for entry in entries}
    rows, maps, predictions = read_part(folder, number)
    kept = [i for i, row in enumerate(rows) if (row["image"], row["model"]) in live]
    answers = [row for row in predictions if (row["image"], row["model"]) in live]
    new = ledger.next_part() if live else None
    if new is not None:
        write_part(folder, new, [rows[i] for i in kept], [maps[i] for i in kept], answers)
    first = dict.fromkeys(live, 0)
    for i, row in reversed(list(enumerate(answers))):
        first[row["image"], row["model"]] = i
    ledger.rewrite(number, new, first)


def _hopeful(entry: LedgerEntry) -> bool:
    """Failed without a trace, and without killing the process: another try costs little, and a decoder may be there now."""
    return entry.state == "failed" and entry.part is None and entry.alone < DEATHS


def _stale(plan: ModelPlan, known: Mapping[Key, LedgerEntry]) -> tuple[list[Key], list[Key]]:
    """Items whose identity is another now; items whose image cannot be read any more."""
    stale: list[Key] = []
    gone: list[Key] = []
    for member, key in zip(plan.cohort.images, plan.keys):
        entry = known[key]
        if entry.state == "pending" or _hopeful(entry):
            continue
        sha256 = file_sha256(member.path)
        if sha256 is None:
            gone.append(key)
        elif item_identity(plan.recipe, member, sha256) != entry.identity:
            stale.append(key)
    return stale, gone
