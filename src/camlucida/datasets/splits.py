"""Splits into training, validation and test: their columns and words, and images of training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from camlucida.core.errors import UsageError
from camlucida.core.messages import Message, Value, declare
from camlucida.io.tables import fold, listing

declare(
    "notes",
    {
        "split_unknown": (
            "NO SPLIT IS RECORDED: images on which the model was trained may be among those that "
            "are evaluated"
        ),
        "training_included": (
            "{count} {count:|image|images} of the split {split} {count:|is|are} among those that "
            "are evaluated; {option} leaves {count:|it|them} out"
        ),
    },
)

TRAINING_NOTES = ("notes.split_unknown", "notes.training_included")
"""Codes of :func:`training_notes`, which name an option of the command that is run."""

SPLIT_COLUMNS = ("split", "subset", "partition", "fold", "set", "datasplit", "phase")
"""Names that a split column usually has, folded."""

NAMES = {
    "train": ("train", "training", "tr", "trn"),
    "val": ("val", "valid", "validation", "dev", "eval"),
    "test": ("test", "testing", "tst", "holdout", "heldout"),
}
"""Split → the words for it, folded."""


def usual_name(cell: str) -> str:
    """``train``, ``val`` or ``test`` for a usual word of it; else the cell.

    Args:
        cell: of a split column.

    >>> usual_name("Validation"), usual_name("fold 3")
    ('val', 'fold 3')
    """
    folded = fold(cell).replace("-", "")
    return next((name for name, words in NAMES.items() if folded in words), cell)


def find_split(requested: str, cells: Sequence[str], where: object) -> str:
    """The split of a table that the user means: as it is written there, or by another word for it.

    Args:
        requested: what the user named.
        cells: of the split column; "" where unknown.
        where: the table's file, for the message.

    Raises:
        UsageError: no such split, or none at all, or two of the words meant.

    >>> find_split("val", ["train", "Validation"], "t.csv")
    'Validation'
    """
    splits = sorted({cell for cell in cells if cell})
    if not splits:
        raise UsageError(
            f"split {requested!r} requested, but {where} has no split column",
            "say which column it is",
        )
    if requested in splits:
        return requested
    meant = [split for split in splits if usual_name(split) == usual_name(requested)]
    meant = meant or [split for split in splits if fold(split) == fold(requested)]
    if len(meant) != 1:
        raise UsageError(f"no split {requested!r} in {where}", f"its splits: {listing(splits, 12)}")
    return meant[0]


def training_notes(
    splits: Sequence[str | None], requested: str | None, option: str = "--split {}"
) -> Iterator[Message]:
    """That images of training may be, or are, among those that are evaluated.

    Args:
        splits: of the images that are evaluated; None where unknown.
        requested: the split that the user named.
        option: how the user names a split, with braces for its name.

    >>> [note.code for note in training_notes([None, None], None)]
    ['notes.split_unknown']
    """
    if requested not in (None, "all") or not splits:
        return
    stated = [split for split in splits if split]
    if not stated:
        yield Message("notes.split_unknown")
        return
    training = [split for split in stated if usual_name(split) == "train"]
    others = sorted(split for split in stated if usual_name(split) in ("val", "test"))
    if training:
        values: dict[str, Value] = {"count": len(training), "split": training[0]}
        values["option"] = option.format(others[0] if others else "test")
        yield Message("notes.training_included", values)
