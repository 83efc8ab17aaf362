"""The images of a run into which letters seem to be burned: its parts record it of each map."""

from __future__ import annotations

from collections.abc import Sequence

from camlucida.core.messages import Message
from camlucida.metrics.artefacts import LETTERS, letters_note
from camlucida.runs.folder import RunFolder
from camlucida.runs.items import LedgerEntry
from camlucida.runs.tables import connect


def note_of_letters(folder: RunFolder, entries: Sequence[LedgerEntry]) -> list[Message]:
    """One note of these images; none where there is none.

    Args:
        folder: of a run.
        entries: of its ledger.
    """
    sql = f"""SELECT image FROM explanations WHERE list_contains(warnings, '{LETTERS.code}')
        GROUP BY image ORDER BY min(position)"""
    with connect(folder, entries) as db:
        names = [str(image) for (image,) in db.execute(sql).fetchall()]
    return letters_note(names)
