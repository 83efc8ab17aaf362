"""Notes of letters in images: as the rows that the ledger names record them, in cohort order."""

import pyarrow as pa
import pyarrow.parquet as pq

from camlucida.metrics.burned_in import LETTERS, MARKER, letters_notes
from camlucida.runs.folder import RunFolder
from camlucida.runs.items import LedgerEntry
from camlucida.runs.letters import notes_of_letters
from camlucida.runs.parts import META, part_name


def entry(image, position, part, identity="now"):
    return LedgerEntry(image, "net", position, "done", 1, 0, identity, part, 0, None, ())


def write_part(folder, number, *rows):
    """Rows of image, identity and warnings; the model is always the same."""
    names = ("image", "identity", "warnings")
    made = [{**dict(zip(names, row)), "model": "net"} for row in rows]
    table = pa.Table.from_pylist(made, schema=META)
    pq.write_table(table, folder.part(part_name(number))["meta"])


def test_each_image_once_in_the_order_of_the_cohort(tmp_path):
    folder = RunFolder(tmp_path)
    folder.make()
    letters, marker, other = LETTERS.code, MARKER.code, "notes.other"
    write_part(
        folder,
        1,
        ("late", "now", [other, letters]),
        ("late", "now", [letters]),
        ("plain", "now", []),
        ("stale", "before", [letters]),
    )
    write_part(
        folder,
        2,
        ("early", "now", [letters, marker]),
        ("left", "now", [marker]),
        ("x", "now", None),
    )
    write_part(folder, 3, ("early", "before", [marker]))
    entries = [
        *(entry("late", 3, 1), entry("plain", 1, 1), entry("stale", 2, 1)),
        *(entry("early", 0, 2), entry("x", 4, 2)),
        entry("left", None, 2),  # no longer of the cohort
        entry("pending", 5, None, identity=""),
    ]
    assert notes_of_letters(folder, entries) == letters_notes(["early", "late"], ["early"])
    assert notes_of_letters(folder, []) == []
