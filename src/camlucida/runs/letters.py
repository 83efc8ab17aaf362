"""The images of a run into which letters seem to be burned: its parts record it of each map."""

from __future__ import annotations

from collections.abc import Sequence

from camlucida.core.messages import Message
from camlucida.metrics.burned_in import LETTERS, MARKER, letters_notes
from camlucida.runs.folder import RunFolder
from camlucida.runs.items import LedgerEntry
from camlucida.runs.tables import connect


def notes_of_letters(folder: RunFolder, entries: Sequence[LedgerEntry]) -> list[Message]:
    """A note of the images with letters, and one of those with a side marker alone.

    Args:
        folder: of a run.
        entries: of its ledger.
    """
    sql = """SELECT image FROM explanations WHERE list_contains(warnings, ?)
        GROUP BY image ORDER BY min(position)"""
    names: dict[str, list[str]] = {}
    with connect(folder, entries) as db:
        for code in (LETTERS.code, MARKER.code):
            rows = db.execute(sql, [code]).fetchall()
            names[code] = [str(image) for (image,) in rows]
    return letters_notes(names[LETTERS.code], names[MARKER.code])
