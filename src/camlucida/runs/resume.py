"""What still holds of a run that stopped, and what the run that goes on computes again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from camlucida.core.messages import Message, Value, declare, prefixed
from camlucida.io.tables import listing
from camlucida.runs.compute import item_identity
from camlucida.runs.folder import RunFolder
from camlucida.runs.identity import changed, file_sha256
from camlucida.runs.items import Key, LedgerEntry
from camlucida.runs.ledger import Ledger
from camlucida.runs.parts import damaged_file, part_name
from camlucida.runs.plan import ModelPlan
from camlucida.runs.rewrite import held_items, remove_strays, rewrite

declare(
    "notes",
    {
        "lost_parts": (
            "{count} {count:|part|parts} missing or damaged, their items are "
            "computed again: {names}"
        ),
        "again_image": (
            "{count} {count:|item|items} computed again; changed: the image, or its ground truth: "
            "{names}"
        ),
        "again": "{count} {count:|item|items} computed again; changed: {fields}",
        "gone_images": (
            "{count} {count:|image|images} can no longer be read, their results are kept: {names}"
        ),
        "left_items": (
            "{count} {count:|item|items} no longer in the cohort, kept in the folder "
            "but in no table: {names}"
        ),
    },
)

DEATHS = 3
"""How often the process may die on a part before its images are tried one by one, and on one of
them before it is given up."""


def recover(folder: RunFolder, ledger: Ledger) -> list[Message]:
    """Remove what a killed process left behind, and forget parts whose files are gone or damaged.

    Returns:
        A note of the parts that are computed again.
    """
    digests = ledger.digests()
    lost = [number for number in digests if damaged_file(folder, number, digests[number])]
    for number in lost:
        ledger.forget(number)
    remove_strays(folder, ledger)
    if not lost:
        return []
    names = listing(map(part_name, lost))
    return [Message("notes.lost_parts", {"count": len(lost), "names": names})]


def sync(ledger: Ledger, plans: Sequence[ModelPlan], earlier: Mapping[str, Any]) -> list[Message]:
    """Bring the ledger to this cohort: items whose image, model or request has changed are pending.

    Args:
        ledger: of the run.
        plans: its models with their images.
        earlier: ``run.json`` of the run that goes on; empty for a new one.

    Returns:
        Notes of what is computed again and what is gone.
    """
    keys: list[Key] = []
    for plan in plans:
        keys += plan.keys
    ledger.set_cohort(keys)
    entries = {entry.key: entry for entry in ledger.entries()}
    recipes = {model["name"]: model["recipe"] for model in earlier.get("models", ())}
    notes: list[Message] = []
    gone: list[str] = []
    for plan in plans:
        stale, unreadable = _stale(plan, entries)
        worth_trying = [key for key in plan.keys if _is_worth_trying(entries[key])]
        ledger.reset([*stale, *worth_trying])
        gone += [image for image, _ in unreadable]
        if stale:
            notes.append(prefixed(plan.name, _again(plan, stale, recipes.get(plan.name, {}))))
    left = [entry.image for entry in entries.values() if entry.position is None]
    notes += _listed("notes.gone_images", list(dict.fromkeys(gone)))
    return notes + _listed("notes.left_items", left)


def tidy(folder: RunFolder, ledger: Ledger) -> None:
    """Write parts that hold rows of no item any more again, without these rows."""
    held = held_items(ledger)
    for number, items in ledger.parts().items():
        if len(held[number]) < items:
            rewrite(folder, ledger, [number], held[number])
    recover(folder, ledger)


def _listed(code: str, names: Sequence[str]) -> list[Message]:
    values: dict[str, Value] = {"count": len(names), "names": listing(names)}
    return [Message(code, values)] if names else []


def _again(plan: ModelPlan, stale: Sequence[Key], recipe: Mapping[str, Any]) -> Message:
    """Why items are computed again: fields of the recipe, or else their images."""
    fields = changed(recipe, plan.recipe)
    if fields:
        return Message("notes.again", {"count": len(stale), "fields": ", ".join(fields)})
    names = listing(image for image, _ in stale)
    return Message("notes.again_image", {"count": len(stale), "names": names})


def _is_worth_trying(entry: LedgerEntry) -> bool:
    """Whether an item failed without a trace, and without killing the process.

    Another try costs little, and a decoder may have been installed since.
    """
    return entry.state == "failed" and entry.part is None and entry.alone < DEATHS


def _stale(plan: ModelPlan, entries: Mapping[Key, LedgerEntry]) -> tuple[list[Key], list[Key]]:
    """Items whose identity is another now; items whose image cannot be read any more."""
    stale: list[Key] = []
    gone: list[Key] = []
    for image, key in zip(plan.cohort.images, plan.keys):
        entry = entries[key]
        if entry.state == "pending" or _is_worth_trying(entry):
            continue
        sha256 = file_sha256(image.path)
        if sha256 is None:
            gone.append(key)
        elif item_identity(plan.recipe, image, sha256) != entry.identity:
            stale.append(key)
    return stale, gone
